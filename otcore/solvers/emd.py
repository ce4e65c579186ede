"""POT's network simplex, given a problem that it solves right, and its answer repaired."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from otcore._memory import require_memory
from otcore.plans import SparsePlan
from otcore.problem import Problem
from otcore.reductions import centre
from otcore.solution import Candidate
from otcore.solvers._protocol import Budget

__all__ = ["EMD", "SOLVER", "EMDReport"]

BYTES_PER_ARC = 40 + 16  # ot.emd holds about 39 bytes an arc beside the matrix; we hold the matrix twice
MAX_ITER = 2**62  # the default 100 000 truncates silently from n about 3000


class EMDReport(NamedTuple):
    """What ``ot.emd`` said: its warning, if any, and its own cost (of the centred problem)."""

    warning: str | None
    cost: float


@dataclass(frozen=True)
class EMD:
    """POT's exact network simplex ``ot.emd`` on the reduced, centred problem.  [Bonneel et al. 2011]

    It cannot be interrupted: ``max_seconds`` and Ctrl-C act only after it returns, or before it starts.
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    requires: ClassVar[tuple[str, ...]] = ("ot",)
    rtol: ClassVar[float] = 1e-9
    reduces: ClassVar[bool] = True

    def candidates(self, problem: Problem, start: Candidate | None, budget: Budget) -> Iterator[Candidate]:
        """Plan and duals as POT returns them; then the plan alone.  Nothing where no time is left to start it."""
        n, m = problem.shape
        require_memory(
            n * m * BYTES_PER_ARC,
            f"method 'emd' on {n} x {m} costs",
            "'network-simplex' needs no matrix for a cloud, and 'sinkhorn' streams any cost",
        )
        import ot

        centred = centre(problem)
        if budget.expired():
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # whatever POT warns of, the certificate measures
            P, log = ot.emd(problem.a, problem.b, centred.M, numItermax=MAX_ITER, log=True)
        report = EMDReport(log["warning"], float(log["cost"]))
        plan = SparsePlan.from_dense(P)
        yield Candidate(plan, centred.lift(log["u"], log["v"]), report)
        yield Candidate(plan)  # POT compares with an absolute tolerance: the exact engine closes what that leaves


SOLVER = EMD
