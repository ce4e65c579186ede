"""The one loop: a solver proposes, the certifier disposes; stopping, limits, progress and Ctrl-C live here."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from otcore._gate import as_array, as_tolerance
from otcore._types import Indices, Potential
from otcore.certify.certifier import Certifier
from otcore.certify.completion import complete
from otcore.errors import InfeasibleError, InvalidProblemError, NotCertifiedError, ShapeError
from otcore.plans import GibbsPlan, SparsePlan
from otcore.problem import Problem
from otcore.reductions import Reduction, reduce
from otcore.solution import Candidate, Certificate, Snapshot, Solution, Status
from otcore.solvers import check, method_named
from otcore.solvers._protocol import Budget, Solver

__all__ = ["feasible_plan", "require_certified", "run"]

LARGEST = 2.0**900  # exponent of a plan; beyond, and below its inverse, nothing is left of the numbers
HOPELESS = 2.0**200  # potentials of a start that many times the largest cost say nothing
ROUNDING = 1e-12  # of the value: nothing trivial improves a gap below it
PATIENT = 1 << 26  # pairs (i, j): above, a solve takes so long that an interval stands ready before it begins


def run(
    problem: Problem,
    method: str | Solver = "auto",
    *,
    rtol: float | None = None,
    atol: float | None = None,
    max_seconds: float | None = None,
    start: Candidate | Solution | None = None,
    progress: bool = False,
) -> Solution:
    """Drive a method until its certified gap is within ``rtol * max(|lower|, |upper|) + atol``.

    See :func:`otcore.solve` for the arguments.  However it ends, the Solution's interval is valid.
    """
    name, solver = method_named(method)
    if hasattr(solver, "choose"):  # auto: a method that names another
        name, solver = method_named(solver.choose(problem))
    check(name, solver, problem)
    rtol = solver.rtol if rtol is None else as_tolerance(rtol, "rtol")
    limit = None if max_seconds is None else as_tolerance(max_seconds, "max_seconds")
    atol = None if atol is None else as_tolerance(atol, "atol")
    known = _known(problem, name, solver, rtol, atol or 0.0) if start is None else None
    return known or _driven(problem, name, solver, rtol, atol, limit, start, progress)


def _known(problem: Problem, name: str, solver: Solver, rtol: float, atol: float) -> Solution | None:
    """An interval within the tolerance that the method knows before its proof is written down."""
    begin, encloses = time.perf_counter(), getattr(solver, "encloses", None)
    interval = None if encloses is None else encloses(problem)
    if interval is None or interval[1] - interval[0] > rtol * interval[1] + atol:
        return None
    lower, upper = interval
    prove = partial(_proof, problem, name, solver, lower, upper)
    certificate = Certificate.deferred(problem, lower, upper, prove)
    trace = (Snapshot(time.perf_counter() - begin, lower, upper),)
    return Solution(certificate, Status.CERTIFIED, name, rtol, atol, trace)


def _proof(problem: Problem, name: str, solver: Solver, lower: float, upper: float) -> Certificate:
    solution = _driven(problem, name, solver, solver.rtol)
    if solution.status is Status.INTERRUPTED:
        raise KeyboardInterrupt
    assert lower <= solution.lower <= solution.upper <= upper, "the proof is sharper than what was known"
    return solution.certificate


def _driven(
    problem: Problem,
    name: str,
    solver: Solver,
    rtol: float,
    atol: float | None = None,
    limit: float | None = None,
    start: Candidate | Solution | None = None,
    progress: bool = False,
) -> Solution:
    """The candidates of a method, judged until the gap closes or the time is over."""
    loop = _Loop(problem, name, rtol, atol, limit, progress)
    with loop.bar:
        try:
            status = loop.drive(solver, start)
        except KeyboardInterrupt:
            if not loop.started:
                raise
            loop.offer_trivial()
            status = Status.INTERRUPTED
    return loop.solution(status)


class _Loop:
    """The state of one solve."""

    def __init__(
        self, problem: Problem, name: str, rtol: float, atol: float | None, limit: float | None, progress: bool
    ) -> None:
        self.problem, self.name, self.rtol = problem, name, rtol
        self.begin = time.perf_counter()
        self.budget = Budget.seconds(limit)
        self.progress, self.bar = progress, _bar(name, progress)
        self.certifier = Certifier(problem)
        self.atol = atol
        self.trace: list[Snapshot] = []
        self.report: Any = None
        self.trivial: SparsePlan | Reduction | None = None  # what to begin with, until it has been offered
        self.started = False

    def drive(self, solver: Solver, start: Candidate | Solution | None) -> Status:
        corner = feasible_plan(self.problem)
        reduction = reduce(self.problem, cancel=solver.reduces, cap=getattr(solver, "caps", True))
        if self.atol is None:  # what rounding alone can leave
            self.atol = 16 * 2.0**-52 * reduction.rounding_scale
        self.trivial = reduction if corner is None else corner
        n, m = self.problem.shape
        at_once = getattr(solver, "direct", False) or n * m <= PATIENT
        if corner is not None or reduction.problem is None or self.budget.deadline is not None or not at_once:
            self.offer_trivial()
            if corner is not None and not self.certifier.upper < np.inf:
                raise InfeasibleError("M forbids too many arcs: allow more of them (replace inf) or move the masses")
        self.started = True
        if reduction.problem is None or self.budget.expired():
            return self.finish()
        if start is not None:
            start = _as_candidate(start, self.problem)
            self.offer(start)
        for candidate in solver.candidates(reduction.problem, reduction.restrict_start(start), self.budget):
            lifted = reduction.lift(candidate)
            self.report = candidate.report if candidate.report is not None else self.report
            self.offer(lifted)
            if self.closed:
                return Status.CERTIFIED
            if self.budget.expired():
                return Status.TIME_LIMIT
            if candidate.plan is None or candidate.potentials is None:
                self.complete()
                if self.closed:
                    return Status.CERTIFIED
        return self.finish()

    def finish(self) -> Status:
        """After the last candidate: the sharper, dearer bound, if there still is something to gain."""
        self.offer_trivial()
        if not self.closed and self.problem.cost.common()[0].size:
            self.certifier.offer_one_potential()
            self.snapshot()
        if self.closed:
            return Status.CERTIFIED
        return Status.TIME_LIMIT if self.budget.expired() else Status.STALLED

    def offer(self, candidate: Candidate) -> None:
        self.certifier.offer(candidate)
        lower, upper = self.certifier.lower, self.certifier.upper
        if not upper - lower <= ROUNDING * abs(upper) < np.inf:
            self.offer_trivial()
        self.snapshot()

    def offer_trivial(self) -> None:
        """The zero potential and a plan blind to the cost: whatever else is known, an interval is, and 0 where W is 0.

        An exact method that leaves a gap of nothing but rounding is not kept waiting for them.
        """
        if self.trivial is None:
            return
        plan = self.trivial if isinstance(self.trivial, SparsePlan) else _trivial_plan(self.trivial)
        self.certifier.offer_zero()
        self.certifier.offer(Candidate(plan), trivial=True)
        self.trivial = None
        if not self.started:
            self.snapshot()

    def complete(self) -> None:
        """Let the exact engine supply the half that the method does not, for as long as the method took."""
        spent = time.perf_counter() - self.begin
        deadline = time.monotonic() + max(1.0, spent)
        if self.budget.deadline is not None:
            deadline = min(deadline, self.budget.deadline)
        self.offer(complete(self.problem, self.certifier.best, deadline))

    def snapshot(self) -> None:
        lower, upper = self.certifier.lower, self.certifier.upper
        self.trace.append(Snapshot(time.perf_counter() - self.begin, lower, upper))
        if self.progress:
            self.bar.update(1)
            said = getattr(self.report, "progress", "")  # a method's own, if it has any
            self.bar.set_postfix_str(f"{lower:.8g} <= W <= {upper:.8g}, gap {upper - lower:.1e}{said and ', ' + said}")

    @property
    def closed(self) -> bool:
        lower, upper = self.certifier.lower, self.certifier.upper
        allowed = self.rtol * max(abs(lower), abs(upper), 2.0**-1074) + (self.atol or 0.0)  # inf times 0 is nan
        return upper - lower <= allowed and upper - lower < np.inf

    def solution(self, status: Status) -> Solution:
        certificate = self.certifier.certificate()
        return Solution(certificate, status, self.name, self.rtol, self.atol or 0.0, tuple(self.trace), self.report)


def require_certified(solution: Solution) -> Solution:
    """The solution, or :class:`NotCertifiedError` carrying it: a bare float is always certified."""
    if solution.certified:
        return solution
    raise NotCertifiedError(
        f"method {solution.method!r} reached {solution.lower:.8g} <= W <= {solution.upper:.8g}, a relative gap of "
        f"{solution.relative_gap:.1e} where {solution.rtol:.1e} was asked: {solution.status.value}. "
        "The interval is in .solution; otcore.solve returns it without raising",
        solution,
    )


def _trivial_plan(reduction: Reduction) -> SparsePlan:
    """Common mass left in place, the rest moved north-west: with the zero potential a first valid interval."""
    if reduction.problem is None:
        return reduction.shared
    from otcore.engines.exact import integer_masses, north_west

    small = reduction.problem
    masses = integer_masses(small.a, small.b)
    tree = north_west(masses.a, masses.b)
    corner = SparsePlan(tree.i, tree.j, np.zeros(tree.i.size), small.shape)
    plan = reduction.lift(Candidate(corner)).plan
    assert isinstance(plan, SparsePlan)
    return plan


def feasible_plan(problem: Problem) -> SparsePlan | None:
    """Where arcs are forbidden, a plan that avoids them; raises where there is none."""
    if "finite" in problem.cost.traits:
        return None
    from otcore.engines.feasible import transportable

    rows, columns = np.flatnonzero(problem.a), np.flatnonzero(problem.b)
    answer = transportable(problem.cost.restrict(rows, columns), problem.a[rows], problem.b[columns])
    if answer.mass_stuck > sum(problem.shape) * 2.0**-52:
        raise InfeasibleError(
            f"M forbids every way for {answer.mass_stuck:.3g} of the mass: rows {_some(rows[answer.rows])} reach only "
            f"columns {_some(columns[answer.cols])}, which hold less; allow more arcs (replace inf) or move the masses"
        )
    return SparsePlan(rows[answer.basis.i], columns[answer.basis.j], answer.flow, problem.shape)


def _as_candidate(start: Candidate | Solution, problem: Problem) -> Candidate:
    """The user's start, of the right kind and shape, and finite: kernels do not look."""
    shape = problem.shape
    if isinstance(start, Solution):
        start = Candidate(start.plan, (start.f, start.g))
    if not isinstance(start, Candidate):
        raise InvalidProblemError(f"start is a {type(start).__name__}; expected a Solution or a Candidate")
    potentials, plan = start.potentials, start.plan
    top = max(map(abs, problem.cost.bounds()))
    if potentials is not None:
        f, g = _pair(potentials, shape, "start.potentials")
        potentials = (f, g) if _near(f, g, HOPELESS * top) else None
    if plan is not None and not isinstance(plan, SparsePlan | GibbsPlan):
        raise InvalidProblemError(f"start.plan is a {type(plan).__name__}; expected a SparsePlan or a GibbsPlan")
    if plan is not None and plan.shape != shape:
        raise ShapeError(f"start.plan has shape {plan.shape}; expected {shape}")
    if isinstance(plan, SparsePlan):
        plan = _as_sparse(plan, shape)
    elif plan is not None:
        f, g = _pair((plan.f, plan.g), shape, "start.plan: its potentials")
        reach = HOPELESS * top
        plan = replace(plan, f=f, g=g) if _near(f, g, reach) and reach < LARGEST * plan.epsilon else None
    return Candidate(plan, potentials)


def _pair(pair: Any, shape: tuple[int, int], name: str) -> tuple[Potential, Potential]:
    """Potentials of the right shapes; those of another problem, or nan, pass."""
    try:
        first, second = pair
    except (TypeError, ValueError):
        first = second = ()
    f, g = as_array(first, name), as_array(second, name)
    if (f.shape, g.shape) != ((shape[0],), (shape[1],)):
        raise ShapeError(
            f"{name} have shapes {f.shape} and {g.shape}; expected ({shape[0]},) and ({shape[1]},), "
            "a pair (f, g) with one number per weight"
        )
    return f, g


def _near(f: Potential, g: Potential, reach: float) -> bool:
    """Whether potentials may be of this problem: those of another would overflow in its units."""
    return bool((np.abs(f) <= reach).all() and (np.abs(g) <= reach).all())  # false for nan, too


def _as_sparse(plan: SparsePlan, shape: tuple[int, int]) -> SparsePlan | None:
    """Kernels do not look at indices; a plan with masses that are no numbers says nothing."""
    if not plan.i.shape == plan.j.shape == plan.mass.shape == plan.mass_low.shape == (plan.mass.size,):
        raise ShapeError("start.plan: expected i, j and mass of the same length, one entry each")
    if not (_within(plan.i, shape[0]) and _within(plan.j, shape[1])):
        raise ShapeError(f"start.plan has rows or columns out of range; expected indices of a plan of shape {shape}")
    return plan if np.isfinite(plan.mass).all() else None


def _within(indices: Indices, size: int) -> bool:
    return bool(((indices >= 0) & (indices < size)).all())


def _some(indices: np.ndarray) -> str:
    shown = ", ".join(map(str, indices[:5].tolist()))
    return f"[{shown}{', ...' if indices.size > 5 else ''}]"


def _bar(name: str, progress: bool) -> Any:
    if not progress:
        return nullcontext()
    from tqdm import tqdm

    return tqdm(desc=name, unit=" candidate", leave=False)
