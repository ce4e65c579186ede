"""The missing half: a plan from potentials, potentials from a plan."""

from __future__ import annotations

import time
from fractions import Fraction

import naive
import numpy as np
import pytest

from otcore.certify.certifier import Certifier
from otcore.certify.completion import complete
from otcore.costs import CloudCost, DenseCost, MatrixMetricCost
from otcore.plans import SparsePlan
from otcore.problem import Problem
from otcore.solution import Candidate

INF = np.inf


def later(seconds=60.0):
    return time.monotonic() + seconds


def problems():
    rng = np.random.default_rng(0)
    a, b = rng.random(7), rng.random(5)
    b *= a.sum() / b.sum()
    M = rng.normal(size=(7, 5))
    yield "dense", Problem(a, b, DenseCost(M)), M
    zero = a.copy()
    zero[[1, 4]] = 0.0
    yield "zero weights", Problem(zero, b * (zero.sum() / b.sum()), DenseCost(M)), M
    forbidden = np.where(rng.random((6, 6)) < 0.4, INF, rng.normal(size=(6, 6)))
    np.fill_diagonal(forbidden, 1.0)
    yield "forbidden", Problem(rng.permutation(np.ones(6)), np.ones(6), DenseCost(forbidden)), forbidden
    D = np.abs(np.arange(6.0)[:, None] - np.arange(6.0))
    p, q = rng.integers(1, 9, 6), rng.integers(1, 9, 6)
    yield "metric", Problem(p * q.sum(), q * p.sum(), MatrixMetricCost(D)), D


@pytest.mark.parametrize(("problem", "M"), [pytest.param(p, M, id=name) for name, p, M in problems()])
@pytest.mark.parametrize("half", ["neither", "plan", "potentials"])
def test_both_halves_become_optimal_whichever_is_missing(problem, M, half):
    n, m = problem.shape
    rng = np.random.default_rng(1)
    best = {
        "neither": Candidate(),
        "plan": Candidate(plan=SparsePlan.from_dense(np.outer(problem.a, problem.b) / problem.b.sum())),
        "potentials": Candidate(potentials=(rng.normal(size=n), rng.normal(size=m))),
    }[half]
    certifier = Certifier(problem)
    certifier.offer(complete(problem, best, later()))
    W = naive.transport(problem.a.tolist(), problem.b.tolist(), M.tolist())
    assert Fraction(certifier.lower) <= W <= Fraction(certifier.upper)
    scale = np.abs(M[np.isfinite(M)]).max() * problem.mass
    assert certifier.upper - certifier.lower <= 64 * 2.0**-52 * scale


def test_nothing_to_move_is_completed_by_the_common_mass():
    a = np.array([0.25, 0.75])
    answer = complete(Problem(a, a, MatrixMetricCost(np.array([[0.0, 1.0], [1.0, 0.0]]))), Candidate(), later())
    assert answer.plan.to_dense().tolist() == np.diag(a).tolist()


def test_a_deadline_that_has_passed_still_gives_a_feasible_plan():
    rng = np.random.default_rng(0)
    x, y = rng.random((300, 2)), rng.random((300, 2))
    problem = Problem(np.full(300, 1 / 300), np.full(300, 1 / 300), CloudCost(x, y))
    answer = complete(problem, Candidate(), time.monotonic() - 1.0)
    assert answer.plan.mass.min() >= 0
    rows, columns = answer.plan.marginals()
    np.testing.assert_allclose(rows, problem.a, rtol=1e-12)
    np.testing.assert_allclose(columns, problem.b, rtol=1e-12)


def test_optimal_potentials_make_completion_a_matter_of_no_pivots(monkeypatch):
    """The start tree is made of the arcs that they make tight."""
    from otcore.engines import exact

    rng = np.random.default_rng(2)
    x, y = rng.random((40, 2)), rng.random((40, 2))
    a, b = rng.random(40), rng.random(40)
    problem = Problem(a, b * (a.sum() / b.sum()), CloudCost(x, y))
    pivots = []
    genuine = exact.solve

    def counted(*args, **options):
        for state in genuine(*args, **options):
            yield state
        pivots.append(state.pivots)

    monkeypatch.setattr(exact, "solve", counted)
    first = complete(problem, Candidate(), later())
    complete(problem, first, later())
    assert pivots[0] > 20
    assert pivots[1] <= 5
