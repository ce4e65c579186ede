"""The exception tree: every refusal has a type, names its argument and says what to do.

Nothing in otcore turns a failure into a number: what cannot be answered raises one of these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from otcore.solution import Solution

__all__ = [
    "InfeasibleError",
    "InvalidProblemError",
    "MassMismatchError",
    "MissingDependencyError",
    "NegativeWeightError",
    "NonFiniteError",
    "NotCertifiedError",
    "OTError",
    "ProblemTooLargeError",
    "ShapeError",
    "UnknownArgumentError",
    "UnknownMethodError",
    "UnsupportedProblemError",
]


class OTError(Exception):
    """Base of every exception that otcore raises on purpose."""


class InvalidProblemError(OTError, ValueError):
    """The input does not describe an optimal transport problem."""


class ShapeError(InvalidProblemError):
    """An argument has the wrong shape, is empty, or does not fit its neighbours."""


class NegativeWeightError(InvalidProblemError):
    """A weight is negative, or all weights are zero."""


class MassMismatchError(InvalidProblemError):
    """The two measures have different total mass."""


class NonFiniteError(InvalidProblemError):
    """A NaN or an infinity stands where a number must be."""


class InfeasibleError(InvalidProblemError):
    """The forbidden arcs (``+inf`` costs) leave some mass without a way to go."""


class UnsupportedProblemError(OTError, ValueError):
    """The problem is sound, but this method or this combination of arguments does not apply to it."""


class ProblemTooLargeError(UnsupportedProblemError, MemoryError):
    """The method would need more memory than this machine has; the message names a lazy one."""


class UnknownMethodError(OTError, ValueError):
    """No method of that name; the message lists the near misses."""


class UnknownArgumentError(OTError, TypeError):
    """No argument of that name; the message gives the one that POT's or SciPy's users were looking for."""


class MissingDependencyError(OTError, ImportError):
    """An optional module is not installed; the message gives the install line."""


class NotCertifiedError(OTError, ArithmeticError):
    """The gap asked for was not reached; the interval that was is in ``.solution``.

    Attributes
    ----------
    solution : Solution
        Carries the best certified interval, its plan and its potentials.
    """

    def __init__(self, message: str, solution: Solution) -> None:
        super().__init__(message)
        self.solution = solution

    def __reduce__(self) -> tuple[type[NotCertifiedError], tuple[str, Solution]]:
        return type(self), (str(self), self.solution)
