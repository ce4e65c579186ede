"""Products propose arcs, differences decide: pricing of clouds in many dimensions."""

from __future__ import annotations

import numpy as np
import pytest

from otcore.costs import CloudCost, DenseCost, _products
from otcore.costs._products import Products
from otcore.engines import pricing
from otcore.engines.exact import solve
from otcore.engines.pricing import WORST, Proposed, Streamed


def cloud(exponent, n=150, m=130, d=30, far=0.0):
    x, y = np.random.default_rng(0).random((2, n, d))
    return CloudCost(x + far, y[:m] + far, "euclidean", exponent)


@pytest.mark.parametrize("exponent", [1.0, 2.0, 3.0])
@pytest.mark.parametrize("far", [0.0, 1e6])
def test_products_are_near_the_entries(exponent, far):
    cost = cloud(exponent, far=far)
    M = cost.to_dense()
    rough = np.vstack([block for _, _, block in Products(cost).blocks()])
    assert rough.shape == M.shape
    assert np.abs(rough - M).max() <= 1e-12 * M.max()


@pytest.mark.parametrize("exponent", [1.0, 2.0])
def test_what_products_propose_is_violated_and_the_last_word_is_exact(exponent, monkeypatch):
    cost = cloud(exponent)
    M = cost.to_dense()
    rng = np.random.default_rng(1)
    a, b = rng.dirichlet(np.ones(150)), rng.dirichlet(np.ones(130))
    assert isinstance(pricing.pricing_of(cost), Proposed)
    *_, state = solve(cost, a, b)
    *_, stored = solve(DenseCost(M), a, b)
    assert state.optimal
    value, other = (s.flow @ M[s.basis.i, s.basis.j] for s in (state, stored))
    assert value == pytest.approx(other, rel=1e-12)
    f = state.f.copy()
    f[7] += 1e-14 * M.max()  # below what products can see
    proposed = Proposed(cost)
    found, _ = proposed.violated(f, state.g, WORST, None)
    assert found.i.size == 0 and not proposed.certain
    found, _ = proposed.violated(f, state.g, WORST, None)
    assert proposed.certain
    expected, _ = Streamed(cost).violated(f, state.g, WORST, None)
    assert set(zip(found.i, found.j, strict=True)) == set(zip(expected.i, expected.j, strict=True))
    f[7] += 0.1 * M.max()
    found, _ = proposed.violated(f, state.g, WORST, None)
    assert not proposed.certain
    assert found.i.size > 0 and (found.cost - f[found.i] - state.g[found.j] < 0).all() and set(found.i) == {7}


@pytest.mark.parametrize("exponent", [1, 2, 1.5])
@pytest.mark.parametrize("omega", [1.0, 1.4])
def test_passes_by_products_are_those_of_the_cloud(exponent, omega, monkeypatch):
    monkeypatch.setattr(_products, "PANEL", 700)  # several panels
    rng = np.random.default_rng(5)
    x, y, a, b = (
        rng.random((50, 30)),
        rng.random((70, 30)) + 0.2,
        rng.dirichlet(np.ones(50)),
        rng.dirichlet(np.ones(70)),
    )
    cost = CloudCost(x, y, "euclidean", exponent).scaled(-3)
    epsilon = 0.05 * cost.bilinear(a, b)
    start = cost.sinkhorn_pass(epsilon, None, np.zeros(70), a, b)
    ours, twin = (c.sinkhorn_pass(epsilon, start.f, start.g, a, b, omega) for c in (cost.passing(), cost))
    for one, two in zip(ours, twin, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-9, atol=1e-12 * epsilon)
    assert CloudCost(x, y, "cityblock").passing() is None
    assert CloudCost(x[:, :20], y[:, :20]).passing() is None


def test_a_heavy_row_gets_all_that_it_needs_in_a_few_rounds():
    """Half of the mass in one row: it serves hundreds of columns, and four arcs a round took 16 rounds."""
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 500))
    a[7] = a.sum()
    *_, state = solve(DenseCost(rng.random((500, 500))), a / a.sum(), b / b.sum())
    assert state.optimal and state.rounds <= 6
    few = pricing.Arcs(np.array([7, 7]), np.array([0, 1]), np.zeros(2))
    assert pricing.most_of(few, 500, 500) == WORST * 500 // pricing.SHARED
    assert pricing.most_of(few, 10**6, 1) == pricing.most_of(few, 10**3, 10**6) == WORST
    nothing = pricing.Arcs(*np.empty((2, 0), np.int64), np.empty(0))
    assert pricing.most_of(nothing, 500, 500) == WORST
