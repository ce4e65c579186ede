"""From samples to a trained critic: what is trained, on what, and which class wins."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor, nn

from otcore.neural.lipschitz import (
    Clip,
    Funnel,
    GradientPenalty,
    LipschitzMLP,
    ProjectedFunnel,
    Standardised,
    frozen,
    mlp,
)
from otcore.neural.losses import dual_value
from otcore.neural.options import CriticOptions, Side
from otcore.neural.samples import Samples, Source, Standardising, Stream
from otcore.neural.train import Ending, Penalty, Step, train

__all__ = ["FEWEST", "Data", "Fit", "fit", "split", "values"]

RACE, SHORTEST = 0.2, 200  # share of the steps, and fewest, each with a whole schedule: its end decides, not its start
RACING = 256  # funnels in the race: a step costs a quarter, and they have
LONGER = 2  # times the steps: in high dimension they overtake networks late
AHEAD = 1.3  # times the plain funnels of its side: a projected critic learns faster, and is overtaken if it gains less
WIDEST = 256  # dimensions in which projected funnels race: an SVD every step
FUNNELS = 1024
FEWEST = 20  # samples a side that can be split
HELD_OUT = 4096  # fresh samples of a sampler for validation, and as many for the test
TILE = 1 << 14  # points evaluated at once
LR = {"funnel": 0.035, "projected": 0.035, "orthogonal": 0.005, "spectral": 0.005, "clip": 0.001}
USUAL_LR = 0.002


class Recipe(NamedTuple):
    """How one class of critics is made and kept in bounds."""

    core: Any
    lr: float
    penalty: Penalty | None = None
    project: Callable[[Any], None] | None = None


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


def fit(
    x: Data,
    y: Data,
    options: CriticOptions,
    generator: Generator,
    deadline: float = math.inf,
    judge: Callable[[Standardised], bool] | None = None,
) -> Fit:
    """Train the class asked for; ``auto`` first races the certified classes and takes the best on validation."""
    if options.lipschitz == "auto":
        options = _winner(x, y, options, generator, deadline)
    return _fit_one(x, y, options, generator, deadline, judge)


def _winner(x: Data, y: Data, options: CriticOptions, generator: Generator, deadline: float) -> CriticOptions:
    """Networks against funnels of both sides, and those of the better side against projected ones."""
    steps = min(options.max_iter, max(SHORTEST, math.ceil(RACE * options.max_iter)))
    funnels = RACING if options.n_funnels == "auto" else min(RACING, options.n_funnels)
    begin = time.monotonic()

    def reached(name: str, side: Side, by: float) -> float:
        length = steps if name == "orthogonal" else min(options.max_iter, LONGER * steps)
        short = replace(options, lipschitz=name, side=side, max_iter=length, n_funnels=funnels, callback=None)
        end = begin + by * (deadline - begin)  # the race takes half of the time
        value = _certified_value(_fit_one(x, y, short, generator, end, None), x.validation, y.validation)
        return value if value > -math.inf else -math.inf  # nan is last, too

    network = reached("orthogonal", "x", by=0.125)
    turns: tuple[tuple[Side, float], ...] = (("x", 0.25), ("y", 0.375))
    funnel, side = max((reached("funnel", side, by), side) for side, by in turns)
    name, best = ("funnel", funnel) if funnel > network else ("orthogonal", network)
    if x.validation.shape[1] <= WIDEST and reached("projected", side, by=0.5) > max(best, AHEAD * funnel):
        name = "projected"
    return replace(options, lipschitz=name, side=side)


def _certified_value(fit: Fit, x: Tensor, y: Tensor) -> float:
    assert fit.bound is not None
    return float(dual_value(values(fit.critic, x), values(fit.critic, y))) / max(fit.bound, 1.0)


def _fit_one(
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
    recipe = _recipe(options, *((near, _size(x)) if options.side == "x" else (far, _size(y))), generator)
    core = recipe.core.to(centre.device, dtype)
    steps = train(
        core, near, far, (near.of(x.validation), far.of(y.validation)), generator=generator, lr=recipe.lr,
        batch=options.batch, max_iter=options.max_iter, penalty=recipe.penalty, project=recipe.project,
        deadline=deadline,
    )  # fmt: skip
    history = tuple(_watched(steps, lambda: Standardised(frozen(core), centre, scale), options, judge))
    core = frozen(core)
    proof = getattr(core, "lipschitz_bound", None)
    bound = None if proof is None else float(proof())
    name = options.lipschitz if isinstance(options.lipschitz, str) else type(options.lipschitz).__name__
    return Fit(name, Standardised(core, centre, scale), bound, history)


def _standard(pooled: Tensor) -> tuple[Tensor, float]:
    """Centre (d,) and root mean square deviation, without over- or underflow of the squares."""
    centre = pooled.mean(0)
    away = pooled - centre
    top = float(away.abs().max()) or 1.0
    return centre, top * (float((away / top).square().mean().sqrt()) or 1.0)


def _size(side: Data) -> int:
    return len(side.train) if isinstance(side.train, Samples) else FUNNELS


def _recipe(options: CriticOptions, home: Standardising, size: int, generator: Generator) -> Recipe:
    """The module and its keeper; funnels start at samples of ``home``, which has ``size`` of them."""
    lipschitz, d = options.lipschitz, home.centre.numel()
    if not isinstance(lipschitz, str):
        return Recipe(copy.deepcopy(lipschitz), USUAL_LR if options.lr == "auto" else options.lr)
    lr = LR.get(lipschitz, USUAL_LR) if options.lr == "auto" else options.lr
    if lipschitz in ("funnel", "projected"):
        k = min(FUNNELS, size) if options.n_funnels == "auto" else options.n_funnels
        centres = home.draw(k, generator)
        if lipschitz == "funnel":
            return Recipe(Funnel(centres, options.side), lr)
        return Recipe(ProjectedFunnel(centres, options.side), lr, project=lambda u: u.contract())
    initial = Generator().manual_seed(int(torch.randint(1 << 31, (), generator=generator, device=generator.device)))
    if lipschitz in ("orthogonal", "spectral"):
        return Recipe(LipschitzMLP(d, options.hidden, lipschitz, options.activation, generator=initial), lr)
    core = mlp(d, options.hidden, options.activation, initial)
    if lipschitz == "clip":
        return Recipe(core, lr, project=Clip(options.clip))
    weight = options.penalty / home.scale  # a length against values that are divided by the scale
    return Recipe(core, lr, penalty=GradientPenalty(weight, one_sided=lipschitz == "lp"))


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


def split(side: Samples | Stream, shares: tuple[float, float, float], generator: Generator) -> Data:
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


@torch.no_grad()
def values(u: nn.Module, z: Tensor) -> Tensor:
    return torch.cat([u(tile) for tile in z.split(TILE)]) if len(z) else z.new_zeros(0)
