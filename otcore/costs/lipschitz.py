"""One 1-Lipschitz function from a pair of potentials: McShane's extension."""

from __future__ import annotations

from typing import Any

import numpy as np

from otcore._types import Potential
from otcore.costs._cost import Cost

__all__ = ["LipschitzPotential"]


class LipschitzPotential:
    """``u(z) = min_j d(z, y_j) - g_j``: 1-Lipschitz everywhere, whatever g is.  [McShane 1934]

    With feasible ``f_i + g_j <= d(x_i, y_j)`` it has ``u(x_i) >= f_i`` and ``u(y_j) <= -g_j``, so
    ``sum a u(x) - sum b u(y)`` is at least the certified lower bound.

    Call it on points (k, d), on positions (k,) for a line, on node numbers (k,) where the metric was
    given as a matrix.
    """

    def __init__(self, cost: Cost, f: Potential, g: Potential) -> None:
        self._cost, self._f, self._g = cost, f, g

    def __call__(self, z: Any) -> Potential:
        """Values u(z), (k,), in units of the metric."""
        distances = self._cost.from_points(np.asarray(z))
        return np.asarray((distances - self._g).min(axis=1))
