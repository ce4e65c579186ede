"""Any plan, however wrong, becomes a feasible one whose bound is above its exact cost."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import naive
import numpy as np
import pytest

import otcore
from otcore.certify import repair
from otcore.certify.masses import FixedMasses
from otcore.certify.repair import bound_gibbs, bound_sparse
from otcore.costs import CloudCost, DenseCost, MatrixMetricCost
from otcore.plans import GibbsPlan, SparsePlan
from otcore.problem import Problem

INF = np.inf


def problem(a, b, M):
    """Weights brought below one, as the certifier does."""
    return Problem(np.asarray(a) / 4, np.asarray(b) / 4, M if not isinstance(M, np.ndarray) else DenseCost(M))


def bound(p, plan):
    return bound_sparse(p, FixedMasses.of(p.a, p.b), plan)


def check(p, plan, M, perturbed=0.0):
    """The repaired plan is feasible in exact arithmetic, and the bound pays for it and for what it leaves out."""
    return judge(bound(p, plan), p, M, perturbed)


def judge(answer, p, M, perturbed=0.0):
    rows, columns = naive.lacking(answer.plan, p.a, p.b)
    assert min(rows) >= 0
    assert min(columns) >= 0
    assert all(h >= 0 and h + low >= 0 for h, low in zip(answer.plan.mass, answer.plan.mass_low, strict=True))
    assert np.isfinite(M[answer.plan.i, answer.plan.j]).all()
    left = sum(rows)
    assert left == sum(columns)
    assert bool(answer.perturbed) == bool(perturbed)
    if perturbed:
        assert left <= Fraction(answer.perturbed) <= Fraction(perturbed) * sum(map(Fraction, p.a.tolist()))
        assert Fraction(answer.value) >= naive.plan_cost(answer.plan, M)
    else:
        assert Fraction(answer.value) >= naive.transport(p.a.tolist(), p.b.tolist(), M.tolist())
        assert Fraction(answer.value) >= naive.plan_cost(answer.plan, M) + left * Fraction(cheapest(M))
    return answer


def cheapest(M):
    return float(M[np.isfinite(M)].min())


def random_plan(kind, a, b, rng):
    n, m = a.size, b.size
    if kind == "independent":
        return SparsePlan.from_dense(np.outer(a, b) / b.sum())
    if kind == "noise":
        return SparsePlan.from_dense(rng.random((n, m)) * (rng.random((n, m)) < 0.5))
    if kind == "empty":
        return SparsePlan([], [], [], (n, m))
    if kind == "one arc":
        return SparsePlan([0], [m - 1], [1.0], (n, m))
    if kind == "nan, inf and negative":
        mass = rng.choice([np.nan, INF, -1.0, 0.0, 1e300, 0.1], n * m)
        return SparsePlan(*np.divmod(np.arange(n * m), m), mass, (n, m))
    if kind == "every arc twice":
        i, j = np.divmod(np.tile(np.arange(n * m), 2), m)
        return SparsePlan(i, j, rng.random(2 * n * m) / (n * m), (n, m))
    order = rng.permutation(n * m)[: n + m]  # support without masses
    return SparsePlan(*np.divmod(order, m), np.zeros(order.size), (n, m))


PLANS = ["independent", "noise", "empty", "one arc", "nan, inf and negative", "every arc twice", "support only"]


@pytest.mark.parametrize("kind", PLANS)
@pytest.mark.parametrize("seed", range(6))
def test_any_plan_is_mended(kind, seed):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 7, 2)
    a, b = rng.random(n), rng.random(m)
    if seed % 3 == 0:
        a, b = rng.integers(0, 4, n) + np.eye(n)[0], rng.integers(0, 4, m) + np.eye(m)[0]
    b = b / b.sum()
    a = a / a.sum()
    M = rng.normal(size=(n, m)) * 10.0 ** rng.integers(-3, 3, (n, m))
    p = problem(a, b, M)
    check(p, random_plan(kind, p.a, p.b, rng), M)


@pytest.mark.parametrize("kind", PLANS)
@pytest.mark.parametrize("seed", range(6))
def test_a_plan_that_forbidden_arcs_block_has_no_bound_and_any_other_an_honest_one(kind, seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 7))
    M = np.where(rng.random((n, n)) < 0.5, INF, rng.normal(size=(n, n)))
    np.fill_diagonal(M, 1.0)
    a = rng.random(n)
    p = problem(a / a.sum(), a / a.sum(), M)
    answer = bound(p, random_plan(kind, p.a, p.b, rng))
    if answer is not None:
        judge(answer, p, M)
    check(p, SparsePlan(np.arange(n), np.arange(n), np.zeros(n), (n, n)), M)


def test_a_plan_with_cycles_keeps_its_cost():
    """Regression: entries outside the tree were kept in the user's unit of mass instead of the certifier's."""
    rng = np.random.default_rng(0)
    a, b, M = rng.random(5), rng.random(4), rng.random((5, 4))
    p = problem(a / a.sum(), b / b.sum(), M)
    P = np.outer(p.a, p.b) / p.b.sum()
    answer = check(p, SparsePlan.from_dense(P), M)
    assert answer.value == pytest.approx((P * M).sum(), rel=1e-14, abs=0.0)


def test_the_right_support_is_enough():
    """Masses of a tree plan are recomputed: only the arcs count."""
    rng = np.random.default_rng(1)
    M = rng.random((4, 4))
    a = rng.random(4)
    p = problem(a / a.sum(), a / a.sum(), M)
    for mass in (np.zeros(4), np.ones(4), rng.random(4)):
        answer = check(p, SparsePlan(np.arange(4), np.arange(4), mass, (4, 4)), M)
        assert answer.value == pytest.approx(p.a @ np.diag(M), rel=1e-15, abs=0.0)


@pytest.mark.parametrize("seed", range(12))
def test_sums_an_ulp_apart_cost_an_ulp(seed):
    """Uniform weights: half of the tree's flows are rounding of the sums, of either sign."""
    rng = np.random.default_rng(seed)
    n = 30
    x = rng.random((n, 2))
    cost = CloudCost(x, x[rng.permutation(n)] + 1e-3)
    a, b = np.full(n, 1 / n), np.full(n, 1 / n)
    b[rng.integers(n)] *= 1 + 2.0**-50
    p = problem(a, b, cost)
    M = cost.to_dense()
    assignment = M.argmin(axis=1)
    order = rng.permutation(n)
    if len(set(assignment)) < n:
        assignment = order
    answer = bound(p, SparsePlan(np.arange(n), assignment, p.a, (n, n)))
    rows, columns = naive.lacking(answer.plan, p.a, p.b)
    assert min(rows) >= 0
    assert min(columns) >= 0
    assert answer.value <= float(p.a @ M[np.arange(n), assignment]) + 2.0**-49 * M.max()
    assert not answer.perturbed


def test_a_negative_flow_is_cancelled_on_the_cheapest_four_cycle():
    """Column 1 takes a little more than row 0 has: (1, 1) or (2, 1) gives it, whichever is cheaper."""
    tiny = 2.0**-50
    M = np.array([[0.0, 1.0], [2.0, 50.0], [2.0, 4.0]])
    a, b = np.array([0.25 - tiny, 0.5, 0.25 + tiny]), np.array([0.75, 0.25])
    p = problem(a, b, M)
    # On this tree the flow on (0, 0) is -tiny.
    answer = check(p, SparsePlan([0, 0, 1, 2], [0, 1, 0, 0], np.zeros(4), (3, 2)), M)
    used = set(zip(answer.plan.i.tolist(), answer.plan.j.tolist(), strict=True))
    assert (0, 0) not in used
    assert (2, 1) in used
    assert (1, 1) not in used


def test_parallel_entries_do_not_pay_twice_for_one_cycle():
    """Regression: a second entry on the very arc to be mended could be taken for both partners."""
    M = np.array([[0.0, 1.0], [1.0, 0.0]])
    p = problem([0.5, 0.5], [0.5, 0.5], M)
    plan = SparsePlan([0, 0, 0, 1, 1], [0, 0, 1, 0, 1], [0.125, 0.1, 0.05, 0.03, 0.07], (2, 2))
    check(p, plan, M)


def test_an_arc_parallel_to_the_negative_one_is_no_partner():
    """It would be taken for the row and for the column, and pay twice."""
    unit = 1 << 40  # the first limb counts 2^-52
    flows = repair._Flows(
        np.array([0, 0, 0, 1, 1]),
        np.array([0, 0, 1, 0, 1]),
        np.array([-2, 3, 2, 2, 1]) * unit,
        np.zeros(5, dtype=np.int64),
    )
    mended = repair._cancel_on_cycles(flows, DenseCost([[9.0, 1.0], [1.0, 1.0]]))
    assert not mended.negative
    for index, size in ((mended.i, 2), (mended.j, 2)):
        assert np.bincount(index, mended.hi, size).tolist() == [3 * unit, 3 * unit]
    only = repair._Flows(np.array([0, 0]), np.array([0, 0]), np.array([-2, 3]) * unit, np.zeros(2, dtype=np.int64))
    assert repair._cancel_on_cycles(only, DenseCost([[9.0]])) is None


def test_a_bad_tree_is_given_to_the_exact_engine(monkeypatch):
    """A tree whose flows are not small negatives: 4-cycles find no partner."""
    calls = []
    genuine = repair._reroute
    monkeypatch.setattr(repair, "_reroute", lambda *args: calls.append(1) or genuine(*args))
    M = np.arange(16.0).reshape(4, 4) % 5
    a, b = np.array([0.01, 0.01, 0.01, 0.97]), np.array([0.97, 0.01, 0.01, 0.01])
    p = problem(a, b, M)
    star = SparsePlan([0, 0, 0, 0, 1, 2, 3], [0, 1, 2, 3, 0, 0, 1], np.zeros(7), (4, 4))
    check(p, star, M)
    assert calls


# -- forbidden arcs and rounding -------------------------------------------------------------------------------


def test_blocks_whose_sums_differ_by_an_ulp_are_certified_for_perturbed_weights():
    """Regression: no bound at all was found, and the solve ended in an AssertionError."""
    M = np.array([[1.0, INF], [INF, 2.0]])
    p = problem([0.5, 0.5], [np.nextafter(0.5, 1), np.nextafter(0.5, 0)], M)
    for plan in (SparsePlan([0, 1], [0, 1], [0.1, 0.1], (2, 2)), SparsePlan([], [], [], (2, 2))):
        answer = check(p, plan, M, perturbed=4 * 2.0**-52)
        assert answer.value == pytest.approx(0.375, rel=1e-15, abs=0.0)


def test_a_pattern_that_lacks_more_than_rounding_has_no_bound():
    M = np.array([[1.0, INF], [INF, 2.0]])
    p = problem([0.5, 0.5], [0.5 + 2.0**-40, 0.5 - 2.0**-40], M)
    assert bound(p, SparsePlan([0, 1], [0, 1], [0.1, 0.1], (2, 2))) is None


def test_balanced_blocks_are_not_perturbed_though_fixed_point_cannot_hold_them():
    """Each block balances exactly, but A != B by an ulp, so that fixed point leaves units over in each of them."""
    M = np.array([[1.0, INF, INF], [INF, 2.0, 3.0], [INF, INF, 3.0]])
    a = np.array([0.1, 0.2, 0.7])
    b = a * (1 + 2.0**-51)
    ratio = sum(map(Fraction, a.tolist())) / sum(map(Fraction, b.tolist()))
    p = problem(a, b, M)
    balanced = all(Fraction(s) == Fraction(t) * ratio for s, t in zip(a.tolist(), b.tolist(), strict=True))
    check(p, SparsePlan([0, 1, 2], [0, 1, 2], a, (3, 3)), M, perturbed=0.0 if balanced else 6 * 2.0**-52)


def test_what_is_left_over_is_not_said_to_run_between_parts_that_no_arc_connects():
    """Regression: seven entries on eight nodes are no spanning tree if four of them make a cycle."""
    M = np.full((4, 4), INF)
    M[:2, :2] = M[2:, 2:] = 1.0
    a, b = np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.2, 0.1, 0.4, 0.3]) * (1 + 2.0**-52)
    p = problem(a, b, M)
    P = np.zeros((4, 4))
    P[:2, :2], P[2:, 2:] = [[0.099, 0.001], [0.101, 0.099]], [[0.3, 0.0], [0.1, 0.3]]
    answer = bound(p, SparsePlan.from_dense(P / 4))
    rows, columns = naive.lacking(answer.plan, p.a, p.b)
    left = sum(rows[:2]) - sum(columns[:2])
    assert left != 0, "the blocks do not balance"
    assert answer.perturbed > 0


def test_mass_below_fixed_point_beside_huge_costs_is_priced_along_the_plan():
    """Regression: a few units of 2^-104 were charged at 1e32 each, and integer weights an ulp apart never certified."""
    M = np.where(np.eye(5) > 0, 1.0, 1e32)
    a = np.array([3.0, 1.0, 2.0, 0.0, 2.0]) / 8
    b = a * (1 + 2.0**-50)
    p = problem(a, b, M)
    assert FixedMasses.of(p.a, p.b).left > 0
    answer = check(p, SparsePlan(np.arange(5), np.arange(5), a, (5, 5)), M)
    assert answer.value <= 0.25 * (1 + 1e-15)


def test_the_rest_runs_along_a_plan_only_if_every_entry_carries_more_and_the_parts_balance():
    M = np.array([[1.0, INF], [INF, -2.0]])
    p = problem([0.5, 0.5], [0.5, 0.5], M)
    masses = FixedMasses.of(p.a, p.b)
    plan = SparsePlan([0, 1], [0, 1], [0.125, 0.125], (2, 2))

    def price(left, problem=p, lost=0.0):
        upper = problem.cost.at(plan.i, plan.j)
        return repair._price_of_rest(left, problem, replace(masses, lost=lost), plan, upper, Fraction(0))

    assert 3 * Fraction(2) ** -80 <= price(2.0**-80) <= 3 * Fraction(2) ** -80 * (1 + Fraction(2) ** -50)
    assert price(0.0625) is not None
    assert price(0.07) is None, "an entry could become negative"
    assert price(2.0**-80, lost=2.0**-1074) is None, "the sums are not known exactly"
    assert price(2.0**-80, problem([0.5, 0.5], [0.5 + 2.0**-50, 0.5 - 2.0**-50], M)) is None
    dense = problem([0.5, 0.5], [0.5, 0.5], np.array([[1.0, 7.0], [7.0, -2.0]]))
    assert price(2.0**-80, dense) <= 4 * Fraction(2) ** -80, "the cheaper way"


def test_a_cost_that_is_zero_costs_nothing_though_powers_underflow():
    """Regression: M_hi of 0 ** 2 was the smallest double, and equal measures cost 1e-322 instead of 0."""
    D = np.array([[0.0, 3.0], [3.0, 0.0]])
    for exponent in (1.0, 2.0, 1.3):
        cost = MatrixMetricCost(D, exponent)
        p = problem([0.25, 0.75], [0.25, 0.75], cost)
        assert bound(p, SparsePlan([0, 1], [0, 1], [1.0, 1.0], (2, 2))).value == 0.0


# -- entropic plans --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("epsilon", [1e-3, 0.1, 1.0, 1e6])
@pytest.mark.parametrize("seed", range(4))
def test_the_bound_of_an_entropic_plan_is_above_its_cost_to_sixty_digits(epsilon, seed):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 6, 2)
    a, b, M = rng.random(n), rng.random(m), rng.normal(size=(n, m)) + seed * 10.0
    if seed == 3 and n > 1:
        a[0] = 0.0
    p = problem(a / a.sum(), b / b.sum(), M)
    f, g = rng.normal(size=n) * min(epsilon, 1), rng.normal(size=m) * min(epsilon, 1) + M.min()
    plan = GibbsPlan(f, g, epsilon, p.a, p.b, p.cost)
    truth = naive.gibbs_cost(plan, M.tolist())
    answer = bound_gibbs(p, plan)
    assert Fraction(answer.value) >= truth
    exponent = (np.abs(f).max() + np.abs(g).max() + np.abs(M).max()) / epsilon
    slack = 2.0**-53 * (400 + 4 * exponent) * 12 * np.abs(M).max()  # nu, a dozen times
    assert answer.value <= float(truth) + slack


def test_an_entropic_plan_is_priced_high_enough_for_the_rounding_of_its_exponents():
    """Regression: at an epsilon of 1e-12 the plan in the user's units cost 1e-5 more than the bound said."""
    rng = np.random.default_rng(5)
    a, b, M = rng.random(6), rng.random(5), rng.random((6, 5))
    p = problem(a / a.sum(), b / b.sum(), M)
    f = (M.min(axis=1) * 0.9) + 1e-13 * rng.normal(size=6)
    g = (M - f[:, None]).min(axis=0)
    for epsilon in (1e-12, 1e-10, 1e-6):
        plan = GibbsPlan(f, g, epsilon, p.a, p.b, p.cost)
        other = GibbsPlan(f / 3 * 3, g, epsilon, p.a * 3, p.b * 3, p.cost)  # other roundings of log a, log b
        bound = bound_gibbs(p, plan).value
        assert bound >= plan.cost()
        assert bound >= other.cost() / 3
        assert Fraction(bound) >= naive.gibbs_cost(plan, M.tolist())
    assert bound_gibbs(p, GibbsPlan(f, g, 1e-18, p.a, p.b, p.cost)) is None


def test_an_entropic_plan_that_overflows_or_meets_a_forbidden_arc_has_no_bound():
    M = np.array([[0.0, 1.0], [1.0, 0.0]])
    p = problem([0.5, 0.5], [0.5, 0.5], M)
    zero = np.zeros(2)
    assert bound_gibbs(p, GibbsPlan(np.full(2, 1e6), zero, 1.0, p.a, p.b, p.cost)) is None
    assert bound_gibbs(p, GibbsPlan(np.full(2, np.nan), zero, 1.0, p.a, p.b, p.cost)) is None
    q = problem([0.5, 0.5], [0.5, 0.5], np.array([[0.0, INF], [1.0, 0.0]]))
    assert bound_gibbs(q, GibbsPlan(zero, zero, 1.0, q.a, q.b, q.cost)) is None


@pytest.mark.parametrize("unit", [0.25, 2.0**-60])
def test_a_part_that_does_not_balance_is_joined_to_one_that_does(unit):
    # The first row and column balance; the second column lacks what the third, which no entry reaches, is owed.
    a, b = np.array([0.5, 2 * unit]), np.array([0.5, unit, unit])
    M = np.array([[1.0, 5.0, 7.0], [6.0, 1.0, 3.0]])
    p = problem(a, b, M)
    plan = SparsePlan([0, 1], [0, 1], np.array([0.5, unit]) / 4, (2, 3))
    answer = check(p, plan, M)
    assert sorted(zip(answer.plan.i.tolist(), answer.plan.j.tolist(), strict=True)) == [(0, 0), (1, 1), (1, 2)]


@pytest.mark.parametrize("transposed", [False, True])
def test_parts_that_miss_each_other_by_less_than_a_limb_are_joined(transposed):
    # What is left at a column is owed by it: beside a lone row, neither remainder need be negative.
    a, b = np.array([0.5 - 2.0**-54, 2.0**-54]), np.array([0.5])
    M = np.array([[1.0], [2.0**60]])
    a, b, M = (b, a, M.T.copy()) if transposed else (a, b, M)
    answer = check(problem(a, b, M), SparsePlan([0], [0], np.array([0.5]), M.shape), M)
    assert answer.plan.nnz == 2


def test_the_heaviest_entries_make_the_tree():
    # A cycle whose light entry is dear: it must not take the place of one that carries the mass.
    M = np.array([[0.0, 1.0], [1.0, 0.0]])
    p = problem(np.array([0.5, 0.5]), np.array([0.5, 0.5]), M)
    plan = SparsePlan([0, 0, 1, 1], [1, 0, 1, 0], np.array([1e-9, 0.5, 0.5, 1e-9]) / 4, (2, 2))
    assert 4 * check(p, plan, M).value <= 4e-9


@pytest.mark.parametrize("transposed", [False, True])
def test_a_negative_flow_is_moved_around_the_cheapest_cycle(transposed):
    # Rows 1 and 2 could each give column 0 back what row 0 takes too much of it.
    M = np.array([[4.0, 1.0], [0.0, 1.0], [5.0, 2.0]])
    i, j, units = np.array([0, 0, 1, 2]), np.array([0, 1, 0, 0]), [-1, 9, 9, 9]
    cost = DenseCost(M.T.copy() if transposed else M)
    arcs = (j, i) if transposed else (i, j)
    flows = repair._Flows(
        *arcs, np.array([u // repair.LIMB for u in units]), np.array([u % repair.LIMB for u in units])
    )
    mended = repair._cancel_on_cycles(flows, cost)
    assert (mended.i[-1], mended.j[-1]) == ((1, 2) if transposed else (2, 1))
    assert [mended.units(k) for k in range(5)] == [0, 8, 9, 8, 1]


def test_parts_balance_only_if_every_one_does():
    a, i = np.array([0.5, 0.25, 0.25]), np.arange(3)
    p = Problem(a, a, DenseCost(np.ones((3, 3))))
    assert repair._parts_balance(p, i, i)
    q = Problem(a, a[::-1].copy(), DenseCost(np.ones((3, 3))))
    assert not repair._parts_balance(q, i, i)  # the part in the middle does
    assert repair._parts_balance(q, i, i[::-1].copy())


def test_light_weights_that_the_engine_misjudges_leave_a_plan_all_the_same():
    """Of masses below 2^-61 the engine's integers are all one unit: it lets a weight of 1e-77 supply one of 1e-21."""
    a, b = np.array([1.0, 1e-77]), np.array([1.0, 1e-250, 1e-229, 7e-27, 4e-21, 1e-134])
    b *= a.sum() / b.sum()
    M = [[5.0, 9, 10, 7, 8, 3], [5, 8, 4, 3, 0, 5]]
    s = otcore.solve(a, b, cost=M)
    truth = naive.transport(a.tolist(), b.tolist(), M)
    assert Fraction(s.lower) <= truth <= Fraction(s.upper) and s.certified
    assert s.certificate.verify(exact=True)


@pytest.mark.parametrize("seed", range(20))
def test_filling_is_exact_and_keeps_to_the_heaviest_arcs(seed):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 7, 2)
    a, b = rng.integers(1, 1 << 40, n), rng.integers(1, 1 << 40, m)
    p = problem(a / a.sum(), b / b.sum(), rng.random((n, m)))
    masses = FixedMasses.of(p.a, p.b)
    k = int(rng.integers(0, 2 * n))
    arcs = repair._Flows(
        rng.integers(0, n, k), rng.integers(0, m, k), (rng.permutation(k) - k // 2) << 47, rng.integers(0, 9, k)
    )
    left = [int(hi) * repair.LIMB + int(lo) for hi, lo in zip(masses.hi, masses.lo, strict=True)]
    supply, demand, expected = left[:n], left[n:], {}
    order = sorted(range(k), key=lambda e: -arcs.hi[e])
    sent = [(int(arcs.i[e]), int(arcs.j[e]), max(0, arcs.units(e))) for e in order]
    corner = [(i, j, 1 << 104) for i in range(n) for j in range(m)]  # row by row is what the corner comes to
    for i, j, most in sent + corner:
        units = min(supply[i], demand[j], most)
        supply[i], demand[j] = supply[i] - units, demand[j] - units
        expected[i, j] = expected.get((i, j), 0) + units
    filled = repair._fill(arcs, masses, p.cost)
    found = {}
    for e, pair in enumerate(zip(filled.i.tolist(), filled.j.tolist(), strict=True)):
        found[pair] = found.get(pair, 0) + filled.units(e)
    assert found == {pair: units for pair, units in expected.items() if units}
    assert not any(supply) and not any(demand)


def test_nothing_is_filled_across_forbidden_arcs():
    p = problem([1.0, 1.0], [1.0, 1.0], np.array([[1.0, INF], [1.0, 1.0]]))
    none = np.empty(0, np.int64)
    assert repair._fill(repair._Flows(none, none, none, none), FixedMasses.of(p.a, p.b), p.cost) is None


@pytest.mark.parametrize("seed", range(30))
def test_flows_that_may_not_be_are_moved_along_paths(seed):
    """Negative ones and those on forbidden arcs, parallel entries among them: what nodes send and get stays."""
    rng = np.random.default_rng(seed)
    n, m = (int(k) for k in rng.integers(3, 8, 2))
    M = np.where(rng.random((n, m)) < 0.4, INF, 1.0)
    M[0] = M[:, 0] = 1.0  # there is a way from everywhere
    i, j = rng.integers(0, n, 3 * n), rng.integers(0, m, 3 * n)
    hi = rng.integers(1, 50, 3 * n)
    hi[rng.random(3 * n) < 0.1] *= -1
    i, j = np.append(i, np.arange(n)), np.append(j, np.zeros(n, np.int64))  # enough to take from
    i, j = np.append(i, np.zeros(m, np.int64)), np.append(j, np.arange(m))
    hi = np.append(hi, np.full(n + m, 1000))
    flows = repair._Flows(i, j, hi, rng.integers(0, repair.LIMB, hi.size))
    mended = repair._along_paths(flows, DenseCost(M))
    for index, other, size in ((flows.i, mended.i, n), (flows.j, mended.j, m)):
        sums = [[sum(f.units(k) for k in np.flatnonzero(at == v)) for v in range(size)]
                for f, at in ((flows, index), (mended, other))]  # fmt: skip
        assert sums[0] == sums[1]
    assert all(mended.units(k) >= 0 for k in range(mended.i.size))
    assert all(mended.units(k) == 0 for k in np.flatnonzero(np.isinf(M[mended.i, mended.j])))


def test_where_there_is_no_way_nothing_is_moved():
    flows = repair._Flows(np.array([0, 1]), np.array([1, 0]), np.array([1, 1]), np.zeros(2, np.int64))
    assert repair._along_paths(flows, DenseCost([[1.0, INF], [1.0, INF]])) is None
    assert repair._along_paths(flows, DenseCost([[1.0, 1.0], [1.0, 1.0]])) is flows


@pytest.mark.parametrize("seed", [8, 319, 843])
def test_weights_below_the_engines_units_beside_forbidden_arcs_are_certified(seed):
    """Regression: 30 decades of weights; the upper bound was that of a plan blind to the cost."""
    rng = np.random.default_rng(seed)
    n, m = (int(k) for k in rng.integers(20, 45, 2))
    a, b = rng.random(n) * 10.0 ** rng.integers(-30, 1, n), rng.random(m) * 10.0 ** rng.integers(-30, 1, m)
    M = np.abs(rng.integers(0, 5, (n, 1)) - rng.integers(0, 5, (1, m))).astype(float)
    M[rng.random((n, m)) < 0.1] = INF
    s = otcore.solve(a / a.sum(), b / b.sum(), cost=M)
    assert s.certified
    assert s.certificate.verify(exact=True)
