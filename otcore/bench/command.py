"""``otcore bench``: its arguments, and what they set going."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from otcore.errors import InvalidProblemError

__all__ = ["add_arguments", "run"]

PAGE = Path("docs/benchmarks")
RECORDS = PAGE / "records.jsonl"


def names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def whole_number(text: str) -> int:
    """A whole number, at least 1."""
    if int(text) < 1:
        raise ValueError
    return int(text)


def positive_number(text: str) -> float:
    """A positive number."""
    if not 0 < float(text) < math.inf:
        raise ValueError
    return float(text)


def sizes(text: str) -> list[int]:
    return [whole_number(size) for size in names(text)]


def gaps(text: str) -> list[float]:
    return [positive_number(gap) for gap in names(text)]


def folder(text: str) -> Path:
    if not Path(text).is_dir():
        raise ValueError
    return Path(text)


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The options of ``otcore bench``."""
    command.add_argument("--instances", type=names, default=["plane"], metavar="F,..", help="families (default: plane)")
    command.add_argument(
        "--sizes", type=sizes, default=[100, 200, 400], metavar="N,..", help="points a side (default: 100,200,400)"
    )
    command.add_argument("--methods", type=names, metavar="M,..", help="otcore's methods (default: all; none)")
    command.add_argument("--peers", type=names, metavar="P,..", help="other packages, as pot:emd (default: all; none)")
    command.add_argument(
        "--rtol", type=gaps, default=[1e-9], metavar="R,..", help="relative gaps to reach (default: 1e-9)"
    )
    command.add_argument("--seeds", type=whole_number, default=1, metavar="K", help="instances of each family and size")
    command.add_argument(
        "--rounds", type=whole_number, default=5, metavar="K", help="timed solves of each (default: 5)"
    )
    command.add_argument(
        "--limit", type=positive_number, default=10.0, metavar="S", help="seconds a contestant and instance"
    )
    command.add_argument("--threads", type=whole_number, default=1, metavar="K", help="of BLAS and OpenMP (default: 1)")
    command.add_argument("--quick", action="store_true", help="no fresh processes: no memory, no limit inside C")
    command.add_argument("--data", type=folder, metavar="DIR", help="folder of DOTmark's classes, for dotmark-*")
    command.add_argument("--out", type=Path, default=RECORDS, metavar="FILE", help=f"records (default: {RECORDS})")
    command.add_argument("--report", type=Path, nargs="?", const=PAGE, metavar="DIR", help="render FILE, race nothing")
    command.add_argument("--list", action="store_true", help="families and contestants there are")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """List, render or race; 0 unless the input was refused."""
    if arguments.list:
        return _list()
    if arguments.report is not None:
        from otcore.bench.report import write

        if not arguments.out.exists():
            raise InvalidProblemError(f"--out {arguments.out}: there are no records; race first, or name another file")
        print(write(arguments.out, arguments.report))
        return 0
    from otcore.bench.instance import Instance
    from otcore.bench.report import summary
    from otcore.bench.runner import Race
    from otcore.bench.runner import run as race

    instances = [
        Instance(family, size, seed, arguments.data)
        for family in arguments.instances
        for size in sorted(arguments.sizes)
        for seed in range(arguments.seeds)
    ]
    entrants = [*_chosen(arguments.methods, own=True), *_chosen(arguments.peers, own=False)]
    plan = Race(
        instances, entrants, arguments.rtol, arguments.rounds, arguments.limit, arguments.threads, not arguments.quick
    )
    known = {instance.name for instance in instances}
    records = [r for r in race(plan, arguments.out, progress=sys.stderr.isatty()) if r.instance in known]
    print(summary([r for r in records if r.contestant in entrants and r.rtol in arguments.rtol]))
    return 0


def _chosen(names: Sequence[str] | None, own: bool) -> list[str]:
    """Contestants asked for: all of one kind by default, otcore's with or without their prefix."""
    from otcore.bench.contestant import VARIANTS, contestants

    if names == ["none"]:
        return []
    if names in (None, ["all"]):
        return [c for c in contestants() if c.startswith("otcore:") == own and c not in VARIANTS]
    return [name if ":" in name or not own else f"otcore:{name}" for name in names or ()]


def _list() -> int:
    from otcore._table import table
    from otcore.bench.contestant import contestants
    from otcore.bench.instance import families

    print(table(("instances", "what they are"), [(f.name, f.summary) for f in families().values()]))
    print()
    print("\n".join(contestants()))
    return 0
