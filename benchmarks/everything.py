"""Every question whose answer the pages quote, one after the other; then the quoted numbers, from the new records.

    python benchmarks/everything.py             # goes on where a run of this commit was broken off
    python benchmarks/everything.py --fresh     # forgets all records first
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
    "imports",
)  # fmt: skip


def renew() -> None:
    """Rewrite the quoted numbers that the records no longer hold."""
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), RECORDS / "index.md"):
        old = page.read_text(encoding="utf-8")
        new = renewed(old, RECORDS)
        if new != old:
            page.write_text(new, encoding="utf-8")
            print(f"renewed the numbers of {page.relative_to(ROOT)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--fresh", action="store_true", help="forget all records first")
    parser.add_argument("--quotes", action="store_true", help="only renew the numbers on the pages")
    options = parser.parse_args()
    lines = []
    for question in () if options.quotes else QUESTIONS:
        if options.fresh:
            (RECORDS / f"{question}.jsonl").unlink(missing_ok=True)
        print(f"\n== {question}", flush=True)
        start = time.perf_counter()
        done = subprocess.run([sys.executable, str(ROOT / "benchmarks" / f"{question}.py")], check=False)
        lines.append((question, f"{(time.perf_counter() - start) / 60:.1f}", "" if done.returncode == 0 else "FAILED"))
    if lines:
        print(table(("question", "minutes", ""), lines))
    renew()


if __name__ == "__main__":
    main()
