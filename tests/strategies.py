"""Hypothesis strategies for weights, points and costs; and for problems together with their closed-form answer."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import strategies as st

SIZES = st.integers(1, 7)
COORDINATES = st.integers(-64, 64).map(lambda k: k / 8)  # dyadic: sums and differences are exact
METRICS = st.sampled_from(["euclidean", "cityblock", "chebyshev"])
ORDERS = st.sampled_from([1, 1.5, 2, 2.5, 3])


def weights(n: int, zeros: bool = True) -> Any:
    """(n,) integer masses, at least one of them positive."""
    return st.lists(st.integers(0 if zeros else 1, 20), min_size=n, max_size=n).filter(any).map(np.array)


def points(n: int, d: int) -> Any:
    """(n, d) dyadic coordinates, (n,) for d = 1; ties are frequent."""
    shape = (n,) if d == 1 else (n, d)
    return st.lists(COORDINATES, min_size=n * d, max_size=n * d).map(lambda v: np.reshape(v, shape))


@st.composite
def balanced(draw: Any, n: int, m: int) -> tuple[Any, Any]:
    """Integer weights (n,), (m,) of exactly the same sum."""
    a, b = draw(weights(n)), draw(weights(m))
    return a * b.sum(), b * a.sum()


@st.composite
def dense_problems(draw: Any, forbidden: bool = False) -> tuple[Any, Any, Any]:
    """(a, b, M) with costs of both signs; with ``forbidden`` some arcs are ``inf``, yet a plan exists."""
    n, m = draw(SIZES), draw(SIZES)
    a, b = draw(balanced(n, m))
    entries = st.integers(-40, 40).map(lambda k: k / 4)
    M = np.reshape(draw(st.lists(entries, min_size=n * m, max_size=n * m)), (n, m))
    if forbidden:
        # The arcs of the north-west plan stay: with those the problem is feasible.
        mask = np.reshape(draw(st.lists(st.booleans(), min_size=n * m, max_size=n * m)), (n, m))
        i = j = 0
        rest_a, rest_b = a.copy(), b.copy()
        while i < n and j < m:
            mask[i, j] = False
            moved = min(rest_a[i], rest_b[j])
            rest_a[i] -= moved
            rest_b[j] -= moved
            i, j = (i + 1, j) if rest_a[i] == 0 else (i, j + 1)
        M[mask] = np.inf
    return a, b, M


@st.composite
def measures(draw: Any, d: int, n: int | None = None) -> Any:
    """A Measure on at most 7 dyadic points of dimension d, with mass 1 rounded once per weight."""
    from otcore import Measure

    n = draw(SIZES) if n is None else n
    return Measure(draw(points(n, d)), draw(weights(n))).normalized()


@st.composite
def translations(draw: Any) -> tuple[Any, Any, dict[str, Any], Fraction]:
    """(p, q, options, exact cost): any measure and its translate by t cost ``mass * |t| ** order``."""
    from otcore import Measure

    d = draw(st.integers(1, 3))
    n, order = draw(SIZES), draw(st.sampled_from([1, 2, 3]))
    x, w = draw(points(n, d)), draw(weights(n))
    t = np.zeros(d)
    t[draw(st.integers(0, d - 1))] = draw(COORDINATES)  # along an axis, so that |t| is rational
    y = x + (t[0] if d == 1 else t)
    options = {"order": order, "metric": draw(METRICS)}
    return Measure(x, w), Measure(y, w), options, int(w.sum()) * Fraction(float(np.abs(t).max())) ** order
