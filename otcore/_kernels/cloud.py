"""Passes over the cost of two point clouds, whose entries are computed where they are used and never stored.

Points that a pass gathers over are rows (n, d); points that it streams over are transposed (d, m), so that
the innermost loops run along contiguous coordinates.
"""

from __future__ import annotations

import numpy as np

from otcore._kernels._kernel import interpreted, kernel, vectors
from otcore._kernels.ground import CHEBYSHEV, CITYBLOCK, accumulate, block, finish

ROWS, COLUMNS = 8, 256  # a block of entries: 16 kB, half of the first-level cache


def _fill(ground, x, yt, out):
    for i, row in enumerate(out):
        interpreted(block)(ground, x[i : i + 1], yt, row[None])


@kernel(work=lambda ground, x, yt, out: 10 * out.shape[0] + vectors(out), twin=_fill)
def fill(ground, x, yt, out):
    """``out[i, j] = M(x_i, y_j)``."""
    x = x.copy()  # points that may not be written to are a type of their own: all below would be compiled twice
    for j in range(0, out.shape[1], COLUMNS):
        tile = yt[:, j : j + COLUMNS].copy()  # a slice alone is strided and not vectorised
        entry = np.empty((ROWS, tile.shape[1]))
        for i in range(0, out.shape[0], ROWS):
            part = entry[: min(ROWS, out.shape[0] - i)]
            block(ground, x[i : i + ROWS], tile, part)
            for k in range(part.shape[0]):
                for t in range(part.shape[1]):  # a slice assignment would take a second longer to compile
                    out[i + k, j + t] = part[k, t]


def _pairs(ground, x, y, i, j, out):
    out[:] = 0.0
    for t in range(x.shape[1]):
        interpreted(accumulate)(ground[0], np.zeros(1), y[j, t] - x[i, t], out[None])
    interpreted(finish)(ground, out)


@kernel(work=lambda ground, x, y, i, j, out: 10 + vectors(i), twin=_pairs)
def pairs(ground, x, y, i, j, out):
    """``out[k] = M(x_i[k], y_j[k])``, the same floats as :func:`fill`'s; y (m, d)."""
    for k in range(i.size):
        base = 0.0
        for t in range(x.shape[1]):
            delta = x[i[k], t] - y[j[k], t]
            if ground[0] == CITYBLOCK:
                base += abs(delta)
            elif ground[0] == CHEBYSHEV:
                base = max(base, abs(delta))
            else:
                base += delta * delta
        out[k] = base
    finish(ground, out)


@kernel(work=lambda ground, enclosure, x, f, yt, out: 10 * f.size * (1 + out.size // COLUMNS))
def ctransform(ground, enclosure, x, f, yt, out):
    """``out[j] = min_i (M_lo[i, j] - f[i])`` rounded down where the subtraction at the minimum was inexact.

    Parameters
    ----------
    ground : (code, power, unit) of the cost
    enclosure : (shrink, eta), ``M_lo = max(0, M * shrink - eta)``
    """
    x = x.copy()
    for j in range(0, out.size, COLUMNS):
        tile, best = yt[:, j : j + COLUMNS].copy(), out[j : j + COLUMNS]
        error, entry = np.zeros(best.size), np.empty((ROWS, best.size))
        best[:] = np.inf
        for i in range(0, f.size, ROWS):
            part = entry[: min(ROWS, f.size - i)]
            block(ground, x[i : i + ROWS], tile, part)
            keep_minimum(enclosure, part, f[i : i + ROWS], best, error)
        round_down(best, error)


def _keep_minimum(enclosure, entry, f, best, error):
    shrink, eta = enclosure
    for h, row in zip(f, entry, strict=True):
        c = np.maximum(row * shrink - eta, 0.0)
        s = c - h
        v = s - c
        e = (c - (s - v)) - (h + v)
        less = (s < best) | ((s == best) & (e < error))
        best[less], error[less] = s[less], e[less]


@kernel(twin=_keep_minimum)
def keep_minimum(enclosure, entry, f, best, error):
    """Lexicographic minima of the unrounded differences ``(s, e) = M_lo - f`` [TAOCP 2, 4.2.2, Thm B]."""
    shrink, eta = enclosure
    for i in range(f.size):
        h, row = f[i], entry[i]
        for t in range(row.size):
            c = max(row[t] * shrink - eta, 0.0)
            s = c - h
            v = s - c
            e = (c - (s - v)) - (h + v)
            less = (s < best[t]) or (s == best[t] and e < error[t])
            best[t] = s if less else best[t]
            error[t] = e if less else error[t]


def _round_down(best, error):
    best[error < 0] = np.nextafter(best[error < 0], -np.inf)


@kernel(twin=_round_down)
def round_down(best, error):
    """The largest floats known to be <= best + error, in place: one float lower only where that is inexact."""
    for t in range(best.size):
        if error[t] < 0:
            best[t] = np.nextafter(best[t], -np.inf)
