"""How a peer enters the race, and what a problem gives it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from otcore._memory import require_memory
from otcore._types import Array, Matrix
from otcore.bench.contestant import Answer, Contestant
from otcore.problem import Problem

__all__ = ["PEERS", "peer"]

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
    return points_in_space(problem) and LAZY_METRICS[ground(problem)] == "euclidean"


def uniform_square(problem: Problem) -> bool:
    """Equal weights, as many on both sides: an assignment."""
    n, m = problem.shape
    return anything(problem) and n == m and not np.ptp(problem.a) and not np.ptp(problem.b)


LAZY_METRICS = {
    ("euclidean", 1.0): "euclidean",
    ("euclidean", 2.0): "sqeuclidean",
    ("cityblock", 1.0): "cityblock",
}


def ground(problem: Problem) -> tuple[str, float]:
    cost: Any = problem.cost
    return cost.metric, cost.exponent


def weights(problem: Problem) -> tuple[Array, Array]:
    """Both measures at mass 1, which is what peers expect."""
    return problem.a / problem.a.sum(), problem.b / problem.b.sum()


def dense(problem: Problem, bytes_per_arc: int = 24) -> Matrix:
    """The cost matrix, on the clock of whoever needs it."""
    n, m = problem.shape
    require_memory(n * m * bytes_per_arc, f"a cost matrix of {n} x {m}", "this peer has no lazy form")
    if "cloud" in problem.cost.traits and ground(problem) in LAZY_METRICS:
        from scipy.spatial.distance import cdist

        cost: Any = problem.cost
        return np.asarray(cdist(cost.x, cost.y, LAZY_METRICS[ground(problem)]))
    return problem.cost.to_dense()
