"""Potentials to start from: a few Sinkhorn iterations on the candidate arcs.

Softened by an ``epsilon`` below most reduced costs, the dual problem is smooth, and coordinate ascent does not jam as
it does at ``epsilon = 0``.  Nothing here is exact or needs to be: the simplex starts from the tree of the arcs that
come out tightest, and pivots where that is wrong.
"""

from __future__ import annotations

from math import log, sqrt

import numpy as np

from otcore._kernels._kernel import kernel
from otcore._kernels.exp2 import exp2

STEPS, LAST = 6, 0.02  # epsilons, down to this share of the mean reduced cost
FEW, NODES = 2, 400  # iterations a step: so many, and one more for so many nodes, as pivots get dearer with the tree
LOG2_E = 1 / log(2.0)
TINY = 1e-150  # sums below it say nothing: all arcs of a row or column have underflowed


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
        K[e] = exp2(K[e])
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
                v[c] = w * sqrt(w / v[c]) if sweep < sweeps - 1 and v[c] > 0.0 else w
    for i in range(n):
        f[i] += epsilon * log(u[i]) if u[i] > 0.0 else -np.inf
    for c in range(m):
        g[c] += epsilon * log(v[c]) if v[c] > 0.0 else -np.inf


@kernel(work=lambda start, j, *masses: 50 * j.size)
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
