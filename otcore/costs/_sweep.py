"""Between costs and their one-pass kernels: potentials in units of the cost, exponents in base 2."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from otcore._types import Array, Potential
from otcore.costs._cost import Cost, Sweep, Tail

__all__ = ["LOG2_E", "gathered", "sweep"]

LOG2_E = 1.0 / math.log(2.0)
FAINT = 2.0**-900  # a column sum below it is one of lost digits

Kernel = Callable[[float, Array, Array, Array, float, Array], float]


def sweep(
    cost: Cost,
    kernel: Kernel,
    width: int,
    epsilon: float,
    f: Potential | None,
    g: Potential,
    a: Array,
    b: Array,
    omega: float,
) -> Sweep:
    """One Sinkhorn iteration by ``kernel(factor, F, G, a, omega, w)``, which wants ``width`` columns.

    Exponents contain the log-weights: ``P_ij = 2 ** (F_i + G_j - factor M_ij)``.
    """
    factor, m = LOG2_E / epsilon, g.size
    log_a, log_b = np.log2(a), np.log2(b)
    F = np.full(a.size, -np.inf) if f is None else f * factor + log_a
    G, w = np.full(width, -np.inf), np.empty(width)
    G[:m] = g * factor + log_b
    row_error = kernel(factor, F, G, a, omega, w)
    f = (F - log_a) / factor
    lost = np.flatnonzero(w[:m] <= FAINT)  # after a jump of epsilon; from the columns' own maxima
    step = log_b - np.log2(np.maximum(w[:m], FAINT))
    g = g + step * (omega / factor)
    if lost.size:
        g[lost] = cost.restrict(np.arange(a.size), lost).softmin(epsilon, f, np.log(a), axis=0)
        step[lost] = 0.0
    return Sweep(f, g, row_error, float(b @ np.abs(np.exp2((omega - 1.0) * step) - 1.0)))


def gathered(kernel: Callable[..., tuple[int, int]], n: int, width: int, limit: int) -> Tail | None:
    """All rows of ``kernel(i, start, j, cost, used) -> (i, used)``, the arrays grown as they fill; None above limit."""
    start, i, used = np.empty(n + 1, np.int64), 0, 0
    j, cost = np.empty(0, np.int64), np.empty(0)
    while i < n:
        if used > limit:
            return None
        size = max(4 * j.size, 16 * (n + width))
        j, cost = (np.concatenate([v[:used], np.empty(size - used, v.dtype)]) for v in (j, cost))
        i, used = kernel(i, start, j, cost, used)
    return Tail(start, j[:used].copy(), cost[:used].copy()) if used <= limit else None
