"""Points on the line with the cost |x - y| ** p: c-transforms after one sort, in O((n + m) log)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np

from otcore._gate import as_array, as_power, require_finite
from otcore._types import Array, Indices, Matrix, Potential
from otcore.costs._cost import Cost, Enclosure, two_difference
from otcore.errors import NonFiniteError, ShapeError

__all__ = ["LineCost"]

# d ** p for d = |x - y|, and its proved error in units of 2^-53 (d itself is off by one).  Each form is evaluated
# by the same operations in ``_kernels.line.power``.  [docs/certificates.md, "Enclosures"]
POWERS: dict[float, tuple[Callable[[Array], Array], int]] = {
    1.0: (lambda d: d, 1),
    1.5: (lambda d: d * np.sqrt(d), 4),
    2.0: (lambda d: d * d, 3),
    2.5: (lambda d: d * d * np.sqrt(d), 6),
    3.0: (lambda d: d * d * d, 5),
    4.0: (lambda d: (d * d) * (d * d), 7),
}


class LineCost(Cost):
    """``M_ij = |x_i - y_j| ** exponent``, the real number, for positions in any order.

    Parameters
    ----------
    x : (n,) array_like, positions of the rows
    y : (m,) array_like, positions of the columns
    exponent : float >= 1
    order : float, optional
        ``value ** (1 / order)`` is the distance; the exponent unless given.

    Attributes
    ----------
    x, y : (n,) and (m,) float64 arrays
    shift : int
        The cost carries the factor ``2 ** shift`` besides; 0 unless made by :meth:`scaled`.

    Raises
    ------
    ShapeError, NonFiniteError, InvalidProblemError

    Notes
    -----
    **Why c-transforms are feasible.**  For exponent 1 two sweeps decide on unrounded pairs and round down
    once: ``f_i + g_j <= |x_i - y_j|`` in real arithmetic, with nothing else lost.

    Above 1, divide and conquer.  The real matrix M is Monge on sorted points, because ``|.| ** p`` is convex,
    and code sees it through the enclosure ``M_lo <= M <= M_hi``.  In a middle column j the row k is chosen
    whose ``U = M_hi - h`` is least; to the right of j the rows i < k are dropped (to the left those i > k).
    For a column j' > j the Monge inequality gives

        (M_ij' - h_i) - (M_kj' - h_k) >= (M_ij - h_i) - (M_kj - h_k) >= -lost

    with ``lost = max(0, U_k - min_{i<k} L_i)`` and ``L = M_lo - h``: computed, not estimated.  It vanishes unless
    two rows tie within rounding, and then is a few u M of those very entries.  Losses add up on the
    way down, over at most log2 m levels, and are subtracted from the least L that is left.  So
    ``f_i + g_j <= M_ij`` for every pair, at a price relative to the transport cost, not to the diameter.

    Examples
    --------
    >>> LineCost([0.0, 2.0], [3.0], exponent=2).to_dense().tolist()
    [[9.0], [1.0]]
    """

    def __init__(self, x: Any, y: Any, exponent: float = 1.0, order: float | None = None) -> None:
        exponent = as_power(exponent, "exponent")
        self._build(_positions(x, "x"), _positions(y, "y"), exponent, shift=0)
        self.order = exponent if order is None else as_power(order, "order")
        far, top = max(map(abs, (*self._range_x, *self._range_y))), self.bounds()[1]
        # Sums of positions and potentials must not overflow; only products can be rescued from underflow.
        if far > 2.0**1020 or not top < 2.0**1020 or (self._law == 0 and 0 < top < 2.0**-900):
            raise NonFiniteError(
                f"x, y: positions up to {far:.3g} or their distances to the power {self.exponent:g} leave the range of "
                "floats; divide all positions by a common factor first (the cost then changes by its power)"
            )

    def _build(self, x: Array, y: Array, exponent: float, shift: int) -> None:
        self.x, self.y, self.exponent, self.shift = x, y, exponent, shift
        self.shape = (x.size, y.size)
        self.traits = frozenset({"line", "finite", "metric"} if exponent == 1 else {"line", "finite"})
        proved = exponent in POWERS
        self._law = round(2 * exponent) if proved else 0
        ulps = POWERS[exponent][1] if proved else math.ceil(exponent + 4)
        # Two halves: neither overflows where 2 ** shift itself would.
        self._units = (2.0 ** (shift // 2), 2.0 ** (shift - shift // 2))
        # x - y never underflows; powers may, before the shift, and each half of the shift.
        underflows = ((1 if proved else 2) if exponent > 1 else 0) << max(shift, 0)
        self.enclosure = Enclosure(ulps, underflows + (2 if shift < 0 else 0), floor=0.0, proved=proved)

    def _like(self, x: Array, y: Array, shift: int) -> LineCost:
        cost = object.__new__(LineCost)
        cost._build(x, y, self.exponent, shift)
        cost.order = self.order
        return cost

    @cached_property
    def order_x(self) -> Indices:
        """A permutation that sorts ``x``, (n,)."""
        return np.argsort(self.x)  # a stable one would take four times as long

    @cached_property
    def order_y(self) -> Indices:
        """A permutation that sorts ``y``, (m,)."""
        return np.argsort(self.y)

    @cached_property
    def sorted_x(self) -> Array:
        """``x`` in ascending order, (n,)."""
        return self.x[self.order_x]

    @cached_property
    def sorted_y(self) -> Array:
        """``y`` in ascending order, (m,)."""
        return self.y[self.order_y]

    # -- entries -----------------------------------------------------------------------------------

    def _cost(self, difference: Array) -> Array:
        """Computed costs of signed differences."""
        with np.errstate(over="ignore", under="ignore"):
            d = np.abs(difference)
            M = POWERS[self.exponent][0](d) if self.exponent in POWERS else d**self.exponent
            return np.asarray(M * self._units[0] * self._units[1] if self.shift else M)

    def rows(self, i0: int, i1: int) -> Matrix:
        return self._cost(self.x[i0:i1, None] - self.y)

    def at(self, i: Indices, j: Indices) -> Array:
        return self._cost(self.x[i] - self.y[j])

    def at_upper(self, i: Indices, j: Indices) -> Array:
        if self.exponent == 1 and self.shift == 0:  # sharp: whole positions give whole costs, not one ulp more
            from otcore._kernels.line import distances_up

            out = np.empty(i.size)
            distances_up(self.x, self.y, i, j, out)
            return out
        x, y = self.x[i], self.y[j]
        M = np.where(x == y, 0.0, self.enclosure.upper(self._cost(x - y)))
        if self.shift or self.exponent != 2:
            return M
        s, e = two_difference(x, y)
        whole = (e == 0) & (np.abs(s) < 2.0**26) & (s == np.rint(s))  # then s * s is exact
        return np.where(whole, s * s, M)

    def from_points(self, z: Array) -> Matrix:
        M = self._cost(_positions(z, "z")[:, None] - self.y)
        require_finite(M, "distances from z")
        return M

    @cached_property
    def _range_x(self) -> tuple[float, float]:
        return float(self.x.min()), float(self.x.max())

    @cached_property
    def _range_y(self) -> tuple[float, float]:
        return float(self.y.min()), float(self.y.max())

    def bounds(self) -> tuple[float, float]:
        (low_x, high_x), (low_y, high_y) = self._range_x, self._range_y
        with np.errstate(over="ignore"):
            extent = max(high_x - low_y, high_y - low_x)
            corners = self._cost(np.array([max(low_x - high_y, low_y - high_x, 0.0), extent]))
            lo, hi = self.enclosure.lower(corners)[0], self.enclosure.upper(corners)[1]
        return float(lo), float(hi) if extent else 0.0

    # -- structure ---------------------------------------------------------------------------------

    def restrict(self, i: Indices, j: Indices) -> LineCost:
        return self._like(self.x[i], self.y[j], self.shift)

    def scaled(self, exponent: int) -> LineCost:
        if exponent == 0:
            return self
        # Positions take a factor 2^k with k p an integer, the shift takes the rest; all of it where the
        # positions would lose bits, or where p is no multiple of 1/2.
        step = 2 if self.exponent % 1 else 1
        k = step * math.trunc(exponent / (step * self.exponent)) if self._law else 0
        with np.errstate(over="ignore", under="ignore"):
            x, y = np.ldexp(self.x, k), np.ldexp(self.y, k)
            if not all(np.array_equal(np.ldexp(z, -k), given) for z, given in ((x, self.x), (y, self.y))):
                x, y, k = self.x, self.y, 0
        cost = self._like(x, y, self.shift + exponent - round(k * self.exponent))
        cost.order_x, cost.order_y = self.order_x, self.order_y
        return cost

    def common(self) -> tuple[Indices, Indices]:
        if self.exponent != 1:
            return super().common()
        x, y = self.sorted_x, self.sorted_y
        first, last = np.searchsorted(y, x, "left"), np.searchsorted(y, x, "right")
        # The r-th copy of a point in x meets its r-th copy in y.
        copy = np.arange(x.size) - np.searchsorted(x, x, "left")
        met = copy < last - first
        return self.order_x[met], self.order_y[(first + copy)[met]]

    def union(self) -> tuple[LineCost, Indices, Indices]:
        z, place = np.unique(np.concatenate([self.x, self.y]), return_inverse=True)
        return self._like(z, z, self.shift), place[: self.x.size], place[self.x.size :]

    # -- potentials --------------------------------------------------------------------------------

    def ctransform(self, h: Potential, axis: int) -> Potential:
        from otcore._kernels.line import monge_minima, sweep_minima

        sides = (self.sorted_x, self.order_x), (self.sorted_y, self.order_y)
        (s, by_source), (t, by_target) = sides if axis == 0 else sides[::-1]
        h = np.asarray(h, dtype=np.float64)[by_source]
        minima = np.empty(t.size)
        if self.exponent == 1 and self.shift == 0:
            sweep_minima(s, h, t, minima)
        else:
            bracket = (self.enclosure.shrink, self.enclosure.grow, self.enclosure.eta)
            monge_minima(s, h, t, self._law, self.exponent, self._units, bracket, minima)
        out = np.empty(t.size)
        out[by_target] = minima
        return out

    def lifts(self, f: Potential) -> Iterator[tuple[Potential, Potential]]:
        g = self.ctransform(f, axis=0)
        yield np.maximum(f, self.ctransform(g, axis=1)), g  # at once: both take O(n)

    def grid_lift(self, u_x: Potential, u_y: Potential) -> tuple[Potential, Potential]:
        """One 1-Lipschitz function u on the union of the points: ``f = u(x)`` and ``g = -u(y)``.

        Where rows and columns share a point f and g are exactly opposite, while :meth:`lift` may leave a
        rounding between them.  Gaps are rounded down to the grid, so that u flattens by up to a grid step a
        point: an extra candidate for nearly equal measures, no replacement of the lift.  O((n + m) log(n + m)).

        Parameters
        ----------
        u_x, u_y : (n,) and (m,) proposed values of u at ``x`` and ``y``, in units of the metric

        Returns
        -------
        f, g : multiples of about ``2^-53 max |u|``, feasible in real arithmetic
        """
        from otcore._kernels.line import lipschitz_on_grid

        if self.exponent != 1:
            raise TypeError(f"one Lipschitz function needs a metric; |x - y| ** {self.exponent:g} is none")
        z, u = np.concatenate([self.x, self.y]), np.ldexp(np.concatenate([u_x, u_y]), -self.shift)
        order = np.argsort(z)
        top = max(float(np.abs(u).max()), 2.0**-1000)  # the grid must not underflow
        on_grid = np.empty(u.size)
        lipschitz_on_grid(z[order], u[order], math.ldexp(1.0, math.frexp(top)[1] - 53), on_grid)
        u[order] = np.ldexp(on_grid, self.shift)
        return u[: self.x.size], 0.0 - u[self.x.size :]


def _positions(value: Any, name: str) -> Array:
    z = as_array(value, name)
    if z.ndim == 2 and 1 in z.shape:
        z = z.reshape(-1)
    if z.ndim != 1 or z.size == 0:
        raise ShapeError(f"{name} has shape {z.shape}; expected positions on the line, shape (n,)")
    require_finite(z, name)
    return np.ascontiguousarray(z)
