"""POT's network simplex, given problems it gets right, its wrong duals mended."""

from __future__ import annotations

from fractions import Fraction

import naive
import numpy as np
import pytest

from otcore import ProblemTooLargeError, Status, solve
from otcore.costs import CloudCost, DenseCost
from otcore.problem import Problem
from otcore.solvers._protocol import Budget
from otcore.solvers.emd import EMD, MAX_ITER


def interval_holds(a, b, M, **options):
    s = solve(a, b, cost=M, method="emd", **options)
    W = naive.transport(np.asarray(a).tolist(), np.asarray(b).tolist(), np.asarray(M).tolist())
    assert Fraction(s.lower) <= W <= Fraction(s.upper)
    assert s.certified
    return s


def test_the_first_candidate_has_plan_duals_and_report_and_the_second_the_plan():
    rng = np.random.default_rng(0)
    a, b = rng.random(6), rng.random(5)
    problem = Problem(a / a.sum(), b / b.sum(), DenseCost(rng.normal(size=(6, 5)) + 100))
    candidate, alone = EMD().candidates(problem, None, Budget())
    assert alone.plan is candidate.plan and alone.potentials is None
    assert candidate.report.warning is None
    f, g = candidate.potentials
    assert (f[:, None] + g - problem.cost.M).max() <= 1e-10
    assert candidate.plan.cost(problem.cost) == pytest.approx(problem.a @ f + problem.b @ g, rel=1e-12, abs=0.0)


@pytest.mark.parametrize("unit", [1e-100, 1e-15, 1e-9, 1.0, 1e15, 1e100])
def test_units_in_which_pot_alone_is_wrong(unit):
    rng = np.random.default_rng(1)
    a, b, M = rng.random(7), rng.random(7), rng.random((7, 7))
    b *= a.sum() / b.sum()
    reference = interval_holds(a, b, M).value
    assert interval_holds(a, b, M * unit).value == pytest.approx(reference * unit, rel=1e-12, abs=0.0)
    assert interval_holds(a * unit, b * unit, M).value == pytest.approx(reference * unit, rel=1e-12, abs=0.0)


def test_zero_weights_and_integer_weights_whose_duals_pot_gets_wrong():
    rng = np.random.default_rng(2)
    M = rng.integers(0, 20, (6, 6))
    a, b = np.array([0, 3, 0, 2, 1, 0]), np.array([1, 0, 0, 2, 0, 3])
    s = interval_holds(a, b, M)
    assert naive.worst_violation(s.f, s.g, M.tolist()) <= 0
    interval_holds(np.ones(6, dtype=int), np.ones(6, dtype=int), M)


@pytest.mark.parametrize("seed", range(5))
def test_forbidden_and_huge_costs(seed):
    rng = np.random.default_rng(seed)
    a = rng.integers(1, 9, 6) * 1.0
    for huge in (np.inf, 1e32, 1e300):
        M = np.where(rng.random((6, 6)) < 0.6, huge, rng.random((6, 6)))
        np.fill_diagonal(M, 2.0)
        assert interval_holds(a, a, M).value <= 2 * a.sum()


def test_the_iteration_limit_does_not_truncate():
    assert MAX_ITER > 10**15


def test_what_cannot_fit_is_refused_naming_the_lazy_alternative():
    big = Problem(np.ones(10**6), np.ones(10**6), CloudCost(np.zeros((10**6, 2)), np.ones((10**6, 2))))
    with pytest.raises(ProblemTooLargeError, match=r"'emd' on 1000000 x 1000000 costs needs .* 'sinkhorn' streams"):
        next(EMD().candidates(big, None, Budget()))


def test_without_time_pot_does_not_start(monkeypatch):
    """Regression: it cannot be interrupted, and began after its time was over."""
    rng = np.random.default_rng(3)
    x, y = rng.random((9, 2)), rng.random((9, 2))
    problem = Problem(np.full(9, 1 / 9), np.full(9, 1 / 9), CloudCost(x, y))
    assert list(EMD().candidates(problem, None, Budget.seconds(0.0))) == []
    truth = solve(x, y)
    monkeypatch.setattr(
        EMD, "candidates", lambda self, problem, start, budget: iter(())
    )  # over after the driver looked
    for start, status in ((None, Status.STALLED), (truth, Status.CERTIFIED)):
        s = solve(x, y, method="emd", max_seconds=60.0, start=start)
        assert s.status is status and s.lower <= truth.upper and truth.lower <= s.upper


def test_what_the_tolerance_of_pot_leaves_open_is_closed_by_the_engine():
    rng = np.random.default_rng(26)
    a, b = 10 ** rng.uniform(-8, 0, 12), 10 ** rng.uniform(-8, 0, 9)
    M = 10 ** rng.uniform(-8, 8, (12, 9))
    s = interval_holds(a, b * (a.sum() / b.sum()), M, rtol=1e-14)
    assert s.trace[0].upper - s.trace[0].lower > 1e-8 * s.value  # POT alone
