"""Reduced problems have the same optimum, and what solves them solves the original."""

from __future__ import annotations

from fractions import Fraction

import naive
import numpy as np
import pytest

from otcore import reductions
from otcore.costs import CallableCost, CloudCost, DenseCost, LineCost, MatrixMetricCost
from otcore.plans import GibbsPlan, SparsePlan
from otcore.problem import Problem
from otcore.reductions import centre, reduce
from otcore.solution import Candidate

INF = np.inf
D6 = np.abs(np.arange(6.0)[:, None] - np.arange(6.0))


def value_of(problem):
    """The optimum in the user's units, exactly, of integer-like data."""
    M = problem.cost.to_dense()
    W = naive.transport(problem.a.tolist(), problem.b.tolist(), M.tolist())
    return W * Fraction(problem.cost_unit) * Fraction(problem.mass_unit)


def balanced(rng, n, m, zeros=0.3):
    a, b = rng.integers(1, 9, n) * (rng.random(n) > zeros), rng.integers(1, 9, m) * (rng.random(m) > zeros)
    a[0], b[-1] = 1, 1
    return (a * b.sum()).astype(float), (b * a.sum()).astype(float)


def staircase(a, b):
    """The arcs of the north-west plan: a pattern that keeps them is feasible."""
    kept = np.zeros((a.size, b.size), dtype=bool)
    for i, j in naive.staircase(a, b):
        kept[i, j] = True
    return kept


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("kind", ["dense", "forbidden", "huge", "negative", "metric", "callable", "scaled"])
def test_the_optimum_does_not_change(seed, kind):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 7, 2)
    M = rng.integers(0, 16, (n, m)) / 4
    if kind in ("metric", "callable"):
        n = m = 6
    a, b = balanced(rng, n, m)
    cost = DenseCost(M)
    if kind == "forbidden":
        cost = DenseCost(np.where((rng.random((n, m)) < 0.4) & ~staircase(a, b), INF, M))
    elif kind == "huge":
        M[rng.random((n, m)) < 0.4] = 2.0**107
        cost = DenseCost(M)
    elif kind == "negative":
        cost = DenseCost(M - 2.0**30)
    elif kind == "metric":
        cost = MatrixMetricCost(D6)
    elif kind == "callable":
        x, y = rng.integers(0, 4, (6, 2)) * 1.0, rng.integers(0, 4, (6, 2)) * 1.0
        cost = CallableCost(x, y, lambda p, q: np.abs(p[:, None] - q).sum(-1))
    elif kind == "scaled":
        cost = DenseCost(M * 2.0**300)
        a, b = a * 2.0**-200, b * 2.0**-200
    original = Problem(a, b, cost)
    reduction = reduce(original)
    stays = naive.plan_cost(reduction.shared, cost.to_dense())
    moved = Fraction(0) if reduction.problem is None else value_of(reduction.problem)
    assert stays + moved == value_of(original)
    if reduction.problem is not None:
        small = reduction.problem
        assert small.a.all()
        assert small.b.all()
        assert 0.25 <= small.a.sum() < 2.0
        assert max(map(abs, small.cost.bounds())) <= 2.0**reductions.NEAR_ONE
        assert "finite" in small.cost.traits


@pytest.mark.parametrize("seed", range(10))
def test_candidates_come_back_in_the_users_units_on_the_whole_support(seed):
    """The plan and the potential of an optimal pair of the reduced problem, lifted, have no gap on the original one."""
    from otcore.engines import exact

    rng = np.random.default_rng(seed)
    scale = 2.0 ** rng.integers(-300, 300)
    a, b = balanced(rng, 6, 6)
    original = Problem(a * 2.0**90, b * 2.0**90, MatrixMetricCost(D6 * scale))
    reduction = reduce(original)
    if reduction.problem is None:
        pytest.skip("nothing to move")
    small = reduction.problem
    *_, state = exact.solve(small.cost, small.a, small.b)
    report = object()
    candidate = Candidate(SparsePlan(state.basis.i, state.basis.j, state.flow, small.shape), (state.f, state.g), report)
    lifted = reduction.lift(candidate)
    assert lifted.report is report
    rows, columns = lifted.plan.marginals()
    np.testing.assert_allclose(rows, original.a, rtol=1e-13)
    np.testing.assert_allclose(columns, original.b, rtol=1e-13)
    f, g = lifted.potentials
    transform = (D6 * scale - f[:, None]).min(axis=0)
    np.testing.assert_allclose(g[reduction.j], transform[reduction.j], rtol=1e-11, atol=1e-11 * scale)
    primal = lifted.plan.cost(original.cost)
    assert original.a @ f + original.b @ transform == pytest.approx(primal, rel=1e-11, abs=0.0)


def test_pruned_rows_get_the_potentials_of_their_extension_and_pruned_columns_none():
    a, b = np.array([0.0, 2.0, 1.0, 0.0]), np.array([1.0, 0.0, 0.0, 2.0])
    M = np.random.default_rng(0).random((4, 4))
    M[3] = INF
    reduction = reduce(Problem(a, b, DenseCost(M)))
    assert (reduction.i.tolist(), reduction.j.tolist()) == ([1, 2], [0, 3])
    unit = reduction.problem.cost_unit
    f, g = np.array([0.1, 0.2]), np.array([-0.3, 0.0])
    full_f, full_g = reduction.lift(Candidate(potentials=(f / unit, g / unit))).potentials
    np.testing.assert_allclose(full_f[[1, 2]], f, rtol=1e-15)
    np.testing.assert_allclose(full_g[[0, 3]], g, rtol=1e-15)
    assert full_f[0] == pytest.approx(min(M[0, 0] - g[0], M[0, 3] - g[1]))
    assert full_f[3] == 0.0, "a row without arcs is free"
    assert full_g[[1, 2]].tolist() == [0.0, 0.0]


def test_common_mass_is_cancelled_for_metrics_only_and_only_on_request():
    a, b = np.array([3.0, 1.0, 2.0, 0, 0, 0]), np.array([1.0, 1.0, 2.0, 2.0, 0, 0])
    reduction = reduce(Problem(a, b, MatrixMetricCost(D6)))
    assert reduction.shared.to_dense().tolist() == np.diag([1.0, 1.0, 2.0, 0, 0, 0]).tolist()
    assert (reduction.i.tolist(), reduction.j.tolist()) == ([0], [3])
    for other in (
        reduce(Problem(a, b, MatrixMetricCost(D6, 2.0))),
        reduce(Problem(a, b, MatrixMetricCost(D6)), cancel=False),
    ):
        assert other.shared.nnz == 0
        assert (other.i.tolist(), other.j.tolist()) == ([0, 1, 2], [0, 1, 2, 3])
    x = np.array([0.0, 1.0, 1.0])
    twice = reduce(Problem([1.0, 1.0, 1.0], [1.5, 1.5], LineCost(x, np.array([1.0, 1.0]))))
    assert twice.shared.mass.sum() == 2.0


def test_equal_measures_leave_nothing_to_move():
    a = np.random.default_rng(0).random(6)
    reduction = reduce(Problem(a, a, MatrixMetricCost(D6)))
    assert reduction.problem is None
    assert reduction.shared.to_dense().tolist() == np.diag(a).tolist()
    assert reduction.restrict_start(Candidate(potentials=(a, a))) is None


@pytest.mark.parametrize("dust", [1e-17, 1e-25, 1e-100])
def test_dust_that_cancellation_leaves_is_a_problem_of_its_own(dust):
    a, b = np.array([1.0, dust, 0, 0, 0, 0]), np.array([1.0, 0, dust, 0, 0, 0])
    reduction = reduce(Problem(a, b, MatrixMetricCost(D6)))
    assert (reduction.i.tolist(), reduction.j.tolist()) == ([1], [2])
    small = reduction.problem
    assert value_of(small) == Fraction(dust)
    lopsided = reduce(Problem([1.0, 1.0], [1.0 + 2.0**-52, 1.0], MatrixMetricCost(D6[:2, :2])))
    assert lopsided.problem is None or lopsided.problem.shape[0] >= 1


def test_dust_between_blocks_without_a_finite_arc_is_not_nan():
    """Regression: the cap of a matrix of nothing but forbidden arcs was nan."""
    D = np.array([[0.0, INF], [INF, 0.0]])
    up, down = np.nextafter(1, 2), np.nextafter(1, 0)
    reduction = reduce(Problem([1.0, 1.0], [up, down], MatrixMetricCost(D)))
    assert reduction.problem is None or np.isfinite(reduction.problem.cost.to_dense()).all()


# -- the cap ---------------------------------------------------------------------------------------------------


def test_huge_costs_are_lowered_out_of_the_way_and_so_is_the_tolerance():
    M = np.array([[1.0, 1e32, 3.0], [1e32, 2.0, 1e32], [4.0, 1e32, 1.0]])
    reduction = reduce(Problem(np.ones(3), np.ones(3), DenseCost(M)))
    small = reduction.problem
    C = small.cost.to_dense() * small.cost_unit
    cheap = M < 1e9
    np.testing.assert_array_equal(C[cheap], M[cheap])
    assert 3 * 3.0 < C[~cheap].min() <= C[~cheap].max() < 1e5
    assert reduction.rounding_scale < 1e6
    assert (
        reduce(Problem(np.ones(3), np.ones(3), DenseCost(M)), cap=False).problem.cost.to_dense().max()
        == 1e32 / 2.0**107
    )


def test_a_huge_cost_that_the_optimum_must_pay_is_kept():
    M = np.array([[1.0, 1e32], [1.0, 1e32]])
    reduction = reduce(Problem([1.0, 1.0], [1.0, 1.0], DenseCost(M)))
    small = reduction.problem
    assert small.cost.to_dense().max() * small.cost_unit == 1e32


def test_costs_within_a_billion_of_each_other_are_never_capped():
    """Regression: of nearly equal measures the cap was 1e-57 and so was the tolerance, and solves stalled."""
    D = np.array([[0, 3.0, 5], [3, 0, 4], [5, 4, 0]])
    for dust in (1e-17, 1e-20, 1e-25):
        problem = Problem([1.0, dust, 1e-3], [1.0, 2 * dust, 1e-3], MatrixMetricCost(D, 2.0))
        reduction = reduce(problem)
        assert reduction.problem.cost.to_dense().max() * reduction.problem.cost_unit == 25.0
        assert reduction.rounding_scale == problem.cost.rounding_scale(problem.a, problem.b)


def test_the_cap_outweighs_everything_that_a_long_cycle_could_save():
    """Moving along the whole cycle saves 1 on each of 199 rows and pays one capped arc."""
    from otcore.engines import exact

    n = 200
    M = np.full((n, n), 1e30)
    np.fill_diagonal(M, 1.0)
    M[np.arange(n - 1), np.arange(1, n)] = 0.0
    small = reduce(Problem(np.ones(n), np.ones(n), DenseCost(M))).problem
    assert small.cost.to_dense().max() * small.cost_unit < 1e9
    *_, state = exact.solve(small.cost, small.a, small.b)
    used = state.flow > 1e-12
    assert M[state.basis.i[used], state.basis.j[used]].max() == 1.0


@pytest.mark.parametrize("seed", range(20))
def test_no_optimal_plan_of_the_capped_problem_uses_a_capped_arc(seed):
    from otcore.engines import exact

    rng = np.random.default_rng(seed)
    n, m = rng.integers(2, 7, 2)
    M = 10.0 ** rng.uniform(-3, 3, (n, m))
    a, b = balanced(rng, n, m, zeros=0.0)
    M[(rng.random((n, m)) < 0.6) & ~staircase(a, b)] = INF if seed % 2 else 1e30
    small = reduce(Problem(a, b, DenseCost(M))).problem
    *_, state = exact.solve(small.cost, small.a, small.b)
    used = state.flow > 1e-12
    assert (M[state.basis.i[used], state.basis.j[used]] < 1e9).all()


# -- Gibbs plans, starts, centring -----------------------------------------------------------------------------


def test_an_entropic_plan_is_lifted_onto_the_users_own_weights_and_cost():
    a, b = np.array([0.0, 2.0, 1.0]) * 2.0**70, np.array([1.0, 2.0]) * 2.0**70
    M = np.random.default_rng(0).random((3, 2)) * 2.0**90
    original = Problem(a, b, DenseCost(M))
    reduction = reduce(original, cancel=False)
    small = reduction.problem
    f, g = np.array([0.1, -0.2]), np.array([0.3, 0.0])
    lifted = reduction.lift(Candidate(GibbsPlan(f, g, 0.5, small.a, small.b, small.cost))).plan
    P = GibbsPlan(f, g, 0.5, small.a, small.b, small.cost).to_dense() * small.mass_unit
    np.testing.assert_allclose(lifted.to_dense()[1:], P, rtol=1e-12)
    assert not lifted.to_dense()[0].any()
    assert lifted.ground is original.cost


def test_a_start_is_restricted_and_scaled():
    a, b = np.array([0.0, 2.0, 1.0]), np.array([1.0, 2.0])
    reduction = reduce(Problem(a, b, DenseCost(np.full((3, 2), 2.0**40))))
    f, g = reduction.restrict_start(Candidate(potentials=(np.array([9.0, 1.0, 2.0]), np.array([3.0, 4.0])))).potentials
    unit = reduction.problem.cost_unit
    assert (f * unit).tolist() == [1.0, 2.0]
    assert (g * unit).tolist() == [3.0, 4.0]
    assert reduction.restrict_start(None) is None
    assert reduction.restrict_start(Candidate()) is None


def test_centring_takes_minima_out_and_the_lift_puts_them_back():
    rng = np.random.default_rng(0)
    M = rng.normal(size=(4, 5)) * 10 + 1e6
    problem = Problem(np.full(4, 0.25), np.full(5, 0.2), DenseCost(M))
    centred = centre(problem)
    assert centred.M.min() == 0.0
    assert (centred.M.min(axis=0) == 0).all()
    assert 0.5 <= centred.M.max() < 1.0
    np.testing.assert_allclose(centred.M * centred.unit + centred.row[:, None] + centred.column, M, rtol=1e-15)
    f, g = centred.lift(np.arange(4.0), np.arange(5.0))
    np.testing.assert_allclose(f, np.arange(4) * centred.unit + centred.row)
    np.testing.assert_allclose(g, np.arange(5) * centred.unit + centred.column)
    constant = centre(Problem([1.0], [1.0], DenseCost([[7.0]])))
    assert (constant.M.tolist(), constant.unit) == ([[0.0]], 1.0)
    assert problem.cost.M is not centred.M
    np.testing.assert_array_equal(problem.cost.M, M)


def test_clouds_are_scaled_by_coordinates_never_by_a_matrix():
    x, y = np.random.default_rng(0).random((2, 5, 2)) * 1e-9
    small = reduce(Problem(np.ones(5), np.ones(5), CloudCost(x, y))).problem
    assert isinstance(small.cost, CloudCost)
    assert 2.0**-5 < small.cost.bounds()[1] <= 2.0**5
    np.testing.assert_allclose(small.cost.to_dense() * small.cost_unit, CloudCost(x, y).to_dense(), rtol=1e-14)
