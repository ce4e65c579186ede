"""SciPy: ``linprog`` on the textbook matrix, its Wasserstein distances; and NumPy's sorts, the least a line costs."""

from __future__ import annotations

from typing import Any

import numpy as np

from otcore._memory import require_memory
from otcore.bench.contestant import Answer
from otcore.bench.peers._entry import (
    HIGHS_BYTES,
    anything,
    dense,
    euclidean_cloud,
    line_of_order_1,
    on_the_line,
    peer,
    weights,
)  # fmt: skip
from otcore.plans import SparsePlan
from otcore.problem import Problem, marginal_matrix
from otcore.solution import Candidate


@peer("numpy:two-sorts", on_the_line, "numpy")
def two_sorts(problem: Problem, rtol: float) -> Answer:
    """No answer at all: what nobody who solves it on the line can do without."""
    cost: Any = problem.cost
    np.sort(cost.x), np.sort(cost.y)
    return Answer()


def _linprog(problem: Problem, method: str) -> Answer:
    from scipy.optimize import linprog

    n, m = problem.shape
    M = dense(problem, HIGHS_BYTES)
    a, b = weights(problem)
    result = linprog(M.ravel(), A_eq=marginal_matrix(problem), b_eq=np.concatenate([a, b]), method=method)
    if result.x is None:
        raise ArithmeticError(result.message)
    plan = SparsePlan.from_dense(np.maximum(result.x, 0.0).reshape(n, m))
    duals = result.eqlin.marginals
    return Answer(Candidate(plan, (duals[:n], duals[n:])), float(result.fun))


@peer("scipy:linprog-ds", anything, "scipy")
def scipy_linprog_ds(problem: Problem, rtol: float) -> Answer:
    return _linprog(problem, "highs-ds")


@peer("scipy:linprog-ipm", anything, "scipy")
def scipy_linprog_ipm(problem: Problem, rtol: float) -> Answer:
    return _linprog(problem, "highs-ipm")


@peer("scipy:wasserstein_distance", line_of_order_1, "scipy")
def scipy_line(problem: Problem, rtol: float) -> Answer:
    from scipy.stats import wasserstein_distance

    cost: Any = problem.cost
    return Answer(value=float(wasserstein_distance(cost.x, cost.y, problem.a, problem.b)))


@peer("scipy:wasserstein_distance_nd", euclidean_cloud, "scipy")
def scipy_cloud(problem: Problem, rtol: float) -> Answer:
    from scipy.stats import wasserstein_distance_nd

    cost: Any = problem.cost
    n, m = problem.shape
    require_memory((n + m) ** 2 * HIGHS_BYTES, f"its dual LP of {n} + {m} points", "this peer has no lazy form")
    return Answer(value=float(wasserstein_distance_nd(cost.x, cost.y, problem.a, problem.b)))
