"""Sinkhorn passes over a stored cost in scaling form: its exponentials are taken once, and kept.

Potentials that move far are absorbed into the kernel again, and what still leaves the range of floats is done in log
form: the results are those of the cost's own passes, up to rounding.  [Schmitzer 2019, section 3.1]
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from otcore._types import Array, Potential
from otcore.costs._cost import Sweep
from otcore.costs._sweep import Kernel, in_chunks, sweep

if TYPE_CHECKING:
    from otcore.costs.dense import DenseCost

__all__ = ["DTYPES", "Absorbed"]

DTYPES = "float32", "float64"  # of a kernel
FAR = {"float32": 20.0, "float64": 100.0}  # bits that a potential may move before it is absorbed again
LEAST = {"float32": 2.0**-90, "float64": 2.0**-700}  # sum, of about one, that has kept its digits
SINGLE = 2.0**-22  # marginal error below which singles, whose sums are right to some 2^-25, are no longer a measure


class Absorbed:
    """The passes of one stored cost, for one epsilon at a time.

    Parameters
    ----------
    cost : DenseCost
    dtype : "float32", "float64" or None
        Precision of the kernel.  None: single, in half the memory and time, down to an error of ``SINGLE``, then
        double.
    """

    def __init__(self, cost: DenseCost, dtype: str | None = None) -> None:
        self.cost = cost
        self._kinds = DTYPES if dtype is None else (dtype,)
        self._kind = self._kinds[0]
        self._factor, self._stale = 0.0, True
        self._K: NDArray[Any] = np.empty((0, 0), self._kind)
        n, m = cost.shape
        self._F, self._G, self._rows, self._columns = np.zeros(n), np.zeros(m), np.zeros(n), np.zeros(m)
        self._weights = self._logs = self._F, self._G

    @property
    def resolution(self) -> float:
        """As of whoever makes passes."""
        return SINGLE if self._kind == "float32" else 0.0

    def sinkhorn_pass(
        self, epsilon: float, f: Potential | None, g: Potential, a: Array, b: Array, omega: float = 1.0
    ) -> Sweep:
        """As :meth:`otcore.costs.Cost.sinkhorn_pass`."""
        if f is None:
            return self.cost.sinkhorn_pass(epsilon, f, g, a, b, omega)
        if a is not self._weights[0] or b is not self._weights[1]:  # the same ones at each pass of a solve
            self._weights, self._logs = (a, b), (np.log2(a), np.log2(b))
        return sweep(self.cost.columns, partial(self._pass, b), g.size, epsilon, f, g, a, b, omega, self._logs)

    def _pass(self, b: Array, factor: float, F: Array, G: Array, a: Array, omega: float, w: Array) -> float:
        from otcore._kernels.sweep import drift, powers, scaled

        given = F.copy()
        if factor != self._factor:
            self._factor, self._kind, self._stale = factor, self._kinds[0], True
        if self._stale or not drift(F, self._F, G, self._G) <= FAR[self._kind]:
            self._renew(given, G, a, b, w)
        v = np.empty(G.size)
        powers(G, self._columns, v)
        error = self._by(partial(self._scale, v.astype(self._kind)))(factor, F, G, a, omega, w)
        least, most = scaled(w, v)
        self._stale = not (error == error and LEAST[self._kind] < least <= most < np.inf)
        if self._stale:  # a sum out of range
            F[:] = given
            return self._by(self.cost.log_pass)(factor, F, G, a, omega, w)
        if error <= SINGLE and self._kind != self._kinds[-1]:
            self._kind, self._stale = self._kinds[-1], True
        return error

    def _renew(self, F: Array, G: Array, a: Array, b: Array, w: Array) -> None:
        """Absorb the exponents but for the weights: sums of the kernel are about one, however faint a row or column."""
        self._F, self._G = F, G.copy()
        self._rows, self._columns = F - np.frexp(a)[1], G - np.frexp(b)[1]
        if self._K.dtype != self._kind or self._K.shape != self.cost.shape:
            self._K = np.empty(self.cost.shape, self._kind)
        self._by(self._absorb)(self._factor, self._rows, self._columns, a, 1.0, w)

    def _by(self, kernel: Callable[[slice], Kernel]) -> Kernel:
        return in_chunks(kernel, *self.cost.shape, self.cost.pool)

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
            return float(scaled_pass(self._K[rows], self._rows[rows], F, v, a, omega, LEAST[self._kind], w))

        return kernel
