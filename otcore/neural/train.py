"""The one training loop: Adam on the dual value, with its stops, its diary and its way out of a NaN."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor, nn

from otcore.neural.losses import dual_value
from otcore.neural.samples import Source

__all__ = ["Ending", "Penalty", "Project", "Step", "train"]

CHECKS = 40  # entries in the diary of a full training,
APART = 25  # steps between two of them at least: the validation sample costs several batches
PATIENCE = 10  # entries without progress before the step falls faster
HURRY = 3  # times faster: to stop at once would leave the rest of the schedule's gain, mostly of the gradients
PROGRESS = 1e-3  # relative gain of the validation value that counts
BETAS = (0.9, 0.99)  # Adam forgets faster than usual: the winners of a maximum change

Penalty = Callable[[nn.Module, Tensor, Tensor, Generator], Tensor]
Project = Callable[[nn.Module], None]


class Ending(Enum):
    """Why the training ended; the value is the message."""

    ITERATIONS = "all steps were made; raise max_iter if the validation value still rises"
    PLATEAU = "the validation value stopped rising, and the rest of the schedule was gone through faster"
    GAP = "the certified gap is within the tolerance asked for"
    TIME = "max_seconds ran out; allow more time"
    CALLBACK = "the callback returned False"
    DIVERGED = "a loss was not finite; the critic is that of the last check before it; lower lr"


class Step(NamedTuple):
    """An entry of the diary.

    Attributes
    ----------
    iteration : int
    seconds : float, since the start
    train : float, mean dual value of the batches since the last entry
    validation : float, dual value of the validation sample
    ending : Ending or None, on the last entry
    """

    iteration: int
    seconds: float
    train: float
    validation: float
    ending: Ending | None = None


def train(
    u: nn.Module,
    x: Source,
    y: Source,
    validation: tuple[Tensor, Tensor],
    *,
    generator: Generator,
    lr: float,
    batch: int = 1024,
    max_iter: int = 1000,
    penalty: Penalty | None = None,
    project: Project | None = None,
    deadline: float = math.inf,
) -> Iterator[Step]:
    """Maximise ``E_P u - E_Q u`` less a penalty; yields now and then, and can be left at any time.

    Parameters
    ----------
    u : module (n, d) -> (n,) or (n, 1), trained in place; ``u.parameter_groups(lr)``, where there is one, says how
        fast each part learns
    x, y : sources of samples of P and Q
    validation : fixed samples ``(x, y)``
    generator : torch.Generator on the device of ``u``; the only source of chance
    lr : float, Adam's first step, which falls to 0 along a cosine
    deadline : float, of ``time.monotonic``

    Yields
    ------
    Step; the last one says why the training ended.
    """
    own = getattr(u, "parameter_groups", None)
    groups: Any = u.parameters() if own is None else own(lr)
    optimiser = torch.optim.Adam(groups, lr=lr, betas=BETAS)
    first = [float(group["lr"]) for group in optimiser.param_groups]
    every = max(APART, max_iter // CHECKS)
    begin, iteration, last = time.monotonic(), 0, 0
    total = torch.zeros((), device=validation[0].device)  # read at checks only: reading waits for the device
    best, best_at, good = -math.inf, 0, copy.deepcopy(u.state_dict())
    age, pace = 0, 1  # of the cosine, in steps out of max_iter
    while True:
        for group, top in zip(optimiser.param_groups, first, strict=True):
            group["lr"] = 0.5 * top * (1 + math.cos(math.pi * min(1.0, age / max_iter)))
        iteration, age = iteration + 1, age + pace
        batch_x, batch_y = x.draw(batch, generator), y.draw(batch, generator)
        value = dual_value(*u(torch.cat([batch_x, batch_y])).split(batch))  # at once: u may be dear to set up
        loss = -value if penalty is None else penalty(u, batch_x, batch_y, generator) - value
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if project is not None:
            project(u)
        total += value.detach()
        done, late = age >= max_iter, time.monotonic() >= deadline
        if iteration % every and not done and not late:
            continue
        mean, held_out = float(total) / (iteration - last), _held_out(u, validation)
        ending = None
        if not (math.isfinite(mean) and math.isfinite(held_out)):
            u.load_state_dict(good)
            ending = Ending.DIVERGED
        elif done:
            ending = Ending.ITERATIONS if pace == 1 else Ending.PLATEAU
        elif late:
            ending = Ending.TIME
        elif best == -math.inf or held_out > best + PROGRESS * abs(best):
            best, best_at = held_out, iteration
        elif iteration - best_at >= PATIENCE * every:
            pace = HURRY
        yield Step(iteration, time.monotonic() - begin, mean, held_out, ending)
        if ending is not None:
            return
        total.zero_()
        last, good = iteration, copy.deepcopy(u.state_dict())


@torch.no_grad()
def _held_out(u: nn.Module, validation: tuple[Tensor, Tensor]) -> float:
    u.eval()  # spectral norms stop their power iteration
    value = float(dual_value(*map(u, validation)))
    u.train()
    return value
