"""Every question whose answer the pages quote, one after the other; then the quoted numbers, from the new records.

    python benchmarks/everything.py             # goes on where a run of this commit was broken off
    python benchmarks/everything.py --fresh     # asks again, and keeps an old record only where a question fails
    python benchmarks/everything.py --only line,critic
    python benchmarks/everything.py --quotes    # races nothing, only renews the numbers on the pages

Run it on a quiet machine with the peers installed (``pip install '.[bench,peers]'``), from a commit without changes.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

from otcore._table import table
from otcore.bench.quotes import renewed

ROOT = Path(__file__).parents[1]
RECORDS = ROOT / "docs" / "benchmarks"
QUESTIONS = (
    "exact_solvers", "entropic_solvers", "primal_dual", "line", "certificate", "pairwise", "sample_complexity",
    "imports", "critic",
)  # fmt: skip
ARGUMENTS = {"critic": ["--record"]}


def renew() -> None:
    """Rewrite the quoted numbers that the records no longer hold."""
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), RECORDS / "index.md"):
        old = page.read_text(encoding="utf-8")
        new = renewed(old, RECORDS)
        if new != old:
            page.write_text(new, encoding="utf-8")
            print(f"renewed the numbers of {page.relative_to(ROOT)}")


def ask(question: str, fresh: bool) -> bool:
    """Run one question; whether it came to its end."""
    record, old = RECORDS / f"{question}.jsonl", RECORDS / f"{question}.jsonl.old"
    if fresh and record.exists():
        record.replace(old)
    command = [sys.executable, str(ROOT / "benchmarks" / f"{question}.py"), *ARGUMENTS.get(question, [])]
    done = subprocess.run(command, check=False).returncode == 0
    if fresh and old.exists():
        if done:
            old.unlink()
        else:
            old.replace(record)
    return done


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--fresh", action="store_true", help="ask again what is on record")
    parser.add_argument("--only", default=",".join(QUESTIONS), metavar="Q,..", help="some of the questions")
    parser.add_argument("--quotes", action="store_true", help="only renew the numbers on the pages")
    options = parser.parse_args()
    lines = []
    for question in () if options.quotes else options.only.split(","):
        print(f"\n== {question}", flush=True)
        start = time.perf_counter()
        done = ask(question, options.fresh)
        lines.append((question, f"{(time.perf_counter() - start) / 60:.1f}", "" if done else "FAILED"))
    if lines:
        print(table(("question", "minutes", ""), lines))
    renew()


if __name__ == "__main__":
    main()
