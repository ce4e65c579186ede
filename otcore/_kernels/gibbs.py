"""An entropic plan rounded onto its marginals in two passes over the cost.  [Altschuler, Weed, Rigollet 2017, Alg. 2]

``K_ij = 2**(F_i + G_j - factor M_ij)`` are the floats of :func:`otcore._kernels.entries.entries`, the same bits in
both passes.  No fast-math: the upper bound of a certificate is made here.
"""

from __future__ import annotations

import numpy as np

from otcore._kernels._kernel import kernel
from otcore._kernels.entries import entries
from otcore._kernels.ground import block
from otcore._kernels.sinkhorn import COLUMNS, ROWS, highest, visible


@kernel
def dense_rounding(M, factor, F, G, a, held, sums, costs):
    """``held = K 1`` and, with ``x = min(1, a / K 1)``, ``sums = K^T x`` and ``costs = (K * M)^T x``.

    There nothing times inf is nothing.
    """
    n, m = M.shape
    e = np.empty(m)
    sums[:] = 0.0
    costs[:] = 0.0
    for i in range(n):
        held[i] = entries(M[i], factor, F[i], G, e)
        add(scaling(a[i], held[i]), e, M[i], sums, costs)


@kernel
def cloud_rounding(ground, points, tiles, corners, cut, factor, F, G, a, held, sums, costs):
    """:func:`dense_rounding` for points and tiles of points, see :func:`otcore._kernels.sinkhorn.cloud_pass`.

    The plan has no entries outside the visible tiles.
    """
    tops, seen, near = highest(G), np.empty(tiles.shape[0], np.int64), np.empty((1, tiles.shape[0]))
    M, e = np.empty((tiles.shape[0], ROWS, COLUMNS)), np.empty((tiles.shape[0], ROWS, COLUMNS))
    sums[:] = 0.0
    costs[:] = 0.0
    for i0 in range(0, points.shape[0], ROWS):
        count = min(ROWS, points.shape[0] - i0)
        part = points[i0 : i0 + count]
        some = visible(ground, part, corners, tops, cut, factor, F[i0 : i0 + count], near, seen)
        held[i0 : i0 + count] = 0.0
        for v in range(some):
            j = seen[v] * COLUMNS
            block(ground, part, tiles[seen[v]], M[v, :count])
            for k in range(count):
                held[i0 + k] += entries(M[v, k], factor, F[i0 + k], G[j : j + COLUMNS], e[v, k])
        for v in range(some):
            j = seen[v] * COLUMNS
            for k in range(count):
                x = scaling(a[i0 + k], held[i0 + k])
                add(x, e[v, k], M[v, k], sums[j : j + COLUMNS], costs[j : j + COLUMNS])


@kernel
def dense_remainder(M, factor, F, G, y, beta, held, price):
    """``held = K y`` and ``price = M beta``."""
    e, lanes, prices = np.empty(COLUMNS), np.empty(COLUMNS), np.empty(COLUMNS)
    for i in range(M.shape[0]):
        lanes[:] = 0.0
        prices[:] = 0.0
        for j in range(0, M.shape[1], COLUMNS):
            row = M[i, j : j + COLUMNS]
            entries(row, factor, F[i], G[j : j + COLUMNS], e[: row.size])
            weigh(e[: row.size], y[j : j + COLUMNS], row, beta[j : j + COLUMNS], lanes, prices)
        held[i], price[i] = fold(lanes), fold(prices)


@kernel
def cloud_remainder(ground, points, tiles, corners, cut, factor, F, G, y, beta, held, price):
    """:func:`dense_remainder` for points and tiles of points; y and beta are 0 on the columns of no point."""
    tops, seen, near = highest(G), np.empty(tiles.shape[0], np.int64), np.empty((1, tiles.shape[0]))
    e, nothing, M = np.zeros(COLUMNS), np.zeros(COLUMNS), np.empty((ROWS, COLUMNS))
    lanes, prices = np.empty((ROWS, COLUMNS)), np.empty((ROWS, COLUMNS))
    for i0 in range(0, points.shape[0], ROWS):
        count = min(ROWS, points.shape[0] - i0)
        part = points[i0 : i0 + count]
        some = visible(ground, part, corners, tops, cut, factor, F[i0 : i0 + count], near, seen)
        lanes[:] = 0.0
        prices[:] = 0.0
        v = 0
        for t in range(tiles.shape[0]):
            j = t * COLUMNS
            block(ground, part, tiles[t], M[:count])
            seen_now = v < some and seen[v] == t
            v += seen_now
            for k in range(count):
                if seen_now:
                    entries(M[k], factor, F[i0 + k], G[j : j + COLUMNS], e)
                entry = e if seen_now else nothing
                weigh(entry, y[j : j + COLUMNS], M[k], beta[j : j + COLUMNS], lanes[k], prices[k])
        for k in range(count):
            held[i0 + k], price[i0 + k] = fold(lanes[k]), fold(prices[k])


@kernel
def scaling(a, s):
    """Alg. 2, lines 1-2: rows are only ever scaled down."""
    return a / s if s > a else 1.0


@kernel
def add(x, e, M, sums, costs):
    """``sums += x e`` and ``costs += x e M``."""
    for j in range(e.size):
        moved = x * e[j]
        sums[j] += moved
        paid = moved * M[j]  # read whether needed or not: a read under a condition is a slow one
        costs[j] += paid if moved > 0.0 else 0.0


@kernel
def weigh(e, y, M, beta, lanes, prices):
    """``e y`` and ``M beta`` into their lanes."""
    for t in range(e.size):
        lanes[t] += e[t] * y[t]
        paid = M[t] * beta[t]
        prices[t] += paid if beta[t] > 0.0 else 0.0


@kernel
def fold(lanes):
    """The sum of all lanes, by halves; they are overwritten."""
    half = lanes.size // 2
    while half > 4:
        low, high = lanes[:half], lanes[half : 2 * half]
        for t in range(half):
            low[t] += high[t]
        half //= 2
    return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]))
