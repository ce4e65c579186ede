"""Which pairs of a line come near ``f_i + g_j = |x_i - y_j| ** p``, without looking at all of them.

Part of the second opinion: only NumPy, and nothing shared with the code that makes certificates.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from otcore._types import Array, Indices
from otcore.certify.reals import BLOCK, two_sum

__all__ = ["close_pairs"]

ROUNDING = 2.0**-44  # relative to the terms of a bound: a few dozen operations and two powers of at most 4 ulps
TINY = 2.0**-1000  # absolute, for terms that underflow


def close_pairs(x: Array, y: Array, f: Array, g: Array, p: float) -> Iterator[tuple[int, int]]:
    """Pairs (i, j) among which every one with ``f_i + g_j > |x_i - y_j| ** p`` has a worse or equal one.

    The cost c is convex, so it lies above each tangent: with d = x0 - y0 and the slope s = c'(d),
    ``c(x - y) - f - g >= c(d) + (s (x - x0) - f) - (s (y - y0) + g)``.  The right-hand side separates, and its
    minimum over a block of neighbours takes time in its sides, not in its area.  Blocks that it does not settle are
    halved.  The bound is off by the square of a block's sides, as is the true slack of blocks beside the curve of
    the plan: a fixed number of blocks a row are left at every size, and O((n + m) log(n + m)) time in all.
    """
    rows, columns = _highest(x, f), _highest(y, g)
    x, f, y, g = x[rows], f[rows], y[columns], g[columns]
    n, m = (1 << (v.size - 1).bit_length() for v in (x, y))  # sides of the blocks
    i, j = np.zeros(1, np.int64), np.zeros(1, np.int64)  # their numbers
    while True:
        step = max(1, BLOCK // (n + m))
        parts = [slice(k, k + step) for k in range(0, i.size, step)]
        far = [_settled(x, y, f, g, p, n * i[part], m * j[part], (n, m)) for part in parts]
        left = ~np.concatenate(far) if far else np.zeros(0, bool)
        i, j = i[left], j[left]
        if n == m == 1 or not i.size:
            break
        for side in (0, 1):
            if (n, m)[side] > 1:
                i, j = np.tile(i, 2), np.tile(j, 2)
                half = np.arange(i.size) >= i.size // 2
                i, j = (2 * i + half, j) if side == 0 else (i, 2 * j + half)
        n, m = max(1, n // 2), max(1, m // 2)
        there = (n * i < x.size) & (m * j < y.size)
        i, j = i[there], j[there]
    yield from zip(rows[i].tolist(), columns[j].tolist(), strict=True)


def _highest(position: Array, potential: Array) -> Indices:
    """Indices by position; of equal positions the one of the largest potential, which decides for all of them."""
    order = np.lexsort((-potential, position))
    return np.asarray(order[np.concatenate([[True], np.diff(position[order]) != 0])])


def _settled(
    x: Array, y: Array, f: Array, g: Array, p: float, i: Indices, j: Indices, sides: tuple[int, int]
) -> np.ndarray:
    """Whether the tangent at the middle proves ``f + g < c`` on the blocks that begin at (i, j)."""
    k, h = (
        np.minimum(v[:, None] + np.arange(side), w.size - 1) for v, side, w in zip((i, j), sides, (x, y), strict=True)
    )
    x0, y0 = x[k[:, sides[0] // 2]], y[h[:, sides[1] // 2]]
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        d, rest = two_sum(x0, -y0)
        cost, slope = np.abs(d) ** p, p * np.sign(d) * np.abs(d) ** (p - 1)
        u, v = x[k] - x0[:, None], y[h] - y0[:, None]
        low = (slope[:, None] * u - f[k]).min(axis=1) - (slope[:, None] * v + g[h]).max(axis=1)
        reach = np.abs(u).max(axis=1) + np.abs(v).max(axis=1) + np.abs(rest)
        terms = cost + np.abs(slope) * reach + np.abs(f[k]).max(axis=1) + np.abs(g[h]).max(axis=1)
        return np.asarray(cost + slope * rest + low > ROUNDING * terms + TINY)
