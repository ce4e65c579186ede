"""Bounds by supporting planes: where the boxes around two groups of points say too little.

All costs here are convex in ``y - x``, so at any difference ``t`` a plane touches them from below.  A box bound gives
away what a potential varies within the box; the plane follows it, and gives away only the curvature.  For a distance,
whose potentials fall as steeply as it rises along every ray of the transport, that is nearly everything.
"""

from __future__ import annotations

import math

import numpy as np

from otcore._kernels._kernel import interpreted, kernel
from otcore._kernels.ground import CHEBYSHEV, CITYBLOCK, EUCLIDEAN, power

SLACK = 2.0**-47  # of all terms: 64 u, where the float operations below lose about 20


@kernel
def touch(ground, t, reach, slope):
    """A plane below the cost: ``M(t + w) >= value + slope . w`` for all w; writes ``slope`` (d,), returns ``value``.

    The base has ``base(t + w) >= b + e . w`` with ``e`` in the dual unit ball (twice ``t`` for squares), and an
    increasing convex power of it lies above its tangent.  ``|w_k| <= reach_k`` is where the plane will be used: around
    the kink of an absolute value it is tilted between the two slopes.
    """
    code, q, unit = ground
    b, widest = 0.0, 0
    for k in range(t.size):
        if code == CITYBLOCK:
            slope[k] = min(max(t[k] / reach[k], -1.0), 1.0) if reach[k] > 0 else np.sign(t[k])
            b += slope[k] * t[k]
        elif code == CHEBYSHEV:
            slope[k] = 0.0
            if abs(t[k]) > abs(t[widest]):
                widest = k
        else:
            slope[k] = t[k]
            b += t[k] * t[k]
    if code == CHEBYSHEV:
        slope[widest] = np.sign(t[widest])
        b = abs(t[widest])
    elif code == EUCLIDEAN:
        b = math.sqrt(b)
        for k in range(t.size):
            slope[k] = slope[k] / b if b > 0 else 0.0
    elif code != CITYBLOCK:
        for k in range(t.size):
            slope[k] *= 2.0
    value = unit * (b if q == 1.0 else power(b, q))
    steep = unit * (1.0 if q == 1.0 else q * value / unit / b if b > 0 else 0.0)
    for k in range(t.size):
        slope[k] *= steep
    return value


def _within(ground, pruning, points, h, corners, leaf, tile, low, high, worst, kept):
    lowest, highest = corners[:, :, leaf]
    middle, here = 0.5 * (lowest + highest), 0.5 * (low + high)
    t, reach, slope = here - middle, 0.5 * (high - low) + 0.5 * (highest - lowest), np.empty(low.size)
    value = size = interpreted(touch)(ground, t, reach, slope)
    lift, deep = h.copy(), worst.copy()
    for k in range(low.size):
        size += abs(slope[k]) * (abs(t[k]) + 2.0 * reach[k])
        lift += slope[k] * (points[:, k] - middle[k])
        deep -= slope[k] * (tile[k] - here[k])
    slack = (SLACK * ground[1] + (1.0 - pruning[0])) * (size + np.abs(h).max()) + pruning[1]
    found = np.flatnonzero(~(deep.max() < value - lift - slack))
    kept[: found.size] = found
    return found.size


@kernel(twin=_within)
def within(ground, pruning, points, h, corners, leaf, tile, low, high, worst, kept):
    """Write to ``kept`` the points i of a leaf for which not all ``M_lo[i, t] - h[i]`` are above ``worst[t]``.

    Returns how many these are; some that are beyond may be among them.

    Parameters
    ----------
    pruning : (shrink, eta), an enclosure of the entries
    points, h : (r, d) and (r,), the points of the leaf and their potentials
    corners : (2, d, k) of all leaves; ``leaf`` is the one meant
    tile : (d, w) points, transposed; low, high : (d,) corners of their box
    """
    d = low.size
    t, reach, slope, lift = np.empty(d), np.empty(d), np.empty(d), np.empty(h.size)
    for k in range(d):
        t[k] = 0.5 * (low[k] + high[k]) - 0.5 * (corners[0, k, leaf] + corners[1, k, leaf])
        reach[k] = 0.5 * (high[k] - low[k]) + 0.5 * (corners[1, k, leaf] - corners[0, k, leaf])
    value = touch(ground, t, reach, slope)
    size = value
    for k in range(d):
        size += abs(slope[k]) * (abs(t[k]) + 2.0 * reach[k])
    largest = 0.0
    for i in range(h.size):
        s = h[i]
        for k in range(d):
            s += slope[k] * (points[i, k] - 0.5 * (corners[0, k, leaf] + corners[1, k, leaf]))
        lift[i], largest = s, max(largest, abs(h[i]))
    deepest = -np.inf
    for j in range(worst.size):
        s = worst[j]
        for k in range(d):
            s -= slope[k] * (tile[k, j] - 0.5 * (low[k] + high[k]))
        deepest = max(deepest, s)
    slack = (SLACK * ground[1] + (1.0 - pruning[0])) * (size + largest) + pruning[1]
    count = 0
    for i in range(h.size):
        kept[count] = i
        count += not deepest < value - lift[i] - slack
    return count
