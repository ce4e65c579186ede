"""The missing half: a plan from potentials, potentials from a plan, by the exact engine."""

from __future__ import annotations

from collections import deque

import numpy as np

from otcore.plans import SparsePlan
from otcore.problem import Problem
from otcore.reductions import reduce
from otcore.solution import Candidate

__all__ = ["complete"]


def complete(problem: Problem, best: Candidate, deadline: float) -> Candidate:
    """A plan and potentials that complement each other, started from the best potentials known so far.

    The simplex starts on the arcs that the potentials make nearly tight; what it reaches before
    ``deadline`` (of ``time.monotonic``) is a feasible tree and its potentials, optimal or not.
    """
    from otcore.engines import exact

    reduction = reduce(problem)
    if reduction.problem is None:
        return Candidate(reduction.shared)
    small = reduction.problem
    start = reduction.restrict_start(best)
    potentials = None if start is None else start.potentials
    *_, state = deque(exact.solve(small.cost, small.a, small.b, potentials=potentials, deadline=deadline), maxlen=1)
    plan = SparsePlan(state.basis.i, state.basis.j, np.maximum(state.flow, 0.0), small.shape)
    return reduction.lift(Candidate(plan, (state.f, state.g)))
