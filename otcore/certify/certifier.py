"""The one place where certificates are made: best feasible plan and best feasible potentials so far."""

from __future__ import annotations

import math
from fractions import Fraction
from operator import mul

import numpy as np

from otcore._kernels.sums import dot2
from otcore._types import Potential
from otcore.certify.masses import FixedMasses
from otcore.certify.repair import UpperBound, bound_gibbs, bound_sparse
from otcore.certify.rounding import edge, outward_sum, product_up, rescaled, round_outward
from otcore.errors import InfeasibleError
from otcore.plans import GibbsPlan, SparsePlan
from otcore.problem import Problem
from otcore.solution import Candidate, Certificate

__all__ = ["Certifier"]

COMFORT = 300  # costs between 2^-300 and 2^300 are certified as they are; others times a power of two
FARTHEST = 1000  # binary places that costs are moved by: the power itself must be a float
TIGHT = 2.0**-44  # of the value: a gap that only rounding is left of
HOPELESS = 2.0**900  # potentials beyond it, or nan, say nothing about such costs, and their sums may overflow


class Certifier:
    """Judges candidates against the user's own numbers and keeps the best of each half.

    It works on a copy scaled by powers of two (total mass below one, costs in a comfortable range), which
    changes no bit of the problem, and gives the certificate back in the user's units.

    Attributes
    ----------
    lower, upper : float
        Bounds so far, in the user's units.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem, self.lower, self.upper = problem, -np.inf, np.inf
        largest = max(problem.mass, float(problem.b.sum()))
        top = max(abs(v) for v in problem.cost.bounds())
        self._mass_exponent = -1 - math.frexp(largest)[1]
        comfortable = 2.0**-COMFORT < top < 2.0**COMFORT or top == 0
        self._cost_exponent = 0 if comfortable else min(FARTHEST, -int(np.frexp(top)[1]))
        a, b = (np.ldexp(w, self._mass_exponent) for w in (problem.a, problem.b))
        self._scaled = Problem.trusted(a, b, problem.cost.scaled(self._cost_exponent))
        self._masses = FixedMasses.of(problem.a, problem.b, self._mass_exponent)
        self._best_lower: tuple[float, Potential, Potential] | None = None
        self._latest: tuple[Potential, Potential] | None = None
        self._best_upper: UpperBound | None = None

    # -- judging ------------------------------------------------------------------------------------

    def offer(self, candidate: Candidate, trivial: bool = False) -> None:
        """Repair both halves of a candidate and keep what improves on the best; of equals the method's own."""
        if isinstance(candidate.plan, SparsePlan):
            bound = bound_sparse(self._scaled, self._masses, candidate.plan, self._mass_exponent)
            self._offer_upper(bound, trivial)
        elif isinstance(candidate.plan, GibbsPlan):
            plan = _moved(candidate.plan, self._scaled, self._cost_exponent)
            self._offer_upper(bound_gibbs(self._scaled, plan))
        if candidate.potentials is not None:  # after the plan: see ``_offer_potentials``
            f, g = (np.asarray(h, dtype=np.float64) for h in candidate.potentials)
            if self._cost_exponent:
                f, g = np.ldexp(f, self._cost_exponent), np.ldexp(g, self._cost_exponent)
            self._offer_potentials(f, g)

    def offer_zero(self) -> None:
        """The zero potential of the rows, lifted: one c-transform, exactly 0 where rows and columns coincide."""
        f = np.zeros(self._scaled.shape[0])
        g = self._scaled.cost.ctransform(f, axis=0)
        self._keep_lower(f, np.where(g == np.inf, 0.0, g), trivial=True)

    def offer_one_potential(self) -> None:
        """Where rows and columns share points: the latest potential as ONE Lipschitz function on a fixed grid.

        With g = -f at shared points the common mass cancels exactly, so the bound is sharp relative to the
        value, not to the diameter.  Quadratic in the number of points: asked for only while the gap is open.
        """
        if self._latest is None or "metric" not in self._scaled.cost.traits:
            return
        # Not the best so far: of nearly equal measures that is the zero potential.
        f, g = self._latest
        pair = self._scaled.cost.grid_lift(f, -g)
        if pair is not None:
            self._keep_lower(*pair)

    def _offer_potentials(self, f: Potential, g: Potential) -> None:
        if not (np.abs(f).max() < HOPELESS and np.abs(g).max() < HOPELESS):
            return
        centre = _middle(f[self._scaled.a > 0])  # keeps the two sums from cancelling each other
        for pair in self._scaled.cost.lifts(f - centre):
            self._latest = pair
            self._keep_lower(*pair)
            if self.upper - self.lower <= TIGHT * abs(self.upper):  # what another c-transform may gain is rounding
                return

    def _keep_lower(self, f: Potential, g: Potential, trivial: bool = False) -> None:
        """Price feasible potentials: ``sum a f + (A / B) sum b g`` rounded down once."""
        first, second = dot2(self._scaled.a, f), dot2(self._scaled.b, g)
        lost = 0.0
        if self._masses.lost:  # by every weight; twice, for B / A and for the rounding of this sum
            lost = product_up(2 * self._masses.lost, float(np.abs(f).sum() + np.abs(g).sum()))
        lower = outward_sum((*edge(first, -1), *edge(second, -1), *self._masses.excess(second), -lost), -1)
        best = self._best_lower
        if best is None or lower > best[0] or (lower == best[0] and not trivial):
            self._best_lower = (lower, f, g)
            self._settle()

    def _offer_upper(self, bound: UpperBound | None, trivial: bool = False) -> None:
        if bound is None:
            return
        best, own = self._best_upper, (bound.perturbed, bound.value)
        known = (np.inf, np.inf) if best is None else (best.perturbed, best.value)
        if best is None or own < known or (own == known and not trivial):
            self._best_upper = bound
            self._settle()

    def _settle(self) -> None:
        """State the best bounds in the user's units."""
        lower, upper = self._best_lower, self._best_upper
        if lower is not None:
            self.lower = self._unscale(lower[0], -1)
        if upper is not None:
            self.upper = self._unscale(upper.value, 1)
            if upper.perturbed:  # a pattern is feasible only up to rounding: the given weights have no plan at all
                self.lower = min(self.lower, self.upper)

    # -- what is known --------------------------------------------------------------------------------

    @property
    def best(self) -> Candidate:
        """The best feasible potentials so far, in the user's units: what completion starts from."""
        return Candidate(potentials=None if self._best_lower is None else self._user_potentials())

    def certificate(self) -> Certificate:
        """The proof in the user's units."""
        assert self._best_lower is not None, "trivial candidates come first"
        if self._best_upper is None:
            raise InfeasibleError(
                "M forbids every way for more of the mass than rounding explains, or for almost as much; "
                "allow more arcs (replace inf), or pass weights whose exact sums agree, such as integers"
            )
        f, g = self._user_potentials()
        plan = self._best_upper.plan
        if isinstance(plan, SparsePlan):
            mass, low = (np.ldexp(x, -self._mass_exponent) for x in (plan.mass, plan.mass_low))
            plan = SparsePlan(plan.i, plan.j, mass, plan.shape, low)
        else:
            plan = _moved(plan, self.problem, -self._cost_exponent)
        return Certificate(self.problem, self._lower_by(f, g), self.upper, plan, f, g, self._notes())

    def _lower_by(self, f: Potential, g: Potential) -> float:
        """The lower bound as the potentials prove it in the user's units, where subnormal ones have lost digits."""
        assert self._best_lower is not None
        if self._cost_exponent == 0:
            return self.lower
        back = (np.ldexp(h, self._cost_exponent) for h in (f, g))
        if all(map(np.array_equal, back, self._best_lower[1:])):
            return self.lower
        a, b, f_, g_ = ([Fraction(v) for v in h.tolist()] for h in (self.problem.a, self.problem.b, f, g))
        price = sum(map(mul, a, f_)) + sum(a) / sum(b) * sum(map(mul, b, g_))
        return min(self.lower, round_outward(price, -1))

    def _user_potentials(self) -> tuple[Potential, Potential]:
        assert self._best_lower is not None
        f, g = (_ldexp_down(h, -self._cost_exponent) for h in self._best_lower[1:])
        return f, g

    def _unscale(self, value: float, direction: int) -> float:
        return rescaled(value, -self._mass_exponent - self._cost_exponent, direction)

    def _notes(self) -> tuple[str, ...]:
        notes = []
        bound, cost = self._best_upper, self.problem.cost
        if not cost.enclosure.proved:
            notes.append("this order rests on the C library's pow being within 2 ulps")
        if bound is not None and bound.perturbed:
            share = bound.perturbed / float(self._scaled.a.sum())
            notes.append(f"upper bound for weights perturbed by {share:.1e} of the mass: forbidden arcs block the rest")
        if bound is not None and isinstance(bound.plan, GibbsPlan):
            notes.append("the entropic plan's upper bound rests on exp being within 4 ulps")
        return tuple(notes)


def _moved(plan: GibbsPlan, problem: Problem, exponent: int) -> GibbsPlan:
    """The same entropic plan, stated in the units of ``problem`` (costs times ``2 ** exponent``)."""
    with np.errstate(over="ignore"):  # an infinite epsilon stands for the product of the marginals
        f, g, epsilon = (np.ldexp(v, exponent) for v in (plan.f, plan.g, plan.epsilon))
    return GibbsPlan(f, g, float(epsilon), problem.a, problem.b, problem.cost)


def _middle(h: Potential) -> float:
    """A median, without the care for nan that ``np.median`` pays for."""
    return float(np.partition(h, h.size // 2)[h.size // 2])


def _ldexp_down(h: Potential, exponent: int) -> Potential:
    """``h * 2 ** exponent``, rounded down where the result is subnormal."""
    if exponent == 0:
        return h
    scaled = np.ldexp(h, exponent)
    return np.where(np.ldexp(scaled, -exponent) > h, np.nextafter(scaled, -np.inf), scaled)
