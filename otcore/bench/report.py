"""Tables in Markdown from records; every number on a page of benchmarks is formatted here."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from otcore._table import table as plain_table
from otcore.bench.figures import FIGURES, draw
from otcore.bench.fit import exponent
from otcore.bench.record import Record, read

__all__ = ["quantity", "render", "summary", "write"]

MARKS = {"time limit": "> limit", "failed": "failed"}


def quantity(value: float, digits: int = 2) -> str:
    """A number with its significant digits and no more.

    Examples
    --------
    >>> quantity(0.01234), quantity(1234.5), quantity(99.6)
    ('0.012', '1200', '100')
    """
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    power = math.floor(math.log10(abs(value)))
    rounded = round(value, digits - 1 - power)
    power = math.floor(math.log10(abs(rounded)))  # 99.6 became 100
    return f"{rounded:.{max(0, digits - 1 - power)}f}"


def duration(seconds: float, digits: int = 2) -> str:
    """Seconds in the unit that suits.

    Examples
    --------
    >>> duration(0.00123), duration(3.2)
    ('1.2 ms', '3.2 s')
    """
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size or unit == "µs":
            return f"{quantity(seconds / size, digits)} {unit}"
    raise AssertionError


def best_intervals(records: Iterable[Record]) -> dict[str, tuple[float, float]]:
    """For each instance the intersection of all that was proved about it."""
    found: dict[str, tuple[float, float]] = {}
    for r in records:
        if r.lower is not None and r.upper is not None:
            lower, upper = found.get(r.instance, (-math.inf, math.inf))
            found[r.instance] = max(lower, r.lower), min(upper, r.upper)
    return found


def error(record: Record, intervals: dict[str, tuple[float, float]]) -> float | None:
    """Relative distance of a bare value from the best interval that is known; None without one."""
    if record.claimed is None or record.instance not in intervals:
        return None
    lower, upper = intervals[record.instance]
    return max(lower - record.claimed, record.claimed - upper, 0.0) / max(abs(upper), 1e-300)


def time_cell(record: Record | None) -> str:
    if record is None:
        return ""
    if record.status != "ok":
        return MARKS[record.status]
    spread = f" ± {record.spread / record.seconds:.0%}" if len(record.cpu) > 1 and record.seconds > 0 else ""
    return duration(record.seconds) + spread


def gap_cell(record: Record | None, intervals: dict[str, tuple[float, float]]) -> str:
    if record is None or record.status != "ok":
        return ""
    if record.relative_gap is not None:
        return f"{record.relative_gap:.0e}" + ("*" if record.completed else "")
    off = error(record, intervals)
    return "no proof" if off is None else f"off by {off:.0e}" if off > 0 else "value inside"


def table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    cells = [header, ["---"] + ["--:"] * (len(header) - 1), *lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in cells)


def summary(records: Sequence[Record]) -> str:
    """One line a record, for the terminal."""
    intervals = best_intervals(records)
    lines = [
        (r.instance, f"{r.rtol:.0e}", r.contestant, time_cell(r), gap_cell(r, intervals), _plain_text(r.message))
        for r in records
    ]
    return plain_table(("instance", "rtol", "contestant", "CPU time", "gap reached", ""), lines)


def sections(records: Sequence[Record]) -> list[str]:
    """One heading and three tables (time, gap, memory) for each family and tolerance."""
    groups: dict[tuple[str, float], list[Record]] = defaultdict(list)
    for r in records:
        groups[r.family, r.rtol].append(r)
    intervals = best_intervals(records)
    parts = []
    for (family, rtol), group in sorted(groups.items(), key=lambda item: (item[0][0], -item[0][1])):
        place = {(r.contestant, r.n): r for r in group}
        sizes, names = sorted({r.n for r in group}), sorted({r.contestant for r in group})
        header = ["", *(f"n = {n}" for n in sizes)]
        times = []
        for name in names:
            ended = [r for r in group if r.contestant == name and r.status == "ok"]
            fit = exponent([r.n for r in ended], [r.seconds for r in ended])
            grows = "" if fit is None else f"{fit[0]:.1f} ± {fit[1]:.1f}"
            times.append([f"`{name}`", *(time_cell(place.get((name, n))) for n in sizes), grows])
        gaps = [[f"`{name}`", *(gap_cell(place.get((name, n)), intervals) for n in sizes)] for name in names]
        peaks = [
            [f"`{name}`", *(_memory(place.get((name, n))) for n in sizes)]
            for name in names
            if any(r.memory is not None for r in group if r.contestant == name)
        ]
        parts += [
            f"## {family}, told to reach {rtol:.0e}\n",
            "CPU time, and the exponent of n that fits it:\n",
            table([*header, "grows as n^"], times) + "\n",
            "Relative gap that the answer proves (`*`: one half found by otcore, off the clock):\n",
            table(header, gaps) + "\n",
        ]
        if peaks:
            parts += ["Peak memory:\n", table(header, peaks) + "\n"]
        excuses = sorted({f"- `{r.contestant}` at n = {r.n}: {_escaped(r.message)}" for r in group if r.message})
        if excuses:
            parts += ["Not ended, or not counted:\n", "\n".join(excuses) + "\n"]
    return parts


def _memory(record: Record | None) -> str:
    if record is None or record.memory is None:
        return ""
    return f"{quantity(record.memory)} MiB" if record.memory >= 1 else "< 1 MiB"


def _plain_text(message: str) -> str:
    """One line, of what a terminal and a file of UTF-8 can show."""
    return "".join(c if c.isprintable() else " " for c in message)


def _escaped(message: str) -> str:
    return _plain_text(message).replace("|", "/").replace("<", "&lt;")


def render(records: Sequence[Record], title: str, figures: Sequence[tuple[str, str]] = ()) -> str:
    """The whole page; ``figures`` are pairs of file name and caption."""
    machines = sorted({f"{r.machine}; commit {r.environment.get('commit')}; {_versions(r)}" for r in records})
    parts = [f"# {title}\n", "Measured on:\n", "\n".join(f"- {_plain_text(m)}" for m in machines) + "\n"]
    parts += [f"![{caption}]({name})\n" for name, caption in figures]
    return "\n".join(parts + sections(records))


def title_of(source: Path) -> str:
    """What the page of a file of records is called: ``primal_dual.jsonl`` is *Primal dual*."""
    return source.stem.replace("_", " ").capitalize()


def _versions(record: Record) -> str:
    return ", ".join(f"{k} {v}" for k, v in record.environment.get("versions", {}).items())


def write(source: Path, folder: Path) -> Path:
    """Render the records of ``source`` into ``folder``: a page of the same name, and its figures.

    Returns
    -------
    Path of the page.
    """
    records = read(source)
    folder.mkdir(parents=True, exist_ok=True)
    for kind in FIGURES:  # of records that are no more
        for old in folder.glob(f"{source.stem}-{kind}-*.*"):
            old.unlink()
    page = folder / f"{source.stem}.md"
    page.write_text(render(records, title_of(source), draw(records, folder, source.stem)), encoding="utf-8")
    return page
