"""Linear programs without SciPy between: HiGHS on the primal and on the whole dual, OR-Tools' min-cost flow."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np

from otcore._types import Array
from otcore.bench.contestant import Answer
from otcore.bench.peers._entry import HIGHS_BYTES, anything, dense, peer, weights
from otcore.plans import SparsePlan
from otcore.problem import Problem
from otcore.solution import Candidate


class Size(NamedTuple):
    """Of a linear program."""

    variables: int
    constraints: int


def _highs(side: str, solver: str, problem: Problem, rtol: float) -> Answer:
    """The lectures' pair: min <P, M> over plans, or max a f + b g under all n m constraints f_i + g_j <= M_ij.

    One sparse matrix serves both: what it holds by columns for the primal it holds by rows for the dual.
    """
    import highspy

    n, m = problem.shape
    M = dense(problem, HIGHS_BYTES).ravel()
    masses, inf = np.concatenate(weights(problem)), highspy.kHighsInf
    primal = side == "primal"
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = size = Size(n * m, n + m) if primal else Size(n + m, n * m)
    lp.col_cost_ = M if primal else -masses
    lp.col_lower_ = np.zeros(n * m) if primal else np.full(n + m, -inf)
    lp.col_upper_ = np.full(size.variables, inf)
    lp.row_lower_ = masses if primal else np.full(n * m, -inf)
    lp.row_upper_ = masses if primal else M
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise if primal else highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = np.arange(0, 2 * n * m + 1, 2, dtype=np.int32)
    i, j = np.divmod(np.arange(n * m, dtype=np.int32), m)
    lp.a_matrix_.index_ = np.stack([i, n + j], axis=1).ravel()
    lp.a_matrix_.value_ = np.ones(2 * n * m)
    model = highspy.Highs()
    for option, value in (("output_flag", False), ("threads", 1), ("solver", solver)):
        model.setOptionValue(option, value)
    model.passModel(lp)
    model.run()
    if model.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        raise ArithmeticError(model.modelStatusToString(model.getModelStatus()))
    found = model.getSolution()
    flows, potentials = (found.col_value, found.row_dual) if primal else (found.row_dual, found.col_value)
    P, h = np.abs(np.array(flows)).reshape(n, m), np.array(potentials)
    value = model.getInfo().objective_function_value
    return Answer(Candidate(SparsePlan.from_dense(P), (h[:n], h[n:])), value if primal else -value, report=size)


for _side in ("primal", "dual"):
    for _solver in ("simplex", "ipm"):
        peer(f"highs:{_side}-{_solver}", anything, "highspy")(partial(_highs, _side, _solver))


COST_BITS, MASS_BITS = 30, 40  # OR-Tools counts in integers, and multiplies costs by the number of nodes


@peer("ortools:min_cost_flow", anything, "ortools")
def ortools_flow(problem: Problem, rtol: float) -> Answer:
    from ortools.graph.python.min_cost_flow import SimpleMinCostFlow

    n, m = problem.shape
    M = dense(problem, 100)
    low, high = float(M.min()), float(M.max())
    costs = np.rint((M - low) * (2.0**COST_BITS / (high - low or 1.0))).astype(np.int64).ravel()
    supply, demand = (_integers(w) for w in weights(problem))
    tails, heads = np.divmod(np.arange(n * m), m)
    flow = SimpleMinCostFlow()
    capacity = np.minimum(supply[tails], demand[heads])
    arcs = flow.add_arcs_with_capacity_and_unit_cost(tails, n + heads, capacity, costs)
    flow.set_nodes_supplies(np.arange(n + m), np.concatenate([supply, -demand]))
    status = flow.solve()
    if status != flow.OPTIMAL:
        raise ArithmeticError(f"status {status}")
    plan = SparsePlan.from_dense(flow.flows(arcs).reshape(n, m) * 2.0**-MASS_BITS)
    return Answer(Candidate(plan), plan.cost(problem.cost))


def _integers(w: Array) -> Any:
    """Masses as integers whose sum is 2^MASS_BITS; the largest takes what rounding left."""
    whole = np.rint(w * 2.0**MASS_BITS).astype(np.int64)
    whole[np.argmax(whole)] += 2**MASS_BITS - whole.sum()
    return whole
