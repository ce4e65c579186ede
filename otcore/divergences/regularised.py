"""The regularised problem ``min <P, M> + epsilon KL(P | a b^T / B)`` for its own sake, with its own interval."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np

from otcore._types import Potential
from otcore.certify.regularised import regularised_interval
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


class Regularised(NamedTuple):
    """``lower <= optimum <= upper``, in units of cost times mass, and the entropic plan behind both bounds."""

    problem: Problem
    plan: GibbsPlan
    lower: float
    upper: float

    @property
    def potentials(self) -> tuple[Potential, Potential]:
        """Potentials at all points, also at those of zero weight: there they answer the others."""
        p, plan = self.problem, self.plan
        f, g = plan.f.copy(), plan.g.copy()
        rows, columns = np.flatnonzero(p.a), np.flatnonzero(p.b)
        empty = np.flatnonzero(p.a == 0), np.flatnonzero(p.b == 0)
        if empty[0].size:
            log_b = np.log(p.b[columns] / p.b.sum())
            f[empty[0]] = p.cost.restrict(empty[0], columns).softmin(plan.epsilon, g[columns], log_b, axis=1)
        if empty[1].size:
            log_a = np.log(p.a[rows] / p.a.sum())
            g[empty[1]] = p.cost.restrict(rows, empty[1]).softmin(plan.epsilon, f[rows], log_a, axis=0)
        return f, g


def solve_regularised(
    problem: Problem, epsilon: float, tol: float, budget: Budget, start: tuple[Potential, Potential] | None = None
) -> Regularised:
    """Sinkhorn at one epsilon until the marginals are within ``tol`` in L1, relative to the mass."""
    if epsilon is None:  # to the solver, a ladder of them
        raise UnsupportedProblemError("epsilon is None; expected a positive number in units of the cost")
    reduction = reduce(problem, cancel=False, cap=False)  # a regularised plan uses every arc
    assert reduction.problem is not None
    near = reduction.restrict_start(None if start is None else Candidate(potentials=start))
    (candidate,) = deque(Sinkhorn(epsilon, tol=tol).candidates(reduction.problem, near, budget), maxlen=1)
    report, plan = candidate.report, reduction.lift(candidate).plan
    if not isinstance(plan, GibbsPlan):
        raise UnsupportedProblemError(f"epsilon is {epsilon!r}: below the smallest normal float; take a larger one")
    lower = -np.inf if report.dual is None else report.dual
    return Regularised(problem, plan, lower, np.inf if report.value is None else report.value)


def solve_symmetric(
    problem: Problem, epsilon: float, tol: float, budget: Budget, start: Potential | None = None
) -> Regularised:
    """The problem of a measure with itself, by the averaged fixed point ``h <- (h + T h) / 2``.  [Feydy 2020, 3.2.4]

    Near the solution T is minus a matrix with eigenvalues in [0, 1] where ``exp(-M / epsilon)`` is positive definite,
    so that averaging at least halves the error, where Sinkhorn's iteration may take 1 / epsilon steps.  One pass over
    the cost gives T h and T T h, and their mean is ``T h`` averaged: the error falls by a factor of 8 at least.
    """
    reduction = reduce(problem, cancel=False, cap=False)
    small = reduction.problem
    assert small is not None
    a, cost, epsilon_small = small.a / small.a.sum(), small.cost, epsilon / small.cost_unit
    h = np.zeros(a.size) if start is None else start[reduction.i] / small.cost_unit
    tol = max(tol, NOISE * cost.bounds()[1] / epsilon_small)
    error, passes = np.inf, 0
    while error > tol and passes < PASSES and not budget.expired():
        once, twice, error, _ = cost.sinkhorn_pass(epsilon_small, h, h, a, a)
        h = h if error <= tol else 0.5 * (once + twice)
        passes += 1
    if error > tol and not budget.expired():
        return solve_regularised(problem, epsilon, tol, budget, None if start is None else (start, start))
    return _symmetric(reduction, h, epsilon_small)


def _symmetric(reduction: Reduction, h: Potential, epsilon: float) -> Regularised:
    """The plan of one potential on both sides, in the user's units."""
    small = reduction.problem
    assert small is not None
    plan = GibbsPlan(h, h, epsilon, small.a, small.b, small.cost)
    lower, upper = (small.cost_unit * small.mass_unit * bound for bound in regularised_interval(plan))
    lifted = reduction.lift(Candidate(plan)).plan
    assert isinstance(lifted, GibbsPlan)
    return Regularised(reduction.original, lifted, lower, upper)
