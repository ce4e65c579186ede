"""The report: its numbers are those of the records, its pages are what the records say."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import pytest

from otcore.bench.figures import plot_gap_against_time, plot_memory, plot_profile, plot_scaling
from otcore.bench.fit import exponent
from otcore.bench.record import Record, read
from otcore.bench.report import best_intervals, error, render, title_of

PAGES = Path(__file__).parents[2] / "docs" / "benchmarks"


def record(contestant, n, seconds, lower=1.0, upper=1.0, **more):
    return Record(f"plane-{n}", "plane", n, n, contestant, 1e-2, "ok", cpu=[seconds], lower=lower, upper=upper, **more)


def test_the_exponent_of_a_power_law_is_found_and_has_no_error():
    slope, spread = exponent([10, 100, 1000], [3e-5 * n**1.5 for n in (10, 100, 1000)])
    assert slope == pytest.approx(1.5) and spread == pytest.approx(0.0, abs=1e-12)
    assert exponent([10, 100], [1.0, 2.0]) is None


def test_a_bare_value_is_held_against_the_best_interval():
    bare = Record("plane-9", "plane", 9, 9, "x:y", 1e-2, "ok", cpu=[1.0], claimed=3.3)
    known = best_intervals([record("a:b", 9, 1.0, 1.0, 4.0), record("c:d", 9, 1.0, 2.0, 3.0), bare])
    assert known == {"plane-9": (2.0, 3.0)}
    assert error(bare, known) == pytest.approx(0.1)
    assert "off by 1e-01" in render([record("c:d", 9, 1.0, 2.0, 3.0), bare], "Title")


def test_a_page_says_who_did_not_end_and_why():
    slow = Record("plane-9", "plane", 9, 9, "x:y", 1e-2, "time limit", "more than 1 s")
    page = render([slow, record("a:b", 9, 0.5)], "Title")
    assert "> limit" in page and "`x:y` at n = 9: more than 1 s" in page and "500 ms" in page


def test_figures_show_every_contestant():
    matplotlib.use("Agg")
    records = [record(c, n, n * k * 1e-3) for n in (10, 20, 40) for k, c in enumerate(("a:b", "c:d"), 1)]
    for draw in (plot_gap_against_time, plot_scaling, lambda r: plot_profile(r, 1e-2)):
        ax = draw(records)
        shown = {text.get_text().split()[0] for text in ax.get_legend().get_texts()}
        assert shown == {"a:b", "c:d"}
        matplotlib.pyplot.close(ax.figure)
    ax = plot_profile(records, 1e-2)
    winner = next(line for line in ax.lines if line.get_label() == "a:b")
    assert max(winner.get_ydata()) == 1.0 and winner.get_xdata()[0] == 1.0  # the fastest everywhere, at once
    matplotlib.pyplot.close(ax.figure)


def test_memory_that_nobody_measured_is_not_drawn():
    matplotlib.use("Agg")
    measured = [record("a:b", n, 1.0, memory=float(n)) for n in (10, 20, 40)]
    ax = plot_memory([*measured, *(record("c:d", n, 1.0) for n in (10, 20, 40))])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a:b"]
    matplotlib.pyplot.close(ax.figure)


RACES = [path for path in sorted(PAGES.glob("*.jsonl")) if read(path)]


def test_there_are_recorded_races():
    assert {"line", "primal_dual", "exact_solvers", "entropic_solvers"} <= {path.stem for path in RACES}


@pytest.mark.parametrize("path", RACES, ids=lambda path: path.stem)
def test_a_page_is_what_its_records_say(path):
    """Every number of a generated page is in the recorded results: rendering them gives the page."""
    page = path.with_suffix(".md").read_text(encoding="utf-8")
    figures = [tuple(line[2:-1].split("](")[::-1]) for line in page.splitlines() if line.startswith("![")]
    assert page == render(read(path), title_of(path), figures)
    assert all((PAGES / name).exists() for name, _ in figures)
