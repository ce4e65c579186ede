"""Sinkhorn: the ladder ends in a certified interval, a fixed epsilon in its own report beside it."""

from __future__ import annotations

import time
from fractions import Fraction

import naive
import numpy as np
import pytest

import otcore
from otcore import UnsupportedProblemError, solve
from otcore.costs import CloudCost, MatrixMetricCost
from otcore.solvers.sinkhorn import Sinkhorn

INF = np.inf
RNG = np.random.default_rng(0)
A, B, M = RNG.random(6), RNG.random(5), RNG.random((6, 5))
B = B * (A.sum() / B.sum())
W = naive.transport(A.tolist(), B.tolist(), M.tolist())


def regularised(a, b, M, epsilon, steps=50_000):
    """min <P, M> + epsilon KL(P | a b^T / B) by the textbook iteration."""
    reference = np.outer(a, b) / b.sum()
    K = reference * np.exp(-np.where(np.isinf(M), INF, M) / epsilon)
    P = K
    for _ in range(steps):
        P = P * (a / P.sum(axis=1))[:, None]
        P = P * (b / P.sum(axis=0))
    used = P > 0
    return (P[used] * M[used]).sum() + epsilon * (P[used] * np.log(P[used] / reference[used])).sum()


# -- the ladder ------------------------------------------------------------------------------------------------


def test_below_the_ladder_the_exact_engine_ends_it():
    s = solve(A, B, cost=M, method="sinkhorn", rtol=1e-12)
    assert s.certified
    assert s.gap <= 1e-12 * s.upper + s.atol


@pytest.mark.parametrize("value", [0.0, 5.0, -5.0, 1e-200])
def test_all_costs_equal(value):
    s = solve(A, B, cost=np.full((6, 5), value), method="sinkhorn")
    assert s.certified
    assert s.value == pytest.approx(value * A.sum(), rel=1e-12, abs=0.0)


@pytest.mark.parametrize("huge", [INF, 1e32, 1e300])
def test_forbidden_and_huge_costs(huge):
    C = np.where(np.arange(30).reshape(6, 5) % 4 == 3, huge, M)
    truth = naive.transport(A.tolist(), B.tolist(), C.tolist())
    s = solve(A, B, cost=C, method="sinkhorn")
    assert s.certified
    assert Fraction(s.lower) <= truth <= Fraction(s.upper)


def test_a_start_is_used():
    first = solve(A, B, cost=M, method="sinkhorn", rtol=1e-3)
    again = solve(A, B, cost=M, method="sinkhorn", rtol=1e-3, start=first)
    assert again.certified
    assert again.gap <= first.gap


def clouds(n, m, d, seed=3):
    rng = np.random.default_rng(seed)
    return rng.random((n, d)), rng.random((m, d)) ** 1.5


@pytest.mark.parametrize("d", [2, 10])
@pytest.mark.parametrize("stored", [True, False])
def test_from_cells_over_points_to_the_exact_engine(stored, d):
    x, y = clouds(800, 750, d)
    cost = CloudCost(x, y, "euclidean", 2)
    a, b = np.ones(800), np.full(750, 800 / 750)
    s = solve(a, b, cost=cost.to_dense() if stored else cost, method="sinkhorn", rtol=1e-9)
    exact = solve(a, b, cost=cost, method="network-simplex")
    assert s.certified
    assert s.value == pytest.approx(exact.value, rel=1e-9)
    assert s.report.pivots > 0


def test_many_points_in_the_plane_do_not_wait_for_poor_levels(monkeypatch):
    """Where a level of few passes stays poor, the exact engine starts afresh, not from its prices."""
    from otcore.engines import exact

    for name, value in (("LARGE", 0), ("POOR", 1e-6), ("NEAR", np.inf)):  # every level of them is poor
        monkeypatch.setattr(f"otcore.solvers.sinkhorn.{name}", value)
    given, genuine = [], exact.solve
    monkeypatch.setattr(exact, "solve", lambda *p, potentials=None, **q: given.append(potentials) or genuine(*p, **q))
    x, y = clouds(900, 1000, 2)
    s = solve(x, y, order=2, method="sinkhorn", rtol=1e-9)
    assert s.certified and s.report.pivots > 0 and given == [None]
    assert s.value == pytest.approx(solve(x, y, order=2).value, rel=1e-9)


def hard(kind):
    """Weights and costs that a textbook iteration cannot take."""
    rng = np.random.default_rng(11)
    n, m = {"one point": (1, 1), "few against many": (400, 3)}.get(kind, (40, 30))
    x, y = rng.random((n, 2)), rng.random((m, 2))
    a, b = rng.random(n) + 0.1, rng.random(m) + 0.1
    if kind == "tiny weights":
        a[::3] = 1e-12
    if kind == "zero weights":
        a[::3], b[::4] = 0.0, 0.0
    if kind == "duplicates":
        x[20:], y[10:20] = x[0], y[0]
    if kind == "the same points":
        y, b = x, a
    C = ((x[:, None] - y) ** 2).sum(axis=2)
    if kind == "a large constant":
        C = C + 1e6
    if kind == "five dear rows":
        C[:5] *= 1e6
    if kind == "float32":
        a, b, C = a.astype(np.float32), b.astype(np.float32), C.astype(np.float32)
        return a, (b * (a.sum() / b.sum())).astype(np.float32), C
    return a, b * (a.sum() / b.sum()), C


HARD = [
    "one point", "few against many", "tiny weights", "zero weights", "duplicates", "the same points",
    "a large constant", "five dear rows", "float32",
]  # fmt: skip


@pytest.mark.parametrize("kind", HARD)
@pytest.mark.parametrize("share", [None, 1e-2, 1e-6])
def test_hard_cases_end_with_an_interval_that_holds(kind, share):
    a, b, C = hard(kind)
    exact = solve(a, b, cost=C, method="network-simplex")
    if share is None:
        s = solve(a, b, cost=C, method="sinkhorn", rtol=1e-3)
        assert s.certified
    else:
        epsilon = share * max(float(C.mean() - C.min()), 1e-3)
        s = solve(a, b, cost=C, method=Sinkhorn(epsilon=epsilon, tol=1e-6, max_iter=500))
        assert np.isfinite([s.report.value, s.report.dual, s.report.marginal_error]).all()
        assert s.report.dual <= s.report.value
    assert s.lower <= exact.upper
    assert exact.lower <= s.upper
    assert s.certificate.verify()


def test_plain_passes_answer_the_same():
    x, y = clouds(60, 50, 2)
    for options in ({}, {"epsilon": 0.02, "tol": 1e-7}):
        plain, fast = (
            solve(x, y, order=2, method=Sinkhorn(accelerate=fast, **options), rtol=0.05) for fast in (False, True)
        )
        assert plain.lower <= fast.upper
        assert fast.lower <= plain.upper
        if options:
            assert plain.report.value == pytest.approx(fast.report.value, rel=1e-6)
            assert plain.report.iterations > fast.report.iterations


def test_a_warm_start_saves_passes():
    x, y = clouds(900, 900, 2)
    weights, cost = (np.ones(900), np.ones(900)), CloudCost(x, y, "euclidean", 2)
    first = solve(*weights, cost=cost, method=Sinkhorn(epsilon=5e-3, tol=1e-7), rtol=0.5)
    again = solve(*weights, cost=cost, method=Sinkhorn(epsilon=5e-3, tol=1e-6), rtol=0.5, start=first)
    assert again.report.marginal_error <= 1e-6
    assert again.report.iterations < 10 < first.report.iterations


# -- a fixed epsilon -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("epsilon", [0.03, 0.3, 3.0, 1e4])
@pytest.mark.parametrize("unit", [1e-90, 1.0, 1e90])
@pytest.mark.parametrize("mass", [1e-90, 1.0, 1e90])
def test_the_report_is_the_regularised_problem_in_the_users_units(epsilon, unit, mass):
    s = solve(A * mass, B * mass, cost=M * unit, method=Sinkhorn(epsilon=epsilon * unit))
    truth = regularised(A, B, M, epsilon, 5000) * unit * mass
    scale = unit * mass * A.sum()
    assert s.report.epsilon == pytest.approx(epsilon * unit, rel=1e-15, abs=0.0)
    assert s.report.value == pytest.approx(truth, rel=1e-7, abs=1e-7 * scale)
    assert s.report.dual == pytest.approx(truth, rel=1e-7, abs=1e-7 * scale)
    assert -1e-9 * scale <= s.report.gap <= 1e-6 * scale
    assert s.report.marginal_error <= 1e-9
    assert Fraction(s.lower) <= W * Fraction(unit) * Fraction(mass) * (1 + Fraction(1, 10**14))
    assert s.certificate.verify()


def test_common_mass_is_not_cancelled_from_a_regularised_problem():
    D = np.abs(np.arange(4.0)[:, None] - np.arange(4.0))
    a, b = np.array([0.4, 0.3, 0.2, 0.1]), np.array([0.1, 0.2, 0.3, 0.4])
    s = solve(a, b, metric=D, method=Sinkhorn(epsilon=0.5))
    assert s.report.value == pytest.approx(regularised(a, b, D, 0.5), rel=1e-7, abs=0.0)
    equal = solve(a, a, metric=D, method=Sinkhorn(epsilon=0.5), rtol=0, atol=0)
    assert (equal.lower, equal.upper) == (0.0, 0.0)


def test_costs_are_not_capped_in_a_regularised_problem():
    """Regression: a large epsilon used forbidden arcs at the lowered cost, and the report was of another problem."""
    C = np.array([[0.0, INF, 1.0], [1.0, 0.0, INF], [INF, 2.0, 0.5]])
    a = np.array([0.2, 0.3, 0.5])
    s = solve(a, a, cost=C, method=Sinkhorn(epsilon=10.0), rtol=0.0, atol=0.0)
    assert s.report.value is None, "the plan cannot be rounded onto its marginals across a forbidden arc"
    assert s.report.gap is None
    assert s.report.dual == pytest.approx(regularised(a, a, C, 10.0, 20_000), rel=1e-4, abs=0.0)
    truth = naive.transport(a.tolist(), a.tolist(), C.tolist())
    assert Fraction(s.lower) <= truth <= Fraction(s.upper)


@pytest.mark.parametrize("epsilon", [1e-12, 1e12, 1e300])
def test_extreme_epsilons_end_with_an_interval_that_holds(epsilon):
    s = solve(A, B, cost=M, method=Sinkhorn(epsilon=epsilon, max_iter=200))
    assert Fraction(s.lower) <= W <= Fraction(s.upper)
    assert s.certificate.verify()
    assert s.report.iterations <= 10_000


def test_an_epsilon_that_floats_cannot_resolve_is_refused():
    """Regression: M / epsilon overflowed to nan, and the loop went on for a hundred thousand iterations."""
    with pytest.raises(UnsupportedProblemError, match=r"epsilon is 1e-20, too small beside costs of"):
        solve(A, B, cost=M, method=Sinkhorn(epsilon=1e-20))
    with pytest.raises(UnsupportedProblemError, match=r"epsilon is 5e-324, too small beside costs of"):
        solve(A, B, cost=M, method=Sinkhorn(epsilon=5e-324))
    with pytest.raises(UnsupportedProblemError, match="too small"):
        solve(A, B, cost=M * 1e200, method=Sinkhorn(epsilon=1e-120))


@pytest.mark.parametrize(
    "options",
    [
        {"epsilon": 0.0},
        {"epsilon": -1.0},
        {"epsilon": INF},
        {"epsilon": np.nan},
        {"epsilon": 10**400},
        {"epsilon": "1"},
        {"ladder": 0.0},
        {"ladder": 1.0},
        {"ladder": 5e-324},
        {"ladder": 0.9999},
        {"tol": -1},
        {"tol": np.array([1, 2])},
        {"max_iter": 0.5},
        {"accelerate": 1},
        {"dtype": "float16"},
        {"dtype": "double single"},
        {"dtype": 8},
    ],
    ids=str,
)
def test_options_that_mean_nothing_are_refused(options):
    with pytest.raises(UnsupportedProblemError, match=next(iter(options))):
        Sinkhorn(**options)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.longdouble, Fraction, np.int64], ids=lambda k: k.__name__)
def test_options_of_any_kind_of_number_give_the_same_bits(kind):
    """Regression: an epsilon of float32 made potentials and intervals of float32, which excluded the optimum."""
    plain, s = (solve(A, B, cost=M, method=Sinkhorn(epsilon=e, tol=e, max_iter=np.int32(9))) for e in (1.0, kind(1)))
    assert (s.report.dual, s.report.value, s.lower, s.upper) == (
        plain.report.dual, plain.report.value, plain.lower, plain.upper,
    )  # fmt: skip
    assert s.f.dtype == np.float64 and type(s.report.dual) is float


@pytest.mark.parametrize("dtype", [None, "float32", np.float32, np.dtype("float64")], ids=str)
def test_a_kernel_of_either_precision_bounds_the_same_optimum(dtype):
    rng = np.random.default_rng(8)
    M, a, b = rng.random((60, 50)), rng.random(60) + 0.1, rng.random(50) + 0.1
    a, b = a / a.sum(), b / b.sum()
    s = solve(a, b, cost=M, method=Sinkhorn(epsilon=0.2, dtype=dtype), rtol=1.0)
    truth = regularised(a, b, M, 0.2, 2000)
    assert s.report.dual <= truth * (1 + 1e-12) and truth * (1 - 1e-12) <= s.report.value
    singles = dtype in ("float32", np.float32)
    assert s.report.marginal_error <= (2.0**-22 if singles else 1e-9)
    assert (s.report.gap > 1e-10) == singles


def test_a_ladder_of_many_levels_obeys_the_clock():
    x, y = np.random.default_rng(3).normal(size=(2, 300, 2))
    begin = time.monotonic()
    s = solve(x, y, method=Sinkhorn(epsilon=1e-3, ladder=0.99), max_seconds=0.2)
    assert s.lower <= s.upper and time.monotonic() - begin < 5


@pytest.mark.parametrize("method", ["sinkhorn", "dual", Sinkhorn(epsilon=0.5)], ids=str)
def test_a_weight_that_underflows_beside_the_others_has_a_logarithm(method):
    s = solve([1.0, 5e-324], [1.0], cost=[[0.5], [0.7]], method=method)
    assert s.certified and s.lower <= 0.5 <= s.upper


# -- dense and lazy alike --------------------------------------------------------------------------------------


def test_a_cloud_and_its_matrix_give_the_same_answer():
    rng = np.random.default_rng(2)
    x, y = rng.random((12, 3)), rng.random((9, 3))
    lazy = CloudCost(x, y)
    answers = [
        solve(np.ones(12), np.full(9, 12 / 9), cost=c, method=Sinkhorn(epsilon=0.2)) for c in (lazy, lazy.to_dense())
    ]
    assert answers[0].report.value == pytest.approx(answers[1].report.value, rel=1e-9, abs=0.0)
    assert answers[0].value == pytest.approx(answers[1].value, rel=1e-9, abs=0.0)


def test_one_point_of_a_metric_matrix():
    assert solve([2.0], [2.0], cost=MatrixMetricCost([[0.0]], 1.3), method="sinkhorn").value == 0.0


@pytest.mark.parametrize("d", [2, 30])
def test_threads_change_no_bit_of_an_answer(d):
    rng = np.random.default_rng(20)
    x, y = rng.random((1100, d)), rng.random((1100, d))
    one, two = (solve(x, y, method=Sinkhorn(epsilon=0.05, tol=1e-4, threads=k), rtol=1.0) for k in (1, 2))
    assert (one.lower, one.upper) == (two.lower, two.upper)
    assert np.array_equal(one.f, two.f) and np.array_equal(one.plan.f, two.plan.f)
    assert "epsilon 0.05" in one.report.progress and "passes" in one.report.progress
    for wrong in (0, 1.5, "two"):
        with pytest.raises(UnsupportedProblemError, match="threads"):
            Sinkhorn(threads=wrong)


def test_a_weight_small_as_rounding_that_no_arc_reaches_has_no_regularised_value():
    M = np.array([[1.0], [np.inf], [2.0]])
    s = solve([1.0, 1e-20, 0.5], [1.5], cost=M, method=Sinkhorn(epsilon=0.1))
    assert s.lower <= 2.0 <= s.upper
    assert (s.report.value, s.report.dual, s.report.gap) == (None, None, None)


@pytest.mark.parametrize("unit, mass", [(1, 1e-320), (1e-160, 1e-160), (1e-155, 1e-160)])
def test_regularised_values_below_the_normal_floats_are_rounded_outwards(unit, mass):
    """Regression: both ends were rounded to the same subnormal number, which was not the value."""
    x, y = np.array([[0.0, 0], [1, 0], [0, 2]]) * unit, np.array([[3.0, 1], [1, 1]]) * unit
    p, q = otcore.Measure(x, np.array([1.0, 1, 2]) * mass), otcore.Measure(y, np.array([2.0, 2]) * mass)
    report = solve(p, q, method=Sinkhorn(epsilon=0.5 * unit), rtol=1.0).report
    assert 0 < report.dual < report.value
