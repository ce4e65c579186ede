"""What a trained critic says: an estimate, and how far each of its numbers can be trusted."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

import torch
from torch import Tensor, nn

from otcore._gate import as_array
from otcore._types import Array, Points
from otcore.certify.values import ValuesInterval
from otcore.errors import ShapeError
from otcore.neural.ctransform import ctransform
from otcore.neural.train import Ending, Step

__all__ = ["CriticResult", "PopulationBound"]

EMPTY_OF_MEANING = 0.95  # of the upper bound: above it nearest neighbours alone explain the interval


@dataclass(frozen=True)
class PopulationBound:
    """A lower bound on W1 of the populations that the samples came from.

    For a function u fixed before the n + m test samples were looked at, and L-Lipschitz for certain,
    ``(E_P u - E_Q u) / L <= W1(P, Q)``; the means are estimated, by a normal approximation.

    Attributes
    ----------
    lower : float
        ``(mean - z * standard_error) / L``, in units of length.
    mean, standard_error : float
        Of ``mean u(x) - mean u(y)`` over the test samples, divided by L.
    confidence : float
        Probability that ``lower`` is below the population's W1.
    n : tuple of int
        Test samples of each side.
    """

    lower: float
    mean: float
    standard_error: float
    confidence: float
    n: tuple[int, int]

    @classmethod
    def of(cls, u_x: Tensor, u_y: Tensor, lipschitz: float, confidence: float) -> PopulationBound:
        """From values at untouched samples, and a proved Lipschitz constant."""
        mean = float(u_x.mean() - u_y.mean()) / lipschitz
        variance = float(u_x.var() / len(u_x) + u_y.var() / len(u_y))
        error = math.sqrt(variance) / lipschitz
        lower = max(0.0, mean - NormalDist().inv_cdf(confidence) * error)
        return cls(lower, mean, error, confidence, (len(u_x), len(u_y)))


@dataclass(frozen=True, eq=False)
class CriticResult:
    """A trained critic and what it says about W1, each number with its own standing.

    Attributes
    ----------
    estimate : float
        The critic's answer, in units of length: ``held_out`` divided by the certified Lipschitz constant
        where there is one.  An estimate of the populations' W1, from below in expectation where certified.
    empirical : ValuesInterval
        Certified interval for the *empirical* measures of the points in ``empirical.certificate.problem``.
    population : PopulationBound or None
    why_no_population : str
        Why there is no bound for the populations; empty where there is one.
    lipschitz_certified : float or None
        Proved bound on the Lipschitz constant, by SVD or by construction.
    lipschitz_observed : float
        Largest gradient norm at samples and largest slope between pairs of them.
    train, held_out : float
        Raw dual values ``mean u(x) - mean u(y)`` on training samples and on others; their difference is
        what was learnt by heart.
    lipschitz : str
        The class of functions; of ``auto`` the winner.
    critic : torch.nn.Module
        Float64, plain weights; maps (n, d) to (n,).
    history : tuple of Step
    status : Ending
    seed : int
    device : str
    """

    estimate: float
    empirical: ValuesInterval
    population: PopulationBound | None
    why_no_population: str
    lipschitz_certified: float | None
    lipschitz_observed: float
    train: float
    held_out: float
    lipschitz: str
    critic: nn.Module = field(repr=False)
    history: tuple[Step, ...] = field(repr=False)
    status: Ending
    seed: int
    device: str

    @property
    def skill(self) -> float:
        """How much of what the zero potential leaves open the critic closes: 1 is optimal, below 0 is harmful."""
        return self.empirical.skill

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader of the numbers should know."""
        found = []
        if self.empirical.zero >= EMPTY_OF_MEANING * self.empirical.upper > 0:
            share = self.empirical.zero / self.empirical.upper
            found.append(
                f"the zero potential alone reaches {share:.0%} of the empirical distance: the certified interval says "
                "nothing about the populations; look at skill and population"
            )
        if self.status is Ending.DIVERGED:
            found.append(f"training diverged: {self.status.value}")
        if self.lipschitz_certified is None and self.lipschitz_observed > 1:
            found.append(f"slopes up to {self.lipschitz_observed:.3g} were seen: the estimate is not one from below")
        return tuple(found)

    def u(self, z: Any) -> Array:
        """Values (n,) of the critic at points (n, d), in units of length, as trained: not divided by its constant."""
        with torch.no_grad():
            return self.critic(self._points(z)).cpu().numpy()

    def dual(self, x: Any, y: Any) -> float:
        """``mean u(x) + mean u^c(y)``, in units of length: a lower bound on W1 of these samples, whatever u is.

        Up to rounding in float64, on the critic's device and for as many points as it likes, where ``empirical`` is
        rounded outwards, scales u and adds an upper bound, for points that a processor takes.
        """
        x, y = self._points(x), self._points(y)
        with torch.no_grad():
            u = self.critic(x)
        return float(u.mean() + ctransform(x, u, y).mean())

    def grad(self, z: Any) -> Points:
        """Gradients (n, d) of the critic at points (n, d)."""
        points = self._points(z).requires_grad_(True)
        (gradient,) = torch.autograd.grad(self.critic(points).sum(), points)
        return gradient.cpu().numpy()

    def direction(self, z: Any) -> Points:
        """``-grad u`` of unit length, (n, d): where the mass at z moves to; 0 where the gradient vanishes.

        How far it moves W1 does not say: its potential knows the rays, not the stops.
        """
        gradient = self.grad(z)
        norm = (gradient**2).sum(axis=1, keepdims=True) ** 0.5
        norm[norm == 0] = 1.0
        return -gradient / norm

    def _points(self, z: Any) -> Tensor:
        points = as_array(z, "z")
        points = points[:, None] if points.ndim == 1 else points
        d = self.critic.get_buffer("centre").numel()
        if points.ndim != 2 or points.shape[1] != d:
            raise ShapeError(f"z has shape {points.shape}; the critic maps points (n, {d})")
        return torch.tensor(points, device=self.device)
