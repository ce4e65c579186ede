"""Sums and minima along one axis of a lattice, all lines of the others at once.  No fast-math: certificates look."""

from __future__ import annotations

import math

import numpy as np

from otcore._kernels._kernel import kernel
from otcore._kernels.dense import column_minima
from otcore._kernels.exp2 import exp2

LINES = 256  # lines of the lattice that wait for their sums, in the first-level cache
NEGLIGIBLE = 64.0  # bits below the largest term: all terms that small weigh less than the rounding of the sum


@kernel
def log_sums(C, z, out):
    """``out[i, r] = log2 sum_j 2**(z[j, r] - C[i, j])``, from the largest term of each sum.

    Parameters
    ----------
    C : (n, m) costs in bits, inf allowed
    z : (m, r) exponents; -inf is nothing
    out : (n, r)
    """
    n, m = C.shape
    top, total, peak = np.empty(LINES), np.empty(LINES), np.empty(m)
    for r0 in range(0, z.shape[1], LINES):
        r1 = min(r0 + LINES, z.shape[1])
        t, s = top[: r1 - r0], total[: r1 - r0]
        for j in range(m):
            peak[j] = z[j, r0:r1].max()
        for i in range(n):
            t[:] = -math.inf
            for j in range(m):
                _highest(z[j, r0:r1], C[i, j], t)
            low = math.inf
            for k in range(t.size):
                if t[k] == -math.inf:
                    t[k] = 0.0  # nothing to sum
                else:
                    low = min(low, t[k])
            low -= NEGLIGIBLE
            s[:] = 0.0
            for j in range(m):
                if peak[j] - C[i, j] >= low:
                    _add(z[j, r0:r1], C[i, j], t, s)
            for k in range(t.size):
                out[i, r0 + k] = t[k] + math.log2(s[k]) if s[k] > 0.0 else -math.inf


@kernel
def _highest(line, c, top):
    for k in range(line.size):
        t = line[k] - c
        top[k] = t if t > top[k] else top[k]


@kernel
def _add(line, c, top, total):
    for k in range(line.size):
        total[k] += exp2(line[k] - c - top[k])


@kernel
def least(C, h, out):
    """``out[i, r] = min_j (C[i, j] - h[j, r])`` rounded down; inf where ``h`` is -inf throughout.

    Parameters
    ----------
    C : (n, m), h : (m, r), out : (n, r)
    """
    minus_h = -h  # c - h = (-h) - (-c): the rows of the dense kernel
    for i in range(C.shape[0]):
        column_minima(minus_h, -C[i], out[i])
