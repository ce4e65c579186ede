"""Start trees and candidate arcs: what the network simplex is given to work on."""

from __future__ import annotations

import numpy as np

from otcore._kernels._kernel import kernel, linear, vectors
from otcore._kernels.nearest import insert
from otcore._kernels.tree import spanning_forest

CHEAPEST = 8  # arcs a row and a column to start from; 6 and 10 take about as long, 15 longer
MOST = 4 * CHEAPEST  # where many cost the same
WORST = 4  # violated arcs that a row may add in one round
TILE = 64  # columns tested at once: counting hits vectorises, a search for the worst would not
LANES = 40  # no power of two: the nearest pixels of an image must not share a lane


@kernel(work=linear)
def fill(i, j, a, b):
    """Send what fits along each arc (i, j) in turn, then from the north-west corner: n + m - 1 arcs of a tree.

    Each arc used closes the row or the column that it empties, so it is the only one from that node into
    what is still open: the arcs span a tree, and the flow on it is feasible.
    """
    n, m = a.size, b.size
    a, b = a.copy(), b.copy()
    open_row, open_column = np.ones(n, np.bool_), np.ones(m, np.bool_)
    out_i, out_j = np.empty(n + m - 1, np.int64), np.empty(n + m - 1, np.int64)
    rows, k, e, u, v = n, 0, 0, 0, 0
    while k < out_i.size:
        if e < i.size:
            p, q = i[e], j[e]
            e += 1
            if not (open_row[p] and open_column[q]):
                continue
        else:
            while not open_row[u]:
                u += 1
            while not open_column[v]:
                v += 1
            p, q = u, v
        out_i[k], out_j[k] = p, q
        k += 1
        x = min(a[p], b[q])
        a[p] -= x
        b[q] -= x
        if a[p] == 0 and rows > 1:
            open_row[p] = False
            rows -= 1
        else:
            open_column[q] = False
    return out_i, out_j


@kernel(work=linear)
def tight(n, m, i, j, order):
    """The arcs (i, j) in another order: those of the tightest spanning forest from its leaves inwards, then all.

    Filled in this order, a forest that can carry the masses does.  [Kruskal 1956]

    Parameters
    ----------
    order : (k,) the arcs, the tightest first
    """
    chosen = np.zeros(i.size, np.bool_)
    count = spanning_forest(n, m, i, j, order, chosen)
    degree, link = np.zeros(n + m, np.int64), np.zeros(n + m, np.int64)  # link: XOR of the forest's arcs at a node
    for e in range(i.size):
        if chosen[e]:
            for v in (i[e], n + j[e]):
                degree[v] += 1
                link[v] ^= e
    out_i, out_j = np.empty(count + i.size, np.int64), np.empty(count + i.size, np.int64)
    queue = np.empty(n + m, np.int64)
    first = last = k = 0
    for v in range(n + m):
        if degree[v] == 1:
            queue[last] = v
            last += 1
    while first < last:
        v = queue[first]
        first += 1
        if degree[v] == 0:  # its only arc was taken from the other end
            continue
        e = link[v]
        out_i[k], out_j[k] = i[e], j[e]
        k += 1
        w = n + j[e] if v == i[e] else i[e]
        degree[v] -= 1
        degree[w] -= 1
        link[w] ^= e
        if degree[w] == 1:
            queue[last] = w
            last += 1
    for t in range(i.size):
        out_i[k + t], out_j[k + t] = i[order[t]], j[order[t]]
    return out_i, out_j


@kernel
def _least_of(values, least):
    """The smallest of some values into ``least``, the greatest of these last; infinity where there are fewer."""
    least[:] = np.inf
    last = least.size - 1
    for x in values:
        if x < least[last]:
            t = last
            while t > 0 and least[t - 1] > x:
                least[t] = least[t - 1]
                t -= 1
            least[t] = x


def _tops(rows, i0, g, k, f, row_top, lanes):
    dealt = np.full(-(-g.size // LANES) * LANES, np.inf)
    for i, row in enumerate(rows, i0):
        x = row - g
        f[i], dealt[: x.size] = x.min(), x
        row_top[i] = np.partition(dealt.reshape(-1, LANES).min(axis=0), k - 1)[k - 1]
        if f[i] < np.inf:
            np.minimum(lanes[i % LANES], x - f[i], out=lanes[i % LANES])


@kernel(work=vectors, twin=_tops)
def tops(rows, i0, g, k, f, row_top, lanes):
    """Row minima ``f`` of ``M - g``, and what about ``k`` entries of each row do not exceed.

    Each row is dealt to ``LANES`` lanes: the k-th smallest of their minima is the k-th smallest entry, or the next few.

    Parameters
    ----------
    rows : costs of the rows from ``i0`` on
    f, row_top : (n,) receive both at these rows
    lanes : (LANES, m) minima of ``M - g - f`` of the rows dealt to each; updated
    """
    m = g.size
    x, best, least = np.empty(m), np.empty(LANES), np.empty(k)
    whole = m - m % LANES
    for r in range(rows.shape[0]):
        i, row = i0 + r, rows[r]
        for j in range(m):
            x[j] = row[j] - g[j]
        best[:] = np.inf
        for j in range(0, whole, LANES):
            _lower(x[j : j + LANES], best)
        _lower(x[whole:], best[: m - whole])
        _least_of(best, least)
        f[i], row_top[i] = least[0], least[k - 1]
        if f[i] < np.inf:
            for j in range(m):
                x[j] -= f[i]
            _lower(x, lanes[i % LANES])


@kernel
def _lower(x, best):
    for t in range(x.size):
        best[t] = x[t] if x[t] < best[t] else best[t]


def _column_tops(lanes, k, out):
    out[:] = np.partition(lanes, k - 1, axis=0)[k - 1]


@kernel(work=vectors, twin=_column_tops)
def column_tops(lanes, k, out):
    """What about ``k`` entries of each column do not exceed, from the minima of its lanes."""
    column, least = np.empty(lanes.shape[0]), np.empty(k)  # contiguous, as in `tops`: compiled once
    for j in range(out.size):
        for t in range(column.size):
            column[t] = lanes[t, j]
        _least_of(column, least)
        out[j] = least[k - 1]


@kernel
def _hits(row, g, f, row_top, column_top):
    """How many entries are low for their row or for their column."""
    hits = 0
    for t in range(row.size):
        x = row[t] - g[t]
        hits += (x <= row_top) | (x - f <= column_top[t])
    return hits


def _rotated(x, i):
    """What is true of a row, as indices in the order in which row i is looked at."""
    tiles = -(-x.size // TILE)
    found = np.flatnonzero(x)
    return np.roll(found, -np.searchsorted(found, i % tiles * TILE))


def _low(rows, i0, g, f, row_top, column_top, most, count, out_i, out_j, used):
    for i, row in enumerate(rows, i0):
        x, mine = row - g, 0
        by_row, by_column = x <= row_top[i], x - f[i] <= column_top
        for j in _rotated((by_row | by_column) & (x < np.inf), i).tolist():
            for_row, for_column = by_row[j] and mine < most, by_column[j] and count[j] < most
            if for_row or for_column:
                mine += for_row
                count[j] += for_column
                out_i[used], out_j[used] = i, j
                used += 1
    return used


@kernel(work=vectors, twin=_low)
def low(rows, i0, g, f, row_top, column_top, most, count, out_i, out_j, used):
    """Collect, row by row, the finite arcs that are low for their row or for their column.

    Parameters
    ----------
    rows : costs of the rows from ``i0`` on
    f, row_top, column_top : see :func:`tops`
    most : how many arcs a row, or a column that asks for them, may get: ties can make it all of them
    count : (m,) arcs that each column asked for so far; updated
    out_i, out_j : receive the arcs from place ``used`` on

    Returns
    -------
    how many places are used now
    """
    m = g.size
    tiles = (m + TILE - 1) // TILE
    for r in range(rows.shape[0]):
        i, row = i0 + r, rows[r]
        mine = 0
        for t in range(tiles):
            j0 = (i + t) % tiles * TILE  # every row starts elsewhere, so that ties do not all pick the same columns
            j1 = min(m, j0 + TILE)
            if _hits(row[j0:j1], g[j0:j1], f[i], row_top[i], column_top[j0:j1]) == 0:
                continue
            for j in range(j0, j1):
                x = row[j] - g[j]
                if x > row_top[i] and x - f[i] > column_top[j]:
                    continue
                by_row, by_column = x <= row_top[i] and mine < most, x - f[i] <= column_top[j] and count[j] < most
                if (by_row or by_column) and x < np.inf:
                    mine += by_row
                    count[j] += by_column
                    out_i[used], out_j[used] = i, j
                    used += 1
    return used


def _violations(rows, i0, f, g, tolerance, worst_r, worst_j):
    for i, row in enumerate(rows, i0):
        x = row - f[i] - g
        j = _rotated(x < -tolerance, i)
        j = j[np.argsort(x[j], kind="stable")[: worst_r.shape[1]]]
        worst_r[i, : j.size], worst_j[i, : j.size] = x[j], j


@kernel(work=vectors, twin=_violations)
def violations(rows, i0, f, g, tolerance, worst_r, worst_j):
    """Collect the arcs of lowest ``M_ij - f_i - g_j < -tolerance`` of each of these rows.

    ``worst_r`` (n, K), filled with ``-tolerance``, and ``worst_j`` (n, K), filled with -1, receive them.
    """
    m = g.size
    K = worst_r.shape[1]
    tiles = (m + TILE - 1) // TILE
    for r in range(rows.shape[0]):
        i = i0 + r
        for t in range(tiles):
            j0 = (i + t) % tiles * TILE  # every row starts elsewhere: see low
            j1 = min(m, j0 + TILE)
            hits = 0
            for j in range(j0, j1):
                hits += rows[r, j] - f[i] - g[j] < -tolerance
            if hits > 0:
                for j in range(j0, j1):
                    x = rows[r, j] - f[i] - g[j]
                    if x < worst_r[i, K - 1]:
                        insert(worst_r[i], worst_j[i], x, j)


@kernel
def bridges(rows, i0, n, f, g, component, best, best_i, best_j):
    """The arc of least ``M_ij - f_i - g_j`` that leaves each component; a forbidden one if there is no other."""
    for r in range(rows.shape[0]):
        i = i0 + r
        for j in range(g.size):
            if component[i] != component[n + j]:
                x = rows[r, j] - f[i] - g[j]
                for c in (component[i], component[n + j]):
                    if x < best[c] or best_i[c] < 0:
                        best[c], best_i[c], best_j[c] = x, i, j
