"""Figures of a race: gap against time, time and memory against n, performance profiles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from otcore.bench.fit import exponent
from otcore.bench.record import Record
from otcore.plots._canvas import CYCLE, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["FIGURES", "draw", "plot_gap_against_time", "plot_memory", "plot_profile", "plot_scaling"]

FIGURES = ("gap", "time", "memory", "profile")  # the kinds that draw makes, in the names of its files
EXACT = 1e-17  # where a gap of zero is drawn
MARKERS = "os^vDP*X"


def style_of(records: Sequence[Record]) -> dict[str, dict[str, Any]]:
    """Colour, marker and dash of each contestant; otcore's are drawn through, peers dashed."""
    names = sorted({r.contestant for r in records})
    return {
        name: {
            "color": CYCLE[k % len(CYCLE)],
            "marker": MARKERS[(k // len(CYCLE) + k) % len(MARKERS)],
            "ls": "-" if name.startswith("otcore") else "--",
        }
        for k, name in enumerate(names)
    }


def plot_gap_against_time(records: Sequence[Record], ax: Axes | None = None) -> Axes:
    """Certified relative gap over CPU seconds, of one instance: markers are answers, lines the way there."""
    ax = new_axes(ax)
    style = style_of(records)
    seen: set[str] = set()
    for r in records:
        if r.relative_gap is None:
            continue
        look = style[r.contestant]
        if r.trace and r.wall and r.cpu:
            t, lower, upper = np.array(r.trace, dtype=float).T
            gap = np.maximum((upper - lower) / np.maximum(np.maximum(abs(lower), abs(upper)), 1e-300), EXACT)
            t = t * (r.cpu[-1] / max(r.wall[-1], 1e-9))  # the trace is kept in wall time
            ax.step(t, gap, where="post", color=look["color"], lw=0.8, alpha=0.6)
        label = None if r.contestant in seen else r.contestant
        seen.add(r.contestant)
        filled = look["color"] if look["ls"] == "-" else "white"
        gap_reached = max(r.relative_gap, EXACT)
        ax.plot(r.seconds, gap_reached, look["marker"], color=look["color"], mfc=filled, ms=6, label=label)
    ax.set(xscale="log", yscale="log", xlabel="CPU seconds", ylabel="certified relative gap")
    ax.legend(frameon=False, fontsize="x-small", loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax


def plot_scaling(records: Sequence[Record], ax: Axes | None = None) -> Axes:
    """CPU seconds over n with the fitted exponent in the legend, of one family."""

    def label(name: str, n: Sequence[float], t: Sequence[float]) -> str:
        fit = exponent(n, t)
        return name if fit is None else f"{name}  n^{fit[0]:.2f}"

    return _over_n(records, "CPU seconds", lambda r: r.seconds, label, ax)


def plot_memory(records: Sequence[Record], ax: Axes | None = None) -> Axes:
    """Peak MiB of a fresh process over n, of one family."""
    known = [r for r in records if r.memory is not None]
    return _over_n(known, "peak MiB", lambda r: max(r.memory or 0.0, 0.1), lambda name, n, t: name, ax)


def _over_n(
    records: Sequence[Record],
    what: str,
    value: Callable[[Record], float],
    label: Callable[[str, Sequence[float], Sequence[float]], str],
    ax: Axes | None,
) -> Axes:
    ax = new_axes(ax)
    for name, look in style_of(records).items():
        mine = sorted((r for r in records if r.contestant == name and r.status == "ok"), key=lambda r: r.n)
        n, v = [r.n for r in mine], [value(r) for r in mine]
        if mine:
            ax.plot(n, v, **look, mfc=look["color"] if look["ls"] == "-" else "white", ms=5, label=label(name, n, v))
    ax.set(xscale="log", yscale="log", xlabel="points a side, n", ylabel=what)
    sizes = sorted({r.n for r in records})
    ax.set_xticks(sizes, [f"{n:,}" for n in sizes])
    ax.minorticks_off()
    ax.legend(frameon=False, fontsize="x-small", loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax


def plot_profile(records: Sequence[Record], target: float, ax: Axes | None = None) -> Axes:
    """Performance profile: share of instances solved to the gap within tau times the best time.  [Dolan 2002]"""
    ax = new_axes(ax)
    reached: dict[str, dict[str, float]] = {}  # instance -> contestant -> seconds; of several rows the fastest
    for r in records:
        times = reached.setdefault(r.instance, {})
        if r.relative_gap is not None and r.relative_gap <= target and r.cpu:
            seconds = max(r.seconds, 1e-9)  # a coarse clock says 0
            times[r.contestant] = min(seconds, times.get(r.contestant, np.inf))
    for name, look in style_of(records).items():
        ratios = sorted(t[name] / min(t.values()) for t in reached.values() if name in t)
        if ratios:
            share = np.arange(1, len(ratios) + 1) / len(reached)
            ax.step(
                [ratios[0], *ratios, 1e4],
                [0.0, *share, share[-1]],
                where="post",
                color=look["color"],
                ls=look["ls"],
                label=name,
            )
    ax.set(xscale="log", xlim=(1, 1e3), ylim=(0, 1.02))
    ax.set(xlabel="times the fastest contestant's time", ylabel=f"share of instances at gap {target:.0e}")
    ax.legend(frameon=False, fontsize="x-small", loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax


def draw(records: Sequence[Record], folder: Path, stem: str) -> list[tuple[str, str]]:
    """Save every figure the records allow, as PNG and SVG, names begin with ``stem``; pairs of PNG and caption."""
    import matplotlib.pyplot as plt

    saved: list[tuple[str, str]] = []

    def save(name: str, caption: str, plot: Callable[[], Axes]) -> None:
        ax = plot()
        figure: Any = ax.figure
        figure.set_size_inches(8.0, 4.2)
        for kind in ("png", "svg"):
            figure.savefig(folder / f"{stem}-{name}.{kind}", dpi=90, metadata={"Date": None} if kind == "svg" else None)
        saved.append((f"{stem}-{name}.png", caption))
        plt.close(figure)

    ended = [r for r in records if r.status == "ok"]
    for family in sorted({r.family for r in ended}):
        mine = [r for r in ended if r.family == family]
        largest = max(r.n for r in mine)
        proved = [r for r in mine if r.n == largest and r.relative_gap is not None]
        if len({r.contestant for r in proved}) > 1:
            caption = f"{family}, n = {largest}: certified gap against time"
            save(f"gap-{family}", caption, lambda: plot_gap_against_time(proved))  # noqa: B023
        if len({r.n for r in mine}) > 2:
            strict = [r for r in mine if r.rtol == min(s.rtol for s in mine)]
            save(f"time-{family}", f"{family}: time against n", lambda: plot_scaling(strict))  # noqa: B023
            if any(r.memory is not None for r in strict):
                save(f"memory-{family}", f"{family}: peak memory against n", lambda: plot_memory(strict))  # noqa: B023
    proved = [r for r in ended if r.relative_gap is not None]
    if len({r.instance for r in proved}) > 3 and len({r.contestant for r in proved}) > 1:
        for target in sorted({r.rtol for r in proved}, reverse=True):
            name, caption = f"profile-{target:.0e}", f"Performance profile at a certified relative gap of {target:.0e}"
            save(name, caption, lambda: plot_profile(proved, target))  # noqa: B023
    return saved
