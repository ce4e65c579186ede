"""Other packages behind thin adapters: the same inputs in, plan and potentials out, imported when they run.

A peer is timed from the numbers that otcore is given (points or a matrix) to its answer, so that a distance
matrix that it needs is on its clock.  Entropic peers know no gap: told to reach a relative gap rtol, they get
``epsilon = rtol * mean cost`` and a tenth of rtol as the marginal error, the sense their users make of it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np

from otcore._memory import require_memory
from otcore._types import Array, Matrix
from otcore.bench.contestant import Answer, Contestant
from otcore.plans import GibbsPlan, SparsePlan
from otcore.problem import Problem, marginal_matrix
from otcore.solution import Candidate

__all__ = ["PEERS"]

UNBOUNDED = 10**9  # pivots: POT stops early, and says so in a warning only, at its default of 10^5
ITERATIONS = 100_000  # of an entropic peer
HIGHS_BYTES = 600  # an arc in HiGHS: matrix, presolve and basis, measured at n = 300

PEERS: dict[str, Contestant] = {}

Solve = Callable[[Problem, float], Answer]


def peer(name: str, accepts: Callable[[Problem], bool], *requires: str) -> Callable[[Solve], Solve]:
    """Enter an adapter of (problem, rtol)."""

    def enter(solve: Solve) -> Solve:
        PEERS[name] = Contestant(name, lambda problem, rtol, _: solve(problem, rtol), accepts, requires)
        return solve

    return enter


# -- what a problem is made of ----------------------------------------------------------------------------


def anything(problem: Problem) -> bool:
    return "finite" in problem.cost.traits


def on_the_line(problem: Problem) -> bool:
    return "line" in problem.cost.traits


def line_of_order_1(problem: Problem) -> bool:
    return on_the_line(problem) and problem.cost.order == 1


def points_in_space(problem: Problem) -> bool:
    """A cloud whose cost POT's lazy simplex knows."""
    cost: Any = problem.cost
    return "cloud" in cost.traits and (cost.metric, cost.exponent) in LAZY_METRICS


def euclidean_cloud(problem: Problem) -> bool:
    return points_in_space(problem) and LAZY_METRICS[_ground(problem)] == "euclidean"


def uniform_square(problem: Problem) -> bool:
    """Equal weights, as many on both sides: an assignment."""
    n, m = problem.shape
    return anything(problem) and n == m and not np.ptp(problem.a) and not np.ptp(problem.b)


LAZY_METRICS = {
    ("euclidean", 1.0): "euclidean",
    ("euclidean", 2.0): "sqeuclidean",
    ("cityblock", 1.0): "cityblock",
}


def _ground(problem: Problem) -> tuple[str, float]:
    cost: Any = problem.cost
    return cost.metric, cost.exponent


def weights(problem: Problem) -> tuple[Array, Array]:
    """Both measures at mass 1, which is what peers expect."""
    return problem.a / problem.a.sum(), problem.b / problem.b.sum()


def dense(problem: Problem, bytes_per_arc: int = 24) -> Matrix:
    """The cost matrix, on the clock of whoever needs it."""
    n, m = problem.shape
    require_memory(n * m * bytes_per_arc, f"a cost matrix of {n} x {m}", "this peer has no lazy form")
    if "cloud" in problem.cost.traits and _ground(problem) in LAZY_METRICS:
        from scipy.spatial.distance import cdist

        cost: Any = problem.cost
        return np.asarray(cdist(cost.x, cost.y, LAZY_METRICS[_ground(problem)]))
    return problem.cost.to_dense()


@peer("numpy:two-sorts", on_the_line, "numpy")
def two_sorts(problem: Problem, rtol: float) -> Answer:
    """No answer at all: what nobody who solves it on the line can do without."""
    cost: Any = problem.cost
    np.sort(cost.x), np.sort(cost.y)
    return Answer()


# -- POT ----------------------------------------------------------------------------------------------------


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
    metric = LAZY_METRICS[_ground(problem)]
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
    result = ot.solve_sample(cost.x, cost.y, a, b, metric=LAZY_METRICS[_ground(problem)], lazy=True, max_iter=UNBOUNDED)
    P = result.sparse_plan
    plan = SparsePlan(P.row, P.col, P.data, problem.shape)
    return Answer(Candidate(plan, result.potentials), float(result.value))


# -- SciPy --------------------------------------------------------------------------------------------------


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


@peer("scipy:linear_sum_assignment", uniform_square, "scipy")
def scipy_assignment(problem: Problem, rtol: float) -> Answer:
    from scipy.optimize import linear_sum_assignment

    M = dense(problem)
    i, j = linear_sum_assignment(M)
    plan = SparsePlan(i, j, problem.a, problem.shape)
    return Answer(Candidate(plan), float(M[i, j].mean()))


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


# -- OR-Tools, OTT ---------------------------------------------------------------------------------------------

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


def _ott(share: float, problem: Problem, rtol: float) -> Answer:
    """OTT-JAX's Sinkhorn in double precision, on a matrix."""
    import jax
    from ott.geometry.geometry import Geometry
    from ott.problems.linear.linear_problem import LinearProblem

    jax.config.update("jax_enable_x64", True)
    (a, b), M = weights(problem), jax.numpy.asarray(dense(problem, 60))
    epsilon = share * rtol * float(a @ np.asarray(M) @ b)
    out = _ott_solver(rtol / 10)(LinearProblem(Geometry(cost_matrix=M, epsilon=epsilon), a=a, b=b))
    with np.errstate(divide="ignore"):  # OTT: P = exp((f + g - M) / epsilon); ours carries a_i b_j in front
        f, g = (np.asarray(h) - epsilon * np.log(w) for h, w in ((out.f, a), (out.g, b)))
    plan = GibbsPlan(f, g, epsilon, problem.a, problem.b, problem.cost)
    return Answer(Candidate(plan, (f, g)), float(out.primal_cost))


@cache
def _ott_solver(threshold: float) -> Any:
    """One compiled function for all rounds: compiling is not what is timed."""
    import jax
    from ott.solvers.linear.sinkhorn import Sinkhorn

    return jax.jit(Sinkhorn(threshold=threshold, max_iterations=ITERATIONS))


for _suffix, _share in (("", 1.0), ("/4", 0.25)):
    peer(f"ott:sinkhorn{_suffix}", anything, "jax", "ott")(partial(_ott, _share))
