"""Everything that was tried, in one command: problems, bad inputs, proof files, readers, mutants.

    python benchmarks/counts.py [--problems 1000] [--files 2000] [--seconds 60] [--resume FOLDER] [--record FILE]

The parts are ``rigour.py`` (problems against exact arithmetic), the tables of tests/test_bad_input.py, certificate
files changed at random as in tests/certify/test_check.py, ``fuzz_readers.py`` (where atheris is installed) and
``mutants.py``.  ``--resume`` is a folder in which problems and mutants are kept between runs of one commit.  Exits
with 1 if an interval is violated, a bad input gets no typed error, a harmful file is accepted, or a mutant lives
that nobody has explained.
"""

from __future__ import annotations

import argparse
import copy
import json
import random
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import redirect_stderr, redirect_stdout
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "certify"))

import test_bad_input
import test_check
from zoo import ZOO

import otcore
from otcore.certify import check

HERE = Path(__file__).parent


def bad_inputs() -> Counter[str]:
    """Inputs that mean nothing, through the functions that take them: every one must raise one of our errors."""
    counts: Counter[str] = Counter()
    calls = [call for call, *_ in (*test_bad_input.BAD.values(), *test_bad_input.HABITS.values())]
    for name, bad in test_bad_input.MEANINGLESS.items():
        named = test_bad_input.places(bad)
        calls += [call for place, call in named.items() if (name, place) != ("None", "weights")]  # None is the default
    for call in calls:
        counts["tried"] += 1
        try:
            call()
        except otcore.OTError:
            counts["typed_errors"] += 1
    counts["faults"] = counts["tried"] - counts["typed_errors"]
    return counts


def proof_files(number: int) -> Counter[str]:
    """Genuine files, and as many copies as asked for with one number or bracket changed, judged by a slow twin."""
    counts: Counter[str] = Counter()
    genuine = [test_check.record_of(z) for z in ZOO if z in test_check.ALGEBRAIC]
    dice = random.Random(0)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "proof.json"
        for record in genuine:
            counts["genuine"] += 1
            counts["accepted"] += accepted(record, path)
        small = [record for record in genuine if len(json.dumps(record)) < 5000]
        while counts["changed"] < number:
            record = copy.deepcopy(dice.choice(small))
            *where, key = dice.choice(
                [p for p in test_check.places(record) if p[0] == dice.choice([*record])] or [("b",)]
            )
            parent = test_check.at(record, where)
            try:
                parent[key] = dice.choice([*test_check.CHANGES.values()])(parent[key])
                yes = accepted(record, path)
            except (TypeError, ValueError, OverflowError):
                continue  # the change has no meaning there, or cannot be written
            follows = test_check.follows(record)
            counts["changed"] += 1
            counts["harmful"] += not follows
            counts["harmful_rejected"] += not follows and not yes
            counts["harmless_accepted"] += follows and yes
    counts["faults"] = counts["genuine"] - counts["accepted"] + counts["harmful"] - counts["harmful_rejected"]
    return counts


def accepted(record: Any, path: Path) -> bool:
    """The checker's verdict on a file with this record, without what it prints."""
    path.write_text(json.dumps(record))
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        return check.main([str(path)]) == 0


def show(part: str, counts: Counter[str], record: Path | None) -> int:
    """Print the counts of one part; its faults."""
    print(f"{part}: " + ", ".join(f"{count} {what.replace('_', ' ')}" for what, count in counts.items()), flush=True)
    if record:
        with record.open("a") as file:
            print(json.dumps({"part": part.replace(" ", "_"), **counts}), file=file)
    return counts["faults"]


def script(name: str, *arguments: Any) -> int:
    """Run another file of this folder; 1 if it finds a fault."""
    print(f"{name}:", flush=True)
    return int(subprocess.run([sys.executable, HERE / name, *map(str, arguments)], check=False).returncode != 0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--problems", type=int, default=1000)
    parser.add_argument("--files", type=int, default=2000, help="certificate files changed at random")
    parser.add_argument("--seconds", type=float, default=60, help="of fuzzing, for each reader")
    parser.add_argument("--resume", type=Path, help="folder that keeps problems and mutants between runs")
    parser.add_argument("--record", type=Path, help="JSON lines to append the counts to")
    arguments = parser.parse_args()
    keep = ["--record", arguments.record] if arguments.record else []
    at = (lambda name: ["--resume", arguments.resume / name]) if arguments.resume else lambda name: []
    faults = show("bad inputs", bad_inputs(), arguments.record)
    faults += show("proof files", proof_files(arguments.files), arguments.record)
    if find_spec("atheris"):
        faults += script("fuzz_readers.py", "--seconds", arguments.seconds, *keep)
    faults += script("rigour.py", "--problems", arguments.problems, *at("problems.jsonl"), *keep)
    faults += script("mutants.py", *at("mutants.jsonl"), *keep)
    print(f"{faults} faults")
    return min(faults, 1)


if __name__ == "__main__":
    sys.exit(main())
