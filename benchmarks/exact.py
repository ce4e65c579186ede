"""The exact engine against ``ot.emd``: CPU-time ratios, or seconds where no peer can follow, and memory.

    python benchmarks/exact.py                      # the rows that take less than a minute each
    python benchmarks/exact.py --rows dense plane   # those whose name contains one of these words
    python benchmarks/exact.py --rows all --data ../shared/data --json docs/benchmarks/exact.jsonl

One thread, CPU time, ours and the peer's in turn in one process (A, B, A, B ...), medians; the compiler is warmed and
POT's cost matrix is not charged to it.  Ours is the whole of ``otcore.solve``: the reductions and the certificate are
in it, and every row asserts a relative gap of at most 1e-9.  Memory is that of a fresh process, above what it had
before the solve.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

import otcore
from otcore._kernels._kernel import compiled
from otcore._solve import run
from otcore.bench.record import append, environment
from otcore.problem import Problem

GAP = 1e-9
WARM = 2200  # points of the same kind that warm the compiler: enough to use every kernel


class Row(NamedTuple):
    """One line of the table: a target is a ratio against ``peer``, or seconds where there is none."""

    name: str
    make: Callable[[int], Problem]
    n: int
    must: float
    aim: float
    peer: str = "emd"
    repeats: int = 3


def weights(n: int, uniform: bool = False) -> tuple[np.ndarray, np.ndarray]:
    a, b = np.ones((2, n)) if uniform else np.random.default_rng(n + 1).random((2, n))
    return a / a.sum(), b / b.sum()


def dense(kind: str, uniform: bool = False) -> Callable[[int], Problem]:
    """A stored matrix: structureless, or the squared distances of points in the plane."""

    def make(n: int) -> Problem:
        rng = np.random.default_rng(n)
        M = rng.random((n, n)) if kind == "random" else points(2, 2.0)(n).cost.to_dense()
        return Problem(*weights(n, uniform), otcore.DenseCost(M))

    return make


def points(d: int, exponent: float = 1.0, uniform: bool = False, metric: str = "euclidean") -> Callable[[int], Problem]:
    """Two uniform clouds in the unit cube."""

    def make(n: int) -> Problem:
        x, y = np.random.default_rng(n).random((2, n, d))
        return Problem(*weights(n, uniform), otcore.CloudCost(x, y, metric, exponent))

    return make


def apart(d: int) -> Callable[[int], Problem]:
    """Two normal clouds, one shifted by two standard deviations along each axis; squared distances."""

    def make(n: int) -> Problem:
        x, y = np.random.default_rng(n).normal(size=(2, n, d))
        return Problem(*weights(n), otcore.CloudCost(x, y + 2.0, "euclidean", 2.0))

    return make


def images(exponent: float, metric: str = "euclidean") -> Callable[[int], Problem]:
    """Two DOTmark pictures of n pixels."""

    def make(n: int) -> Problem:
        side = 64 if n == WARM else round(np.sqrt(n))
        p, q = (np.loadtxt(DATA / f"dotmark/ClassicImages/data{side}_{k}.csv", delimiter=",") for k in (1001, 1002))
        z = np.indices((side, side)).reshape(2, -1).T / side
        return Problem(p.ravel(), q.ravel() * (p.sum() / q.sum()), otcore.CloudCost(z, z, metric, exponent))

    return make


DATA = Path("../shared/data")
ROWS = [
    *(Row("dense M, unstructured", dense("random"), *t) for t in ((100, 1, 2, "emd", 31), (200, 1.3, 2, "emd", 31))),
    *(Row("dense M, unstructured", dense("random"), *t) for t in ((1000, 2.5, 5), (2000, 3.5, 7), (5000, 5, 10))),
    Row("dense M, from 2-D points", dense("plane"), 5000, 4.5, 12),
    Row("dense M, unstructured, uniform weights", dense("random", True), 5000, 6, 10),
    *(Row("plane, squared", points(2, 2.0), *t) for t in ((1000, 4, 8), (5000, 12, 25), (10_000, 30, 60, "emd", 1))),
    Row("plane, distance", points(2), 5000, 12, 25),
    *(
        Row("plane, squared", points(2, 2.0), n, must, aim, "", 1)
        for n, must, aim in ((20_000, 2, 1), (50_000, 6, 3), (100_000, 15, 6), (1_000_000, 400, 120))
    ),
    Row("plane, distance", points(2), 20_000, 2, 1, "", 1),
    Row("space, squared", points(3, 2.0), 5000, 5, 10),
    Row("space, squared", points(3, 2.0), 20_000, 6, 3, "", 1),
    Row("images 64^2, squared", images(2.0), 64**2, 50, 100, "emd", 1),
    Row("images 64^2, distance", images(1.0), 64**2, 50, 100),
    *(Row(f"images {k}^2, squared", images(2.0), k * k, *t, "", 1) for k, t in ((128, (2, 1)), (256, (20, 6)))),
    *(Row(f"images {k}^2, distance", images(1.0), k * k, *t, "", 1) for k, t in ((128, (4, 2)), (256, (40, 12)))),
    *(
        Row(f"images 128^2, {name}", images(1.0, name), 128**2, 4, 2, "", 1)
        for name in ("cityblock", "chebyshev")
    ),
    Row("d = 10, squared", points(10, 2.0), 5000, 5, 8, "emd", 1),
    Row("d = 10, squared", points(10, 2.0), 20_000, 40, 15, "", 1),
    *(Row("apart, squared", apart(d), 5000, 1, 5, "emd", 1) for d in (3, 10)),
    Row("d = 50, squared", points(50, 2.0), 2000, 2.5, 5),
    Row("d = 100, squared", points(100, 2.0), 2000, 2.5, 5, "emd", 1),
    Row("d = 50, distance", points(50), 5000, 2.5, 5, "emd", 1),
    Row("assignment, plane", points(2, 2.0, True), 5000, 20, 50, "assignment", 1),
    Row("assignment, unstructured", dense("random", True), 5000, 3, 5, "assignment", 1),
    Row("linprog, unstructured", dense("random"), 300, 80, 150, "linprog"),
]  # fmt: skip
LONG = 30_000  # points; from here on only with --rows


def peer(name: str, problem: Problem) -> Callable[[], object]:
    """The peer's solve, its matrix made beforehand."""
    import ot
    from scipy.optimize import linear_sum_assignment, linprog

    M = problem.cost.to_dense()
    if name == "assignment":
        return lambda: linear_sum_assignment(M)
    if name == "linprog":
        A, ab = otcore.marginal_matrix(problem), np.concatenate([problem.a, problem.b])
        return lambda: linprog(M.ravel(), A_eq=A, b_eq=ab, method="highs")
    return lambda: ot.emd(problem.a, problem.b, M, numItermax=2**62)


def ours(problem: Problem) -> otcore.Solution:
    solution = run(problem, "network-simplex", rtol=GAP, atol=0.0)
    assert solution.certified, solution
    return solution


def seconds(f: Callable[[], object]) -> float:
    begin = time.process_time()
    f()
    return time.process_time() - begin


def measure(row: Row) -> dict[str, Any]:
    """Seconds of both, their ratio, the certified gap, what must be reached, and whether it is."""
    problem = row.make(row.n)
    ours(row.make(min(row.n, WARM)))
    solutions: list[otcore.Solution] = []
    rivals = [lambda: solutions.append(ours(problem)), *([peer(row.peer, problem)] if row.peer else [])]
    times = [[seconds(rival) for rival in rivals] for _ in range(row.repeats)]
    mine, *theirs = (statistics.median(t) for t in zip(*times, strict=True))
    ratio = theirs[0] / mine if theirs else None
    reached = [mine <= goal if ratio is None else ratio >= goal for goal in (row.must, row.aim)]
    return {
        "question": "exact",
        "problem": row.name,
        "n": row.n,
        "seconds": mine,
        "peer": row.peer or None,
        "peer_seconds": theirs[0] if theirs else None,
        "ratio": ratio,
        "must": row.must,
        "aim": row.aim,
        "mark": "aim" if reached[1] else "must" if reached[0] else "-",
        "memory": memory(row),
        "gap": solutions[-1].relative_gap,
        "environment": environment(),
    }


def line(found: dict[str, Any]) -> str:
    """A row of the table."""
    if found["ratio"] is None:
        middle, unit = f"{found['seconds']:9.3f}{'':28}", "s"
    else:
        unit = "x"
        middle = f"{found['seconds']:9.4f}{found['peer_seconds']:9.3f} {found['peer']:<10}{found['ratio']:7.1f}x"
    goals = f"{found['must']:7g}{unit}{found['aim']:6g}{unit}"
    return f"{found['problem']:<40}{found['n']:>9}{middle}{goals}{found['memory']:8.0f}  {found['mark']}"


def memory(row: Row) -> float:
    """MB above the start, in a fresh process that has warmed its compiler."""
    arguments = [sys.executable, __file__, "--data", str(DATA), "--memory", str(ROWS.index(row))]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout))


def peak(row: Row) -> float:
    problem = row.make(row.n)
    ours(row.make(min(row.n, WARM)))
    before = high_water()
    ours(problem)
    return high_water() - before


def high_water() -> float:
    """The most memory this process has held, in MB; getrusage would tell the parent's."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


@compiled()
def main() -> None:
    global DATA
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", nargs="*", default=[], help="words that the rows' names or sizes contain; or all")
    parser.add_argument("--data", type=Path, default=DATA, help="folder with dotmark/")
    parser.add_argument("--json", type=Path, help="a file that receives each row as a line of JSON")
    parser.add_argument("--memory", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    DATA = arguments.data
    with threadpool_limits(1):
        if arguments.memory is not None:
            print(peak(ROWS[arguments.memory]))
            return
        print(f"{'problem':<40}{'n':>9}{'s':>9}{'peer s':>9} {'peer':<10}{'ratio':>8}{'must':>8}{'aim':>7}{'+MB':>8}")
        for row in ROWS:
            words = arguments.rows
            chosen = (
                any(w == "all" or re.search(rf"\b{re.escape(w)}\b", f"{row.name} {row.n}") for w in words)
                if words
                else row.n < LONG
            )
            if chosen and ("images" not in row.name or DATA.is_dir()):
                found = measure(row)
                print(line(found), flush=True)
                if arguments.json:
                    append(arguments.json, [found])


if __name__ == "__main__":
    main()
