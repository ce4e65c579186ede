"""Whether the finite arcs can carry the masses at all; if not, which rows and columns prove it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from otcore._types import Array, Indices, Weights
from otcore.engines.exact import Basis, Entries, Forbidden, solve

__all__ = ["Transportability", "transportable"]


@dataclass(frozen=True, eq=False)
class Transportability:
    """How much mass the finite arcs cannot carry, a plan that leaves no more than that, and the proof.

    Attributes
    ----------
    mass_stuck : float
        The least mass that must use forbidden arcs, relative to the total; 0 where a plan exists, up to the
        rounding of the masses to integers (about 2^-61 (n + 1) of the total each).
    rows, cols : int64 arrays
        All finite arcs of ``rows`` lead to ``cols``, whose mass is smaller by ``mass_stuck``; empty where
        nothing is stuck.  [Hall 1935; Gale 1957]
    basis : Basis
        A spanning tree, with ``flow`` (n + m - 1,) on its arcs, in units of the weights.
    """

    mass_stuck: float
    rows: Indices
    cols: Indices
    basis: Basis
    flow: Array


def transportable(cost: Entries, a: Weights, b: Weights) -> Transportability:
    """Move as much mass as possible over finite arcs.

    Parameters
    ----------
    cost : Cost (n, m); ``+inf`` forbids an arc
    a, b : (n,), (m,) positive masses of equal sum

    Examples
    --------
    Both rows have only the first column to go to:

    >>> from otcore.costs import DenseCost
    >>> answer = transportable(DenseCost([[1.0, np.inf], [2.0, np.inf]]), np.ones(2), np.ones(2))
    >>> answer.mass_stuck, answer.rows.tolist(), answer.cols.tolist()
    (0.5, [0, 1], [0])
    """
    forbidden = Forbidden(cost)
    *_, state = solve(forbidden, a, b)
    stuck = float(state.flow @ forbidden.at(state.basis.i, state.basis.j)) / math.fsum(a)
    rows = cols = np.empty(0, np.int64)
    if stuck > 0:
        # f + g <= 0 on finite arcs: those of the rows with f >= level stay within the columns with g <= -level.
        # Some level is a minimum cut.  [Ford & Fulkerson 1956]
        b = b * (math.fsum(a) / math.fsum(b))
        levels = np.unique(state.f)
        excess = [a[state.f >= level].sum() - b[state.g <= -level].sum() for level in levels]
        level = levels[int(np.argmax(excess))]
        rows, cols = np.flatnonzero(state.f >= level), np.flatnonzero(state.g <= -level)
    return Transportability(stuck, rows, cols, state.basis, state.flow)
