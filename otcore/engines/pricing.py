"""Which arcs the simplex works on: the cheapest to start with, then those that violate their constraint."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple, Protocol, TypeGuard

import numpy as np

from otcore._kernels import arcs, boxes, nearest, simplex
from otcore._kernels.arcs import WORST
from otcore._kernels.cells import LEAF, SUPER
from otcore._types import Array, Indices, Points, Potential, Unsigned
from otcore.costs import CloudCost
from otcore.costs._products import Products, suits
from otcore.engines.basis import Entries

__all__ = ["WORST", "Arcs", "Boxed", "Pricing", "Streamed", "given", "late", "most_of", "pricing_of", "prunable"]

NEAREST = 8  # neighbours of a point of a cloud in few dimensions to start from: 15 make no difference, 25 are slower;
NEAR = 4  # under a distance, whose optimum uses longer arcs that no neighbourhood has, 8 are slower, too
SHARED = 8  # a row may add more than WORST where fewer than one row in so many has any: a heavy row needs hundreds,
KEPT = 1 << 19  # as long as all rows, or columns where these ask, do not keep more than that together
ASKING = 1 << 13  # points that are priced together: their lists would take more memory than all arcs
ROUGH = 2.0**-36  # of the potentials: violations below it are not worth a product's error
DIMENSIONS = 3  # beyond, boxes rule out too few pairs


class Arcs(NamedTuple):
    """Candidate arcs (i, j) with their costs, row by row."""

    i: Indices
    j: Indices
    cost: Array

    def nodes(self, n: int) -> tuple[Unsigned, Unsigned]:
        """Their tails and heads, the n rows before the columns."""
        return self.i.astype(simplex.NODE), (n + self.j).astype(simplex.NODE)

    def by_row(self) -> Arcs:
        """The same arcs in the order of their rows."""
        if (self.i[1:] >= self.i[:-1]).all():
            return self
        order = np.argsort(self.i, kind="stable")
        return Arcs(self.i[order], self.j[order], self.cost[order])

    def union(self, other: Arcs, cost: Entries) -> Arcs:
        """The arcs of both, row by row, each once."""
        m = cost.shape[1]
        i, j = _pairs(np.append(self.i * m + self.j, other.i * m + other.j), m)
        return Arcs(i, j, cost.at(i, j))

    def extend(self, other: Arcs) -> Arcs:
        i, j, cost = (np.concatenate(pair) for pair in zip(self, other, strict=True))
        return Arcs(i, j, cost)


class Pricing(Protocol):
    """How a cost is searched for arcs."""

    @property
    def certain(self) -> bool:
        """Whether none is violated where the last call found none; if not, another call will be."""
        ...

    def cheapest(self, potentials: tuple[Potential, Potential] | None, deadline: float | None) -> tuple[Arcs, Array]:
        """Some arcs of least reduced cost of every row and column, row by row, and these reduced costs."""
        ...

    def violated(self, f: Potential, g: Potential, most: int, deadline: float | None) -> tuple[Arcs, bool]:
        """The ``most`` worst violated arcs of each row, and whether the deadline came before all were priced."""
        ...


def pricing_of(cost: Entries) -> Pricing:
    """By boxes where they are tight, by products where these are faster, else over all entries."""
    if isinstance(cost, CloudCost) and suits(cost):
        return Proposed(cost)
    return Boxed(cost) if prunable(cost) else Streamed(cost)


def prunable(cost: Entries) -> TypeGuard[CloudCost]:
    """Whether boxes around points rule out most arcs: clouds in few dimensions."""
    return isinstance(cost, CloudCost) and cost.x.shape[1] <= DIMENSIONS


def late(deadline: float | None) -> bool:
    return deadline is not None and time.monotonic() > deadline


def given(
    cost: Entries, pairs: tuple[Indices, Indices], potentials: tuple[Potential, Potential] | None
) -> tuple[Arcs, Array]:
    """The finite ones of the given arcs, row by row, and their reduced costs."""
    order = np.argsort(pairs[0], kind="stable")
    i, j = pairs[0][order], pairs[1][order]
    c = cost.at(i, j)
    finite = np.isfinite(c)
    i, j, c = i[finite], j[finite], c[finite]
    if potentials is None:
        f, g = np.full(cost.shape[0], np.inf), np.full(cost.shape[1], np.inf)
        np.minimum.at(g, j, c)
        np.minimum.at(f, i, c - g[j])
    else:
        f, g = potentials
    return Arcs(i, j, c), c - f[i] - g[j]


def _pairs(keys: Indices, m: int) -> tuple[Indices, Indices]:
    """The distinct pairs (i, j) of the keys ``i m + j``, which it sorts; np.unique would hash, at twice the time."""
    keys.sort()
    new = np.ones(keys.size, np.bool_)
    np.not_equal(keys[1:], keys[:-1], out=new[1:])
    return np.divmod(keys[new], m)


def most_of(worst: Arcs, n: int, m: int) -> int:
    """How many violated arcs a row may add in the next round, after what this round found among n rows, m columns."""
    rows = int(np.count_nonzero(np.bincount(worst.i)))
    return max(WORST, min(WORST * n // (SHARED * rows), KEPT // max(n, m))) if rows else WORST


def tolerance(f: Potential, g: Potential) -> float:
    """What a computed reduced cost must be below to say anything."""
    return simplex.ROUNDING * max(float(np.abs(f).max()), float(np.abs(g).max()))


@dataclass(frozen=True, eq=False)
class Streamed:
    """Every entry is looked at, block by block: any cost."""

    cost: Entries
    certain: ClassVar[bool] = True

    def cheapest(self, potentials: tuple[Potential, Potential] | None, deadline: float | None) -> tuple[Arcs, Array]:
        cost, (n, m) = self.cost, self.cost.shape
        g = self.column_minima() if potentials is None else potentials[1]
        f, row_top, column_top = np.empty(n), np.full(n, -np.inf), np.empty(m)
        lanes = np.full((arcs.LANES, m), np.inf)
        for i0, _, block in cost.blocks():
            arcs.tops(block, i0, g, arcs.CHEAPEST, f, row_top, lanes)
            if late(deadline):
                break
        arcs.column_tops(lanes, arcs.CHEAPEST, column_top)
        count, used = np.zeros(m, np.int64), 0
        i, j = np.empty((2, (n + m) * arcs.MOST), np.int64)
        for i0, _, block in cost.blocks():
            used = arcs.low(block, i0, g, f, row_top, column_top, arcs.MOST, count, i, j, used)
            if late(deadline):
                break
        i, j = i[:used].copy(), j[:used].copy()
        f, c = f if potentials is None else potentials[0], cost.at(i, j)
        return Arcs(i, j, c), c - f[i] - g[j]

    def column_minima(self) -> Potential:
        g: Potential = np.full(self.cost.shape[1], np.inf)
        for _, _, block in self.cost.blocks():
            np.minimum(g, block.min(axis=0), out=g)
        return np.where(g < np.inf, g, 0.0)

    def violated(
        self, f: Potential, g: Potential, most: int, deadline: float | None, margin: float = 0.0
    ) -> tuple[Arcs, bool]:
        n, m = self.cost.shape
        least = tolerance(f, g) + margin
        keep = min(m, most * -(-m // n))
        worst_r, worst_j = np.full((n, keep), -least), np.full((n, keep), -1)
        stopped = False
        for i0, i1, block in self.cost.blocks():
            arcs.violations(block, i0, f, g, least, worst_r, worst_j)
            stopped = i1 < n and late(deadline)
            if stopped:
                break
        i, k = np.nonzero(worst_j >= 0)
        j = worst_j[i, k]
        return Arcs(i, j, self.cost.at(i, j)), stopped


@dataclass(eq=False)
class Proposed:
    """Products propose arcs, differences of coordinates decide: Euclidean clouds in many dimensions.

    Where products propose nothing, that is not certain; if it is asked again, differences look at every entry.
    """

    cost: CloudCost
    certain: bool = False
    _in_doubt: bool = False

    @cached_property
    def rough(self) -> Streamed:
        return Streamed(Products(self.cost))

    def cheapest(self, potentials: tuple[Potential, Potential] | None, deadline: float | None) -> tuple[Arcs, Array]:
        return self.rough.cheapest(potentials, deadline)

    def violated(self, f: Potential, g: Potential, most: int, deadline: float | None) -> tuple[Arcs, bool]:
        self.certain = self._in_doubt
        if self._in_doubt:
            self._in_doubt = False
            return Streamed(self.cost).violated(f, g, most, deadline)
        margin = ROUGH * float(np.abs(f).max() + np.abs(g).max())
        found, stopped = self.rough.violated(f, g, most, deadline, margin)
        true = found.cost - f[found.i] - g[found.j] < -tolerance(f, g)
        self._in_doubt = not (stopped or true.any())
        return Arcs(found.i[true], found.j[true], found.cost[true]), stopped


class Boxes(NamedTuple):
    """Points in kd order with the boxes around each 32 and each 1024 of them."""

    points: Points
    points_t: Array
    leaves: Array
    supers: Array

    @classmethod
    def of(cls, points: Points) -> Boxes:
        points_t = points.T.copy()
        return cls(points, points_t, boxes.corners(points_t, LEAF), boxes.corners(points_t, SUPER))

    def nearest(self, cost: CloudCost, h: Potential, to: Array, below: Potential, k: int) -> tuple[Array, Indices]:
        """The ``k`` points of least ``M - h`` for each column of ``to`` (d, m), (m, k) each; -1 if not ``below``."""
        value, label = np.empty((below.size, k)), np.empty((below.size, k), np.int64)
        value[:], label[:] = below[:, None], -1
        leaves, supers = self.leaves, self.supers
        tops = boxes.highest(h, LEAF), boxes.highest(h, SUPER)
        nearest.nearest(cost.ground, self.points, h, (leaves, tops[0]), (supers, tops[1]), to, value, label)
        return value, label

    def below(self, cost: CloudCost, h: Potential, to: Array, below: Potential, k: int) -> tuple[Indices, Indices]:
        """The columns of ``to`` with points of ``M - h < below``, and these points, at most ``k`` a column."""
        found, some = [], max(ASKING, below.size // 8)
        for j in range(0, below.size, some):
            part = slice(j, j + some)
            _, label = self.nearest(cost, h, to[:, part].copy(), below[part], k)
            some_rows = np.flatnonzero(label[:, 0] >= 0)  # few: to look at all places takes longer
            column, place = np.nonzero(label[some_rows] >= 0)
            column = some_rows[column]
            found.append((column + j, label[column, place]))
        column, point = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return column, point


@dataclass(frozen=True, eq=False)
class Boxed:
    """Boxes rule out most pairs: clouds in few dimensions, both sides in kd order (in any other, only slower)."""

    cost: CloudCost
    certain: ClassVar[bool] = True

    @cached_property
    def x(self) -> Boxes:
        return Boxes.of(self.cost.zoomed[0])

    @cached_property
    def y(self) -> Boxes:
        return Boxes.of(self.cost.zoomed[1])

    def cheapest(self, potentials: tuple[Potential, Potential] | None, deadline: float | None) -> tuple[Arcs, Array]:
        f, g = (None, np.zeros(self.cost.shape[1])) if potentials is None else potentials
        near, f = self.nearby(g, f)
        return near, near.cost - f[near.i] - g[near.j]

    def nearby(self, g: Potential, f: Potential | None = None, hurry: bool = False) -> tuple[Arcs, Potential]:
        """The arcs of least ``M - g`` of each row and of least ``M - f`` of each column, and ``f``.

        Unless it is given, ``f`` is the c-transform of ``g``; in a ``hurry`` there is no more than that.
        """
        n, m = self.cost.shape
        # Given potentials have ties: the arcs of the tree that they come from.
        some = NEAR if self.cost.exponent == 1.0 and f is None else NEAREST
        few = 1 if hurry else min(some, m)
        least, row_j = self.y.nearest(self.cost, g, self.x.points_t, np.full(n, np.inf), few)
        f = least[:, 0].copy() if f is None else f
        if hurry:
            return Arcs(np.arange(n), row_j[:, 0], least[:, 0] + g[row_j[:, 0]]), f
        del least  # a million points have many neighbours
        _, column_i = self.x.nearest(self.cost, f, self.y.points_t, np.full(m, np.inf), min(some, n))
        row_j += m * np.arange(n)[:, None]
        column_i *= m
        column_i += np.arange(m)[:, None]
        i, j = _pairs(np.append(row_j, column_i), m)
        return Arcs(i, j, self.cost.at(i, j)), f

    def violated(self, f: Potential, g: Potential, most: int, deadline: float | None) -> tuple[Arcs, bool]:
        n, m = self.cost.shape
        least = tolerance(f, g)
        if n >= m:
            i, j = self.y.below(self.cost, g, self.x.points_t, f - least, min(most, m))
        else:  # the side of more points asks, so that each may ask for few
            j, i = self.x.below(self.cost, f, self.y.points_t, g - least, min(most, n))
        return Arcs(i, j, self.cost.at(i, j)), False
