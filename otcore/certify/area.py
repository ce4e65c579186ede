"""Order 1 on the line in one pass: the interval from the area between the distribution functions.

``W_1 = int |F - G|`` [Santambrogio 2015, Prop. 2.17].  A plan and potentials that prove the interval exist, and cost
several times the pass: an index for each point, flows, everything back in the user's order.  They are made when they
are asked for.
"""

from __future__ import annotations

import numpy as np

from otcore._types import Array, Weights
from otcore.certify.rounding import outward_sum
from otcore.costs import LineCost
from otcore.problem import Problem

__all__ = ["enclose"]

FEWEST = 1 << 13  # points on both sides together; fewer are soon proved, and sharper
COMFORT = 2.0**200  # masses and extents between its inverse and it: nothing below is lost to underflow
ROUNDED = 2.0**-49  # of mass times extent: what potentials, rounded down to floats, may fall short of real ones
PATIENCE = 8  # moves a point that a sorted pack may need
U = 2.0**-53


def enclose(problem: Problem) -> tuple[float, float] | None:
    """``lower <= W <= upper``, such that the plan and the potentials of the line prove no less.

    None where the ordinary certificate is as fast, for other costs, and for masses or positions at the ends of the
    range of floats.  [docs/certificates.md, "The line in one pass"]
    """
    from otcore._kernels.area import area
    from otcore._kernels.sums import dd_div, sum2

    cost = problem.cost
    if not isinstance(cost, LineCost) or cost.exponent != 1 or cost.shift or sum(cost.shape) < FEWEST:
        return None
    x, a = _ascending(cost.x, problem.a)
    y, b = _ascending(cost.y, problem.b)
    extent = max(x[-1], y[-1]) - min(x[0], y[0])
    (A, A_low, A_off), (B, B_low, B_off) = sum2(a), sum2(b)
    if not all(1 / COMFORT < v < COMFORT for v in (extent, A, B)):
        return None
    total, low = area(x, a, y, b, *dd_div(A, A_low, B, B_low))
    steps = float(sum(cost.shape) + 8)
    # Generous by a factor of two each, which covers the rounding of these bounds themselves.
    off = (64 * steps**2 * U**2 + 2 * (A_off / A + B_off / B)) * A * extent
    upper = outward_sum((total, low, off, 4 * U * total), 1)
    lower = outward_sum((total, low, -off, -ROUNDED * A * extent), -1)
    return max(lower, 0.0), upper


def _ascending(z: Array, w: Weights) -> tuple[Array, Weights]:
    """Positions in ascending order, and their weights."""
    from otcore._kernels.area import pack, settle, unpack

    if (w == w[0]).all():
        return np.sort(z), w
    bits = (z.size - 1).bit_length()
    keys, weights, records = (np.empty(shape, np.uint64) for shape in (z.size, z.size, (z.size, 2)))
    pack(z.view(np.uint64), w.view(np.uint64), bits, keys, records)
    keys.view(np.float64).sort()
    unpack(keys, bits, records, weights)
    sorted_z, sorted_w = keys.view(np.float64), weights.view(np.float64)
    if settle(sorted_z, sorted_w, PATIENCE * z.size):
        return sorted_z, sorted_w
    order = np.argsort(z)
    return z[order], w[order]
