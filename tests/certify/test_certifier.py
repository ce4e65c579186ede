"""The certifier keeps the best of each half and never says more than it can prove."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction

import naive
import numpy as np
import pytest

import otcore
from otcore._kernels.sums import dot2
from otcore.certify import certifier, repair
from otcore.certify.certifier import Certifier, _ldexp_down
from otcore.certify.masses import FixedMasses
from otcore.certify.rounding import edge, in_units, outward_sum, product_up, rescaled, round_outward
from otcore.costs import CloudCost, DenseCost, LineCost, MatrixMetricCost
from otcore.engines import exact
from otcore.plans import GibbsPlan, SparsePlan
from otcore.problem import Problem
from otcore.solution import Candidate

INF = np.inf


def random_problem(seed, mass=1.0, unit=1.0):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 7, 2)
    a, b = rng.random(n), rng.random(m)
    M = rng.normal(size=(n, m)) * unit
    return Problem(a * mass, b * (a.sum() / b.sum()) * mass, DenseCost(M)), M, rng


def certified(problem, *candidates):
    certifier = Certifier(problem)
    certifier.offer_zero()
    n, m = problem.shape
    certifier.offer(Candidate(SparsePlan(*np.divmod(np.arange(n * m), m), np.zeros(n * m), (n, m))))
    for candidate in candidates:
        certifier.offer(candidate)
    return certifier


@pytest.mark.parametrize("mass", [1e-300, 1e-100, 1.0, 1e100])
@pytest.mark.parametrize("unit", [1e-200, 1.0, 1e32, 1e200])
@pytest.mark.parametrize("seed", range(3))
def test_both_bounds_hold_in_rationals_for_potentials_and_plans_out_of_thin_air(seed, mass, unit):
    problem, M, rng = random_problem(seed, mass, unit)
    f, g = rng.normal(size=problem.shape[0]) * unit, rng.normal(size=problem.shape[1]) * unit
    plan = SparsePlan.from_dense(rng.random(problem.shape) * mass)
    c = certified(problem, Candidate(plan, (f, g))).certificate()
    W = naive.transport(problem.a.tolist(), problem.b.tolist(), M.tolist())
    assert Fraction(c.lower) <= W <= Fraction(c.upper)
    # What the user can take out attains the bounds, in the user's own units.
    assert naive.worst_violation(c.f, c.g, M) <= 0
    dual = naive.dual_value(c.f, c.g, problem.a, problem.b)
    assert Fraction(c.lower) <= dual
    assert float(dual) - c.lower <= 2.0**-50 * float(problem.a.sum()) * np.abs(M).max() + 5e-324
    rows, columns = naive.lacking(c.plan, problem.a, problem.b)
    assert min(rows) >= 0
    assert min(columns) >= 0
    assert naive.plan_cost(c.plan, M) + sum(rows) * Fraction(float(M.min())) <= Fraction(c.upper)
    assert c.verify(exact=True), str(c.verify(exact=True))


def test_best_of_each_half_may_come_from_different_candidates():
    a = np.full(8, 0.125)
    M = np.random.default_rng(0).integers(1, 99, (8, 8)) / 8
    *_, best = exact.solve(DenseCost(M), a, a)
    good, bad = (best.f, best.g), (np.arange(8) * 50.0, np.zeros(8))
    good_plan = SparsePlan(best.basis.i, best.basis.j, best.flow, (8, 8)).to_dense()
    bad_plan = np.outer(a, a)
    W = float(naive.transport(a.tolist(), a.tolist(), M.tolist()))
    certifier = Certifier(Problem(a, a, DenseCost(M)))
    assert (certifier.lower, certifier.upper) == (-INF, INF)
    certifier.offer(Candidate(SparsePlan.from_dense(good_plan), bad))
    assert certifier.lower < W == certifier.upper
    certifier.offer(Candidate(SparsePlan.from_dense(bad_plan), good))
    assert (certifier.lower, certifier.upper) == (W, W)
    certifier.offer(Candidate(SparsePlan.from_dense(bad_plan), bad))
    assert (certifier.lower, certifier.upper) == (W, W), "a worse candidate changes nothing"


def test_the_zero_potential_is_exactly_zero_on_one_support_and_infinite_columns_do_not_matter():
    x = np.random.default_rng(0).random((9, 3))
    certifier = Certifier(Problem(np.ones(9), np.ones(9), CloudCost(x, x[::-1])))
    certifier.offer_zero()
    assert certifier.lower == 0.0
    certifier = Certifier(Problem([1.0, 0.0], [0.0, 1.0], DenseCost([[INF, 2.0], [INF, INF]])))
    certifier.offer_zero()
    assert certifier.lower == 2.0


@pytest.mark.parametrize("bad", [np.nan, INF, -INF, 1e308, -1e308, 1e290])
def test_potentials_that_say_nothing_are_ignored_without_a_warning(bad):
    problem, _, rng = random_problem(1)
    n, m = problem.shape
    certifier = certified(problem)
    before = certifier.lower, certifier.upper
    for k in range(n):
        f = rng.normal(size=n)
        f[k] = bad
        certifier.offer(Candidate(potentials=(f, rng.normal(size=m))))
        certifier.offer(Candidate(potentials=(-f, np.full(m, bad))))
    if n > 2:
        certifier.offer(Candidate(potentials=(np.append(np.full(n - 1, -bad), bad), np.zeros(m))))
    assert certifier.lower >= before[0]
    assert certifier.upper == before[1]
    assert certifier.certificate().verify(exact=True)


def test_a_constant_added_to_one_potential_and_taken_from_the_other_changes_no_bit():
    problem, _, rng = random_problem(4)
    n, m = problem.shape
    f, g = rng.integers(-99, 99, n) / 64, rng.integers(-99, 99, m) / 64
    plain, shifted = Certifier(problem), Certifier(problem)
    plain.offer(Candidate(potentials=(f, g)))
    shifted.offer(Candidate(potentials=(f + 1024.0, g - 1024.0)))
    assert plain.lower == shifted.lower


def test_one_potential_is_sharp_relative_to_the_value_not_to_the_diameter():
    rng = np.random.default_rng(0)
    t = rng.random(20)
    x = 3.0 + t[:, None] * [0.6, 0.8]  # collinear: every constraint is tight up to rounding
    cost = CloudCost(x, x)
    a = rng.integers(1, 99, 20) / 64
    b = a.copy()
    b[3], b[7] = b[3] - 2.0**-49, b[7] + 2.0**-49
    u = np.sign(t[3] - t[7]) * t
    stay = SparsePlan(np.append(np.arange(20), 3), np.append(np.arange(20), 7), np.append(b, 2.0**-49), (20, 20))
    certifier = certified(Problem(a, b, cost), Candidate(stay, (u, -u)))
    assert certifier.upper == pytest.approx(2.0**-49 * abs(t[3] - t[7]), rel=1e-13, abs=0.0)
    loose = certifier.lower
    certifier.offer_one_potential()
    assert loose < 0.9 * certifier.upper
    assert certifier.lower > (1 - 1e-12) * certifier.upper
    assert certifier.certificate().verify(exact=True)


@pytest.mark.parametrize("mass", [1.0, 6.0, 1e-100, 1e100])
def test_a_plan_with_cycles_is_priced_at_its_own_cost_in_any_unit_of_mass(mass):
    """Regression: entries outside the tree were kept in the user's unit of mass, not in the certifier's."""
    rng = np.random.default_rng(0)
    a, b, M = rng.random(5) * mass, rng.random(4), rng.random((5, 4))
    b *= a.sum() / b.sum()
    P = np.outer(a, b) / b.sum()
    certifier = Certifier(Problem(a, b, DenseCost(M)))
    certifier.offer(Candidate(SparsePlan.from_dense(P)))
    assert certifier.upper == pytest.approx((P * M).sum(), rel=1e-14, abs=0.0)


def test_the_errors_of_sums_and_of_the_ratio_are_paid_for(monkeypatch):
    a, b = np.array([0.5, 0.5]), np.array([0.25, 0.75])
    problem = Problem(a, b, DenseCost(np.ones((2, 2))))
    exact = certified(problem)
    assert (exact.lower, exact.upper) == (1.0, 1.0)
    for module in (certifier, repair):
        monkeypatch.setattr(module, "dot2", lambda x, y: (*dot2(x, y)[:2], 2.0**-10))
    rough = certified(problem)
    unit = 4.0  # the certifier's mass is a quarter of the user's
    assert rough.lower == 1.0 - 2 * unit * 2.0**-10
    assert rough.upper == 1.0 + 2 * unit * 2.0**-10
    monkeypatch.undo()
    loose = Certifier(problem)
    loose._masses = replace(loose._masses, ratio_error=2.0**-10)
    loose.offer_zero()
    assert 1.0 - 1.25 * 2.0**-10 <= loose.lower <= 1.0 - 2.0**-10


def test_one_potential_starts_from_the_candidate_not_from_zero_which_may_be_better_so_far():
    """Regression: of nearly equal measures on a lattice the zero potential was best, and taken for the start."""
    grid = np.stack(np.meshgrid(np.arange(12) * 0.1, np.arange(12) * 0.1), -1).reshape(-1, 2)
    a = np.random.default_rng(0).integers(1, 99, 144) / 64
    b = a.copy()
    b[3], b[77] = b[3] - 2.0**-49, b[77] + 2.0**-49
    u = np.abs(grid - grid[77]).sum(axis=1)
    certifier = certified(Problem(a, b, CloudCost(grid, grid, "cityblock")), Candidate(potentials=(u, -u)))
    assert certifier.lower == 0.0
    certifier.offer_one_potential()
    assert certifier.lower == pytest.approx(2.0**-49 * u[3], rel=1e-12, abs=0.0)


def test_equal_bounds_prefer_the_later_candidate():
    """The method's own potentials, not the trivial ones that came first."""
    problem = Problem([1.0], [1.0], DenseCost([[2.0]]))
    certifier = certified(problem)
    certifier.offer(Candidate(SparsePlan([0], [0], [1.0], (1, 1)), (np.array([5.0]), np.array([-3.0]))))
    c = certifier.certificate()
    assert (c.lower, c.upper) == (2.0, 2.0)


def test_of_equal_bounds_the_methods_own_potentials_stay():
    problem = Problem([0.5, 0.5], [0.5, 0.5], DenseCost([[0.0, 1.0], [1.0, 0.0]]))
    certifier = certified(problem, Candidate(potentials=(np.array([0.0, 0.5]), np.array([0.0, -0.5]))))
    c = certifier.certificate()
    assert c.lower == 0.0, "as by the zero potential, which came first"
    assert c.f[1] - c.f[0] == 0.5


def test_the_best_potentials_so_far_are_in_the_users_units():
    problem = Problem([1.0, 3.0], [2.0, 2.0], DenseCost([[1e200, 3e200], [3e200, 2e200]]))
    assert Certifier(problem).best.potentials is None
    certifier = certified(problem, Candidate(potentials=(np.array([0.0, 1e200]), np.array([1e200, 1e200]))))
    f, g = certifier.best.potentials
    assert f @ problem.a + g @ problem.b == pytest.approx(certifier.lower, rel=1e-12)


def test_costs_beyond_comfort_are_scaled_by_their_largest():
    """Potentials of 1e290 would be hopeless in their own unit."""
    M = np.array([[0.0, 1e290], [2e290, 0.0]])
    problem = Problem([1e-5, 3e-5], [2e-5, 2e-5], DenseCost(M))
    c = certified(problem, Candidate(potentials=(np.array([0.0, 2e290]), np.array([0.0, -2e290])))).certificate()
    assert c.lower == pytest.approx(2e285, rel=1e-12)


def test_potentials_that_become_subnormal_are_rounded_down():
    least = 2.0**-1074
    h = np.array([1.0, 1.5, -1.5, 0.25, -0.25, 3.0, -3.0])
    np.testing.assert_array_equal(_ldexp_down(h, -1074), np.array([1, 1, -2, 0, -1, 3, -3]) * least)
    assert _ldexp_down(h, 0) is h
    np.testing.assert_array_equal(_ldexp_down(h, 1), 2 * h)


def test_the_share_of_mass_given_up_is_that_of_the_whole():
    M = np.array([[1.0, INF], [INF, 2.0]])
    up, down = np.nextafter(1, 2), np.nextafter(1, 0)
    (note,) = certified(Problem([16.0, 16.0], [16 * up, 16 * down], DenseCost(M))).certificate().notes
    share = float(re.search(r"perturbed by (\S+)", note).group(1))
    assert 2.0**-55 < share <= 2.0**-52


def test_a_perturbed_bound_gives_way_to_an_unperturbed_one_and_says_so_in_the_notes():
    M = np.array([[1.0, INF], [INF, 2.0]])
    up, down = np.nextafter(1, 2), np.nextafter(1, 0)
    c = certified(Problem([1.0, 1.0], [up, down], DenseCost(M))).certificate()
    assert "perturbed" in c.notes[0]
    assert c.lower <= c.upper, "the given weights have no plan at all, yet the interval is one"
    assert c.verify(exact=True), str(c.verify(exact=True))
    assert not certified(Problem([1.0, 1.0], [1.0, 1.0], DenseCost(M))).certificate().notes


def test_notes_name_what_the_proof_rests_on():
    D = np.array([[0.0, 2.0], [2.0, 0.0]])
    a, b = np.array([0.25, 0.75]), np.array([0.5, 0.5])
    proved = certified(Problem(a, b, MatrixMetricCost(D, 2.5))).certificate().notes
    by_pow = certified(Problem(a, b, MatrixMetricCost(D, 1.3))).certificate().notes
    assert not proved
    assert "pow" in by_pow[0]
    cost = DenseCost(D)
    certifier = Certifier(Problem(a, b, cost))
    certifier.offer_zero()
    certifier.offer(Candidate(GibbsPlan(np.zeros(2), np.zeros(2), 1.0, a, b, cost)))
    assert "exp" in certifier.certificate().notes[0]


def test_weights_that_underflow_when_they_are_scaled_are_not_forgotten():
    """Regression: 1e-30 beside 1e300 was moved for nothing, and verify refused the certificate."""
    a = np.array([1e300, 1e-30])
    b = np.array([1e-30, 1e300])
    M = np.array([[0.0, 3.0], [1.0, 1.0]])
    c = certified(Problem(a, b, DenseCost(M))).certificate()
    assert Fraction(c.lower) <= naive.transport(a.tolist(), b.tolist(), M.tolist()) <= Fraction(c.upper)
    assert c.verify(exact=True), str(c.verify(exact=True))
    # f = (1, 0, -5), g = 0: the mass that underflows is all that keeps the dual value below 1e300.
    a, M = np.array([1e300, 1e-30, 1e-30]), np.array([[1.0], [0.0], [-5.0]])
    certifier = Certifier(Problem(a, [1e300], DenseCost(M)))
    certifier._keep_lower(M[:, 0], np.zeros(1))
    assert Fraction(certifier.lower) <= naive.transport(a.tolist(), [1e300], M.tolist())
    x = np.linspace(-40, 40, 33)
    w = np.exp(-(x**2) / 2)  # 1 beside 1e-320
    c = certified(Problem(w, np.roll(w, 1), DenseCost(np.abs(x[:, None] - x)))).certificate()
    assert c.verify(exact=True), str(c.verify(exact=True))


# -- rounding --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", [-1, 1])
def test_rounding_outwards_is_exact_on_floats_and_one_float_off_otherwise(direction):
    rng = np.random.default_rng(0)
    for value in [0.0, -0.0, 5e-324, -5e-324, 1.0, -1.0, *rng.normal(size=20), *10.0 ** rng.uniform(-300, 300, 20)]:
        value = float(value)
        assert round_outward(Fraction(value), direction) == value
        towards = float(np.nextafter(value, direction * INF))
        between = (2 * Fraction(value) + Fraction(towards)) / 3
        assert round_outward(between, direction) == towards
        assert direction * (Fraction(round_outward(between, direction)) - between) > 0


def test_the_edge_of_an_interval_widens_it_on_the_side_asked_for():
    term = (1.0, 2.0**-60, 2.0**-80)
    exact = 1 + Fraction(2) ** -60
    above, below = (sum(map(Fraction, edge(term, direction))) for direction in (1, -1))
    assert above - exact == exact - below == Fraction(2) ** -80


@pytest.mark.parametrize("direction", [-1, 1])
def test_sums_and_products_of_floats_are_rounded_outwards_once(direction):
    rng = np.random.default_rng(1)
    for _ in range(200):
        terms = tuple((rng.choice([-1, 1], 5) * 10.0 ** rng.uniform(-330, 300, 5)).tolist())
        assert outward_sum(terms, direction) == round_outward(sum(map(Fraction, terms)), direction)
        x, y = abs(terms[0]) * 1e-300, abs(terms[1]) ** 0.5
        assert Fraction(product_up(x, y)) >= Fraction(x) * Fraction(y)
        value, exponent = terms[2], int(rng.integers(-1100, 20))
        assert rescaled(value, exponent, direction) == round_outward(
            Fraction(value) * Fraction(2) ** exponent, direction
        )
    assert product_up(0.0, 3.0) == 0.0


def test_what_the_ratio_of_the_masses_adds_is_bounded_from_below():
    rng = np.random.default_rng(2)
    for _ in range(100):
        a, b = rng.random(3), rng.random(3)
        b *= a.sum() / b.sum() * (1 + rng.choice([0.0, 1e-15, 1e-6, 1e-3]))
        masses = FixedMasses.of(a, b, -3)
        ratio = sum(map(Fraction, a)) / sum(map(Fraction, b))
        term = (float(rng.normal()) * 10.0 ** rng.uniform(-300, 200), 0.0, 0.0)
        assert sum(map(Fraction, masses.excess(term))) <= (ratio - 1) * Fraction(term[0])


def test_subnormal_potentials_prove_what_the_certificate_says():
    """Regression: the bound was that of the scaled potentials; those given back had lost their digits."""
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(2, 40, 2)) * 1e-160
    s = otcore.solve(x, y, order=2)
    assert 0 < s.lower < 1e-300
    assert s.certificate.verify(), str(s.certificate.verify())


@pytest.mark.parametrize("own_first", [True, False])
def test_of_equal_bounds_the_methods_own_is_kept(own_first):
    half = np.array([0.5, 0.5])
    plans = Certifier(Problem(half, half, DenseCost(np.ones((2, 2)))))
    plans.offer_zero()
    potentials = Certifier(Problem(half, half, DenseCost(1.0 - np.eye(2))))
    potentials.offer(Candidate(SparsePlan([0, 1], [0, 1], half, (2, 2))))
    for own in (own_first, not own_first):
        if own:
            plans.offer(Candidate(SparsePlan([0, 1], [1, 0], half, (2, 2))))
            potentials.offer(Candidate(potentials=(np.array([0.0, 0.5]), np.array([0.0, -0.5]))))
        else:
            plans.offer(Candidate(SparsePlan([0, 1], [0, 1], half, (2, 2))), trivial=True)
            potentials.offer_zero()
    assert plans.certificate().plan.j.tolist() == [1, 0]
    assert np.ptp(potentials.certificate().f) == 0.5
    assert potentials.lower == 0.0


def test_one_potential_needs_a_metric_and_potentials():
    line = LineCost([0.0, 1.0], [1.0, 3.0])
    empty = Certifier(Problem([0.5, 0.5], [0.5, 0.5], line))
    empty.offer_one_potential()
    assert empty.lower == -INF
    other = Certifier(Problem([0.5, 0.5], [0.5, 0.5], LineCost([0.0, 1.0], [1.0, 3.0], 2)))
    other.offer(Candidate(potentials=(np.zeros(2), np.zeros(2))))
    before = other.lower
    other.offer_one_potential()
    assert other.lower == before


def test_one_potential_is_proposed_with_its_values_on_both_sides(monkeypatch):
    problem = Problem([0.5, 0.5], [0.25, 0.75], LineCost([0.0, 1.0], [2.0, 5.0]))
    certifier, seen = Certifier(problem), []
    certifier.offer(Candidate(potentials=(-np.array([0.0, 1.0]), np.array([2.0, 5.0]))))
    monkeypatch.setattr(LineCost, "grid_lift", lambda _, u_x, u_y: seen.append((u_x, u_y)))
    certifier.offer_one_potential()
    ((u_x, u_y),) = seen
    np.testing.assert_allclose(np.diff([*u_x, *u_y]), [-1.0, -1.0, -3.0], rtol=1e-15)


def test_an_entropic_plan_is_given_back_in_the_users_units():
    rng = np.random.default_rng(13)
    M = 1e150 * rng.random((6, 5))
    solution = otcore.solve(np.full(6, 1 / 6), np.full(5, 0.2), cost=M, method=otcore.Sinkhorn(epsilon=1e149), rtol=1.0)
    assert isinstance(solution.plan, GibbsPlan)
    assert solution.plan.epsilon == pytest.approx(1e149, rel=1e-15)
    assert solution.certificate.verify()


@pytest.mark.parametrize("seed", range(8))
def test_potentials_with_digits_below_the_smallest_double_price_any_mass(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.random(5) * 1e-160, rng.random(4) * 1e-160 + 5e-161
    a, b = np.array([2.0, 3.0, 5.0, 1.0, 1.0]), np.array([4.0, 6.0, 1.0, 1.0])
    solution = otcore.solve(otcore.Measure(x, a), otcore.Measure(y, b), order=2)
    W = naive.line_transport(x, a, y, b, lambda s, t: abs(s - t) ** 2)
    assert Fraction(solution.lower) <= W <= Fraction(solution.upper)
    assert Fraction(solution.lower) <= naive.dual_value(solution.f, solution.g, a, b)
    assert W - Fraction(solution.lower) <= 60 * Fraction(5e-324)


@pytest.mark.parametrize("direction", [-1, 1])
def test_a_bound_in_other_units_is_rounded_outwards_once(direction):
    rng = np.random.default_rng(4)
    for value, one, other in rng.normal(size=(50, 3)) * 10.0 ** rng.integers(-160, 100, (50, 3)):
        exact = Fraction(value) * Fraction(one) * Fraction(other)
        assert in_units(value, direction, one, other) == round_outward(exact, direction)
    assert in_units(direction * INF, direction, 2.0) == direction * INF
    assert in_units(1e300, direction, 1e300) == direction * INF


class Counting(DenseCost):
    """Counts the passes of its certificates."""

    passes = 0

    def ctransform(self, h, axis):
        self.passes += 1
        return super().ctransform(h, axis)


@pytest.mark.parametrize(
    ("M", "f", "passes"),
    [
        ([[1.0, 3.0], [3.0, 1.0]], [0.0, 0.0], 1),  # tight: nothing is left to gain
        ([[0.0, 1.0], [1.0, 0.0]], [0.0, 0.0], 1),  # a gap of nothing at all
        ([[1.0, 3.0], [3.0, 1.0]], [0.0, -5.0], 2),  # the second row is loose
    ],
)
def test_a_second_c_transform_is_taken_only_where_a_gap_is_left(M, f, passes):
    cost = Counting(M)
    certifier = Certifier(Problem([0.5, 0.5], [0.5, 0.5], cost))
    certifier.offer(Candidate(SparsePlan([0, 1], [0, 1], [0.5, 0.5], (2, 2)), (np.array(f), np.zeros(2))))
    assert cost.passes == passes
    assert certifier.lower == certifier.upper == M[0][0]
