"""The Sinkhorn loop against the textbook, and its over-relaxation."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from otcore.costs import DenseCost, MatrixMetricCost
from otcore.engines.entropic import Iterate, _relaxation, coarse_epsilon, sinkhorn


def setting(seed, n=6, m=5):
    rng = np.random.default_rng(seed)
    a, b = rng.random(n), rng.random(m)
    return DenseCost(rng.random((n, m))), a, b * (a.sum() / b.sum())


def textbook(M, a, b, epsilon, steps):
    K = np.exp(-M / epsilon)
    v = np.ones(b.size)
    for _ in range(steps):
        u = a / (K @ v)
        v = b / (K.T @ u)
    return u[:, None] * K * v


def plan_of(cost, a, b, epsilon, iterate):
    return np.outer(a, b) / b.sum() * np.exp((iterate.f[:, None] + iterate.g - cost.M) / epsilon)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("epsilon", [0.1, 1.0])
def test_the_first_steps_are_those_of_the_textbook(seed, epsilon):
    cost, a, b = setting(seed)
    for steps, iterate in enumerate(islice(sinkhorn(cost, a, b, epsilon, np.zeros(5)), 5), start=1):
        # Textbook and loop start from the same column scaling: v = 1 is g = -epsilon log of the weights.
        P = plan_of(cost, a, b, epsilon, iterate)
        np.testing.assert_allclose(P.sum(axis=0), b, rtol=1e-12, err_msg="columns are exact after every step")
        assert iterate.iterations == steps
        error = np.abs(P.sum(axis=1) - a).sum() / a.sum()
        assert iterate.error == pytest.approx(error, rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("epsilon", [0.05, 0.3, 3.0])
def test_it_converges_to_the_textbook_plan(seed, epsilon):
    cost, a, b = setting(seed)
    iterate = next(it for it in sinkhorn(cost, a, b, epsilon, np.zeros(5)) if it.error < 1e-12)
    np.testing.assert_allclose(
        plan_of(cost, a, b, epsilon, iterate), textbook(cost.M, a, b, epsilon, 20_000), rtol=1e-8
    )


def test_over_relaxation_saves_iterations():
    cost, a, b = setting(0, 20, 20)
    epsilon = 0.01
    steps = next(it for it in sinkhorn(cost, a, b, epsilon, np.zeros(20)) if it.error < 1e-9).iterations
    log_a, log_b = np.log(a / a.sum()), np.log(b / b.sum())
    g, plain = np.zeros(20), 0
    while True:
        plain += 1
        f = cost.softmin(epsilon, g, log_b, 1)
        g = cost.softmin(epsilon, f, log_a, 0)
        P = plan_of(cost, a, b, epsilon, Iterate(f, g, 0.0, plain))
        if np.abs(P.sum(axis=1) - a).sum() < 1e-9 * a.sum():
            break
    assert steps < 0.8 * plain


def test_the_start_is_used():
    cost, a, b = setting(1)
    done = next(it for it in sinkhorn(cost, a, b, 0.1, np.zeros(5)) if it.error < 1e-13)
    again = next(sinkhorn(cost, a, b, 0.1, done.g))
    assert again.error < 1e-12


def test_weights_of_zero_and_any_unit_of_mass():
    cost, a, b = setting(2)
    a[0] = 0.0
    b *= a.sum() / b.sum()
    plain = next(it for it in sinkhorn(cost, a, b, 0.2, np.zeros(5)) if it.error < 1e-12)
    large = next(it for it in sinkhorn(cost, a * 1e200, b * 1e200, 0.2, np.zeros(5)) if it.error < 1e-12)
    np.testing.assert_allclose(plain.g, large.g, atol=1e-12)


def test_forbidden_arcs_get_nothing():
    M = np.array([[0.0, np.inf, 1.0], [2.0, 1.0, np.inf]])
    a, b = np.array([0.5, 0.5]), np.array([0.25, 0.25, 0.5])
    cost = DenseCost(M)
    iterate = next(islice(sinkhorn(cost, a, b, 0.5, np.zeros(3)), 3000, None))
    P = plan_of(cost, a, b, 0.5, iterate)
    assert P[0, 1] == P[1, 2] == 0.0
    np.testing.assert_allclose(P.sum(axis=1), a, atol=1e-2)


# -- relaxation ------------------------------------------------------------------------------------------------


def test_plain_while_the_rate_is_unknown_then_youngs_factor_and_back_when_the_error_grows():
    assert _relaxation(1.0, 0.5, 1.0, 0.5, 3) == 1.0
    assert _relaxation(1.0, 0.75, 1.0, 0.75, 10) == pytest.approx(2 / (1 + 0.5))
    assert _relaxation(1.0, 2.0, 1.0, 1.0, 10) == 1.0, "the error grew: no rate"
    assert _relaxation(1.0, 0.0, 1.0, 0.0, 10) == 1.0
    assert _relaxation(1.5, 0.9, 1.0, 0.9, 50) == 1.5
    assert _relaxation(1.8, 5.0, 1.0, 1.0, 50) == pytest.approx(1.4)
    assert 1.0 < _relaxation(1.0, 1 - 1e-12, 1.0, 1.0, 10) < 2.0


# -- the coarse epsilon ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", [1e-12, 1.0, 1e12])
def test_the_coarse_epsilon_is_the_mean_cost_above_the_least(unit):
    cost, a, b = setting(3)
    mean = (a / a.sum()) @ cost.M @ (b / b.sum()) - cost.M.min()
    assert coarse_epsilon(DenseCost(cost.M * unit), a, b) == pytest.approx(mean * unit, rel=1e-12)
    assert coarse_epsilon(DenseCost(cost.M - 7), a, b) == pytest.approx(mean, rel=1e-12)
    M = cost.M.copy()
    M[0, 0] = np.inf
    assert coarse_epsilon(DenseCost(M), a, b) == np.ptp(M[np.isfinite(M)])


@pytest.mark.parametrize("value", [0.0, 0.1, -3.0, 7e9])
def test_where_all_costs_are_equal_it_is_their_size_and_never_zero(value):
    """Regression: it was 0 or 1e-323, and M / epsilon was nan."""
    _, a, b = setting(4)
    epsilon = coarse_epsilon(DenseCost(np.full((6, 5), value)), a, b)
    assert epsilon == (abs(value) or 1.0)
    assert coarse_epsilon(MatrixMetricCost([[0.0]], 1.3), np.ones(1), np.ones(1)) == 1.0
