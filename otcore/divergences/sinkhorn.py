"""The Sinkhorn divergence: regularised transport without its bias, as a certified interval."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from otcore._api import EUCLIDEAN, Metric, as_problem
from otcore._gate import as_number, as_tolerance
from otcore._habits import answers_habits
from otcore._types import Array, Points, Potential
from otcore.certify.reals import total
from otcore.costs import CloudCost, Cost, LineCost
from otcore.divergences.gradients import point_gradients
from otcore.divergences.regularised import Regularised, solve_regularised, solve_symmetric
from otcore.errors import InvalidProblemError, ShapeError, UnsupportedProblemError
from otcore.plans import GibbsPlan
from otcore.problem import Problem
from otcore.solvers._protocol import Budget

__all__ = ["SinkhornDivergence", "sinkhorn_divergence"]


@dataclass(frozen=True, eq=False, repr=False)
class SinkhornDivergence:
    """``lower <= S <= upper``, and what the value moves with.

    Attributes
    ----------
    value : float
        The same combination of dual values as ``lower`` is of bounds: its error is of second order in ``tol``.
        A 0-dimensional tensor where tensors came in.
    lower, upper : float
        Three certified intervals combined outwards, in units of cost times mass.
    epsilon : float, in units of the cost
    cross, self_p, self_q : Regularised
        The regularised problems of p with q, of p with itself and of q with itself (None without debiasing), the
        last at q's own mass.
    """

    value: Any
    lower: float
    upper: float
    epsilon: float
    cross: Regularised
    self_p: Regularised | None = None
    self_q: Regularised | None = None

    def __repr__(self) -> str:
        name = "regularised value" if self.self_p is None else "Sinkhorn divergence"
        return f"<{name}: {self.lower!r} <= S <= {self.upper!r}, epsilon {self.epsilon:.6g}>"

    @property
    def plan(self) -> GibbsPlan:
        """The entropic plan between p and q."""
        return self.cross.plan

    @cached_property
    def grad_a(self) -> Array:
        """Derivative with respect to the weights of p, (n,), in units of the cost, of mean zero under p.

        Weights change at constant mass: only differences of this vector mean something.
        """
        return self._at_weights(0)

    @cached_property
    def grad_b(self) -> Array:
        """Derivative with respect to the weights of q, (m,); see :attr:`grad_a`."""
        return self._at_weights(1)

    @property
    def grad_x(self) -> Points:
        """Derivative with respect to the points of p, shaped like them: cost times mass per unit of length."""
        return self._at_points[0]

    @property
    def grad_y(self) -> Points:
        """Derivative with respect to the points of q, shaped like them."""
        return self._at_points[1]

    def _at_weights(self, side: int) -> Array:
        h, own = self.cross.potentials[side], (self.self_p, self.self_q)[side]
        if own is not None:
            with np.errstate(invalid="ignore"):  # inf - inf: no plan gives weight to such a point
                h = h - 0.5 * (own.potentials[0] + own.potentials[1])
        w = (self.cross.problem.a, self.cross.problem.b)[side]
        mean = w[w > 0] @ h[w > 0] / w.sum()
        return np.asarray((1.0, self._share)[side] * (h - mean))

    @cached_property
    def _at_points(self) -> tuple[Points, Points]:
        x, y = point_gradients(self.cross.plan)
        if self.self_p is None or self.self_q is None:
            return x, y
        # A point stands on both sides of its own problem, which counts half.
        own_x, own_y = (sum(point_gradients(own.plan)) for own in (self.self_p, self.self_q))
        return x - 0.5 * own_x, y - 0.5 * self._share * own_y

    @cached_property
    def _share(self) -> float:
        return float(_share(self.cross.problem))


@answers_habits
def sinkhorn_divergence(
    p: Any,
    q: Any,
    *,
    epsilon: float | None = None,
    order: float = 1,
    metric: Metric = EUCLIDEAN,
    cost: Any = None,
    debiased: bool = True,
    tol: float = 1e-9,
    max_seconds: float | None = None,
    start: SinkhornDivergence | None = None,
) -> SinkhornDivergence:
    """``S(p, q) = OT(p, q) - OT(p, p) / 2 - OT(q, q) / 2`` of regularised transport costs, with an interval.

    ``OT(p, q) = min <P, M> + epsilon KL(P | a b^T / B)`` over the plans P of p and q, B the mass of q: it scales with
    the mass.  [Feydy et al. 2019, eq. 3]

    Parameters
    ----------
    p, q, order, metric, cost : as in :func:`otcore.solve`
        With torch tensors ``value`` is a tensor that gradients flow through, to points or to weights, whichever
        they are.
    epsilon : float > 0, in units of the cost
        ``blur ** order`` for a length ``blur`` below which details do not matter.
    debiased : bool
        False: ``OT(p, q)`` alone, which is not zero for equal measures.
    tol : float
        Marginal error, relative to the mass, at which each of the three problems is done.
    max_seconds : float, optional
        For all three; ends early with an interval that holds.
    start : SinkhornDivergence, optional
        An earlier answer between as many points, to start from.

    Returns
    -------
    SinkhornDivergence
        With ``value``, ``lower``, ``upper``, ``plan``, and the gradients ``grad_x``, ``grad_y``, ``grad_a``,
        ``grad_b``.

    Raises
    ------
    InvalidProblemError, InfeasibleError, UnsupportedProblemError, UnknownArgumentError

    Notes
    -----
    ``S >= 0``, and zero only for equal measures, where ``exp(-M / epsilon)`` is a positive definite kernel: for the
    Euclidean distance up to order 2 and the city block distance of order 1 [Feydy et al. 2019, Theorem 1].

    Examples
    --------
    >>> import numpy as np, otcore
    >>> x, y = np.random.default_rng(0).normal(size=(2, 50, 2))
    >>> s = otcore.sinkhorn_divergence(x, y, epsilon=0.1, order=2)
    >>> s.lower <= s.value <= s.upper, s.upper - s.lower < 1e-6
    (True, True)
    >>> s.grad_x.shape
    (50, 2)
    >>> otcore.sinkhorn_divergence(x, x, epsilon=0.1, order=2).upper < 1e-6
    True
    """
    problem = as_problem(p, q, order=order, metric=metric, cost=cost)
    weights = not (isinstance(metric, str) or callable(metric)) if cost is None else not isinstance(cost, str)
    size = as_number(epsilon)  # in single precision it would take the bounds with it
    if not 0 < size < math.inf:
        raise UnsupportedProblemError(f"epsilon is {epsilon!r}; expected a positive number in units of the cost")
    epsilon = size
    if not isinstance(debiased, bool | np.bool_):
        raise InvalidProblemError(f"debiased is {debiased!r}; expected True or False")
    if debiased and weights and cost is not None:
        raise UnsupportedProblemError(
            "cost is a matrix between p and q, and says nothing about p with itself; pass points, a distance matrix "
            "metric=... on the common support, or debiased=False"
        )
    tol = as_tolerance(tol, "tol")
    near = _potentials(start, problem)
    budget = Budget.seconds(None if max_seconds is None else as_tolerance(max_seconds, "max_seconds"))
    cross = solve_regularised(problem, epsilon, tol, budget, near[0])
    if not debiased:
        value = _value(cross.lower, cross.lower, cross.upper, epsilon)
        return _differentiable(SinkhornDivergence(value, cross.lower, cross.upper, epsilon, cross), p, q, weights)
    own = []
    for measure, before in ((p, near[1]), (q, near[2])):
        itself = as_problem(measure, measure, order=order, metric=metric, cost=cost)
        own.append(solve_symmetric(itself, epsilon, tol, budget, before))
    share, floor = _share(problem), 0.0 if _positive_definite(problem.cost) else -np.inf
    lower = max(_combined(cross.lower, own[0].upper, own[1].upper, share, -np.inf), floor)
    upper = max(_combined(cross.upper, own[0].lower, own[1].lower, share, np.inf), floor)
    value = cross.lower - 0.5 * (own[0].lower + float(share) * own[1].lower)
    value = _value(value, lower, upper, epsilon)
    return _differentiable(SinkhornDivergence(value, lower, upper, epsilon, cross, *own), p, q, weights)


def _potentials(
    start: SinkhornDivergence | None, problem: Problem
) -> tuple[tuple[Potential, Potential] | None, Potential | None, Potential | None]:
    """Those of an earlier answer for the three problems, None where it has none."""
    if start is None:
        return None, None, None
    if not isinstance(start, SinkhornDivergence):
        raise InvalidProblemError(f"start is a {type(start).__name__}; expected an earlier SinkhornDivergence")
    (n, m), shape = start.cross.problem.shape, problem.shape
    if (n, m) != shape:
        raise ShapeError(f"start is between {n} and {m} points, p and q have {shape[0]} and {shape[1]}; leave it away")
    p, q = (None if z is None else z.potentials[0] for z in (start.self_p, start.self_q))
    return start.cross.potentials, p, q


def _share(problem: Problem) -> Fraction:
    """Mass of p in that of q: masses agree up to the precision of the weights, and q counts with that of p.

    ``OT(t q, t q) = t OT(q, q)``.
    """
    return total(problem.a) / total(problem.b)


def _combined(cross: float, own_p: float, own_q: float, share: Fraction, towards: float) -> float:
    """``cross - own_p / 2 - share own_q / 2`` rounded towards an infinity, and that infinity where a bound is one."""
    if not all(map(math.isfinite, (cross, own_p, own_q))):
        return towards
    largest = Fraction(sys.float_info.max)
    exact = Fraction(cross) - (Fraction(own_p) + share * Fraction(own_q)) / 2
    return math.nextafter(float(min(max(exact, -largest), largest)), towards)


def _value(value: float, lower: float, upper: float, epsilon: float) -> float:
    """``value``, which rounding may have put outside of the interval; one of its ends where it is no number."""
    for number in (min(max(value, lower), upper), lower, upper):
        if math.isfinite(number):
            return number
    raise UnsupportedProblemError(
        f"epsilon is {epsilon!r}: beside these costs and weights neither bound is a number; take a larger one, "
        "and leave out points whose weights vanish beside the others"
    )


def _positive_definite(cost: Cost) -> bool:
    """Whether ``exp(-t M)`` is for every t > 0.  [Schoenberg 1938]"""
    if isinstance(cost, LineCost):
        return cost.exponent <= 2
    if isinstance(cost, CloudCost):
        return cost.exponent <= {"euclidean": 2, "cityblock": 1, "chebyshev": 0}[cost.metric]
    return False


def _differentiable(s: SinkhornDivergence, p: Any, q: Any, weights: bool) -> SinkhornDivergence:
    """With a tensor for its value where tensors came in, of weights or of points; torch is imported by nobody else."""
    tensors = [hasattr(z, "requires_grad") for z in (p, q)]
    if not any(tensors):
        return s
    from otcore.neural.envelope import with_gradients

    gradients = [lambda: s.grad_a, lambda: s.grad_b] if weights else [lambda: s.grad_x, lambda: s.grad_y]
    used = [(z, gradient) for z, gradient, is_tensor in zip((p, q), gradients, tensors, strict=True) if is_tensor]
    return replace(s, value=with_gradients(s.value, *zip(*used, strict=True)))
