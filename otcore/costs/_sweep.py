"""Between costs and their one-pass kernels: potentials in units of the cost, exponents in base 2."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import Executor

import numpy as np

from otcore._types import Array, Indices, Potential
from otcore.costs._cost import Cost, Sweep, Tail

__all__ = ["LOG2_E", "Kernel", "gathered", "in_chunks", "sweep"]

LOG2_E = 1.0 / math.log(2.0)
CHUNKS, SHARED = 8, 1 << 20  # pieces that the rows of a pass are cut into, and entries from which on they are
FAINT = 2.0**-900  # a column sum below it is one of lost digits

Kernel = Callable[[float, Array, Array, Array, float, Array], float]


def sweep(
    columns: Callable[[Indices], Cost],
    kernel: Kernel,
    width: int,
    epsilon: float,
    f: Potential | None,
    g: Potential,
    a: Array,
    b: Array,
    omega: float,
    logs: tuple[Array, Array] | None = None,
) -> Sweep:
    """One Sinkhorn iteration by ``kernel(factor, F, G, a, omega, w)``, which wants ``width`` columns.

    Exponents contain the log-weights: ``P_ij = 2 ** (F_i + G_j - factor M_ij)``.  ``columns(j)`` is the cost on some
    columns, which is asked for where they have lost their digits; ``logs`` are those of a and b in base 2, where known.
    """
    from otcore._kernels.sweep import answered, exponents

    factor, m = LOG2_E / epsilon, g.size
    log_a, log_b = logs or (np.log2(a), np.log2(b))
    F, G, w = np.empty(a.size), np.empty(width), np.empty(width)
    exponents(g[:0] if f is None else f, factor, log_a, F)
    exponents(g, factor, log_b, G)
    row_error = kernel(factor, F, G, a, omega, w)
    f, g, w = np.empty(a.size), g.copy(), w[:m]
    after, lost = answered(F, log_a, factor, w, FAINT, b, log_b, omega, f, g)
    if lost:  # after a jump of epsilon: from the columns' own maxima
        few = np.flatnonzero(~(w > FAINT))
        g[few] = columns(few).softmin(epsilon, f, np.log(a), axis=0)
    return Sweep(f, g, row_error, after)


def in_chunks(kernel: Callable[[slice], Kernel], n: int, width: int, pool: Executor | None) -> Kernel:
    """The pass of all n rows from those of some, ``kernel(rows)``: the same bits in any number of threads, or none."""
    if n * width < SHARED:
        return kernel(slice(0, n))
    edges = [n * k // CHUNKS for k in range(CHUNKS + 1)]

    def whole(factor: float, F: Array, G: Array, a: Array, omega: float, w: Array) -> float:
        sums = np.empty((CHUNKS, w.size))

        def part(k: int) -> float:
            rows = slice(edges[k], edges[k + 1])
            return kernel(rows)(factor, F[rows], G, a[rows], omega, sums[k])

        errors = list((pool.map if pool else map)(part, range(CHUNKS)))
        sums.sum(axis=0, out=w)
        return sum(errors)

    return whole


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
