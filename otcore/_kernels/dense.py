"""Passes over a stored cost matrix: c-transforms rounded down, and what centring it leaves."""

from __future__ import annotations

import numpy as np

from otcore._kernels._kernel import interpreted, kernel, vectors

LANES = 128  # entries a block: sixteen AVX-512 registers; 64 and 256 are slower


@kernel
def _least(row, h, best):
    """``best = min(best, row - h)`` entry by entry, rounded to nearest."""
    for k in range(row.size):
        s = row[k] - h[k]
        best[k] = s if s < best[k] else best[k]


@kernel
def _hits(row, h, best):
    """How many entries attain the minimum."""
    count = 0
    for k in range(row.size):
        count += row[k] - h[k] == best[k]
    return count


@kernel
def _least_of_row(row, h, best):
    """``_least`` with one number for the whole row: a fifth faster than an array of it."""
    for k in range(row.size):
        s = row[k] - h
        best[k] = s if s < best[k] else best[k]


@kernel
def _hits_of_row(row, h, best):
    """``_hits`` with one number for the whole row."""
    count = 0
    for k in range(row.size):
        count += row[k] - h == best[k]
    return count


@kernel
def _rounded_up(c, h):
    """Whether fl(c - h) > c - h: the sign of Knuth's TwoSum error; False for a forbidden arc."""
    s = c - h
    t = s - c
    return (c - (s - t)) - (h + t) < 0.0


# A minimum of rounded differences is the rounded minimum; it has to go down by one float only where an entry that
# attains it was rounded up.  So: one lean pass for the minima, one that looks at the few entries attaining them.
# (Keeping the error beside the minimum in a single pass takes three times as long: it is compute-bound.)


def _column_minima(M, h, out):
    out[:] = np.inf
    for row, x in zip(M, h, strict=True):
        np.minimum(out, row - x, out=out)
    down = np.zeros(out.size, np.bool_)
    for row, x in zip(M, h, strict=True):
        down |= (row - x == out) & interpreted(_rounded_up)(row, x)
    out[down] = np.nextafter(out[down], -np.inf)


@kernel(work=vectors, twin=_column_minima)
def column_minima(M, h, out):
    """``out[j] = min_i (M[i, j] - h[i])`` rounded down; inf where every arc is forbidden."""
    n, m = M.shape
    out[:] = np.inf
    for i in range(n):
        _least_of_row(M[i], h[i], out)
    if not h.any():  # nothing was rounded
        return
    down = np.zeros(m, np.bool_)
    for i in range(n):
        for j in range(0, m, LANES):
            end = min(j + LANES, m)
            if _hits_of_row(M[i, j:end], h[i], out[j:end]):
                for k in range(j, end):
                    down[k] |= M[i, k] - h[i] == out[k] and _rounded_up(M[i, k], h[i])
    for j in range(m):
        out[j] = np.nextafter(out[j], -np.inf) if down[j] else out[j]


def _row_minima(M, h, out):
    for i, row in enumerate(M):
        out[i] = (row - h).min()
        if ((row - h == out[i]) & interpreted(_rounded_up)(row, h)).any():
            out[i] = np.nextafter(out[i], -np.inf)


@kernel(work=vectors, twin=_row_minima)
def row_minima(M, h, out):
    """``out[i] = min_j (M[i, j] - h[j])`` rounded down; inf where every arc is forbidden."""
    n, m = M.shape
    best = np.empty(LANES)
    whole = m - m % LANES
    for i in range(n):
        row = M[i]
        best[:] = np.inf
        for j in range(0, whole, LANES):
            _least(row[j : j + LANES], h[j : j + LANES], best)
        _least(row[whole:], h[whole:], best[: m - whole])
        least = np.inf
        for k in range(LANES):
            least = min(least, best[k])
        best[:] = least
        down = False
        for j in range(0, m, LANES):
            end = min(j + LANES, m)
            if _hits(row[j:end], h[j:end], best[: end - j]):
                for k in range(j, end):
                    down |= row[k] - h[k] == least and _rounded_up(row[k], h[k])
        out[i] = np.nextafter(least, -np.inf) if down else least


def _centre(M, r, c):
    c[:] = np.inf
    for i, row in enumerate(M):
        r[i] = row.min()
        r[i] = r[i] if r[i] < np.inf else 0.0
        np.minimum(c, row - r[i], out=c)
    c[c == np.inf] = 0.0
    left = ((row - x) - c for row, x in zip(M, r, strict=True))
    return max(0.0, *(x.max(where=x < np.inf, initial=0.0) for x in left))


@kernel(work=vectors, twin=_centre)
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
