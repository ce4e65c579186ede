"""The hard cases of entropic transport: certified, or honestly not, but never wrong."""

from __future__ import annotations

import numpy as np
import pytest

from otcore import Sinkhorn, Status, solve
from otcore.certify.regularised import regularised_interval
from otcore.costs import CloudCost, DenseCost
from otcore.plans import GibbsPlan

RNG = np.random.default_rng(0)
A, B, M = RNG.random(120), RNG.random(100), RNG.random((120, 100))
B *= A.sum() / B.sum()
X = RNG.random((120, 2))


def tiny_weights():
    a = A.copy()
    a[:5], a[5:9] = 1e-12, 0.0
    return a / a.sum(), B / B.sum(), {"cost": M}


def five_dear_rows():
    return A, B, {"cost": np.where(np.arange(120)[:, None] < 5, 1e6, 1.0) * M}


HARD = {
    "weights of 1e-12 and zeros": tiny_weights,
    "cost plus 1e6": lambda: (A, B, {"cost": M + 1e6}),
    "negative costs": lambda: (A, B, {"cost": -M}),
    "five rows a million times dearer": five_dear_rows,
    "forbidden arcs": lambda: (A, B, {"cost": np.where(np.eye(120)[:, :100] + M < 0.7, M, np.inf)}),
    "constant cost": lambda: (A, B, {"cost": np.ones((120, 100))}),
    "y = x": lambda: (X, X, {"order": 2}),
    "duplicates": lambda: (np.repeat(X[:30], 4, axis=0), np.repeat(X[40:60], 5, axis=0), {}),
    "one point": lambda: (X[:1], X[1:], {}),
    "many against three": lambda: (np.random.default_rng(1).random((2000, 2)), X[:3], {}),
    "single precision": lambda: (X[:60].astype(np.float32), X[60:].astype(np.float32), {}),
    "far apart": lambda: (X, X + 100.0, {}),
}


@pytest.mark.parametrize("name", HARD)
@pytest.mark.parametrize("rtol", [1e-2, 1e-4])
def test_hard_cases_are_certified_with_the_truth_inside(name, rtol):
    p, q, options = HARD[name]()
    s = solve(p, q, method="sinkhorn", rtol=rtol, **options)
    truth = solve(p, q, method="emd", **options)
    assert s.status is Status.CERTIFIED
    assert s.gap <= rtol * abs(s.upper) + s.atol
    assert s.lower <= truth.upper
    assert truth.lower <= s.upper
    assert s.certificate.verify()


@pytest.mark.parametrize("share", [1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6])
@pytest.mark.parametrize("lazy", [False, True])
def test_a_fixed_epsilon_is_solved_down_to_a_millionth_of_the_mean_cost(share, lazy):
    p, q, options = (X[:60], X[60:], {"cost": "sqeuclidean"}) if lazy else (A, B, {"cost": M})
    epsilon = 0.3 * share
    s = solve(p, q, method=Sinkhorn(epsilon=epsilon), rtol=0.5, **options)
    assert 0 <= s.report.gap <= 1e-7 * max(1.0, A.sum())
    assert s.report.marginal_error <= 1e-9
    assert s.report.iterations < 3000
    exact = solve(p, q, method="emd", **options)
    assert s.lower <= exact.upper
    assert exact.lower <= s.upper
    # KL >= 0, and the exact plan's is at most log(n m).
    assert exact.lower <= s.report.value
    assert s.report.dual <= exact.upper + epsilon * (1 if lazy else A.sum()) * np.log(120 * 100)


@pytest.mark.parametrize("epsilon", [0.5, 0.02])
def test_the_regularised_interval_holds_the_optimum_for_any_potentials(epsilon):
    """Against a long run of the textbook iteration, whose value is the regularised optimum."""
    rng = np.random.default_rng(2)
    M, a, b = rng.random((30, 20)), rng.random(30), rng.random(20)
    a, b = a / a.sum(), b / b.sum()
    K = a[:, None] * b * np.exp(-M / epsilon)
    u, v = np.ones(30), np.ones(20)
    for _ in range(20_000):
        u = a / (K @ v)
        v = b / (K.T @ u)
    P = u[:, None] * K * v
    optimum = (P * M).sum() + epsilon * (P * np.log(P / (a[:, None] * b))).sum()
    f, g = epsilon * np.log(u), epsilon * np.log(v)
    widths = []
    for noise in (0.0, 1e-6, 1e-3, 0.1):
        plan = GibbsPlan(f + noise * rng.normal(size=30), g + noise * rng.normal(size=20), epsilon, a, b, DenseCost(M))
        lower, upper = regularised_interval(plan)
        assert lower <= optimum + 1e-14
        assert optimum - 1e-14 <= upper
        widths.append(upper - lower)
        # The upper end is not below what the feasible plan really costs.
        dense = plan.to_dense()
        value = (dense * M).sum() + epsilon * (dense * np.log(dense / (a[:, None] * b))).sum()
        assert value <= upper + 1e-13
    assert widths[0] < 1e-9
    assert widths == sorted(widths)


def test_a_lazy_cloud_and_its_matrix_agree():
    cost = CloudCost(X[:60], X[60:], "euclidean", 2)
    lazy = solve(X[:60], X[60:], order=2, method=Sinkhorn(epsilon=1e-3), rtol=0.5)
    stored = solve(
        np.full(60, 1 / 60), np.full(60, 1 / 60), cost=cost.to_dense(), method=Sinkhorn(epsilon=1e-3), rtol=0.5
    )
    assert lazy.report.value == pytest.approx(stored.report.value, rel=1e-9)
    np.testing.assert_allclose(lazy.plan.to_dense(), stored.plan.to_dense(), atol=1e-9)
