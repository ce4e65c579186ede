"""The c-transform on a torch device is that of the costs, tile by tile."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra [torch] is not installed")
pytestmark = pytest.mark.torch

from otcore.costs import CloudCost  # noqa: E402
from otcore.neural import ctransform as module  # noqa: E402
from otcore.neural import w1_critic  # noqa: E402


@pytest.mark.parametrize("tile", [1, 7 * 30 * 3, 1 << 25])
def test_it_is_the_c_transform_of_the_cost(tile, monkeypatch):
    monkeypatch.setattr(module, "TILE", tile)
    rng = np.random.default_rng(0)
    x, y, f = rng.normal(size=(30, 3)), rng.normal(size=(50, 3)) + 1, rng.normal(size=30)
    g = module.ctransform(*map(torch.tensor, (x, f, y)))
    assert np.allclose(g, CloudCost(x, y).ctransform(f, axis=0), rtol=1e-14, atol=1e-14)


def test_the_dual_value_of_a_critic_is_below_the_distance_of_the_samples():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(300, 2)), rng.normal(size=(300, 2)) + 2
    r = w1_critic(x, y, lipschitz="clip", max_iter=60, batch=128, hidden=(16,), device="cpu")
    f = r.u(x)
    assert r.dual(x, y) == pytest.approx(f.mean() + CloudCost(x, y).ctransform(f, axis=0).mean(), rel=1e-12)
    assert r.dual(x, y) <= r.empirical.upper * (1 + 1e-12)
