"""Gradients of a regularised value by the envelope theorem: the plan stays, the costs move.

``min_P max_fg`` is attained, so its derivative is that of the function at the optimum with P, f and g held fixed:
``sum_j P_ij d c(x_i, y_j) / d x_i`` at points, the potentials at weights.  [Danskin 1967; Feydy 2020, 3.1.3]
"""

from __future__ import annotations

import numpy as np

from otcore._types import Array, Matrix, Points
from otcore.costs import CloudCost, Cost, LineCost
from otcore.errors import UnsupportedProblemError
from otcore.plans import GibbsPlan

__all__ = ["point_gradients"]


def point_gradients(plan: GibbsPlan) -> tuple[Points, Points]:
    """``sum_j P_ij grad_x M_ij`` and ``sum_i P_ij grad_y M_ij``, shaped like the points; never n x m.

    Where a distance is not differentiable (coincident points at order 1, ties of coordinates under city block) the
    term of that pair counts nothing, which is a subgradient.

    Raises
    ------
    UnsupportedProblemError
        Where the cost does not know its points, or for the Chebyshev distance.
    """
    cost = plan.ground
    if not isinstance(cost, CloudCost | LineCost):
        raise UnsupportedProblemError(
            "gradients at points: the cost is a matrix or a callable, which says nothing about moved points; "
            "pass points with a named metric"
        )
    metric = cost.metric if isinstance(cost, CloudCost) and cost.x.shape[1] > 1 else "cityblock"
    if metric == "chebyshev":
        raise UnsupportedProblemError("gradients at points: chebyshev is not differentiable; take another metric")
    gradient = _euclidean if metric == "euclidean" else _cityblock
    # A common shift of both clouds changes no difference, and keeps digits in x_i - y_j.
    middle = cost.x.mean(axis=0)
    x, y = (np.reshape(z - middle, (len(z), -1)) for z in (cost.x, cost.y))
    grad_x, grad_y = np.zeros(x.shape), np.zeros(y.shape)
    for i0, i1, P, M in plan.row_blocks():
        W = P * _slope(cost, M, metric)
        grad_x[i0:i1] = gradient(W, x[i0:i1], y)
        grad_y += gradient(W.T, y, x[i0:i1])
    return grad_x.reshape(cost.x.shape), grad_y.reshape(cost.y.shape)


def _slope(cost: Cost, M: Matrix, metric: str) -> Matrix | float:
    """``p d**(p - 1)`` for ``M = d**p``, divided by d for the Euclidean distance; 0 where that is infinite."""
    p = cost.exponent  # type: ignore[attr-defined]
    power = p - 2 if metric == "euclidean" else p - 1
    if power == 0:
        return float(p)
    return np.asarray(p * np.power(M, power / p, out=np.zeros_like(M), where=M > 0))


def _euclidean(W: Matrix, x: Points, y: Points) -> Points:
    """``sum_j W_ij (x_i - y_j)``."""
    return np.asarray(W.sum(axis=1)[:, None] * x - W @ y)


def _cityblock(W: Matrix, x: Points, y: Points) -> Array:
    """``sum_j W_ij sign(x_i - y_j)``, coordinate by coordinate."""
    return np.stack([(W * np.sign(s[:, None] - t)).sum(axis=1) for s, t in zip(x.T, y.T, strict=True)], axis=1)
