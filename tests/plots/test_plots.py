"""Pictures: each function draws on the Axes given, returns it, and shows the numbers of the solution."""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

import otcore
from otcore.plots import plot_gap, plot_intervals, plot_plan, plot_potentials

RNG = np.random.default_rng(7)
PROBLEMS = {
    "line": {"p": RNG.normal(size=20), "q": RNG.normal(size=15) + 1},
    "line of order 2": {"p": RNG.normal(size=20), "q": RNG.normal(size=15) + 1, "order": 2},
    "plane": {"p": RNG.normal(size=(20, 2)), "q": RNG.normal(size=(15, 2)) + 1},
    "space": {"p": RNG.normal(size=(20, 3)), "q": RNG.normal(size=(15, 3)) + 1},
    "matrix": {"p": [0.5, 0.5], "q": [0.25, 0.75], "cost": [[0.0, 1.0], [1.0, 0.0]]},
    "forbidden arc": {"p": [1.0, 1.0], "q": [1.0, 1.0], "cost": [[np.inf, 1.0], [1.0, 0.0]]},
    "distance matrix": {"p": [1.0, 0.0], "q": [0.5, 0.5], "metric": [[0.0, 2.0], [2.0, 0.0]]},
    "one point each": {"p": [1.0], "q": [1.0]},
}


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(params=PROBLEMS, ids=str)
def solution(request):
    return otcore.solve(**PROBLEMS[request.param])


@pytest.mark.parametrize("draw", [plot_plan, plot_potentials, plot_gap, lambda s, ax=None: plot_intervals([s], ax)])
def test_every_picture_of_every_problem_is_drawn_on_the_axes_given(solution, draw):
    figure, (left, right) = plt.subplots(1, 2)
    assert draw(solution, left) is left
    assert left.has_data() and not right.has_data()
    figure.canvas.draw()


def test_without_axes_a_new_figure_is_made():
    solution = otcore.solve(**PROBLEMS["plane"])
    assert plot_plan(solution).figure is not plot_gap(solution).figure


def test_the_plan_in_the_plane_has_one_segment_an_entry_between_its_points():
    solution = otcore.solve(**PROBLEMS["plane"])
    (segments,) = [c for c in plot_plan(solution).collections if hasattr(c, "get_segments")]
    drawn = {tuple(np.concatenate(s)) for s in segments.get_segments()}
    plan, cost = solution.plan, solution.problem.cost
    used = plan.mass > 1e-12 * plan.mass.max()  # the others are what rounding left over
    assert drawn == {(*cost.x[i], *cost.y[j]) for i, j in zip(plan.i[used], plan.j[used], strict=True)}


def test_the_curve_is_the_potential_and_never_steeper_than_one():
    solution = otcore.solve(**PROBLEMS["line"])
    z, u = plot_potentials(solution).lines[0].get_data()
    np.testing.assert_array_equal(u, solution.potential(z))
    assert np.all(np.abs(np.diff(u)) <= np.diff(z) * (1 + 1e-9) + 1e-12)


def test_used_pairs_lie_on_the_diagonal_and_none_above():
    solution = otcore.solve(**PROBLEMS["space"])
    every, used = (c.get_offsets() for c in plot_potentials(solution).collections)
    assert len(every) == 20 * 15
    assert np.all(every[:, 1] <= every[:, 0])
    np.testing.assert_allclose(used[:, 0], used[:, 1], atol=1e-12)


def test_the_gap_picture_ends_at_the_certified_bounds():
    solution = otcore.solve(**PROBLEMS["space"], method="sinkhorn")
    upper, lower = (line.get_ydata() for line in plot_gap(solution).lines)
    assert (lower[-1], upper[-1]) == (solution.lower, solution.upper)
    assert np.all(np.diff(lower) >= 0) and np.all(np.diff(upper) <= 0)


def test_intervals_name_their_methods_and_hold_the_value():
    solutions = [otcore.solve(**PROBLEMS["plane"], method=method) for method in ("emd", "sinkhorn")]
    ax = plot_intervals(solutions)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["emd", "sinkhorn"]
    assert all(bar.get_x() <= 0 <= bar.get_x() + bar.get_width() for bar in ax.patches)
