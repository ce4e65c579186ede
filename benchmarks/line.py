"""On the line: otcore with its plan, potentials and certificate, against packages that return a number.

    python benchmarks/line.py [largest size, default 1000000]

Two sorts cannot be avoided by anybody; every ratio is against them, and printed, the lost ones too.
"""

from __future__ import annotations

import sys
from pathlib import Path

from otcore._table import table
from otcore.bench.instance import Instance
from otcore.bench.record import append, read, rows
from otcore.bench.report import best_intervals, gap_cell, quantity, time_cell, write
from otcore.bench.runner import Race, run

RECORDS = Path(__file__).parents[1] / "docs" / "benchmarks" / "line.jsonl"
ENTRANTS = (
    "numpy:two-sorts", "otcore:line", "scipy:wasserstein_distance", "pot:wasserstein_1d", "pot:emd2_1d",
)  # fmt: skip


def main(largest: int) -> None:
    sizes = [10**k for k in range(3, 8) if 10**k <= largest]
    instances = [Instance(family, n) for family in ("line", "line-weighted") for n in sizes]
    run(Race(instances, ENTRANTS, rounds=5, limit=10.0), RECORDS, progress=sys.stderr.isatty())
    compare()
    print(write(RECORDS, RECORDS.parent))


def compare() -> None:
    """Print every time as a multiple of two sorts, and record the multiples that changed."""
    records = [r for r in read(RECORDS) if r.cpu]
    sorts = {r.instance: r.seconds for r in records if r.contestant == "numpy:two-sorts"}
    intervals, known = best_intervals(records), list(rows(RECORDS))
    lines = []
    for r in sorted(records, key=lambda r: (r.family, r.n, r.contestant)):
        ratio = r.seconds / sorts[r.instance]
        lines.append((r.instance, r.contestant, time_cell(r), gap_cell(r, intervals), f"{quantity(ratio)} x two sorts"))
        row = {"ratio_of": r.contestant, "family": r.family, "n": r.n, "ratio": round(ratio, 4)}
        if not any(all(old.get(k) == v for k, v in row.items()) for old in known):
            append(RECORDS, [row | {"environment": r.environment}])
    print(table(("instance", "contestant", "CPU time", "proves", "ratio"), lines))


if __name__ == "__main__":
    main(int(float(sys.argv[1])) if len(sys.argv) > 1 else 10**6)
