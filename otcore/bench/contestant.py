"""Whoever answers an instance: a method of otcore, or another package behind a thin adapter."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from otcore.certify.certifier import Certifier
from otcore.certify.completion import complete
from otcore.engines.exact import integer_masses, north_west
from otcore.errors import UnsupportedProblemError
from otcore.plans import SparsePlan
from otcore.problem import Problem
from otcore.solution import Candidate, Snapshot

__all__ = ["Answer", "Contestant", "Verdict", "contestants", "installed", "judge"]

PATIENCE = 60.0  # seconds that the exact engine may take, off the clock, to find a half that a package does not give
SLACK = 1e-6  # of the mass: what solvers with absolute tolerances of 1e-7 leave at the marginals

# Options of otcore's own methods that are worth a race: contestant -> method, options.
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "otcore:linprog-ds": ("linprog", {"solver": "highs-ds"}),
    "otcore:linprog-ipm": ("linprog", {"solver": "highs-ipm"}),
    "otcore:dual-ds": ("dual", {"solver": "highs-ds"}),
    "otcore:dual-ipm": ("dual", {"solver": "highs-ipm"}),
}


class Answer(NamedTuple):
    """What a contestant gives back: halves of a proof, a bare value, or both.

    ``interval`` is (lower, upper) where the contestant certifies itself, in the user's units; ``report`` is a
    method's own record of iterations, variables and constraints.
    """

    candidate: Candidate | None = None
    value: float | None = None
    interval: tuple[float, float] | None = None
    trace: tuple[Snapshot, ...] = ()
    report: Any = None


class Verdict(NamedTuple):
    """The interval that the answer proves, whether otcore had to find one of its halves, and what was refused."""

    lower: float
    upper: float
    completed: bool
    note: str = ""


@dataclass(frozen=True)
class Contestant:
    """One entrant.

    Attributes
    ----------
    name : str
        ``package:method``.
    solve : callable of (problem, rtol, seconds)
        Returns an :class:`Answer`; packages that know no gap or limit ignore both.
    accepts : callable of problem
        Whether the problem is of a kind it can take.
    requires : tuple of str
        Modules it needs.
    """

    name: str
    solve: Callable[[Problem, float, float], Answer]
    accepts: Callable[[Problem], bool]
    requires: tuple[str, ...] = ()

    @property
    def available(self) -> bool:
        """Whether everything it requires is installed."""
        from importlib.util import find_spec

        return all(find_spec(module) is not None for module in self.requires)


def contestants() -> dict[str, Contestant]:
    """All that are installed, by name: otcore's methods, their variants, the peers."""
    from otcore.bench.peers import PEERS
    from otcore.solvers import methods

    own = [_own(f"otcore:{m.name}", m.name, {}) for m in methods() if m.name != "auto" and m.available]
    variants = [_own(name, method, options) for name, (method, options) in VARIANTS.items()]
    return {c.name: c for c in [*own, *variants, *PEERS.values()] if c.available}


def installed(names: Iterable[str]) -> list[str]:
    """Those of the contestants that can race here: a page of results needs no package that one does not want."""
    known = contestants()
    return [name for name in names if name in known]


def _own(name: str, method: str, options: dict[str, Any]) -> Contestant:
    from otcore.solvers import check, method_named

    solver = method_named(method)[1]
    solver = type(solver)(**options) if options else solver

    def solve(problem: Problem, rtol: float, seconds: float) -> Answer:
        from otcore._solve import run

        solution = run(problem, solver, rtol=rtol, max_seconds=seconds)
        interval = solution.lower, solution.upper
        return Answer(None, solution.value, interval, solution.trace, solution.report)

    def accepts(problem: Problem) -> bool:
        try:
            check(name, solver, problem)
        except UnsupportedProblemError:
            return False
        return True

    return Contestant(name, solve, accepts)


def judge(problem: Problem, answer: Answer) -> Verdict | None:
    """The interval that an answer proves; None for a bare value, which proves nothing.

    Where a package gives one half only (an assignment without duals), the exact engine finds the other: the gap
    then measures the error of the half that was given.  A plan that misses its marginals by more than rounding is
    not counted: repairing it would be solving the problem for whoever gave it.
    """
    if answer.interval is not None:
        return Verdict(*answer.interval, completed=False)
    if answer.candidate is None:
        return None
    plan, potentials = answer.candidate.plan, answer.candidate.potentials
    certifier = Certifier(problem)
    certifier.offer_zero()
    masses = integer_masses(problem.a, problem.b)
    tree = north_west(masses.a, masses.b)
    certifier.offer(Candidate(SparsePlan(tree.i, tree.j, np.zeros(tree.i.size), problem.shape)))
    missed = marginal_error(problem, plan) if isinstance(plan, SparsePlan) else 0.0
    note = f"its plan misses the marginals by {missed:.1e} of the mass and is not counted" if missed > SLACK else ""
    certifier.offer(Candidate(None if note else plan, potentials))
    if plan is None or potentials is None:
        found = complete(problem, certifier.best, time.monotonic() + PATIENCE)
        certifier.offer(Candidate(plan=found.plan) if plan is None else Candidate(potentials=found.potentials))
    return Verdict(certifier.lower, certifier.upper, plan is None or potentials is None, note)


def marginal_error(problem: Problem, plan: SparsePlan) -> float:
    """L1 distance of the marginals from what they ought to be, relative; the plan may have any mass."""
    mass = plan.mass.sum()
    if not mass > 0:
        return 2.0
    row, column = plan.marginals()
    a, b = problem.a, problem.b
    return float(np.abs(row / mass - a / a.sum()).sum() + np.abs(column / mass - b / b.sum()).sum())
