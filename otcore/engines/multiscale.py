"""From coarse to fine: the optimal tree of a cloud of cells becomes the start tree of the cloud of their parts.

Points in kd order, cells are ranges.  A level moves the masses of its cells between their centres; its optimal
tree, cut to the parts of the cells, is a feasible spanning tree of the next level, and its potentials choose the
candidate arcs there.  At the last level the parts are the points: nothing is approximate.
[Merigot 2011; Schmitzer 2016]
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import numpy as np

from otcore._kernels import cells, simplex
from otcore._types import Indices, Points, Potential, Weights
from otcore.costs import CloudCost
from otcore.engines.basis import Basis, Entries, Masses, greedy, integer_masses
from otcore.engines.generation import State, generate
from otcore.engines.pricing import Boxed, Boxes, late

__all__ = ["COARSEST", "Level", "nested", "refined", "solve"]

FINEST = 2.5  # points in a cell of the finest cells; 4 leave 30 % more pivots to the last level, 1.5 gain nothing
HALVINGS = 2  # between levels: cells of four parts; with three halvings the last level pivots three times as often
COARSEST = 200  # cells of both sides together that need no coarser start


C = TypeVar("C", bound=Entries, covariant=True)


@dataclass(frozen=True, eq=False)
class Level(Generic[C]):
    """A problem between cells: what stands for them, their masses, and where each one's range of points begins."""

    cost: C
    masses: Masses
    rows: Indices  # (n_cells + 1,)
    columns: Indices


def solve(cost: CloudCost, a: Weights, b: Weights, deadline: float | None = None) -> Iterator[State]:
    """Solve a transportation problem between clouds in few dimensions, both in kd order.

    :func:`otcore.engines.exact.solve` puts them in order; in any other, cells are large and it takes longer.

    Yields
    ------
    State
        Of the whole problem, once the coarser levels are solved.
    """
    above: Level[CloudCost] | None = None
    state: State | None = None
    for level in levels(cost, integer_masses(a, b)):
        pricing = Boxed(level.cost)
        if above is None or state is None:
            arcs, reduced = pricing.cheapest(None, deadline)
            extended = None
            basis = greedy(level.masses.a, level.masses.b, arcs.i, arcs.j, reduced)
        else:
            g = _extended(above, level, state.f)
            arcs, f = pricing.nearby(g, hurry=late(deadline))
            extended = f, g
            basis = refined(above, level, state.basis)
        states = generate(level.cost, basis, arcs, level.masses, pricing, deadline, ordered=True)
        del arcs, basis  # the first of many: held here they would stay in memory to the end
        for state in states:
            if level.cost is cost:  # until the tree is optimal, the cells know better potentials
                yield state if state.optimal or extended is None else replace(state, f=extended[0], g=extended[1])
        above = level


def levels(cost: CloudCost, masses: Masses) -> list[Level[CloudCost]]:
    """Clouds of nested cells, the coarsest first, the points themselves last; both clouds in kd order."""
    rows, columns = (nested(size) for size in cost.shape)
    found = [Level(cost, masses, rows[0], columns[0])]
    for k in range(1, max(len(rows), len(columns))):
        if found[-1].rows.size + found[-1].columns.size <= COARSEST:
            break
        row, column = rows[min(k, len(rows) - 1)], columns[min(k, len(columns) - 1)]
        a, b = np.add.reduceat(masses.a, row[:-1]), np.add.reduceat(masses.b, column[:-1])
        centres = _centres(cost.x, masses.a, row), _centres(cost.y, masses.b, column)
        found.append(Level(cost.between(*centres), masses._replace(a=a, b=b), row, column))
    return found[::-1]


def nested(n: int) -> list[Indices]:
    """Edges of ranges of n points: each point alone, then the finest cells, then every other halving."""
    edges = [np.array([0, n])]
    while 2 * FINEST * (edges[-1].size - 1) <= n:
        edges.append(cells.halves(edges[-1]))
    return [np.arange(n + 1), *edges[::-HALVINGS]]


def _centres(points: Points, mass: Indices, edges: Indices) -> Points:
    """Centre of mass of the points of each range."""
    w = mass.astype(np.float64)[:, None]
    return np.asarray(np.add.reduceat(w * points, edges[:-1]) / np.add.reduceat(w, edges[:-1]))


def refined(above: Level[Entries], level: Level[Entries], basis: Basis) -> Basis:
    """The tree of the cells as a tree of their parts."""
    n, m = above.cost.shape
    order = np.lexsort((basis.j, basis.i))
    i, j = basis.i[order], basis.j[order]
    tree = simplex.hang(n, m, i, j, np.zeros(i.size))
    flow = simplex.arc_flow(n, tree, i, j, simplex.tree_flow(n, tree, above.masses.a, above.masses.b))
    parts = np.searchsorted(level.rows, above.rows), np.searchsorted(level.columns, above.columns)
    return Basis(*cells.refine(i, j, flow, *parts, level.masses.a, level.masses.b))


def _extended(above: Level[CloudCost], level: Level[CloudCost], f: Potential) -> Potential:
    """Potentials of the columns of ``level`` by the c-transform of those of the rows above."""
    x, y = Boxes.of(above.cost.zoomed[0]), level.cost.zoomed[1]
    g, _ = x.nearest(above.cost, f, y.T.copy(), np.full(y.shape[0], np.inf), 1)
    return g[:, 0]
