"""What one contestant did with one instance, as one line of JSON."""

from __future__ import annotations

import json
import os
import platform
import re
import reprlib
import statistics
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import MISSING, asdict, dataclass, field, fields
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from otcore.errors import InvalidProblemError

__all__ = ["Record", "append", "as_record", "environment", "read", "rows"]

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
    status: Literal["ok", "failed", "time limit"]
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
        return 0.0 if gap <= 0 else gap / max(abs(self.lower), abs(self.upper))

    @property
    def machine(self) -> str:
        """Processor and its number of cores, in words."""
        e = self.environment
        return f"{e.get('processor', 'unknown processor')}, {e.get('cores', '?')} cores"


KINDS = get_type_hints(Record)
LARGEST = {int: 2**53, float: 1e300}  # sums, ratios and rounded values of what is below do not overflow
REMEDY = "remove the line, or name another file"
NAME = re.compile(r"[\w.:/ +-]+")


def append(path: Path, rows: Iterable[Record | dict[str, Any]]) -> None:
    """Add rows at the end of a file, each a line of its own, also where a killed run left half a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            file.write(b"" if file.read() == b"\n" else b"\n")
        for row in rows:
            file.write(json.dumps(asdict(row) if isinstance(row, Record) else row).encode() + b"\n")


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a file as they are; those that a killed run left half written are passed over.

    Raises
    ------
    InvalidProblemError
        At a line that no run can have written.
    """
    return (row for _, row in _numbered(path))


def read(path: Path) -> list[Record]:
    """The records of a file; of several with one key the newest.

    Raises
    ------
    InvalidProblemError
        At a line that no run can have written.
    """
    records = [as_record(row, where) for where, row in _numbered(path) if "contestant" in row]
    return list({record.key: record for record in records}.values())


def as_record(row: dict[str, Any], where: str) -> Record:
    """A row as a record; fields that a Record does not have are left out.

    Raises
    ------
    InvalidProblemError
        Where a field is missing, of another kind, or at odds with its neighbours; the message begins with ``where``.
    """
    for known in fields(Record):
        name, required = known.name, known.default is MISSING and known.default_factory is MISSING
        if (required or name in row) and not _fits(row.get(name), KINDS[name]):
            shown = reprlib.repr(row[name]) if name in row else "missing"
            expected = f"{known.type}, finite" if "float" in str(known.type) else known.type
            raise InvalidProblemError(f"{where}: {name} is {shown}; expected {expected}; {REMEDY}")
    record = Record(**{name: row[name] for name in KINDS if name in row})
    for fault in _faults(record):
        raise InvalidProblemError(f"{where}: {fault}; {REMEDY}")
    return record


def _fits(value: Any, kind: Any) -> bool:
    """Whether a value from JSON is what the annotation of a field says."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return value in arguments
    if origin is UnionType:
        return any(_fits(value, one) for one in arguments)
    if origin is list:
        return isinstance(value, list) and all(_fits(entry, arguments[0]) for entry in value)
    if kind in LARGEST:  # false for nan; True is no number
        return (type(value) is kind and abs(value) <= LARGEST[kind]) or (kind is float and _fits(value, int))
    return isinstance(value, origin or kind)


def _faults(r: Record) -> Iterator[str]:
    """What is wrong between fields that are of the right kind each."""
    if not all(map(NAME.fullmatch, (r.instance, r.contestant, r.family))) or "/" in r.family:
        yield "instance, contestant and family must be names, family one that a file may bear"
    if min(r.n, r.m) < 1:
        yield "n and m must be at least 1"
    if min([*r.wall, *r.cpu], default=0) < 0:
        yield "times must not be negative"
    ends = [end for end in (r.lower, r.upper) if end is not None]
    if len(ends) == 1 or ends != sorted(ends):
        yield "lower and upper must be an interval, or both null"
    if any(len(point) != 3 for point in r.trace):
        yield "trace must hold [seconds, lower, upper]"
    if not isinstance(r.environment.get("versions", {}), dict):
        yield "environment.versions must be an object"


def _numbered(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows of a file, each with the words that say where it stands."""
    for number, line in enumerate(path.read_bytes().splitlines() if path.exists() else (), start=1):
        where = f"{path}, line {number}"
        try:
            row = json.loads(line.decode()) if line.strip() else {}
        except json.JSONDecodeError:
            if line[:2] in (b"{", b'{"'):  # the beginning of a row, cut by a kill
                continue
            raise InvalidProblemError(f"{where}: not a line of JSON; {REMEDY}") from None
        except (ValueError, RecursionError) as error:  # no UTF-8, integers or nesting beyond what Python reads
            raise InvalidProblemError(f"{where}: cannot be read ({error}); {REMEDY}") from None
        if not isinstance(row, dict):
            raise InvalidProblemError(f"{where}: {reprlib.repr(row)} is not a JSON object; {REMEDY}")
        if row:
            yield where, row


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
