"""Gradients of a regularised value by the envelope theorem: the plan stays, the costs move.

``min_P max_fg`` is attained, so its derivative is that of the function at the optimum with P, f and g held fixed:
``sum_j P_ij d c(x_i, y_j) / d x_i`` at points, the potentials at weights.  [Danskin 1967; Feydy 2020, 3.1.3]
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce

import numpy as np

from otcore._types import Matrix, Points
from otcore.costs import CloudCost, LineCost
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
    x, y = (np.reshape(z, (len(z), -1)) for z in (cost.x, cost.y))
    products = metric == "euclidean" and cost.exponent >= 2
    grad_x, grad_y = (_by_products if products else _by_differences)(plan, x, y, cost.exponent, metric)
    return grad_x.reshape(cost.x.shape), grad_y.reshape(cost.y.shape)


def _by_products(plan: GibbsPlan, x: Points, y: Points, p: float, metric: str) -> tuple[Points, Points]:
    """``sum_j W_ij (x_i - y_j)`` as two sums: from order 2 on ``W = p P d**(p - 2)`` is not large for close points."""
    assert metric == "euclidean"
    x, y = x - x[0], y - x[0]  # changes no difference, and keeps digits
    grad_x, grad_y = np.zeros(x.shape), np.zeros(y.shape)
    for i0, i1, P, M in plan.row_blocks():
        W = P * (p * M ** (1 - 2 / p))
        grad_x[i0:i1] = W.sum(axis=1)[:, None] * x[i0:i1] - W @ y
        grad_y += W.sum(axis=0)[:, None] * y - W.T @ x[i0:i1]
    return grad_x, grad_y


def _by_differences(plan: GibbsPlan, x: Points, y: Points, p: float, metric: str) -> tuple[Points, Points]:
    """``sum_j P_ij p d**(p - 1) grad d``, coordinate by coordinate: however close two points, they have a direction."""
    grad_x, grad_y = np.zeros(x.shape), np.zeros(y.shape)
    for i0, i1, P, M in plan.row_blocks():
        if metric == "euclidean":
            d = reduce(np.hypot, _differences(x[i0:i1], y))  # in M squares of differences may have underflowed
            W = P * (p * d ** (p - 1))
            d[d == 0] = 1.0  # where all differences are 0
        else:
            W = P * (p * M ** (1 - 1 / p))
        for k, difference in enumerate(_differences(x[i0:i1], y)):
            term = W * (difference / d if metric == "euclidean" else np.sign(difference))
            grad_x[i0:i1, k] = term.sum(axis=1)
            grad_y[:, k] -= term.sum(axis=0)
    return grad_x, grad_y


def _differences(x: Points, y: Points) -> Iterator[Matrix]:
    """``x_i - y_j``, one coordinate after the other: n x m x d at once would be too much."""
    return (s[:, None] - t for s, t in zip(x.T, y.T, strict=True))
