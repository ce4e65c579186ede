"""Entropic solvers, otcore's and everyone's, told to reach a relative gap of 1e-1, 1e-2 and 1e-3.

    python benchmarks/entropic_solvers.py [--quick]    # without fresh processes: minutes, but no memory

The gap that each one's answer really proves stands beside its time; ``/4`` is a quarter of the usual epsilon.  An
exact solver runs along: where it is faster, there is no reason for entropy.  Whoever is not installed is left out.
"""

from __future__ import annotations

import sys
from pathlib import Path

from otcore.bench.contestant import installed
from otcore.bench.instance import Instance
from otcore.bench.report import summary, write
from otcore.bench.runner import Race, run

RECORDS = Path(__file__).parents[1] / "docs" / "benchmarks" / "entropic_solvers.jsonl"
FAMILIES, SIZES, RTOLS = ("plane-order-2", "dense"), (200, 500), (1e-1, 1e-2, 1e-3)
ENTRANTS = (
    "otcore:sinkhorn", "pot:sinkhorn_log", "pot:sinkhorn_log/4", "pot:sinkhorn_stabilized/4", "ott:sinkhorn/4",
    "geomloss:SamplesLoss/4", "pot:emd",
)  # fmt: skip


def main() -> None:
    instances = [Instance(family, n) for family in FAMILIES for n in SIZES]
    race = Race(instances, installed(ENTRANTS), RTOLS, rounds=3, limit=3.0, fresh="--quick" not in sys.argv)
    print(summary(run(race, RECORDS, progress=sys.stderr.isatty())))
    print(write(RECORDS, RECORDS.parent))


if __name__ == "__main__":
    main()
