"""The second opinion: every claim of a certificate checked again, by code that shares nothing with its maker.

Only NumPy and Python integers are used.  A float is an integer over a power of two, so sums, products and
comparisons of the claims are done in integers, without rounding; where distances are real numbers that no
float equals, ``f + g <= d ** p`` is decided by powers of integers.  NumPy's floats only settle the pairs
that are nowhere near equality, and with ``exact=True`` not even those.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import product
from operator import add
from typing import Any

import numpy as np

from otcore._types import Array, Indices, Matrix
from otcore.certify.reals import Given, Power, denominator, dot, integers, real_cost, steps, total, two_sum
from otcore.certify.tangents import close_pairs
from otcore.costs import LineCost
from otcore.plans import GibbsPlan, SparsePlan
from otcore.solution import Certificate

__all__ = ["Check", "Verification", "verify"]

SLACK_VALUE, SLACK_MASS = 1e-11, 1e-13  # what the floats of a Gibbs plan are allowed; see _gibbs_plan


@dataclass(frozen=True)
class Check:
    """One claim, whether it holds, and how that was found."""

    name: str
    ok: bool
    detail: str

    def __str__(self) -> str:
        return f"{'holds' if self.ok else 'FAILS':<6} {self.name}: {self.detail}"


@dataclass(frozen=True)
class Verification:
    """The checks one by one; true when all of them hold.

    Examples
    --------
    >>> bool(Verification((Check("2 + 2 = 4", True, "by counting"),)))
    True
    """

    checks: tuple[Check, ...]

    def __bool__(self) -> bool:
        return all(check.ok for check in self.checks)

    def __str__(self) -> str:
        verdict = "the certificate holds" if self else "the certificate is NOT valid"
        return "\n".join([*map(str, self.checks), verdict])


def verify(certificate: Certificate, exact: bool = False) -> Verification:
    """Whether ``lower <= W <= upper`` follows from the plan and the potentials of a certificate.

    W is the minimum of ``sum P_ij M_ij`` over ``P >= 0`` with row sums a and column sums ``b A / B``
    (``A = sum a``, ``B = sum b``, exact).  Checked: ``f_i + g_j <= M_ij`` for all pairs; ``lower`` is at
    most the dual value; the plan has no negative entry, no forbidden arc and no more than the marginals;
    ``upper`` is at least its cost, with the most that the mass it leaves out can cost.

    Parameters
    ----------
    certificate : Certificate
    exact : bool
        Compare every pair in integers.  Otherwise floats settle the pairs that are far from equality.

    Returns
    -------
    Verification
        Truthy when every check holds; ``print`` it to read them.

    Notes
    -----
    Time is O(n m d), in blocks of NumPy; on a line O((n + m) log(n + m)).  ``exact=True`` takes O(n m) comparisons
    of Python integers, about a microsecond each.
    """
    inputs = _well_formed(certificate)
    if not inputs.ok:
        return Verification((inputs,))
    real = real_cost(certificate.problem.cost)
    plan_checks = _gibbs_plan if isinstance(certificate.plan, GibbsPlan) else _sparse_plan
    potentials = _potentials(certificate, real, exact)
    return Verification((inputs, potentials, _dual_value(certificate), *plan_checks(certificate, real)))


def _well_formed(certificate: Certificate) -> Check:
    """Comparisons with nan are false both ways: settle it before anything is compared."""
    p, c = certificate.problem, certificate
    n, m = p.cost.shape
    shapes = [v.shape for v in (p.a, p.b, c.f, c.g)] == [(n,), (m,), (n,), (m,)] and c.plan.shape == (n, m)
    finite = all(np.isfinite(v).all() for v in (p.a, p.b, c.f, c.g))
    masses = bool((p.a >= 0).all() and (p.b >= 0).all() and p.a.any() and p.b.any())
    interval = c.lower <= c.upper
    faults = {"shapes differ": shapes, "entries are not finite": finite, "bad weights": masses, "no interval": interval}
    wrong = [fault for fault, fine in faults.items() if not fine]
    return Check("numbers", not wrong, "; ".join(wrong) or f"{n} by {m}, finite, in order")


# -- the claims ---------------------------------------------------------------------------------------------


def _potentials(certificate: Certificate, real: Given | Power, exact: bool) -> Check:
    """``f_i + g_j <= M_ij`` in real arithmetic, for every pair."""
    f, g, cost = certificate.f, certificate.g, certificate.problem.cost
    name = "f_i + g_j <= M_ij"
    pairs: Iterable[tuple[int, int]]
    if exact:
        pairs = product(range(f.size), range(g.size))
    elif not isinstance(cost, LineCost) or cost.shift != 0:
        pairs = _close_pairs(real, f, g)
    elif cost.exponent > 1:
        pairs = close_pairs(cost.x, cost.y, f, g, cost.exponent)
    else:
        row = _line_violation(cost.x, cost.y, f, g)
        return Check(name, row is None, "all pairs, by sorting" if row is None else f"f[{row}] is too large")
    d = denominator(f, g)
    F, G = integers(f, d), integers(g, d)
    decided = 0
    for i, j in pairs:
        decided += 1
        if not real.dominates(i, j, F[i] + G[j], d):
            return Check(name, False, f"f[{i}] + g[{j}] = {f[i] + g[j]!r} exceeds M[{i}, {j}]; {real.basis}")
    by = "all in integers" if exact else f"{decided} of them in integers"
    return Check(name, True, f"{f.size * g.size} pairs, {by}; {real.basis}")


def _close_pairs(real: Given | Power, f: Array, g: Array) -> Iterator[tuple[int, int]]:
    """The pairs that a float lower bound of the cost does not settle."""
    for i0, i1 in steps(real.shape):
        lower = real.lower_block(i0, i1)
        with np.errstate(over="ignore", invalid="ignore"):
            s, e = two_sum(f[i0:i1, None], g[None, :])
            # Rounding is monotone: s < M_lo implies s + e < M_lo, so this is an equivalence, not a tolerance.
            settled = (s < lower) | ((s == lower) & (e <= 0))
        for i, j in np.argwhere(~settled).tolist():
            yield i0 + i, j


def _line_violation(x: Array, y: Array, f: Array, g: Array) -> int | None:
    """A row i with ``f_i + g_j > |x_i - y_j|`` for some j, by sorting; None if there is none.

    On either side of x_i the distance is linear, so that f_i must not exceed the least ``-g_j -+ y_j`` met
    so far by more than ``-+ x_i``.  Sums are unrounded pairs, which compare like the reals they stand for.
    """
    position = np.concatenate([x, y])
    n = x.size
    for sign in (1.0, -1.0):
        s, e = two_sum(np.concatenate([f, -g]), -sign * position)
        order = np.lexsort((e, s))  # stable: rows stand before columns of the same value, where equality is fine
        rank = np.empty(order.size, dtype=np.int64)
        rank[order] = np.arange(order.size)
        column = np.arange(order.size) >= n
        # Walk away from the columns already passed; at equal positions columns come first, their pairs count.
        walk = np.lexsort((~column, sign * position))
        least = np.minimum.accumulate(np.where(column, rank, order.size)[walk])
        bad = walk[(rank[walk] > least) & ~column[walk]]
        if bad.size:
            return int(bad[0])
    return None


def _dual_value(certificate: Certificate) -> Check:
    """``lower <= sum a f + (A / B) sum b g``."""
    p, c = certificate.problem, certificate
    value = dot(p.a, c.f) + total(p.a) / total(p.b) * dot(p.b, c.g)
    return Check("lower <= dual value", c.lower <= value, f"{c.lower!r} against {_about(value)}")


def _sparse_plan(certificate: Certificate, real: Given | Power) -> Iterator[Check]:
    """The plan stays within the marginals, and ``upper`` pays for it and for the mass that it leaves out."""
    p, plan = certificate.problem, certificate.plan
    assert isinstance(plan, SparsePlan)
    n, m = plan.shape
    inside = (plan.i >= 0) & (plan.i < n) & (plan.j >= 0) & (plan.j < m)
    if not (inside & np.isfinite(plan.mass) & np.isfinite(plan.mass_low)).all():
        yield Check("P_ij >= 0", False, "an index is out of range, or a mass not finite")
        return
    D = denominator(p.a, p.b, plan.mass, plan.mass_low)
    a, b = integers(p.a, D), integers(p.b, D)
    P = list(map(add, integers(plan.mass, D), integers(plan.mass_low, D)))  # the mass is the unrounded pair
    bad = next((k for k, mass in enumerate(P) if mass < 0), None)
    yield Check("P_ij >= 0", bad is None, f"{len(P)} entries" if bad is None else f"entry {bad}: {plan.mass[bad]!r}")

    # What rows and columns still lack, in units of 1 / (D B): the columns' targets are b_j A / B.
    A, B = sum(a), sum(b)
    lack = [x * B for x in a] + [x * A for x in b]
    for mass, i, j in zip(P, plan.i.tolist(), plan.j.tolist(), strict=True):
        lack[i] -= mass * B
        lack[n + j] -= mass * B
    tau = Fraction(sum(lack[:n]), D * B)
    over = next((k for k, x in enumerate(lack) if x < 0), None)
    where = "" if over is None else f"row {over}" if over < n else f"column {over - n}"
    detail = f"{where} carries more than its weight" if where else f"in integers; {_about(tau)} of the mass left out"
    yield Check("marginals", not where, detail)

    if bool(np.any(real.forbidden(plan.i, plan.j))):
        yield Check("upper >= cost", False, "the plan uses a forbidden arc")
        return
    cost = real.weigh(P, plan.i, plan.j) / D
    fill, how = _left_out(certificate, real, np.array([x >= tau * D for x in P], dtype=bool), lack, tau)
    enough = fill is not None and certificate.upper >= cost + fill
    yield Check("upper >= cost", enough, f"{certificate.upper!r} against {_about(cost)}{how}")


def _left_out(
    certificate: Certificate, real: Given | Power, kept: Any, lack: list[int], tau: Fraction
) -> tuple[Fraction | None, str]:
    """The most that the mass tau, which the plan leaves out, can cost, and why; None if nothing bounds it."""
    p, plan = certificate.problem, certificate.plan
    assert isinstance(plan, SparsePlan)
    if tau == 0:
        return Fraction(0), ""
    ways: list[tuple[Fraction, str]] = []
    if "finite" in p.cost.traits:
        ways.append((tau * real.maximum(), f" and a rank-one plan for {_about(tau)} left out"))
    # Or it runs along the entries of at least tau, which then stay >= 0, if each part they connect balances.
    n = p.a.size
    i, j = plan.i[kept], plan.j[kept]
    part = _parts(len(lack), i, n + j)
    balance = [0] * len(lack)
    for node, x in enumerate(lack):
        balance[part[node]] += x if node < n else -x
    if not any(balance):
        signs = [1 if x >= 0 else -1 for x in p.cost.at(i, j).tolist()]
        ways.append((tau * real.weigh(signs, i, j), f" and {_about(tau)} left out that runs along the support"))
    if ways:
        return min(ways)
    share = tau / total(p.a)
    if any("perturbed" in note for note in certificate.notes) and share <= sum(p.shape) * Fraction(2) ** -52:
        return Fraction(0), f", for weights perturbed by {_about(share)} of the mass, as the certificate notes"
    return None, f", but nothing bounds the cost of {_about(tau)} left out"


def _parts(nodes: int, i: Indices, j: Indices) -> list[int]:
    """A representative of the connected part of each node, by union-find with path halving."""
    up = list(range(nodes))

    def top(k: int) -> int:
        while up[k] != k:
            up[k] = up[up[k]]
            k = up[k]
        return k

    for k, h in zip(i.tolist(), j.tolist(), strict=True):
        up[top(k)] = top(h)
    return [top(k) for k in range(nodes)]


def _gibbs_plan(certificate: Certificate, real: Given | Power) -> Iterator[Check]:
    """``upper`` against the entropic plan computed again, in floats, with a stated slack.

    ``K_ij = a_i b_j / B exp((f_i + g_j - M_ij) / epsilon)`` is scaled down to the rows, then to the columns, and
    what is missing filled rank-one: feasible for any floats [Altschuler, Weed, Rigollet 2017, Alg. 2].
    """
    p, plan = certificate.problem, certificate.plan
    assert isinstance(plan, GibbsPlan)
    a, b = p.a, p.b * float(total(p.a) / total(p.b))
    with np.errstate(divide="ignore"):
        row, column = plan.f / plan.epsilon + np.log(a), plan.g / plan.epsilon + np.log(b / a.sum())

    def blocks() -> Iterator[tuple[slice, Matrix, Matrix]]:
        for i0, i1 in steps(p.shape):
            M = real.float_block(i0, i1)
            yield slice(i0, i1), np.exp(row[i0:i1, None] + column - M / plan.epsilon), M

    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        x = np.minimum(1.0, a / np.concatenate([K.sum(axis=1) for _, K, _ in blocks()]))
        x[a == 0] = 0.0
        sums = sum(x[rows] @ K for rows, K, _ in blocks())
        y = np.where(b > 0, np.minimum(1.0, b / sums), 0.0)
        lack = np.maximum(b - y * np.where(sums > 0, sums, 0.0), 0.0)
        share = lack / (lack.sum() or 1.0)  # first, lest mass times mass times cost overflow
        cost, largest = 0.0, 0.0
        for rows, K, M in blocks():
            K *= x[rows, None]
            K *= y
            alpha = np.maximum(a[rows] - K.sum(axis=1), 0.0)
            cost += float(np.vdot(K, M) + alpha @ (M @ share))
            largest = max(largest, float(np.abs(M).max()))
    lost = a.size * b.size * 2.0**-1074  # products below the smallest double
    floor = cost - SLACK_VALUE * abs(cost) - SLACK_MASS * float(a.sum()) * largest - lost
    slack = f"in floats, slack {SLACK_VALUE:g} of the value, {SLACK_MASS:g} of mass * max |M| and {lost:g}"
    yield Check("upper >= cost", certificate.upper >= floor, f"{certificate.upper!r} against {cost!r}, {slack}")


def _about(x: Fraction) -> str:
    """An exact number for reading; floats may be too short for it."""
    with localcontext(prec=17):
        return f"{Decimal(x.numerator) / Decimal(x.denominator):.17g}"
