"""A value computed elsewhere, as a tensor that gradients flow through."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from otcore._types import Array
from otcore.errors import UnsupportedProblemError

__all__ = ["with_gradients"]


class _Envelope(torch.autograd.Function):
    """Backwards, each input gets its gradient, computed when it is first asked for."""

    @staticmethod
    def forward(ctx: Any, value: float, gradients: Sequence[Callable[[], Array]], *inputs: Tensor) -> Tensor:
        ctx.gradients, ctx.inputs = gradients, inputs
        kinds = [z.dtype for z in inputs if z.is_floating_point()]
        return inputs[0].new_tensor(value, dtype=kinds[0] if kinds else torch.float64)

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor | None, ...]:
        inner = (
            outer[0] * _Gradient.apply(gradient(), z, *ctx.inputs) if needed else None
            for gradient, z, needed in zip(ctx.gradients, ctx.inputs, ctx.needs_input_grad[2:], strict=True)
        )
        return None, None, *inner


class _Gradient(torch.autograd.Function):
    """The gradient at ``z``: it moves with all inputs, and in a second derivative would silently be a constant."""

    @staticmethod
    def forward(ctx: Any, gradient: Array, z: Tensor, *inputs: Tensor) -> Tensor:
        return torch.as_tensor(gradient).to(z).reshape(z.shape)

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor | None, ...]:
        raise UnsupportedProblemError(
            "a second derivative of a value from otcore: only the first is known; leave create_graph=True away"
        )


def with_gradients(value: float, inputs: Sequence[Tensor], gradients: Sequence[Callable[[], Array]]) -> Tensor:
    """``value`` as a 0-dimensional tensor whose derivative with respect to ``inputs[k]`` is ``gradients[k]()``.

    Parameters
    ----------
    value : float
    inputs : tensors
    gradients : as many callables, each answering an array of its input's shape; only those needed are called

    Returns
    -------
    Tensor, on the device of the first input, of the first floating dtype; it can be differentiated once.
    """
    answer: Tensor = _Envelope.apply(value, gradients, *inputs)
    return answer
