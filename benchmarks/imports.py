"""Import and compile time: what a first answer costs, in fresh processes.

    python benchmarks/imports.py

Cold means an empty cache of compiled kernels, as after installing; warm is every process after that.  What is small is
interpreted until compiling it would have been quicker, and leaves nothing to be loaded.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from otcore._table import table
from otcore.bench.record import append, environment
from otcore.bench.report import duration

RECORDS = Path(__file__).parents[1] / "docs" / "benchmarks" / "imports.jsonl"
REPEATS = 3
QUESTION = "import numpy as np, otcore; r, n = np.random.default_rng(0), {n}; a, b = r.dirichlet(np.ones(n), 2); {ask}"
DENSE, PLANE = "otcore.w1(a, b, r.random((n, n)))", "otcore.wasserstein(r.random((n, 2)), r.random((n, 2)))"
CODE = {
    "an empty process": "",
    "import numpy": "import numpy",
    "import otcore": "import otcore; otcore.methods()",
    "import scipy.stats": "import scipy.stats",
    "import ot": "import ot",
    **{f"a first w1(a, b, M), n = {n}": QUESTION.format(n=n, ask=DENSE) for n in (10, 100, 400, 1000)},
    **{f"a first W_1 in the plane, n = {n}": QUESTION.format(n=n, ask=PLANE) for n in (10, 100, 400, 1000)},
    "a first W_1 on the line": "import otcore; otcore.wasserstein([0.0, 1.0, 3.0], [5.0, 6.0, 8.0])",
    "otcore.warmup()": "import otcore; otcore.warmup()",
}


def seconds(code: str, cache: str | None = None) -> float:
    """Wall seconds of a fresh process that runs ``code``."""
    surroundings = dict(os.environ) if cache is None else {**os.environ, "NUMBA_CACHE_DIR": cache}
    surroundings.pop("PYTHONDONTWRITEBYTECODE", None)  # an installation has its bytecode
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], env=surroundings, check=True)
    return time.perf_counter() - start


def main() -> None:
    RECORDS.unlink(missing_ok=True)
    lines = []
    for what, code in CODE.items():
        if what.startswith(("a first", "otcore.")):
            with tempfile.TemporaryDirectory() as cache:
                found = {f"{what}, cold": [seconds(code, cache)]}
                found[f"{what}, warm"] = [seconds(code, cache) for _ in range(REPEATS)]
        else:
            found = {what: [seconds(code) for _ in range(REPEATS)]}
        for name, times in found.items():
            row = {"question": "imports", "what": name, "wall": times, "seconds": statistics.median(times)}
            append(RECORDS, [row | {"environment": environment()}])
            lines.append((name, duration(statistics.median(times)), f"{max(times) - min(times):.2f} s"))
    print(table(("", "wall time", "range"), lines))


if __name__ == "__main__":
    main()
