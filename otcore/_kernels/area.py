"""The area between two distribution functions on the line, and the sort that comes before it.

A sort of floats alone runs in vector registers, one that carries an index does not.  So positions are packed: a float's
bits, which order as floats do, give up as many low ones as an index needs, and one plain sort moves both.
"""

from __future__ import annotations

import numpy as np

from otcore._kernels._kernel import kernel
from otcore._kernels.sums import fma, two_sum

__all__ = ["area", "pack", "settle", "unpack"]

SIGN, ONE, ZERO = np.uint64(1 << 63), np.uint64(1), np.uint64(0)
LEAD = np.uint64(61)  # the highest bit of a key, always set: as floats, keys are positive, normal and finite


@kernel
def pack(x, w, bits, keys, records):
    """Keys (n,) that sort as floats almost as x does, each with its index in the last ``bits``.

    x and w (n,) are the bits of positions and weights; ``records`` (n, 2) becomes one beside the other.  Only
    positions that share ``61 - bits`` bits, from the first in which any two of the n differ, may end in wrong order.
    """
    low, high = ~ZERO, ZERO
    for i in range(x.size):
        k = x[i] ^ ((ZERO - (x[i] >> np.uint64(63))) | SIGN)  # integers that order as the floats do
        keys[i] = k
        low, high = min(low, k), max(high, k)
        records[i, 0], records[i, 1] = x[i], w[i]
    used = ZERO
    while used < np.uint64(64) and (high - low) >> used != ZERO:
        used += ONE
    index = (ONE << np.uint64(bits)) - ONE
    for i in range(x.size):
        k = keys[i] - low
        k = k >> (used - LEAD) if used > LEAD else k << (LEAD - used)
        keys[i] = (ONE << LEAD) | (k & ~index) | np.uint64(i)


@kernel
def unpack(keys, bits, records, w):
    """Sorted ``keys`` (n,) become the positions they stand for, and ``w`` (n,) their weights; both as bits."""
    index = (ONE << np.uint64(bits)) - ONE
    for k in range(keys.size):
        i = keys[k] & index
        keys[k], w[k] = records[i, 0], records[i, 1]


@kernel
def settle(x, w, patience):
    """Sort x (n,), and w (n,) along with it, by insertion; False, with x a mess, after ``patience`` moves."""
    for k in range(1, x.size):
        if x[k] < x[k - 1]:
            z, mass, j = x[k], w[k], k
            while j > 0 and x[j - 1] > z:
                x[j], w[j] = x[j - 1], w[j - 1]
                j -= 1
                patience -= 1
            x[j], w[j] = z, mass
            if patience < 0:
                return False
    return True


@kernel
def area(x, a, y, b, ratio, ratio_low):
    """``int |F - G|`` as an unrounded pair: F sums a (n,) up to a point, G sums ``b (ratio + ratio_low)`` (m,).

    x (n,) and y (m,) ascending, n and m at least 1.  Each sum of masses, and the area itself, is a head and the sum of
    all that rounding left of it: :mod:`otcore.certify.area` says by how much the pair may be off.
    """
    n, m = np.uint64(x.size), np.uint64(y.size)
    i, j = ZERO, ZERO
    next_x, next_y = x[0], y[0]
    last = min(next_x, next_y)
    d, d_low, total, low = 0.0, 0.0, 0.0, 0.0  # F - G, and the area
    for _ in range(x.size + y.size):
        z = min(next_x, next_y)
        s, e = two_sum(z, -last)
        last = z
        height, height_low = (-d, -d_low) if d + d_low < 0.0 else (d, d_low)
        p = height * s
        q = fma(height, s, -p) + (height * e + height_low * s)
        total, r = two_sum(total, p)
        low += r + q
        if next_x <= next_y:
            w, w_low = a[i], 0.0
            i += ONE
            next_x = x[i] if i < n else np.inf
        else:
            w = -(b[j] * ratio)
            w_low = -(fma(b[j], ratio, w) + b[j] * ratio_low)
            j += ONE
            next_y = y[j] if j < m else np.inf
        d, r = two_sum(d, w)
        d_low += r + w_low
    return total, low
