"""The single outward rounding at the end of every bound."""

from __future__ import annotations

from fractions import Fraction
from math import fsum, inf, isfinite, ldexp, nextafter, prod

__all__ = ["Interval", "edge", "in_units", "outward_sum", "product_up", "rescaled", "round_outward"]

Interval = tuple[float, float, float]  # (hi, lo, err): a real number within err of hi + lo


def edge(term: Interval, direction: int) -> tuple[float, float, float]:
    """The end of the interval ``hi + lo +- err``, as floats whose exact sum it is."""
    hi, lo, err = term
    return hi, lo, direction * err


def outward_sum(terms: tuple[float, ...], direction: int) -> float:
    """The nearest float not below (``direction = 1``) or not above (``-1``) the exact sum of floats.

    ``fsum`` rounds once, and no exact sum of floats but zero rounds to zero: the second one has the right sign.
    """
    value = fsum(terms)
    return nextafter(value, direction * inf) if direction * fsum((*terms, -value)) > 0 else value


def product_up(x: float, y: float) -> float:
    """A float not below ``x * y``, and 0 if that is 0."""
    return nextafter(x * y, inf) if x and y else 0.0


def round_outward(exact: Fraction, direction: int) -> float:
    """The nearest float not below (``direction = 1``) or not above (``-1``) an exact number."""
    value = float(exact)  # correctly rounded to nearest
    if direction * (Fraction(value) - exact) < 0:
        value = nextafter(value, direction * inf)
    return value


def in_units(value: float, direction: int, *units: float) -> float:
    """``value`` times all units, rounded outwards once; infinities stay."""
    if not isfinite(value):
        return value
    try:
        return round_outward(prod(map(Fraction, units), start=Fraction(value)), direction)
    except OverflowError:  # beyond the floats: only one end of an interval can be there
        return direction * inf


def rescaled(value: float, exponent: int, direction: int) -> float:
    """``value * 2 ** exponent``, rounded outwards where that is no float."""
    scaled = ldexp(value, exponent)
    back = ldexp(scaled, -exponent)  # differs only where digits fell below the smallest double
    return nextafter(scaled, direction * inf) if direction * (value - back) > 0 else scaled
