"""The dual LP: one potential for metrics, two otherwise; constraints generated, neighbours on a line."""

from __future__ import annotations

from fractions import Fraction

import naive
import numpy as np
import pytest

from otcore import Measure, Status, UnsupportedProblemError, solve
from otcore.costs import CloudCost, DenseCost, LineCost, MatrixMetricCost
from otcore.problem import Problem
from otcore.reductions import reduce
from otcore.solvers import dual
from otcore.solvers._protocol import Budget
from otcore.solvers.dual import Dual


def last(problem, **options):
    *_, candidate = Dual(**options).candidates(reduce(problem).problem, None, Budget())
    return candidate


def test_the_two_potential_lp_is_solved_with_few_of_its_constraints():
    rng = np.random.default_rng(0)
    a, b = rng.random(40), rng.random(50)
    problem = Problem(a / a.sum(), b / b.sum(), DenseCost(rng.random((40, 50))))
    candidate = last(problem)
    assert candidate.report.constraints < candidate.report.all_constraints == 2000
    s = solve(problem.a, problem.b, cost=problem.cost, method="dual")
    assert s.certified
    assert s.value == pytest.approx(
        solve(problem.a, problem.b, cost=problem.cost, method="emd").value, rel=1e-9, abs=0.0
    )


@pytest.mark.parametrize("metric", ["euclidean", "cityblock"])
def test_for_a_metric_the_candidate_is_one_lipschitz_function(metric):
    rng = np.random.default_rng(1)
    x, y = rng.random((30, 2)), rng.random((25, 2))
    y[:5] = x[:5]
    problem = Problem(np.full(30, 1 / 30), np.full(25, 1 / 25), CloudCost(x, y, metric))
    reduction = reduce(problem)
    *_, candidate = Dual().candidates(reduction.problem, None, Budget())
    f, g = candidate.potentials
    i, j = np.nonzero(reduction.problem.cost.to_dense() == 0)
    np.testing.assert_allclose(f[i], -g[j], atol=1e-9)
    slack = reduction.problem.cost.to_dense() - f[:, None] - g
    assert slack.min() >= -1e-8
    assert solve(x, y, metric=metric, method="dual").certified


def test_on_a_line_the_constraints_are_those_of_neighbours():
    rng = np.random.default_rng(2)
    x, y = rng.random(30), rng.random(40)
    candidate = last(Problem(np.full(30, 1 / 30), np.full(40, 1 / 40), LineCost(x, y)))
    assert (candidate.report.constraints, candidate.report.rounds) == (2 * 69, 1)
    s = solve(x, y, method="dual")
    assert s.certified
    W = naive.line_transport(x, np.full(30, 1 / 30), y, np.full(40, 1 / 40), lambda u, v: abs(u - v))
    assert Fraction(s.lower) <= W <= Fraction(s.upper)


@pytest.mark.parametrize("order", [2, 1.5])
def test_other_orders_on_a_line_use_two_potentials(order):
    rng = np.random.default_rng(3)
    x, y = rng.random(12), rng.random(9)
    s = solve(x, y, order=order, method="dual")
    assert s.certified
    assert s.value == pytest.approx(solve(x, y, order=order, method="line").value, rel=1e-9, abs=0.0)


def test_a_distance_matrix_on_one_support():
    rng = np.random.default_rng(4)
    D = np.abs(rng.integers(0, 50, 15)[:, None] - rng.integers(0, 50, 15))
    z = rng.integers(0, 50, 15)
    D = np.abs(z[:, None] - z) * 1.0
    a, b = rng.integers(0, 9, 15) + 1, rng.integers(0, 9, 15) + 1
    a, b = a * b.sum(), b * a.sum()
    s = solve(a, b, metric=D, method="dual")
    assert s.certified
    assert Fraction(s.lower) <= naive.transport(a.tolist(), b.tolist(), D.tolist()) <= Fraction(s.upper)
    u = s.potential(np.arange(15))
    assert a @ u - b @ u == pytest.approx(s.value, rel=1e-9, abs=0.0)


def test_one_round_may_not_be_enough_and_the_interval_says_so():
    rng = np.random.default_rng(5)
    x, y = rng.random((200, 2)), rng.random((200, 2))
    s = solve(x, y, method=Dual(max_rounds=1), rtol=1e-13, atol=0.0)
    assert s.report.rounds == 1
    assert s.lower <= solve(x, y, method="emd").upper


class Work:
    """A budget of pieces of work instead of seconds."""

    deadline = np.inf

    def __init__(self, pieces):
        self.left, self.late = pieces, []

    def expired(self):
        return self.left <= 0

    def remaining(self):
        return 60.0 * max(0, self.left)

    def watch(self, monkeypatch, place, name):
        of = getattr(place, name)

        def watched(*args, **kwargs):
            if self.expired():
                self.late.append(name)
            self.left -= 1
            return of(*args, **kwargs)

        monkeypatch.setattr(place, name, watched)


@pytest.mark.parametrize("pieces", [0, 1, 2, 3, 5, 8, 13, 21, 34])
@pytest.mark.parametrize("kind", [CloudCost, DenseCost])
def test_nothing_is_begun_when_the_time_is_over(kind, pieces, monkeypatch):
    """Regression: at n = 6000 the first arcs took ten seconds of a budget of a fifth of one."""
    rng = np.random.default_rng(6)
    x, y, w = rng.random((20, 2)), rng.random((20, 2)), np.full(20, 1 / 20)
    cost = CloudCost(x, y) if kind is CloudCost else DenseCost(rng.random((20, 20)))
    problem, budget = reduce(Problem(w, w, cost)).problem, Work(pieces)
    monkeypatch.setattr("otcore.costs._cost.BLOCK", 20 * 3)
    monkeypatch.setattr(dual, "coarse_epsilon", lambda *_: 0.5)  # the engine's, in one piece
    budget.watch(monkeypatch, dual, "_highs")
    budget.watch(monkeypatch, kind, "sinkhorn_pass")
    budget.watch(monkeypatch, kind, "rows")
    candidates = list(Dual().candidates(problem, None, budget))
    assert not budget.late
    assert (candidates == []) == (pieces == 0)
    for candidate in candidates:
        assert candidate.potentials is not None or candidate.report is not None
        assert candidate.potentials is None or all(np.isfinite(h).all() for h in candidate.potentials)


def test_without_time_the_interval_is_valid_all_the_same():
    rng = np.random.default_rng(6)
    for x, y in ((rng.random((60, 3)), rng.random((60, 3))), (rng.random(60), rng.random(60))):
        truth = solve(x, y)
        for seconds in (0.0, 1e-5, 1e-3, 1e-2):
            s = solve(x, y, method="dual", max_seconds=seconds)
            assert s.lower <= truth.upper and truth.lower <= s.upper
            assert s.certified or s.status is Status.TIME_LIMIT


@pytest.mark.parametrize("solver", dual.SOLVERS)
def test_highs_keeps_to_the_time_that_is_left(solver, monkeypatch):
    """Regression: a limit that presolve had used up, or of zero, was none to its interior points."""
    asked = []
    monkeypatch.setattr("scipy.optimize.linprog", lambda *args, options, **kw: asked.append((kw["method"], options)))
    i = np.arange(3)
    on_a_line = Problem(np.ones(3), np.ones(3), LineCost(np.arange(3.0), np.arange(3.0)))
    problem = Problem(np.ones(3), np.ones(3), DenseCost(np.ones((3, 3))))
    for budget in (Budget(), Budget.seconds(60.0)):
        dual._solve_lp(problem, i, i, budget, solver)
        with pytest.raises(AttributeError):  # there is no answer to read
            dual._on_neighbours(on_a_line, budget, solver)
    (free, _), (free_line, _), (limited, options), (limited_line, _) = asked
    assert free == free_line == limited == solver
    assert 0 < options["time_limit"] <= 60.0
    assert options["presolve"] is (solver != "highs-ipm") and limited_line != "highs-ipm"


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"solver": "x"}, "one of highs-ipm, highs-ds, highs"),
        ({"solver": None}, "one of"),
        ({"solver": 3}, "one of"),
        ({"max_rounds": 1.5}, "a whole number >= 1"),
        ({"max_rounds": 0}, "a whole number >= 1"),
        ({"max_rounds": "x"}, "a whole number >= 1"),
        ({"max_rounds": np.inf}, "a whole number >= 1"),
        ({"max_rounds": np.arange(2)}, "a whole number >= 1"),
    ],
    ids=str,
)
def test_options_are_checked_where_they_are_written(wrong, expected):
    """Regression: a ValueError or a TypeError of somebody else's came up while solving."""
    (name,) = wrong
    with pytest.raises(UnsupportedProblemError, match=f"{name} is .*; expected {expected}"):
        Dual(**wrong)


def test_numpy_integers_are_whole_numbers_and_stored_as_such():
    solver = Dual(max_rounds=np.int64(3))
    assert (repr(solver), hash(solver)) == ("Dual(solver='highs-ipm', max_rounds=3)", hash(Dual(max_rounds=3)))
    assert type(solver.max_rounds) is int


def test_forbidden_arcs_and_zero_weights():
    M = np.array([[1.0, np.inf, 4.0], [np.inf, 2.0, 3.0], [5.0, 1.0, np.inf]])
    a, b = np.array([2.0, 0.0, 3.0]), np.array([1.0, 2.0, 2.0])
    s = solve(a, b, cost=M, method="dual")
    assert s.certified
    assert Fraction(s.lower) <= naive.transport(a.tolist(), b.tolist(), M.tolist()) <= Fraction(s.upper)


def test_all_costs_equal_is_no_special_case():
    """Regression: the mean cost above the least is zero, and so was the epsilon that chooses the first constraints."""
    for value in (0.0, 1.0, -3.0, 1e-200):
        s = solve(np.ones(4), np.ones(4), cost=np.full((4, 4), value), method="dual")
        assert s.certified
        assert s.value == pytest.approx(4 * value, rel=1e-15, abs=0.0)
    assert solve([1.0], [1.0], metric=[[0.0]], order=1.3, method="dual").value == 0.0


# -- which constraints -----------------------------------------------------------------------------------------


def test_the_smallest_of_each_row_and_of_each_column_over_blocks(monkeypatch):
    rng = np.random.default_rng(7)
    M = rng.random((11, 7))
    rows = dual._row_smallest(M, 0, 3)
    expected = {(i, j) for i in range(11) for j in np.argsort(M[i])[:3]}
    assert {divmod(k, 7) for k in rows.tolist()} == expected
    assert {divmod(k, 7) for k in dual._row_smallest(M, 0, 3, below=0.05).tolist()} == {
        (i, j) for i, j in expected if M[i, j] < 0.05
    }
    columns = dual._Smallest(4, 7)
    for i0 in range(0, 11, 2):
        columns.add(M[i0 : i0 + 2], i0)
    assert {divmod(k, 7) for k in columns.arcs().tolist()} == {
        (i, j) for j in range(7) for i in np.argsort(M[:, j])[:4]
    }


def test_the_first_constraints_bound_the_lp_and_avoid_forbidden_arcs():
    rng = np.random.default_rng(8)
    D = rng.random((9, 9)) + 1
    problem = Problem(np.full(9, 1 / 9), np.full(9, 1 / 9), MatrixMetricCost(D + D.T))
    arcs = dual._first_arcs(problem, np.zeros(9), np.zeros(9), Budget())
    i, j = np.divmod(arcs, 9)
    assert set(i.tolist()) == set(j.tolist()) == set(range(9))
    assert arcs.size == np.unique(arcs).size


def test_measures_on_one_support_with_common_mass():
    rng = np.random.default_rng(9)
    points, a = rng.random((20, 2)), rng.random(20)
    b = a.copy()
    b[3], b[4] = b[3] + 0.1, b[4] - 0.1 * (b[4] > 0.1)
    b *= a.sum() / b.sum()
    s = solve(Measure(points, a), Measure(points, b), method="dual")
    assert s.certified
    assert s.certificate.verify(exact=True)


def test_costs_and_weights_over_thirty_decades_give_an_interval():
    """A row that no column reaches at the rough epsilon was divided by its empty sum."""
    a = [1.9e-106, 9.2e-100, 1.4e-95, 1.7e-99, 9.6e-97, 1.9e-94, 3.1e-98]
    M = [[7e201, 3e200], [4e201, 4e169], [3e169, 2e201], [4e169, 7e169], [2e201, 2e201], [3e169, 5e169], [2e201, 6e201]]
    s = solve(a, [2.6e-101, sum(a) - 2.6e-101], cost=np.array(M), method="dual")
    assert s.certified and s.certificate.verify()


def test_what_the_tolerances_of_highs_leave_open_is_closed_by_the_engine():
    rng = np.random.default_rng(38)
    a, b = 10 ** rng.uniform(-8, 0, 12), 10 ** rng.uniform(-8, 0, 9)
    s = solve(a, b * (a.sum() / b.sum()), cost=10 ** rng.uniform(-8, 8, (12, 9)), method="dual", rtol=1e-14)
    assert s.trace[0].upper - s.trace[0].lower > 1e-6 * s.value  # from HiGHS alone
    assert s.certified
