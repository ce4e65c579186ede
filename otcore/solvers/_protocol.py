"""What a method is: a generator of candidates that knows nothing of tolerances, timing or logging."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Protocol

from otcore.problem import Problem
from otcore.solution import Candidate

__all__ = ["Budget", "Solver"]


@dataclass(frozen=True)
class Budget:
    """How long a solver may go on: pass ``remaining()`` on, or yield when ``expired()``."""

    deadline: float | None = None  # of time.monotonic()

    @classmethod
    def seconds(cls, seconds: float | None) -> Budget:
        return cls(None if seconds is None else time.monotonic() + seconds)

    def remaining(self) -> float | None:
        """Seconds left, at least 0; None without a limit."""
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())

    def expired(self) -> bool:
        return self.deadline is not None and time.monotonic() >= self.deadline


class Solver(Protocol):
    """One method; options are fields of its frozen dataclass.

    Attributes
    ----------
    needs : traits the cost must have, e.g. ``{"line"}``
    requires : optional modules, e.g. ``("torch",)``
    rtol : default relative gap
    reduces : whether it may be handed a problem with common mass cancelled; False where its report
        speaks of the whole problem
    direct : optional, True: one candidate at once, so that no trivial one need be certified before it
    encloses : optional function of a problem, from ``certify``: a rigorous interval, or None, that the candidates
        prove when somebody asks for its plan or potentials
    """

    needs: ClassVar[frozenset[str]]
    requires: ClassVar[tuple[str, ...]]
    rtol: ClassVar[float]
    reduces: ClassVar[bool]

    def candidates(self, problem: Problem, start: Candidate | None, budget: Budget) -> Iterator[Candidate]:
        """Proposals, better and better; the caller judges them and stops when the gap is closed."""
        ...
