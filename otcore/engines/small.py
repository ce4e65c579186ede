"""Small stored costs: the steps of :mod:`otcore.engines.exact` in one call, which would take as long by themselves."""

from __future__ import annotations

from typing import TypeGuard

from otcore._kernels.small import transport
from otcore._types import Weights
from otcore.costs import DenseCost
from otcore.engines.basis import Basis, Entries
from otcore.engines.generation import State

__all__ = ["solve", "suits"]

SMALL = 1 << 16  # pairs: a few milliseconds


def suits(cost: Entries) -> TypeGuard[DenseCost]:
    """Whether it is stored, small, and forbids no arc."""
    return isinstance(cost, DenseCost) and cost.M.size <= SMALL and "finite" in cost.traits


def solve(cost: DenseCost, a: Weights, b: Weights) -> State:
    """The optimal state; it takes no deadline."""
    i, j, flow, potential, pivots, rounds, arcs = transport(cost.M, a, b)
    n = a.size
    return State(Basis(i, j), flow, potential[:n], -potential[n:], pivots, 0, True, rounds, arcs)
