"""Entropic transport: a ladder of epsilons, each level a certified interval for the unregularised cost."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Integral
from typing import Any, ClassVar

import numpy as np

from otcore._gate import as_number
from otcore._types import Potential
from otcore.certify.regularised import regularised_interval
from otcore.certify.rounding import in_units
from otcore.costs._absorbed import DTYPES
from otcore.engines.coarse import Level, coarse_start, crowd, levels
from otcore.engines.entropic import Iterate, coarse_epsilon, shares, sinkhorn
from otcore.errors import UnsupportedProblemError
from otcore.plans import GibbsPlan, SparsePlan
from otcore.problem import Problem
from otcore.solution import Candidate
from otcore.solvers._protocol import Budget

Pair = tuple[Potential, Potential]

__all__ = ["SOLVER", "Sinkhorn", "SinkhornReport"]

LEVELS = 10  # of the ladder: 0.25^10 is a millionth of the mean cost, below the spacing of most supports
ROUGH = 3e-2  # marginal error of a level that only leads to the next
NEAR = 0.02  # of the value: from this epsilon on levels are solved well and offered
SHARE = 0.05  # marginal error x mean cost that such a level tolerates, as a share of its epsilon
NOISE = 2.0**-49  # a few ulps of the exponents
PATIENCE, FEW = 40, 8  # passes over the cost that a level may take, and a rough one
LARGE = 1 << 26  # entries of a cost whose passes are dear
POOR = 20.0  # times the error wanted: to fill what a plan lacks then costs more than epsilon does
LOST = 0.5  # marginal error after that many, which no smaller epsilon will mend
LARGEST_EXPONENT = 2.0**46  # of M / epsilon: rounding it by an ulp changes an entry by a hundredth
STEEPEST, FLATTEST = 1e-9, 0.99  # ladder
WIDE = 4.0  # times the largest cost
SPARSE = 1 / 64, 300_000  # of the columns share a row's mass, and entries carry the plan: the exact engine is faster


@dataclass(frozen=True)
class SinkhornReport:
    """The regularised problem ``min <P, M> + epsilon KL(P | a b^T / B)``, in the user's units.

    Attributes
    ----------
    epsilon : float, in units of the cost
    value : float or None
        Regularised cost of the feasible plan, an upper bound of the regularised optimum; with a fixed epsilon only,
        and where no arc is forbidden.
    dual : float or None
        Regularised dual value, a lower bound; None where forbidden arcs leave a weight no way.
        Both are rigorous for the weights as floats of equal sum.
    marginal_error : float
        L1 error of both marginals before rounding onto them, relative to the mass.
    iterations : int
        Passes over the cost: of the level, with a fixed epsilon of all levels.
    pivots : int
        Of the network simplex that took over from the potentials of this epsilon; 0 if it did not.
    """

    epsilon: float
    value: float | None
    dual: float | None
    marginal_error: float
    iterations: int
    pivots: int = 0

    @property
    def progress(self) -> str:
        """What a progress bar shows beside the interval."""
        return f"epsilon {self.epsilon:.2g}, {self.iterations} passes, marginals off by {self.marginal_error:.1e}"

    @property
    def gap(self) -> float | None:
        """Primal minus dual value of the regularised problem."""
        return None if self.value is None or self.dual is None else self.value - self.dual


@dataclass(frozen=True)
class Sinkhorn:
    """Entropic regularisation in the log domain, stopped by the certified gap.  [Cuturi 2013; Schmitzer 2019]

    Parameters
    ----------
    epsilon : float, optional
        In units of the cost.  Given: that one regularised problem is solved to ``tol`` and reported beside the
        certified interval for the unregularised cost.  None: a ladder that descends until the gap is closed.
    ladder : float
        Ratio of one epsilon to the last.
    tol : float
        Marginal error, relative to the mass, at which a fixed epsilon is done.
    max_iter : int
        Iterations allowed at a fixed epsilon.
    accelerate : bool
        False: plain passes over the whole cost at every level, without a start between cells, over-relaxation,
        Newton's method or an early end by the network simplex; for comparison and teaching.
    dtype : float32 or float64, a name or a NumPy type; optional
        Precision of the kernel that passes over a stored cost keep; certificates are in float64 whatever it is.
        None: float32 down to a marginal error of 2^-22, where its rounding begins to show, then float64.
        float32 takes half the memory, and goes no further than that error.
    threads : int
        That passes over the cost may use; the answer has the same bits for any number.
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    requires: ClassVar[tuple[str, ...]] = ()
    rtol: ClassVar[float] = 1e-2
    reduces: ClassVar[bool] = False
    epsilon: float | None = None
    ladder: float = 0.25
    tol: float = 1e-9
    max_iter: int = 100_000
    accelerate: bool = True
    dtype: Any = None
    threads: int = 1

    def __post_init__(self) -> None:
        ratio = f"a ratio between {STEEPEST} and {FLATTEST}"
        if self.epsilon is not None:
            self._take("epsilon", value := as_number(self.epsilon), 0 < value < np.inf, "a positive number")
        self._take("ladder", value := as_number(self.ladder), STEEPEST <= value <= FLATTEST, ratio)
        self._take("tol", value := as_number(self.tol), 0 <= value < np.inf, "a number >= 0")
        for name in ("max_iter", "threads"):
            value = getattr(self, name)
            whole = isinstance(value, Integral) and int(value) >= 1
            self._take(name, int(value) if whole else value, whole, "a whole number >= 1")
        self._take("dtype", kind := _kind(self.dtype), kind in (None, *DTYPES), "float32, float64 or None")
        self._take("accelerate", self.accelerate, isinstance(self.accelerate, bool), "True or False")

    def _take(self, name: str, value: Any, holds: bool, expected: str) -> None:
        """Options may come as any kind of number: kernels compute in the kind that they are given."""
        if not holds:
            raise UnsupportedProblemError(f"{name} is {getattr(self, name)!r}; expected {expected}")
        object.__setattr__(self, name, value)

    @property
    def caps(self) -> bool:
        """A fixed epsilon is asked for the costs as they are: a large one would use arcs of a lowered cost."""
        return self.epsilon is None

    def candidates(self, problem: Problem, start: Candidate | None, budget: Budget) -> Iterator[Candidate]:
        """Potentials and their Gibbs plan at the end of each level that may close the gap, and the exact answer."""
        with problem.cost.threaded(self.threads) as cost:
            p, units = problem, {"cost_unit": problem.cost_unit, "mass_unit": problem.mass_unit}
            problem = p if cost is p.cost else Problem.trusted(p.a, p.b, cost, **units)
            yield from self._candidates(problem, start, budget)

    def _candidates(self, problem: Problem, start: Candidate | None, budget: Budget) -> Iterator[Candidate]:
        a, b = shares(problem.a), shares(problem.b)
        warm = None if start is None else _sensible(start.potentials, problem)
        stack = levels(problem.cost, a, b) if self.accelerate and warm is None else [Level(problem.cost, a, b)]
        mean = coarse_epsilon(stack[-1].cost, stack[-1].a, stack[-1].b)
        if self.epsilon is None:
            yield from self._descent(problem, stack, mean, warm, budget)
        else:
            yield self._fixed(problem, stack, mean, warm, budget)

    def _descent(
        self, problem: Problem, stack: list[Level], mean: float, warm: Pair | None, budget: Budget
    ) -> Iterator[Candidate]:
        from otcore.engines.pricing import prunable

        points, (n, m) = stack[0], problem.shape
        a, b, epsilons = points.a, points.b, mean * self.ladder ** np.arange(LEVELS + 1)
        finest = max(map(abs, problem.cost.bounds())) / LARGEST_EXPONENT
        epsilons = np.maximum(epsilons, min(mean, finest))
        first, f, g, _ = coarse_start(stack, epsilons, budget.expired)
        if warm is not None:
            f, g = warm
            first = int(np.argmax(epsilons <= NEAR * abs(float(a @ f + b @ g))))
        dear = n * m > LARGE and "grid" not in problem.cost.traits
        # So many points in few dimensions take the exact engine less than a level, if it need not mend poor prices.
        brief = self.accelerate and dear and prunable(problem.cost)
        most = FEW // 2 if brief else FEW if dear else PATIENCE  # the next level may suit Newton
        kernel = problem.cost.passing(self.dtype)
        for epsilon in epsilons[first:]:
            # The gap will be about epsilon: far above the value it closes nothing, and a rough level will do.
            careful = f is not None and epsilon <= NEAR * abs(float(a @ f + b @ g))
            tol = max(min(ROUGH, SHARE * epsilon / mean), _reachable(problem, epsilon)) if careful else ROUGH
            for iterate in sinkhorn(
                problem.cost, a, b, epsilon, f, g, tol, budget.expired, accelerate=self.accelerate, kernel=kernel
            ):
                if iterate.error <= tol or iterate.passes >= (most if careful else FEW) or budget.expired():
                    break
            f, g = iterate.f, iterate.g
            good = iterate.error <= POOR * tol
            if (careful and good) or budget.expired():
                yield _candidate(problem, iterate, epsilon)
            lost = brief and careful and not good
            if lost:
                break
            few = max(2.0, min(SPARSE[0] * m, SPARSE[1] / n))
            if (self.accelerate and crowd(points, epsilon, f, g) < few) or iterate.error > LOST:
                break
        yield _crossover(problem, iterate, epsilon, budget, None if lost else (iterate.f, iterate.g))

    def _fixed(self, problem: Problem, stack: list[Level], mean: float, warm: Pair | None, budget: Budget) -> Candidate:
        assert self.epsilon is not None
        a, b = stack[0].a, stack[0].b
        last = self.epsilon / problem.cost_unit
        top = max(map(abs, problem.cost.bounds()))
        if not top < last * LARGEST_EXPONENT:
            raise UnsupportedProblemError(
                f"epsilon is {self.epsilon}, too small beside costs of {top * problem.cost_unit:.3g} to be resolved; "
                "take a larger one or an exact method"
            )
        vertex = self.accelerate and "finite" in problem.cost.traits
        above = max(0, math.ceil(math.log(last / mean) / math.log(self.ladder))) if last < mean else 0
        epsilons, passes = last * self.ladder ** -np.arange(above, -1.0, -1.0), 0
        kernel = problem.cost.passing(self.dtype)
        least = kernel.resolution if kernel is not None and self.dtype == "float32" else 0.0
        first, f, g, cells = coarse_start(stack, epsilons, budget.expired)
        rate = cells.rate() if cells and self.accelerate else 0.0
        if warm is not None:
            first, (f, g) = above, warm
        for epsilon in epsilons[first:]:
            tol = max(self.tol if epsilon == last else ROUGH, _reachable(problem, epsilon), least)
            for iterate in sinkhorn(
                problem.cost,
                a,
                b,
                epsilon,
                f,
                g,
                tol,
                budget.expired,
                vertex and epsilon == last,
                self.accelerate,
                kernel,
                rate,
            ):
                passes += 1
                if iterate.error <= tol or passes >= self.max_iter or budget.expired():
                    break
            f, g = iterate.f, iterate.g
            if budget.expired():
                break
        passing = kernel if kernel is not None and kernel.resolution <= tol else problem.cost
        f, g, *_ = passing.sinkhorn_pass(last, iterate.f, iterate.g, a, b)  # plain: columns are exact
        error = passing.sinkhorn_pass(last, f, g, a, b).row_error
        return _candidate(problem, Iterate(f, g, error, passes + 2), last, values=True)


def _crossover(problem: Problem, iterate: Iterate, epsilon: float, budget: Budget, prices: Pair | None) -> Candidate:
    """The exact optimum: near the spacing of the points the network simplex is the better tool.

    Entropic potentials are its prices: the arcs that they make tight are the start tree, and nearly the optimal one.
    """
    from otcore.engines import exact

    states = exact.solve(problem.cost, problem.a, problem.b, potentials=prices, deadline=budget.deadline)
    (state,) = deque(states, maxlen=1)
    plan = SparsePlan(state.basis.i, state.basis.j, state.flow, problem.shape)
    report = SinkhornReport(epsilon * problem.cost_unit, None, None, iterate.error, iterate.passes, state.pivots)
    return Candidate(plan, (state.f, state.g), report)


def _kind(dtype: Any) -> Any:
    """The name of a NumPy type; what is none stays."""
    try:
        return dtype if dtype is None else np.dtype(dtype).name
    except TypeError:
        return dtype


def _sensible(potentials: Pair | None, problem: Problem) -> Pair | None:
    """Potentials that answer others are no larger than the costs; larger ones, and nan, say nothing about them."""
    most = WIDE * max(map(abs, problem.cost.bounds()))
    small = potentials is not None and all(bool((np.abs(v) <= most).all()) for v in potentials)
    return potentials if small else None


def _reachable(problem: Problem, epsilon: float) -> float:
    """The marginal error that the rounding of exponents leaves: costs of 1e6 at epsilon 1e-3 have 1e9 ulps of them."""
    return NOISE * max(map(abs, problem.cost.bounds())) / epsilon


def _candidate(problem: Problem, iterate: Iterate, epsilon: float, values: bool = False) -> Candidate:
    plan = GibbsPlan(iterate.f, iterate.g, epsilon, problem.a, problem.b, problem.cost)
    values &= all(np.isfinite(h).all() for h in (plan.f, plan.g))  # inf where forbidden arcs shut a node off
    dual: float | None = None
    value: float | None = None
    if values:
        ends = zip(regularised_interval(plan), (-1, 1), strict=True)
        dual, value = (in_units(end, direction, problem.cost_unit, problem.mass_unit) for end, direction in ends)
    if "finite" not in problem.cost.traits:  # the plan is rounded onto its marginals across forbidden arcs
        value = None
    report = SinkhornReport(epsilon * problem.cost_unit, value, dual, iterate.error, iterate.passes)
    return Candidate(plan, (iterate.f, iterate.g), report)


SOLVER = Sinkhorn
