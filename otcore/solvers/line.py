"""Transport on the line in closed form: the monotone plan and its potentials, after one sort."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from otcore.certify.area import enclose
from otcore.plans import SparsePlan
from otcore.solution import Candidate

if TYPE_CHECKING:
    from otcore._types import Array, Potential, Weights
    from otcore.costs import LineCost
    from otcore.problem import Problem
    from otcore.solvers._protocol import Budget

__all__ = ["SOLVER", "Line"]


@dataclass(frozen=True)
class Line:
    """Monotone rearrangement on the line, exact for every order >= 1 [Santambrogio 2015, Thm 2.9].

    The plan fills rows and columns from left to right.  For order 1 the potential has slope
    ``-sign(F - G)`` between the distribution functions, so that ``W_1 = int |F - G|``; for larger orders the
    potentials are those that are tight along the staircase of the plan.  O((n + m) log(n + m)).

    For order 1 on many points the interval is known before the plan and the potentials are, from that integral:
    they are made when they are asked for.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"line"})
    requires: ClassVar[tuple[str, ...]] = ()
    rtol: ClassVar[float] = 1e-9
    reduces: ClassVar[bool] = False  # monotone rearrangement leaves common mass where it is, or moves it at no cost
    direct: ClassVar[bool] = True

    encloses = staticmethod(enclose)

    def candidates(self, problem: Problem, start: Candidate | None, budget: Budget) -> Iterator[Candidate]:
        from otcore._kernels.line import north_west
        from otcore._kernels.sums import dd_div, sum2

        cost: LineCost = problem.cost  # type: ignore[assignment]  # ``needs`` says so
        n, m = cost.shape
        a, b = problem.a[cost.order_x], problem.b[cost.order_y]
        (A, A_low, _), (B, B_low, _) = sum2(a), sum2(b)
        ratio = dd_div(A, A_low, B, B_low)  # what rounding left between the sums is spread over all of b
        rows, columns, mass = np.empty(n + m - 1, np.int64), np.empty(n + m - 1, np.int64), np.empty(n + m - 1)
        north_west(a, b, ratio, rows, columns, mass)
        i, j = cost.order_x[rows], cost.order_y[columns]
        plan = SparsePlan(i, j, mass, cost.shape)
        metric = "metric" in cost.traits
        yield Candidate(plan, _kantorovich(cost, a, b, ratio) if metric else _staircase(plan, cost.at(i, j)))


def _kantorovich(cost: LineCost, a: Weights, b: Weights, ratio: tuple[float, float]) -> tuple[Potential, Potential]:
    from otcore._kernels.line import cdf_potential

    u_x, minus_u_y = np.empty(a.size), np.empty(b.size)
    cdf_potential(cost.sorted_x, a, cost.sorted_y, b, ratio, u_x, minus_u_y)
    f, g = np.empty(a.size), np.empty(b.size)
    f[cost.order_x], g[cost.order_y] = np.ldexp(u_x, cost.shift), np.ldexp(minus_u_y, cost.shift)
    return f, g


def _staircase(plan: SparsePlan, costs: Array) -> tuple[Potential, Potential]:
    """Tight along the staircase; feasible off it by the Monge inequality, but for rounding."""
    from otcore._kernels.line import staircase_potentials

    f, g = np.empty(plan.shape[0]), np.empty(plan.shape[1])
    staircase_potentials(plan.i, plan.j, costs, f, g)
    return f, g


SOLVER = Line
