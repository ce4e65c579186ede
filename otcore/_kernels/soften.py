"""Potentials to start from: a few Sinkhorn iterations on the candidate arcs.

Softened by an ``epsilon`` below most reduced costs, the dual problem is smooth, and coordinate ascent does not jam as
it does at ``epsilon = 0``.  Nothing here is exact or needs to be: the simplex starts from the tree of the arcs that
come out tightest, and pivots where that is wrong.
"""

from __future__ import annotations

import math

import numpy as np

from otcore._kernels._kernel import interpreted, kernel
from otcore._kernels.exp2 import HIGHEST, S, joined, rint

STEPS, LAST = 6, 0.02  # epsilons, down to this share of the mean reduced cost
FEW, NODES = 2, 400  # iterations a step: so many, and one more for so many nodes, as pivots get dearer with the tree
LOG2_E = 1 / math.log(2.0)
TINY = 1e-150  # sums below it say nothing: all arcs of a row or column have underflowed
LOWEST = -600.0  # powers of two below are as good as none
POLYNOMIAL = tuple(map(float, S))


@kernel
def _power(t):
    """``2**t`` to nine digits, in products and sums that NumPy rounds alike."""
    u = min(max(t, LOWEST), HIGHEST)
    n = rint(u)
    r = u - n
    p = POLYNOMIAL[5] + r * POLYNOMIAL[6]
    p = POLYNOMIAL[4] + r * p
    p = POLYNOMIAL[3] + r * p
    p = POLYNOMIAL[2] + r * p
    p = POLYNOMIAL[1] + r * p
    p = POLYNOMIAL[0] + r * p
    return joined(p, n)


@kernel
def soften(start, j, cost, a, b, epsilon, sweeps, f, g):
    """Over-relaxed Sinkhorn iterations on the arcs of each row, ``start[i] .. start[i + 1] - 1``.

    Parameters
    ----------
    start, j, cost : (n + 1,), (k,), (k,) the arcs row by row
    a, b : (n,), (m,) masses of equal sum, at most 1
    epsilon : in units of the cost
    f, g : (n,), (m,) potentials with ``f_i + g_j - cost`` at most a few hundred ``epsilon``; changed in place
    """
    n, m = a.size, b.size
    K = np.empty(cost.size)
    u, v, total = np.ones(n), np.ones(m), np.empty(m)
    for i in range(n):
        for e in range(start[i], start[i + 1]):
            K[e] = (f[i] + g[j[e]] - cost[e]) * (LOG2_E / epsilon)
    for e in range(K.size):
        K[e] = _power(K[e])
    for sweep in range(sweeps):
        total[:] = 0.0
        for i in range(n):
            held = 0.0
            for e in range(start[i], start[i + 1]):
                held += K[e] * v[j[e]]
            if held > TINY:
                u[i] = a[i] / held
            for e in range(start[i], start[i + 1]):
                total[j[e]] += K[e] * u[i]
        for c in range(m):
            if total[c] > TINY:
                w = b[c] / total[c]
                # Over-relaxed by 1.5, so that a square root does; not the last time, so that no arc exceeds its column.
                v[c] = w * math.sqrt(w / v[c]) if sweep < sweeps - 1 and v[c] > 0.0 else w
    for i in range(n):
        f[i] += epsilon * math.log(u[i]) if u[i] > 0.0 else -np.inf
    for c in range(m):
        g[c] += epsilon * math.log(v[c]) if v[c] > 0.0 else -np.inf


def _powers(t):
    u = np.clip(t, LOWEST, HIGHEST)
    n = np.rint(u)
    r = u - n
    p = POLYNOMIAL[-1]
    for c in POLYNOMIAL[-2::-1]:
        p = c + r * p
    return interpreted(joined)(p, n)


def _soften(i, j, cost, a, b, epsilon, sweeps, f, g):
    u, v = np.ones(a.size), np.ones(b.size)
    K = _powers((f[i] + g[j] - cost) * (LOG2_E / epsilon))
    for sweep in range(sweeps):
        held = np.bincount(i, K * v[j], a.size)  # adds one by one
        np.divide(a, held, out=u, where=held > TINY)
        total = np.bincount(j, K * u[i], b.size)
        some = total > TINY
        w = b[some] / total[some]
        relaxed = w * np.sqrt(w / v[some]) if sweep < sweeps - 1 else w
        v[some] = np.where(v[some] > 0.0, relaxed, w)
    for h, factor in ((f, u), (g, v)):
        h += epsilon * np.array([math.log(x) if x > 0.0 else -math.inf for x in factor.tolist()])


def _softened(start, j, cost, a, b):
    i = np.repeat(np.arange(a.size), np.diff(start.astype(np.int64)))
    f, g = np.full(a.size, np.inf), np.full(b.size, np.inf)
    np.minimum.at(g, j, cost)
    np.minimum.at(f, i, cost - g[j])
    mean = np.cumsum((cost - g[j] - f[i]) / cost.size)[-1] if cost.size else 0.0
    for h in (f, g):
        h[h == np.inf] = 0.0
    if mean == 0.0:
        return f, g
    soft_f, soft_g = f.copy(), g.copy()
    for step in range(1, STEPS + 1):
        sweeps = FEW + (a.size + b.size) // NODES
        _soften(i, j, cost, a, b, mean * LAST ** (step / STEPS), sweeps, soft_f, soft_g)
    good = np.isfinite(soft_f).all() and np.isfinite(soft_g).all()
    return (soft_f, soft_g) if good else (f, g)


@kernel(work=lambda start, j, *masses: j.size // 4, twin=_softened)
def softened(start, j, cost, a, b):
    """Potentials near the optimal ones of the arcs of each row, ``start[i] .. start[i + 1] - 1``.

    Parameters
    ----------
    start, j, cost : (n + 1,), (k,), (k,) the arcs row by row; finite
    a, b : (n,), (m,) masses of equal sum, at most 1

    Returns
    -------
    f, g : (n,), (m,); the minima of columns, then of rows, where softening did not go well
    """
    n, m = a.size, b.size
    f, g = np.full(n, np.inf), np.full(m, np.inf)
    for e in range(cost.size):
        g[j[e]] = min(g[j[e]], cost[e])
    mean = 0.0
    for i in range(n):
        for e in range(start[i], start[i + 1]):
            f[i] = min(f[i], cost[e] - g[j[e]])
        for e in range(start[i], start[i + 1]):
            mean += (cost[e] - g[j[e]] - f[i]) / cost.size
    for h in (f, g):
        for v in range(h.size):
            h[v] = h[v] if h[v] < np.inf else 0.0
    if mean == 0.0:
        return f, g
    soft_f, soft_g = f.copy(), g.copy()
    sweeps = FEW + (n + m) // NODES
    for step in range(1, STEPS + 1):
        soften(start, j, cost, a, b, mean * LAST ** (step / STEPS), sweeps, soft_f, soft_g)
    for h in (soft_f, soft_g):
        for v in range(h.size):
            if not abs(h[v]) < np.inf:
                return f, g
    return soft_f, soft_g
