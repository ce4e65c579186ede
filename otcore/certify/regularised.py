"""A rigorous interval for the *regularised* optimum, ``min <P, M> + epsilon KL(P | a b^T / B)``."""

from __future__ import annotations

import math

import numpy as np

from otcore._types import Array
from otcore.plans import GibbsPlan

__all__ = ["regularised_interval"]

UNIT = 2.0**-53


def regularised_interval(plan: GibbsPlan) -> tuple[float, float]:
    """Bounds on the regularised optimum of the plan's own problem, from its potentials and its rounded form.

    With ``R = a b^T / B``, mass A and the kernel ``K = R exp((f + g - M) / epsilon)``:

    - lower, for any potentials: ``a . f + (A / B) b . g + epsilon (A - sum K)``;
    - upper: the scaled part ``Q = x K y`` has ``M + epsilon log(Q / R) = f + g + epsilon log(x y)``, in which M
      cancels, so that Q costs ``r . (f + epsilon log x) + c . (g + epsilon log y)`` with its row and column sums
      r, c.  The fill F of mass t joins by convexity, ``KL(Q + F) <= sum Q log(Q / R) + t (2 log(A / t) + 1)``.

    Returns
    -------
    lower, upper : float
        Rounding is paid for: entries K by the rounding of their exponents, sums by their lengths.
    """
    a, b = plan.targets
    epsilon, f, g, r = plan.epsilon, plan.f, plan.g, plan.rounding
    mass, total = math.fsum(a), r.total
    top = max(map(abs, plan.ground.bounds()))
    entry, sums = _rounding(plan, top)

    sizes = math.fsum(a * np.abs(f)) + math.fsum(b * np.abs(g))
    lower = math.fsum([*(a * f), *(b * g), epsilon * (mass - total)])
    lower -= 8 * UNIT * (sizes + epsilon * (mass + total)) + epsilon * total * (entry + sums)

    rows, columns = a - r.alpha, b - r.beta
    scaled = math.fsum([*(rows * (f + epsilon * _log(r.x))), *(columns * (g + epsilon * _log(r.y)))])
    logs = math.fsum(rows * np.abs(_log(r.x))) + math.fsum(columns * np.abs(_log(r.y)))
    # Sums may be off by ``sums``: Q is shrunk by that much, and what it loses joins the fill.
    left = min(r.left + 4 * sums * mass, mass)
    fill = r.fill + 4 * sums * mass * top + epsilon * left * (2 * math.log(mass / left) + 1)
    upper = scaled + fill + (4 * sums + 8 * UNIT) * (sizes + epsilon * logs + abs(fill)) + epsilon * mass * entry
    return lower, upper


def _rounding(plan: GibbsPlan, top: float) -> tuple[float, float]:
    """Relative errors of an entry of K, and of any sum of entries."""
    from otcore._kernels.exp2 import SHORT

    row, column = plan.exponents
    exponents = sum(float(np.abs(v[np.isfinite(v)]).max()) for v in (row, column)) + top / plan.epsilon
    entry = (16 + plan.ground.exponent_ulps + plan.ground.enclosure.ulps) * UNIT * exponents + SHORT
    return 2 * entry, (max(plan.shape) + 64) * UNIT


def _log(scaling: Array) -> Array:
    """Logarithms of scalings; where a scaling is 0 nothing is moved."""
    return np.log(np.where(scaling > 0, scaling, 1.0))
