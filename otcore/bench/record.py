"""What one contestant did with one instance, as one line of JSON."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

__all__ = ["Record", "append", "environment", "read"]

PACKAGES = (
    "otcore", "numpy", "scipy", "numba", "POT", "ott-jax", "geomloss", "highspy", "lapx", "ortools", "torch",
)  # fmt: skip


@dataclass(frozen=True)
class Record:
    """One row.  Times in seconds, memory in MiB, bounds in units of the value.

    Attributes
    ----------
    instance, family : str
    n, m : int
    contestant : str
    rtol : float
        The relative gap asked for.
    status : {"ok", "failed", "time limit"}
    message : str
        Why it is not ok.
    wall, cpu : list of float
        Of each round.
    claimed : float or None
        The value that the contestant itself gives, at mass 1 for peers.
    lower, upper : float or None
        What its answer proves; None for a bare value.
    completed : bool
        Whether otcore found one of the halves.
    certify : float or None
        CPU seconds that the certificate took, off the clock (0 for otcore's methods: on the clock).
    memory : float or None
        Peak of a fresh process beyond what it held before the solve.
    trace : list of [seconds, lower, upper]
    report : dict
        The method's own record: iterations, variables, constraints.
    environment : dict
        Machine, versions, commit, threads.
    """

    instance: str
    family: str
    n: int
    m: int
    contestant: str
    rtol: float
    status: str
    message: str = ""
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    claimed: float | None = None
    lower: float | None = None
    upper: float | None = None
    completed: bool = False
    certify: float | None = None
    memory: float | None = None
    trace: list[list[float]] = field(default_factory=list)
    report: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, float]:
        """What makes two rows rivals for the same place in a table."""
        return self.instance, self.contestant, self.rtol

    @property
    def seconds(self) -> float:
        """Median CPU time of the rounds."""
        return statistics.median(self.cpu) if self.cpu else float("nan")

    @property
    def spread(self) -> float:
        """Half the range of the rounds' CPU times."""
        return (max(self.cpu) - min(self.cpu)) / 2 if self.cpu else float("nan")

    @property
    def relative_gap(self) -> float | None:
        """``gap / max(|lower|, |upper|)``; None where nothing is proved."""
        if self.lower is None or self.upper is None:
            return None
        gap = self.upper - self.lower
        return gap / max(abs(self.lower), abs(self.upper)) if gap > 0 else 0.0

    @property
    def machine(self) -> str:
        """Processor and its number of cores, in words."""
        e = self.environment
        return f"{e.get('processor', 'unknown processor')}, {e.get('cores', '?')} cores"


def append(path: Path, rows: Iterable[Record | dict[str, Any]]) -> None:
    """Add rows at the end of a file, each a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(asdict(row) if isinstance(row, Record) else row) + "\n")


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a file as they are; a last line that a killed run left half written is passed over."""
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            continue


def read(path: Path) -> list[Record]:
    """The records of a file; of several with one key the newest."""
    known = set(Record.__dataclass_fields__)
    records = [Record(**{k: v for k, v in row.items() if k in known}) for row in rows(path) if "contestant" in row]
    return list({record.key: record for record in records}.values())


@cache
def environment(threads: int = 1) -> dict[str, Any]:
    """Machine, versions and commit; nothing that names a user or a folder."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    from otcore import __version__

    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": found | {"otcore": __version__},
        "commit": _commit(),
        "threads": threads,
    }


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _commit() -> str | None:
    """The commit of the checkout that otcore is imported from, ``+`` when its code differs; None outside one."""
    here = Path(__file__).parent

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", "-C", str(here), *arguments], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain", "--", "..") else "")
    except (OSError, subprocess.CalledProcessError):
        return None
