"""What is called 1-Lipschitz is, and says how sure it is."""

from __future__ import annotations

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra [torch] is not installed")
pytestmark = pytest.mark.torch

from otcore.neural import Clip, Funnel, GradientPenalty, GroupSort, LipschitzMLP, ProjectedFunnel, mlp  # noqa: E402
from otcore.neural.lipschitz import Standardised, frozen  # noqa: E402


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=generator(seed), dtype=dtype)


def stretched(d=3):
    """A projected funnel that has wandered outside of its bounds and was brought back."""
    u = ProjectedFunnel(normal(20, d), "y")
    with torch.no_grad():
        u.weight.mul_(normal(d, d, seed=4)).add_(normal(d, d, seed=5))
    u.contract()
    return u


MAKERS = {
    "orthogonal": lambda: LipschitzMLP(3, (16, 8), "orthogonal", generator=generator()),
    "orthogonal, full sort": lambda: LipschitzMLP(3, (16, 8), "orthogonal", "fullsort", generator=generator()),
    "spectral": lambda: LipschitzMLP(3, (16, 8), "spectral", "relu", generator=generator()),
    "funnel": lambda: Funnel(normal(20, 3)),
    "funnel from y": lambda: Funnel(normal(20, 3), "y"),
    "projected": stretched,
}


@pytest.mark.parametrize("name", MAKERS)
def test_slopes_and_gradients_stay_below_the_stated_bound(name):
    u = frozen(MAKERS[name]())
    bound = u.lipschitz_bound()
    x, y = normal(2000, 3, dtype=torch.float64), normal(2000, 3, seed=1, dtype=torch.float64)
    y[:1000] = x[:1000] + 1e-3 * y[:1000]
    slopes = (u(x) - u(y)).abs() / torch.linalg.vector_norm(x - y, dim=1)
    assert float(slopes.max()) <= bound * (1 + 1e-9)
    z = x.requires_grad_(True)
    (gradient,) = torch.autograd.grad(u(z).sum(), z)
    assert float(torch.linalg.vector_norm(gradient, dim=1).max()) <= bound * (1 + 1e-9)
    if name != "spectral":  # whose power iteration starts with a rough estimate: the bound says so
        assert bound <= 1 + 1e-5


def test_the_bound_is_the_exact_product_of_singular_values():
    u = LipschitzMLP(4, (6,), "spectral", generator=generator())
    with torch.no_grad():  # whatever the power iteration believes
        u.linears()[0].parametrizations.weight.original.mul_(3.0)
    product = np.prod([np.linalg.svd(layer.weight.detach().double().numpy())[1][0] for layer in u.linears()])
    u = frozen(u)
    assert u.lipschitz_bound() == pytest.approx(product, rel=1e-6)


def test_orthogonal_layers_keep_the_norm_of_the_gradient():
    u = frozen(LipschitzMLP(8, (8, 8), "orthogonal", generator=generator()))
    z = normal(100, 8, dtype=torch.float64).requires_grad_(True)
    (gradient,) = torch.autograd.grad(u(z).sum(), z)
    assert torch.allclose(torch.linalg.vector_norm(gradient, dim=1), torch.ones(100, dtype=torch.float64), atol=1e-5)


@pytest.mark.parametrize("group", [2, 4, None])
def test_group_sort_sorts_groups_and_keeps_the_entries(group):
    z = normal(10, 8)
    if group == 2:  # pairs (k, k + 4)
        expected = z.unflatten(1, (2, 4)).sort(dim=1).values.flatten(1)
    else:
        expected = z.reshape(10, -1, group or 8).sort(dim=-1).values.reshape(10, 8)
    torch.testing.assert_close(GroupSort(group)(z), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("side", ["x", "y"])
def test_a_funnel_is_its_formula(side):
    u = Funnel(normal(50, 4), side)
    with torch.no_grad():
        u.offsets.copy_(0.1 * normal(50))
    z = normal(300, 4, seed=1)
    formula = (torch.linalg.vector_norm(z[:, None] - u.centres, dim=2) + u.heights()).amin(dim=1)
    assert torch.allclose(u(z), -formula if side == "x" else formula, atol=1e-5)
    assert torch.allclose(frozen(u)(z.double()).float(), u(z), atol=1e-5)


def test_in_high_dimension_a_centre_that_moves_inwards_does_not_win_every_point():
    """With b_k held it did: it comes nearer to all points at once, and the others never moved again."""
    centres, z = normal(200, 128), normal(1000, 128, seed=1)
    won = []
    for u in (Funnel(centres), Funnel(centres, share=0.0)):
        with torch.no_grad():
            u.centres[0].mul_(0.5)
            won.append((u.winner(z, u.heights()) == 0).float().mean())
    assert won[0] < 0.05 and won[1] > 0.3


def test_one_funnel_alone_can_be_trained():
    u = Funnel(normal(1, 3))
    u(normal(10, 3)).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in u.parameters())


def test_gradients_near_a_centre_have_norm_one():
    """Distances from inner products gave norms of 1.5 there."""
    centres = 100 + normal(10, 16)
    u = Funnel(centres)
    z = (centres + 1e-2 * normal(10, 16, seed=1)).detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(u(z).sum(), z)
    assert torch.allclose(torch.linalg.vector_norm(gradient, dim=1), torch.ones(10), atol=1e-5)


def test_standardised_points_change_neither_values_nor_gradients():
    core = Funnel(torch.zeros(1, 2, dtype=torch.float64))
    u = Standardised(core, torch.tensor([3.0, 4.0], dtype=torch.float64), 10.0)
    z = torch.tensor([[0.0, 0.0]], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(u(z).sum(), z)
    assert float(u(z).detach()) == -5.0
    assert torch.allclose(gradient, torch.tensor([[0.6, 0.8]], dtype=torch.float64))


def test_penalties_by_hand():
    """u = 3 z_1 has slope 3: (3 - 1)^2 on both sides, and (1/2 - 1)^2 or nothing for slope 1/2."""
    line = torch.nn.Linear(2, 1, bias=False)
    x, y = normal(5, 2), normal(5, 2, seed=1)
    for slope, two_sided, one_sided in ((3.0, 4.0, 4.0), (0.5, 0.25, 0.0)):
        with torch.no_grad():
            line.weight.copy_(torch.tensor([[slope, 0.0]]))
        both, one = (GradientPenalty(10.0, side)(line, x, y, generator()).item() for side in (False, True))
        assert (both, one) == pytest.approx((10 * two_sided, 10 * one_sided))


def test_clipping_bounds_every_parameter():
    u = mlp(3, (8,), "relu", generator())
    Clip(0.01)(u)
    assert max(float(p.detach().abs().max()) for p in u.parameters()) <= 0.01


def test_nothing_touches_the_global_generator():
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    for make in MAKERS.values():
        make()
    assert torch.equal(torch.random.get_rng_state(), before)


def test_freezing_leaves_the_original_trainable():
    """Removing a parametrisation from a copy removed it from the original's class."""
    u = LipschitzMLP(3, (8,), "orthogonal", generator=generator())
    z = normal(5, 3)
    before = u(z)
    plain = frozen(u)
    assert torch.allclose(plain(z.double()).float(), before, atol=1e-5)
    assert torch.equal(u(z), before)
    u(z).sum().backward()
    assert any(p.grad is not None for p in u.parameters())
    assert not any(p.requires_grad for p in plain.parameters())
    copy.deepcopy(plain)
