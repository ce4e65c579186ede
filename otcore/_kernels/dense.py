"""Passes over a stored cost matrix: c-transforms rounded down, and what centring it leaves."""

from __future__ import annotations

import numpy as np
from numba import njit

LANES = 64  # columns a block of the row pass keeps minima of: eight AVX-512 registers, independent chains


@njit(cache=True, nogil=True)
def _fold(row, h, shrink, eta, floor, best, error):
    """Lexicographic minimum of the unrounded differences (s, e) = max(floor, row*shrink - eta) - h.

    The pair is Knuth's TwoSum of an exact difference; a forbidden arc gives s = inf, e = nan and never wins.
    """
    for k in range(row.size):
        c = max(floor, row[k] * shrink - eta)
        s = c - h[k]
        t = s - c
        e = (c - (s - t)) - (h[k] + t)
        less = (s < best[k]) or (s == best[k] and e < error[k])
        best[k] = s if less else best[k]
        error[k] = e if less else error[k]


@njit(cache=True, nogil=True)
def _down(s, e):
    """Largest float known to be <= s + e."""
    return np.nextafter(s, -np.inf) if e < 0 else s


@njit(cache=True, nogil=True)
def column_minima(M, h, shrink, eta, floor, out):
    """``out[j] = min_i (M_lo[i, j] - h[i])`` rounded down."""
    n, m = M.shape
    error = np.zeros(m)
    shift = np.empty(m)
    out[:] = np.inf
    for i in range(n):
        shift[:] = h[i]
        _fold(M[i], shift, shrink, eta, floor, out, error)
    for j in range(m):
        out[j] = _down(out[j], error[j])


@njit(cache=True, nogil=True)
def row_minima(M, h, shrink, eta, floor, out):
    """``out[i] = min_j (M_lo[i, j] - h[j])`` rounded down."""
    n, m = M.shape
    best, error = np.empty(LANES), np.empty(LANES)
    for i in range(n):
        best[:] = np.inf
        error[:] = 0.0
        for j in range(0, m - m % LANES, LANES):
            _fold(M[i, j : j + LANES], h[j : j + LANES], shrink, eta, floor, best, error)
        tail = m % LANES
        if tail:
            _fold(M[i, m - tail :], h[m - tail :], shrink, eta, floor, best[:tail], error[:tail])
        s, e = best[0], error[0]
        for k in range(1, LANES):
            if best[k] < s or (best[k] == s and error[k] < e):
                s, e = best[k], error[k]
        out[i] = _down(s, e)


@njit(cache=True, nogil=True)
def centre(M, r, c):
    """Row minima ``r``, column minima ``c`` of what is left, and the largest finite entry left after both."""
    n, m = M.shape
    c[:] = np.inf
    for i in range(n):
        low = np.inf
        for j in range(m):
            low = min(low, M[i, j])
        r[i] = low if low < np.inf else 0.0
        for j in range(m):
            c[j] = min(c[j], M[i, j] - r[i])
    for j in range(m):
        c[j] = c[j] if c[j] < np.inf else 0.0
    top = 0.0
    for i in range(n):
        for j in range(m):
            left = (M[i, j] - r[i]) - c[j]
            top = left if (left > top and left < np.inf) else top
    return top
