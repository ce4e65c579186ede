"""An entropic plan is on its marginals whatever the potentials; its cost against sixty digits."""

from __future__ import annotations

import naive
import numpy as np
import pytest

from otcore.costs import DenseCost, _cost
from otcore.plans import GibbsPlan

EPS = 2.0**-52


def gibbs(seed, epsilon=0.3, zeros=False, spread=1.0):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(2, 9, 2)
    a, b, M = rng.random(n), rng.random(m), rng.normal(size=(n, m))
    if zeros:
        a[0] = b[-1] = 0.0
    f, g = rng.normal(size=n) * spread, rng.normal(size=m) * spread + (M.min() if epsilon < 0.1 else 0.0)
    return GibbsPlan(f, g, epsilon, a, b * (a.sum() / b.sum()), DenseCost(M)), M


@pytest.fixture(params=[1 << 18, 5], ids=["one block", "rows one by one"], autouse=True)
def block(request, monkeypatch):
    monkeypatch.setattr(_cost, "BLOCK", request.param)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("epsilon", [1e-3, 0.1, 10.0, 1e9])
@pytest.mark.parametrize("zeros", [False, True])
def test_the_plan_is_nonnegative_and_on_its_marginals(seed, epsilon, zeros):
    plan, _ = gibbs(seed, epsilon, zeros, spread=min(1.0, 100 * epsilon))
    P = plan.to_dense()
    a, b = plan.targets
    assert (P >= 0).all()
    # Scalings come from one pass, entries from another: these differ by the rounding of their exponents.
    exponents = sum(np.abs(v[np.isfinite(v)]).max() for v in plan.exponents) + plan.ground.M.max() / epsilon
    tolerance = (8 * max(plan.shape) + 4 * exponents) * EPS * a.sum()
    np.testing.assert_allclose(P.sum(axis=1), a, rtol=0, atol=tolerance)
    np.testing.assert_allclose(P.sum(axis=0), b, rtol=0, atol=tolerance)
    for found, expected in zip(plan.marginals(), (P.sum(axis=1), P.sum(axis=0)), strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("seed", range(6))
def test_verbs_agree_with_the_matrix(seed):
    plan, M = gibbs(seed)
    P, rng = plan.to_dense(), np.random.default_rng(seed)
    v, w = rng.random(M.shape[1]), rng.random(M.shape[0])
    assert plan.shape == M.shape
    assert plan.cost() == pytest.approx((P * M).sum(), rel=1e-13, abs=1e-14)
    assert plan.cost(DenseCost(M**2)) == pytest.approx((P * M**2).sum(), rel=1e-13, abs=0.0)
    np.testing.assert_allclose(plan.apply(v), P @ v, rtol=1e-13)
    np.testing.assert_allclose(plan.apply(w, axis=0), P.T @ w, rtol=1e-13)
    np.testing.assert_array_equal(plan.to_scipy_sparse().toarray(), P)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("epsilon", [0.05, 1.0])
def test_its_cost_is_that_of_algorithm_2_to_sixty_digits(seed, epsilon):
    plan, M = gibbs(seed, epsilon)
    truth = float(naive.gibbs_cost(plan, M.tolist()))
    # K is off by the rounding of its exponent, some hundred ulps.
    assert plan.cost() == pytest.approx(truth, abs=500 * EPS * plan.a.sum() * np.abs(M).max())


def test_scalings_only_shrink_and_the_rest_of_rows_and_columns_is_the_same():
    for seed in range(6):
        x, y, alpha, beta, left, *_ = gibbs(seed)[0].rounding
        assert (0 < x).all()
        assert (x <= 1).all()
        assert (0 < y).all()
        assert (y <= 1).all()
        assert (alpha >= 0).all()
        assert (beta >= 0).all()
        assert alpha.sum() == left == pytest.approx(beta.sum(), rel=1e-9, abs=0.0)


def test_potentials_of_a_converged_plan_need_no_rounding():
    plan, M = gibbs(2)
    f, g, a, b = plan.f, plan.g, *plan.targets
    for _ in range(2000):
        f = plan.ground.softmin(0.3, g, np.log(b / b.sum()), 1)
        g = plan.ground.softmin(0.3, f, np.log(a / a.sum()), 0)
    done = GibbsPlan(f, g, 0.3, a, b, plan.ground)
    assert done.rounding.left <= 1e-12 * a.sum()
    np.testing.assert_allclose(
        done.to_dense(), np.outer(a, b) / b.sum() * np.exp((f[:, None] + g - M) / 0.3), rtol=1e-9
    )


def test_forbidden_arcs_carry_nothing_before_the_remainder():
    M = np.array([[0.0, np.inf], [1.0, 0.0]])
    a = np.array([0.5, 0.5])
    plan = GibbsPlan(np.zeros(2), np.zeros(2), 1.0, a, a, DenseCost(M))
    assert [K[0, 1] for i0, _, K, _ in plan.kernel_blocks() if i0 == 0] == [0.0]


def test_masses_of_zero_get_no_row_and_no_column():
    plan, _ = gibbs(3, zeros=True)
    P = plan.to_dense()
    assert not P[0].any()
    assert not P[:, -1].any()
    assert np.isfinite(P).all()
