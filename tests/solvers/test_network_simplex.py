"""The network simplex as a method: exact, deterministic, warm, interruptible."""

from __future__ import annotations

import numpy as np
import pytest
from naive import transport

import otcore
from otcore import Candidate, SparsePlan, Status
from otcore.engines import generation
from otcore.solvers import network_simplex


def solve(*args, **options):
    return otcore.solve(*args, method="network-simplex", **options)


def cloud(n, m, d=2, seed=0):
    rng = np.random.default_rng(seed)
    return rng.random((n, d)), rng.random((m, d))


def weighted(n, m, seed=0):
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(m)), rng.random((n, m))


@pytest.mark.parametrize("seed", range(40))
def test_small_integer_problems_equal_exact_arithmetic(seed):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 7, 2)
    M = rng.integers(-4, 5, (n, m)).astype(float)
    plan = rng.integers(0, 3, (n, m))
    plan[0, 0] += 1
    a, b = plan.sum(axis=1), plan.sum(axis=0)
    s = solve(a, b, cost=M)
    truth = transport(a, b, M)
    assert s.lower <= truth <= s.upper
    assert s.gap <= 1e-12 * a.sum()


@pytest.mark.parametrize(
    "problem",
    [weighted(300, 300), weighted(500, 20), weighted(20, 500), weighted(1, 60), weighted(60, 1)],
    ids=["square", "tall", "wide", "row", "column"],
)
def test_value_equals_emd(problem):
    a, b, M = problem
    s, peer = solve(a, b, cost=M), otcore.solve(a, b, cost=M, method="emd")
    assert s.value == pytest.approx(peer.value, rel=1e-12)
    assert s.relative_gap <= 1e-12


def test_the_plan_is_a_basic_solution():
    a, b, M = weighted(70, 90)
    s = solve(a, b, cost=M)
    assert s.plan.nnz <= 70 + 90 - 1
    assert s.report.optimal and s.report.pivots > 0 and s.report.rounds >= 1


def test_restarted_from_its_own_solution_it_does_not_pivot():
    a, b, M = weighted(150, 120)
    cold = solve(a, b, cost=M)
    warm = solve(a, b, cost=M, rtol=0.0, atol=0.0, start=cold)
    assert cold.report.pivots > 100 and warm.report.pivots == 0
    assert warm.value == pytest.approx(cold.value, rel=1e-14)


@pytest.mark.parametrize("halves", ["plan", "potentials", "both"])
def test_a_start_near_the_answer_saves_pivots(halves):
    a, b, M = weighted(150, 120)
    rng = np.random.default_rng(1)
    first = solve(a, b, cost=M)
    plan = None if halves == "potentials" else first.plan
    potentials = None if halves == "plan" else (first.f, first.g)
    M = M + 1e-4 * rng.random(M.shape)
    cold = solve(a, b, cost=M)
    warm = solve(a, b, cost=M, start=Candidate(plan, potentials))
    assert warm.value == pytest.approx(cold.value, rel=1e-12)
    assert warm.report.pivots < cold.report.pivots / 2


def test_a_wrong_start_does_no_harm():
    a, b, M = weighted(40, 30)
    nonsense = Candidate(SparsePlan([0, 1, 39], [5, 5, 5], [1.0, 2.0, 3.0], (40, 30)), (1e3 * a, -1e3 * b))
    assert solve(a, b, cost=M, start=nonsense).value == pytest.approx(solve(a, b, cost=M).value, rel=1e-12)


def test_max_seconds_ends_early_with_an_interval_that_holds():
    a, b, M = weighted(1500, 1500)
    s = solve(a, b, cost=M, max_seconds=0.02)
    assert s.status is Status.TIME_LIMIT
    truth = solve(a, b, cost=M)
    assert s.lower <= truth.upper and truth.lower <= s.upper
    assert truth.certified and not s.certified


def test_candidates_come_at_growing_distances(monkeypatch):
    monkeypatch.setattr(generation, "CHUNK", 256)
    monkeypatch.setattr(network_simplex, "FIRST_LOOK", 256)
    a, b, M = weighted(900, 900)
    s = solve(a, b, cost=M, rtol=0.0, atol=0.0)
    uppers = [snapshot.upper for snapshot in s.trace]
    assert 3 <= len(uppers) <= 6  # zero and trivial first, then at 256 and 512 pivots, then the last
    assert uppers == sorted(uppers, reverse=True)


def test_same_input_gives_the_same_bits():
    x, y = cloud(60, 80)
    first, second = solve(x, y), solve(x.copy(), y.copy())
    assert (first.lower, first.upper, first.report) == (second.lower, second.upper, second.report)
    assert np.array_equal(first.f, second.f) and np.array_equal(first.plan.mass, second.plan.mass)
