"""Clouds from coarse to fine: exact on every awkward cloud, and the same answer as without the levels."""

from __future__ import annotations

import itertools
import time
from collections import deque

import numpy as np
import pytest

from otcore.costs import CloudCost, DenseCost
from otcore.engines import exact, multiscale
from otcore.engines.exact import integer_masses


def clouds(kind, n, m, rng):
    """Two clouds of n and m points in the plane."""
    if kind == "uniform":
        return rng.random((n, 2)), rng.random((m, 2))
    if kind == "clusters":
        centres = 100 * rng.random((5, 2))
        return centres[rng.integers(0, 5, n)] + rng.normal(size=(n, 2)), rng.random((m, 2))
    if kind == "lattice":
        return rng.integers(0, 12, (n, 2)), rng.integers(0, 12, (m, 2))
    if kind == "duplicates":
        return rng.random((20, 2))[rng.integers(0, 20, n)], rng.random((20, 2))[rng.integers(0, 20, m)]
    if kind == "collinear":
        return rng.random((n, 1)) * [3.0, 4.0], rng.random((m, 1)) * [3.0, 4.0]
    if kind == "far apart":
        return rng.random((n, 2)), 1e6 + rng.random((m, 2))
    if kind == "one point":
        return np.zeros((n, 2)), np.ones((m, 2))
    return rng.random((n, 3)), rng.random((m, 3))  # "space"


KINDS = ["uniform", "clusters", "lattice", "duplicates", "collinear", "far apart", "one point", "space"]


def last(states):
    return deque(states, maxlen=1)[0]


def value(cost, state):
    return float(state.flow @ cost.at(state.basis.i, state.basis.j))


def check(cost, state, a, b):
    """A feasible plan on a tree, feasible potentials, no gap."""
    n, m = cost.shape
    assert state.optimal and state.basis.i.size == n + m - 1
    rounding = (n + m) * 2.0**-50 * a.sum()
    assert np.abs(np.bincount(state.basis.i, state.flow, n) - a).max() <= rounding
    assert np.abs(np.bincount(state.basis.j, state.flow, m) - b * (a.sum() / b.sum())).max() <= rounding
    M = cost.to_dense()
    scale = M.max() + np.abs(state.f).max() + np.abs(state.g).max()
    assert (state.f[:, None] + state.g - M).max() <= 2.0**-50 * scale
    dual = state.f @ a + state.g @ (b * (a.sum() / b.sum()))
    assert abs(value(cost, state) - dual) <= (n + m) * 2.0**-50 * scale * a.sum()


@pytest.mark.parametrize("weights", ["random", "uniform", "pareto"])
@pytest.mark.parametrize(
    ("metric", "exponent"), [("euclidean", 1), ("euclidean", 2), ("cityblock", 1), ("chebyshev", 3)]
)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_cloud_is_solved_as_without_levels(kind, metric, exponent, weights):
    rng = np.random.default_rng(0)
    n, m = (300, 300) if weights == "uniform" else (400, 250)
    x, y = clouds(kind, n, m, rng)
    a, b = {
        "uniform": (np.ones(n), np.ones(m)),
        "random": (rng.random(n), rng.random(m)),
        "pareto": (rng.random(n) ** -2, rng.random(m) ** -2),
    }[weights]
    cost = CloudCost(x, y, metric, exponent)
    state = last(exact.solve(cost, a, b))
    check(cost, state, a, b)
    flat = last(exact.solve(DenseCost(cost.to_dense()), a, b))
    assert value(cost, state) == pytest.approx(value(cost, flat), rel=1e-11, abs=1e-12 * a.sum())


@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 700), (700, 1), (2, 900), (1500, 40), (129, 1000)])
def test_rectangles(n, m):
    rng = np.random.default_rng(1)
    cost = CloudCost(rng.random((n, 2)), rng.random((m, 2)))
    a, b = rng.random(n), rng.random(m)
    check(cost, last(exact.solve(cost, a, b)), a, b)


def test_the_engine_takes_the_levels_for_clouds_and_agrees_with_emd():
    ot = pytest.importorskip("ot")
    rng = np.random.default_rng(2)
    n = 1500
    cost = CloudCost(rng.random((n, 2)), rng.random((n, 2)), "euclidean", 2.0)
    a, b = rng.dirichlet(np.ones(n), 2)
    state = last(exact.solve(cost, a, b))
    assert state.pivots < 5 * n  # 13 n without the levels
    b *= a.sum() / b.sum()
    assert value(cost, state) == pytest.approx(ot.emd2(a, b, cost.to_dense(), numItermax=10**9), rel=1e-12)


def test_levels_are_nested_and_keep_masses():
    rng = np.random.default_rng(3)
    cost = CloudCost(rng.random((3000, 2)), rng.random((700, 2)))
    masses = integer_masses(rng.random(3000), rng.random(700))
    found = multiscale.levels(cost, masses)
    assert found[-1].cost is cost and len(found) >= 3
    for coarse, fine in itertools.pairwise(found):
        assert np.isin(coarse.rows, fine.rows).all() and np.isin(coarse.columns, fine.columns).all()
        assert coarse.rows.size < fine.rows.size
        assert coarse.masses.a.sum() == coarse.masses.b.sum() == fine.masses.a.sum()
        assert coarse.masses.a.size == coarse.rows.size - 1


def test_a_deadline_ends_with_a_feasible_plan_of_all_points():
    rng = np.random.default_rng(4)
    n = 3000
    cost = CloudCost(rng.random((n, 2)), rng.random((n, 2)))
    a, b = rng.random(n), rng.random(n)
    state = last(exact.solve(cost, a, b, deadline=time.monotonic() - 1.0))
    assert not state.optimal
    assert np.abs(np.bincount(state.basis.i, state.flow, n) - a).max() < 1e-9
    assert state.flow.min() >= 0


def test_an_early_end_has_the_potentials_of_the_cells():
    rng = np.random.default_rng(7)
    n = 4000
    cost = CloudCost(rng.random((n, 2)), rng.random((n, 2)), "euclidean", 2.0)
    a, b = np.ones(n) / n, np.ones(n) / n
    *_, early = (state for state in exact.solve(cost, a, b) if not state.optimal)
    truth = last(exact.solve(cost, a, b))
    assert (early.f[:, None] + early.g - cost.to_dense()).max() <= 1e-15
    assert early.f @ a + early.g @ b > 0.5 * value(cost, truth)


def test_same_clouds_give_the_same_bits():
    rng = np.random.default_rng(5)
    x, y, a, b = rng.random((900, 2)), rng.random((800, 2)), rng.random(900), rng.random(800)
    first, second = (last(exact.solve(CloudCost(x.copy(), y.copy()), a, b)) for _ in range(2))
    assert all(np.array_equal(p, q) for p, q in ((first.f, second.f), (first.g, second.g), (first.flow, second.flow)))


@pytest.mark.parametrize("give", ["basis", "support", "potentials", "arcs"])
def test_a_start_is_taken_along_into_kd_order(give):
    rng = np.random.default_rng(6)
    n, m = 500, 400
    cost = CloudCost(rng.random((n, 2)), rng.random((m, 2)))
    a, b = rng.random(n), rng.random(m)
    cold = last(exact.solve(cost, a, b))
    heavy = np.argsort(-cold.flow)
    start = {
        "basis": {"basis": cold.basis},
        "support": {"support": (cold.basis.i[heavy], cold.basis.j[heavy])},
        "potentials": {"potentials": (cold.f, cold.g)},
        "arcs": {"arcs": (cold.basis.i, cold.basis.j), "price": False},
    }[give]
    warm = last(exact.solve(cost, a, b, **start))
    if give != "arcs":  # these tell what may be used, not where to start
        assert warm.pivots <= 5 and cold.pivots > n  # rounding may find one arc or another as good
    assert value(cost, warm) == pytest.approx(value(cost, cold), rel=1e-12)
