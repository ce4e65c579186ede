"""The primal Kantorovich linear program, as in the lecture, by HiGHS."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import numpy as np

from otcore._memory import require_memory
from otcore.errors import UnsupportedProblemError
from otcore.plans import SparsePlan
from otcore.problem import Problem, marginal_matrix
from otcore.reductions import centre
from otcore.solution import Candidate
from otcore.solvers._highs import LOADING, highs_options
from otcore.solvers._protocol import Budget

__all__ = ["SOLVER", "HighsReport", "Linprog"]

# HiGHS works to absolute tolerances (1e-7, at best 1e-10): costs up to 2^10 and masses up to about one make
# them relative to the largest cost and to the mass.
COST_SCALE = 2.0**10
SOLVERS = ("highs", "highs-ds", "highs-ipm")
BYTES_PER_ARC = 600  # measured on HiGHS at n = 300: matrix, presolve and basis


class HighsReport(NamedTuple):
    """What HiGHS said: its message, iterations, numbers of variables and of constraints."""

    message: str
    iterations: int
    variables: int
    constraints: int


@dataclass(frozen=True)
class Linprog:
    """Primal transport LP: min sum P M, A P = (a, b), P >= 0, by scipy's HiGHS.  [Kantorovich 1942]

    Parameters
    ----------
    solver : {"highs", "highs-ds", "highs-ipm"}
        Which HiGHS algorithm; the interior-point method ends with a crossover to a vertex.
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    requires: ClassVar[tuple[str, ...]] = ()
    rtol: ClassVar[float] = 1e-9
    reduces: ClassVar[bool] = True
    solver: Literal["highs", "highs-ds", "highs-ipm"] = "highs"

    def __post_init__(self) -> None:
        if not (isinstance(self.solver, str) and self.solver in SOLVERS):
            raise UnsupportedProblemError(f"solver is {self.solver!r}; expected one of {', '.join(SOLVERS)}")

    def candidates(self, problem: Problem, start: Candidate | None, budget: Budget) -> Iterator[Candidate]:
        """The plan and, from the marginals of the constraints, the potentials; then the plan alone."""
        from scipy.optimize import linprog

        n, m = problem.shape
        what = f"method 'linprog' on {n} x {m} costs"
        require_memory(
            n * m * BYTES_PER_ARC,
            what,
            "'network-simplex' needs no matrix for a cloud, and 'sinkhorn' streams any cost",
        )
        left = budget.remaining()
        if left is not None and left < LOADING * n * m:
            yield Candidate(report=HighsReport("Time limit reached before HiGHS began", 0, n * m, n + m))
            return
        centred = centre(problem)
        mass = min(n, m)  # a mean mass of one on the shorter side
        result = linprog(
            (centred.M * COST_SCALE).ravel(),
            A_eq=marginal_matrix(problem),
            b_eq=np.concatenate([problem.a, problem.b]) * mass,
            bounds=(0, None),
            method=self.solver,
            options=highs_options(budget, self.solver),
        )
        report = HighsReport(result.message, int(result.nit), n * m, n + m)
        if result.x is None:
            yield Candidate(report=report)
            return
        plan = SparsePlan.from_dense(np.maximum(result.x, 0.0).reshape(n, m) / mass)
        duals = result.eqlin.marginals / COST_SCALE
        yield Candidate(plan, centred.lift(duals[:n], duals[n:]), report)
        yield Candidate(plan)  # HiGHS stops at 1e-10: asked for more, the exact engine completes its plan


SOLVER = Linprog
