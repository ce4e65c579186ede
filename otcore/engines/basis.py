"""Spanning trees to start from, and the integer masses that flow on them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from otcore._kernels import arcs, simplex, soften, units
from otcore._kernels.tree import spanning_forest
from otcore._types import Array, Indices, Matrix, Potential, Weights

__all__ = [
    "Basis",
    "Entries",
    "Masses",
    "basis_of",
    "greedy",
    "integer_masses",
    "north_west",
    "plant",
    "reroute",
    "softened",
    "tightest",
    "tree_from_support",
]


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


class Masses(NamedTuple):
    """Integer masses of equal sum, perturbed after Orden: ``a // quantum * 2**-exponent`` is the true one."""

    a: Indices
    b: Indices
    exponent: int
    quantum: int

    @property
    def true(self) -> Masses:
        """Not perturbed."""
        return Masses(self.a // self.quantum, self.b // self.quantum, self.exponent, 1)

    def on(self, tree: simplex.Tree, n: int) -> Array:
        """The flow on the arcs of a tree, from the root down, in units of the weights."""
        flow = simplex.tree_flow(n, tree, self.a, self.b)
        return np.asarray(np.ldexp(flow[tree.order[1:]].astype(np.float64), -self.exponent))


def integer_masses(a: Weights, b: Weights) -> Masses:
    """Round masses to integers of equal sum whose tree flows are never zero, perturbed after Orden.

    No mass becomes zero; what rounding leaves is spread over the heavy ones.

    Examples
    --------
    >>> masses = integer_masses(np.array([3.0, 1.0]), np.array([2.0, 2.0]))
    >>> (masses.a // 3 * 2.0**-masses.exponent).tolist(), int(masses.a.sum() - masses.b.sum())
    ([3.0, 1.0], 0)
    """
    return Masses(*units.integers(a, b))


def north_west(a: Indices, b: Indices) -> Basis:
    """The north-west corner tree of integer masses: feasible, blind to the cost."""
    none = np.empty(0, np.int64)
    return Basis(*arcs.fill(none, none, a, b))


def greedy(a: Indices, b: Indices, i: Indices, j: Indices, reduced: Array) -> Basis:
    """Fill the arcs (i, j) in the order of their reduced costs; what is left goes by the north-west corner."""
    order = np.argsort(reduced, kind="stable")
    return Basis(*arcs.fill(i[order], j[order], a, b))


def tightest(a: Indices, b: Indices, i: Indices, j: Indices, reduced: Array) -> Basis:
    """The tree of the tightest arcs, and where it cannot carry the masses what fits of it, then the next tightest."""
    order = np.argsort(reduced, kind="stable")
    i, j = arcs.tight(a.size, b.size, i, j, order)
    return Basis(*arcs.fill(i, j, a, b))


def softened(i: Indices, j: Indices, cost: Array, a: Weights, b: Weights) -> tuple[Potential, Potential]:
    """Potentials near the optimal ones of the arcs (i, j), which come row by row."""
    start = np.append(0, np.cumsum(np.bincount(i, minlength=a.size)))
    # As unsigned indices, which kernels need not test for negative ones.
    f, g = soften.softened(start.astype(np.uint32), j.astype(np.uint32), cost, a / a.sum(), b / b.sum())
    return f, g


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
            arcs.bridges(block, i0, n, f, g, component, best, best_i, best_j)
        cheap = np.argsort(best, kind="stable")
        i, j = np.concatenate([i, best_i[cheap]]), np.concatenate([j, best_j[cheap]])
        order = np.arange(i.size)


def plant(cost: Entries, basis: Basis, masses: Masses) -> simplex.Tree:
    """The basis as a hanging tree with its flow."""
    n, m = cost.shape
    c = cost.at(basis.i, basis.j)
    tree: simplex.Tree = simplex.hang(n, m, basis.i, basis.j, np.where(np.isinf(c), 0.0, c))
    if tree.order[-1] == simplex.NONE:
        raise ValueError(f"basis: expected the {n + m - 1} arcs of a spanning tree, these do not span one")
    simplex.load(n, tree, simplex.tree_flow(n, tree, masses.a, masses.b))
    return tree


def basis_of(n: int, tree: simplex.Tree) -> Basis:
    """The arcs of a tree, from the root down."""
    below = tree.order[1:]
    above = tree.parent[below].astype(np.int64)
    return Basis(np.minimum(below, above), np.maximum(below, above) - n)


def reroute(tree: simplex.Tree, masses: Masses, i: Indices, j: Indices, reduced: Array) -> Basis:
    """A feasible basis near an infeasible tree: from the leaves up each arc takes what fits, then greedily.

    On a feasible tree that is the tree's own flow.
    """
    basis, order = basis_of(masses.a.size, tree), np.argsort(reduced, kind="stable")
    i = np.concatenate([basis.i[::-1], i[order]])
    j = np.concatenate([basis.j[::-1], j[order]])
    return Basis(*arcs.fill(i, j, masses.a, masses.b))
