"""The estimator of W1 behind ``w1_critic`` and ``method="critic"``: train a critic, then judge it."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

from otcore._types import Potential
from otcore.certify.values import certify_values
from otcore.costs import CloudCost, LineCost
from otcore.errors import ShapeError, UnsupportedProblemError
from otcore.neural.fitting import FEWEST, Data, Fit, fit, split, values
from otcore.neural.lipschitz import Standardised
from otcore.neural.losses import dual_value
from otcore.neural.options import CriticOptions, real, require, whole
from otcore.neural.result import CriticResult, PopulationBound
from otcore.neural.samples import Samples, Stream, source
from otcore.neural.train import Ending
from otcore.plans import SparsePlan
from otcore.problem import Problem
from otcore.solution import Candidate

__all__ = ["on_problem", "w1_critic"]

TRAINING = 0.8  # of max_seconds; the rest is for the certificate
SLOPES = 4096  # pairs whose slopes are looked at


def w1_critic(
    x: Any,
    y: Any,
    *,
    weights: tuple[Any, Any] = (None, None),
    confidence: float = 0.95,
    certify: int = 2048,
    rtol: float | None = None,
    max_seconds: float | None = None,
    **options: Any,
) -> CriticResult:
    """Estimate W1 of two distributions from samples, and say how wrong the estimate may be.

    Parameters
    ----------
    x, y : (n, d) and (m, d) array_like, tensors, or samplers ``f(n, generator) -> (n, d)``
        Samples of P and of Q; the critic is high on P.  Samplers draw from the ``torch.Generator`` given.
    weights : pair of array_like or None
        Masses of given samples; normalised.
    confidence : float
        Of the bound for the populations.
    certify : int
        At most so many points a side enter the certified interval, which is then that of those points.
    rtol : float, optional
        Stop training once the certified gap of the critic is within it; it costs an interval per look.
    max_seconds : float, optional
        For training and certifying together, about.
    **options
        The fields of :class:`~otcore.neural.CriticOptions`: ``lipschitz="funnel"``, ``seed=1``, ...

    Returns
    -------
    CriticResult

    Raises
    ------
    ShapeError, NonFiniteError, InvalidProblemError, UnsupportedProblemError

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.normal(size=(500, 2)), rng.normal(size=(500, 2)) + [2.0, 0.0]
    >>> r = w1_critic(x, y, lipschitz="orthogonal", hidden=(16,), max_iter=200)
    >>> r.population.lower <= 2.0, r.empirical.lower <= r.empirical.upper, r.lipschitz_certified < 1.001
    (True, True, True)
    """
    settings = CriticOptions(**options)
    level = real(confidence)
    require("confidence", confidence, level is not None and 0 < level < 1, "a probability between 0 and 1")
    require("certify", certify, whole(certify, most=math.inf) is not None, "a number of points >= 1")
    for name, value in (("rtol", rtol), ("max_seconds", max_seconds)):
        require(name, value, value is None or real(value, math.inf) is not None, "a number >= 0")
    try:
        pairs = list(zip((x, y), weights, ("x", "y"), strict=True))
    except (TypeError, ValueError):
        require("weights", weights, False, "a pair: those of x and those of y")
    device = device_named(settings.device)
    generator = Generator(device).manual_seed(settings.seed)
    given = [source(z, w, name, device) for z, w, name in pairs]
    problem = _empirical(given, certify, generator)
    return _estimate(given, problem, settings, generator, confidence, rtol, max_seconds)


def on_problem(problem: Problem, options: CriticOptions, max_seconds: float | None) -> Candidate:
    """A critic trained on the points of a problem, as a candidate for it; the report is in the user's units.

    Raises
    ------
    UnsupportedProblemError
        Where the cost is not the Euclidean distance of points.
    """
    cost = problem.cost
    if not isinstance(cost, LineCost) and not (isinstance(cost, CloudCost) and cost.metric == "euclidean"):
        what = f"metric {cost.metric!r}" if isinstance(cost, CloudCost) else "a metric without points"
        raise UnsupportedProblemError(
            "method 'critic' learns a function of points that is Lipschitz in the Euclidean distance, but this "
            f"problem has {what}; pass points with metric='euclidean', or use method='dual'"
        )
    device = device_named(options.device)
    generator = Generator(device).manual_seed(options.seed)
    weights = [None if np.ptp(w) == 0 else w for w in (problem.a, problem.b)]
    given = [source(z, w, "points", device, least=1) for z, w in zip((cost.x, cost.y), weights, strict=True)]
    unit, mass = problem.cost_unit, problem.mass_unit
    own = Problem(problem.a * mass, problem.b * mass, type(cost)(cost.x, cost.y))
    result = _estimate(given, own, options, generator, confidence=0.95, rtol=None, max_seconds=max_seconds)
    certificate = result.empirical.certificate
    plan = certificate.plan
    assert isinstance(plan, SparsePlan)
    plan = SparsePlan(plan.i, plan.j, plan.mass / mass, plan.shape)
    return Candidate(plan, (certificate.f / unit, certificate.g / unit), result)


def _estimate(
    given: list[Samples | Stream],
    problem: Problem,
    options: CriticOptions,
    generator: Generator,
    confidence: float,
    rtol: float | None,
    max_seconds: float | None,
) -> CriticResult:
    begin = time.monotonic()
    x, y = (split(side, options.split, generator) for side in given)
    if x.validation.shape[1] != y.validation.shape[1]:
        d, e = x.validation.shape[1], y.validation.shape[1]
        raise ShapeError(f"x has dimension {d} and y has dimension {e}; both must live in the same space")
    deadline = math.inf if max_seconds is None else begin + TRAINING * max_seconds
    judge = None if rtol is None else _GapReached(problem, rtol)
    fitted = fit(x, y, options, generator, deadline, judge)
    left = None if max_seconds is None else max(0.0, begin + max_seconds - time.monotonic())
    return _report(fitted, x, y, problem, options, confidence, left)


class _GapReached:
    """Whether a critic's own certified interval is within a relative gap; the upper bound is found once."""

    def __init__(self, problem: Problem, rtol: float) -> None:
        self.problem, self.rtol, self.upper = problem, rtol, math.inf

    def __call__(self, u: Standardised) -> bool:
        seconds = 0.0 if self.upper < math.inf else None
        interval = certify_values(self.problem, *_at_supports(u, self.problem), max_seconds=seconds)
        self.upper = min(self.upper, interval.upper)
        return self.upper - interval.lower <= self.rtol * self.upper


def _report(
    fit: Fit,
    x: Data,
    y: Data,
    problem: Problem,
    options: CriticOptions,
    confidence: float,
    max_seconds: float | None,
) -> CriticResult:
    """Judge a trained critic on samples that it has not seen, and on the points of the problem."""
    u, bound = fit.critic, fit.bound
    untouched = len(x.test) > 1 and len(y.test) > 1
    held_x, held_y = (x.test, y.test) if untouched else (x.validation, y.validation)
    u_x, u_y = values(u, held_x), values(u, held_y)
    held_out = float(dual_value(u_x, u_y))
    population, why = None, ""
    weighted = any(isinstance(side.train, Samples) and side.train.weights is not None for side in (x, y))
    if bound is None:
        why = f"{fit.lipschitz!r} proves no Lipschitz constant; use 'orthogonal', 'funnel' or 'spectral'"
    elif weighted:
        why = "weighted points are a measure, not samples of a population"
    elif not untouched:
        why = f"no untouched test samples: fewer than {FEWEST} a side, or split leaves none"
    else:
        population = PopulationBound.of(u_x, u_y, max(bound, 1.0), confidence)
    return CriticResult(
        estimate=held_out if bound is None else held_out / max(bound, 1.0),
        empirical=certify_values(problem, *_at_supports(u, problem), max_seconds=max_seconds, polish=options.polish),
        population=population,
        why_no_population=why,
        lipschitz_certified=bound,
        lipschitz_observed=_observed(u, held_x, held_y),
        train=fit.steps[-1].train,
        held_out=held_out,
        lipschitz=fit.lipschitz,
        critic=u,
        history=fit.steps,
        status=fit.steps[-1].ending or Ending.ITERATIONS,
        seed=options.seed,
        device=str(u.centre.device),
    )


def device_named(name: str) -> str:
    """The device to use; ``auto`` takes a CUDA device where there is one."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        cuda = torch.device(name).type == "cuda"
    except RuntimeError:
        require("device", name, False, "'auto', 'cpu', 'cuda' or 'cuda:' and a number")
    if cuda and not torch.cuda.is_available():
        raise UnsupportedProblemError(f"device is {name!r}, but torch finds no CUDA device; use 'cpu' or 'auto'")
    try:
        Generator(name)
        torch.zeros(1, dtype=torch.float64, device=name)
    except (RuntimeError, TypeError) as error:
        why = str(error).partition("\n")[0]
        raise UnsupportedProblemError(
            f"device is {name!r}, which cannot be used ({why}); use 'cpu' or 'auto'"
        ) from None
    return name


def _empirical(given: list[Samples | Stream], certify: int, generator: Generator) -> Problem:
    """The problem of the certified interval: at most ``certify`` of the points given, or as many fresh ones, a side."""
    chosen = [_at_most(certify, side, generator) for side in given]
    x, y = (side.points.cpu().numpy() for side in chosen)
    a, b = (_masses(side).cpu().numpy() for side in chosen)
    return Problem(a, b, CloudCost(x, y))


def _at_most(count: int, side: Samples | Stream, generator: Generator) -> Samples:
    if isinstance(side, Stream):
        return Samples(side.draw(count, generator))
    return side if len(side) <= count else side.split((count / len(side), 1), generator)[0]


def _masses(side: Samples) -> Tensor:
    if side.weights is None:
        return torch.full((len(side),), 1 / len(side), dtype=torch.float64)
    return side.weights / side.weights.sum()


def _at_supports(u: Standardised, problem: Problem) -> tuple[Potential, Potential]:
    cost = problem.cost
    assert isinstance(cost, CloudCost | LineCost)
    z = (torch.tensor(points.reshape(len(points), -1), device=u.centre.device) for points in (cost.x, cost.y))
    u_x, u_y = (values(u, points).cpu().numpy() for points in z)
    return u_x, u_y


def _observed(u: Standardised, x: Tensor, y: Tensor) -> float:
    """Largest gradient norm at the samples, and largest slope between neighbours in the list."""
    x, y = x[:SLOPES], y[:SLOPES]
    z = torch.cat([x, y]).requires_grad_(True)
    (gradient,) = torch.autograd.grad(u(z).sum(), z)
    k = min(len(x), len(y))
    distance = torch.linalg.vector_norm(x[:k] - y[:k], dim=1)
    rise = (values(u, x[:k]) - values(u, y[:k])).abs()
    slopes = torch.where(distance > 0, rise / distance, 0.0)
    return float(torch.maximum(torch.linalg.vector_norm(gradient, dim=1).max(), slopes.max()))
