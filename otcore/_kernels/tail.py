"""The few entries that carry an entropic plan at small epsilon: finding them, and passes over them alone."""

from __future__ import annotations

import math

import numpy as np

from otcore._kernels._kernel import kernel
from otcore._kernels.exp2 import exp2
from otcore._kernels.ground import block
from otcore._kernels.sinkhorn import COLUMNS, highest, visible

GROUP = 16  # exponents tested together before any of them is looked at


@kernel
def dense_tail(M, factor, F, G, low_F, low_G, i, start, j, cost, used):
    """Append the entries with ``F_i + G_j - factor M_ij > min(low_F_i, low_G_j)`` from row i on, while they fit.

    Returns
    -------
    (i, used): the first row not done, and how much of ``j`` and ``cost`` is in use; ``start[i]`` is where row i starts
    """
    m = M.shape[1]
    while i < M.shape[0] and used + m <= j.size:
        start[i] = used
        for c in range(0, m, COLUMNS):
            row = M[i, c : c + COLUMNS]
            used = gather(row, factor, F[i], G[c : c + COLUMNS], low_F[i], low_G[c : c + COLUMNS], c, j, cost, used)
        i += 1
    start[i] = used
    return i, used


@kernel
def cloud_tail(ground, x, tiles, corners, cut, factor, F, G, low_F, low_G, i, start, j, cost, used):
    """:func:`dense_tail` for points and tiles of points; G is -inf on the columns of no point, cut the least low."""
    M, tops = np.empty((1, COLUMNS)), highest(G)
    near, seen = np.empty((1, tops.size)), np.empty(tops.size, np.int64)
    while i < x.shape[0]:
        some = visible(ground, x[i : i + 1], corners, tops, cut, factor, F[i : i + 1], near, seen)
        if used + some * COLUMNS > j.size:
            break
        start[i] = used
        for v in range(some):
            t, c = seen[v], seen[v] * COLUMNS
            block(ground, x[i : i + 1], tiles[t], M)
            used = gather(M[0], factor, F[i], G[c : c + COLUMNS], low_F[i], low_G[c : c + COLUMNS], c, j, cost, used)
        i += 1
    start[i] = used
    return i, used


@kernel
def gather(M, factor, F, G, low_F, low_G, first, j, cost, used):
    """Entries of one tile that are worth keeping; most groups of 16 hold none."""
    for c in range(0, M.size, GROUP):
        part, g, low = M[c : c + GROUP], G[c : c + GROUP], low_G[c : c + GROUP]
        kept = 0
        for t in range(part.size):
            kept += 1 if F + g[t] - factor * part[t] > min(low_F, low[t]) else 0
        if kept == 0:
            continue
        for t in range(part.size):
            if F + g[t] - factor * part[t] > min(low_F, low[t]):
                j[used], cost[used] = first + c + t, part[t]
                used += 1
    return used


@kernel
def evaluate(start, j, cost, factor, F, G, b, P, s, w):
    """Columns answer ``F``: G in place, the entries ``P = 2**(F + G - factor cost)`` and their row sums ``s``."""
    w[:] = 0.0
    for i in range(s.size):
        for k in range(start[i], start[i + 1]):
            P[k] = F[i] + G[j[k]] - factor * cost[k]
    for k in range(P.size):
        P[k] = exp2(P[k])
    for k in range(P.size):
        w[j[k]] += P[k]
    for c in range(w.size):
        w[c] = b[c] / w[c] if w[c] > 0.0 else 1.0
        G[c] += math.log2(w[c])
    for i in range(s.size):
        total = 0.0
        for k in range(start[i], start[i + 1]):
            P[k] *= w[j[k]]
            total += P[k]
        s[i] = total


@kernel
def thin(start, j, P, low, new_start, new_j, new_P):
    """The entries of row i above ``low[i]``, in the first ``new_start[n]`` places of the new arrays."""
    used = 0
    for i in range(low.size):
        new_start[i] = used
        for k in range(start[i], start[i + 1]):
            if P[k] > low[i]:
                new_j[used], new_P[used] = j[k], P[k]
                used += 1
    new_start[low.size] = used


@kernel
def curve(start, j, P, d, b, v, out, columns):
    """``out = (diag(d) - P diag(1/b) P^T) v``: the Hessian of the semi-dual where columns answer exactly."""
    columns[:] = 0.0
    for i in range(v.size):
        for k in range(start[i], start[i + 1]):
            columns[j[k]] += P[k] * v[i]
    for c in range(columns.size):
        columns[c] /= b[c]
    for i in range(v.size):
        total = 0.0
        for k in range(start[i], start[i + 1]):
            total += P[k] * columns[j[k]]
        out[i] = d[i] * v[i] - total
