"""Small problems: the steps of :mod:`otcore.engines.exact` in one call, which take longer to pass to and fro.

A cost that is not stored is formed: as long as that is half a megabyte, boxes and cells cost more than they save.
"""

from __future__ import annotations

from typing import TypeGuard

from otcore._kernels.small import transport
from otcore._types import Weights
from otcore.costs import Cost, DenseCost
from otcore.engines.basis import Basis, Entries
from otcore.engines.generation import State

__all__ = ["solve", "suits"]

SMALL = 1 << 16  # pairs: a few milliseconds


def suits(cost: Entries) -> TypeGuard[Cost]:
    """Whether it is small and forbids no arc."""
    return isinstance(cost, Cost) and cost.shape[0] * cost.shape[1] <= SMALL and "finite" in cost.traits


def solve(cost: Cost, a: Weights, b: Weights) -> State:
    """The optimal state; it takes no deadline."""
    M = cost.M if isinstance(cost, DenseCost) else cost.to_dense()
    M.setflags(write=False)  # as stored ones are: another type would be compiled again
    i, j, flow, potential, pivots, rounds, arcs = transport(M, a, b)
    n = a.size
    return State(Basis(i, j), flow, potential[:n], -potential[n:], pivots, 0, True, rounds, arcs)
