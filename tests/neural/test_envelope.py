"""Tensors in, a tensor out: gradients of the Sinkhorn divergence flow through torch."""

from __future__ import annotations

import numpy as np
import pytest

from otcore import sinkhorn_divergence

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


def tensors(seed, n=7, m=6):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    y = torch.randn(m, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    return x, y


@pytest.mark.parametrize("debiased", [True, False])
@pytest.mark.parametrize("order", [1, 2])
def test_gradcheck_at_points(order, debiased):
    def value(x, y):
        return sinkhorn_divergence(x, y, epsilon=0.5, order=order, debiased=debiased, tol=1e-13).value

    assert torch.autograd.gradcheck(value, tensors(0), eps=1e-5, atol=1e-6)


def test_gradcheck_at_weights_through_a_softmax():
    D = torch.cdist(*[torch.randn(6, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))] * 2).numpy()

    def value(logits, other):
        p, q = torch.softmax(logits, 0), torch.softmax(other, 0)  # keeps the mass at one
        return sinkhorn_divergence(p, q, metric=0.5 * (D + D.T), epsilon=0.5, tol=1e-13).value

    logits = [torch.randn(6, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    assert torch.autograd.gradcheck(value, logits, eps=1e-5, atol=1e-6)


def test_arrays_and_tensors_mix_and_only_tensors_get_gradients():
    x, y = tensors(2)
    s = sinkhorn_divergence(x.float().detach().requires_grad_(), y.detach().numpy(), epsilon=0.5, order=2)
    assert s.value.dtype == torch.float32 and s.lower <= s.value.item() * (1 + 1e-6)
    plain = sinkhorn_divergence(x.detach().numpy(), y.detach().numpy(), epsilon=0.5, order=2)
    assert isinstance(plain.value, float)
    (2 * sinkhorn_divergence(x, y.detach(), epsilon=0.5, order=2).value).backward()
    assert np.allclose(x.grad.numpy(), 2 * plain.grad_x) and y.grad is None


def test_a_few_steps_of_training_bring_the_points_closer():
    x, y = tensors(3)
    optimiser = torch.optim.SGD([x], lr=2.0)
    values = []
    for _ in range(10):
        optimiser.zero_grad()
        loss = sinkhorn_divergence(x, y.detach(), epsilon=0.1, order=2).value
        loss.backward()
        optimiser.step()
        values.append(loss.item())
    assert values[-1] < 0.1 * values[0]
