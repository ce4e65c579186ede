"""A small problem from its matrix to the optimal tree in one call: to pass the steps to and fro would take longer.

What the steps are for, :mod:`otcore.engines.exact` says; problems of any size take them one by one.
"""

from __future__ import annotations

from math import ldexp

import numpy as np

from otcore._kernels._kernel import kernel, linear
from otcore._kernels.arcs import CHEAPEST, LANES, MOST, WORST, column_tops, fill, low, tight, tops, violations
from otcore._kernels.dense import column_minima
from otcore._kernels.simplex import NODE, ROUNDING, hang, load, pivots, tree_flow
from otcore._kernels.soften import softened
from otcore._kernels.units import integers

FEW = 1 << 11  # pairs, all of which are candidates: to choose would take longer than the pivots that it saves
CHUNK = 1 << 16  # pivots
DIGIT = 11  # bits of a digit of the numbers that are sorted
MASK = (1 << DIGIT) - 1


@kernel(work=linear)
def ascending(values):
    """The order of some values, to 2^-22 of their range; what is nearer than that stays as it is.  A radix sort"""
    least, most = np.inf, -np.inf
    for x in values:
        least, most = min(least, x), max(most, x)
    scale = (2.0 ** (2 * DIGIT) - 1.0) / (most - least) if most > least else 0.0
    keys, order = np.empty(values.size, np.int64), np.arange(values.size)
    for k in range(values.size):
        keys[k] = np.int64((values[k] - least) * scale)
    for shift in (0, DIGIT):
        place, sorted_, before = np.zeros(MASK + 1, np.int64), np.empty(values.size, np.int64), 0
        for key in keys:
            place[(key >> shift) & MASK] += 1
        for digit in range(MASK + 1):
            place[digit], before = before, before + place[digit]
        for k in order:
            digit = (keys[k] >> shift) & MASK
            sorted_[place[digit]] = k
            place[digit] += 1
        order = sorted_
    return order


# Loops, not expressions with arrays, which would take three times as long to compile.


@kernel(work=linear)
def all_arcs(M):
    """All arcs (i, j) row by row, their costs, and what the minima of columns, then rows, leave of these."""
    n, m = M.shape
    i, j, cost, left = np.empty(M.size, np.int64), np.empty(M.size, np.int64), np.empty(M.size), np.empty(M.size)
    g = np.full(m, np.inf)
    for u in range(n):
        for v in range(m):
            g[v] = min(g[v], M[u, v])
    e = 0
    for u in range(n):
        f = np.inf
        for v in range(m):
            f = min(f, M[u, v] - g[v])
        for v in range(m):
            i[e], j[e], cost[e], left[e] = u, v, M[u, v], M[u, v] - f - g[v]
            e += 1
    return i, j, cost, left


@kernel(work=linear)
def shares(w):
    """Masses of sum one."""
    total, out = 0.0, np.empty(w.size)
    for x in w:
        total += x
    for k in range(w.size):
        out[k] = w[k] / total
    return out


@kernel(work=linear, shallow=True)
def some_arcs(M, a, b):
    """The same of arcs that are among the cheapest of their row or column, and softened potentials."""
    n, m = M.shape
    g, f, row_top, column_top = np.empty(m), np.empty(n), np.empty(n), np.empty(m)
    lanes = np.full((LANES, m), np.inf)
    column_minima(M, np.zeros(n), g)
    tops(M, 0, g, CHEAPEST, f, row_top, lanes)
    column_tops(lanes, CHEAPEST, column_top)
    count, i, j = np.zeros(m, np.int64), np.empty((n + m) * MOST, np.int64), np.empty((n + m) * MOST, np.int64)
    used = low(M, 0, g, f, row_top, column_top, MOST, count, i, j, 0)
    i, j, cost, left = i[:used].copy(), j[:used].copy(), np.empty(used), np.empty(used)
    start, head = np.zeros(n + 1, np.uint32), np.empty(used, np.uint32)
    for e in range(used):
        cost[e], head[e] = M[i[e], j[e]], j[e]
        start[i[e] + 1] += 1
    for v in range(n):
        start[v + 1] += start[v]
    f, g = softened(start, head, cost, shares(a), shares(b))
    for e in range(used):
        left[e] = cost[e] - f[i[e]] - g[j[e]]
    return i, j, cost, left


@kernel(work=linear, shallow=True)
def violated(M, potential, worst, which):
    """How many arcs violate their constraint; ``which`` (n, k) receives their columns, row by row, else -1."""
    n, m = M.shape
    f, g, largest, found = np.empty(n), np.empty(m), 0.0, 0
    for v in range(n + m):
        largest = max(largest, abs(potential[v]))
        if v < n:
            f[v] = potential[v]
        else:
            g[v - n] = -potential[v]
    for i in range(n):
        for k in range(which.shape[1]):
            worst[i, k], which[i, k] = -ROUNDING * largest, -1
    violations(M, 0, f, g, ROUNDING * largest, worst, which)
    for i in range(n):
        for k in range(which.shape[1]):
            found += which[i, k] >= 0
    return found


@kernel(work=lambda M, tail, head, cost, which, found: which.size + cost.size)
def extended(M, tail, head, cost, which, found):
    """Arcs, and behind them those that were found violated."""
    old = cost.size
    u, v, x = np.empty(old + found, NODE), np.empty(old + found, NODE), np.empty(old + found)
    for e in range(old):
        u[e], v[e], x[e] = tail[e], head[e], cost[e]
    e = old
    for i in range(which.shape[0]):
        for k in range(which.shape[1]):
            j = which[i, k]
            if j >= 0:
                u[e], v[e], x[e] = i, M.shape[0] + j, M[i, j]
                e += 1
    return u, v, x


@kernel(work=lambda M, a, b: 10 * (a.size + b.size), shallow=True)
def transport(M, a, b):
    """Solve a transportation problem to its end.

    Parameters
    ----------
    M : (n, m) costs, all finite
    a, b : (n,), (m,) positive masses

    Returns
    -------
    i, j, flow : (n + m - 1,) the arcs of the optimal tree, from its root down, and what they carry
    potential : (n + m,) f, then -g
    done, rounds, arcs : pivots, rounds of pricing, and arcs that the simplex works on
    """
    n, m = M.shape
    A, B, exponent, quantum = integers(a, b)
    complete = M.size <= FEW
    i, j, cost, left = all_arcs(M) if complete else some_arcs(M, a, b)
    tail, head = np.empty(i.size, NODE), np.empty(i.size, NODE)
    for e in range(i.size):
        tail[e], head[e] = i[e], n + j[e]
    i, j = tight(n, m, i, j, ascending(left))
    i, j = fill(i, j, A, B)
    price = np.empty(i.size)
    for e in range(i.size):
        price[e] = M[i[e], j[e]]
    tree = hang(n, m, i, j, price)
    load(n, tree, tree_flow(n, tree, A, B))
    none, worst, which = np.empty(0, np.int64), np.empty((n, min(WORST, m))), np.empty((n, min(WORST, m)), np.int64)
    k = done = rounds = 0
    while True:
        more, k, settled = pivots(tree, tail, head, cost, k, CHUNK, 0.0, none)
        done += more
        if not settled:
            continue
        if complete:
            break
        found, k, rounds = violated(M, tree.potential, worst, which), cost.size, rounds + 1
        if found == 0:
            break
        tail, head, cost = extended(M, tail, head, cost, which, found)
    for v in range(n):
        A[v] //= quantum
    for v in range(m):
        B[v] //= quantum
    flow = tree_flow(n, tree, A, B)
    carried = np.empty(n + m - 1)
    for t in range(1, n + m):
        v = tree.order[t]
        w = tree.parent[v]
        i[t - 1], j[t - 1], carried[t - 1] = min(v, w), max(v, w) - n, ldexp(float(flow[v]), -exponent)
    return i, j, carried, tree.potential, done, rounds, cost.size
