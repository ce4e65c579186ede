"""The exact engine: a network simplex on few arcs that prices all of them.

An optimal plan uses n + m - 1 arcs, so the simplex works on some thirty cheap arcs a node; then the whole
cost is priced, and the worst arcs of each row that violate ``f_i + g_j <= M_ij`` join.  When none does, the
tree is optimal for the whole problem.  [Column generation: Ford & Fulkerson 1958]
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from otcore._kernels.cells import kd_order
from otcore._kernels.small import FEW
from otcore._types import Array, Indices, Potential, Weights
from otcore.costs import DenseCost
from otcore.engines import clusters, multiscale, small
from otcore.engines.basis import (
    Basis,
    Entries,
    Masses,
    greedy,
    integer_masses,
    north_west,
    plant,
    reroute,
    softened,
    tightest,
    tree_from_support,
)
from otcore.engines.forbidden import Forbidden, two_phases
from otcore.engines.generation import State, generate
from otcore.engines.pricing import Arcs, Boxed, Pricing, given, late, pricing_of, prunable

__all__ = [
    "Basis",
    "Entries",
    "Forbidden",
    "Masses",
    "State",
    "greedy",
    "integer_masses",
    "north_west",
    "solve",
    "tree_from_support",
]

MANY = 1 << 18  # pairs, from which on a second look at the cost pays
CHOICES, SURPRISE = 6, 0.01  # of candidate arcs; what feasible potentials would lose, beside the mean reduced cost


def solve(
    cost: Entries,
    a: Weights,
    b: Weights,
    *,
    basis: Basis | None = None,
    potentials: tuple[Potential, Potential] | None = None,
    support: tuple[Indices, Indices] | None = None,
    arcs: tuple[Indices, Indices] | None = None,
    price: bool = True,
    deadline: float | None = None,
) -> Iterator[State]:
    """Solve a transportation problem exactly, up to the rounding of masses and reduced costs.

    Parameters
    ----------
    cost : Cost (n, m); ``+inf`` forbids an arc
    a, b : (n,), (m,) positive masses
    basis : Basis, optional
        Where to start.  If its flows are not all positive, what fits is kept and the rest rerouted.
    potentials : f, g, optional
        The candidate arcs are the cheapest in ``M - f - g``, and the tightest of them make the start tree;
        otherwise f and g are the minima of rows and columns, softened on more than a few candidate arcs.
    support : (i, j), optional
        Arcs of a plan for a similar problem, in the order of trust: the start tree keeps to them where it can.
    arcs : (i, j), optional
        The candidate arcs, instead of the cheapest.
    price : bool
        False: stop when no candidate arc is violated (crossover).
    deadline : float, optional
        End soon after ``time.monotonic()`` has passed it, with a feasible plan.

    Yields
    ------
    State
        Every few milliseconds and after every round of pricing; the last one is optimal, unless the
        deadline came first.

    Raises
    ------
    InfeasibleError
        When the finite arcs cannot carry the masses; :func:`otcore.engines.feasible.transportable` says why.
    """
    start = Start(basis, potentials, support, arcs)
    cold = price and start == Start()
    if cold and small.suits(cost):
        yield small.solve(cost, a, b)
        return
    found = clusters.places(cost) if cold and isinstance(cost, DenseCost) else None
    if found is not None and isinstance(cost, DenseCost):
        for state in clusters.solve(cost, a, b, found, deadline):
            yield state.put_back(found.x, found.y)
        return
    if not prunable(cost):
        yield from _solve(cost, a, b, start, price, deadline)
        return
    x, y = (kd_order(points.T.copy()) for points in cost.zoomed)  # boxes are small around neighbours
    cost, a, b = cost.restrict(x, y), a[x], b[y]
    below = multiscale.solve(cost, a, b, deadline) if cold else _solve(cost, a, b, start.taken(x, y), price, deadline)
    for state in below:
        yield state.put_back(x, y)


class Start(NamedTuple):
    """What a solve may be given to start from; see :func:`solve`."""

    basis: Basis | None = None
    potentials: tuple[Potential, Potential] | None = None
    support: tuple[Indices, Indices] | None = None
    arcs: tuple[Indices, Indices] | None = None

    def taken(self, x: Indices, y: Indices) -> Start:
        """The same start for the rows ``x`` and the columns ``y``, which are permutations."""
        row, column = np.argsort(x), np.argsort(y)
        basis, potentials, support, arcs = self
        return Start(
            None if basis is None else Basis(row[basis.i], column[basis.j]),
            None if potentials is None else (potentials[0][x], potentials[1][y]),
            None if support is None else (row[support[0]], column[support[1]]),
            None if arcs is None else (row[arcs[0]], column[arcs[1]]),
        )


def _solve(cost: Entries, a: Weights, b: Weights, start: Start, price: bool, deadline: float | None) -> Iterator[State]:
    """Solve from a given start, or from the cheapest arcs."""
    basis, potentials, support, pairs = start
    masses, pricing = integer_masses(a, b), pricing_of(cost)
    few = a.size * b.size <= FEW
    complete = few and pairs is None
    if complete:
        pairs = np.divmod(np.arange(a.size * b.size), b.size)
    pool, reduced = pricing.cheapest(potentials, deadline) if pairs is None else given(cost, pairs, potentials)
    if basis is None and potentials is None and support is None:
        if not few:
            pool, f, g = _agreeing(cost, pricing, pool, a, b, deadline, choose=pairs is None)
            reduced = pool.cost - f[pool.i] - g[pool.j]
        basis = tightest(masses.a, masses.b, pool.i, pool.j, reduced)
    else:
        if basis is None:  # the tree of the support and the tightest arcs: the optimal one, if the potentials are
            i, j = (np.empty(0, np.int64),) * 2 if support is None else support
            trust = np.append(np.full(i.size, np.inf), -reduced)
            i, j = np.append(i, pool.i), np.append(j, pool.j)
            basis = tree_from_support(*cost.shape, i, j, trust, cost, potentials)
        tree = plant(cost, basis, masses)
        if np.minimum(tree.up, tree.down)[tree.order[1:]].min() <= 0:
            basis = reroute(tree, masses, pool.i, pool.j, reduced)
    way = cost, basis, pool, masses
    if np.isfinite(cost.at(basis.i, basis.j)).all():
        asked = pricing if price and not complete else None
        yield from generate(*way, asked, deadline, ordered=isinstance(pricing, Boxed))
    else:
        yield from two_phases(*way, pricing if price else None, deadline)


def _agreeing(
    cost: Entries, pricing: Pricing, pool: Arcs, a: Weights, b: Weights, deadline: float | None, choose: bool
) -> tuple[Arcs, Potential, Potential]:
    """Candidate arcs, and softened potentials whose cheapest arcs they are.

    By the minima of its columns a cost says little where one side lies apart from the other: most rows then find the
    same few columns cheapest.  So potentials choose arcs again, which soften them, until no row is surprised.
    """
    f, g = softened(*pool, a, b)
    for _ in range(CHOICES if choose and a.size * b.size >= MANY else 0):
        if late(deadline):
            break
        new, reduced = pricing.cheapest((f, g), deadline)
        surprise = max(_worst(nodes, reduced, w.size) @ w for nodes, w in ((new.i, a), (new.j, b))) / a.sum()
        if surprise <= SURPRISE * np.maximum(pool.cost - f[pool.i] - g[pool.j], 0.0).mean():
            return new, f, g
        pool = pool.union(new, cost)
        f, g = softened(*pool, a, b)
    return pool, f, g


def _worst(nodes: Indices, reduced: Array, size: int) -> Array:
    """How far below zero the reduced costs at each node go."""
    worst = np.zeros(size)
    np.minimum.at(worst, nodes, reduced)
    return -worst
