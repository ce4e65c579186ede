"""A value computed elsewhere, as a tensor that gradients flow through."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from otcore._types import Array

__all__ = ["with_gradients"]


class _Envelope(torch.autograd.Function):
    """Backwards, each input gets its gradient, computed when it is first asked for."""

    @staticmethod
    def forward(ctx: Any, value: float, gradients: Sequence[Callable[[], Array]], *inputs: Tensor) -> Tensor:
        ctx.gradients, ctx.like = gradients, [z.detach() for z in inputs]
        return inputs[0].new_tensor(value)

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor | None, ...]:
        inner = (
            outer[0] * torch.as_tensor(gradient()).to(z).reshape(z.shape) if needed else None
            for gradient, z, needed in zip(ctx.gradients, ctx.like, ctx.needs_input_grad[2:], strict=True)
        )
        return None, None, *inner


def with_gradients(value: float, inputs: Sequence[Tensor], gradients: Sequence[Callable[[], Array]]) -> Tensor:
    """``value`` as a 0-dimensional tensor whose derivative with respect to ``inputs[k]`` is ``gradients[k]()``.

    Parameters
    ----------
    value : float
    inputs : tensors
    gradients : as many callables, each answering an array of its input's shape; only those needed are called

    Returns
    -------
    Tensor, of the dtype and on the device of the first input.
    """
    answer: Tensor = _Envelope.apply(value, gradients, *inputs)
    return answer
