"""Assignment solvers, for equal weights: SciPy's and lapx's.  They give no potentials."""

from __future__ import annotations

import numpy as np

from otcore.bench.contestant import Answer
from otcore.bench.peers._entry import dense, peer, uniform_square
from otcore.plans import SparsePlan
from otcore.problem import Problem
from otcore.solution import Candidate


@peer("scipy:linear_sum_assignment", uniform_square, "scipy")
def scipy_assignment(problem: Problem, rtol: float) -> Answer:
    from scipy.optimize import linear_sum_assignment

    M = dense(problem)
    i, j = linear_sum_assignment(M)
    plan = SparsePlan(i, j, problem.a, problem.shape)
    return Answer(Candidate(plan), float(M[i, j].mean()))


@peer("lapx:lapjv", uniform_square, "lap")
def lapx(problem: Problem, rtol: float) -> Answer:
    import lap

    M = dense(problem)
    value, columns, _ = lap.lapjv(M)
    plan = SparsePlan(np.arange(len(columns)), np.asarray(columns, dtype=np.int64), problem.a, problem.shape)
    return Answer(Candidate(plan), float(value) / len(columns))
