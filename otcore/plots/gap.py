"""The certified interval: how it closed as time went by, and what each method reached."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from otcore._types import Array
from otcore.plots._canvas import FIRST, INK, SECOND, color_of, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from otcore.solution import Solution

__all__ = ["plot_gap", "plot_intervals"]

LINEAR_BELOW = 1e-16  # half the spacing of doubles at 1: below it, a relative bound is the value itself


def plot_gap(solution: Solution, ax: Axes | None = None) -> Axes:
    """Lower and upper bound over time; the truth lies in the shaded band at every moment.

    Parameters
    ----------
    solution : Solution
        Its ``trace`` is drawn.
    ax : matplotlib Axes, optional
        Drawn on; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = new_axes(ax)
    seconds, lower, upper = _two_sided(solution).T
    ax.fill_between(seconds, lower, upper, step="post", color=FIRST, alpha=0.15, lw=0)
    ax.step(seconds, upper, where="post", color=SECOND, lw=1.5, label="upper: the best plan so far")
    ax.step(seconds, lower, where="post", color=FIRST, lw=1.5, label="lower: the best potentials so far")
    ax.set(xlabel="seconds", ylabel="cost", title=f"{solution.method}: relative gap {solution.relative_gap:.1e}")
    ax.legend(frameon=False)
    return ax


def plot_intervals(solutions: Sequence[Solution], ax: Axes | None = None) -> Axes:
    """One row a method: its certified intervals, wide and pale at first, narrow and dark at last.

    The bounds are drawn relative to the value on a scale that is logarithmic towards both sides, so that
    an interval of 1e-15 is as visible as one of 1e-2.

    Parameters
    ----------
    solutions : sequence of Solution
        Of one problem.
    ax : matplotlib Axes, optional
        Drawn on; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = new_axes(ax)
    # All intervals hold the truth, so their intersection does: its middle is the best value known.
    truth = 0.5 * (max(s.lower for s in solutions) + min(s.upper for s in solutions))
    scale = abs(truth) or 1.0
    for row, solution in enumerate(solutions):
        intervals = [*_two_sided(solution)[:, 1:], (solution.lower, solution.upper)]
        color = color_of(solution.method)
        pale = min(0.18, 1.0 - 0.55 ** (1.0 / len(intervals)))  # many bars on each other stay paler than the last
        for k, (lower, upper) in enumerate(intervals, start=1):
            left, right = (lower - truth) / scale, (upper - truth) / scale
            alpha = 0.95 if k == len(intervals) else pale
            ax.barh(row, right - left, left=left, height=0.62, color=color, alpha=alpha, lw=0)
        label = f" {solution.relative_gap:.0e}" if solution.gap > 0 else " 0"
        ax.annotate(label, (1.0, row), xycoords=ax.get_yaxis_transform(), va="center", color=color)
    ax.axvline(0.0, color=INK, lw=0.8)
    ax.set_xscale("symlog", linthresh=LINEAR_BELOW, linscale=0.4)
    ax.set_xticks([-1, -1e-5, -1e-10, 0, 1e-10, 1e-5, 1])
    ax.tick_params(axis="x", labelsize="small")
    ax.minorticks_off()
    ax.set_yticks(range(len(solutions)), [s.method for s in solutions])
    ax.invert_yaxis()
    ax.set(xlabel="certified bounds, relative to the value")
    return ax


def _two_sided(solution: Solution) -> Array:
    """The trace, (k, 3) seconds, lower, upper, from where both bounds are known."""
    trace = np.array(solution.trace, dtype=np.float64).reshape(-1, 3)
    return np.asarray(trace[np.isfinite(trace).all(axis=1)])
