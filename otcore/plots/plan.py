"""The optimal plan: who sends how much mass where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from otcore._types import Points
from otcore.plots._canvas import FIRST, INK, SECOND, areas, heaviest_arcs, new_axes, points_of, to_plane

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from otcore.solution import Solution

__all__ = ["plot_plan"]

MOST_ARCS = 4000  # more segments than that are a grey cloud, and take seconds to draw


def plot_plan(solution: Solution, ax: Axes | None = None, *, colors: tuple[Any, Any] | None = None) -> Axes:
    """The plan that attains the upper bound.

    On the line: one dot per entry at (x_i, y_j), area proportional to its mass; the dots of an
    optimal plan climb.  In the plane: one segment per entry.  In more dimensions: the same, seen
    along the two longest principal axes.  For a cost matrix: the plan matrix.

    Parameters
    ----------
    solution : Solution
    ax : matplotlib Axes, optional
        Drawn on; a new figure by default.
    colors : pair, optional
        Colours of the points of the two measures, one colour each or (n, 3) and (m, 3) arrays.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = new_axes(ax)
    points = points_of(solution)
    if points is None:
        return _matrix(solution, ax)
    x, y = points
    if x.shape[1] == 1:
        return _on_line(solution, x[:, 0], y[:, 0], ax)
    return _in_plane(solution, *to_plane(x, y), ax, colors or (FIRST, SECOND))


def _on_line(solution: Solution, x: Any, y: Any, ax: Axes) -> Axes:
    i, j, mass = heaviest_arcs(solution, MOST_ARCS)
    ax.axline((x.min(), x.min()), slope=1, color=INK, lw=0.8, ls=(0, (4, 3)), zorder=0)
    ax.scatter(x[i], y[j], s=areas(mass, 24), color=FIRST, alpha=0.65, lw=0)
    rug: dict[str, Any] = {"ms": 7, "alpha": 0.5, "clip_on": False}  # the two supports, along the axes
    ax.plot(x, np.zeros(len(x)), "|", color=FIRST, transform=ax.get_xaxis_transform(), **rug)
    ax.plot(np.zeros(len(y)), y, "_", color=SECOND, transform=ax.get_yaxis_transform(), **rug)
    ax.set(xlabel="first measure", ylabel="second measure", xlim=_padded(x), ylim=_padded(y))
    ax.xaxis.label.set_color(FIRST)
    ax.yaxis.label.set_color(SECOND)
    return ax


def _in_plane(solution: Solution, x: Points, y: Points, ax: Axes, colors: tuple[Any, Any]) -> Axes:
    from matplotlib.collections import LineCollection

    i, j, mass = heaviest_arcs(solution, MOST_ARCS)
    widths = (0.3 + 1.2 * mass / mass.max()) * min(1.0, 8.0 / np.sqrt(len(mass)))  # many arcs, fine lines
    segments = np.stack([x[i], y[j]], axis=1)
    ax.add_collection(LineCollection(list(segments), linewidths=widths, colors=INK, alpha=0.35, zorder=1))
    edge: dict[str, Any] = {"edgecolors": "white", "linewidths": 0.4, "zorder": 2}
    ax.scatter(x[:, 0], x[:, 1], s=areas(solution.problem.a, 30), c=colors[0], marker="o", **edge)
    ax.scatter(y[:, 0], y[:, 1], s=areas(solution.problem.b, 30), c=colors[1], marker="s", **edge)
    ax.set_aspect("equal")
    return ax


def _matrix(solution: Solution, ax: Axes) -> Axes:
    P = solution.plan.to_dense()
    image = ax.imshow(np.ma.masked_equal(P, 0.0), cmap="viridis_r", aspect="auto", interpolation="nearest", vmin=0)
    ax.figure.colorbar(image, ax=ax, label="mass", shrink=0.8)
    ax.set(xlabel="column j", ylabel="row i")
    return ax


def _padded(values: Any) -> tuple[float, float]:
    pad = 0.04 * (np.ptp(values) or 1.0)
    return float(values.min() - pad), float(values.max() + pad)
