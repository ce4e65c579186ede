"""The primal LP: its matrix, its report, and candidates near the optimum before any repair."""

from __future__ import annotations

import naive
import numpy as np
import pytest

from otcore import ProblemTooLargeError, Status, UnsupportedProblemError, solve
from otcore.costs import DenseCost
from otcore.problem import Problem
from otcore.solvers import linprog
from otcore.solvers._protocol import Budget
from otcore.solvers.linprog import Linprog


def reduced(n, m, seed=0):
    rng = np.random.default_rng(seed)
    a, b = rng.random(n), rng.random(m)
    return Problem(a / a.sum(), b / b.sum(), DenseCost(rng.normal(size=(n, m))))


@pytest.mark.parametrize("solver", ["highs", "highs-ds", "highs-ipm"])
@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 4), (6, 9), (20, 20)])
def test_the_candidate_is_nearly_feasible_and_nearly_optimal_by_itself(n, m, solver):
    problem = reduced(n, m)
    candidate, alone = Linprog(solver).candidates(problem, None, Budget())
    assert alone.potentials is None and alone.plan is candidate.plan, "which asks the exact engine for the rest"
    rows, columns = candidate.plan.marginals()
    np.testing.assert_allclose(rows, problem.a, rtol=0, atol=1e-9)
    np.testing.assert_allclose(columns, problem.b, rtol=0, atol=1e-9)
    M, (f, g) = problem.cost.M, candidate.potentials
    assert (f[:, None] + g - M).max() <= 1e-8
    dual = problem.a @ f + problem.b @ g
    assert candidate.plan.cost(problem.cost) == pytest.approx(dual, abs=1e-7)
    assert (candidate.report.variables, candidate.report.constraints) == (n * m, n + m)
    assert "ptimal" in candidate.report.message


def test_no_time_left_is_a_report_without_halves():
    (candidate,) = Linprog().candidates(reduced(40, 40), None, Budget.seconds(0.0))
    assert (candidate.plan, candidate.potentials) == (None, None)
    assert "ime limit" in candidate.report.message


@pytest.mark.parametrize("solver", linprog.SOLVERS)
def test_highs_keeps_to_the_time_that_is_left(solver):
    """Regression: a limit that presolve had used up, or of zero, was none to its interior points."""
    free, limited = linprog.highs_options(Budget(), solver), linprog.highs_options(Budget.seconds(5.0), solver)
    assert free.keys() == {"primal_feasibility_tolerance", "dual_feasibility_tolerance"}
    assert 0 < limited["time_limit"] <= 5.0
    assert limited["presolve"] is (solver != "highs-ipm")
    (candidate,) = Linprog(solver).candidates(reduced(40, 40), None, Budget.seconds(1600 * linprog.LOADING / 2))
    assert candidate.report.message == "Time limit reached before HiGHS began"


@pytest.mark.parametrize("wrong", ["x", None, 3, ["highs"], np.array(["highs", "x"])], ids=str)
def test_an_unknown_algorithm_is_refused_where_it_is_written(wrong):
    """Regression: a ValueError or an AttributeError of scipy's came up while solving."""
    with pytest.raises(UnsupportedProblemError, match=r"solver is .*; expected one of highs, highs-ds, highs-ipm"):
        Linprog(wrong)


def test_costs_of_any_scale_and_offset_are_solved_as_well():
    a, b = np.array([0.2, 0.3, 0.5]), np.array([0.4, 0.6])
    M = np.array([[1.0, 4.0], [3.0, 2.0], [5.0, 5.0]])
    W = float(naive.transport(a.tolist(), b.tolist(), M.tolist()))
    for scale, offset in ((1e-90, 0.0), (1e90, 0.0), (1.0, 1e8), (1.0, -1e8)):
        s = solve(a, b, cost=M * scale + offset, method="linprog")
        assert s.status is Status.CERTIFIED
        assert s.value == pytest.approx(W * scale + offset, rel=1e-12, abs=0.0)


def test_what_cannot_fit_is_refused_naming_the_lazy_alternative():
    from otcore.costs import CloudCost

    big = Problem(np.ones(10**5), np.ones(10**5), CloudCost(np.zeros((10**5, 2)), np.ones((10**5, 2))))
    with pytest.raises(ProblemTooLargeError, match=r"'linprog' on 100000 x 100000 costs needs .* 'sinkhorn' streams"):
        next(Linprog().candidates(big, None, Budget()))
