"""Sinkhorn passes over a stored cost in scaling form: its exponentials are taken once, and kept.

Potentials that move far are absorbed into the kernel again, and what still leaves the range of floats is done in log
form: the results are those of the cost's own passes, up to rounding.  [Schmitzer 2019, section 3.1]
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from otcore._types import Array, Matrix, Potential
from otcore.costs._cost import Sweep
from otcore.costs._sweep import sweep

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
        from otcore._kernels.scaling import absorb, scaled_pass
        from otcore._kernels.sinkhorn import dense_pass

        if factor != self._factor or max(np.abs(F - self._F).max(), np.abs(G - self._G).max()) > FAR:
            absorb(self.cost.M, factor, F, G, self._K)
            self._factor, self._F, self._G = factor, F.copy(), G.copy()
        u, v = np.exp2(F - self._F), np.exp2(G - self._G)
        error = float(scaled_pass(self._K, u, v, a, omega, w))
        if error != error:  # a sum out of range
            self._factor = 0.0
            return float(dense_pass(self.cost.M, factor, F, G, a, omega, w))
        w *= v
        F[:] = self._F + np.log2(u)
        return error
