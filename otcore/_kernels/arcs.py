"""Start trees and candidate arcs: what the network simplex is given to work on."""

from __future__ import annotations

import numpy as np
from numba import njit

from otcore._kernels.nearest import insert


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True)
def cheapest(rows, i0, n, g, row_r, row_j, column_r, column_i):
    """Collect the arcs of least ``M_ij - g_j`` of each row and of least ``M_ij - g_j - f_i`` of each column.

    Parameters
    ----------
    rows : costs of the rows from ``i0`` on, of ``n`` in all
    row_r, row_j : (n, K), column_r, column_i : (L, m); values ascending (filled with inf), and labels
    """
    m = g.size
    K, L = row_r.shape[1], column_r.shape[0]
    for r in range(rows.shape[0]):
        i = i0 + r
        start = i * m // n  # every row starts elsewhere, so that ties do not all pick the same columns
        for t in range(m):
            j = start + t if start + t < m else start + t - m
            x = rows[r, j] - g[j]
            if x < row_r[i, K - 1]:
                insert(row_r[i], row_j[i], x, j)
        f = row_r[i, 0]
        for j in range(m):
            x = rows[r, j] - g[j] - f
            if x < column_r[L - 1, j]:
                insert(column_r[:, j], column_i[:, j], x, i)


TILE = 64  # columns tested at once: the count of violations vectorises, a search for the worst would not


@njit(cache=True, nogil=True)
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
            j0 = (i + t) % tiles * TILE  # every row starts elsewhere: see cheapest
            j1 = min(m, j0 + TILE)
            hits = 0
            for j in range(j0, j1):
                hits += rows[r, j] - f[i] - g[j] < -tolerance
            if hits > 0:
                for j in range(j0, j1):
                    x = rows[r, j] - f[i] - g[j]
                    if x < worst_r[i, K - 1]:
                        insert(worst_r[i], worst_j[i], x, j)


@njit(cache=True, nogil=True)
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
