"""Smaller and better scaled problems with the same answer, and the way back.

A solver sees a reduced problem: zero weights pruned, for metrics the mass that two measures share
cancelled, masses and costs scaled by powers of two, costs capped where no optimal plan can use them.
``Reduction.lift`` carries its candidates back; the certifier judges them against the original numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from otcore._types import Array, Indices, Matrix, Potential
from otcore.costs import DenseCost
from otcore.plans import GibbsPlan, SparsePlan
from otcore.problem import Problem
from otcore.solution import Candidate

__all__ = ["Centred", "Reduction", "centre", "reduce"]

NEAR_ONE = 4  # a top cost within 2^-4 .. 2^4 is scaled enough: a matrix is not copied for less,
NEAR_MASS = 1  # and a total mass within 2^-2 .. 2
FARTHEST = 1000  # powers of two that units are moved by at most: they must be floats, and so must their inverses
WIDE = 1e9  # a top cost this far above those that a plan cannot avoid may drown them: look for a cap
NONE, NOTHING = np.empty(0, np.int64), np.empty(0)
COARSE = 64.0  # the cap is found to within this factor: it only has to be out of the way


@dataclass(frozen=True, eq=False)
class Reduction:
    """A reduced problem and how to lift its candidates.

    Attributes
    ----------
    original : Problem
    problem : Problem or None
        None where nothing is left to move.
    i, j : kept rows and columns
    shared : SparsePlan
        Common mass, already where it must be.
    common : (i, j)
        Rows and columns that share a point, where mass was cancelled.
    rounding_scale : float
        Cost times mass that rounding errors are relative to, in the original units.
    """

    original: Problem
    problem: Problem | None
    i: Indices
    j: Indices
    shared: SparsePlan
    common: tuple[Indices, Indices]
    rounding_scale: float = 0.0

    def lift(self, candidate: Candidate) -> Candidate:
        """The candidate in the units and on the support of the original problem."""
        assert self.problem is not None
        unit, mass = self.problem.cost_unit / self.original.cost_unit, self.problem.mass_unit / self.original.mass_unit
        potentials, plan = candidate.potentials, candidate.plan
        whole = self.problem.shape == self.original.shape and not self.shared.nnz
        if whole and unit == mass == 1.0 and not isinstance(plan, GibbsPlan):
            return candidate
        if potentials is not None:
            optimal = getattr(candidate.report, "optimal", False)
            potentials = self._extend(potentials[0] * unit, potentials[1] * unit, optimal)
        if isinstance(plan, SparsePlan) and whole:
            plan = SparsePlan(plan.i, plan.j, plan.mass * mass, self.original.shape)
        elif isinstance(plan, SparsePlan):
            i, j = np.append(self.i[plan.i], self.shared.i), np.append(self.j[plan.j], self.shared.j)
            plan = SparsePlan(i, j, np.append(plan.mass * mass, self.shared.mass), self.original.shape)
        elif isinstance(plan, GibbsPlan):
            f, g = np.zeros(self.original.shape[0]), np.zeros(self.original.shape[1])
            f[self.i], g[self.j] = plan.f * unit, plan.g * unit
            epsilon = plan.epsilon * unit
            # In the user's units a subnormal epsilon has lost its digits, or is zero.
            normal = epsilon >= np.finfo(float).tiny
            plan = GibbsPlan(f, g, epsilon, self.original.a, self.original.b, self.original.cost) if normal else None
        return Candidate(plan, potentials, candidate.report)

    def _extend(self, f: Potential, g: Potential, optimal: bool) -> tuple[Potential, Potential]:
        """Potentials at pruned rows by c-transform, McShane's extension for a metric; at pruned columns 0.

        A certificate transforms f, and asks of g no more than to be finite.  The tree of an optimal plan makes every
        column tight, so -g is 1-Lipschitz: at the point of a column it is its own extension.
        """
        n, m = self.original.shape
        if f.size == n and g.size == m:
            return f, g
        full_f, full_g = np.zeros(n), np.zeros(m)
        full_f[self.i], full_g[self.j] = f, g
        if f.size < n:
            pruned = np.ones(n, np.bool_)
            pruned[self.i] = False
            if optimal:
                kept = np.zeros(m, np.bool_)
                kept[self.j] = True
                i, j = (nodes[pruned[self.common[0]] & kept[self.common[1]]] for nodes in self.common)
                full_f[i], pruned[i] = -full_g[j], False
            rows = np.flatnonzero(pruned)
            if rows.size:
                new = self.original.cost.restrict(rows, self.j).ctransform(g, axis=1)
                full_f[rows] = np.where(np.isposinf(new), 0.0, new)
        return full_f, full_g

    def restrict_start(self, start: Candidate | None) -> Candidate | None:
        """A user's start, in the reduced problem's terms: its potentials and the support of a sparse plan.

        An entropic plan keeps its own potentials, which those of its certificate have been lifted from.
        """
        if start is None or self.problem is None or (start.plan is None and start.potentials is None):
            return None
        potentials = plan = None
        given = (start.plan.f, start.plan.g) if isinstance(start.plan, GibbsPlan) else start.potentials
        if given is not None:
            unit = self.original.cost_unit / self.problem.cost_unit
            f, g = given
            potentials = f[self.i] * unit, g[self.j] * unit
        if isinstance(start.plan, SparsePlan):
            plan = self._restrict_plan(start.plan)
        return Candidate(plan, potentials)

    def _restrict_plan(self, plan: SparsePlan) -> SparsePlan:
        """The entries between kept rows and columns."""
        assert self.problem is not None
        row, column = np.full(self.original.shape[0], -1), np.full(self.original.shape[1], -1)
        row[self.i], column[self.j] = np.arange(self.i.size), np.arange(self.j.size)
        i, j = row[plan.i], column[plan.j]
        kept = (i >= 0) & (j >= 0)
        return SparsePlan(i[kept], j[kept], plan.mass[kept] / self.problem.mass_unit, self.problem.shape)


def reduce(problem: Problem, *, cancel: bool = True, cap: bool = True) -> Reduction:
    """Prune, cancel, cap and scale.

    Parameters
    ----------
    cancel : bool
        Cancel common mass where the cost is a metric: right for the transport cost, wrong for a
        regularised one.
    cap : bool
        Lower costs that no optimal plan uses; a regularised plan uses all of them.
    """
    a, b = problem.a, problem.b * (problem.a.sum() / problem.b.sum())  # the mismatch of the sums, spread proportionally
    common, shared = (NONE, NONE), SparsePlan(NONE, NONE, NOTHING, problem.shape)
    if cancel and "metric" in problem.cost.traits:
        a = a.copy()
        i, j = common = problem.cost.common()
        mass = np.minimum(a[i], b[j])
        a[i] -= mass
        b[j] -= mass
        moved = mass > 0
        shared = SparsePlan(i[moved], j[moved], mass[moved], problem.shape)
    rows, columns = np.flatnonzero(a), np.flatnonzero(b)
    if not rows.size or not columns.size:
        scale = problem.cost.rounding_scale(problem.a, problem.b)
        return Reduction(problem, None, rows, columns, shared, common, scale)
    a, b = a[rows], b[columns]
    pruned = rows.size < problem.shape[0] or columns.size < problem.shape[1]
    cost = problem.cost.restrict(rows, columns) if pruned else problem.cost
    rounding_scale = problem.cost.rounding_scale(problem.a, problem.b)
    if cap and isinstance(cost, DenseCost):
        capped = _capped(cost, a, b)
        if capped is not cost:  # a cost of 1e32 that no plan uses must not blow up the tolerance
            cost, rounding_scale = capped, min(rounding_scale, capped.rounding_scale(a, b))
    cost_exponent, mass_exponent = _to_one(max(map(abs, cost.bounds())), NEAR_ONE), _to_one(float(a.sum()), NEAR_MASS)
    if pruned or shared.nnz:
        b *= a.sum() / b.sum()
    if mass_exponent:
        a, b = np.ldexp(a, mass_exponent), np.ldexp(b, mass_exponent)
    smaller = Problem.trusted(
        a,
        b,
        cost.scaled(cost_exponent),
        cost_unit=problem.cost_unit * 2.0**-cost_exponent,
        mass_unit=problem.mass_unit * 2.0**-mass_exponent,
    )
    return Reduction(problem, smaller, rows, columns, shared, common, rounding_scale)


def _to_one(value: float, near: int) -> int:
    """The power of two that brings ``value`` near one, as far as units may move; 0 where it is near enough."""
    exponent = -math.frexp(value)[1]
    return 0 if abs(exponent) <= near else min(max(exponent, -FARTHEST), FARTHEST)


def _capped(cost: DenseCost, a: Array, b: Array) -> DenseCost:
    """Costs no optimal plan uses, forbidden arcs among them, lowered to a finite bound.

    If the arcs of cost at most T can carry all mass, then exchanging an arc of cost c along a cycle with such
    a plan, at most min(n, m) arcs of cost <= T against c and arcs of cost >= lo, gains as soon as
    ``c - lo > min(n, m) (T - lo)``: no optimal plan uses c, and twice that bound still is out of reach.
    """
    M = cost.M
    top = cost.bounds()[1]
    finite = "finite" in cost.traits
    row = cost.minima[0] if finite else M.min(axis=1)
    lo = min(float(row.min()), top)  # 0 where dust is left between blocks with no finite arc at all
    # Every row and every column needs one arc: the threshold is at least the largest of their minima.
    least = float(row.max()) - lo
    if finite and top - lo <= WIDE * least:
        return cost
    least = max(least, float(M.min(axis=0).max()) - lo)
    # Where no finite cost is far above any other none can drown.  Then the tolerance stays that of the whole matrix,
    # which masses below the rounding of the engines need.
    above = float(M.min(where=M > lo, initial=np.inf)) - lo
    homogeneous = top - lo <= WIDE * least or top - lo <= WIDE * above
    if finite and homogeneous:
        return cost
    from otcore.engines.feasible import transportable

    def carries(threshold: float) -> bool:
        return transportable(DenseCost(np.where(M <= threshold, M, np.inf)), a, b).mass_stuck == 0

    if finite and not carries(lo + (top - lo) / WIDE):
        return cost
    # Not so near lo that the cap would round to it: then all costs were equal, and any plan would do.
    lowest = max(least or above, abs(lo) * 2.0**-20)
    below, enough = top - lo if homogeneous else lowest, top - lo
    while enough > COARSE * below:
        middle = float(np.sqrt(below) * np.sqrt(enough))
        if carries(lo + middle):
            enough = middle
        else:
            below = middle
    cap = lo + 2 * min(M.shape) * enough + (enough or 1.0)
    return DenseCost(np.minimum(M, cap)) if not finite or cap < top else cost


@dataclass(frozen=True, eq=False)
class Centred:
    """A dense problem with row and column minima taken out: ``M >= 0``, top cost about one.

    Solvers with absolute tolerances or big-M starts (HiGHS, POT) need it; ``lift`` undoes it.
    """

    M: Matrix
    row: Potential
    column: Potential
    unit: float

    def lift(self, f: Potential, g: Potential) -> tuple[Potential, Potential]:
        """Potentials of the centred matrix as potentials of the original one."""
        return f * self.unit + self.row, g * self.unit + self.column


def centre(problem: Problem) -> Centred:
    """The cost as a stored matrix, centred and scaled to a top of about one."""
    M = problem.cost.to_dense()
    row = M.min(axis=1)
    M -= row[:, None]
    column = M.min(axis=0)
    M -= column
    unit = 2.0 ** int(np.frexp(M.max())[1])
    M /= unit
    return Centred(M, row, column, unit)
