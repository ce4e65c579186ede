"""The c-transform of a cloud in few dimensions: most pairs are ruled out by the boxes around them.

Points stand in kd order; 32 consecutive ones are a leaf, 32 leaves a super-leaf.  The cost between two boxes is
computed by the very operations that compute entries, all monotone in floats, so it is never above an entry
between them: what is skipped could not have changed a minimum, and the result equals brute force bit for bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from otcore._kernels._kernel import interpreted, kernel
from otcore._kernels.cells import LEAF
from otcore._kernels.cloud import keep_minimum, round_down
from otcore._kernels.ground import accumulate, block, finish
from otcore._kernels.planes import within

if TYPE_CHECKING:
    from otcore._types import Array, Potential

# Of all boxes.  A literal is a type of its own, and what is called with it would be compiled twice.
FIRST: Any = np.int64(0)


def corners(xt: Array, width: int) -> Array:
    """Lowest and highest coordinates (2, d, k) of each ``width`` consecutive columns of ``xt`` (d, n)."""
    starts = np.arange(0, xt.shape[1], width)
    return np.stack([np.minimum.reduceat(xt, starts, axis=1), np.maximum.reduceat(xt, starts, axis=1)])


def highest(f: Potential, width: int) -> Array:
    """The largest of each ``width`` consecutive potentials."""
    return np.maximum.reduceat(f, np.arange(0, f.size, width))


@kernel(work=lambda ground, enclosure, pruning, x, f, leaves, supers, yt, out: f.size * out.size // 8)
def pruned_ctransform(ground, enclosure, pruning, x, f, leaves, supers, yt, out):
    """``out[j] = min_i (M_lo[i, j] - f[i])``, rounded down: :func:`otcore._kernels.cloud.ctransform`, sooner.

    Parameters
    ----------
    pruning : (shrink, eta), an enclosure for the bounds; wider than ``enclosure`` only where pow is not monotone
    x, f : (n, d) points in kd order and their potentials
    leaves, supers : pairs of boxes (2, d, k) and the largest potential in each (k,)
    yt : (d, m) points, transposed, in kd order
    """
    far = np.empty((1, supers[1].size))
    low, high, every, kept = np.empty(x.shape[1]), np.empty(x.shape[1]), np.arange(LEAF), np.arange(LEAF + 1)
    guess = FIRST  # the source leaf that served the last tile: neighbours in kd order mostly want the same
    for j in range(0, out.size, LEAF):
        tile, best = yt[:, j : j + LEAF].copy(), out[j : j + LEAF]
        error, entry = np.zeros(best.size), np.empty((LEAF, best.size))
        best[:] = np.inf
        for k in range(low.size):
            low[k], high[k] = tile[k].min(), tile[k].max()
        visit(ground, enclosure, x, f, guess, every[: min(LEAF, f.size - guess * LEAF)], tile, entry, best, error)
        worst, seed = best.max(), guess
        lower_bounds(ground, pruning, low, high, supers, FIRST, far)
        for s in range(far.size):
            if far[0, s] > worst:
                continue
            near = np.empty((1, min(LEAF, leaves[1].size - s * LEAF)))
            lower_bounds(ground, pruning, low, high, leaves, s * LEAF, near)
            for t in range(near.size):
                leaf = s * LEAF + t
                if near[0, t] > worst or leaf == seed:
                    continue
                points, h = x[leaf * LEAF : (leaf + 1) * LEAF], f[leaf * LEAF : (leaf + 1) * LEAF]
                count = within(ground, pruning, points, h, leaves[0], leaf, tile, low, high, best, kept)
                if count == 0:
                    continue
                visit(ground, enclosure, x, f, leaf, kept[:count], tile, entry, best, error)
                if best.max() < worst:
                    worst, guess = best.max(), leaf
        round_down(best, error)


def _picked(x, leaf, kept):
    return x[leaf * LEAF + kept]


@kernel(twin=_picked)
def picked(x, leaf, kept):
    """Some points of a leaf, (kept.size, d)."""
    points = np.empty((kept.size, x.shape[1]))
    for i in range(kept.size):
        for k in range(x.shape[1]):
            points[i, k] = x[leaf * LEAF + kept[i], k]
    return points


@kernel
def visit(ground, enclosure, x, f, leaf, kept, tile, entry, best, error):
    """Take the pairs of some points of one source leaf and one tile into the minima."""
    h = np.empty(kept.size)
    for i in range(kept.size):
        h[i] = f[leaf * LEAF + kept[i]]
    block(ground, picked(x, leaf, kept), tile, entry[: h.size])
    keep_minimum(enclosure, entry[: h.size], h, best, error)


def _lower_bounds(ground, pruning, low, high, sources, start, bound):
    corners, top = sources
    shrink, eta = pruning
    here = slice(start, start + bound.shape[1])
    bound[:] = 0.0
    for k in range(low.size):
        gap = np.maximum(np.maximum(corners[0, k, here] - high[k], low[k] - corners[1, k, here]), 0.0)
        interpreted(accumulate)(ground[0], np.zeros(1), gap, bound)
    interpreted(finish)(ground, bound[0])
    bound[0] = np.maximum(bound[0] * shrink - eta, 0.0) - top[here]


@kernel(twin=_lower_bounds)
def lower_bounds(ground, pruning, low, high, sources, start, bound):
    """``bound[0, t] <= M_lo - f`` for all pairs of box ``start + t`` of the sources and the box from low to high."""
    corners, top = sources
    shrink, eta = pruning
    bound[:] = 0.0
    origin, gap = np.zeros(1), np.empty(bound.size)
    for k in range(low.size):
        lows, highs = corners[0, k, start : start + gap.size], corners[1, k, start : start + gap.size]
        for t in range(gap.size):
            gap[t] = max(lows[t] - high[k], low[k] - highs[t], 0.0)
        accumulate(ground[0], origin, gap, bound)
    finish(ground, bound[0])
    for t in range(gap.size):
        bound[0, t] = max(bound[0, t] * shrink - eta, 0.0) - top[start + t]
