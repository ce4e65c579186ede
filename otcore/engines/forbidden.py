"""Forbidden arcs: first drive the mass off them, then optimise where none of it can come back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from otcore._types import Array, Indices, Matrix, Potential
from otcore.engines.basis import Basis, Entries, Masses
from otcore.engines.generation import State, generate
from otcore.engines.pricing import Arcs, Pricing, Streamed
from otcore.errors import InfeasibleError

__all__ = ["Forbidden", "two_phases"]


def two_phases(
    cost: Entries, basis: Basis, arcs: Arcs, masses: Masses, pricing: Pricing | None, deadline: float | None
) -> Iterator[State]:
    """Drive the mass off forbidden arcs, then optimise where none of it can come back.

    Phase 1 counts the mass on forbidden arcs.  Its integer potentials leave a face: the finite arcs that a
    plan without stuck mass may use.  Tree arcs that are still forbidden carry only the perturbation, the same
    sum of it all over the face, so that they may cost nothing there.
    """
    forbidden = Forbidden(cost)
    free = arcs._replace(cost=np.zeros(arcs.i.size))
    for first in generate(forbidden, basis, free, masses, pricing and Streamed(forbidden), deadline):
        yield replace(first, f=np.zeros_like(first.f), g=np.zeros_like(first.g), optimal=False)
    if not first.optimal:
        return
    stuck = first.flow[np.isinf(cost.at(first.basis.i, first.basis.j))].sum() / first.flow.sum()
    if stuck > sum(cost.shape) * np.finfo(np.float64).eps:
        raise InfeasibleError(
            f"M: the finite arcs leave {stuck:.3g} of the mass without a way to go; allow more arcs, or move the "
            "masses (engines.feasible.transportable names rows and columns that cannot be matched)"
        )
    face = _Face(cost, first.f, first.g)
    usable = np.isfinite(face.at(arcs.i, arcs.j))
    arcs = Arcs(arcs.i[usable], arcs.j[usable], arcs.cost[usable])
    for second in generate(face, first.basis, arcs, masses, pricing and Streamed(face), deadline):
        second = replace(second, pivots=first.pivots + second.pivots, rounds=first.rounds + second.rounds)
        yield face.raise_potentials(second) if second.optimal and pricing is not None else second


@dataclass(frozen=True, eq=False)
class Forbidden:
    """Cost 1 on forbidden arcs, 0 on finite ones: the objective of phase 1."""

    cost: Entries

    @property
    def shape(self) -> tuple[int, int]:
        return self.cost.shape

    def at(self, i: Indices, j: Indices) -> Array:
        return np.isinf(self.cost.at(i, j)).astype(np.float64)

    def blocks(self) -> Iterator[tuple[int, int, Matrix]]:
        for i0, i1, block in self.cost.blocks():
            yield i0, i1, np.isinf(block).astype(np.float64)


@dataclass(frozen=True, eq=False)
class _Face:
    """The arcs that are tight for optimal potentials (f, g) of phase 1; all others are forbidden."""

    cost: Entries
    f: Potential
    g: Potential

    @property
    def shape(self) -> tuple[int, int]:
        return self.cost.shape

    def at(self, i: Indices, j: Indices) -> Array:
        return np.where(self.f[i] + self.g[j] == 0, self.cost.at(i, j), np.inf)

    def blocks(self) -> Iterator[tuple[int, int, Matrix]]:
        for i0, i1, block in self.cost.blocks():
            yield i0, i1, np.where(self.f[i0:i1, None] + self.g == 0, block, np.inf)

    def raise_potentials(self, state: State) -> State:
        """Add the least multiple of (f, g) that makes the potentials feasible off the face as well.

        There f + g <= -1 on finite arcs; where no mass is stuck the dual value stays the same.
        """
        height = 0.0
        for i0, i1, block in self.cost.blocks():
            slope = self.f[i0:i1, None] + self.g
            off = (slope < 0) & np.isfinite(block)
            excess = (state.f[i0:i1, None] + state.g - block)[off] / -slope[off]
            height = max(height, excess.max(initial=0.0))
        return replace(state, f=state.f + height * self.f, g=state.g + height * self.g)
