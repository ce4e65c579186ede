"""Train a critic, judge it: the estimator of W1 behind ``w1_critic`` and ``method="critic"``."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor, nn

from otcore.certify.values import certify_values
from otcore._types import Potential
from otcore.costs import CloudCost, LineCost
from otcore.errors import InvalidProblemError, ShapeError, UnsupportedProblemError
from otcore.neural.lipschitz import Clip, Funnel, GradientPenalty, LipschitzMLP, Standardised, frozen, mlp
from otcore.neural.losses import dual_value
from otcore.neural.options import CriticOptions
from otcore.neural.result import CriticResult, PopulationBound
from otcore.neural.samples import Samples, Source, Standardising, Stream, source
from otcore.neural.train import Ending, Penalty, Project, Step, train
from otcore.plans import SparsePlan
from otcore.problem import Problem
from otcore.solution import Candidate

__all__ = ["on_problem", "w1_critic"]

RACERS = ("orthogonal", "funnel")  # what auto trains: the two certified classes that win somewhere
FUNNELS = 1024
FEWEST = 20  # samples a side that can be split
HELD_OUT = 4096  # fresh samples of a sampler for validation, and as many for the test
TRAINING = 0.8  # of max_seconds; the rest is for the certificate
SLOPES = 4096  # pairs whose slopes are looked at
TILE = 1 << 14  # points evaluated at once
LR = {"funnel": 0.05, "orthogonal": 0.005, "spectral": 0.005, "gp": 0.002, "lp": 0.002, "clip": 0.001}


class Recipe(NamedTuple):
    """How one class of critics is made and kept in bounds."""

    core: nn.Module
    lr: float
    penalty: Penalty | None = None
    project: Project | None = None


class Data(NamedTuple):
    """Disjoint samples of one side: a source to train on, fixed samples (n, d) for the rest."""

    train: Source
    validation: Tensor
    test: Tensor


@dataclass(frozen=True)
class Fit:
    """A trained critic, float64 and frozen, with its diary."""

    lipschitz: str
    critic: Standardised
    bound: float | None
    steps: tuple[Step, ...]


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
    if not 0 < confidence < 1:
        raise InvalidProblemError(f"confidence is {confidence}; expected a probability between 0 and 1")
    if certify < 1:
        raise InvalidProblemError(f"certify is {certify}; expected a number of points >= 1")
    device = device_named(settings.device)
    generator = Generator(device).manual_seed(settings.seed)
    given = [source(z, w, name, device) for z, w, name in zip((x, y), weights, ("x", "y"), strict=True)]
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
            f"method 'critic' learns a function of points that is Lipschitz in the Euclidean distance, but this problem "
            f"has {what}; pass points with metric='euclidean', or use method='dual'"
        )
    device = device_named(options.device)
    generator = Generator(device).manual_seed(options.seed)
    weights = [None if np.ptp(w) == 0 else w for w in (problem.a, problem.b)]
    given = [source(z, w, name, device) for z, w, name in zip((cost.x, cost.y), weights, ("p", "q"), strict=True)]
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
    x, y = (_split(side, options.split, generator) for side in given)
    if x.validation.shape[1] != y.validation.shape[1]:
        d, e = x.validation.shape[1], y.validation.shape[1]
        raise ShapeError(f"x has dimension {d} and y has dimension {e}; both must live in the same space")
    deadline = math.inf if max_seconds is None else begin + TRAINING * max_seconds
    judge = None if rtol is None else _GapReached(problem, rtol)
    fitted = fit(x, y, options, generator, deadline, judge)
    left = None if max_seconds is None else max(0.0, begin + max_seconds - time.monotonic())
    return _report(fitted, x, y, problem, options, confidence, left)


def fit(
    x: Data,
    y: Data,
    options: CriticOptions,
    generator: Generator,
    deadline: float = math.inf,
    judge: Callable[[Standardised], bool] | None = None,
) -> Fit:
    """Train the class asked for; ``auto`` trains each of RACERS and keeps the best by its validation value."""
    if options.lipschitz != "auto":
        return _fit_one(options.lipschitz, x, y, options, generator, deadline, judge)
    fits, begin = [], time.monotonic()
    for k, name in enumerate(RACERS, start=1):  # equal shares of the time
        end = begin + (deadline - begin) * k / len(RACERS)
        fits.append(_fit_one(name, x, y, options, generator, end, judge))
    return max(fits, key=lambda f: _certified_value(f, x.validation, y.validation))


def _certified_value(fit: Fit, x: Tensor, y: Tensor) -> float:
    assert fit.bound is not None
    return float(dual_value(_values(fit.critic, x), _values(fit.critic, y))) / max(fit.bound, 1.0)


def _fit_one(
    lipschitz: Any,
    x: Data,
    y: Data,
    options: CriticOptions,
    generator: Generator,
    deadline: float,
    judge: Callable[[Standardised], bool] | None,
) -> Fit:
    centre, scale = _standard(torch.cat([x.validation, y.validation]))
    dtype = getattr(torch, options.dtype)
    near, far = (Standardising(side.train, centre, scale, dtype) for side in (x, y))
    recipe = _recipe(lipschitz, near, _size(x), options, generator)
    core = recipe.core.to(centre.device, dtype)
    steps = train(
        core, near, far, (near.of(x.validation), far.of(y.validation)), generator=generator, lr=recipe.lr,
        batch=options.batch, max_iter=options.max_iter, penalty=recipe.penalty, project=recipe.project,
        deadline=deadline,
    )  # fmt: skip
    history = tuple(_watched(steps, lambda: Standardised(frozen(core), centre, scale), options, judge))
    core = frozen(core)
    bound = float(core.lipschitz_bound()) if hasattr(core, "lipschitz_bound") else None
    name = lipschitz if isinstance(lipschitz, str) else type(lipschitz).__name__
    return Fit(name, Standardised(core, centre, scale), bound, history)


def _standard(pooled: Tensor) -> tuple[Tensor, float]:
    """Centre (d,) and root mean square deviation, without over- or underflow of the squares."""
    centre = pooled.mean(0)
    away = pooled - centre
    top = float(away.abs().max()) or 1.0
    return centre, top * (float((away / top).square().mean().sqrt()) or 1.0)


def _size(side: Data) -> int:
    return len(side.train) if isinstance(side.train, Samples) else FUNNELS


def _recipe(lipschitz: Any, x: Standardising, size: int, options: CriticOptions, generator: Generator) -> Recipe:
    lr = LR.get(lipschitz, LR["gp"]) if isinstance(lipschitz, str) else LR["gp"]
    lr = lr if options.lr == "auto" else options.lr
    if not isinstance(lipschitz, str):
        return Recipe(copy.deepcopy(lipschitz), lr)
    d = x.centre.numel()
    if lipschitz == "funnel":
        k = min(FUNNELS, size) if options.n_funnels == "auto" else options.n_funnels
        if options.lr == "auto":
            lr *= k ** (-1 / d)  # the spacing of K points in d dimensions
        return Recipe(Funnel(x.draw(k, generator)), lr)
    initial = Generator().manual_seed(int(torch.randint(1 << 31, (), generator=generator, device=generator.device)))
    if lipschitz in ("orthogonal", "spectral"):
        return Recipe(LipschitzMLP(d, options.hidden, lipschitz, options.activation, generator=initial), lr)
    core = mlp(d, options.hidden, options.activation, initial)
    if lipschitz == "clip":
        return Recipe(core, lr, project=Clip(options.clip))
    return Recipe(core, lr, penalty=GradientPenalty(options.penalty, one_sided=lipschitz == "lp"))


def _watched(
    steps: Iterator[Step],
    critic: Callable[[], Standardised],
    options: CriticOptions,
    judge: Callable[[Standardised], bool] | None,
) -> Iterator[Step]:
    """The diary in the user's units, ended early by the callback or by the certified gap, shown as it grows."""
    from tqdm import tqdm

    scale = critic().scale
    with tqdm(total=options.max_iter, desc="critic", disable=not options.progress, leave=False) as bar:
        for step in steps:
            step = step._replace(train=scale * step.train, validation=scale * step.validation)
            bar.update(step.iteration - bar.n)
            bar.set_postfix_str(f"held out {step.validation:.6g}")
            if options.callback is not None and options.callback(step) is False:
                step = step._replace(ending=Ending.CALLBACK)
            elif step.ending is None and judge is not None and judge(critic()):
                step = step._replace(ending=Ending.GAP)
            yield step
            if step.ending is not None:
                return


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
    split = len(x.test) > 1 and len(y.test) > 1
    held_x, held_y = (x.test, y.test) if split else (x.validation, y.validation)
    u_x, u_y = _values(u, held_x), _values(u, held_y)
    held_out = float(dual_value(u_x, u_y))
    population, why = None, ""
    weighted = any(isinstance(side.train, Samples) and side.train.weights is not None for side in (x, y))
    if bound is None:
        why = f"{fit.lipschitz!r} proves no Lipschitz constant; use 'orthogonal', 'funnel' or 'spectral'"
    elif weighted:
        why = "weighted points are a measure, not samples of a population"
    elif not split:
        why = f"no untouched test samples: fewer than {FEWEST} a side, or split leaves none"
    else:
        population = PopulationBound.of(u_x, u_y, max(bound, 1.0), confidence)
    values = _at_supports(u, problem)
    return CriticResult(
        estimate=held_out if bound is None else held_out / max(bound, 1.0),
        empirical=certify_values(problem, *values, max_seconds=max_seconds, polish=options.polish),
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
    if torch.device(name).type == "cuda" and not torch.cuda.is_available():
        raise UnsupportedProblemError(f"device is {name!r}, but torch finds no CUDA device; use 'cpu' or 'auto'")
    return name


def _split(side: Samples | Stream, shares: tuple[float, float, float], generator: Generator) -> Data:
    if isinstance(side, Stream):
        return Data(side, side.draw(HELD_OUT, generator), side.draw(HELD_OUT, generator))
    if len(side) < FEWEST:
        return Data(side, _balanced(side), side.points[:0])
    training, validation, test = side.split(shares, generator)
    return Data(training, _balanced(validation if len(validation) else training), _balanced(test))


def _balanced(side: Samples) -> Tensor:
    """Points of equal weight that stand for the side: itself, or for weighted points a systematic resample."""
    if side.weights is None or not len(side):
        return side.points
    total = side.weights.cumsum(0)
    levels = (torch.arange(HELD_OUT, device=total.device) + 0.5) / HELD_OUT * total[-1]
    return side.points[torch.searchsorted(total, levels).clamp(max=len(side) - 1)]


def _empirical(given: list[Samples | Stream], certify: int, generator: Generator) -> Problem:
    """The problem of the certified interval: at most ``certify`` of the points given, or as many fresh ones, a side."""
    points, masses = [], []
    for side in given:
        if isinstance(side, Stream):
            chosen = Samples(side.draw(certify, generator))
        else:
            chosen = side if len(side) <= certify else side.split((certify / len(side), 1), generator)[0]
        n = len(chosen)
        w = torch.full((n,), 1 / n, dtype=torch.float64) if chosen.weights is None else chosen.weights.cpu()
        points.append(chosen.points.cpu().numpy())
        masses.append((w / w.sum()).numpy())
    return Problem(*masses, CloudCost(*points))


def _at_supports(u: Standardised, problem: Problem) -> tuple[Potential, Potential]:
    cost = problem.cost
    assert isinstance(cost, CloudCost | LineCost)
    z = (torch.tensor(points.reshape(len(points), -1), device=u.centre.device) for points in (cost.x, cost.y))
    u_x, u_y = (_values(u, points).cpu().numpy() for points in z)
    return u_x, u_y


@torch.no_grad()
def _values(u: nn.Module, z: Tensor) -> Tensor:
    return torch.cat([u(tile) for tile in z.split(TILE)]) if len(z) else z.new_zeros(0)


def _observed(u: nn.Module, x: Tensor, y: Tensor) -> float:
    """Largest gradient norm at the samples, and largest slope between neighbours in the list."""
    x, y = x[:SLOPES], y[:SLOPES]
    z = torch.cat([x, y]).requires_grad_(True)
    (gradient,) = torch.autograd.grad(u(z).sum(), z)
    k = min(len(x), len(y))
    distance = torch.linalg.vector_norm(x[:k] - y[:k], dim=1)
    rise = (_values(u, x[:k]) - _values(u, y[:k])).abs()
    slopes = torch.where(distance > 0, rise / distance, 0.0)
    return float(torch.maximum(torch.linalg.vector_norm(gradient, dim=1).max(), slopes.max()))
