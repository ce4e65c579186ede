"""Masses as integers of equal sum, which a simplex can add and subtract without a rounding.

The unit is a power of two near 2^-61 (n + 1) of the total, so integer weights of equal sum stay exact.  Then masses are
perturbed, a -> (n + 1) a + 1 and b -> (n + 1) b, and the heaviest b takes the n that are missing: no flow on a tree is
ever zero; see :mod:`otcore._kernels.simplex`.  [Orden 1956]
"""

from __future__ import annotations

from math import frexp, ldexp

import numpy as np

from otcore._kernels._kernel import kernel, linear
from otcore._kernels.sums import sum2

BITS = 61  # of the total mass in units: flows never exceed it, and int64 keeps a spare bit


@kernel
def _rounded(w, ratio, exponent):
    """``w * ratio`` in units of ``2**-exponent``; none becomes zero."""
    out = np.empty(w.size, np.int64)
    for k in range(w.size):
        out[k] = max(np.int64(1), np.int64(np.rint(ldexp(w[k] * ratio, exponent))))
    return out


@kernel
def _spread(units, more):
    """Spread some units over the masses that are not below the mean."""
    mean, heavy = units.sum() // units.size, 0
    for x in units:
        heavy += x >= mean
    each, rest = more // heavy, more % heavy
    for k in range(units.size):
        if units[k] >= mean:
            units[k] += each + (rest > 0)
            rest -= rest > 0


@kernel(work=linear)
def integers(a, b):
    """Integer masses of two sides; ``b`` is scaled to the sum of ``a``.

    Parameters
    ----------
    a, b : (n,), (m,) positive masses

    Returns
    -------
    a, b : (n,), (m,) int64
    exponent, quantum : ``a // quantum * 2**-exponent`` is the mass that was given, up to rounding
    """
    (mass, low, _), (other, other_low, _) = sum2(a), sum2(b)
    mass, quantum = mass + low, a.size + 1
    exponent = BITS - frexp(mass)[1] - frexp(float(quantum))[1]
    a_units, b_units = _rounded(a, 1.0, exponent), _rounded(b, mass / (other + other_low), exponent)
    short = a_units.sum() - b_units.sum()
    if short > 0:  # only ever add: nothing may become zero
        _spread(b_units, short)
    else:
        _spread(a_units, -short)
    heaviest = b_units.argmax()
    for k in range(a.size):
        a_units[k] = quantum * a_units[k] + 1
    for k in range(b.size):
        b_units[k] *= quantum
    b_units[heaviest] += a.size
    return a_units, b_units, exponent, quantum
