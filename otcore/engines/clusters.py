"""From coarse to fine on a stored matrix: rows that look alike become one row, columns one column.

Costs that come from points in few dimensions betray them: the entries of a few sampled columns place the rows, those
of a few rows the columns.  In kd order of these places cells are ranges, as in :mod:`otcore.engines.multiscale`; one
row and one column stand for each cell.  Whether that says anything about the costs is measured, not declared.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from otcore._kernels.cells import kd_order
from otcore._types import Array, Indices, Potential, Weights
from otcore.costs import DenseCost
from otcore.costs._cost import BLOCK
from otcore.engines.basis import integer_masses, softened, tightest
from otcore.engines.generation import State, generate
from otcore.engines.multiscale import COARSEST, Level, nested, refined
from otcore.engines.pricing import Arcs, Streamed

__all__ = ["Places", "places", "solve"]

FEWEST = 600  # rows and columns that have cells worth looking for
SAMPLED, AXES = 12, 3  # rows or columns looked at, and the principal axes of what they say that cells are cut along
TYPICAL = 4  # points in the cells that the test compares
PAIRS = 4000  # of entries
ALIKE = 0.2  # of the mean difference between any two costs: what that within cells may be; in space softening wins


@dataclass(frozen=True, eq=False)
class Places:
    """Permutations of the rows and the columns in which those next to each other look alike."""

    x: Indices
    y: Indices


def places(cost: DenseCost) -> Places | None:
    """Rows and columns in kd order, None where cells of them say little about the costs."""
    n, m = cost.shape
    if "finite" not in cost.traits or min(n, m) < FEWEST:
        return None
    M = cost.M
    found = Places(_ordered(M[:, _spread(m, SAMPLED)]), _ordered(M[_spread(n, SAMPLED)].T))
    rng = np.random.default_rng(0)
    i, j = rng.integers(n, size=PAIRS), rng.integers(m, size=PAIRS)
    here = M[found.x[i], found.y[j]]
    there = M[found.x[_middle(i, n)], found.y[_middle(j, m)]]
    alike = np.abs(here - there).mean() < ALIKE * np.abs(here - np.roll(here, 1)).mean()
    return found if alike else None


def _spread(n: int, k: int) -> Indices:
    """``k`` of n indices, evenly."""
    return np.arange(k) * n // k


def _middle(k: Indices, n: int) -> Indices:
    """The middle one of the cell of each index."""
    return np.minimum(k // TYPICAL * TYPICAL + TYPICAL // 2, n - 1)


def _ordered(looks: Array) -> Indices:
    """A kd order of the rows of ``looks`` along its principal axes."""
    looks = looks - looks.mean(axis=0)
    axes = np.linalg.eigh(looks.T @ looks)[1][:, : -AXES - 1 : -1]
    order: Indices = kd_order(np.ascontiguousarray((looks @ axes).T))
    return order


@dataclass(frozen=True, eq=False)
class Ordered:
    """A cost and its pricing with rows and columns in another order; the matrix stays where it is."""

    cost: DenseCost
    x: Indices
    y: Indices
    row: Indices  # where each row of the cost stands
    column: Indices
    certain: ClassVar[bool] = True

    @property
    def shape(self) -> tuple[int, int]:
        return self.cost.shape

    def at(self, i: Indices, j: Indices) -> Array:
        return self.cost.at(self.x[i], self.y[j])

    def blocks(self) -> Iterator[tuple[int, int, Array]]:
        for i0, i1, _ in self.cost.blocks():
            yield i0, i1, self.cost.M[self.x[i0:i1]][:, self.y]

    def cheapest(self, potentials: tuple[Potential, Potential] | None, deadline: float | None) -> tuple[Arcs, Array]:
        back = None if potentials is None else (potentials[0][self.row], potentials[1][self.column])
        arcs, reduced = Streamed(self.cost).cheapest(back, deadline)
        i, j, order = self.row[arcs.i], self.column[arcs.j], np.argsort(self.row[arcs.i], kind="stable")
        return Arcs(i[order], j[order], arcs.cost[order]), reduced[order]

    def violated(self, f: Potential, g: Potential, most: int, deadline: float | None) -> tuple[Arcs, bool]:
        arcs, stopped = Streamed(self.cost).violated(f[self.row], g[self.column], most, deadline)
        return Arcs(self.row[arcs.i], self.column[arcs.j], arcs.cost), stopped


def solve(cost: DenseCost, a: Weights, b: Weights, found: Places, deadline: float | None = None) -> Iterator[State]:
    """Solve a transportation problem level by level; ``a`` and ``b`` in the order of the cost.

    Yields
    ------
    State
        Of the whole problem, with rows and columns in the order ``found``, once the coarser levels are solved.
    """
    above: Level[Ordered] | None = None
    state: State | None = None
    for level in _levels(cost, a[found.x], b[found.y], found):
        if above is None or state is None:
            arcs, _ = level.cost.cheapest(None, deadline)
            f, g = softened(*arcs, level.masses.a.astype(np.float64), level.masses.b.astype(np.float64))
            basis = tightest(level.masses.a, level.masses.b, arcs.i, arcs.j, arcs.cost - f[arcs.i] - g[arcs.j])
        else:
            g = _extended(cost, found, above, level, state.f)
            arcs, _ = level.cost.cheapest((np.zeros(level.rows.size - 1), g), deadline)
            basis = refined(above, level, state.basis)
        for state in generate(level.cost, basis, arcs, level.masses, level.cost, deadline, ordered=True):
            if level.cost.cost is cost:
                yield state
        above = level


def _levels(cost: DenseCost, a: Weights, b: Weights, found: Places) -> list[Level[Ordered]]:
    """Problems of nested cells, the coarsest first, the whole last; one row and column stands for each cell."""
    masses = integer_masses(a, b)
    rows, columns = (nested(size) for size in cost.shape)
    levels = []
    for k in range(max(len(rows), len(columns))):
        row, column = rows[min(k, len(rows) - 1)], columns[min(k, len(columns) - 1)]
        cell_a, cell_b = np.add.reduceat(masses.a, row[:-1]), np.add.reduceat(masses.b, column[:-1])
        x, y = found.x[_stand_ins(row)], found.y[_stand_ins(column)]
        if k > 0:
            here = Ordered(
                DenseCost(cost.restrict(x, y).rows(0, x.size)), *(np.arange(part.size) for part in (x, y, x, y))
            )
        else:
            here = Ordered(cost, x, y, np.argsort(x), np.argsort(y))
        levels.append(Level(here, masses._replace(a=cell_a, b=cell_b), row, column))
        if row.size + column.size <= COARSEST:
            break
    return levels[::-1]


def _stand_ins(edges: Indices) -> Indices:
    """The place in the middle of each cell."""
    return np.asarray((edges[:-1] + edges[1:]) // 2)


def _extended(cost: DenseCost, found: Places, above: Level[Ordered], level: Level[Ordered], f: Potential) -> Potential:
    """Potentials of the columns of ``level`` by the c-transform of those of the rows above."""
    x, y = found.x[_stand_ins(above.rows)], found.y[_stand_ins(level.columns)]
    g: Potential = np.full(y.size, np.inf)
    step = max(1, BLOCK // y.size)
    for i0 in range(0, x.size, step):
        some = slice(i0, i0 + step)
        np.minimum(g, cost.restrict(x[some], y).ctransform(f[some], axis=0), out=g)
    return g
