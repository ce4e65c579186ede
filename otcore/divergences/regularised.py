"""The regularised problem ``min <P, M> + epsilon KL(P | a b^T / B)`` for its own sake, with its own interval."""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

import numpy as np

from otcore._solve import feasible_plan
from otcore._types import Potential, Weights
from otcore.certify.regularised import regularised_interval
from otcore.certify.rounding import in_units
from otcore.costs import Cost
from otcore.errors import UnsupportedProblemError
from otcore.plans import GibbsPlan
from otcore.problem import Problem
from otcore.reductions import Reduction, reduce
from otcore.solution import Candidate
from otcore.solvers._protocol import Budget
from otcore.solvers.sinkhorn import Sinkhorn

__all__ = ["Regularised", "solve_regularised", "solve_symmetric"]

PASSES = 40  # of the averaged iteration, which gains a factor of eight a pass: more are a sign that it will not do
NOISE = 2.0**-49  # a few ulps of the exponents
WIDE = 4.0  # times the largest cost: potentials that answer others are no larger than costs
FAINTEST = float(np.finfo(float).tiny)  # share of the mass that passes give every point: logarithms of 0 are no numbers


class Regularised(NamedTuple):
    """``lower <= optimum <= upper``, in units of cost times mass, and the entropic plan behind both bounds."""

    problem: Problem
    plan: GibbsPlan
    lower: float
    upper: float

    @property
    def potentials(self) -> tuple[Potential, Potential]:
        """Potentials at all points, also at those of zero weight: there they answer the others, inf without a way."""
        p, plan = self.problem, self.plan
        f, g = plan.f.copy(), plan.g.copy()
        rows, columns = np.flatnonzero(p.a), np.flatnonzero(p.b)
        empty = np.flatnonzero(p.a == 0), np.flatnonzero(p.b == 0)
        if empty[0].size:
            f[empty[0]] = _answers(p.cost.restrict(empty[0], columns), plan.epsilon, g[columns], p.b[columns], axis=1)
        if empty[1].size:
            g[empty[1]] = _answers(p.cost.restrict(rows, empty[1]), plan.epsilon, f[rows], p.a[rows], axis=0)
        return f, g


def _answers(cost: Cost, epsilon: float, h: Potential, w: Weights, axis: int) -> Potential:
    log_w = np.log(w) - np.log(w.sum())  # the quotient may underflow
    with np.errstate(invalid="ignore"):  # inf - inf where all arcs are forbidden
        answer = cost.softmin(epsilon, h, log_w, axis)
    return np.asarray(np.where(np.isnan(answer), np.inf, answer))


def solve_regularised(
    problem: Problem, epsilon: float, tol: float, budget: Budget, start: tuple[Potential, Potential] | None = None
) -> Regularised:
    """Sinkhorn at one epsilon until the marginals are within ``tol`` in L1, relative to the mass.

    Raises
    ------
    InfeasibleError, UnsupportedProblemError
    """
    feasible_plan(problem)
    reduction = reduce(problem, cancel=False, cap=False)  # a regularised plan uses every arc
    assert reduction.problem is not None
    near = reduction.restrict_start(None if start is None else Candidate(potentials=start))
    (candidate,) = deque(Sinkhorn(epsilon, tol=tol).candidates(reduction.problem, near, budget), maxlen=1)
    report, plan = candidate.report, reduction.lift(candidate).plan
    if not isinstance(plan, GibbsPlan):
        raise UnsupportedProblemError(f"epsilon is {epsilon!r}: below the smallest normal float; take a larger one")
    return Regularised(problem, plan, *_bounds(report.dual, report.value))


def solve_symmetric(
    problem: Problem, epsilon: float, tol: float, budget: Budget, start: Potential | None = None
) -> Regularised:
    """The problem of a measure with itself, by the averaged fixed point ``h <- (h + T h) / 2``.  [Feydy 2020, 3.2.4]

    Near the solution T is minus a matrix with eigenvalues in [0, 1] where ``exp(-M / epsilon)`` is positive definite,
    so that averaging at least halves the error, where Sinkhorn's iteration may take 1 / epsilon steps.  One pass over
    the cost gives T h and T T h, and their mean is ``T h`` averaged: the error falls by a factor of 8 at least.
    """
    feasible_plan(problem)
    reduction = reduce(problem, cancel=False, cap=False)
    small = reduction.problem
    assert small is not None
    a, cost, epsilon_small = small.a / small.a.sum(), small.cost, epsilon / small.cost_unit
    a, top = np.maximum(a, FAINTEST), max(map(abs, cost.bounds()))
    h = np.zeros(a.size) if start is None else start[reduction.i] / small.cost_unit
    if not (np.abs(h) <= WIDE * top).all():  # of another unit
        h = np.zeros(a.size)
    tol = max(tol, NOISE * top / epsilon_small)
    error, passes = np.inf, 0
    while error > tol and passes < PASSES and not budget.expired():
        once, twice, error, _ = cost.sinkhorn_pass(epsilon_small, h, h, a, a)
        h = h if error <= tol else 0.5 * (once + twice)
        passes += 1
    if not error <= tol and not budget.expired():
        return solve_regularised(problem, epsilon, tol, budget, None if start is None else (start, start))
    return _symmetric(reduction, h, epsilon_small)


def _symmetric(reduction: Reduction, h: Potential, epsilon: float) -> Regularised:
    """The plan of one potential on both sides, in the user's units."""
    small = reduction.problem
    assert small is not None
    plan = GibbsPlan(h, h, epsilon, small.a, small.b, small.cost)
    lower, upper = regularised_interval(plan)
    if "finite" not in small.cost.traits:  # the plan is rounded onto its marginals across forbidden arcs
        upper = np.inf
    units = small.cost_unit, small.mass_unit
    lower, upper = in_units(lower, -1, *units), in_units(upper, 1, *units)
    lifted = reduction.lift(Candidate(plan)).plan
    assert isinstance(lifted, GibbsPlan)
    return Regularised(reduction.original, lifted, *_bounds(lower, upper))


def _bounds(lower: float | None, upper: float | None) -> tuple[float, float]:
    """What is not known, or no number, bounds nothing."""
    return (
        -np.inf if lower is None or math.isnan(lower) else lower,
        np.inf if upper is None or math.isnan(upper) else upper,
    )
