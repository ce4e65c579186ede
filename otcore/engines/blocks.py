"""Pivots in blocks: a large tree is optimised piece by piece, each piece small enough for the cache.

A pivot in a tree of a hundred thousand nodes moves thousands of them; among the neighbours of a few thousand points
it moves hundreds, and the paths that lead elsewhere are contracted to single arcs.  Ranges of points in kd order are
halved down to blocks; what is violated across their borders is left for blocks around the borders.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from otcore._kernels import contraction, simplex
from otcore._types import Array, Indices, Unsigned
from otcore.engines.pricing import Arcs, late

__all__ = ["BLOCK", "Net", "settle"]

BLOCK = 3000  # rows that are pivoted as they are: with their columns and branchings they stay in the cache
BORDER = 4000  # the same once most is done: larger blocks, fewer borders
FAN = 8  # parts of a range; 2 and 4 contract more often, nothing else
NEAR = 4  # rows on either side of a violated one that join its block
ROUNDS = 30  # over the borders of an inner range; the outer ones see what is left
ROUND = 20  # pivots on the whole net that a round must find to pay,
PAYS = 1_000_000  # and each of its blocks, over the rows: on many of them a pivot costs more
CHUNK = 4096  # pivots between looks at the clock


class Net(NamedTuple):
    """A tree and the arcs of its rows, which stand in kd order.

    Attributes
    ----------
    tree : simplex.Tree
    gone : record of lost paths, see :func:`otcore._kernels.simplex.pivots`
    label : the node of each node in a contracted tree, where it is one; NONE between contractions
    start : (rows + 1,) the arcs of row r are ``start[r] .. start[r + 1] - 1``
    tail, head : nodes of the arcs
    cost : of the arcs
    """

    tree: simplex.Tree
    gone: Indices
    label: Unsigned
    start: Indices
    tail: Unsigned
    head: Unsigned
    cost: Array

    @classmethod
    def of(cls, tree: simplex.Tree, arcs: Arcs, n: int) -> Net:
        """The net of a whole transportation problem with ``n`` rows, whose arcs come row by row."""
        start = np.append(0, np.cumsum(np.bincount(arcs.i, minlength=n)))
        label = np.full_like(tree.order, simplex.NONE)
        return cls(tree, np.empty(0, np.int64), label, start, *arcs.nodes(n), arcs.cost)

    @property
    def rows(self) -> int:
        return self.start.size - 1


def settle(net: Net, slack: float, deadline: float | None, limit: float, outermost: bool = True) -> int:
    """Pivot until no arc violates its constraint by much more than ``slack``; returns how many pivots.

    What blocks do not pay for is left: violations near the slack, and the last few, on a net of more than one block.
    It also ends soon after ``limit`` pivots.
    """
    if net.rows <= BLOCK:
        return _pivot(net, slack, deadline)
    marked = np.empty(net.rows, np.bool_)
    pivots = rounds = 0
    while (outermost or rounds < ROUNDS) and pivots < limit and not late(deadline):
        simplex.refresh(net.tree)
        contraction.violating(net.tree, net.start, net.tail, net.head, net.cost, 2 * slack, NEAR, marked)
        rows, before = np.flatnonzero(marked), pivots
        if not rows.size:
            break
        everywhere = rounds == 0 and 2 * rows.size > net.rows
        if everywhere:
            rows, count = np.arange(net.rows), FAN
        else:
            count = -(-rows.size // BORDER)
        for part in np.array_split(rows, count):
            if pivots < limit:
                pivots += _within(net, part, slack, deadline, limit - pivots, flat=not everywhere)
        rounds += 1
        contraction.thread(net.tree)  # once for all of its parts, which only ask for parents
        if pivots - before <= ROUND + count * PAYS // net.rows:
            break
    return pivots


def _pivot(net: Net, slack: float, deadline: float | None) -> int:
    """Pivots on the whole net at once."""
    pivots, k, settled = 0, 0, False
    while not settled and not late(deadline):
        done, k, settled = simplex.pivots(net.tree, net.tail, net.head, net.cost, k, CHUNK, slack, net.gone)
        pivots += done
    return pivots


def _within(net: Net, rows: Indices, slack: float, deadline: float | None, limit: float, flat: bool) -> int:
    """Settle the arcs of some rows on the contracted tree and carry the result back."""
    if late(deadline):
        return 0
    arcs, start = contraction.arcs_of(net.start, rows)
    small, node = contraction.contract(net.tree, net.tail, net.head, arcs, net.label)
    before = small.up.copy(), small.down.copy()
    simplex.centre(small, np.empty_like(node))
    ends = contraction.taken(net.label, net.tail, net.head, net.cost, arcs)
    part = Net(small, np.zeros(node.size, np.int64), np.full_like(node, simplex.NONE), start, *ends)
    pivots = _pivot(part, slack, deadline) if flat else settle(part, slack, deadline, limit, outermost=False)
    if pivots > 0:
        contraction.expand(net.tree, net.gone, small, before, part.gone, node, net.label, arcs)
    net.label[node] = simplex.NONE
    return pivots
