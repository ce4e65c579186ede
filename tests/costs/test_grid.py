"""One potential on a grid: exactly 1-Lipschitz, exactly antisymmetric, or None."""

from __future__ import annotations

from fractions import Fraction

import naive
import numpy as np
import pytest

from otcore.costs import CallableCost, CloudCost, DenseCost, MatrixMetricCost
from otcore.costs._grid import mcshane_on_grid

INF = np.inf


def clouds(seed, metric="euclidean"):
    rng = np.random.default_rng(seed)
    x, y = rng.random((8, 2)), rng.random((6, 2))
    y[:3] = x[:3]
    x[5] = x[4]  # a point of x that occurs twice
    return CloudCost(x, y, metric), rng


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("metric", ["euclidean", "cityblock", "chebyshev"])
def test_the_pair_is_feasible_in_real_numbers_and_antisymmetric_on_shared_points(seed, metric):
    cost, rng = clouds(seed, metric)
    f, g = mcshane_on_grid(cost, rng.normal(size=8), rng.normal(size=6))
    for i in range(8):
        for j in range(6):
            d = naive.real_distance_power(cost.x[i], cost.y[j], metric, 1)
            assert Fraction(float(f[i])) + Fraction(float(g[j])) <= d
    np.testing.assert_array_equal(f[:3], -g[:3])
    assert f[4] == f[5]


@pytest.mark.parametrize("seed", range(20))
def test_given_distances_are_obeyed_to_the_last_bit(seed):
    rng = np.random.default_rng(seed)
    t = rng.random(12) ** 4 / 3  # finer than the grid near 0
    D = np.abs(t[:, None] - t)
    f, g = mcshane_on_grid(MatrixMetricCost(D), t + 1e-16 * rng.normal(size=12), t)
    np.testing.assert_array_equal(f, -g)
    assert naive.worst_violation(f, g, D.tolist()) <= 0
    assert np.abs(f - t).max() <= 64 * 2.0**-52


def test_whole_distances_and_fine_potentials_are_obeyed_to_the_last_bit():
    """Off the grid u_i - 9 would be rounded, by more than u_i has bits."""
    D = np.abs(np.arange(12.0)[:, None] - np.arange(12.0))
    for seed in range(20):
        u = np.random.default_rng(seed).random(12) / 3 - np.arange(12.0)
        f, g = mcshane_on_grid(MatrixMetricCost(D), u, u)
        np.testing.assert_array_equal(f, -g)
        assert naive.worst_violation(f, g, D.tolist()) <= 0


@pytest.mark.parametrize("metric", ["euclidean", "cityblock"])
def test_chains_of_tight_pairs_take_no_longer_than_others(metric):
    """Regression: rounded steps violate the triangle inequality, and eight sweeps were not enough on a lattice."""
    grid = np.stack(np.meshgrid(np.arange(12) * 0.1, np.arange(12) * 0.1), -1).reshape(-1, 2)
    u = grid.sum(axis=1) if metric == "cityblock" else grid[:, 0]
    f, g = mcshane_on_grid(CloudCost(grid, grid, metric), u, u)
    np.testing.assert_array_equal(f, -g)
    assert np.abs(f - u).max() <= 144 * 8 * 2.0**-52


def test_a_lipschitz_function_on_the_grid_is_left_alone():
    D = np.abs(np.arange(9.0)[:, None] - np.arange(9.0))
    u = -np.arange(9.0)
    f, g = mcshane_on_grid(MatrixMetricCost(D), u, u)
    assert f.tolist() == u.tolist()
    assert g.tolist() == (-u).tolist()


def test_forbidden_arcs_constrain_nothing():
    D = np.array([[0.0, 1.0, INF], [1.0, 0.0, INF], [INF, INF, 0.0]])
    f, g = mcshane_on_grid(MatrixMetricCost(D), np.array([5.0, 0.0, 90.0]), np.array([5.0, 0.0, 90.0]))
    assert f[2] == 90.0
    assert f[0] - f[1] <= 1.0
    assert naive.worst_violation(f, g, D) <= 0


def test_a_matrix_that_is_no_metric_still_gives_a_feasible_pair_or_none():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        D = rng.integers(0, 30, (7, 7)) * 1.0
        pair = mcshane_on_grid(MatrixMetricCost(D), rng.normal(size=7) * 30, rng.normal(size=7) * 30)
        if pair is not None:
            assert naive.worst_violation(*pair, D) <= 0


def test_where_the_union_is_unknown_or_everything_is_zero_there_is_none():
    def metric(x, y):
        return np.abs(x[:, None] - y)

    assert mcshane_on_grid(DenseCost([[0.0]]), np.zeros(1), np.zeros(1)) is None
    assert mcshane_on_grid(CallableCost(np.arange(2.0), np.arange(2.0), metric), np.zeros(2), np.zeros(2)) is None
    assert mcshane_on_grid(MatrixMetricCost(np.zeros((2, 2))), np.zeros(2), np.zeros(2)) is None
    part = MatrixMetricCost(np.ones((3, 3)) - np.eye(3)).restrict(np.array([0, 1]), np.array([1, 2]))
    assert mcshane_on_grid(part, np.zeros(2), np.zeros(2)) is None
