"""``method="auto"``: an ordered table of rules, public and printable."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from otcore.problem import Problem
from otcore.solution import Candidate
from otcore.solvers._protocol import Budget

__all__ = ["RULES", "SOLVER", "Auto", "Choice", "Rule", "select"]


class Rule(NamedTuple):
    """The first rule whose condition holds decides."""

    method: str
    condition: Callable[[Problem], bool]
    why: str


class Choice(NamedTuple):
    """What ``auto`` would do, and why."""

    method: str
    why: str


RULES: tuple[Rule, ...] = (
    Rule("line", lambda p: "line" in p.cost.traits, "in one dimension the closed form is exact in O(n log n)"),
    Rule("network-simplex", lambda p: True, "exact for every other cost, and the fastest of the exact methods"),
)


def select(problem: Problem) -> Choice:
    """The method that ``auto`` takes for this problem; tolerances never change it.

    Examples
    --------
    >>> import otcore
    >>> from otcore.solvers import auto
    >>> auto.select(otcore.Problem([1.0], [0.5, 0.5], otcore.DenseCost([[1.0, 2.0]]))).method
    'network-simplex'
    """
    for rule in RULES:
        if rule.condition(problem):
            return Choice(rule.method, rule.why)
    raise AssertionError("the last rule always holds")


@dataclass(frozen=True)
class Auto:
    """The exact method that suits the problem, by the rules of ``otcore.solvers.auto.RULES``."""

    needs: ClassVar[frozenset[str]] = frozenset()
    requires: ClassVar[tuple[str, ...]] = ()
    rtol: ClassVar[float] = 1e-9
    reduces: ClassVar[bool] = True

    def choose(self, problem: Problem) -> str:
        """Name of the method to run instead."""
        return select(problem).method

    def candidates(self, problem: Problem, start: Candidate | None, budget: Budget) -> Iterator[Candidate]:
        """Never asked: the loop runs the chosen method."""
        raise AssertionError("auto chooses a method, it does not solve")


SOLVER = Auto
