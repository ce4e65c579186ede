"""The neural critic as a method: a trained function proposes, the certifier disposes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from otcore.neural.options import CriticOptions
from otcore.problem import Problem
from otcore.solution import Candidate
from otcore.solvers._protocol import Budget

__all__ = ["SOLVER", "Critic"]


@dataclass(frozen=True)
class Critic(CriticOptions):
    """A neural potential trained on samples [Arjovsky 2017]; its interval trusts no Lipschitz constant.

    The lower bound is the critic's own, so the gap shows how good it is; ``polish=True`` lets the exact engine
    close it.  ``Solution.report`` is the :class:`~otcore.neural.CriticResult`, and its options are those of
    :class:`~otcore.neural.CriticOptions`.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"metric"})
    requires: ClassVar[tuple[str, ...]] = ("torch",)
    rtol: ClassVar[float] = 5e-2
    reduces: ClassVar[bool] = False  # the report speaks of all samples, also of those that both measures share

    def candidates(self, problem: Problem, start: Candidate | None, budget: Budget) -> Iterator[Candidate]:
        """One candidate: the potentials of the trained critic, and the plan that the exact engine finds from them."""
        from otcore.neural.critics import on_problem

        yield on_problem(problem, self, budget.remaining())


SOLVER = Critic
