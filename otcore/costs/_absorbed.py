"""Sinkhorn passes over a stored cost in scaling form: its exponentials are taken once, and kept.

Potentials that move far are absorbed into the kernel again, and what still leaves the range of floats is done in log
form: the results are those of the cost's own passes, up to rounding.  [Schmitzer 2019, section 3.1]
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from otcore._types import Array, Matrix, Potential
from otcore.costs._cost import Sweep
from otcore.costs._sweep import Kernel, in_chunks, sweep

if TYPE_CHECKING:
    from otcore.costs.dense import DenseCost

__all__ = ["Absorbed"]

FAR = 100.0  # bits that a scaling may be away from one


class Absorbed:
    """The passes of one stored cost, for one epsilon at a time."""

    def __init__(self, cost: DenseCost) -> None:
        self.cost = cost
        self._factor = 0.0
        self._K: Matrix = np.empty(cost.shape)
        self._F: Array = np.zeros(cost.shape[0])
        self._G: Array = np.zeros(cost.shape[1])

    def sinkhorn_pass(
        self, epsilon: float, f: Potential | None, g: Potential, a: Array, b: Array, omega: float = 1.0
    ) -> Sweep:
        """As :meth:`otcore.costs.Cost.sinkhorn_pass`."""
        if f is None:
            return self.cost.sinkhorn_pass(epsilon, f, g, a, b, omega)
        return sweep(self.cost, self._pass, g.size, epsilon, f, g, a, b, omega)

    def _pass(self, factor: float, F: Array, G: Array, a: Array, omega: float, w: Array) -> float:
        given = F.copy()
        with np.errstate(invalid="ignore"):  # of two weights that are lost
            far = max(np.abs(F - self._F).max(), np.abs(G - self._G).max()) > FAR
        if far or factor != self._factor:
            self._factor, self._F, self._G = factor, given, G.copy()
            self._by(self._absorb)(factor, F, G, a, omega, w)
        with np.errstate(invalid="ignore"):
            v = np.exp2(G - self._G)
        error = self._by(partial(self._scale, v))(factor, F, G, a, omega, w)
        if error == error:
            w *= v
            return error
        self._factor, F[:] = 0.0, given  # a sum out of range
        return self._by(self.cost.log_pass)(factor, F, G, a, omega, w)

    def _by(self, kernel: Callable[[slice], Kernel]) -> Kernel:
        return in_chunks(kernel, *self.cost.shape, self.cost.threads)

    def _absorb(self, rows: slice) -> Kernel:
        from otcore._kernels.scaling import absorb

        def kernel(factor: float, F: Array, G: Array, a: Array, omega: float, w: Array) -> float:
            absorb(self.cost.M[rows], factor, F, G, self._K[rows])
            w[:] = 0.0  # chunks are added up, whatever they are
            return 0.0

        return kernel

    def _scale(self, v: Array, rows: slice) -> Kernel:
        from otcore._kernels.scaling import scaled_pass

        def kernel(factor: float, F: Array, G: Array, a: Array, omega: float, w: Array) -> float:
            return float(scaled_pass(self._K[rows], self._F[rows], F, v, a, omega, w))

        return kernel
