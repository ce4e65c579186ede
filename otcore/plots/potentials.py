"""The optimal potentials: the prices that prove that no plan is cheaper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from otcore._types import Points
from otcore.plots._canvas import FIRST, INK, PROOF, SECOND, areas, heaviest_arcs, new_axes, points_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from otcore.solution import Solution

__all__ = ["plot_potentials"]

CURVE, LATTICE = 600, 160  # points of a curve; nodes per axis of a contour plot
MOST_PAIRS = 20_000  # constraints sampled for the slackness picture


def plot_potentials(solution: Solution, ax: Axes | None = None) -> Axes:
    """The potentials that attain the lower bound.

    For order 1 on the line or in the plane: the one 1-Lipschitz potential u, as a curve or as level
    lines.  Otherwise complementary slackness: ``f_i + g_j`` against ``M_ij``; every pair lies on
    or below the diagonal, and the pairs that the plan uses lie on it.

    Parameters
    ----------
    solution : Solution
    ax : matplotlib Axes, optional
        Drawn on; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = new_axes(ax)
    points = points_of(solution)
    if points is None or points[0].shape[1] > 2 or "metric" not in solution.problem.cost.traits:
        return _slackness(solution, ax)
    x, y = points
    return _curve(solution, x[:, 0], y[:, 0], ax) if x.shape[1] == 1 else _level_lines(solution, x, y, ax)


def _curve(solution: Solution, x: Any, y: Any, ax: Axes) -> Axes:
    u = solution.potential
    low, high = min(x.min(), y.min()), max(x.max(), y.max())
    pad = 0.05 * ((high - low) or 1.0)
    # The support belongs to the abscissae: that is where u may have its kinks.
    z = np.union1d(np.linspace(low - pad, high + pad, CURVE), np.concatenate([x, y]))
    ax.plot(z, u(z), color=PROOF, lw=1.6, label="$u$, slope between $-1$ and $1$", zorder=1)
    ax.scatter(x, u(x), s=areas(solution.problem.a), color=FIRST, marker="o", label="first measure", zorder=2)
    ax.scatter(y, u(y), s=areas(solution.problem.b), color=SECOND, marker="s", label="second measure", zorder=2)
    ax.set(xlabel="position", ylabel="potential $u$")
    ax.legend(frameon=False)
    return ax


def _level_lines(solution: Solution, x: Points, y: Points, ax: Axes) -> Axes:
    both = np.concatenate([x, y])
    low, high = both.min(axis=0), both.max(axis=0)
    pad = 0.06 * (np.ptp(both, axis=0).max() or 1.0)
    nodes = [np.linspace(low[k] - pad, high[k] + pad, LATTICE) for k in range(2)]
    grid = np.stack(np.meshgrid(*nodes), axis=-1)
    u = solution.potential(grid.reshape(-1, 2)).reshape(LATTICE, LATTICE)
    filled = ax.contourf(*nodes, u, levels=18, cmap="Greys_r", alpha=0.55)
    ax.contour(*nodes, u, levels=18, colors="white", linewidths=0.5, linestyles="solid")
    ax.figure.colorbar(filled, ax=ax, label="potential $u$", shrink=0.8)
    edge: dict[str, Any] = {"edgecolors": "white", "linewidths": 0.5}
    ax.scatter(
        x[:, 0], x[:, 1], s=areas(solution.problem.a, 36), color=FIRST, marker="o", label="first measure", **edge
    )
    ax.scatter(
        y[:, 0], y[:, 1], s=areas(solution.problem.b, 36), color=SECOND, marker="s", label="second measure", **edge
    )
    ax.set_aspect("equal")
    ax.legend(loc="lower left", fontsize="small", framealpha=0.95)
    return ax


def _slackness(solution: Solution, ax: Axes) -> Axes:
    f, g, cost = solution.f, solution.g, solution.problem.cost
    n, m = cost.shape
    if n * m <= MOST_PAIRS:
        i, j = np.divmod(np.arange(n * m), m)
    else:
        draw = np.random.default_rng(0)
        i, j = draw.integers(0, n, MOST_PAIRS), draw.integers(0, m, MOST_PAIRS)
    M = cost.at(i, j)
    allowed = np.isfinite(M)
    ax.scatter(M[allowed], (f[i] + g[j])[allowed], s=5, color=INK, alpha=0.25, lw=0, label="all pairs")
    i, j, _ = heaviest_arcs(solution, MOST_PAIRS)
    ax.scatter(cost.at(i, j), f[i] + g[j], s=16, color=PROOF, lw=0, label="pairs the plan uses")
    ax.axline((0, 0), slope=1, color=INK, lw=0.8, ls=(0, (4, 3)), zorder=0)
    ax.set(xlabel="cost $M_{ij}$", ylabel="price $f_i + g_j$")
    ax.legend(frameon=False, loc="lower right", markerscale=2)
    return ax
