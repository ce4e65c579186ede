"""The exact engine: a network simplex on few arcs that prices all of them.

An optimal plan uses n + m - 1 arcs, so the simplex works on some thirty cheap arcs a node; then the whole
cost is priced, block by block, and the worst arcs of each row that violate ``f_i + g_j <= M_ij`` join.  When
none does, the tree is optimal for the whole problem.  [Column generation: Ford & Fulkerson 1958]
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np

from otcore._kernels import simplex
from otcore._kernels.tree import spanning_forest
from otcore._types import Array, Indices, Matrix, Potential, Weights
from otcore.errors import InfeasibleError

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

CHEAPEST = 15  # arcs a row and a column to start from; 6 need twice the pivots in the plane, 20 gain nothing
WORST = 4  # violated arcs that a row may add in one round
CHUNK = 4096  # pivots between yields: about 20 ms, keeps Ctrl-C alive
BITS = 61  # of the total mass in units: flows never exceed it, and int64 keeps a spare bit


class Entries(Protocol):
    """What the engine asks of a cost (n, m); any :class:`otcore.costs.Cost` answers it."""

    @property
    def shape(self) -> tuple[int, int]: ...

    def at(self, i: Indices, j: Indices) -> Array: ...

    def blocks(self) -> Iterator[tuple[int, int, Matrix]]: ...


@dataclass(frozen=True, eq=False)
class Basis:
    """The n + m - 1 arcs (i, j) of a spanning tree, (k,) int64 each; some may carry no mass."""

    i: Indices
    j: Indices


@dataclass(frozen=True, eq=False)
class State:
    """Where the simplex stands: a feasible plan on a tree, and the potentials that make the tree tight.

    Attributes
    ----------
    basis : Basis
    flow : (n + m - 1,) mass on each arc of the basis, >= 0, in units of the weights
    f, g : potentials of the tree; feasible only when ``optimal``
    pivots : how many so far
    violated : arcs that the last pricing added
    optimal : whether no arc of the cost (of the candidates, with ``price=False``) is violated
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


class Masses(NamedTuple):
    """Integer masses of equal sum, perturbed after Orden: ``a // (n + 1) * 2**-exponent`` is the true one."""

    a: Indices
    b: Indices
    exponent: int


class Arcs(NamedTuple):
    """Candidate arcs (i, j) with their costs."""

    i: Indices
    j: Indices
    cost: Array

    def extend(self, other: Arcs) -> Arcs:
        i, j, cost = (np.concatenate(pair) for pair in zip(self, other, strict=True))
        return Arcs(i, j, cost)


def integer_masses(a: Weights, b: Weights) -> Masses:
    """Round masses to integers of equal sum whose tree flows are never zero.

    ``b`` is scaled to the sum of ``a``.  The unit is a power of two near 2^-61 (n + 1) of the total, so
    integer weights of equal sum stay exact; no mass becomes zero, and what rounding leaves is spread in
    single units over the heaviest masses.  Then a -> (n + 1) a + 1, b -> (n + 1) b, and the heaviest b takes
    the n that are missing: see :mod:`otcore._kernels.simplex`.

    Examples
    --------
    >>> masses = integer_masses(np.array([3.0, 1.0]), np.array([2.0, 2.0]))
    >>> (masses.a // 3 * 2.0**-masses.exponent).tolist(), int(masses.a.sum() - masses.b.sum())
    ([3.0, 1.0], 0)
    """
    total, quantum = math.fsum(a), a.size + 1
    exponent = BITS - math.frexp(total)[1] - quantum.bit_length()
    a_units = np.maximum(1, np.rint(np.ldexp(a, exponent)).astype(np.int64))
    b_units = np.maximum(1, np.rint(np.ldexp(b * (total / math.fsum(b)), exponent)).astype(np.int64))
    short = int(a_units.sum() - b_units.sum())
    lighter = b_units if short > 0 else a_units  # only ever add: nothing may become zero
    each, rest = divmod(abs(short), lighter.size)
    lighter += each
    lighter[np.argsort(-lighter, kind="stable")[:rest]] += 1
    heaviest = b_units.argmax()
    a_units, b_units = a_units * quantum + 1, b_units * quantum
    b_units[heaviest] += a.size
    return Masses(a_units, b_units, exponent)


def north_west(a: Indices, b: Indices) -> Basis:
    """The north-west corner tree of integer masses: feasible, blind to the cost."""
    none = np.empty(0, np.int64)
    return Basis(*simplex.fill(none, none, a, b))


def greedy(a: Indices, b: Indices, i: Indices, j: Indices, reduced: Array) -> Basis:
    """Fill the arcs (i, j) in the order of their reduced costs; what is left goes by the north-west corner."""
    order = np.argsort(reduced, kind="stable")
    return Basis(*simplex.fill(i[order], j[order], a, b))


def tree_from_support(
    n: int,
    m: int,
    i: Indices,
    j: Indices,
    mass: Weights,
    cost: Entries,
    potentials: tuple[Potential, Potential] | None = None,
) -> Basis:
    """A spanning tree through the heaviest arcs of a plan, completed by the cheapest others.

    Parameters
    ----------
    i, j, mass : (k,) support of the plan; a cycle in it loses its lightest arc
    cost : Cost
    potentials : f, g, optional
        Completing arcs are then the cheapest in ``M - f - g``.

    Returns
    -------
    Basis
        Its flows may be negative, and it has forbidden arcs where the finite ones do not connect all nodes.
        [Kruskal 1956 on the support, Boruvka 1926 between the components]
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    f, g = (np.zeros(n), np.zeros(m)) if potentials is None else potentials
    order = np.argsort(-mass, kind="stable")
    while True:
        chosen = np.zeros(i.size, np.bool_)
        spanning_forest(n, m, i, j, order, chosen)
        i, j = i[chosen], j[chosen]
        if i.size == n + m - 1:
            return Basis(i, j)
        graph = coo_array((np.ones(i.size), (i, n + j)), shape=(n + m, n + m))
        count, component = connected_components(graph, directed=False)
        best, best_i, best_j = np.full(count, np.inf), np.full(count, -1), np.full(count, -1)
        for i0, _, block in cost.blocks():
            simplex.bridges(block, i0, n, f, g, component, best, best_i, best_j)
        cheap = np.argsort(best, kind="stable")
        i, j = np.concatenate([i, best_i[cheap]]), np.concatenate([j, best_j[cheap]])
        order = np.arange(i.size)


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
        otherwise f is 0, g are the column minima, and the start is greedy.
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
    masses = integer_masses(a, b)
    pool, reduced = _cheapest(cost, potentials, deadline) if arcs is None else _given(cost, arcs, potentials)
    if basis is None and potentials is None and support is None:
        basis = greedy(masses.a, masses.b, pool.i, pool.j, reduced)
    elif basis is None:  # the tree of the support and the tightest arcs: the optimal one, if the potentials are
        i, j = (np.empty(0, np.int64),) * 2 if support is None else support
        trust = np.append(np.full(i.size, np.inf), -reduced)
        i, j = np.append(i, pool.i), np.append(j, pool.j)
        basis = tree_from_support(*cost.shape, i, j, trust, cost, potentials)
    tree = _plant(cost, basis, masses)
    if tree.flow[tree.order[1:]].min() <= 0:
        basis = _reroute(tree, masses, pool, reduced)
    allowed = np.isfinite(cost.at(basis.i, basis.j)).all()
    yield from (_generate if allowed else _two_phases)(cost, basis, pool, masses, price, deadline)


def _two_phases(
    cost: Entries, basis: Basis, arcs: Arcs, masses: Masses, price: bool, deadline: float | None
) -> Iterator[State]:
    """Drive the mass off forbidden arcs, then optimise where none of it can come back.

    Phase 1 counts the mass on forbidden arcs.  Its integer potentials leave a face: the finite arcs that a
    plan without stuck mass may use.  Tree arcs that are still forbidden carry only the perturbation, the same
    sum of it all over the face, so that they may cost nothing there.
    """
    free = arcs._replace(cost=np.zeros(arcs.i.size))
    for first in _generate(Forbidden(cost), basis, free, masses, price, deadline):
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
    for second in _generate(face, first.basis, arcs, masses, price, deadline):
        second = replace(second, pivots=first.pivots + second.pivots, rounds=first.rounds + second.rounds)
        yield face.raise_potentials(second) if second.optimal and price else second


def _generate(
    cost: Entries, basis: Basis, arcs: Arcs, masses: Masses, price: bool, deadline: float | None
) -> Iterator[State]:
    """Column generation from a feasible tree; forbidden tree arcs cost 0."""
    n = masses.a.size
    k = pivots = violated = rounds = 0
    while True:
        tree = _plant(cost, basis, masses)  # a new centroid keeps the subtrees that pivots move small
        done, k, settled = simplex.pivots(n, tree, arcs.i, arcs.j, arcs.cost, k, CHUNK)
        pivots += done
        basis = _basis(n, tree)
        f, g = tree.potential[:n].copy(), -tree.potential[n:]
        late, optimal = _late(deadline), settled and not price
        if settled and price and not late:
            k = arcs.i.size  # the new arcs are looked at first
            worst, late = _violated(cost, f, g, deadline)
            arcs, rounds = arcs.extend(worst), rounds + 1
            violated = worst.i.size
            optimal = violated == 0 and not late
        flow = simplex.tree_flow(n, tree, masses.a // (n + 1), masses.b // (n + 1))[tree.order[1:]]
        mass = np.ldexp(flow.astype(np.float64), -masses.exponent)
        yield State(basis, mass, f, g, pivots, violated, optimal, rounds, arcs.i.size)
        if optimal or late:
            return


def _late(deadline: float | None) -> bool:
    return deadline is not None and time.monotonic() > deadline


def _plant(cost: Entries, basis: Basis, masses: Masses) -> simplex.Tree:
    """The basis as a hanging tree with its flow."""
    n, m = cost.shape
    c = cost.at(basis.i, basis.j)
    tree: simplex.Tree = simplex.hang(n, m, basis.i, basis.j, np.where(np.isinf(c), 0.0, c))
    if tree.order[-1] < 0:
        raise ValueError(f"basis: expected the {n + m - 1} arcs of a spanning tree, these do not span one")
    tree.flow[:] = simplex.tree_flow(n, tree, masses.a, masses.b)
    return tree


def _basis(n: int, tree: simplex.Tree) -> Basis:
    """The arcs of a tree, from the root down."""
    below = tree.order[1:]
    above = tree.parent[below]
    return Basis(np.minimum(below, above), np.maximum(below, above) - n)


def _reroute(tree: simplex.Tree, masses: Masses, arcs: Arcs, reduced: Array) -> Basis:
    """A feasible basis near an infeasible tree: from the leaves up each arc takes what fits, then greedily.

    On a feasible tree that is the tree's own flow.
    """
    basis, order = _basis(masses.a.size, tree), np.argsort(reduced, kind="stable")
    i = np.concatenate([basis.i[::-1], arcs.i[order]])
    j = np.concatenate([basis.j[::-1], arcs.j[order]])
    return Basis(*simplex.fill(i, j, masses.a, masses.b))


def _cheapest(
    cost: Entries, potentials: tuple[Potential, Potential] | None, deadline: float | None
) -> tuple[Arcs, Array]:
    """Some arcs of least reduced cost of every row and column, row by row, and these costs."""
    n, m = cost.shape
    if potentials is None:
        g = np.full(m, np.inf)
        for _, _, block in cost.blocks():
            np.minimum(g, block.min(axis=0), out=g)
        g[np.isinf(g)] = 0.0
    else:
        g = potentials[1]
    K, L = min(CHEAPEST, m), min(CHEAPEST, n)
    row_r, row_j = np.full((n, K), np.inf), np.full((n, K), -1)
    column_r, column_i = np.full((L, m), np.inf), np.full((L, m), -1)
    for i0, _, block in cost.blocks():
        simplex.cheapest(block, i0, n, g, row_r, row_j, column_r, column_i)
        if _late(deadline):
            break
    rows, columns = row_j >= 0, column_i >= 0
    keys = np.concatenate([(np.arange(n)[:, None] * m + row_j)[rows], (column_i * m + np.arange(m))[columns]])
    i, j = np.divmod(np.unique(keys), m)
    c = cost.at(i, j)
    f = row_r[:, 0] if potentials is None else potentials[0]
    return Arcs(i, j, c), c - f[i] - g[j]


def _given(
    cost: Entries, arcs: tuple[Indices, Indices], potentials: tuple[Potential, Potential] | None
) -> tuple[Arcs, Array]:
    """The finite ones of the given arcs, and their reduced costs."""
    i, j = arcs
    c = cost.at(i, j)
    finite = np.isfinite(c)
    i, j, c = i[finite], j[finite], c[finite]
    if potentials is None:
        f, g = np.full(cost.shape[0], np.inf), np.full(cost.shape[1], np.inf)
        np.minimum.at(g, j, c)
        np.minimum.at(f, i, c - g[j])
    else:
        f, g = potentials
    return Arcs(i, j, c), c - f[i] - g[j]


def _violated(cost: Entries, f: Potential, g: Potential, deadline: float | None) -> tuple[Arcs, bool]:
    """The worst violated arcs of each row, and whether the deadline came before all rows were priced."""
    n, m = cost.shape
    tolerance = simplex.ROUNDING * max(np.abs(f).max(), np.abs(g).max())
    keep = min(m, WORST * -(-m // n))
    worst_r, worst_j = np.full((n, keep), -tolerance), np.full((n, keep), -1)
    late = False
    for i0, i1, block in cost.blocks():
        simplex.violations(block, i0, f, g, tolerance, worst_r, worst_j)
        late = i1 < n and _late(deadline)
        if late:
            break
    i, k = np.nonzero(worst_j >= 0)
    j = worst_j[i, k]
    return Arcs(i, j, cost.at(i, j)), late


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
