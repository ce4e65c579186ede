"""Which points of two clouds are the same point."""

from __future__ import annotations

import numpy as np

from otcore._types import Indices, Points

__all__ = ["matching_points"]


def matching_points(x: Points, y: Points) -> tuple[Indices, Indices]:
    """Pairs (i, j) with ``x[i] == y[j]``, each index at most once, by one lexicographic sort.

    k copies of a point in ``x`` and l in ``y`` give min(k, l) pairs.
    """
    n = len(x)
    z = np.concatenate([x, y]).reshape(n + len(y), -1)
    # Stable, last key first: equal points stand together, copies from x before copies from y.
    order = np.lexsort(z.T[::-1])
    new = np.ones(order.size, dtype=bool)
    new[1:] = (z[order[1:]] != z[order[:-1]]).any(axis=1)
    group = np.cumsum(new) - 1
    first = np.flatnonzero(new)
    from_x = order < n
    copies_of_x = np.add.reduceat(from_x.astype(np.int64), first)
    rank = np.arange(order.size) - first[group] - np.where(from_x, 0, copies_of_x[group])
    # Pair the r-th copy in x with the r-th copy in y.
    last = first + np.diff(np.append(first, order.size))
    copies_of_y = last - first - copies_of_x
    mine = from_x & (rank < copies_of_y[group])
    theirs = ~from_x & (rank < copies_of_x[group])
    return order[mine].astype(np.int64), (order[theirs] - n).astype(np.int64)
