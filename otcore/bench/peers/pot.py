"""POT: network simplex on a matrix and lazily, Sinkhorn, the line."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from otcore.bench.contestant import Answer
from otcore.bench.peers._entry import (
    ITERATIONS,
    LAZY_METRICS,
    anything,
    dense,
    ground,
    on_the_line,
    peer,
    points_in_space,
    weights,
)  # fmt: skip
from otcore.plans import GibbsPlan, SparsePlan
from otcore.problem import Problem
from otcore.solution import Candidate

UNBOUNDED = 10**9  # pivots: POT stops early, and says so in a warning only, at its default of 10^5


@peer("pot:emd", anything, "ot")
def pot_emd(problem: Problem, rtol: float) -> Answer:
    import ot

    a, b = weights(problem)
    P, log = ot.emd(a, b, dense(problem), numItermax=UNBOUNDED, log=True)
    return Answer(Candidate(SparsePlan.from_dense(P), (log["u"], log["v"])), float(log["cost"]))


@peer("pot:emd2_lazy", points_in_space, "ot")
def pot_emd2_lazy(problem: Problem, rtol: float) -> Answer:
    import ot

    cost: Any = problem.cost
    metric = LAZY_METRICS[ground(problem)]
    value, log = ot.emd2_lazy(cost.x, cost.y, *weights(problem), metric=metric, numItermax=UNBOUNDED, log=True)
    P = log["G"] if "G" in log else log["plan"]
    plan = SparsePlan(P.row, P.col, P.data, problem.shape) if hasattr(P, "row") else SparsePlan.from_dense(P)
    return Answer(Candidate(plan, (log["u"], log["v"])), float(value))


@peer("pot:wasserstein_1d", on_the_line, "ot")
def pot_wasserstein_1d(problem: Problem, rtol: float) -> Answer:
    import ot

    cost: Any = problem.cost
    return Answer(value=float(ot.wasserstein_1d(cost.x, cost.y, *weights(problem), p=cost.exponent)))


@peer("pot:emd2_1d", on_the_line, "ot")
def pot_emd2_1d(problem: Problem, rtol: float) -> Answer:
    import ot

    cost: Any = problem.cost
    return Answer(value=float(ot.emd2_1d(cost.x, cost.y, *weights(problem), metric="minkowski", p=cost.exponent)))


def _entropic(method: str, share: float, options: dict[str, Any], problem: Problem, rtol: float) -> Answer:
    """One of POT's Sinkhorn iterations; its Gibbs plan is what is certified, rounded onto the marginals."""
    import ot

    (a, b), M = weights(problem), dense(problem, 40)
    epsilon = share * rtol * float(a @ M @ b)
    P, log = ot.sinkhorn(
        a, b, M, epsilon, method=method, numItermax=ITERATIONS, stopThr=rtol / 10, log=True, warn=False, **options
    )
    with np.errstate(divide="ignore"):
        f, g = (log["logu"], log["logv"]) if "logu" in log else (np.log(log["u"].ravel()), np.log(log["v"].ravel()))
        # POT: P = u_i exp(-M / epsilon) v_j; ours carries a_i b_j in front.
        f, g = epsilon * (f - np.log(a)), epsilon * (g - np.log(b))
    value = float(np.sum(P * M))
    if not (np.isfinite(f).all() and np.isfinite(g).all()):
        return Answer(value=value)
    return Answer(Candidate(GibbsPlan(f, g, epsilon, problem.a, problem.b, problem.cost), (f, g)), value)


# At its default tau of 1e3 the stabilised form absorbs at almost every iteration, and 1e9 overflows.
for _method, _options in (("sinkhorn", {}), ("sinkhorn_log", {}), ("sinkhorn_stabilized", {"tau": 1e8})):
    for _suffix, _share in (("", 1.0), ("/4", 0.25)):  # of epsilon: one of them is near what rtol needs
        peer(f"pot:{_method}{_suffix}", anything, "ot")(partial(_entropic, _method, _share, _options))


@peer("pot:solve_sample-lazy", points_in_space, "ot")
def pot_solve_sample(problem: Problem, rtol: float) -> Answer:
    import ot

    cost: Any = problem.cost
    a, b = weights(problem)
    result = ot.solve_sample(cost.x, cost.y, a, b, metric=LAZY_METRICS[ground(problem)], lazy=True, max_iter=UNBOUNDED)
    P = result.sparse_plan
    plan = SparsePlan(P.row, P.col, P.data, problem.shape)
    return Answer(Candidate(plan, result.potentials), float(result.value))
