"""The Sinkhorn divergence: regularised transport without its bias, as a certified interval."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from otcore._api import EUCLIDEAN, Metric, as_problem
from otcore._types import Array, Points
from otcore.costs import CloudCost, Cost, LineCost
from otcore.divergences.gradients import point_gradients
from otcore.divergences.regularised import Regularised, solve_regularised, solve_symmetric
from otcore.errors import UnsupportedProblemError
from otcore.plans import GibbsPlan
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
        The regularised problems of p with q, of p with itself and of q with itself (None without debiasing).
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
            h = h - 0.5 * (own.potentials[0] + own.potentials[1])
        w = (self.cross.problem.a, self.cross.problem.b)[side]
        return np.asarray(h - w @ h / w.sum())

    @cached_property
    def _at_points(self) -> tuple[Points, Points]:
        x, y = point_gradients(self.cross.plan)
        if self.self_p is None or self.self_q is None:
            return x, y
        # A point stands on both sides of its own problem, which counts half.
        own_x, own_y = (sum(point_gradients(own.plan)) for own in (self.self_p, self.self_q))
        return x - 0.5 * own_x, y - 0.5 * own_y


def sinkhorn_divergence(
    p: Any,
    q: Any,
    *,
    epsilon: float,
    order: float = 1,
    metric: Metric = EUCLIDEAN,
    cost: Any = None,
    debiased: bool = True,
    tol: float = 1e-9,
    max_seconds: float | None = None,
    start: SinkhornDivergence | None = None,
) -> SinkhornDivergence:
    """``S(p, q) = OT(p, q) - OT(p, p) / 2 - OT(q, q) / 2`` of regularised transport costs, with an interval.

    ``OT(p, q) = min <P, M> + epsilon KL(P | a b^T)`` over the plans P of p and q.  [Feydy et al. 2019, eq. 3]

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
        An earlier answer on as many points, to start from.

    Returns
    -------
    SinkhornDivergence
        With ``value``, ``lower``, ``upper``, ``plan``, and the gradients ``grad_x``, ``grad_y``, ``grad_a``,
        ``grad_b``.

    Raises
    ------
    InvalidProblemError, UnsupportedProblemError

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
    budget = Budget.seconds(max_seconds)
    cross = solve_regularised(problem, epsilon, tol, budget, None if start is None else start.cross.potentials)
    if not debiased:
        s = SinkhornDivergence(cross.lower, cross.lower, cross.upper, epsilon, cross)
        return _differentiable(s, p, q, weights)
    if cost is not None and not isinstance(cost, str):
        raise UnsupportedProblemError(
            "cost is a matrix between p and q, and says nothing about p with itself; pass points, a distance matrix "
            "metric=... on the common support, or debiased=False"
        )
    own = []
    for measure, before in ((p, None if start is None else start.self_p), (q, None if start is None else start.self_q)):
        itself = as_problem(measure, measure, order=order, metric=metric, cost=cost)
        own.append(solve_symmetric(itself, epsilon, tol, budget, None if before is None else before.potentials[0]))
    floor = 0.0 if _positive_definite(problem.cost) else -np.inf
    lower = max(_outward(cross.lower - 0.5 * (own[0].upper + own[1].upper), cross, -1), floor)
    upper = max(_outward(cross.upper - 0.5 * (own[0].lower + own[1].lower), cross, 1), floor)
    value = min(max(cross.lower - 0.5 * (own[0].lower + own[1].lower), lower), upper)
    return _differentiable(SinkhornDivergence(value, lower, upper, epsilon, cross, *own), p, q, weights)


def _outward(value: float, cross: Regularised, direction: int) -> float:
    """Three roundings are paid for, relative to the largest of the numbers that were combined."""
    return value + direction * 2.0**-50 * max(abs(cross.lower), abs(cross.upper), abs(value))


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
