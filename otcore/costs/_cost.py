"""What every cost answers: a few verbs, with streaming NumPy defaults over ``rows``.

A new cost needs ``shape``, ``rows`` and the four structural verbs; the defaults below are the oracle
that faster kernels are tested against.

Enclosures.  ``rows`` gives floats ``Mh``.  The certified cost ``M`` is a real matrix with
``M_lo <= M <= M_hi``, where ``M_lo = max(floor, Mh * shrink - eta)`` and ``M_hi = Mh * grow + eta``
(see docs/certificates.md for the proofs).  For a matrix of given floats all three are equal.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol, Self

import numpy as np

from otcore._types import Array, Indices, Matrix, Potential, Unsigned
from otcore.costs._grid import mcshane_on_grid

__all__ = ["BLOCK", "EXACT", "Cost", "Enclosure", "Sweep", "Tail", "round_down", "two_difference"]

BLOCK = 1 << 18  # entries per streamed block of rows: 2 MB, stays in the second-level cache
UNIT = 2.0**-53  # u, the unit roundoff


@dataclass(frozen=True)
class Enclosure:
    """Proved bounds ``max(floor, Mh*shrink - eta) <= M <= Mh*grow + eta`` on a computed cost ``Mh``.

    ``ulps`` is k, the proved relative error of ``Mh`` in units of 2^-53 (0: the floats are the cost).
    ``proved`` is False where k rests on the C library's ``pow`` being within 2 ulps.
    """

    ulps: int = 0
    underflows: int = 0
    floor: float = -np.inf
    proved: bool = True

    @property
    def exact(self) -> bool:
        return self.ulps == 0 and self.underflows == 0

    @property
    def shrink(self) -> float:
        """``1 - (k + 3) u``: a float, since floats below one are u apart."""
        return 1.0 if self.ulps == 0 else 1.0 - (self.ulps + 3) * UNIT

    @property
    def grow(self) -> float:
        """``1 + 2 ceil((k + 3) / 2) u``: floats above one are 2u apart."""
        return 1.0 if self.ulps == 0 else 1.0 + 2 * -(-(self.ulps + 3) // 2) * UNIT

    @property
    def eta(self) -> float:
        bits = max(0, self.underflows.bit_length() - 53)  # the number alone may be beyond the floats: rounded up
        return math.ldexp(-(-self.underflows >> bits), bits - 1074)

    def lower(self, computed: Array) -> Array:
        if self.exact:
            return computed
        return np.maximum(computed * self.shrink - self.eta, self.floor)

    def upper(self, computed: Array) -> Array:
        return computed if self.exact else computed * self.grow + self.eta


EXACT = Enclosure()


class Sweep(NamedTuple):
    """Potentials after one full Sinkhorn iteration, and how far marginals were and are off, in L1."""

    f: Potential
    g: Potential
    row_error: float  # of the rows before the iteration
    column_error: float  # of the columns after it: 0 unless they were over-relaxed


class Passing(Protocol):
    """Whoever makes passes over a cost."""

    @property
    def resolution(self) -> float:
        """Marginal error below which the rounding of the next pass shows; 0 for that of doubles."""

    def sinkhorn_pass(
        self, epsilon: float, f: Potential | None, g: Potential, a: Array, b: Array, omega: float = 1.0
    ) -> Sweep: ...


def two_difference(x: Array, y: Array) -> tuple[Array, Array]:
    """``x - y`` as an unrounded pair (s, e), s + e = x - y exactly.  [Knuth TAOCP 2, 4.2.2, Thm B]"""
    s = x - y
    t = s - x
    e = (x - (s - t)) - (y + t)
    return s, e


def round_down(s: Array, e: Array) -> Array:
    """The largest float known to be <= s + e: ``s`` itself where the error is not negative."""
    return np.where(e < 0, np.nextafter(s, -np.inf), s)


class Tail(NamedTuple):
    """Chosen entries of a cost matrix, row by row: row i has the columns ``j[start[i]:start[i + 1]]``."""

    start: Indices | Unsigned
    j: Indices | Unsigned
    cost: Array


class Cost(ABC):
    """A cost matrix M (n, m) that may never be stored.

    Attributes
    ----------
    shape : (n, m)
    traits : subset of {"metric", "line", "dense", "cloud", "grid", "finite"}
        Declared by the maker, never inferred from values.  ``metric``: M itself is a distance (order 1)
        on points that rows and columns share.  ``finite``: no forbidden arcs.
    order : float >= 1
        ``value ** (1 / order)`` is the distance.
    enclosure : Enclosure
        How far ``rows`` may be from the certified cost.
    """

    shape: tuple[int, int]
    traits: frozenset[str]
    order: float = 1.0
    enclosure: Enclosure = EXACT
    pool: Executor | None = None  # of threads for Sinkhorn passes; the bits of their results do not depend on it
    lazy_name: ClassVar[str] = "rows"
    resolution: ClassVar[float] = 0.0
    exponent_ulps: float = 4.0  # of its size, in units of u: how far passes over an entropic plan round an exponent

    # -- what a cost must answer -------------------------------------------------------------------

    @abstractmethod
    def rows(self, i0: int, i1: int) -> Matrix:
        """Computed costs ``Mh[i0:i1]``, (i1 - i0, m), C-ordered; read-only to the caller."""

    @abstractmethod
    def at(self, i: Indices, j: Indices) -> Array:
        """Computed costs ``Mh[i, j]`` of index pairs, (k,)."""

    @abstractmethod
    def restrict(self, i: Indices, j: Indices) -> Cost:
        """The cost on a subset of rows and columns (the sub-matrix M[i][:, j])."""

    def columns(self, j: Indices) -> Cost:
        """The cost on all rows and some columns."""
        return self.restrict(np.arange(self.shape[0]), j)

    @abstractmethod
    def scaled(self, exponent: int) -> Cost:
        """The cost times ``2 ** exponent`` (of the cost, not of coordinates)."""

    @abstractmethod
    def bounds(self) -> tuple[float, float]:
        """(lo, hi) with lo <= M_ij <= hi for every *finite* entry; cheap, need not be attained."""

    @contextmanager
    def threaded(self, threads: int) -> Iterator[Self]:
        """The same cost, with passes in so many threads as long as the context lasts."""
        if threads == 1:
            yield self
            return
        cost = copy(self)
        try:
            with ThreadPoolExecutor(threads) as cost.pool:
                yield cost
        finally:
            cost.pool = None  # plans keep the cost

    def common(self) -> tuple[Indices, Indices]:
        """Index pairs (i, j) whose row point and column point are the same point, each used once.

        Only a metric cost knows; others answer none.
        """
        none = np.empty(0, np.int64)
        return none, none

    def from_points(self, z: Array) -> Matrix:
        """Computed costs from new row points ``z`` (k, ...) to every column, (k, m)."""
        raise TypeError(f"{type(self).__name__} knows its entries, not the points behind them")

    def union(self) -> tuple[Cost, Indices, Indices] | None:
        """The cost on the union of row and column points, and where rows and columns stand in it.

        None where the points behind the entries are not known.
        """
        return None

    # -- streaming defaults: the oracle of every kernel ------------------------------------------------

    def blocks(self) -> Iterator[tuple[int, int, Matrix]]:
        """(i0, i1, rows) over all rows, about ``BLOCK`` entries at a time."""
        n, m = self.shape
        step = max(1, BLOCK // m)
        for i0 in range(0, n, step):
            i1 = min(n, i0 + step)
            yield i0, i1, self.rows(i0, i1)

    def at_upper(self, i: Indices, j: Indices) -> Array:
        """Proved upper bounds M_hi of the entries (i, j), (k,)."""
        return self.enclosure.upper(self.at(i, j))

    def to_dense(self) -> Matrix:
        """The computed matrix ``Mh`` (n, m), C-ordered, a new array."""
        out = np.empty(self.shape)
        for i0, i1, block in self.blocks():
            out[i0:i1] = block
        return out

    def ctransform(self, h: Potential, axis: int) -> Potential:
        """``min (M_lo - h)`` over ``axis``, rounded down only where the subtraction was inexact.

        Parameters
        ----------
        h : (n,) potential of the rows if ``axis == 0``, (m,) of the columns if ``axis == 1``
        axis : the axis that the minimum runs over

        Returns
        -------
        (m,) if ``axis == 0``, (n,) if ``axis == 1``: with ``h`` it is feasible in real arithmetic;
        ``inf`` where every arc is forbidden.  [docs/certificates.md, "Lower bound"]
        """
        n, m = self.shape
        out = np.full(m if axis == 0 else n, np.inf)
        for i0, i1, block in self.blocks():
            opposite = h[i0:i1, None] if axis == 0 else h[None, :]
            with np.errstate(invalid="ignore"):  # inf - inf inside the error term of a forbidden arc
                s, e = two_difference(self.enclosure.lower(block), opposite)
                down = np.where(np.isinf(s), s, round_down(s, e)).min(axis=axis)
            if axis == 0:
                np.minimum(out, down, out=out)
            else:
                out[i0:i1] = down
        return out

    def lifts(self, f: Potential) -> Iterator[tuple[Potential, Potential]]:
        """Feasible potentials, ``f_i + g_j <= M_ij`` in real arithmetic, from any ``f``; then better ones.

        Beside the c-transform of f, f itself is feasible; where it is not tight, a second c-transform raises it.
        """
        g = self._finite(self.ctransform(f, axis=0))
        yield f, g
        yield self._finite(self.ctransform(g, axis=1)), g

    def _finite(self, potential: Potential) -> Potential:
        """A row without arcs has no constraint: any finite number is feasible, 0 is as good as another."""
        return potential if "finite" in self.traits else np.where(potential == np.inf, 0.0, potential)

    def lift(self, f: Potential) -> tuple[Potential, Potential]:
        """The last of :meth:`lifts`: no row and no column is loose."""
        *_, pair = self.lifts(f)
        return pair

    def grid_lift(self, u_x: Potential, u_y: Potential) -> tuple[Potential, Potential] | None:
        """ONE function u on the union of both supports with ``f = u(x)``, ``g = -u(y)`` exactly, for a metric.

        Where rows and columns share points the common mass then cancels without any rounding.  Quadratic in
        the number of points; None where the union is unknown or too large.

        Parameters
        ----------
        u_x, u_y : (n,) and (m,) proposed values at row and column points, nearly 1-Lipschitz
        """
        return mcshane_on_grid(self, u_x, u_y)

    def softmin(self, epsilon: float, h: Potential, log_w: Array, axis: int) -> Potential:
        """Smoothed minimum of ``M - h``: the Sinkhorn step, and at ``epsilon = 0`` the c-transform.

        Parameters
        ----------
        epsilon : float >= 0, in units of the cost
        h : (m,) array if axis == 1, (n,) if axis == 0
            Potential of the opposite side, in units of the cost.
        log_w : array like ``h``; log-weights of the opposite side, ignored at ``epsilon = 0``.
        axis : the axis that the minimum runs over

        Returns
        -------
        (n,) or (m,) array: ``-epsilon log sum_j w_j exp((h_j - M_ij) / epsilon)``.  [Feydy 2020, eq. 3.186]
        """
        if epsilon == 0:
            return self.ctransform(h, axis)
        n, m = self.shape
        if axis == 1:
            out = np.empty(n)
            shift = h / epsilon + log_w
            for i0, i1, block in self.blocks():
                z = block * (-1.0 / epsilon)
                z += shift
                top = z.max(axis=1)
                np.exp(np.subtract(z, top[:, None], out=z), out=z)
                out[i0:i1] = -epsilon * (np.log(z.sum(axis=1)) + top)
            return out
        # Columns: a running maximum and a running sum rescaled to it, one pass.  [Milakov & Gimelshein 2018]
        top, total = np.full(m, -np.inf), np.zeros(m)
        shift = h / epsilon + log_w
        for i0, i1, block in self.blocks():
            z = block * (-1.0 / epsilon)
            z += shift[i0:i1, None]
            new_top = np.maximum(top, z.max(axis=0))
            safe = np.where(np.isfinite(new_top), new_top, 0.0)
            total *= np.exp(top - safe)
            np.exp(np.subtract(z, safe, out=z), out=z)
            total += z.sum(axis=0)
            top = new_top
        with np.errstate(divide="ignore"):
            return np.asarray(-epsilon * (np.log(total) + top))

    def sinkhorn_pass(
        self, epsilon: float, f: Potential | None, g: Potential, a: Array, b: Array, omega: float = 1.0
    ) -> Sweep:
        """One full Sinkhorn iteration: rows answer the columns, columns the new rows, over-relaxed by ``omega``.

        ``f += omega (softmin_j (M - g) - f)``, then ``g`` alike with the new f.  Kernels need ONE pass over the cost.

        Parameters
        ----------
        epsilon : float > 0, in units of the cost
        f, g : (n,) and (m,) potentials; f None is what answers g exactly
        a, b : (n,) and (m,) weights, positive, of sum 1

        Returns
        -------
        Sweep
        """
        log_a, log_b = np.log(a), np.log(b)
        answer = self.softmin(epsilon, g, log_b, axis=1)
        with np.errstate(over="ignore"):
            row_error = 2.0 if f is None else float(a @ np.abs(np.exp((f - answer) / epsilon) - 1.0))
        f = answer if f is None else f + omega * (answer - f)
        answer = self.softmin(epsilon, f, log_a, axis=0)
        g = g + omega * (answer - g)
        with np.errstate(over="ignore"):
            return Sweep(f, g, row_error, float(b @ np.abs(np.exp((g - answer) / epsilon) - 1.0)))

    def passing(self, dtype: str | None = None) -> Passing | None:
        """Cheaper passes for the many at one epsilon; they may take memory, or be a rounding off.  None without any.

        Where they keep a kernel, ``dtype`` is its precision: "float32", "float64", or one after the other.
        """
        return None

    def plan_tail(self, epsilon: float, F: Array, G: Array, low_F: Array, low_G: Array, limit: int) -> Tail | None:
        """The entries with ``F_i + G_j - log2(e) M_ij / epsilon`` above ``min(low_F_i, low_G_j)``.

        Exponents are in base 2.  None if more than about ``limit`` entries qualify.
        """
        columns, costs, counts, used = [], [], [np.zeros(1, np.int64)], 0
        for i0, i1, block in self.blocks():
            t = block * (-1.0 / (epsilon * np.log(2.0))) + (F[i0:i1, None] + G)
            kept = t > np.minimum(low_F[i0:i1, None], low_G)
            columns.append(np.nonzero(kept)[1])
            costs.append(block[kept])
            counts.append(kept.sum(axis=1))
            used += columns[-1].size
            if used > limit:
                return None
        return Tail(np.cumsum(np.concatenate(counts)), np.concatenate(columns), np.concatenate(costs))

    def rounding_pass(
        self, epsilon: float, row: Array, column: Array, a: Array, faint: float = 0.0
    ) -> tuple[Array, Array, Array]:
        """Row sums of ``K_ij = exp(row_i + column_j - M_ij / epsilon)``, and what columns hold of rows scaled to ``a``.

        Entries below ``faint`` may be left out of K, here and by :meth:`remainder_pass` the same ones.

        Returns
        -------
        held, sums, costs : (n,), (m,), (m,)
            ``K 1`` and, with ``x = min(1, a / K 1)``, ``K^T x`` and ``(K * M)^T x``; a forbidden arc carries and costs
            nothing.
        """
        held = np.empty(self.shape[0])
        sums, costs = np.zeros((2, self.shape[1]))
        for i0, i1, block in self.blocks():
            K = np.exp(block * (-1.0 / epsilon) + (row[i0:i1, None] + column))
            s = held[i0:i1] = K.sum(axis=1)
            x = np.minimum(1.0, np.divide(a[i0:i1], s, out=np.ones_like(s), where=s > 0))
            sums += x @ K
            K *= np.where(K > 0, block, 0.0)
            costs += x @ K
        return held, sums, costs

    def remainder_pass(
        self, epsilon: float, row: Array, column: Array, y: Array, beta: Array, faint: float = 0.0
    ) -> tuple[Array, Array]:
        """``K y`` and ``M beta``, (n,) each, for the K of :meth:`rounding_pass`: what rows hold, what filling costs."""
        held, price = np.empty((2, self.shape[0]))
        used = np.flatnonzero(beta)
        for i0, i1, block in self.blocks():
            held[i0:i1] = np.exp(block * (-1.0 / epsilon) + (row[i0:i1, None] + column)) @ y
            price[i0:i1] = block[:, used] @ beta[used]
        return held, price

    def rounding_scale(self, a: Array, b: Array) -> float:
        """Cost times mass whose ``eps`` multiple rounding alone can leave between the bounds.

        ``mass * spread + sum a |row minima| + sum b |column minima|``, the spread taken after row and column
        minima are out; here from ``bounds`` (named distances are nonnegative and their minima part of the value).
        """
        lo, hi = self.bounds()
        return float(a.sum() * (hi - lo))

    def bilinear(self, w: Array, h: Array) -> float:
        """``sum_ij w_i M_ij h_j`` in plain floats: an estimate, never part of a certificate."""
        return float(sum(w[i0:i1] @ (block @ h) for i0, i1, block in self.blocks()))
