"""What the pictures share: colours, an empty Axes, and where the points are drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from otcore._types import Array, Indices, Points
from otcore.solvers import methods

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from otcore.solution import Solution

# Okabe & Ito (2008): told apart by every common kind of colour vision, and in greyscale.
FIRST, SECOND, PROOF, INK = "#0072B2", "#D55E00", "#009E73", "#444444"
CYCLE = (FIRST, SECOND, PROOF, "#CC79A7", "#E69F00", "#56B4E9", INK, "#B8A800")
TRIFLE = 1e-12  # of the heaviest arc: lighter ones are what rounding left over, not transport


def new_axes(ax: Axes | None) -> Axes:
    """``ax``, or one on a new figure; without the two spines that carry nothing."""
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(figsize=(5.6, 4.2), layout="constrained")
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def color_of(method: str) -> str:
    """The colour of a method, the same in every picture."""
    names = [known.name for known in methods() if known.name != "auto"]
    return CYCLE[names.index(method) % len(CYCLE)] if method in names else INK


def points_of(solution: Solution) -> tuple[Points, Points] | None:
    """Points of both measures, (n, d) and (m, d), or None where the cost is a bare matrix."""
    cost = solution.problem.cost
    x, y = getattr(cost, "x", None), getattr(cost, "y", None)
    if x is None or y is None:
        return None
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    return x.reshape(len(x), -1), y.reshape(len(y), -1)


def to_plane(x: Points, y: Points) -> tuple[Points, Points]:
    """Points in two dimensions: as they are, or seen along their two longest principal axes."""
    if x.shape[1] <= 2:
        return x, y
    both = np.concatenate([x, y])
    centre = both.mean(axis=0)
    axes = np.linalg.svd(both - centre, full_matrices=False)[2][:2]
    axes *= np.where(axes.sum(axis=1) < 0, -1.0, 1.0)[:, None]  # a sign for the picture to be the same everywhere
    return (x - centre) @ axes.T, (y - centre) @ axes.T


def heaviest_arcs(solution: Solution, most: int) -> tuple[Indices, Indices, Array]:
    """The ``most`` heaviest entries (i, j, mass) of the plan, heaviest last so that they lie on top."""
    plan: Any = solution.plan.to_scipy_sparse()
    P = plan.tocoo()
    order = np.argsort(P.data, kind="stable")[-most:]
    order = order[P.data[order] > TRIFLE * P.data.max()]
    return P.row[order].astype(np.int64), P.col[order].astype(np.int64), P.data[order]


def areas(weights: Array, largest: float = 60.0) -> Array:
    """Marker areas in points squared, proportional to the weights."""
    return np.asarray(largest * weights / weights.max())
