"""What stands before and after the entries of a Sinkhorn pass: potentials to exponents in base 2 and back.

A dozen steps of NumPy take longer than these loops where a pass itself takes half a millisecond.
"""

from __future__ import annotations

import math

import numpy as np

from otcore._kernels._kernel import kernel
from otcore._kernels.exp2 import exp2

__all__ = ["answered", "drift", "exponents", "powers", "scaled"]


@kernel
def exponents(f, factor, logs, F):
    """``F = factor f + logs``, and -inf where there is no f."""
    for i in range(f.size):
        F[i] = factor * f[i] + logs[i]
    F[f.size :] = -np.inf


@kernel
def answered(F, log_a, factor, w, least, b, log_b, omega, f, g):
    """Potentials f of the exponents F, and g, in place, answering the column sums w, but where these are too small.

    Returns
    -------
    (float, bool): how far columns are off after that, in L1; whether a sum is at most ``least``
    """
    for i in range(f.size):
        f[i] = (F[i] - log_a[i]) / factor
    after, lost = 0.0, False
    for j in range(g.size):
        if not w[j] > least:
            lost = True
            continue
        step = log_b[j] - math.log2(w[j])
        g[j] += step * (omega / factor)
        if omega != 1.0:
            after += b[j] * abs(exp2((omega - 1.0) * step) - 1.0)
    return after, lost


@kernel
def drift(F, F0, G, G0):
    """The largest distance between exponents."""
    most = 0.0
    for i in range(F.size):
        most = max(most, abs(F[i] - F0[i]))
    for j in range(G.size):
        most = max(most, abs(G[j] - G0[j]))
    return most


@kernel
def powers(G, G0, v):
    """``v = 2**(G - G0)``."""
    for j in range(v.size):
        v[j] = exp2(G[j] - G0[j])


@kernel
def scaled(w, v):
    """``w v`` in place; the least and the largest w."""
    least, most = math.inf, -math.inf
    for j in range(w.size):
        least, most = min(least, w[j]), max(most, w[j])
        w[j] *= v[j]
    return least, most
