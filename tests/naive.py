"""Slow, obvious twins of what otcore computes; the oracles of the tests."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import pairwise

import numpy as np

# -- exact optimal transport: the oracle of the zoo ------------------------------------------------------------


def transport(a, b, M):
    """The optimal cost of moving a to b * sum(a) / sum(b), exactly, by successive shortest paths in integers.

    Masses and costs are anything that ``Fraction`` takes; a cost of None (or +inf) is a forbidden arc.
    [Ahuja, Magnanti, Orlin 1993, section 9.7]
    """
    a, b = [Fraction(x) for x in a], [Fraction(x) for x in b]
    ratio = sum(a) / sum(b)
    supply, mass_unit = _to_integers([*a, *(-x * ratio for x in b)])
    n, m = len(a), len(b)
    finite = [(i, n + j) for i in range(n) for j in range(m) if M[i][j] is not None and M[i][j] != float("inf")]
    prices, cost_unit = _to_integers([Fraction(M[i][j - n]) for i, j in finite])
    cost = dict(zip(finite, prices, strict=True))
    flow = dict.fromkeys(finite, 0)
    while any(supply):
        start = next(k for k in range(n) if supply[k] > 0)
        length, before = _shortest_paths(start, n + m, cost, flow)
        end = min((k for k in range(n, n + m) if supply[k] < 0 and k in length), key=length.__getitem__)
        path = []
        k = end
        while k != start:
            path.append((before[k], k))
            k = before[k]
        back = [flow[j, i] for i, j in path if (i, j) not in cost]
        amount = min([supply[start], -supply[end], *back])
        for i, j in path:
            if (i, j) in cost:
                flow[i, j] += amount
            else:
                flow[j, i] -= amount
        supply[start] -= amount
        supply[end] += amount
    return sum(flow[arc] * cost[arc] for arc in finite) * mass_unit * cost_unit


def _shortest_paths(start, nodes, cost, flow):
    """Bellman and Ford on the residual graph: lengths and predecessors of the nodes that can be reached."""
    arcs = [(i, j, c) for (i, j), c in cost.items()] + [(j, i, -c) for (i, j), c in cost.items() if flow[i, j] > 0]
    length, before = {start: 0}, {}
    for _ in range(nodes):
        changed = False
        for i, j, c in arcs:
            if i in length and (j not in length or length[i] + c < length[j]):
                length[j], before[j] = length[i] + c, i
                changed = True
        if not changed:
            break
    return length, before


def _to_integers(values):
    """Integers and the unit that they count."""
    unit = Fraction(1, math.lcm(*(x.denominator for x in values)))
    return [int(x / unit) for x in values], unit


def line_area(x, a, y, b):
    """``int |F - G|``, exactly: what moving a to b * sum(a) / sum(b) costs.  [Santambrogio 2015, Prop. 2.17]"""
    ratio = sum(map(Fraction, a)) / sum(map(Fraction, b))
    steps = [(Fraction(z), Fraction(w)) for z, w in zip(x, a, strict=True)]
    steps += [(Fraction(z), -Fraction(w) * ratio) for z, w in zip(y, b, strict=True)]
    steps.sort()
    area, height = Fraction(0), Fraction(0)
    for (z, w), (following, _) in pairwise(steps):
        height += w
        area += abs(height) * (following - z)
    return area


def line_transport(x, a, y, b, price):
    """``sum price(x_i, y_j)`` along the monotone plan of a line, exactly: optimal for convex ``|x - y|**p``."""
    x, a = zip(*sorted((Fraction(s), Fraction(w)) for s, w in zip(x, a, strict=True)), strict=True)
    y, b = zip(*sorted((Fraction(s), Fraction(w)) for s, w in zip(y, b, strict=True)), strict=True)
    ratio = sum(a) / sum(b)
    a, b = list(a), [w * ratio for w in b]
    i = j = 0
    total = Fraction(0)
    while i < len(a) and j < len(b):
        amount = min(a[i], b[j])
        total += amount * price(x[i], y[j])
        a[i] -= amount
        b[j] -= amount
        i, j = i + (a[i] == 0), j + (j < len(b) and b[j] == 0)
    return total


def real_power(base, p, bits=300):
    """``base ** p`` of a Fraction >= 0 as a Fraction, within ``2 ** -bits`` relatively (exact where it is rational)."""
    p = Fraction(p)
    if base == 0 or p.denominator == 1:
        return base**p.numerator if p else Fraction(1)
    if p.denominator in (2, 4):
        power = base**p.numerator
        # root(u / w) = root(u * w**(k - 1)) / w, scaled so that `bits` binary digits remain
        k = p.denominator
        scale = 1 << k * (bits + 8 + max(0, power.denominator.bit_length() - power.numerator.bit_length()))
        root = power.numerator * power.denominator ** (k - 1) * scale
        for _ in range(k.bit_length() - 1):
            root = math.isqrt(root)
        return Fraction(root, power.denominator * (1 << (scale.bit_length() - 1) // k))
    with localcontext(prec=120, Emax=10**9, Emin=-(10**9)):
        log = (Decimal(base.numerator) / Decimal(base.denominator)).ln()
        return Fraction((log * p.numerator / Decimal(p.denominator)).exp())


def real_distance_power(x, y, metric, p):
    """``d(x, y) ** p`` for points of floats, as a real number to about 90 digits."""
    differences = [abs(Fraction(float(s)) - Fraction(float(t))) for s, t in zip(x, y, strict=True)]
    if metric == "euclidean" and len(differences) > 1:
        return real_power(sum(t * t for t in differences), Fraction(p) / 2)
    return real_power(max(differences) if metric == "chebyshev" else sum(differences), Fraction(p))


# -- entropic transport ----------------------------------------------------------------------------------------


def scaled_iteration(K, u, v, a, omega):
    """Scalings u after one over-relaxed answer, the sums ``u K`` and the L1 error of the rows before."""
    rows = [u[i] * sum(K[i][j] * v[j] for j in range(len(v))) for i in range(len(u))]
    u = [u[i] * (a[i] / rows[i]) ** omega for i in range(len(u))]
    columns = [sum(u[i] * K[i][j] for i in range(len(u))) for j in range(len(v))]
    return u, columns, sum(abs(rows[i] - a[i]) for i in range(len(a)))


# -- the line ------------------------------------------------------------------------------------------------


def line_ctransform(s, h, t, p):
    """``min_i |s_i - t_j|**p - h_i`` for every t_j, as Fractions."""
    s, h, t = ([Fraction(float(v)) for v in values] for values in (s, h, t))
    return [min(real_power(abs(u - v), p) - w for u, w in zip(s, h, strict=True)) for v in t]


def staircase(a, b):
    """``{(i, j): mass}`` of the north-west rule on Fractions, b scaled to the sum of a; no zero entries."""
    a, b = [Fraction(float(w)) for w in a], [Fraction(float(w)) for w in b]
    ratio = sum(a) / sum(b)
    b = [w * ratio for w in b]
    plan = {}
    i = j = 0
    while i < len(a) and j < len(b):
        amount = min(a[i], b[j])
        if amount:
            plan[i, j] = amount
        a[i] -= amount
        b[j] -= amount
        if a[i] == 0:
            i += 1
        else:
            j += 1
    return plan


# -- sums and clouds -------------------------------------------------------------------------------------------


def dot(x, y):
    """``sum x_i y_i`` as a Fraction."""
    return sum((Fraction(float(s)) * Fraction(float(t)) for s, t in zip(x, y, strict=True)), Fraction(0))


def cloud_matrix(cost):
    """The real entries of a ``CloudCost``, row by row, as Fractions to about 90 digits."""
    scale = Fraction(2) ** cost.shift
    return [[scale * real_distance_power(x, y, cost.metric, cost.exponent) for y in cost.y] for x in cost.x]


# -- certificates, in Fractions ---------------------------------------------------------------------------------


def lacking(plan, a, b):
    """What the rows lack of ``a`` and the columns of ``b A / B``, exactly, for a plan of unrounded pairs."""
    a, b = [Fraction(float(w)) for w in a], [Fraction(float(w)) for w in b]
    ratio = sum(a) / sum(b)
    rows, columns = a, [w * ratio for w in b]
    for i, j, high, low in zip(plan.i, plan.j, plan.mass, plan.mass_low, strict=True):
        rows[i] -= Fraction(float(high)) + Fraction(float(low))
        columns[j] -= Fraction(float(high)) + Fraction(float(low))
    return rows, columns


def plan_cost(plan, M):
    """``sum P_ij M_ij`` of a plan of unrounded pairs, exactly."""
    entries = zip(plan.i, plan.j, plan.mass, plan.mass_low, strict=True)
    return sum(
        ((Fraction(float(p)) + Fraction(float(q))) * Fraction(float(M[i, j])) for i, j, p, q in entries), Fraction(0)
    )


def dual_value(f, g, a, b):
    """``sum a f + (A / B) sum b g``, exactly."""
    f, g, a, b = ([Fraction(float(v)) for v in values] for values in (f, g, a, b))
    return sum(map(Fraction.__mul__, a, f)) + sum(a) / sum(b) * sum(map(Fraction.__mul__, b, g))


def worst_violation(f, g, M):
    """``max (f_i + g_j - M_ij)`` over finite entries, exactly."""
    f, g = [Fraction(float(v)) for v in f], [Fraction(float(v)) for v in g]
    return max(
        f[i] + g[j] - Fraction(float(M[i][j])) for i in range(len(f)) for j in range(len(g)) if M[i][j] != math.inf
    )


def gibbs_cost(plan, M, digits=60):
    """Cost of the entropic plan rounded onto its marginals, to about ``digits`` digits.

    K_ij = a_i b_j / B exp((f_i + g_j - M_ij) / epsilon), rows scaled down to a, columns to b A / B, what is missing
    filled rank-one.  [Altschuler, Weed, Rigollet 2017, Alg. 2]
    """
    with localcontext(prec=digits):
        f, g, a, b = ([Decimal(float(v)) for v in values] for values in (plan.f, plan.g, plan.a, plan.b))
        M = [[Decimal(float(v)) for v in row] for row in M]
        epsilon, A, B = Decimal(float(plan.epsilon)), sum(a), sum(b)
        n, m = len(a), len(b)
        K = [[a[i] * b[j] / B * ((f[i] + g[j] - M[i][j]) / epsilon).exp() for j in range(m)] for i in range(n)]
        b = [w * A / B for w in b]
        for i in range(n):
            total = sum(K[i])
            x = min(Decimal(1), a[i] / total) if total else Decimal(1)
            K[i] = [k * x for k in K[i]]
        for j in range(m):
            total = sum(K[i][j] for i in range(n))
            y = min(Decimal(1), b[j] / total) if total else Decimal(1)
            for i in range(n):
                K[i][j] *= y
        alpha = [a[i] - sum(K[i]) for i in range(n)]
        beta = [b[j] - sum(K[i][j] for i in range(n)) for j in range(m)]
        left = sum(alpha)
        fill = sum(alpha[i] * beta[j] * M[i][j] for i in range(n) for j in range(m)) / left if left > 0 else 0
        return Fraction(sum(K[i][j] * M[i][j] for i in range(n) for j in range(m)) + fill)


def tops(x, k, lanes):
    """Of each row of x, dealt to so many lanes, the k-th smallest of their minima."""
    padded = np.full((x.shape[0], -(-x.shape[1] // lanes) * lanes), np.inf)
    padded[:, : x.shape[1]] = x
    return np.sort(padded.reshape(x.shape[0], -1, lanes).min(axis=1))[:, k - 1]


def sinkhorn(M, a, b, epsilon, sweeps, f, g, omega):
    """Sinkhorn iterations with columns over-relaxed by omega, all but the last; the potentials absorb the weights."""
    f, g = f.copy(), g.copy()
    for sweep in range(sweeps):
        f += epsilon * np.log(a / np.exp((f[:, None] + g - M) / epsilon).sum(axis=1))
        step = epsilon * np.log(b / np.exp((f[:, None] + g - M) / epsilon).sum(axis=0))
        g += step if sweep == sweeps - 1 else omega * step
    return f, g


def cell_sums(M, cell, share):
    """Weighted sums of the rows of M over the rows of each cell."""
    total = [[0.0] * len(M[0]) for _ in range(max(cell) + 1)]
    for costs, c, weight in zip(M, cell, share, strict=True):
        total[c] = [before + weight * cost for before, cost in zip(total[c], costs, strict=True)]
    return total


# -- lattices --------------------------------------------------------------------------------------------------


def log_sums(C, z):
    """``log2 sum_j 2**(z_jr - C_ij)`` (n, r), from the largest term."""
    t = z[None, :, :] - C[:, :, None]
    top = t.max(axis=1)
    safe = np.where(np.isneginf(top), 0.0, top)
    return np.log2(np.exp2(t - safe[:, None, :]).sum(axis=1)) + safe


def least(C, h):
    """``min_j (C_ij - h_jr)`` as the largest floats that do not exceed it, (n, r)."""
    return [
        [_floor(min(Fraction(c) - Fraction(v) for c, v in zip(row, column, strict=True))) for column in h.T]
        for row in C
    ]


def _floor(exact):
    """The largest float that is at most ``exact``."""
    nearest = float(exact)
    return nearest if Fraction(nearest) <= exact else math.nextafter(nearest, -math.inf)
