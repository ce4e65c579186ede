"""Ground costs between points: integer codes, blocks of entries.

``M = base ** q * unit``; the base is summed from coordinate differences, never from |x|^2 + |y|^2 - 2 x.y.
Every operation (+, abs, square, max, sqrt, products of non-negatives) is monotone in floats, so the entry of
the smallest differences of two boxes is a lower bound of every entry between them, without any slack.
No fast-math: these floats are what the enclosures of docs/certificates.md speak of.
"""

from __future__ import annotations

import math

import numpy as np

from otcore._kernels._kernel import interpreted, kernel, linear

EUCLIDEAN, SQEUCLIDEAN, CITYBLOCK, CHEBYSHEV = 0, 1, 2, 3
MAX_PRODUCT = 8.0  # up to here half-integer powers are products; beyond, and between, libm's pow


def _bases(code, points, yt, base):
    base[:] = 0.0
    for k in range(yt.shape[0]):
        _accumulate(code, points[:, k], yt[k], base)


def _accumulate(code, coordinates, column, base):
    delta = coordinates[:, None] - column
    if code == CHEBYSHEV:
        np.maximum(base, np.abs(delta), out=base)
    else:
        base += np.abs(delta) if code == CITYBLOCK else delta * delta


def _finish(ground, entry):
    code, q, unit = ground
    if code == EUCLIDEAN:
        np.sqrt(entry, out=entry)
    if q != 1.0 and interpreted(by_products)(q):
        whole, root = entry.copy(), np.sqrt(entry) if q != np.floor(q) else None
        for _ in range(int(q) - 1):
            entry *= whole
        entry *= 1.0 if root is None else root
    elif q != 1.0:
        entry[:] = [x**q for x in entry.tolist()]  # the C library's, which NumPy's vectors are not
    if unit != 1.0:
        entry *= unit


@kernel
def block(ground, points, yt, entry):
    """``entry[i, t] = M(points_i, y_t)`` for points (r, d) and columns ``yt`` (d, w); both C-ordered."""
    bases(ground[0], points, yt, entry)
    finish(ground, entry.reshape(-1))


@kernel(twin=_bases)
def bases(code, points, yt, base):
    """What :func:`finish` makes costs of: sums of squares, sums or maxima of the differences, (r, w)."""
    together = 2 if yt.shape[0] >= 2 else 0
    if together:
        pair(code, points, yt, base)
    else:
        base[:] = 0.0
    for k in range(together, yt.shape[0]):
        accumulate(code, points[:, k].copy(), yt[k], base)  # contiguous, as elsewhere: compiled once


@kernel
def pair(code, points, yt, base):
    """The first two coordinates at once: the same floats as from zero by :func:`accumulate`, a third of the traffic.

    A loop a metric, since a branch inside a loop would be a blend of all; the rows inside, since a call a row of
    32 entries costs four times the row.
    """
    if code == CITYBLOCK:
        for i in range(points.shape[0]):
            x0, x1 = points[i, 0], points[i, 1]
            for t in range(yt.shape[1]):
                base[i, t] = abs(x0 - yt[0, t]) + abs(x1 - yt[1, t])
    elif code == CHEBYSHEV:
        for i in range(points.shape[0]):
            x0, x1 = points[i, 0], points[i, 1]
            for t in range(yt.shape[1]):
                base[i, t] = max(abs(x0 - yt[0, t]), abs(x1 - yt[1, t]))
    else:
        for i in range(points.shape[0]):
            x0, x1 = points[i, 0], points[i, 1]
            for t in range(yt.shape[1]):
                delta, other = x0 - yt[0, t], x1 - yt[1, t]
                base[i, t] = delta * delta + other * other


@kernel(twin=_accumulate)
def accumulate(code, coordinates, column, base):
    """Take the differences in one coordinate into the bases (r, w).

    A loop a metric and the rows inside, as in :func:`pair`.
    """
    if code == CITYBLOCK:
        for i in range(coordinates.size):
            coordinate, row = coordinates[i], base[i]
            for t in range(column.size):
                row[t] += abs(coordinate - column[t])
    elif code == CHEBYSHEV:
        for i in range(coordinates.size):
            coordinate, row = coordinates[i], base[i]
            for t in range(column.size):
                row[t] = max(row[t], abs(coordinate - column[t]))
    else:
        for i in range(coordinates.size):
            coordinate, row = coordinates[i], base[i]
            for t in range(column.size):
                delta = coordinate - column[t]
                row[t] += delta * delta


@kernel(twin=_finish)
def finish(ground, entry):
    """Accumulated bases (k,) to costs, in place: root, power, unit."""
    code, q, unit = ground
    if code == EUCLIDEAN:
        for t in range(entry.size):
            entry[t] = math.sqrt(entry[t])
    if q != 1.0:
        for t in range(entry.size):
            entry[t] = power(entry[t], q)
    if unit != 1.0:
        for t in range(entry.size):
            entry[t] *= unit


@kernel(work=linear)
def by_products(q):
    """Whether ``base ** q`` is formed by products and at most one square root, hence with a proved error."""
    return q <= MAX_PRODUCT and 2.0 * q == np.floor(2.0 * q)


@kernel
def power(base, q):
    """``base ** q`` for q >= 1."""
    if not by_products(q):
        return base**q
    result = base
    for _ in range(int(q) - 1):
        result *= base
    return result * math.sqrt(base) if q != np.floor(q) else result
