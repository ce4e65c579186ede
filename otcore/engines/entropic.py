"""The one Sinkhorn loop: alternate soft minima at one epsilon, over-relaxed, until the marginals fit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from otcore._types import Potential, Weights
from otcore.costs import Cost

__all__ = ["Iterate", "sinkhorn"]

TINY = 2.0**-900
WARM = 6  # plain iterations before the convergence rate is trusted


class Iterate(NamedTuple):
    """Potentials after a column update (columns exact), and how far the rows are off.

    ``error`` is the L1 distance of the row sums from ``a``, relative to the mass.
    """

    f: Potential
    g: Potential
    error: float
    iterations: int


def sinkhorn(cost: Cost, a: Weights, b: Weights, epsilon: float, g: Potential) -> Iterator[Iterate]:
    """Iterates of Sinkhorn's algorithm in the log domain, without end: the caller stops.

    The plan is ``K_ij = a_i b_j / B exp((f_i + g_j - M_ij) / epsilon)``.  The row update is over-relaxed,
    ``f += omega (softmin - f)``, with omega from the observed rate of convergence
    [Lehmann et al. 2022; Thibault et al. 2021] and back to one when the error grows.

    Parameters
    ----------
    epsilon : float > 0, in units of the cost
    g : (m,) starting potential of the columns
    """
    with np.errstate(divide="ignore"):
        log_a, log_b = np.log(a / a.sum()), np.log(b / b.sum())
    p = a / a.sum()
    f = cost.softmin(epsilon, g, log_b, axis=1)
    g = cost.softmin(epsilon, f, log_a, axis=0)
    omega, best, previous, count = 1.0, np.inf, np.inf, 1
    while True:
        target = cost.softmin(epsilon, g, log_b, axis=1)
        with np.errstate(over="ignore"):
            error = float(p @ np.abs(np.exp((f - target) / epsilon) - 1.0))
        yield Iterate(f, g, error, count)
        omega = _relaxation(omega, error, previous, best, count)
        previous, best = error, min(best, error)
        # The new row potentials, and at once the columns that answer them.
        f = f + omega * (target - f)
        g = cost.softmin(epsilon, f, log_a, axis=0)
        count += 1


def coarse_epsilon(cost: Cost, a: Weights, b: Weights) -> float:
    """Mean cost above the least: the epsilon at which every arc still matters; one where all costs are equal."""
    lo, hi = cost.bounds()
    mean = cost.bilinear(a / a.sum(), b / b.sum())
    epsilon = (mean - lo if np.isfinite(mean) else hi - lo) or abs(hi)
    return epsilon if epsilon > TINY else 1.0  # solvers see costs of about one: this little is an enclosure of zero


def _relaxation(omega: float, error: float, previous: float, best: float, count: int) -> float:
    """Young's optimal factor 2 / (1 + sqrt(1 - rate)) for the observed rate; plain while it is unknown."""
    if error > 4 * best:
        return 1.0 + (omega - 1.0) / 2
    if omega > 1.0 or count < WARM or not 0 < error < previous < np.inf:
        return omega
    rate = min(error / previous, 1 - 1e-6)
    return 2.0 / (1.0 + float(np.sqrt(1.0 - rate)))
