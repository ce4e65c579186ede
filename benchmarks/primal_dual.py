"""The primal LP against the dual LP: which grows faster, and how many constraints does each need?

    python benchmarks/primal_dual.py

The primal of the lectures has n + m constraints for n m variables; the dual has n + m variables for n m
constraints, of which otcore generates those that are violated.  HiGHS solves both, by its dual simplex (ds) and
by interior points with crossover (ipm); SciPy's ``linprog`` on the textbook matrix is the named peer.
"""

from __future__ import annotations

import sys
from pathlib import Path

from otcore._table import table
from otcore.bench.instance import Instance
from otcore.bench.report import time_cell, write
from otcore.bench.runner import Race, run

RECORDS = Path(__file__).parents[1] / "docs" / "benchmarks" / "primal_dual.jsonl"
SIZES = (50, 100, 200)
ENTRANTS = (
    "otcore:linprog-ds", "otcore:linprog-ipm", "otcore:dual-ds", "otcore:dual-ipm",
    "scipy:linprog-ds", "scipy:linprog-ipm", "pot:emd",
)  # fmt: skip


def main() -> None:
    instances = [Instance(family, n) for family in ("plane-weighted", "dense") for n in SIZES]
    records = run(Race(instances, ENTRANTS, rounds=3, limit=4.0), RECORDS, progress=sys.stderr.isatty())
    lines = []
    for r in sorted(records, key=lambda r: (r.family, r.n, r.contestant)):
        constraints = str(r.report.get("constraints", r.n + r.m if "linprog" in r.contestant else ""))
        of_all = f"{r.report['constraints'] / r.report['all_constraints']:.1%}" if "rounds" in r.report else ""
        rounds = str(r.report.get("rounds", ""))
        lines.append(
            (r.instance, r.contestant, time_cell(r), constraints, of_all, rounds, f"{r.relative_gap or 0:.0e}")
        )
    print(table(("instance", "contestant", "CPU time", "constraints", "of all", "rounds", "gap"), lines))
    print(write(RECORDS, RECORDS.parent))


if __name__ == "__main__":
    main()
