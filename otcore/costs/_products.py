"""Distances of points in many dimensions by matrix products: fast, and exact enough to propose, not to decide.

``|x|^2 + |y|^2 - 2 x.y`` is wrong by the rounding of the squares, not of their difference.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from otcore._types import Array, Indices, Matrix, Potential
from otcore.costs._cost import BLOCK, Sweep
from otcore.costs._sweep import Kernel, in_chunks, sweep

if TYPE_CHECKING:
    from otcore.costs.cloud import CloudCost

__all__ = ["Products", "suits"]

MANY = 24  # dimensions from which on products are faster than differences; at 10 they take as long
PANEL = 1 << 18  # entries that are made at a time: 2 MB, which stay in the cache
KEPT = 1 << 23  # entries that are made once: up to 64 MB


def suits(cost: CloudCost) -> bool:
    """Whether products are faster than differences."""
    return cost.metric == "euclidean" and cost.x.shape[1] >= MANY


@dataclass(frozen=True, eq=False)
class Products:
    """The entries of a Euclidean cloud, block by block, and Sinkhorn passes over them."""

    cost: CloudCost
    resolution: ClassVar[float] = 0.0

    @property
    def shape(self) -> tuple[int, int]:
        return self.cost.shape

    def at(self, i: Indices, j: Indices) -> Array:
        return self.cost.at(i, j)

    def blocks(self) -> Iterator[tuple[int, int, Matrix]]:
        n, m = self.shape
        for i0 in range(0, n, step := max(1, BLOCK // m)):
            i1 = min(i0 + step, n)
            yield i0, i1, self._kept[i0:i1] if n * m <= KEPT else self._entries(i0, i1, np.empty((i1 - i0, m)))

    def sinkhorn_pass(
        self, epsilon: float, f: Potential | None, g: Potential, a: Array, b: Array, omega: float = 1.0
    ) -> Sweep:
        """As :meth:`otcore.costs.Cost.sinkhorn_pass`."""
        kernel = in_chunks(self._pass, *self.shape, self.cost.pool)
        return sweep(self.cost.columns, kernel, g.size, epsilon, f, g, a, b, omega)

    def _pass(self, rows: slice) -> Kernel:
        from otcore._kernels.sinkhorn import dense_pass

        def kernel(factor: float, F: Array, G: Array, a: Array, omega: float, w: Array) -> float:
            step = max(1, PANEL // w.size)
            panel, part, error = np.empty((step, w.size)), np.empty(w.size), 0.0
            w[:] = 0.0
            for k in range(0, F.size, step):
                some = slice(k, min(k + step, F.size))
                M = self._entries(rows.start + some.start, rows.start + some.stop, panel[: some.stop - k])
                error += dense_pass(M, factor, F[some], G, a[some], omega, part)
                w += part
            return error

        return kernel

    def _entries(self, i0: int, i1: int, out: Matrix) -> Matrix:
        from otcore._kernels import ground

        left, right = self._factors
        np.matmul(left[i0:i1], right, out=out)
        np.maximum(out, 0.0, out=out)
        ground.finish(self.cost.ground, out.reshape(-1))
        return out

    @cached_property
    def _kept(self) -> Matrix:
        return self._entries(0, self.shape[0], np.empty(self.shape))

    @cached_property
    def _factors(self) -> tuple[Matrix, Matrix]:
        """``(x, |x|^2, 1)`` and ``(-2 y, 1, |y|^2)``, whose product is the matrix of squares; y is centred on x."""
        x, y = self.cost.zoomed
        middle = x.mean(axis=0)
        x, y = x - middle, y - middle
        one = np.ones((x.shape[0], 1)), np.ones((y.shape[0], 1))
        squares = (x * x).sum(axis=1, keepdims=True), (y * y).sum(axis=1, keepdims=True)
        return np.hstack([x, squares[0], one[0]]), np.hstack([-2 * y, one[1], squares[1]]).T.copy()
