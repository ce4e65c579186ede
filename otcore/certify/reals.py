"""Exact arithmetic for the second opinion: floats as integers over a power of two, costs as real numbers.

Only NumPy and Python integers; nothing here is shared with the code that makes certificates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import reduce
from operator import add, mul, sub
from typing import Any

import numpy as np

from otcore._types import Array, Indices, Matrix
from otcore.costs import CloudCost, Cost, LineCost, MatrixMetricCost

__all__ = ["Given", "Power", "denominator", "dot", "integers", "real_cost", "root_up", "steps", "total", "two_sum"]

BLOCK = 1 << 18  # pairs per NumPy block: 2 MB of doubles
FAR = 2.0**-40  # relative distance from equality beyond which NumPy's sqrt and pow are trusted to compare
TINY, HUGE = 2.0**-900, 2.0**900  # outside, squares under- or overflow and floats decide nothing
GUARD = 110  # bits of a real root that are kept beyond its integer part


# -- exact arithmetic -------------------------------------------------------------------------------------


def denominator(*arrays: Array) -> int:
    """The least power of 16 that makes every entry an integer (16: its square and fourth root are powers of two)."""
    exponents = [np.frexp(v[np.isfinite(v) & (v != 0)])[1].min(initial=2000) for v in arrays]
    bits = max(0, 53 - int(min(exponents)))
    return 1 << (bits + -bits % 4)


def integers(values: Array, denominator: int) -> list[int]:
    """Finite floats as integers over ``denominator``, exactly."""
    ratios = map(float.as_integer_ratio, np.asarray(values, dtype=np.float64).ravel().tolist())
    return [numerator * (denominator // power) for numerator, power in ratios]


def dot(x: Array, y: Array) -> Fraction:
    """``sum x_k y_k`` without rounding."""
    dx, dy = denominator(x), denominator(y)
    return Fraction(sum(map(mul, integers(x, dx), integers(y, dy))), dx * dy)


def total(x: Array) -> Fraction:
    d = denominator(x)
    return Fraction(sum(integers(x, d)), d)


def root_up(x: int, v: int) -> int:
    """The least integer r with ``r ** v >= x``, for v = 1, 2, 4."""
    r = x
    for _ in range(v.bit_length() - 1):
        r = math.isqrt(r)
    return r if r**v == x else r + 1


def two_sum(x: Array, y: Array) -> tuple[Array, Array]:
    """``x + y = s + e`` exactly.  [Knuth TAOCP 2, 4.2.2, Theorem B]."""
    s = x + y
    t = s - x
    return s, (x - (s - t)) + (y - t)


# -- the cost as real numbers -------------------------------------------------------------------------------


class Given:
    """The floats are the cost; for a kind of cost that is not known here, its own enclosure is taken on trust."""

    def __init__(self, cost: Cost) -> None:
        self.cost, self.shape = cost, cost.shape
        self.basis = "the given floats" if cost.enclosure.exact else "the enclosure that the cost itself declares"

    def lower_block(self, i0: int, i1: int) -> Matrix:
        """Lower bounds of the rows i0 to i1; here they are attained."""
        return self.cost.enclosure.lower(self.cost.rows(i0, i1))

    def float_block(self, i0: int, i1: int) -> Matrix:
        """M in floats, for estimates."""
        return self.cost.rows(i0, i1)

    def dominates(self, i: int, j: int, t: int, denominator: int) -> bool:
        """Whether ``t / denominator <= M_ij``."""
        M = float(self.cost.enclosure.lower(self.cost.at(np.array([i]), np.array([j])))[0])
        return math.isinf(M) or t <= Fraction(M) * denominator

    def forbidden(self, i: Indices, j: Indices) -> Any:
        """Where the arcs (i, j) do not exist."""
        return np.isposinf(self.cost.at(i, j))

    def weigh(self, P: list[int], i: Indices, j: Indices) -> Fraction:
        """``sum_k P_k M[i_k, j_k]``, or a little more."""
        M = self.cost.enclosure.upper(self.cost.at(i, j))
        d = denominator(M)
        return Fraction(sum(map(mul, P, integers(M, d))), d)

    def maximum(self) -> Fraction:
        """Not less than any finite entry."""
        blocks = (self.cost.enclosure.upper(self.cost.rows(i0, i1)) for i0, i1 in steps(self.shape))
        return Fraction(max(float(M.max(where=np.isfinite(M), initial=-np.finfo(float).max)) for M in blocks))


class Power:
    """``M_ij = (q_ij / Q) ** (u / v) * 2 ** shift`` with integers q_ij: a power of a distance, as a real number.

    q is the squared euclidean distance, or the distance itself where that is rational; ``base_block`` gives
    ``q / Q * 2 ** -zoom`` in floats, zoomed so that no square overflows.
    """

    def __init__(
        self,
        cost: Any,
        q: Callable[[int, int], int],
        Q: int,
        q_max: int,
        base_block: Callable[[int, int], Matrix],
        zoom: int,
        exponent: Fraction,
    ) -> None:
        self.cost, self.shape, self.q, self.Q, self.q_max = cost, cost.shape, q, Q, q_max
        self.base_block, self.exponent = base_block, exponent
        self.u, self.v = exponent.as_integer_ratio()
        shift = getattr(cost, "shift", 0)
        self.scale, self.log_scale = Fraction(2) ** shift, zoom * float(exponent) + shift
        self.algebraic = self.v <= 4 and self.u <= 64  # beyond, powers of integers are dearer than logarithms
        if self.algebraic:
            self.basis = "real distances, decided by powers of integers"
            # t / D <= 2^shift (q / Q)^(u/v)   iff   t <= 0 or t^v left <= q^u (right D)^v
            self.left, self.right = Q**self.u * self.scale.denominator**self.v, self.scale.numerator
            # Q is a power of 16, so its roots are integers: M = root(q^u 2^(v GUARD)) * unit
            self.unit = self.scale / (root_up(Q**self.u, self.v) << GUARD)
        else:
            self.basis = f"real distances to the power {float(exponent):g}, by logarithms to 60 digits"
            self.unit = Fraction(1, 1 << 1200)  # finer than the smallest double

    def lower_block(self, i0: int, i1: int) -> Matrix:
        q, M = self.base_block(i0, i1), self.float_block(i0, i1)
        sound = (q > TINY) & (M > TINY) & ((M < HUGE) | np.isposinf(q))
        return np.where(sound, M * (1 - FAR), 0.0)

    def float_block(self, i0: int, i1: int) -> Matrix:
        q = self.base_block(i0, i1)
        with np.errstate(over="ignore", under="ignore"):
            M = np.sqrt(q) if self.exponent == Fraction(1, 2) else q ** float(self.exponent)
            whole = math.floor(self.log_scale)  # as a factor of its own it may be beyond the floats where M is not
            return np.asarray(np.ldexp(M * 2.0 ** (self.log_scale - whole), whole))

    def dominates(self, i: int, j: int, t: int, denominator: int) -> bool:
        if t <= 0 or self.forbidden(i, j):
            return True
        q = self.q(i, j)
        if self.algebraic:
            return bool(t**self.v * self.left <= q**self.u * (self.right * denominator) ** self.v)
        return t <= self._bracket(q)[0] * self.unit * denominator

    def forbidden(self, i: Any, j: Any) -> Any:
        return np.isposinf(self.cost.base[i, j]) if hasattr(self.cost, "base") else np.zeros(np.shape(i), dtype=bool)

    def weigh(self, P: list[int], i: Indices, j: Indices) -> Fraction:
        arcs = zip(P, i.tolist(), j.tolist(), strict=True)
        return sum(mass * self._upper(self.q(k, h)) for mass, k, h in arcs) * self.unit

    def maximum(self) -> Fraction:
        return self._upper(self.q_max) * self.unit

    def _upper(self, q: int) -> int:
        """M in units, rounded up: at most 2^-110 (by logarithms 10^-49) too much, relatively."""
        return root_up(q**self.u << (self.v * GUARD), self.v) if self.algebraic else self._bracket(q)[1]

    def _bracket(self, q: int) -> tuple[int, int]:
        """Integers l, h with ``l unit <= M <= h unit``.

        decimal's ln and exp are correctly rounded: of 60 digits all but the last few are right, 50 are used.
        """
        if q == 0:
            return 0, 0
        with localcontext(prec=60, Emax=10**9, Emin=-(10**9)):
            log = (Decimal(q) / Decimal(self.Q)).ln() * self.u / Decimal(self.v)
            M = Fraction(log.exp()) * self.scale / self.unit
        return math.floor(M * (1 - Fraction(1, 10**50))), math.ceil(M * (1 + Fraction(1, 10**50)))


def real_cost(cost: Any) -> Given | Power:
    """The certified cost in real numbers, read off coordinates or the matrix that was given."""
    if isinstance(cost, MatrixMetricCost) and cost.exponent != 1 and not cost.enclosure.exact:
        D = cost.base
        Q, finite = denominator(D), D[np.isfinite(D)]

        def entry(i: int, j: int) -> int:
            numerator, power = float(D[i, j]).as_integer_ratio()
            return numerator * (Q // power)

        largest = integers(finite.max(initial=0.0), Q)[0]
        return Power(cost, entry, Q, largest, lambda i0, i1: D[i0:i1], 0, Fraction(cost.exponent))
    if isinstance(cost, CloudCost | LineCost):
        return _real_distances(cost)
    return Given(cost)


def _base(metric: str, differences: Iterable[Any], larger: Callable[[Any, Any], Any] = max) -> Any:
    """The integer q from differences of coordinates, or the array of all of them."""
    if metric == "euclidean":
        return reduce(add, (t * t for t in differences))
    return reduce(add if metric == "cityblock" else larger, map(abs, differences))


def _real_distances(cost: CloudCost | LineCost) -> Power:
    x, y = (v.reshape(len(v), -1) for v in (cost.x, cost.y))
    metric = cost.metric if isinstance(cost, CloudCost) else "cityblock"  # on a line all are |x - y|
    half = Fraction(1, 2) if metric == "euclidean" else Fraction(1)  # q is squared, or not
    d = denominator(x, y)
    X, Y = ([tuple(integers(point, d)) for point in points] for points in (x, y))
    axes = zip(zip(*X, strict=True), zip(*Y, strict=True), strict=True)
    farthest = [max(max(p) - min(q), max(q) - min(p)) for p, q in axes]  # of the boxes around x and y
    zoom = math.frexp(max(np.abs(x).max(), np.abs(y).max()))[1]
    xs, ys = np.ldexp(x, -zoom), np.ldexp(y, -zoom)

    def block(i0: int, i1: int) -> Matrix:
        differences = (xs[i0:i1, None, k] - ys[None, :, k] for k in range(xs.shape[1]))
        return np.asarray(_base(metric, differences, np.maximum))

    def q(i: int, j: int) -> int:
        return int(_base(metric, map(sub, X[i], Y[j])))

    Q = d if half == 1 else d * d
    zoom = zoom if half == 1 else 2 * zoom
    return Power(cost, q, Q, _base(metric, farthest), block, zoom, Fraction(cost.exponent) * half)


def steps(shape: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Row ranges of about ``BLOCK`` pairs."""
    n, m = shape
    step = max(1, BLOCK // m)
    return ((i0, min(n, i0 + step)) for i0 in range(0, n, step))
