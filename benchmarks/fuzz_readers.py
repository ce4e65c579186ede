"""Can a file crash a reader?  Coverage-guided fuzzing of the CSV, ``.npy`` and certificate readers.

    python benchmarks/fuzz_readers.py [--seconds 120] [--record FILE]        (needs atheris)

A reader may return numbers or raise a typed error of one line; the checker may print a verdict.  Whatever else
happens to some bytes is a finding: it is printed, and belongs into tests/test_fuzz.py.  A fuzzer ends its
process, so each reader has one of its own.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

READERS = ("csv", "npy", "json")
SEEDS = {
    "csv": [
        b"x,y\n1,2\n3.5,-4e3\n",
        b"# comment\n1;2;3\n",
        b'"1"\t"2"\n',
        b"1 2\n\n3 inf\n",
        b"\xef\xbb\xbf1,5\r\n2,5\r\n",
    ],
}


def read(kind: str, path: Path) -> None:
    """One reader on one file, as the command line calls it; anything but an answer or a typed error is raised."""
    from otcore import OTError
    from otcore._read import read_table
    from otcore.certify import check

    if kind == "json":
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            assert check.main([str(path)]) in (0, 1, 2)
        return
    try:
        table = read_table(path, allow_inf=True)
    except OTError as error:
        assert str(path) in str(error) and "\n" not in str(error), "a complaint is one line that names the file"
    else:
        assert table.ndim == 2 and table.size and table.dtype == float


def seeds(kind: str) -> list[bytes]:
    """Files that are right, for the fuzzer to start from."""
    import numpy as np

    import otcore

    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / f"seed.{kind}"
        out = list(SEEDS.get(kind, []))
        if kind == "npy":
            for array in (np.eye(2), np.arange(3), np.zeros((1, 2), "f2"), np.ones(2, bool)):
                np.save(path, array)
                out.append(path.read_bytes())
        if kind == "json":
            for options in (
                {"cost": [[np.inf, 2.0], [3.0, 1.0]]},
                {"order": 1.5},
                {"metric": [[0.0, 1.0], [1.0, 0.0]], "order": 2},
            ):
                otcore.solve([0.5, 0.5], [0.25, 0.75], **options).certificate.to_json(path)
                out.append(path.read_bytes())
    return out


def fuzz(kind: str, seconds: float) -> None:
    """Never returns: the fuzzer ends the process, with a status other than 0 after a finding."""
    import atheris

    with atheris.instrument_imports(include=["otcore._read", "otcore.certify.check", "json"]):
        from otcore import _read  # noqa: F401
        from otcore.certify import check  # noqa: F401
    corpus = Path(tempfile.mkdtemp())
    for k, content in enumerate(seeds(kind)):
        (corpus / str(k)).write_bytes(content)
    path = corpus.parent / f"{corpus.name}.{kind}"

    def one(data: bytes) -> None:
        path.write_bytes(data)
        read(kind, path)

    atheris.Setup([sys.argv[0], f"-max_total_time={seconds:.0f}", "-timeout=30", "-max_len=2048", str(corpus)], one)
    atheris.Fuzz()


def run(kind: str, seconds: float) -> dict[str, Any]:
    """Executions and the finding, if any, of one reader fuzzed in a process of its own."""
    command = [sys.executable, __file__, "--only", kind, "--seconds", str(seconds)]
    with tempfile.TemporaryDirectory() as name:
        done = subprocess.run(command, cwd=name, capture_output=True, text=True, errors="replace", check=False)
    counts = re.findall(r"^#(\d+)\t", done.stderr, flags=re.MULTILINE)
    row = {"part": "readers", "reader": kind, "seconds": seconds, "executions": int(counts[-1]) if counts else 0}
    if done.returncode or not counts:
        print(done.stdout[-3000:], done.stderr[-1500:])
    return row | {"findings": int(done.returncode != 0)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=120, help="for each reader")
    parser.add_argument("--only", choices=READERS, help=argparse.SUPPRESS)
    parser.add_argument("--record", type=Path, help="JSON lines to append the counts to")
    arguments = parser.parse_args()
    if arguments.only:
        fuzz(arguments.only, arguments.seconds)
    findings = 0
    for kind in READERS:
        row = run(kind, arguments.seconds)
        findings += row["findings"]
        print(f"{row['executions']:>9}  files given to the {kind} reader, {row['findings']} findings", flush=True)
        if arguments.record:
            with arguments.record.open("a") as file:
                print(json.dumps(row), file=file)
    return min(findings, 1)


if __name__ == "__main__":
    sys.exit(main())
