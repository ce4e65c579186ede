"""The cheapest arcs of the points of a cloud: most pairs are ruled out by the boxes around them, as in ``boxes``."""

from __future__ import annotations

import numpy as np

from otcore._kernels._kernel import interpreted, kernel
from otcore._kernels.boxes import FIRST, lower_bounds, picked
from otcore._kernels.cells import LEAF
from otcore._kernels.ground import EUCLIDEAN, bases, block, finish
from otcore._kernels.planes import within

ABOVE = 1.0 + 2.0**-48  # 16 u, where squares and the root lose less than 8
EXACT = (1.0, 0.0)  # bounds of boxes are never above the entries, as floats: no slack


@kernel
def insert(values, labels, x, label):
    """Put ``x`` into the ascending ``values``, whose last one drops out."""
    k = values.size - 1
    while k > 0 and values[k - 1] > x:
        values[k], labels[k] = values[k - 1], labels[k - 1]
        k -= 1
    values[k], labels[k] = x, label


@kernel(work=lambda ground, x, h, leaves, supers, yt, *lists: h.size * yt.shape[1] // 8)
def nearest(ground, x, h, leaves, supers, yt, value, label):
    """For each point of ``yt`` the sources ``i`` of least ``M_ij - h_i``, ascending.

    Parameters
    ----------
    ground : (code, power, unit) of the cost
    x, h : (n, d) sources in kd order and their potentials
    leaves, supers : pairs of boxes (2, d, k) and the largest potential in each (k,)
    yt : (d, m) points, transposed, in kd order
    value, label : (m, K) filled with what a value must be below, and -1; receive values and sources
    """
    m, K = value.shape
    far = np.empty((1, supers[1].size))
    low, high, every, kept = np.empty(x.shape[1]), np.empty(x.shape[1]), np.arange(LEAF), np.arange(LEAF + 1)
    seed = FIRST  # the source leaf that served the last tile: neighbours in kd order mostly want the same
    for j in range(0, m, LEAF):
        tile = yt[:, j : j + LEAF].copy()
        entry = np.empty((LEAF, tile.shape[1]))
        worst = value[j : j + LEAF, K - 1].copy()
        for k in range(low.size):
            low[k], high[k] = tile[k].min(), tile[k].max()
        _visit(ground, x, h, seed, every[: min(LEAF, h.size - seed * LEAF)], tile, entry, worst, value, label, j)
        lower_bounds(ground, EXACT, low, high, supers, FIRST, far)
        for t in range(far.size):
            s = (seed // LEAF + t) % far.size  # nearby ones first
            if far[0, s] >= worst.max():
                continue
            near = np.empty((1, min(LEAF, leaves[1].size - s * LEAF)))
            lower_bounds(ground, EXACT, low, high, leaves, s * LEAF, near)
            while True:  # the nearest leaf first: what it holds rules out others
                r = near[0].argmin()
                if near[0, r] >= worst.max():
                    break
                near[0, r] = np.inf
                leaf = s * LEAF + r
                if leaf == seed:
                    continue
                points, heights = x[leaf * LEAF : (leaf + 1) * LEAF], h[leaf * LEAF : (leaf + 1) * LEAF]
                count = within(ground, EXACT, points, heights, leaves[0], leaf, tile, low, high, worst, kept)
                if count > 0:
                    _visit(ground, x, h, leaf, kept[:count], tile, entry, worst, value, label, j)
        if label[j, 0] >= 0:
            seed = label[j, 0] // LEAF


def _taken(ground, x, h, leaf, kept, tile, entry, worst, value, label, j):
    sources = leaf * LEAF + kept
    interpreted(block)(ground, x[sources], tile, entry[: kept.size])
    entry[: kept.size] -= h[sources][:, None]
    for i, t in zip(*np.nonzero(entry[: kept.size] < worst), strict=True):
        if entry[i, t] < worst[t]:
            interpreted(insert)(value[j + t], label[j + t], entry[i, t], sources[i])
            worst[t] = value[j + t, -1]


@kernel(twin=_taken)
def _visit(ground, x, h, leaf, kept, tile, entry, worst, value, label, j):
    """Take the pairs of some points of a source leaf and one tile into the lists of its points ``j, j + 1, ...``."""
    bases(ground[0], picked(x, leaf, kept), tile, entry[: kept.size])
    per = 1.0 / ground[2]
    rooted = ground[0] == EUCLIDEAN and ground[1] == 1.0 and per < np.inf
    if not rooted:
        finish(ground, entry[: kept.size].reshape(-1))
    last = value.shape[1] - 1
    for i in range(kept.size):
        source = leaf * LEAF + kept[i]
        row, hits = entry[i], 0
        if rooted:  # roots are slow: the squares tell which rows need them
            for t in range(worst.size):
                most = max(worst[t] + h[source], 0.0) * per
                hits += row[t] <= most * most * ABOVE
            if hits == 0:
                continue
            finish(ground, row)
            hits = 0
        for t in range(worst.size):
            row[t] -= h[source]
            hits += row[t] < worst[t]
        if hits > 0:
            for t in range(worst.size):
                if row[t] < worst[t]:
                    insert(value[j + t], label[j + t], row[t], source)
                    worst[t] = value[j + t, last]
