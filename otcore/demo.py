"""``otcore demo``: a lecture problem, a photograph and a share price, by every method that applies.

The real data travels inside matplotlib, a dependency of the core, so that the demo needs no network.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from otcore._table import table
from otcore.measure import Measure
from otcore.plans import SparsePlan

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from otcore.solution import Solution

__all__ = ["GAMMA_1", "GAMMA_2", "boxes", "colours", "compare", "returns", "run"]

PICTURE = "otcore-demo.png"

# The two plans of the lecture, {(from, to): boxes}: different, and equally good.
GAMMA_1 = {(1, 7): 1, (1, 10): 2, (2, 8): 1, (3, 9): 2}
GAMMA_2 = {(1, 7): 1, (1, 10): 2, (2, 9): 1, (3, 8): 1, (3, 9): 1}


def boxes() -> tuple[Measure, Measure]:
    """Boxes to move: 3, 1 and 2 of them at 1, 2, 3; room for 1, 1, 2 and 2 at 7, 8, 9, 10."""
    p = Measure(np.array([1.0, 2.0, 3.0]), weights=np.array([3.0, 1.0, 2.0]))
    q = Measure(np.array([7.0, 8.0, 9.0, 10.0]), weights=np.array([1.0, 1.0, 2.0, 2.0]))
    return p, q


def colours() -> tuple[Measure, Measure]:
    """RGB colours of 16 x 16 pixels of the flag and of the face in matplotlib's portrait of Grace Hopper."""
    from matplotlib import image

    photograph = image.imread(_sample("grace_hopper.jpg")) / 255.0
    flag, face = photograph[0:320:20, 0:128:8], photograph[140:300:10, 175:335:10]
    return Measure.from_samples(flag.reshape(-1, 3)), Measure.from_samples(face.reshape(-1, 3))


def returns() -> tuple[Measure, Measure]:
    """Daily returns of the Google share, in per cent: the calm year 2007, and 2008 until October."""
    with np.load(_sample("goog.npz")) as archive:
        prices = archive["price_data"]
    change = 100.0 * np.diff(prices["adj_close"]) / prices["adj_close"][:-1]
    year = prices["date"][1:].astype("datetime64[Y]").astype(int) + 1970
    return Measure.from_samples(change[year == 2007]), Measure.from_samples(change[year == 2008])


def _sample(name: str) -> str:
    """Path of a file that matplotlib ships."""
    from matplotlib import cbook

    return str(cbook.get_sample_data(name, asfileobj=False))


def compare(p: Measure, q: Measure, **options: Any) -> Iterator[tuple[Solution, float]]:
    """Solve one problem by every method that applies to it; yields each solution and its seconds."""
    from otcore import methods, solve
    from otcore.errors import UnsupportedProblemError

    few = [Measure(measure.points[:5]) for measure in (p, q)]
    for method in methods():
        if method.name == "auto" or not method.available or "torch" in method.requires:  # a network trains for seconds
            continue
        try:
            solve(*few, method=method.name, **options)  # so that no method's time holds compiling and importing
        except UnsupportedProblemError:
            continue
        started = time.perf_counter()
        solution = solve(p, q, method=method.name, **options)
        yield solution, time.perf_counter() - started


def run(out: Path) -> int:
    """Print the three comparisons, save the picture in ``out``; the exit status."""
    from otcore.errors import InvalidProblemError

    if not out.is_dir():
        raise InvalidProblemError(f"--out {out}: not a folder; create it first")
    solved = {"boxes": _boxes()}
    print(_heading("Colours of the flag and of the face in a photograph (256 against 256 points in RGB, W_1)"))
    solved["colours"] = _show(*colours())
    print(_heading("Daily returns of the Google share, 2007 against 2008 (points on the line, in per cent, W_1)"))
    solved["returns"] = _show(*returns())

    path = out / PICTURE
    _picture(solved["colours"], solved["returns"]).savefig(path, dpi=150)
    print(f"\nPicture: {path.resolve()}")
    return 0 if all(s.certified for solutions in solved.values() for s in solutions) else 1


def _boxes() -> list[Solution]:
    """Two optimal plans and the one potential that proves both: what a certificate is."""
    p, q = boxes()
    print(_heading("Boxes: 3, 1, 2 of them at 1, 2, 3 go to 7, 8, 9, 10, where there is room for 1, 1, 2, 2"))
    solutions = _show(p, q)
    cost = solutions[0].problem.cost
    print("\ntwo plans, as {(from, to): boxes}, each moving what is there to where there is room:")
    for name, gamma in (("gamma_1", GAMMA_1), ("gamma_2", GAMMA_2)):
        print(f"  {name}  cost {box_plan(gamma).cost(cost):g}   {gamma}")
    dual = q.weights @ q.points - p.weights @ p.points  # sum u (p - q) for u(x) = -x
    print(
        f"one proof: u(x) = -x never changes faster than the distance, so no plan costs less than\n"
        f"  sum u p - sum u q = {dual:g}: {dual / p.mass:g} per box.  Both plans are optimal."
    )
    return solutions


def box_plan(gamma: dict[tuple[int, int], int]) -> SparsePlan:
    """A plan given by positions as a plan given by row and column numbers."""
    p, q = boxes()
    start, end = np.array(list(gamma)).T
    return SparsePlan(
        np.searchsorted(p.points, start),
        np.searchsorted(q.points, end),
        np.array([*gamma.values()], float),
        (p.size, q.size),
    )


def _show(p: Measure, q: Measure) -> list[Solution]:
    rows, solutions = [], []
    for solution, seconds in compare(p, q):
        numbers = (f"{x:.16g}" for x in (solution.value, solution.lower, solution.upper))
        rows.append((solution.method, *numbers, f"{solution.relative_gap:.1e}", f"{seconds:.3f}", _mark(solution)))
        solutions.append(solution)
    print(table(("method", "value", "lower", "upper", "relative gap", "seconds", "status"), rows))
    return solutions


def _mark(solution: Solution) -> str:
    return solution.status.name.lower()


def _heading(text: str) -> str:
    return f"\n{text}\n"


def _picture(colour_solutions: list[Solution], return_solutions: list[Solution]) -> Figure:
    """Left: the interval closing, method by method.  Right: the optimal plan."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from otcore.plots import plot_intervals, plot_plan

    figure = Figure(figsize=(11, 8.4), layout="constrained")  # no pyplot: nothing to close, no display needed
    FigureCanvasAgg(figure)
    (left, right), (lower_left, lower_right) = figure.subplots(2, 2, width_ratios=(1.15, 1))

    plot_intervals(colour_solutions, left).set_title("Colours: the interval closes, method by method")
    best = min(colour_solutions, key=lambda s: s.gap)
    p, q = colours()
    plot_plan(best, right, colors=(p.points, q.points))
    right.set_aspect("equal", adjustable="datalim")
    right.set(title="Optimal plan, flag (dots) to face (squares)", xticks=[], yticks=[])
    right.set(xlabel="first principal colour axis", ylabel="second")

    plot_intervals(return_solutions, lower_left).set_title("Returns: the interval closes, method by method")
    plot_plan(min(return_solutions, key=lambda s: s.gap), lower_right)
    lower_right.set(title="Optimal plan of the daily returns", xlabel="2007, per cent", ylabel="2008, per cent")
    return figure
