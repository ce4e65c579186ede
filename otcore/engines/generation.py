"""Column generation: pivot until no candidate arc is violated, price all arcs, take in the worst, again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from otcore._kernels import simplex
from otcore._types import Array, Indices, Potential
from otcore.costs._kd import put_back
from otcore.engines.basis import Basis, Entries, Masses, basis_of, plant
from otcore.engines.blocks import BLOCK, Net, settle
from otcore.engines.pricing import WORST, Arcs, Pricing, late, most_of

__all__ = ["State", "generate"]

NONE = np.empty(0, np.int64)
SLACK = 4  # tolerances that the rises of contracted paths may be wrong by: one a level
CHUNK = 4096  # pivots between yields: about 20 ms, keeps Ctrl-C alive
LONG = 1 << 20  # the same in blocks: about ten seconds


@dataclass(frozen=True, eq=False)
class State:
    """Where the simplex stands: a feasible plan on a tree, and the potentials that make the tree tight.

    Attributes
    ----------
    basis : Basis
    flow : (n + m - 1,) mass on each arc of the basis, >= 0, in units of the weights
    f, g : potentials of the tree; feasible only when ``optimal``, until when those of a coarser cloud stand in
    pivots : how many so far
    violated : arcs that the last pricing added
    optimal : whether no arc of the cost (of the candidates, with ``price=False``) is violated for certain
    rounds : how often all arcs were priced
    arcs : how many the simplex works on
    """

    basis: Basis
    flow: Array
    f: Potential
    g: Potential
    pivots: int
    violated: int
    optimal: bool
    rounds: int = 0
    arcs: int = 0

    def put_back(self, x: Indices, y: Indices) -> State:
        """The state of the rows ``x`` and the columns ``y`` of a problem, as one of the problem."""
        f, g = put_back(x, self.f), put_back(y, self.g)
        return replace(self, basis=Basis(x[self.basis.i], y[self.basis.j]), f=f, g=g)


def generate(
    cost: Entries,
    basis: Basis,
    arcs: Arcs,
    masses: Masses,
    pricing: Pricing | None,
    deadline: float | None,
    ordered: bool = False,
) -> Iterator[State]:
    """States of a solve from a feasible tree; without ``pricing`` on the given arcs only.

    Forbidden arcs of the tree cost 0.  Many rows, if they are ``ordered`` as in a kd tree, are settled piece by piece.
    """
    n, true = masses.a.size, masses.true
    k = pivots = violated = rounds = 0
    most = WORST
    tree: simplex.Tree | None = None
    while True:
        if tree is None:
            tree = plant(cost, basis, masses)
        if ordered and n > BLOCK:
            arcs = arcs.by_row()
            slack = SLACK * simplex.refresh(tree)
            pivots += settle(Net.of(tree, arcs, n), slack, deadline, LONG)
        done, k, settled = simplex.pivots(tree, *arcs.nodes(n), arcs.cost, k, CHUNK, 0.0, NONE)
        pivots += done
        basis, flow = basis_of(n, tree), true.on(tree, n)
        f, g = tree.potential[:n].copy(), -tree.potential[n:]
        if ordered or not settled:  # after many pivots a new centroid keeps the subtrees that they move small
            tree = None  # before pricing: a tree takes as much memory as the arcs
        stop, optimal = late(deadline), settled and pricing is None
        if settled and pricing is not None and not stop:
            k = arcs.i.size  # the new arcs are looked at first
            worst, stop = pricing.violated(f, g, most, deadline)
            arcs, rounds, most = arcs.extend(worst), rounds + 1, most_of(worst, n, masses.b.size)
            violated = worst.i.size
            optimal = violated == 0 and not stop and pricing.certain
        yield State(basis, flow, f, g, pivots, violated, optimal, rounds, arcs.i.size)
        if optimal or stop:
            return
