"""Clouds in kd order: what stands together lies together, so that boxes around neighbours rule out pairs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from otcore._types import Array, Indices, Points
from otcore.costs._cost import Tail

__all__ = ["KdCloud", "Tiled", "boxed", "frozen", "padded", "put_back"]


class KdCloud(NamedTuple):
    """A cloud in kd order, and the boxes around its leaves and super-leaves."""

    order: Indices  # (n,): points = cloud[order]
    points: Points  # (n, d)
    points_t: Array  # (d, n)
    boxes: tuple[tuple[Array, int], tuple[Array, int]]  # (2, d, k) corners and points a box; leaves, supers


def boxed(points: Points) -> KdCloud:
    from otcore._kernels import boxes, cells

    order = cells.kd_order(points.T.copy())
    points = frozen(points[order])
    points_t = points.T.copy()
    leaves, supers = ((boxes.corners(points_t, width), width) for width in (cells.LEAF, cells.SUPER))
    return KdCloud(order, points, points_t, (leaves, supers))


class Tiled(NamedTuple):
    """Points as passes stream over them, in kd order where boxes around neighbours rule out pairs."""

    rows: Indices  # (n,): points = x[rows]
    columns: Indices  # (m,): tiles of y[columns]
    points: Points
    tiles: Array  # (k, d, w)
    corners: Array  # (2, d, k)

    @property
    def width(self) -> int:
        """Columns of all tiles."""
        return int(self.tiles.shape[0] * self.tiles.shape[2])

    @property
    def in_order(self) -> bool:
        """Whether this is the user's order."""
        return bool((self.rows[:-1] < self.rows[1:]).all() and (self.columns[:-1] < self.columns[1:]).all())

    def in_users_order(self, tail: Tail) -> Tail:
        """A tail of these rows and columns as one of the user's."""
        place = np.empty_like(self.rows)
        place[self.rows] = np.arange(self.rows.size)
        count = np.diff(tail.start)[place]
        start = np.append(0, np.cumsum(count))
        source = np.arange(tail.j.size) + np.repeat(tail.start[place] - start[:-1], count)
        return Tail(start, self.columns[tail.j[source]], tail.cost[source])


def put_back(order: Indices, v: Array) -> Array:
    """The vector ``u`` with ``u[order] = v``."""
    u = np.empty_like(v)
    u[order] = v
    return u


def frozen(points: Points) -> Points:
    """A read-only view; Numba compiles a kernel again for arrays that differ in this, so gathered points all are."""
    points = points.view()
    points.setflags(write=False)
    return points


def padded(v: Array, width: int, value: float) -> Array:
    """``v`` (m,) continued to ``width`` entries."""
    out = np.full(width, value)
    out[: v.size] = v
    return out
