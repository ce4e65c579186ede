"""The primal network simplex: pivots on few arcs, prices all of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from otcore._types import Indices
from otcore.plans import SparsePlan
from otcore.problem import Problem
from otcore.solution import Candidate
from otcore.solvers._protocol import Budget

if TYPE_CHECKING:
    from otcore.engines.exact import State

__all__ = ["SOLVER", "NetworkSimplex", "NetworkSimplexReport"]

FIRST_LOOK = 1 << 20  # pivots, then twice as many each time: a candidate costs a certificate


class NetworkSimplexReport(NamedTuple):
    """Pivots done, rounds of pricing over all arcs, arcs that the simplex works on, and whether it ended optimal.

    ``violated`` is how many arcs the last of these rounds took in.
    """

    pivots: int
    rounds: int
    arcs: int
    optimal: bool
    violated: int = 0

    @property
    def progress(self) -> str:
        """What the bar of a long solve says."""
        return f"{self.pivots:,} pivots, {self.violated:,} arcs violated"


@dataclass(frozen=True)
class NetworkSimplex:
    """Primal network simplex on the cheapest arcs, more of them priced in until none is violated.  [Dantzig 1963]

    Masses are integers, perturbed so that every pivot lowers the cost: it cannot cycle, and the same input
    gives the same bits.  It starts from ``start``, if that is given: from the support of its plan and the
    arcs that its potentials make nearly tight.
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    requires: ClassVar[tuple[str, ...]] = ()
    rtol: ClassVar[float] = 1e-9
    reduces: ClassVar[bool] = True

    def candidates(self, problem: Problem, start: Candidate | None, budget: Budget) -> Iterator[Candidate]:
        """The plan on the current tree and its potentials, now and then, and the optimal ones."""
        from otcore.engines import exact

        support = potentials = None
        if start is not None:
            potentials = start.potentials
            support = _support(start.plan) if isinstance(start.plan, SparsePlan) else None
        look = FIRST_LOOK
        for state in exact.solve(
            problem.cost, problem.a, problem.b, potentials=potentials, support=support, deadline=budget.deadline
        ):
            settled = state.rounds > 0 and state.violated == 0  # if not for certain: the certificate may know already
            if (state.pivots >= look or settled) and not state.optimal:
                look = 2 * state.pivots
                yield _candidate(problem, state)
        yield _candidate(problem, state)


def _support(plan: SparsePlan) -> tuple[Indices, Indices]:
    """The arcs of a plan, the heaviest first."""
    order = np.argsort(-plan.mass, kind="stable")
    return plan.i[order], plan.j[order]


def _candidate(problem: Problem, state: State) -> Candidate:
    """All arcs of the tree, also those that carry nothing, so that the certifier finds the tree again."""
    plan = SparsePlan(state.basis.i, state.basis.j, state.flow, problem.shape)
    report = NetworkSimplexReport(state.pivots, state.rounds, state.arcs, state.optimal, state.violated)
    return Candidate(plan, (state.f, state.g), report)


SOLVER = NetworkSimplex
