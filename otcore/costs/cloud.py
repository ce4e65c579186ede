"""Two point clouds: costs are distances of coordinates, computed where they are used, never stored."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cached_property, partial
from typing import Any

import numpy as np

from otcore._gate import as_array, as_power, require_finite
from otcore._kernels import boxes, ground
from otcore._kernels.cloud import ctransform, fill, pairs
from otcore._types import Array, Indices, Matrix, Points, Potential
from otcore.costs._cost import Cost, Enclosure, Sweep, Tail
from otcore.costs._kd import KdCloud, Tiled, boxed, frozen, padded, put_back
from otcore.costs._points import matching_points
from otcore.costs._products import Products, suits
from otcore.costs._sweep import LOG2_E, Kernel, gathered, in_chunks, sweep
from otcore.errors import NonFiniteError, ShapeError, UnsupportedProblemError

__all__ = ["METRICS", "CloudCost"]

METRICS = ("euclidean", "cityblock", "chebyshev")
SMALL = -100  # clouds with a diameter below 2^SMALL are zoomed, so that squares of differences do not underflow
NARROW = 16  # columns
PRUNED_DIMENSIONS, PRUNED_PAIRS = 3, 10**6  # boxes are tight in few dimensions, and pay from 1000 x 1000 on
POW_ULPS = 4  # libm's pow: 2 ulps, in units of u (glibc documents 1 ulp)


class CloudCost(Cost):
    """``M_ij = d(x_i, y_j) ** exponent``, the real number that the float coordinates define.

    Parameters
    ----------
    x : (n, d) array_like, points of the rows
    y : (m, d) array_like, points of the columns
    metric : {"euclidean", "cityblock", "chebyshev"}
    exponent : float >= 1
    order : float, optional
        ``value ** (1 / order)`` is the distance; the exponent unless given.

    Attributes
    ----------
    x, y : (n, d) and (m, d) float64 arrays, C-ordered
    shift : int
        The cost carries the factor ``2 ** shift`` besides; 0 unless made by :meth:`scaled`.

    Raises
    ------
    ShapeError, NonFiniteError, InvalidProblemError, UnsupportedProblemError

    Examples
    --------
    >>> CloudCost([[0.0, 0.0]], [[3.0, 4.0]]).rows(0, 1).tolist()
    [[5.0]]
    """

    def __init__(
        self, x: Any, y: Any, metric: str = "euclidean", exponent: float = 1.0, order: float | None = None
    ) -> None:
        if metric not in METRICS:
            raise UnsupportedProblemError(f"metric is {metric!r}; a point cloud knows {', '.join(METRICS)}")
        exponent = as_power(exponent, "exponent")
        x, y = as_points(x, "x"), as_points(y, "y")
        if x.shape[1] != y.shape[1]:
            raise ShapeError(f"x has points of dimension {x.shape[1]} and y of dimension {y.shape[1]}; they must agree")
        self.metric, self.exponent = metric, float(exponent)
        self.order = self.exponent if order is None else as_power(order, "order")
        extent = box_extents(x, y)[1]
        with np.errstate(over="ignore"):  # squares are formed below order 2, too
            largest = extent.sum() ** max(self.exponent, 2.0 if metric == "euclidean" else 1.0)
        if not largest < 2.0**1020:
            raise NonFiniteError(
                f"x, y: coordinates are up to {extent.max():.3g} apart, and such distances to the power "
                f"{exponent:g} overflow; divide both clouds by a common factor c first: the cost changes by "
                f"c ** {exponent:g}"
            )
        self._place(x, y, 0)

    def _place(self, x: Points, y: Points, shift: int, zoom: int | None = None) -> None:
        """Set points and powers of two: ``M = 2**shift d(x, y)**p = unit * d(2**zoom x, 2**zoom y)**p``."""
        extent = box_extents(x, y)[1]
        if zoom is None:
            zoom = zoom_exponent(float(extent.max()), self.exponent, shift)
        self.x, self.y, self.shift, self._zoom = x, y, shift, zoom
        self._x: Points = frozen(np.ldexp(x, zoom)) if zoom else x
        self._y: Points = frozen(np.ldexp(y, zoom)) if zoom else y
        self.shape = (x.shape[0], y.shape[0])
        self.traits = frozenset({"cloud", "finite", "metric"} if self.exponent == 1 else {"cloud", "finite"})
        unit = shift - round(zoom * self.exponent)
        code, power, e = ground_of(self.metric, self.exponent, x.shape[1])
        self._ground = (code, power, math.ldexp(1.0, unit))
        if unit:  # the factor scales what underflow lost, and may itself underflow
            e = Enclosure(e.ulps, math.ceil(Fraction(2) ** unit * e.underflows) + 1, e.floor, e.proved)
        self.enclosure = e

    def _like(self, x: Points, y: Points, shift: int, zoom: int | None = None) -> CloudCost:
        cost = object.__new__(CloudCost)
        cost.metric, cost.exponent, cost.order = self.metric, self.exponent, self.order
        cost._place(x, y, shift, zoom)
        return cost

    # -- entries -----------------------------------------------------------------------------------

    def rows(self, i0: int, i1: int) -> Matrix:
        return self._between(self._x[i0:i1], self._y_t)

    def at(self, i: Indices, j: Indices) -> Array:
        out = np.empty(np.size(i))
        pairs(self._ground, *self.zoomed, np.ascontiguousarray(i), np.ascontiguousarray(j), out)
        return out

    def at_upper(self, i: Indices, j: Indices) -> Array:
        same = (self.x[i] == self.y[j]).all(axis=1)
        return np.where(same, 0.0, super().at_upper(i, j))

    def from_points(self, z: Array) -> Matrix:
        z = as_points(z, "z")
        if z.shape[1] != self.x.shape[1]:
            raise ShapeError(f"z has points of dimension {z.shape[1]}; the cloud has dimension {self.x.shape[1]}")
        M = self._between(np.ldexp(z, self._zoom), self._y_t)
        require_finite(M, "distances from z")
        return M

    def bounds(self) -> tuple[float, float]:
        """The costs of the shortest and the longest way between the bounding boxes."""
        extents = np.stack(box_extents(self._x, self._y))
        lo, hi = self._of_differences(extents)
        return float(self.enclosure.lower(lo)), float(self.enclosure.upper(hi)) if extents[1].any() else 0.0

    def _of_differences(self, differences: Points) -> Array:
        """Computed costs of zoomed coordinate differences (k, d), the same floats as between points."""
        return self._between(np.zeros((1, differences.shape[1])), differences.T.copy()).ravel()

    def _between(self, x: Points, y_t: Array) -> Matrix:
        """Computed costs between zoomed points (k, d) and transposed ones (d, m)."""
        out = np.empty((x.shape[0], y_t.shape[1]))
        fill(self._ground, frozen(x), y_t, out)
        return out

    @cached_property
    def _x_t(self) -> Array:
        return self._x.T.copy()

    @cached_property
    def _y_t(self) -> Array:
        return self._y.T.copy()

    @property
    def zoomed(self) -> tuple[Points, Points]:
        """The points that entries are computed from: ``x, y`` times a power of two, frozen."""
        return frozen(self._x), frozen(self._y)

    @property
    def ground(self) -> tuple[int, float, float]:
        """(code, power, unit) of the entries between :attr:`zoomed` points, as ``_kernels/ground.py`` takes it."""
        return self._ground

    # -- structure ---------------------------------------------------------------------------------

    def restrict(self, i: Indices, j: Indices) -> CloudCost:
        return self._like(frozen(self.x[i]), frozen(self.y[j]), self.shift, self._zoom)

    def between(self, x: Points, y: Points) -> CloudCost:
        """The same ground cost, in the same units, between other points (k, d) and (l, d)."""
        return self._like(frozen(x), frozen(y), self.shift, self._zoom)

    def scaled(self, exponent: int) -> CloudCost:
        try:
            cost = self._like(self.x, self.y, self.shift + exponent)
            finite = cost.bounds()[1] < math.inf
        except OverflowError:  # 2 ** exponent itself, or the error that it multiplies
            finite = False
        if not finite:
            raise NonFiniteError(f"cost: times 2 ** {exponent} it overflows; scale it by less")
        return cost

    def common(self) -> tuple[Indices, Indices]:
        return matching_points(self.x, self.y) if self.exponent == 1 else super().common()

    def union(self) -> tuple[CloudCost, Indices, Indices]:
        z, place = np.unique(np.concatenate([self.x, self.y]), axis=0, return_inverse=True)
        place = place.reshape(-1).astype(np.int64)
        z = frozen(z)
        return self._like(z, z, self.shift, self._zoom), place[: self.shape[0]], place[self.shape[0] :]

    # -- passes ------------------------------------------------------------------------------------

    @cached_property
    def _kd_x(self) -> KdCloud:
        return boxed(self._x)

    @cached_property
    def _kd_y(self) -> KdCloud:
        return boxed(self._y)

    def ctransform(self, h: Potential, axis: int) -> Potential:
        h = np.array(h, dtype=np.float64)
        n, m = self.shape
        if self.x.shape[1] <= PRUNED_DIMENSIONS and n * m >= PRUNED_PAIRS:
            return self._pruned(h, axis)
        gathered, streamed = (self._x, self._y_t) if axis == 0 else (self._y, self._x_t)
        out = np.empty(streamed.shape[1])
        e = self.enclosure
        ctransform(self._ground, (e.shrink, e.eta), gathered, h, streamed, out)
        return out

    def _pruned(self, h: Potential, axis: int) -> Potential:
        """The c-transform by boxes: the same floats as brute force, a hundredth of the pairs."""
        gathered, streamed = (self._kd_x, self._kd_y) if axis == 0 else (self._kd_y, self._kd_x)
        h = h[gathered.order]
        leaves, supers = ((corners, boxes.highest(h, width)) for corners, width in gathered.boxes)
        e = self.enclosure
        # pow is accurate but not proved monotone: bounds by boxes then need the slack of two enclosures.
        b = e if e.proved else Enclosure(4 * e.ulps + 9, 4 * e.underflows)
        widths = (e.shrink, e.eta), (b.shrink, b.eta)
        out, minima = np.empty((2, streamed.order.size))
        boxes.pruned_ctransform(self._ground, *widths, gathered.points, h, leaves, supers, streamed.points_t, minima)
        out[streamed.order] = minima
        return out

    @cached_property
    def _streamed(self) -> Tiled:
        from otcore._kernels.sinkhorn import tiled

        n, m = self.shape
        rows, columns = np.arange(n), np.arange(m)
        if self.x.shape[1] <= PRUNED_DIMENSIONS and n * m >= PRUNED_PAIRS:
            rows, columns = self._kd_x.order, self._kd_y.order
        return Tiled(rows, columns, frozen(self._x[rows]), *tiled(self._y[columns]))

    def _given(self, kernel: Any, epsilon: float, faint: float, rows: slice = slice(None)) -> Any:
        """A kernel that knows the ground but its unit, points, tiles, what is faint and log2(e) / epsilon a unit."""
        code, power, unit = self._ground
        cut = math.log2(faint) if faint > 0 else -math.inf
        s = self._streamed
        return partial(kernel, (code, power, 1.0), s.points[rows], s.tiles, s.corners, cut, LOG2_E / epsilon * unit)

    def sinkhorn_pass(
        self, epsilon: float, f: Potential | None, g: Potential, a: Array, b: Array, omega: float = 1.0
    ) -> Sweep:
        from otcore._kernels.sinkhorn import FAINTEST, cloud_pass

        s = self._streamed
        faint = FAINTEST * float(min(a.min(), b.min()))

        def some(rows: slice) -> Kernel:
            kernel = self._given(cloud_pass, epsilon, faint, rows)
            return lambda _, *rest: float(kernel(*rest))

        def columns(j: Indices) -> Cost:
            return self.restrict(s.rows, s.columns[j])

        f, g = None if f is None else f[s.rows], g[s.columns]
        kernel = in_chunks(some, self.shape[0], s.width, self.pool)
        after = sweep(columns, kernel, s.width, epsilon, f, g, a[s.rows], b[s.columns], omega)
        return after._replace(f=put_back(s.rows, after.f), g=put_back(s.columns, after.g))

    def passing(self, dtype: str | None = None) -> Products | None:
        return Products(self) if suits(self) else None

    def plan_tail(self, epsilon: float, F: Array, G: Array, low_F: Array, low_G: Array, limit: int) -> Tail | None:
        from otcore._kernels.tail import cloud_tail

        s = self._streamed
        low_F, low_G = low_F[s.rows], padded(low_G[s.columns], s.width, 0.0)
        least = 2.0 ** float(min(low_F.min(), low_G.min()))
        G = padded(G[s.columns], s.width, -np.inf)
        kernel = partial(self._given(cloud_tail, epsilon, least), F[s.rows], G, low_F, low_G)
        tail = gathered(kernel, self.shape[0], s.width, limit)
        if tail is None:
            return None
        tail = tail._replace(cost=tail.cost * self._ground[2])
        return tail if s.in_order else s.in_users_order(tail)

    def rounding_pass(
        self, epsilon: float, row: Array, column: Array, a: Array, faint: float = 0.0
    ) -> tuple[Array, Array, Array]:
        from otcore._kernels.gibbs import cloud_rounding

        s = self._streamed
        held, (sums, costs) = np.empty(self.shape[0]), np.empty((2, s.width))
        F, G = row[s.rows] * LOG2_E, padded(column[s.columns] * LOG2_E, s.width, -np.inf)
        self._given(cloud_rounding, epsilon, faint)(F, G, a[s.rows], held, sums, costs)
        m = self.shape[1]
        return (
            put_back(s.rows, held),
            put_back(s.columns, sums[:m]),
            put_back(s.columns, costs[:m] * self._ground[2]),
        )

    def remainder_pass(
        self, epsilon: float, row: Array, column: Array, y: Array, beta: Array, faint: float = 0.0
    ) -> tuple[Array, Array]:
        from otcore._kernels.gibbs import cloud_remainder

        s = self._streamed
        held, price = np.empty((2, self.shape[0]))
        F, G = row[s.rows] * LOG2_E, padded(column[s.columns] * LOG2_E, s.width, -np.inf)
        y, beta = (padded(v[s.columns], s.width, 0.0) for v in (y, beta))
        self._given(cloud_remainder, epsilon, faint)(F, G, y, beta, held, price)
        return put_back(s.rows, held), put_back(s.rows, price * self._ground[2])


def as_points(value: Any, name: str) -> Points:
    """Finite coordinates (n, d), C-ordered, a read-only copy; (n,) is n points on the line."""
    points = as_array(value, name)
    if points.ndim == 1:
        points = points[:, None]
    if points.ndim != 2 or points.size == 0:
        raise ShapeError(f"{name} has shape {points.shape}; expected points (n, d), at least one of them")
    require_finite(points, name)
    return frozen(np.array(points, order="C"))


def box_extents(x: Points, y: Points) -> tuple[Array, Array]:
    """Least and largest |x_i - y_j| that the bounding boxes allow, per coordinate."""
    (low_x, high_x), (low_y, high_y) = corners(x), corners(y)
    with np.errstate(over="ignore"):
        least = np.maximum(np.maximum(low_x - high_y, low_y - high_x), 0.0)
        return least, np.maximum(high_x - low_y, high_y - low_x)


def corners(points: Points) -> tuple[Array, Array]:
    """Lowest and highest coordinates; NumPy goes slowly along the columns of a narrow array."""
    by_axis = points.T.copy() if points.shape[1] <= NARROW else points.T
    return by_axis.min(axis=1), by_axis.max(axis=1)


def zoom_exponent(extent: float, exponent: float, shift: int) -> int:
    """The power of two that brings a tiny cloud to about unit size; 0 where it is not needed.

    What it does to the cost, ``2 ** (zoom * exponent)``, must be a power of two that divides out as a float.
    """
    if extent >= 2.0**SMALL or extent == 0:
        return 0
    p = Fraction(exponent)
    allowed = max(0, math.floor((1022 + shift) / p))
    return min(-math.frexp(extent)[1], allowed) // p.denominator * p.denominator


def ground_of(metric: str, exponent: float, d: int) -> tuple[int, float, Enclosure]:
    """(code, power, enclosure) of ``base ** power`` as ``_kernels/ground.py`` computes it.

    The relative errors are those of docs/certificates.md, "Enclosures".  Besides, a square that underflows loses
    up to 2^-1074, and the root of such a sum up to sqrt(d) 2^-537.  Beside bases above ``2 ** least`` that is
    below 2^-87 sqrt(d) relatively, which the enclosure has to spare; below, a power dampens it by its slope there.
    """
    least = 0
    if metric == "cityblock" or d == 1:
        code, power, ulps, lost = ground.CITYBLOCK, exponent, Fraction(d), 0
    elif metric == "chebyshev":
        code, power, ulps, lost = ground.CHEBYSHEV, exponent, Fraction(1), 0
    elif exponent % 2 == 0 and exponent <= 2 * ground.MAX_PRODUCT:
        code, power, ulps, lost, least = ground.SQEUCLIDEAN, exponent / 2, Fraction(d + 2), d, -987
    else:
        code, power, ulps, lost, least = (
            ground.EUCLIDEAN,
            exponent,
            Fraction(d, 2) + 2,
            (math.isqrt(d) + 1) << 537,
            -450,
        )
    if power == 1:
        return code, power, Enclosure(math.ceil(ulps), lost, floor=0.0)
    proved = bool(ground.by_products(power))
    if proved:
        whole, half = int(power), power % 1 > 0
        ulps = whole * ulps + (ulps / 2 + 1) * half + (whole - 1 + half)
    else:
        ulps = Fraction(power) * ulps + POW_ULPS
    slope = 2 * math.ceil(power) * Fraction(2) ** math.ceil(least * (power - 1))  # twice: pays for roundings
    # The power itself underflows where it is formed: half a unit a product, 2 ulps in pow.
    return code, power, Enclosure(math.ceil(ulps), math.ceil(lost * slope + power + POW_ULPS), 0.0, proved)
