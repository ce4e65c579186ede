"""From coarse to fine: cells of points exchange their masses first, at a sixty-fourth of the entries.

Entropic potentials are smooth on the scale of epsilon.  While epsilon is large, a solve between cells finds them;
once it nears the spacing of the cells, the potentials of the points are what answers those of the cells.
[Schmitzer 2019, section 3.6]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from otcore._types import Array, Indices, Matrix, Points, Potential, Weights
from otcore.costs import CloudCost, Cost, DenseCost
from otcore.engines.entropic import sinkhorn

__all__ = ["Level", "coarse_start", "crowd", "levels"]

PARTS = 8  # points a cell
COARSEST = 1 << 19  # entries that need no coarser start
LANDMARKS = 8  # columns whose costs tell rows apart, and rows that tell columns
SAMPLE = 32  # rows that are asked how widely they spread their mass
FINE = 8.0  # cells that share a row's mass: with fewer epsilon nears their spacing, and it is the turn of their points
STEPS, TINY = 12, 1e-300  # of the power method: a rate a little low costs little
ROUGH, PASSES = 3e-2, 8  # marginal error of a level that only leads to the next, and passes it may take


@dataclass(frozen=True, eq=False)
class Level:
    """A transport problem, and what leads to it from the cells of the next coarser one.

    Attributes
    ----------
    cost, a, b : Cost (n, m), weights (n,) and (m,) of sum 1
    rows, columns : (n,) and (m,) the cell of each point
    to_cells : Cost (m, p) from the columns' points to the rows' cells; None on the coarsest level
    """

    cost: Cost
    a: Weights
    b: Weights
    rows: Indices | None = None
    columns: Indices | None = None
    to_cells: Cost | None = None

    def extended(self, above: Level, epsilon: float, f: Potential, g: Potential) -> tuple[Potential, Potential]:
        """Potentials of the points: columns answer the cells of the rows, rows take their cell's until they answer."""
        assert self.to_cells is not None and self.rows is not None and self.columns is not None
        return f[self.rows], self.to_cells.sinkhorn_pass(epsilon, g[self.columns], f, self.b, above.a).f


class Cells(NamedTuple):
    """The coarsest cells, and their potentials when it was the turn of a finer level."""

    level: Level
    epsilon: float
    f: Potential
    g: Potential

    def rate(self) -> float:
        """How fast plain passes converge here: the plan's second singular value, squared, by steps of the power method.

        That of ``P_ij / sqrt(a_i b_j)``, whose first vectors are ``sqrt(a)`` and ``sqrt(b)``, at 1.
        """
        left, right = np.sqrt(self.level.a), np.sqrt(self.level.b)
        x, rate = np.cos(np.arange(right.size) ** 2), 0.0  # not orthogonal to any vector that costs make
        with np.errstate(over="ignore", invalid="ignore"):
            exponents = (self.f[:, None] + self.g - self.level.cost.to_dense()) / self.epsilon
            P = np.exp(exponents) * (left[:, None] * right)
            for _ in range(STEPS):
                x -= right * (right @ x)
                x /= max(float(np.linalg.norm(x)), TINY)
                y = P @ x
                x = (y - left * (left @ y)) @ P
                rate = float(np.linalg.norm(x))
        return rate if rate < 1.0 else 0.0  # else potentials are still far off


def coarse_start(
    stack: list[Level], epsilons: np.ndarray, expired: Callable[[], bool]
) -> tuple[int, Potential | None, Potential, Cells | None]:
    """Which of the falling ``epsilons`` it is the points' own turn at, potentials to start from there, and the cells.

    ``stack`` is what :func:`levels` answers, finest first; f is None where there are no cells.
    """
    *finer, level = stack
    f, g, cells = None, np.zeros(level.b.size), None
    for k, epsilon in enumerate(epsilons):
        while finer:
            for iterate in sinkhorn(level.cost, level.a, level.b, epsilon, f, g, ROUGH, expired):
                if iterate.error <= ROUGH or iterate.passes >= PASSES or expired():
                    break
            f, g = iterate.f, iterate.g
            if k < len(epsilons) - 1 and not expired() and crowd(level, epsilon, f, g) > FINE:
                break
            if level is stack[-1]:
                cells = Cells(level, epsilon, f, g)
            above, level = level, finer.pop()
            f, g = level.extended(above, epsilon, f, g)
        if not finer:
            return k, f, g, cells
    raise AssertionError("the last epsilon leads to the points")


def levels(cost: Cost, a: Weights, b: Weights) -> list[Level]:
    """The problem and its coarser ones, finest first; alone where arcs are forbidden, since cells have no patterns."""
    found = [Level(cost, a, b)]
    while "finite" in cost.traits and np.prod(found[-1].cost.shape) > COARSEST and min(found[-1].cost.shape) > PARTS:
        found[-1:] = _coarsened(found[-1])
    return found


def crowd(level: Level, epsilon: float, f: Potential, g: Potential) -> float:
    """The number of columns that a typical row spreads its mass over: the median perplexity of some rows."""
    n, m = level.cost.shape
    some = np.linspace(0, n - 1, min(n, SAMPLE)).astype(np.int64)
    M = level.cost.restrict(some, np.arange(m)).to_dense()
    z = (g - M) / epsilon + np.log(level.b)
    z -= z.max(axis=1, keepdims=True)
    p = np.exp(z)
    total = p.sum(axis=1)
    entropy = np.log(total) - (p * z).sum(axis=1) / total
    return float(np.exp(np.median(entropy)))


def _coarsened(level: Level) -> tuple[Level, Level]:
    """The level with its way up, and the level above: mean costs of stored ones, centres of mass of clouds."""
    cost, a, b = level.cost, level.a, level.b
    rows, columns = _cells(cost)
    above_a, above_b = _sums(a, rows), _sums(b, columns)
    share = a / above_a[rows], b / above_b[columns]
    above: Cost
    to_cells: Cost
    if isinstance(cost, CloudCost):
        x, y = (
            np.stack([_sums(part * coordinate, cell) for coordinate in points.T], axis=1)
            for points, part, cell in ((cost.x, share[0], rows), (cost.y, share[1], columns))
        )
        above, to_cells = cost.between(x, y), cost.between(cost.y, x)
    else:
        by_rows = _averaged(cost.blocks(), rows, share[0], cost.shape[1]).T.copy()
        to_cells = DenseCost(by_rows)
        above = DenseCost(_averaged([(0, columns.size, by_rows)], columns, share[1], above_a.size).T)
    return Level(cost, a, b, rows, columns, to_cells), Level(above, above_a, above_b)


def _sums(v: Array, cell: Indices) -> Array:
    """Sums over cells."""
    return np.bincount(cell, v).astype(float)


def _averaged(blocks: Iterable[tuple[int, int, Matrix]], cell: Indices, share: Array, m: int) -> Matrix:
    """Mean rows (p, m) of the cells of a matrix that comes in blocks of rows."""
    from otcore._kernels.averages import add_rows

    out = np.zeros((cell.max() + 1, m))
    for i0, i1, block in blocks:
        add_rows(block, cell[i0:i1], share[i0:i1], out)
    return out


def _cells(cost: Cost) -> tuple[Indices, Indices]:
    """The cell of every row and of every column: neighbours in a kd order."""
    n, m = cost.shape
    if isinstance(cost, CloudCost):
        return _parts(cost.x), _parts(cost.y)
    i, j = (np.unique(np.linspace(0, size - 1, LANDMARKS).astype(np.int64)) for size in (n, m))
    return (
        _parts(cost.restrict(np.arange(n), j).to_dense()),
        _parts(cost.restrict(i, np.arange(m)).to_dense().T),
    )


def _parts(points: Points) -> Indices:
    """Cells of ``PARTS`` neighbours."""
    from otcore._kernels.cells import kd_order

    cell = np.empty(points.shape[0], np.int64)
    cell[kd_order(np.ascontiguousarray(points.T))] = np.arange(cell.size) // PARTS
    return cell
