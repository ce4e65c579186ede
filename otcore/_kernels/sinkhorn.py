"""One full Sinkhorn iteration as one pass over the cost.

Both halves of an iteration look at the same entries ``e_ij = 2**(F_i + G_j - factor M_ij)``: a row is summed, its
potential answers the sum, and the row, still in cache and scaled by what the answer changed, joins the column sums.
So there is one exponential and one read of the cost for each entry, and the error of the row sums comes for free.
No maximum is looked for: after any update entries are at most a weight.  Where potentials come from elsewhere (the
start, a jump of epsilon) a sum may leave the range of floats; that row is then done again from its maximum.

Exponents are in base 2 and contain the log-weights; sums run in fixed lanes, so that results are the same bits
whenever and wherever they are computed.  No fast-math: certificates use these entries, too.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from otcore._kernels._kernel import kernel
from otcore._kernels.boxes import lower_bounds
from otcore._kernels.entries import entries, root_entries, square_entries
from otcore._kernels.exp2 import exp2
from otcore._kernels.ground import EUCLIDEAN, SQEUCLIDEAN, block
from otcore._kernels.sums import fma

if TYPE_CHECKING:
    from otcore._types import Array, Points

COLUMNS = 256  # entries a tile: with its costs and potentials, 16 kB for the rows below, in the first-level cache
ROWS = 8  # that wait for their sums and share a read of the column sums, and of points in a cloud a box
FAINTEST = 2.0**-60  # of the least weight: a row or a column of n such entries holds n 2^-60 of it
NO_SLACK = 1.0, 0.0  # bounds of boxes are never above the entries, as floats
TINY, WIDE = 2.0**-700, 2.0**480  # row sums below, or so far off, are done again from the row's maximum


@kernel
def dense_pass(M, factor, F, G, a, omega, w):
    """Rows answer their sums, ``F_i += omega log2(a_i / s_i)``, in place; ``w`` becomes the column sums after that.

    Parameters
    ----------
    M : (n, m) costs, inf allowed; ``factor`` = log2(e) / epsilon
    F, G : (n,) and (m,) exponents, -inf where a weight is zero
    a : (n,) row sums wanted
    omega : float, the factor of over-relaxation

    Returns
    -------
    float: ``sum_i |s_i - a_i|`` of the row sums before the update
    """
    n, m = M.shape
    e, r = np.empty((ROWS, m)), np.zeros(ROWS)
    w[:] = 0.0
    error = 0.0
    for i0 in range(0, n, ROWS):
        count = min(ROWS, n - i0)
        for k in range(count):
            i = i0 + k
            s = entries(M[i], factor, F[i], G, e[k])
            error += abs(s - a[i])
            if a[i] > 0.0 and not sound(s, a[i]):
                F[i], s = restart(M[i], factor, G, a[i], e[k])
            r[k], step = answer(a[i], s, omega)
            F[i] += step
        r[count:] = 0.0
        add_eight(r, e[:count], 0, w)
    return error


@kernel
def cloud_pass(ground, x, tiles, corners, cut, factor, F, G, a, omega, w):
    """:func:`dense_pass` for points: ``x`` (n, d) and ``tiles`` (k, d, COLUMNS), see :func:`tiled`.

    ``G`` and ``w`` have k COLUMNS entries; G is -inf on the last ones, which belong to no point.  Where all entries
    between some rows and a tile are below ``2**cut``, they are left out: see :func:`visible`.
    """
    many, d = tiles.shape[:2]
    tops, seen, near = highest(G), np.empty(many, np.int64), np.empty((1, many))
    e, sums, r = np.empty((many, ROWS, COLUMNS)), np.empty(ROWS), np.zeros(ROWS)
    cost, alone = np.empty((ROWS, COLUMNS)), np.empty((1, w.size))
    squared, rooted = ground[:2] == (SQEUCLIDEAN, 1.0), ground[:2] == (EUCLIDEAN, 1.0)
    centre, points, heights = np.zeros(d), np.empty((ROWS, d)), np.empty(ROWS)
    columns, levels = centred(tiles, corners, factor, G, centre) if squared else (tiles, G)
    w[:] = 0.0
    error = 0.0
    for i0 in range(0, x.shape[0], ROWS):
        count = min(ROWS, x.shape[0] - i0)
        part = x[i0 : i0 + count]
        some = visible(ground, part, corners, tops, cut, factor, F[i0 : i0 + count], near, seen)
        for k in range(count):
            sums[k], heights[k] = 0.0, F[i0 + k]
            for axis in range(d if squared else 0):
                delta = part[k, axis] - centre[axis]
                points[k, axis] = 2.0 * factor * delta
                heights[k] -= factor * delta * delta
        for v in range(some):
            t = seen[v]
            g = levels[t * COLUMNS : (t + 1) * COLUMNS]
            if not (squared or rooted):
                block(ground, part, tiles[t], cost[:count])
            for k in range(count):
                if squared:
                    sums[k] += square_entries(points[k], columns[t], heights[k], g, e[v, k])
                elif rooted:
                    sums[k] += root_entries(part[k], columns[t], factor, heights[k], g, e[v, k])
                else:
                    sums[k] += entries(cost[k], factor, heights[k], g, e[v, k])
        for k in range(count):
            i, s = i0 + k, sums[k]
            error += abs(s - a[i])
            r[k] = 0.0
            if a[i] > 0.0 and not sound(s, a[i]):
                for v in range(some):
                    e[v, k] = 0.0
                for t in range(many):
                    block(ground, x[i : i + 1], tiles[t], cost[:1])
                    alone[0, t * COLUMNS : (t + 1) * COLUMNS] = cost[0]
                F[i], s = restart(alone[0], factor, G, a[i], alone[0])
                scale, step = answer(a[i], s, omega)
                for j in range(w.size):
                    w[j] += scale * alone[0, j]
            else:
                r[k], step = answer(a[i], s, omega)
            F[i] += step
        r[count:] = 0.0
        for v in range(some):
            j = seen[v] * COLUMNS
            add_eight(r, e[v, :count], 0, w[j : j + COLUMNS])
    return error


@kernel
def centred(tiles, corners, factor, G, centre):
    """Tiles around their ``centre``, which is found, and ``G_j - factor |y_j|^2`` for such points y_j.

    Squared distances are taken apart: ``|x|^2 + |y|^2 - 2 x.y`` rounds like the potentials, which are as large.
    """
    columns, levels = np.empty_like(tiles), G.copy()
    for axis in range(centre.size):
        centre[axis] = 0.5 * corners[0, axis].min() + 0.5 * corners[1, axis].max()
        for t in range(tiles.shape[0]):
            for j in range(COLUMNS):
                delta = tiles[t, axis, j] - centre[axis]
                columns[t, axis, j] = delta
                levels[t * COLUMNS + j] -= factor * delta * delta
    return columns, levels


@kernel
def highest(G):
    """The largest exponent of each tile."""
    tops = np.empty(G.size // COLUMNS)
    for t in range(tops.size):
        tops[t] = G[t * COLUMNS : (t + 1) * COLUMNS].max()
    return tops


@kernel
def visible(ground, x, corners, tops, cut, factor, F, near, seen):
    """The tiles that may hold an entry ``2**(F_i + G_j - factor M_ij)`` above ``2**cut`` with rows ``x``: how many.

    The cost between the box of x (r, d) and the boxes ``corners`` (2, d, k) of the tiles is a lower bound of every
    cost between them; ``tops`` (k,) are the largest G.  Their numbers are put into ``seen``; ``near`` is work space.
    """
    low, high = np.empty(x.shape[1]), np.empty(x.shape[1])
    for k in range(low.size):
        low[k], high[k] = x[:, k].min(), x[:, k].max()
    lower_bounds(ground, NO_SLACK, low, high, (corners, np.zeros(tops.size)), 0, near)
    top = F.max()
    count = 0
    for t in range(tops.size):
        if top + tops[t] - factor * near[0, t] > cut:
            seen[count] = t
            count += 1
    return count


@kernel
def restart(cost, factor, G, a, e):
    """A row from its maximum: the exponent F that makes it sum to ``a`` but for s, which is returned beside it."""
    top = -np.inf
    for j in range(cost.size):
        e[j] = fma(-factor, cost[j], G[j])
        top = max(top, e[j])
    s = 0.0
    for j in range(cost.size):
        e[j] = a * exp2(e[j] - top)
        s += e[j]
    return math.log2(a) - top, s


@kernel
def sound(s, a):
    """Whether a sum s for which ``a > 0`` is wanted has all its digits, and ``(a / s)**omega`` is a float."""
    return (s > TINY) & (s < WIDE * a) & (a < WIDE * s)


@kernel
def answer(a, s, omega):
    """``(r, log2 r)`` with ``r = (a / s)**omega``; rows without weight, or that nothing reaches, stay as they are."""
    if not (a > 0.0 and s > 0.0):
        return 0.0, 0.0
    step = omega * math.log2(a / s)
    return (a / s if omega == 1.0 else 2.0**step), step


@kernel
def add_eight(r, e, i, w):
    """``w += sum_k r_k e_i+k`` over eight rows to a read of w; all sums but the last in the kind of e."""
    e0, e1, e2, e3 = four_rows(e, i)
    e4, e5, e6, e7 = four_rows(e, i + 4)
    kind = e.dtype.type
    r0, r1, r2, r3 = kind(r[0]), kind(r[1]), kind(r[2]), kind(r[3])
    r4, r5, r6, r7 = kind(r[4]), kind(r[5]), kind(r[6]), kind(r[7])
    for j in range(w.size):
        four = fma(r0, e0[j], r1 * e1[j]) + fma(r2, e2[j], r3 * e3[j])
        w[j] += four + (fma(r4, e4[j], r5 * e5[j]) + fma(r6, e6[j], r7 * e7[j]))


@kernel
def four_rows(e, i):
    """Rows from i on; the last again where fewer than four are left."""
    last = e.shape[0] - 1
    return e[min(i, last)], e[min(i + 1, last)], e[min(i + 2, last)], e[min(i + 3, last)]


def tiled(points: Points) -> tuple[Array, Array]:
    """Points (m, d) as tiles (k, d, COLUMNS) of coordinates, the last point repeated to fill the last tile.

    And the lowest and highest corners (2, d, k) of the tiles.
    """
    m, d = points.shape
    count = -(-m // COLUMNS)
    padded = np.concatenate([points, np.repeat(points[-1:], count * COLUMNS - m, axis=0)])
    tiles = np.ascontiguousarray(padded.reshape(count, COLUMNS, d).transpose(0, 2, 1))
    return tiles, np.ascontiguousarray(np.stack([tiles.min(axis=2).T, tiles.max(axis=2).T]))
