"""The primal LP against the dual LP: which grows faster, and how many constraints does each need?

    python benchmarks/primal_dual.py [--quick]    # without fresh processes: minutes, but no memory

The primal of the lectures has n + m constraints for n m variables; the dual has n + m variables for n m
constraints.  ``highs:primal-*`` and ``highs:dual-*`` are HiGHS on either, all constraints written down, by its dual
simplex and by interior points with crossover; ``otcore:dual-*`` generates the constraints of the dual as they are
violated; SciPy's ``linprog`` on the textbook matrix is what a reader of the lectures would write.
"""

from __future__ import annotations

import sys
from pathlib import Path

from otcore._table import table
from otcore.bench.contestant import installed
from otcore.bench.instance import Instance
from otcore.bench.report import time_cell, write
from otcore.bench.runner import Race, run

RECORDS = Path(__file__).parents[1] / "docs" / "benchmarks" / "primal_dual.jsonl"
SIZES = (50, 100, 200)
ENTRANTS = (
    "otcore:linprog-ds", "otcore:linprog-ipm", "otcore:dual-ds", "otcore:dual-ipm",
    "highs:primal-simplex", "highs:primal-ipm", "highs:dual-simplex", "highs:dual-ipm",
    "scipy:linprog-ds", "pot:emd",
)  # fmt: skip


def main() -> None:
    instances = [Instance(family, n) for family in ("plane-weighted", "dense") for n in SIZES]
    race = Race(instances, installed(ENTRANTS), rounds=3, limit=3.0, fresh="--quick" not in sys.argv)
    records = run(race, RECORDS, progress=sys.stderr.isatty())
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
