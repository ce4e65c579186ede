"""What goes in and what comes out: Candidate, Certificate, Status, Solution."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from os import PathLike
from typing import TYPE_CHECKING, Any, NamedTuple

from otcore._types import Potential
from otcore.errors import UnsupportedProblemError

if TYPE_CHECKING:
    from otcore.plans import GibbsPlan, SparsePlan
    from otcore.problem import Problem

__all__ = ["Candidate", "Certificate", "Snapshot", "Solution", "Status", "outward_root"]


@dataclass(frozen=True, eq=False)
class Candidate:
    """What a solver proposes; either half may be missing, neither need be feasible.

    Parameters
    ----------
    plan : SparsePlan or GibbsPlan, optional
    potentials : pair of arrays (n,), (m,), optional
        In units of the cost of the problem that the solver was given.
    report : object, optional
        The method's own typed record (regularised value, iterations ...), shown beside the certificate.
    """

    plan: SparsePlan | GibbsPlan | None = None
    potentials: tuple[Potential, Potential] | None = None
    report: Any = None


class Status(Enum):
    """How a solve ended; the value is the message."""

    CERTIFIED = "the certified gap is within the tolerance asked for"
    STALLED = "the method ended before its gap met the tolerance; try another method or a larger rtol"
    TIME_LIMIT = "max_seconds ran out; the interval is valid, allow more time to narrow it"
    INTERRUPTED = "interrupted from the keyboard; the interval is valid"


class Snapshot(NamedTuple):
    """The certified interval as it stood ``seconds`` after the start (in units of ``value``)."""

    seconds: float
    lower: float
    upper: float


@dataclass(frozen=True, eq=False, repr=False)
class Certificate:
    """A feasible plan and feasible potentials: the proof that ``lower <= W <= upper``.

    Attributes
    ----------
    problem : Problem
        The user's own numbers, which the certificate speaks of.
    lower, upper : float
        Rounded outwards, in units of cost times mass.
    plan : SparsePlan or GibbsPlan
        Attains ``upper``.
    f, g : (n,) and (m,) arrays
        ``f_i + g_j <= M_ij`` in real arithmetic; attain ``lower``.
    notes : tuple of str
        What the proof rests on beyond IEEE arithmetic (accuracy of ``pow``, perturbed weights).
    """

    problem: Problem
    lower: float
    upper: float
    plan: SparsePlan | GibbsPlan
    f: Potential
    g: Potential
    notes: tuple[str, ...] = ()

    @classmethod
    def deferred(cls, problem: Problem, lower: float, upper: float, prove: Callable[[], Certificate]) -> Certificate:
        """An interval whose plan and potentials, known to exist, ``prove`` makes when one of them is asked for.

        The certificate that it returns must prove no less than this interval.
        """
        certificate = object.__new__(cls)
        vars(certificate).update(problem=problem, lower=lower, upper=upper, notes=(), _prove=prove)
        return certificate

    def __getattr__(self, name: str) -> Any:
        """``plan``, ``f`` and ``g`` of a deferred certificate."""
        if name not in ("plan", "f", "g") or "_prove" not in vars(self):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        proof = self._prove()
        vars(self).update(plan=proof.plan, f=proof.f, g=proof.g)
        return vars(self)[name]

    def __repr__(self) -> str:
        n, m = self.problem.shape
        return f"<Certificate {self.lower!r} <= W <= {self.upper!r} for {n} x {m}>"

    def verify(self, exact: bool = False) -> Any:
        """Check the whole proof again with code that shares nothing with the code that made it.

        Parameters
        ----------
        exact : bool
            Compare every constraint in rational arithmetic (slow: O(n m) fractions).

        Returns
        -------
        Verification
            Truthy when every check holds; ``print`` it to read the checks one by one.
        """
        from otcore.certify.verify import verify

        return verify(self, exact=exact)

    def to_json(self, path: str | PathLike[str]) -> None:
        """Write a file that proves the interval to anybody with a Python, without otcore.

        ``otcore verify FILE`` checks it, and so does the lone file ``otcore/certify/check.py``, which needs the
        standard library only and compares integers.  [docs/proof-files.md]

        Parameters
        ----------
        path : str or path

        Raises
        ------
        ProblemTooLargeError
            Above four million pairs (i, j).
        UnsupportedProblemError
            Where integers cannot decide: an order that is no multiple of 1/2, weights that were perturbed.

        Notes
        -----
        An entropic plan is written with the integers nearest below its floats and filled up to the marginals, so
        that the file, unlike the certificate, rests on no property of ``exp``.
        """
        from otcore.certify.export import write

        write(self, path)


@dataclass(frozen=True, eq=False, repr=False)
class Solution:
    """The answer, its certificate, and how it was reached.

    Attributes
    ----------
    certificate : Certificate
        The proof; ``value``, ``lower``, ``upper``, ``plan``, ``f`` and ``g`` come from it.
    status : Status
        How the solve ended; ``status.value`` is a sentence.
    method : str
    rtol, atol : float
        The tolerance that was asked for, ``gap <= rtol * max(|lower|, |upper|) + atol``.
    trace : tuple of Snapshot
        The interval as time went by.
    report : object
        The method's own record, beside the certificate, never in its place.
    """

    certificate: Certificate
    status: Status
    method: str
    rtol: float
    atol: float
    trace: tuple[Snapshot, ...] = ()
    report: Any = None

    def __repr__(self) -> str:
        how = f"{self.method}, {self.status.name.lower().replace('_', ' ')}"
        return f"<Solution {self.lower!r} <= value <= {self.upper!r}, relative gap {self.relative_gap:.1e}; {how}>"

    @property
    def problem(self) -> Problem:
        return self.certificate.problem

    @property
    def value(self) -> float:
        """Cost of the best feasible plan, the upper end of the interval."""
        return self.certificate.upper

    @property
    def lower(self) -> float:
        """Certified lower bound of the optimal cost."""
        return self.certificate.lower

    @property
    def upper(self) -> float:
        """Certified upper bound of the optimal cost."""
        return self.certificate.upper

    @property
    def gap(self) -> float:
        """``upper - lower``."""
        return self.upper - self.lower

    @property
    def relative_gap(self) -> float:
        """``gap / max(|lower|, |upper|)``, and 0 where the gap is 0."""
        return self.gap / max(abs(self.lower), abs(self.upper)) if self.gap > 0 else 0.0

    @property
    def distance(self) -> float:
        """``value ** (1 / order)``."""
        return outward_root(self.value, self.problem.cost.order)

    @property
    def distance_lower(self) -> float:
        """Root of ``lower``, rounded down."""
        return outward_root(self.lower, self.problem.cost.order, direction=-1)

    @property
    def distance_upper(self) -> float:
        """Root of ``upper``, rounded up."""
        return outward_root(self.upper, self.problem.cost.order, direction=1)

    @property
    def plan(self) -> SparsePlan | GibbsPlan:
        """The feasible plan that attains ``upper``."""
        return self.certificate.plan

    @property
    def f(self) -> Potential:
        """Potential of the first measure, (n,), in cost units."""
        return self.certificate.f

    @property
    def g(self) -> Potential:
        """Potential of the second measure, (m,), in cost units."""
        return self.certificate.g

    @property
    def certified(self) -> bool:
        """Whether the gap met the tolerance."""
        return self.status is Status.CERTIFIED

    @property
    def potential(self) -> Callable[[Any], Potential]:
        """The single 1-Lipschitz potential u of Kantorovich-Rubinstein, callable anywhere.

        Raises
        ------
        UnsupportedProblemError
            When the cost is not a declared metric of order 1.
        """
        cost = self.problem.cost
        if "metric" not in cost.traits:
            why = f"order is {cost.order:g}" if cost.order != 1 else "the cost was given without declaring a metric"
            raise UnsupportedProblemError(
                f"potential: one Lipschitz potential exists only for order 1 on a declared metric, but {why}; "
                "use the pair .f, .g, or pass metric=... with order=1"
            )
        from otcore.costs.lipschitz import LipschitzPotential

        return LipschitzPotential(cost, self.f, self.g)


def outward_root(value: float, order: float, direction: int = 0) -> float:
    """``value ** (1 / order)``, rounded outwards where a direction is given."""
    if order == 1 or not value > 0:
        return value if order == 1 else 0.0
    if order == 2:
        root = math.sqrt(value)  # correctly rounded: one float outwards
        return math.nextafter(root, direction * math.inf) if direction else root
    root = float(value ** (1.0 / order))
    # pow within 2 ulps; and 1 / order is off by u, which the logarithm of the value magnifies.
    slack = (8.0 + 2.0 * abs(math.log(value)) / order) * 2.0**-53
    root *= 1.0 + direction * slack
    return math.nextafter(root, direction * math.inf) if direction else root  # subnormal products lose more
