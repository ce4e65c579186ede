"""Averages of a cost over cells of rows."""

from __future__ import annotations

from otcore._kernels._kernel import kernel, linear


@kernel(work=linear)
def add_rows(M, cell, share, out):
    """``out[cell[i]] += share[i] M[i]`` for costs M (r, m), cells and shares (r,)."""
    for i in range(M.shape[0]):
        costs, total, weight = M[i], out[cell[i]], share[i]
        for j in range(costs.size):
            total[j] += weight * costs[j]
