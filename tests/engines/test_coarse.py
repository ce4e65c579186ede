"""A start between cells: what cells are, and that their potentials are good for the points."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from otcore.costs import CloudCost, DenseCost
from otcore.engines import coarse
from otcore.engines.coarse import Level, coarse_start, crowd, levels
from otcore.engines.entropic import coarse_epsilon, sinkhorn


def problem(n, m, stored, d=2, seed=0):
    rng = np.random.default_rng(seed)
    cost = CloudCost(rng.random((n, d)), rng.random((m, d)) ** 1.5, "euclidean", 2)
    a, b = rng.random(n) + 0.1, rng.random(m) + 0.1
    return DenseCost(cost.to_dense()) if stored else cost, a / a.sum(), b / b.sum()


@pytest.mark.parametrize("stored", [True, False])
def test_cells_keep_the_mass_and_the_mean_cost_and_are_small(stored):
    cost, a, b = problem(900, 1000, stored)
    points, cells = levels(cost, a, b)
    assert cells.cost.shape == (-(-900 // coarse.PARTS), 1000 // coarse.PARTS)
    np.testing.assert_allclose(cells.a, np.bincount(points.rows, a), rtol=1e-14)
    np.testing.assert_allclose(cells.b, np.bincount(points.columns, b), rtol=1e-14)
    mean = cost.bilinear(a, b)
    lost = 0.0 if stored else 0.02  # centres lose what the points of a cell differ among themselves
    assert cells.cost.bilinear(cells.a, cells.b) == pytest.approx(mean, rel=1e-12 + lost)
    x = problem(900, 1000, False)[0].x
    spread = [np.ptp(x[points.rows == c], axis=0).max() for c in range(cells.a.size)]
    assert np.median(spread) < 0.2  # 1/11 of the square is a cell's side


@pytest.mark.parametrize("stored", [True, False])
def test_the_points_start_near_their_optimum(stored):
    cost, a, b = problem(1500, 1400, stored)
    stack = levels(cost, a, b)
    assert len(stack) == 2
    epsilons = coarse_epsilon(cost, a, b) * 0.25 ** np.arange(11)
    k, f, g, _ = coarse_start(stack, epsilons, lambda: False)
    assert 2 <= k <= 5
    error, cold = (
        list(islice(sinkhorn(cost, a, b, epsilons[k], *start, 1e-9), 2))[1].error
        for start in ((f, g), (None, np.zeros(1400)))
    )
    assert error < min(0.2, cold / 3)
    assert 1 < crowd(stack[0], epsilons[k], f, g) < coarse.PARTS * coarse.FINE * 2


@pytest.mark.parametrize("share", [0.3, 0.05, 0.02])
def test_cells_converge_as_fast_as_their_points_and_as_their_singular_values_say(share):
    cost, a, b = problem(900, 900, True)
    epsilon = share * coarse_epsilon(cost, a, b)
    stack = levels(cost, a, b)
    _, f, g, cells = coarse_start(stack, np.array([epsilon]), lambda: False)
    rate, small = cells.rate(), cells.level
    P = np.exp((cells.f[:, None] + cells.g - small.cost.to_dense()) / epsilon) * np.sqrt(small.a[:, None] * small.b)
    true = np.linalg.svd(P, compute_uv=False)[1] ** 2
    assert 0.97 * true < rate < 1.001 * true
    plain = [i.error for i in islice(sinkhorn(cost, a, b, epsilon, f, g, 1e-9, accelerate=False), 60)]
    last = max(k for k, error in enumerate(plain) if error > 1e-11)  # above rounding
    assert 1 - rate == pytest.approx(1 - (plain[last] / plain[last - 6]) ** (1 / 6), rel=0.3)
    far = coarse.Cells(small, epsilon, cells.f + 1e6, cells.g)
    assert far.rate() == 0.0


def test_the_last_epsilon_is_the_points_own_however_coarse_it_is():
    cost, a, b = problem(900, 900, False)
    k, f, g, _ = coarse_start(levels(cost, a, b), np.array([1.0, 0.3]), lambda: False)
    assert k == 1
    assert (f.size, g.size) == (900, 900)


def test_small_problems_and_forbidden_arcs_have_no_cells():
    cost, a, b = problem(100, 100, True)
    assert len(levels(cost, a, b)) == 1
    assert coarse_start(levels(cost, a, b), np.array([1.0]), lambda: False)[:2] == (0, None)
    M = problem(900, 900, True)[0].M.copy()
    M[3, 4] = np.inf
    assert len(levels(DenseCost(M), *problem(900, 900, True)[1:])) == 1


def test_a_crowd_counts_the_columns_that_share_a_rows_mass():
    M = np.where(np.arange(12) % 3 == 0, 0.0, 1e3) + np.zeros((5, 1))
    level = Level(DenseCost(M), np.full(5, 0.2), np.full(12, 1 / 12))
    assert crowd(level, 1.0, np.zeros(5), np.zeros(12)) == pytest.approx(4.0)
    assert crowd(level, 1e9, np.zeros(5), np.zeros(12)) == pytest.approx(12.0)
