"""A stored cost matrix: given floats, or a distance matrix on one support raised to a power."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

import numpy as np

from otcore._gate import as_array, as_power, require_finite
from otcore._kernels.dense import centre, column_minima, row_minima
from otcore._types import Array, Indices, Matrix, Potential
from otcore.costs._absorbed import Absorbed
from otcore.costs._cost import EXACT, Cost, Enclosure, Sweep, Tail
from otcore.costs._sweep import LOG2_E, Kernel, gathered, in_chunks, sweep
from otcore.errors import InvalidProblemError, NonFiniteError, ShapeError

__all__ = ["DenseCost", "MatrixMetricCost"]

LARGEST_KERNEL = 1 << 27  # entries that are stored beside the cost itself: 1 GB


class DenseCost(Cost):
    """The matrix as given; ``+inf`` is a forbidden arc.

    Parameters
    ----------
    M : (n, m) array_like, in any unit of cost; negative entries are fine

    Raises
    ------
    ShapeError, NonFiniteError, InvalidProblemError
    """

    def __init__(self, M: Any) -> None:
        self.M = as_matrix(M, "M")
        self.shape = self.M.shape
        self._finish()

    def _finish(self) -> None:
        self.M.setflags(write=False)  # another type, to kernels
        lo, hi = float(self.M.min()), float(self.M.max())
        self.traits = self.traits_when(hi < np.inf)
        if hi == np.inf:
            finite = self.M[np.isfinite(self.M)]
            lo, hi = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
        e = self.enclosure
        self._bounds = (lo, hi) if e.exact else (max(e.floor, lo * e.shrink - e.eta), hi * e.grow + e.eta)

    @staticmethod
    def traits_when(finite: bool) -> frozenset[str]:
        return frozenset({"dense", "finite"} if finite else {"dense"})

    def _with(self, M: Matrix, enclosure: Enclosure) -> DenseCost:
        """A cost of the same kind on other numbers, which are known to be valid."""
        cost = object.__new__(DenseCost)
        cost.M, cost.shape, cost.enclosure, cost.order = M, M.shape, enclosure, self.order
        cost._finish()
        return cost

    def rows(self, i0: int, i1: int) -> Matrix:
        return self.M[i0:i1]

    def at(self, i: Indices, j: Indices) -> Array:
        return np.asarray(self.M[i, j])

    def restrict(self, i: Indices, j: Indices) -> Cost:
        return self._with(np.ascontiguousarray(self.M[np.ix_(i, j)]), self.enclosure)

    def scaled(self, exponent: int) -> DenseCost:
        if exponent == 0:
            return self
        M = np.ldexp(self.M, exponent)
        exact = exponent > 0 or np.array_equal(np.ldexp(M, -exponent), self.M)
        e = self.enclosure
        return self._with(M, e if exact else Enclosure(e.ulps, e.underflows + 1, e.floor))

    @cached_property
    def _lower(self) -> Matrix:
        """M_lo: the matrix itself unless it is a computed power."""
        return self.enclosure.lower(self.M)

    def bounds(self) -> tuple[float, float]:
        return self._bounds

    def to_dense(self) -> Matrix:
        return self.M.copy()

    def ctransform(self, h: Potential, axis: int) -> Potential:
        out = np.empty(self.shape[1 - axis])
        kernel = column_minima if axis == 0 else row_minima
        kernel(self._lower, np.ascontiguousarray(h, dtype=np.float64), out)
        return out

    def sinkhorn_pass(
        self, epsilon: float, f: Potential | None, g: Potential, a: Array, b: Array, omega: float = 1.0
    ) -> Sweep:
        kernel = in_chunks(self.log_pass, *self.shape, self.pool)
        return sweep(self.columns, kernel, self.shape[1], epsilon, f, g, a, b, omega)

    def log_pass(self, rows: slice) -> Kernel:
        """The kernel of a pass over some rows, in log form."""
        from otcore._kernels.sinkhorn import dense_pass

        return partial(dense_pass, self.M[rows])

    def passing(self, dtype: str | None = None) -> Absorbed | None:
        return Absorbed(self, dtype) if self.M.size <= LARGEST_KERNEL else None

    def plan_tail(self, epsilon: float, F: Array, G: Array, low_F: Array, low_G: Array, limit: int) -> Tail | None:
        from otcore._kernels.tail import dense_tail

        kernel = partial(dense_tail, self.M, LOG2_E / epsilon, F, G, low_F, low_G)
        return gathered(kernel, *self.shape, limit)

    def rounding_pass(
        self, epsilon: float, row: Array, column: Array, a: Array, faint: float = 0.0
    ) -> tuple[Array, Array, Array]:
        from otcore._kernels.gibbs import dense_rounding

        held, (sums, costs) = np.empty(self.shape[0]), np.empty((2, self.shape[1]))
        dense_rounding(self.M, LOG2_E / epsilon, row * LOG2_E, column * LOG2_E, a, held, sums, costs)
        return held, sums, costs

    def remainder_pass(
        self, epsilon: float, row: Array, column: Array, y: Array, beta: Array, faint: float = 0.0
    ) -> tuple[Array, Array]:
        from otcore._kernels.gibbs import dense_remainder

        held, price = np.empty((2, self.shape[0]))
        dense_remainder(self.M, LOG2_E / epsilon, row * LOG2_E, column * LOG2_E, y, beta, held, price)
        return held, price

    @cached_property
    def minima(self) -> tuple[Potential, Potential, float]:
        """Finite row minima, then column minima of what they leave, and the largest finite entry left after both."""
        r, c = np.empty(self.shape[0]), np.empty(self.shape[1])
        return r, c, centre(self.M, r, c)

    def rounding_scale(self, a: Array, b: Array) -> float:
        r, c, spread = self.minima
        return float(a.sum() * spread + a @ np.abs(r) + b @ np.abs(c))


class MatrixMetricCost(DenseCost):
    """``D ** exponent`` for a distance matrix ``D`` (n, n) on ONE support that rows and columns share.

    Parameters
    ----------
    D : (n, n) array_like, entries >= 0
        Declared a metric by the caller; a wrong declaration costs tightness, never truth.
    exponent : float >= 1
    """

    def __init__(self, D: Any, exponent: float = 1.0) -> None:
        base = as_matrix(D, "metric")
        if base.shape[0] != base.shape[1]:
            raise ShapeError(
                f"metric has shape {base.shape}; a distance matrix on one support is square. "
                "For two supports pass their distances as cost=..."
            )
        nonnegative(base, "metric")
        self._build(base, as_power(exponent, "exponent"), (np.arange(base.shape[0]),) * 2)

    def _build(self, base: Matrix, exponent: float, nodes: tuple[Indices, Indices]) -> None:
        self.base, self.exponent, self.order, self.nodes = base, exponent, exponent, nodes
        self.M, self.enclosure = power(base, exponent)
        self.shape = self.M.shape
        self._finish()

    def _finish(self) -> None:
        super()._finish()
        if self.exponent == 1:
            self.traits |= {"metric"}

    def _like(self, M: Matrix, base: Matrix, nodes: tuple[Indices, Indices], enclosure: Enclosure) -> MatrixMetricCost:
        cost = object.__new__(MatrixMetricCost)
        cost.base, cost.M, cost.shape, cost.nodes, cost.enclosure = base, M, M.shape, nodes, enclosure
        cost.exponent, cost.order = self.exponent, self.order
        cost._finish()
        return cost

    def restrict(self, i: Indices, j: Indices) -> Cost:
        cut = np.ix_(i, j)
        nodes = (self.nodes[0][i], self.nodes[1][j])
        M = np.ascontiguousarray(self.M[cut])
        base = M if self.base is self.M else np.ascontiguousarray(self.base[cut])
        return self._like(M, base, nodes, self.enclosure)

    def scaled(self, exponent: int) -> DenseCost:
        scaled = super().scaled(exponent)
        if scaled is self:
            return self
        # The scaled cost is no longer an exact power of the stored base: of that only the zeros are used from here on.
        return self._like(scaled.M, self.base, self.nodes, scaled.enclosure)

    def at_upper(self, i: Indices, j: Indices) -> Array:
        return np.where(self.base[i, j] == 0, 0.0, super().at_upper(i, j))  # 0 ** p is 0, whatever underflows

    def common(self) -> tuple[Indices, Indices]:
        _, i, j = np.intersect1d(*self.nodes, assume_unique=True, return_indices=True)
        return i.astype(np.int64), j.astype(np.int64)

    def union(self) -> tuple[Cost, Indices, Indices] | None:
        if self.M.shape[0] != self.M.shape[1] or not np.array_equal(*self.nodes):
            return None
        everyone = np.arange(self.shape[0])
        return self, everyone, everyone

    def from_points(self, z: Array) -> Matrix:
        k = as_array(z, "z")
        if k.ndim != 1 or not (np.isin(k, np.arange(self.shape[0]))).all():
            raise ShapeError(f"z: expected numbers of nodes, integers from 0 to {self.shape[0] - 1}, shape (k,)")
        return self.M[k.astype(np.int64)]


def as_matrix(value: Any, name: str) -> Matrix:
    """A non-empty C-ordered float64 matrix without nan or -inf; the user's own array where it already is one."""
    M = as_array(value, name)
    if M.ndim != 2 or M.size == 0:
        raise ShapeError(f"{name} has shape {M.shape}; expected a non-empty matrix of shape (n, m)")
    require_finite(M, name, allow_inf=True)
    M = np.ascontiguousarray(M).view()
    M.setflags(write=False)
    return M


def nonnegative(D: Matrix, name: str) -> None:
    """Raise where a declared distance is negative."""
    if (D < 0).any():
        i, j = np.unravel_index(int(np.argmax(D < 0)), D.shape)
        raise InvalidProblemError(
            f"{name}[{i}, {j}] is {D[i, j]}; distances are >= 0. Pass the matrix as cost=... if it is not a metric"
        )


def power(D: Matrix, p: float) -> tuple[Matrix, Enclosure]:
    """``D ** p`` with its proved enclosure [docs/certificates.md, "Enclosures"; D is exact, so k loses p]."""
    if p == 1:
        return D, EXACT
    products: dict[float, tuple[Callable[[], Matrix], int]] = {
        1.5: (lambda: D * np.sqrt(D), 2),
        2.0: (lambda: D * D, 1),
        2.5: (lambda: D * D * np.sqrt(D), 3),
        3.0: (lambda: D * D * D, 2),
        4.0: (lambda: (D * D) * (D * D), 3),
    }
    product, ulps = products.get(p, (lambda: D**p, 4))  # pow is within 2 ulps = 4 u
    with np.errstate(over="ignore"):
        M = product()
    if (np.isposinf(M) & np.isfinite(D)).any():
        top = float(D[np.isfinite(D)].max())
        raise NonFiniteError(f"metric ** {p:g} overflows; divide the metric by {top:.3g} first")
    M.setflags(write=False)
    return M, Enclosure(ulps, 2, 0.0, proved=p in products)
