"""Products propose arcs, differences decide: pricing of clouds in many dimensions."""

from __future__ import annotations

import numpy as np
import pytest

from otcore.costs import CloudCost, DenseCost
from otcore.engines import pricing
from otcore.engines.exact import solve
from otcore.engines.pricing import Products, Proposed, Streamed


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
    found, _ = Proposed(cost).violated(f, state.g, None)
    expected, _ = Streamed(cost).violated(f, state.g, None)
    assert set(zip(found.i, found.j, strict=True)) == set(zip(expected.i, expected.j, strict=True))
    f[7] += 0.1 * M.max()
    found, _ = Proposed(cost).violated(f, state.g, None)
    assert found.i.size > 0 and (found.cost - f[found.i] - state.g[found.j] < 0).all() and set(found.i) == {7}
