"""Compile the kernels ahead of the first question."""

from __future__ import annotations

import time

import numpy as np

from otcore._api import solve
from otcore.costs import DenseCost

__all__ = ["warmup"]


def warmup() -> float:
    """Compile, or load, what exact answers need: stored costs, points in the plane, the line.

    Kernels are compiled once for a machine and kept on disk.  Call it when building an image, or before timing.

    Returns
    -------
    float: seconds that it took.

    Examples
    --------
    >>> import otcore
    >>> otcore.warmup() > 0
    True
    """
    from otcore._kernels._kernel import compiled

    start = time.perf_counter()
    rng = np.random.default_rng(0)
    with compiled():
        for n in (80, 300):  # in one call, and step by step
            x, y, w = rng.normal(size=(n, 2)), rng.normal(size=(n, 2)), rng.random(n)
            w /= w.sum()
            M, rest = DenseCost(rng.random((n, n - 10))), np.full(n - 10, 1 / (n - 10))
            solve(w, rest, cost=M)
            solve(np.full(n, 1 / n), rest, cost=M)  # rounded flows below zero, which are repaired
            solve(x, y)
            solve(x[:, 0], y[:, 0])
            solve(x[:, 0], y[:, 0], order=2)
    return time.perf_counter() - start
