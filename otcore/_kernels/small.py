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


@kernel(work=linear)
def everything(M):
    """All arcs (i, j), row by row."""
    i, j = np.empty(M.size, np.int64), np.empty(M.size, np.int64)
    for k in range(M.size):
        i[k], j[k] = k // M.shape[1], k % M.shape[1]
    return i, j


@kernel(work=linear, shallow=True)
def cheapest(M):
    """Arcs that cost least in their row or column, once the least of each column are taken out; row by row."""
    n, m = M.shape
    g, f, row_top, column_top = np.empty(m), np.empty(n), np.empty(n), np.empty(m)
    lanes = np.full((LANES, m), np.inf)
    column_minima(M, np.zeros(n), g)
    tops(M, 0, g, CHEAPEST, f, row_top, lanes)
    column_tops(lanes, CHEAPEST, column_top)
    count, i, j = np.zeros(m, np.int64), np.empty((n + m) * MOST, np.int64), np.empty((n + m) * MOST, np.int64)
    used = low(M, 0, g, f, row_top, column_top, MOST, count, i, j, 0)
    return i[:used].copy(), j[:used].copy()


@kernel(work=linear)
def hard_potentials(n, m, i, j, cost):
    """The minima of columns, then of rows."""
    f, g = np.full(n, np.inf), np.full(m, np.inf)
    for e in range(cost.size):
        g[j[e]] = min(g[j[e]], cost[e])
    for e in range(cost.size):
        f[i[e]] = min(f[i[e]], cost[e] - g[j[e]])
    return f, g


@kernel(work=linear, shallow=True)
def soft_potentials(i, j, cost, a, b):
    """Those that softening makes of them."""
    start, head = np.zeros(a.size + 1, np.uint32), np.empty(j.size, np.uint32)
    for e in range(i.size):
        start[i[e] + 1] += 1
        head[e] = j[e]
    for v in range(a.size):
        start[v + 1] += start[v]
    return softened(start, head, cost, a / a.sum(), b / b.sum())


@kernel(work=lambda M, i, j: i.size)
def at(M, i, j):
    """The entries (i, j)."""
    out = np.empty(i.size)
    for e in range(i.size):
        out[e] = M[i[e], j[e]]
    return out


@kernel(work=linear, shallow=True)
def violated(M, f, g, worst, which):
    """How many arcs violate their constraint; ``which`` (n, k) receives their columns, row by row, else -1."""
    least = ROUNDING * max(np.abs(f).max(), np.abs(g).max())
    worst[:] = -least
    which[:] = -1
    violations(M, 0, f, g, least, worst, which)
    return (which >= 0).sum()


@kernel(work=lambda M, tail, head, cost, which, found: which.size + cost.size)
def extended(M, tail, head, cost, which, found):
    """Arcs, and behind them those that were found violated."""
    old = cost.size
    u, v, x = np.empty(old + found, NODE), np.empty(old + found, NODE), np.empty(old + found)
    u[:old], v[:old], x[:old] = tail, head, cost
    e = old
    for i in range(which.shape[0]):
        for j in which[i]:
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
    i, j = everything(M) if complete else cheapest(M)
    cost = at(M, i, j)
    f, g = hard_potentials(n, m, i, j, cost) if complete else soft_potentials(i, j, cost, a, b)
    tail, head = i.astype(NODE), (n + j).astype(NODE)
    i, j = tight(n, m, i, j, ascending(cost - f[i] - g[j]))
    i, j = fill(i, j, A, B)
    tree = hang(n, m, i, j, at(M, i, j))
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
        f, g = tree.potential[:n].copy(), -tree.potential[n:]
        found, k, rounds = violated(M, f, g, worst, which), cost.size, rounds + 1
        if found == 0:
            break
        tail, head, cost = extended(M, tail, head, cost, which, found)
    flow = tree_flow(n, tree, A // quantum, B // quantum)
    carried = np.empty(n + m - 1)
    for t in range(1, n + m):
        v = tree.order[t]
        w = tree.parent[v]
        i[t - 1], j[t - 1], carried[t - 1] = min(v, w), max(v, w) - n, ldexp(float(flow[v]), -exponent)
    return i, j, carried, tree.potential, done, rounds, cost.size
