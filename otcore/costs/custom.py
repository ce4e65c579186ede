"""A distance that the user computes: a callable ``(X, Y) -> (n, m)``, evaluated once and stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from otcore._gate import as_power
from otcore._types import Array, Matrix, Points
from otcore.costs._points import matching_points
from otcore.costs.dense import MatrixMetricCost, as_matrix, nonnegative
from otcore.errors import ShapeError

__all__ = ["CallableCost"]


class CallableCost(MatrixMetricCost):
    """``metric(X, Y) ** exponent``; the floats that the callable returns are the metric that is certified.

    Parameters
    ----------
    x, y : (n, d) and (m, d), or (n,) and (m,) points
    metric : callable taking two point arrays and returning their (n, m) distances
    exponent : float >= 1
    """

    def __init__(self, x: Points, y: Points, metric: Callable[[Any, Any], Any], exponent: float = 1.0) -> None:
        self.metric = metric
        self.points = (x, y)
        D = as_matrix(metric(x, y), "metric(x, y)")
        if D.shape != (len(x), len(y)):
            raise ShapeError(f"metric(x, y) has shape {D.shape}; expected {(len(x), len(y))}, one distance per pair")
        nonnegative(D, "metric(x, y)")
        i, j = matching_points(x, y)
        columns = len(x) + np.arange(len(y))
        columns[j] = i  # a shared point is one node
        self._build(D, as_power(exponent, "exponent"), (np.arange(len(x)), columns))

    def union(self) -> None:
        return None  # the callable was asked for x against y only

    def from_points(self, z: Array) -> Matrix:
        return as_matrix(self.metric(np.asarray(z, dtype=np.float64), self.points[1]), "metric(z, y)")
