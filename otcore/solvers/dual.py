"""The dual linear program: for a metric one Lipschitz potential, constraints generated as they are violated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from numbers import Integral
from typing import Any, ClassVar, Literal, NamedTuple, TypeVar

import numpy as np

from otcore._types import Array, Indices, Potential
from otcore.costs import LineCost
from otcore.engines.entropic import coarse_epsilon, shares, sinkhorn
from otcore.errors import UnsupportedProblemError
from otcore.plans import SparsePlan
from otcore.problem import Problem
from otcore.solution import Candidate
from otcore.solvers._highs import LOADING, TOLERANCE, highs_options
from otcore.solvers._protocol import Budget

__all__ = ["SOLVER", "Dual", "DualReport"]

Item = TypeVar("Item")
NEAREST = 8  # constraints a point starts with
COARSE, ROUGH, STEPS = 0.01, 1e-3, 60  # epsilon as a share of the mean cost, marginal error, passes: they choose them
WORST = 10  # violated constraints a row or column adds in one round; 3 need twice the rounds
SCALE = 2.0**10  # of costs of about one, against HiGHS's absolute tolerances
SOLVERS = ("highs-ipm", "highs-ds", "highs")


class DualReport(NamedTuple):
    """HiGHS's message after the last round, rounds of constraint generation, constraints at the end, all there are."""

    message: str
    rounds: int
    constraints: int
    all_constraints: int


@dataclass(frozen=True)
class Dual:
    """Kantorovich-Rubinstein LP: max sum u (p - q), u_i - u_j <= d_ij; else the dual in f and g.  [Villani 2003, 1.2]

    Only violated constraints are generated: a c-transform finds the worst of each row; on a line those
    between neighbours suffice.  The LP's own multipliers are the plan.

    Parameters
    ----------
    solver : {"highs-ipm", "highs-ds", "highs"}
        Which HiGHS algorithm; interior points with crossover are three times faster here than the dual simplex.
    max_rounds : int >= 1
        Rounds of constraint generation allowed.
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    requires: ClassVar[tuple[str, ...]] = ()
    rtol: ClassVar[float] = 1e-9
    reduces: ClassVar[bool] = True
    solver: Literal["highs-ipm", "highs-ds", "highs"] = "highs-ipm"
    max_rounds: int = 100

    def __post_init__(self) -> None:
        self._require("solver", isinstance(self.solver, str) and self.solver in SOLVERS, f"one of {', '.join(SOLVERS)}")
        rounds = self.max_rounds
        self._require("max_rounds", isinstance(rounds, Integral) and int(rounds) >= 1, "a whole number >= 1")
        object.__setattr__(self, "max_rounds", int(rounds))  # numpy's, too

    def _require(self, name: str, holds: bool, expected: str) -> None:
        if not holds:
            raise UnsupportedProblemError(f"{name} is {getattr(self, name)!r}; expected {expected}")

    def candidates(self, problem: Problem, start: Candidate | None, budget: Budget) -> Iterator[Candidate]:
        """Potentials of the constraints so far, feasible only after lifting, and the plan on them.

        Those of the rough start alone if it takes all the time that there is; nothing where there is none.
        """
        n, m = problem.shape
        if budget.expired():
            return
        if {"line", "metric"} <= problem.cost.traits:
            candidate = _on_neighbours(problem, budget, self.solver)
            yield candidate
            if candidate.potentials is not None:
                yield Candidate(potentials=candidate.potentials, report=candidate.report)  # asked for more, see below
            return
        rough = _rough_potentials(problem, budget)
        arcs = _first_arcs(problem, *rough, budget)
        late = Candidate(potentials=rough)
        for rounds in range(1, self.max_rounds + 1):
            left = budget.remaining()
            if left is not None and left < LOADING * arcs.size:  # perhaps before all rows were looked at
                yield late
                return
            i, j = np.divmod(arcs, m)
            result = _solve_lp(problem, i, j, budget, self.solver)
            report = DualReport(result.message, rounds, arcs.size, n * m)
            if result.x is None:
                yield replace(late, report=report)
                return
            f, g = result.x[:n] / SCALE, result.x[n:] / SCALE
            if "metric" in problem.cost.traits:
                g = -g
            plan = SparsePlan(i, j, np.maximum(-result.ineqlin.marginals, 0.0) / min(n, m), problem.shape)
            yield Candidate(_support(plan), (f, g), report)
            new = np.setdiff1d(_violated(problem, f, g, budget), arcs, assume_unique=True)
            late = Candidate(report=report)
            if not new.size and not budget.expired():  # which may be why none was found
                yield Candidate(potentials=(f, g), report=report)  # more than HiGHS resolves is asked of the engine
                return
            arcs = np.concatenate([arcs, new])


def _solve_lp(problem: Problem, i: Indices, j: Indices, budget: Budget, solver: str) -> Any:
    """Maximise the dual over the constraints (i, j): one u for a metric (+1, -1), f and g otherwise (+1, +1)."""
    n, m = problem.shape
    sign = -1.0 if "metric" in problem.cost.traits else 1.0
    weights = np.concatenate([problem.a, sign * problem.b]) * min(n, m)
    return _highs(weights, i, n + j, sign, problem.cost.at(i, j) * SCALE, budget, solver)


def _highs(weights: Array, tail: Indices, head: Indices, sign: float, bound: Array, budget: Budget, solver: str) -> Any:
    """``max weights . u`` subject to ``u[tail] + sign u[head] <= bound``, by HiGHS."""
    from scipy.optimize import linprog
    from scipy.sparse import csr_array

    k = tail.size
    rows = np.tile(np.arange(k), 2)
    A = csr_array((np.repeat([1.0, sign], k), (rows, np.concatenate([tail, head]))), shape=(k, weights.size))
    options = highs_options(budget, solver)
    return linprog(-weights, A_ub=A, b_ub=bound, bounds=(None, None), method=solver, options=options)


def _first_arcs(problem: Problem, f: Potential, g: Potential, budget: Budget) -> Indices:
    """The nearly tight arcs of each row and column, and a north-west tree so that the LP is bounded; arc = i m + j.

    Tight for rough potentials.  From the cheapest arcs instead, 17 rounds are needed at n = 400 where this way
    needs a few.
    """
    from otcore.engines.exact import integer_masses, north_west

    m = problem.shape[1]
    masses = integer_masses(problem.a, problem.b)
    tree = north_west(masses.a, masses.b)
    chosen = [tree.i * m + tree.j]
    columns = _Smallest(NEAREST, m)
    for i0, i1, block in _in_time(problem.cost.blocks(), budget):
        slack = block - g - f[i0:i1, None]
        chosen.append(_row_smallest(slack, i0, NEAREST))
        columns.add(slack, i0)
    chosen.append(columns.arcs())
    arcs = np.unique(np.concatenate(chosen))
    return arcs[np.isfinite(problem.cost.at(*np.divmod(arcs, m)))]


def _rough_potentials(problem: Problem, budget: Budget) -> tuple[Potential, Potential]:
    """Some Sinkhorn steps at a coarse epsilon."""
    a, b, cost = shares(problem.a), shares(problem.b), problem.cost
    epsilon = COARSE * coarse_epsilon(cost, a, b)
    f, g = np.zeros(a.size), np.zeros(b.size)
    steps = sinkhorn(cost, a, b, epsilon, None, g, ROUGH, budget.expired)
    for rough in _in_time(islice(steps, STEPS), budget):
        if not (np.isfinite(rough.f).all() and np.isfinite(rough.g).all()):  # costs over thirty decades
            break
        f, g = rough.f, rough.g
        if rough.error <= ROUGH:
            break
    return f, g


def _in_time(items: Iterator[Item], budget: Budget) -> Iterator[Item]:
    """The next item is computed only while time is left."""
    while not budget.expired() and (item := next(items, None)) is not None:
        yield item


def _violated(problem: Problem, f: Potential, g: Potential, budget: Budget) -> Indices:
    """The worst violated constraints of each row and of each column that the time allows to see; arc = i m + j."""
    m = problem.shape[1]
    found = []
    columns = _Smallest(WORST, m)
    for i0, i1, block in _in_time(problem.cost.blocks(), budget):
        slack = block - g - f[i0:i1, None]
        found.append(_row_smallest(slack, i0, WORST, below=-TOLERANCE))
        columns.add(slack, i0)
    found.append(columns.arcs(below=-TOLERANCE))
    return np.unique(np.concatenate(found))


def _row_smallest(block: Array, i0: int, k: int, below: float = np.inf) -> Indices:
    """Arcs of the k smallest entries of each row of a block."""
    m = block.shape[1]
    near = np.argpartition(block, min(k, m) - 1, axis=1)[:, :k]
    arcs = (i0 + np.arange(len(block)))[:, None] * m + near
    return np.asarray(arcs[np.take_along_axis(block, near, 1) < below])


class _Smallest:
    """The k smallest entries of each column, over blocks of rows."""

    def __init__(self, k: int, m: int) -> None:
        self._k, self._m = k, m
        self._value, self._row = np.empty((0, m)), np.empty((0, m), np.int64)

    def add(self, block: Array, i0: int) -> None:
        value = np.concatenate([self._value, block])
        row = np.concatenate([self._row, np.broadcast_to(i0 + np.arange(len(block))[:, None], block.shape)])
        if len(value) > self._k:
            keep = np.argpartition(value, self._k - 1, axis=0)[: self._k]
            value, row = np.take_along_axis(value, keep, 0), np.take_along_axis(row, keep, 0)
        self._value, self._row = value, row

    def arcs(self, below: float = np.inf) -> Indices:
        return np.asarray((self._row * self._m + np.arange(self._m))[self._value < below])


def _support(plan: SparsePlan) -> SparsePlan:
    keep = plan.mass > 0
    return SparsePlan(plan.i[keep], plan.j[keep], plan.mass[keep], plan.shape)


def _on_neighbours(problem: Problem, budget: Budget, solver: str) -> Candidate:
    """On a line ``|u_k+1 - u_k| <= gap`` between neighbours implies every other constraint."""
    from otcore.engines.exact import integer_masses, north_west

    cost = problem.cost
    assert isinstance(cost, LineCost)
    n, m = problem.shape
    z = np.concatenate([cost.x, cost.y])
    order = np.argsort(z, kind="stable")
    weights = np.concatenate([problem.a, -problem.b])[order] * min(n, m)
    k = np.arange(n + m - 1)
    gaps = np.diff(z[order]) * SCALE
    if budget.deadline is not None:
        solver = "highs-ds"  # presolve leaves nothing to either, but a limit that it has used up stops this one
    tail, head = np.concatenate([k, k + 1]), np.concatenate([k + 1, k])
    result = _highs(weights, tail, head, -1.0, np.concatenate([gaps, gaps]), budget, solver)
    report = DualReport(result.message, 1, 2 * k.size, n * m)
    if result.x is None:
        return Candidate(report=report)
    u = np.empty(n + m)
    u[order] = result.x / SCALE
    # The multipliers are the flows across the gaps, which the monotone plan realises.
    x_order, y_order = np.argsort(cost.x, kind="stable"), np.argsort(cost.y, kind="stable")
    masses = integer_masses(problem.a[x_order], problem.b[y_order])
    tree = north_west(masses.a, masses.b)
    mass = np.zeros(tree.i.size)
    return Candidate(SparsePlan(x_order[tree.i], y_order[tree.j], mass, problem.shape), (u[:n], -u[n:]), report)


SOLVER = Dual
