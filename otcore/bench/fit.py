"""How time grows with size: a power, and how well it is known."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["exponent"]


def exponent(sizes: Sequence[float], seconds: Sequence[float]) -> tuple[float, float] | None:
    """Slope of log seconds over log size and its standard error, by least squares; None below three points.

    What took no time by a coarse clock, or none that is known (nan), is left out.
    """
    points = [(math.log(n), math.log(t)) for n, t in zip(sizes, seconds, strict=True) if t > 0]
    if len({n for n, _ in points}) < 3:
        return None
    x, y = zip(*points, strict=True)
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    square = sum((v - mean_x) ** 2 for v in x)
    slope = sum((v - mean_x) * (w - mean_y) for v, w in zip(x, y, strict=True)) / square
    rest = sum((w - mean_y - slope * (v - mean_x)) ** 2 for v, w in zip(x, y, strict=True))
    return slope, math.sqrt(rest / (len(x) - 2) / square)
