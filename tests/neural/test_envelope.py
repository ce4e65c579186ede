"""Tensors in, a tensor out: gradients of the Sinkhorn divergence flow through torch."""

from __future__ import annotations

import numpy as np
import pytest

import otcore
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


def test_points_under_a_callable_get_no_gradient_and_never_that_of_weights():
    x, y = tensors(4)
    for p, q in ((x, y), (x[:, 0], y[:, 0])):  # in one dimension they are shaped like weights

        def distance(u, v):
            return np.abs(np.reshape(u, (len(u), 1, -1)) - np.reshape(v, (1, len(v), -1))).sum(axis=2)

        s = sinkhorn_divergence(p, q, metric=distance, epsilon=0.5)
        assert s.lower <= s.value.item() <= s.upper
        with pytest.raises(otcore.UnsupportedProblemError, match="named metric"):
            s.value.backward()


def test_weights_beside_a_cost_of_points_get_the_gradient_of_weights():
    a = torch.softmax(torch.tensor([0.1, -0.2, 0.3], dtype=torch.float64), 0).requires_grad_()
    cost = otcore.LineCost([0.0, 1.0, 3.0], [0.5, 2.0])
    s = sinkhorn_divergence(a, [0.5, 0.5], cost=cost, epsilon=0.5, debiased=False)
    s.value.backward()
    assert np.array_equal(a.grad.numpy(), s.grad_a)


def test_a_second_derivative_is_refused():
    x, y = tensors(5)
    value = sinkhorn_divergence(x, y, epsilon=0.5, order=2).value
    (first,) = torch.autograd.grad(value, x, create_graph=True)
    penalised = 2 * value + first.square().sum()  # where the gradient must not count as a constant
    with pytest.raises(otcore.UnsupportedProblemError, match="second derivative"):
        penalised.backward(retain_graph=True)
    with pytest.raises(otcore.UnsupportedProblemError, match="second derivative"):  # it moves with y, too
        torch.autograd.grad(value + first.sum(), y)
    (outer,) = torch.autograd.grad(value.square(), x, create_graph=True)
    with pytest.raises(otcore.UnsupportedProblemError, match="second derivative"):
        outer.sum().backward()


def test_the_value_of_whole_numbers_is_not_a_whole_number():
    x = torch.tensor([0, 1, 5])
    s = sinkhorn_divergence(x, x + 1, epsilon=0.5)
    assert s.value.dtype == torch.float64 and s.lower <= s.value.item() <= s.upper
    mixed = sinkhorn_divergence(x, torch.tensor([0.5, 2.0], requires_grad=True), epsilon=0.5)
    assert mixed.value.dtype == torch.float32 and mixed.value.requires_grad
