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
    n = 80  # enough for arcs to be softened, and priced in more than once
    x, y, w = rng.normal(size=(n, 2)), rng.normal(size=(n, 2)), rng.random(n)
    w /= w.sum()
    M = DenseCost(rng.random((n, n - 10)))
    with compiled():
        solve(w, np.full(n - 10, 1 / (n - 10)), cost=M)
        solve(np.full(n, 1 / n), np.full(n - 10, 1 / (n - 10)), cost=M)  # rounded flows below zero, which are repaired
        solve(x, y)
        solve(x[:, 0], y[:, 0])
        solve(x[:, 0], y[:, 0], order=2)
    return time.perf_counter() - start
