"""Exact solvers, otcore's and everyone's, at equal certified gap: time, gap and memory against n.

    python benchmarks/exact_solvers.py [--quick]    # without fresh processes: minutes, but no memory

Points in the plane, a matrix without structure, an assignment and images.  Whoever is not installed is left out.
"""

from __future__ import annotations

import sys
from pathlib import Path

from otcore.bench.contestant import installed
from otcore.bench.instance import Instance
from otcore.bench.report import summary, write
from otcore.bench.runner import Race, run

RECORDS = Path(__file__).parents[1] / "docs" / "benchmarks" / "exact_solvers.jsonl"
FAMILIES, SIZES = ("plane-weighted", "dense", "assignment", "grf-moderate"), (100, 300, 1000)
ENTRANTS = (
    "otcore:network-simplex", "otcore:emd", "pot:emd", "pot:emd2_lazy", "ortools:min_cost_flow",
    "scipy:linear_sum_assignment", "lapx:lapjv",
)  # fmt: skip


def main() -> None:
    instances = [Instance(family, n) for family in FAMILIES for n in SIZES]
    race = Race(instances, installed(ENTRANTS), rounds=5, limit=5.0, fresh="--quick" not in sys.argv)
    print(summary(run(race, RECORDS, progress=sys.stderr.isatty())))
    print(write(RECORDS, RECORDS.parent))


if __name__ == "__main__":
    main()
