from __future__ import annotations

import numpy as np
import pytest

from otcore.costs import CloudCost, Cost, DenseCost
from otcore.engines import entropic
from otcore.engines.entropic import Relaxation, at_vertex, coarse_epsilon, sinkhorn
from otcore.engines.newton import newton, tail_of


def problem(n, m, d=2, seed=0):
    rng = np.random.default_rng(seed)
    x, y = rng.random((n, d)), rng.random((m, d)) ** 1.5
    a, b = rng.random(n) + 0.1, rng.random(m) + 0.1
    return CloudCost(x, y, "euclidean", 2), a / a.sum(), b / b.sum()


def error_of(cost, a, b, epsilon, f, g):
    """L1 errors of the plan's marginals, by its definition."""
    P = a[:, None] * b * np.exp((f[:, None] + g - cost.to_dense()) / epsilon)
    return np.abs(P.sum(axis=1) - a).sum() + np.abs(P.sum(axis=0) - b).sum()


def solved(cost, a, b, ladder, tol, **options):
    f, g, passes = None, np.zeros(b.size), 0
    for epsilon in ladder:
        for iterate in sinkhorn(cost, a, b, epsilon, f, g, tol, **options):
            f, g = iterate.f, iterate.g
            passes += 1
            assert passes < 2000
            if iterate.error <= tol:
                break
    return f, g, passes


@pytest.mark.parametrize("epsilon", [0.3, 0.03, 3e-3])
def test_the_marginals_of_the_last_iterate_fit(epsilon):
    cost, a, b = problem(40, 60)
    f, g, _ = solved(cost, a, b, [epsilon], 1e-10)
    assert error_of(cost, a, b, epsilon, f, g) < 2e-10


def test_over_relaxation_needs_a_third_of_the_passes(monkeypatch):
    cost, a, b = problem(200, 200)
    monkeypatch.setattr(entropic, "tail_of", lambda *_: None)  # no Newton
    _, _, passes = solved(cost, a, b, [0.01], 1e-8)
    g = np.zeros(200)
    for _ in range(3 * passes):
        g = cost.sinkhorn_pass(0.01, None, g, a, b).g
    f = cost.softmin(0.01, g, np.log(b), axis=1)
    assert error_of(cost, a, b, 0.01, f, g) > 1e-8


def test_the_factor_is_youngs_for_an_exact_rate_and_shrinks_when_errors_grow():
    relaxation = Relaxation()
    for k in range(7):
        relaxation.learn(0.9**k)
    assert relaxation.omega == pytest.approx(2 / (1 + np.sqrt(0.1)), rel=1e-12)
    before = relaxation.omega
    relaxation.learn(100.0)
    assert relaxation.omega == pytest.approx(1 + 0.9 * (before - 1))


def test_a_rate_that_is_known_beforehand_is_believed_near_the_solution():
    relaxation, best = Relaxation(rate=0.9), 2 / (1 + np.sqrt(0.1))
    relaxation.learn(0.5)
    assert relaxation.omega == 1.0
    relaxation.learn(0.01)
    assert relaxation.omega == pytest.approx(best, rel=1e-12)
    for k in range(13):  # faster than any factor below the best one allows: it is not raised
        relaxation.learn(0.01 * (0.9 * (best - 1)) ** k)
    assert relaxation.omega == pytest.approx(best, rel=1e-12)


def test_an_error_that_falls_from_the_largest_float_is_a_fast_one():
    relaxation = Relaxation()
    for error in (1e308, *[1e-16] * 6):
        relaxation.learn(error)
    assert 1.0 <= relaxation.omega < 1.001


def test_the_tail_is_what_its_definition_says():
    cost, a, b = problem(300, 280)
    epsilon = 2e-4
    f, g, _ = solved(cost, a, b, [0.02, 2e-3, epsilon], 1e-3)
    dense = DenseCost(cost.to_dense())
    tails = [tail_of(c, a, b, epsilon, f, g, 1e-3) for c in (cost, dense)]
    P = a[:, None] * b * np.exp((f[:, None] + g - dense.M) / epsilon)
    i, j = np.nonzero(np.minimum(a[:, None], b) * 1e-8 < P)
    assert i.size < 0.1 * P.size
    for tail in tails:
        np.testing.assert_array_equal(np.diff(tail.start), np.bincount(i, minlength=300))
        np.testing.assert_array_equal(tail.j, j)
        np.testing.assert_allclose(tail.cost, dense.M[i, j], rtol=1e-15)
    log = np.log2(a), np.log2(b)
    F, G = f / (epsilon * np.log(2)) + log[0], g / (epsilon * np.log(2)) + log[1]
    twin = Cost.plan_tail(cost, epsilon, F, G, log[0] + np.log2(1e-8), log[1] + np.log2(1e-8), P.size)
    np.testing.assert_array_equal(twin.j, j)
    wide, a, b = problem(400, 400)
    assert tail_of(wide, a, b, 1.0, np.zeros(400), np.zeros(400), 1e-3) is None  # nothing is negligible


def test_newton_converges_where_sinkhorn_crawls():
    cost, a, b = problem(200, 200)
    epsilon = 3e-4
    f, g, passes = solved(cost, a, b, [0.02, 5e-3, 1.2e-3, epsilon], 1e-9)
    assert error_of(cost, a, b, epsilon, f, g) < 2e-9
    assert passes < 200  # plain passes take thousands


def test_newton_leaves_exact_columns_on_the_tail():
    cost, a, b = problem(100, 120)
    epsilon = 1e-3
    f, g, _ = solved(cost, a, b, [0.02, 5e-3, epsilon], 1e-2)
    tail = tail_of(cost, a, b, epsilon, f, g, 1e-8)
    f, g = newton(tail, a, b, epsilon, f, g, 1e-8, lambda: False)
    i = np.repeat(np.arange(100), np.diff(tail.start))
    P = a[i] * b[tail.j] * np.exp((f[i] + g[tail.j] - tail.cost) / epsilon)
    np.testing.assert_allclose(np.bincount(tail.j, P, 120), b, rtol=1e-9)
    assert np.abs(np.bincount(i, P, 100) - a).sum() < 1e-8


def test_from_a_vertex_epsilon_may_be_a_millionth_of_the_costs():
    rng = np.random.default_rng(0)
    cost = DenseCost(rng.random((60, 50)))
    a, b = rng.random(60), rng.random(50)
    a, b = a / a.sum(), b / b.sum()
    f, g = at_vertex(cost, a, b, 1e-6, np.zeros(60), np.zeros(50))
    assert error_of(cost, a, b, 1e-6, f, g) < 1e-6
    f, g, passes = solved(cost, a, b, [1e-2, 1e-4, 1e-6], 1e-9, vertex=True)
    assert error_of(cost, a, b, 1e-6, f, g) < 1e-8
    assert passes < 300


def test_epsilon_starts_positive_where_all_costs_are_equal_up_to_rounding():
    a = np.full(7, 1 / 7)
    for M in (np.ones((7, 7)), np.full((7, 7), -0.1), np.zeros((7, 7)), np.full((7, 7), 1e-300)):
        assert coarse_epsilon(DenseCost(M), a, a) > 0


def test_a_vertex_between_two_weights_whose_product_underflows():
    cost, a, b = DenseCost([[0.0, 1.0], [1.0, 0.5]]), np.array([1.0, 1e-300]), np.array([1.0, 1e-300])
    for potential in at_vertex(cost, a, b, 1e-6, np.zeros(2), np.zeros(2)):
        assert np.isfinite(potential).all()
