"""Where samples come from: arrays with weights, or samplers ``f(n, generator)``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Generator, Tensor

from otcore._gate import as_array, as_weights, require_finite
from otcore.errors import NonFiniteError, ShapeError

__all__ = ["Samples", "Source", "Standardising", "Stream", "source"]


class Source(Protocol):
    """What training draws from."""

    def draw(self, n: int, generator: Generator) -> Tensor:
        """(n, d) independent samples."""
        ...


class Samples:
    """Given points, drawn with replacement by weight.

    Parameters
    ----------
    points : (n, d) float64 tensor
    weights : (n,) tensor, optional
    """

    def __init__(self, points: Tensor, weights: Tensor | None = None) -> None:
        self.points, self.weights = points, weights

    def __len__(self) -> int:
        return len(self.points)

    def draw(self, n: int, generator: Generator) -> Tensor:
        if self.weights is None:
            index = torch.randint(len(self), (n,), generator=generator, device=self.points.device)
        else:  # by the cumulative sum: multinomial takes at most 2^24 categories
            total = self.weights.cumsum(0)
            level = torch.rand(n, generator=generator, device=total.device, dtype=total.dtype) * total[-1]
            index = torch.searchsorted(total, level, right=True).clamp(max=len(self) - 1)
        return self.points[index]

    def split(self, shares: Sequence[float], generator: Generator) -> list[Samples]:
        """Disjoint random parts of about these shares of the points."""
        order = torch.randperm(len(self), generator=generator, device=self.points.device)
        ends = [round(len(self) * sum(shares[: k + 1])) for k in range(len(shares) - 1)]
        return [
            Samples(self.points[part], None if self.weights is None else self.weights[part])
            for part in order.tensor_split(ends)
        ]


class Stream:
    """A sampler ``f(n, generator) -> (n, d)`` array or tensor; every batch is fresh."""

    def __init__(self, sampler: Callable[[int, Generator], Any], name: str, device: str) -> None:
        self._sampler, self._name, self._device = sampler, name, device

    def draw(self, n: int, generator: Generator) -> Tensor:
        z = torch.as_tensor(self._sampler(n, generator), device=self._device, dtype=torch.float64).detach()
        z = z[:, None] if z.ndim == 1 else z
        if z.ndim != 2 or len(z) != n:
            raise ShapeError(f"{self._name}({n}, generator) gave shape {tuple(z.shape)}; expected ({n}, d)")
        if not bool(torch.isfinite(z).all()):
            raise NonFiniteError(f"{self._name}({n}, generator) gave samples that are not finite")
        return z


class Standardising(NamedTuple):
    """Samples of another source as ``(z - centre) / scale``, taken in float64 before they are rounded to ``dtype``."""

    source: Source
    centre: Tensor
    scale: float
    dtype: torch.dtype

    def draw(self, n: int, generator: Generator) -> Tensor:
        return self.of(self.source.draw(n, generator))

    def of(self, z: Tensor) -> Tensor:
        return ((z - self.centre) / self.scale).to(self.dtype)


def source(value: Any, weights: Any, name: str, device: str, least: int = 2) -> Samples | Stream:
    """A sampler as a stream; points (n, d) or (n,) with optional weights as samples, checked."""
    if callable(value):
        return Stream(value, name, device)
    points = as_array(value, name)
    points = points[:, None] if points.ndim == 1 else points
    if points.ndim != 2 or points.shape[0] < least or points.shape[1] < 1:
        raise ShapeError(f"{name} has shape {points.shape}; a critic needs at least {least} points (n, d)")
    require_finite(points, name)
    if weights is not None:
        weights = as_weights(weights, f"weights of {name}")
        if weights.size != len(points):
            raise ShapeError(f"weights of {name} has {weights.size} entries for {len(points)} points")
        weights = torch.as_tensor(weights / weights.sum(), device=device)
    return Samples(torch.tensor(points, device=device), weights)
