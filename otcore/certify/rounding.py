"""The single outward rounding at the end of every bound."""

from __future__ import annotations

from fractions import Fraction
from math import inf, nextafter

__all__ = ["Interval", "round_outward"]

Interval = tuple[float, float, float]  # (hi, lo, err): a real number within err of hi + lo


def round_outward(exact: Fraction, direction: int) -> float:
    """The nearest float not below (``direction = 1``) or not above (``-1``) an exact number."""
    value = float(exact)  # correctly rounded to nearest
    if direction * (Fraction(value) - exact) < 0:
        value = nextafter(value, direction * inf)
    return value


def edge(term: Interval, direction: int) -> Fraction:
    """The end of the interval ``hi + lo +- err`` as an exact number."""
    hi, lo, err = term
    return Fraction(hi) + Fraction(lo) + direction * Fraction(err)
