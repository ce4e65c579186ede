"""How good is a function as a potential?  A certified interval from its values at the points alone.

Needs no torch and trusts no Lipschitz constant: the values may come from a network, a formula or a guess.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np

from otcore._types import Potential
from otcore.certify.certifier import Certifier
from otcore.certify.completion import complete
from otcore.problem import Problem
from otcore.solution import Candidate, Certificate

__all__ = ["ValuesInterval", "certify_values"]

GOLDEN = (math.sqrt(5) - 1) / 2
PASSES = 10  # of the search for the scale: it is then known to 1 %, where the bound is flat
REACH = 4.0  # scales up to this many times the one that makes the steepest sampled slope 1
STEEPEST = 1e100  # slopes beyond this, or below its inverse, are not worth a scale that may overflow
PAIRS = 4096  # sampled for that slope


@dataclass(frozen=True, eq=False)
class ValuesInterval:
    """``lower <= W <= upper`` for the given measures, in units of cost times mass, all rounded outwards.

    Attributes
    ----------
    lower : float
        By the given values alone, scaled and lifted.
    upper : float
        Cost of the feasible plan found from them.
    zero : float
        Lower bound by the zero potential.
    scale : float
        What the values were multiplied by before they were lifted.
    certificate : Certificate
        The best potentials (the given ones, the zero potential, the exact ones after a polish) and the plan.
    """

    lower: float
    upper: float
    zero: float
    scale: float
    certificate: Certificate

    @property
    def gap(self) -> float:
        """``upper - lower``."""
        return self.upper - self.lower

    @property
    def skill(self) -> float:
        """``(lower - zero) / (upper - zero)``: 1 for optimal values, 0 for no better than the zero potential.

        In high dimension nearest neighbours alone, the zero potential, come within per cents of the empirical
        distance: a small gap then says nothing about the values, and the skill does.  NaN where the zero
        potential is optimal.
        """
        room = self.upper - self.zero
        return (self.lower - self.zero) / room if room > 0 else math.nan


def certify_values(
    problem: Problem, u_x: Potential, u_y: Potential, *, max_seconds: float | None = None, polish: bool = False
) -> ValuesInterval:
    """Certified interval around the optimal cost from values of one function at both supports.

    Parameters
    ----------
    problem : Problem
    u_x, u_y : (n,) and (m,) arrays
        Values at the points of the rows and of the columns, in units of the cost; any numbers.
    max_seconds : float, optional
        For the upper bound: the exact engine starts from the values and may be cut short.
    polish : bool
        Let the certificate have the exact engine's potentials too, which closes the gap.

    Examples
    --------
    >>> import numpy as np, otcore
    >>> x, y = np.array([[0.0, 0.0], [1.0, 0.0]]), np.array([[0.0, 3.0], [1.0, 3.0]])
    >>> problem = otcore.Problem([0.5, 0.5], [0.5, 0.5], otcore.CloudCost(x, y))
    >>> interval = certify_values(problem, -0.1 * x[:, 1], -0.1 * y[:, 1])  # the right direction, a tenth of the slope
    >>> interval.lower <= 3.0 <= interval.upper, round(interval.upper - interval.lower, 6)
    (True, 0.0)
    """
    u_x, u_y = (np.asarray(u, dtype=np.float64) for u in (u_x, u_y))
    zero, own, best = Certifier(problem), Certifier(problem), Certifier(problem)
    nothing = np.zeros(u_x.size), np.zeros(u_y.size)
    for candidate in _lifts(problem, *nothing):  # treated as the values are, or the skill would be the lift's
        zero.offer(candidate)
        best.offer(candidate)
    if np.isfinite(u_x).all() and np.isfinite(u_y).all():
        scale = _best_scale(problem, u_x, u_y)
        for candidate in _lifts(problem, scale * u_x, scale * u_y):
            own.offer(candidate)
            best.offer(candidate)
    else:  # a critic that failed is worth as much as no critic
        scale, own = 0.0, zero
    deadline = math.inf if max_seconds is None else time.monotonic() + max_seconds
    completed = complete(problem, best.best, deadline)
    best.offer(completed if polish else Candidate(plan=completed.plan))
    return ValuesInterval(own.lower, best.upper, zero.lower, scale, best.certificate())


def _lifts(problem: Problem, f: Potential, minus_g: Potential) -> list[Candidate]:
    """Feasible pairs that start from the values at the rows and from those at the columns."""
    from_columns = problem.cost.ctransform(-minus_g, axis=1)
    return [Candidate(potentials=(f, -minus_g)), Candidate(potentials=(from_columns, -minus_g))]


def _best_scale(problem: Problem, u_x: Potential, u_y: Potential) -> float:
    """The s that maximises ``s sum a u + sum b (s u)^c``, by golden section: it is concave in s.

    A c-transform is a minimum of functions affine in s.  Critics are too flat (clipped weights) or too steep
    (penalties), and a scale that is right for most pairs gains more than the lift can repair.
    """
    a, b = problem.a, problem.b * (problem.a.sum() / problem.b.sum())
    rng = np.random.default_rng(0)
    i, j = rng.integers(u_x.size, size=PAIRS), rng.integers(u_y.size, size=PAIRS)
    distance = problem.cost.at(i, j)
    apart = (distance > 0) & np.isfinite(distance)
    slope = np.abs(u_x[i] - u_y[j])[apart] / distance[apart]
    if not slope.size or not 1 / STEEPEST < slope.max() < STEEPEST:
        return 1.0

    def bound(s: float) -> float:
        g = problem.cost.ctransform(s * u_x, axis=0)
        return float(a @ (s * u_x) + b @ np.where(np.isposinf(g), 0.0, g))

    left, right = 0.0, REACH / float(slope.max())
    inner = [right - GOLDEN * right, GOLDEN * right]
    values = [bound(s) for s in inner]
    for _ in range(PASSES - 2):
        if values[0] >= values[1]:
            right, inner[1], values[1] = inner[1], inner[0], values[0]
            inner[0] = right - GOLDEN * (right - left)
            values[0] = bound(inner[0])
        else:
            left, inner[0], values[0] = inner[0], inner[1], values[1]
            inner[1] = left + GOLDEN * (right - left)
            values[1] = bound(inner[1])
    tried = [(values[0], inner[0]), (values[1], inner[1]), (bound(1.0), 1.0)]
    return max(tried)[1]
