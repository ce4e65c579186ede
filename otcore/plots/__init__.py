"""Pictures of a :class:`~otcore.Solution`; each function draws on ``ax`` and returns the Axes."""

from otcore.plots.gap import plot_gap, plot_intervals
from otcore.plots.plan import plot_plan
from otcore.plots.potentials import plot_potentials

__all__ = ["plot_gap", "plot_intervals", "plot_plan", "plot_potentials"]
