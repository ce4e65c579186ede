"""Clouds that are hard for a multiscale simplex, at scale: seconds, pivots and the certified gap of each.

    python benchmarks/hard.py                       # all cases, 20 000 points a side
    python benchmarks/hard.py --points 200000 --cases uniform clusters --exponent 2

Ties (lattices, duplicates), degenerate shapes (collinear, one heavy point), numbers that cancel (a translation by
1e6), rectangles (100 000 against 3): every case must end with a certified relative gap of at most 1e-9, which no
solver that cycles, stalls or drifts can do.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.random import Generator
from threadpoolctl import threadpool_limits

import otcore
from otcore._kernels._kernel import compiled
from otcore._solve import run
from otcore.bench.record import append, environment
from otcore.problem import Problem

RECORDS = Path(__file__).parents[1] / "docs" / "benchmarks" / "hard.jsonl"
Clouds = tuple[np.ndarray, np.ndarray]


def clusters(rng: Generator, n: int) -> Clouds:
    """Five tight clusters a side, a thousand widths apart."""
    return tuple(1000 * rng.random((5, 2))[rng.integers(0, 5, n)] + rng.normal(size=(n, 2)) for _ in "xy")


def lattice(rng: Generator, n: int) -> Clouds:
    """Two lattices, the second shifted by half a step."""
    side = int(np.sqrt(n))
    z = np.indices((side, side)).reshape(2, -1).T / side
    return z, z + 0.5 / side


def duplicates(rng: Generator, n: int) -> Clouds:
    """A hundred sites a side, each n / 100 times."""
    return tuple(rng.random((100, 2))[rng.integers(0, 100, n)] for _ in "xy")


CASES: dict[str, Callable[[Generator, int], Clouds]] = {
    "uniform": lambda rng, n: tuple(rng.random((2, n, 2))),
    "clusters": clusters,
    "cluster against circle": lambda rng, n: (
        1e-3 * rng.normal(size=(n, 2)),
        np.stack([np.cos(t := 6.28 * rng.random(n)), np.sin(t)], axis=1),
    ),
    "lattice": lattice,
    "duplicates": duplicates,
    "collinear": lambda rng, n: tuple(rng.random((2, n, 1)) * [3.0, 4.0]),
    "far apart": lambda rng, n: (rng.random((n, 2)), 1e6 + rng.random((n, 2))),
    "space": lambda rng, n: tuple(rng.random((2, n, 3))),
    "twenty to one": lambda rng, n: (rng.random((n, 2)), rng.random((n // 20, 2))),
    "against three": lambda rng, n: (rng.random((5 * n, 2)), rng.random((3, 2))),
    "heavy point": lambda rng, n: tuple(rng.random((2, n, 2))),
}
WEIGHTS = {"lattice": "equal", "duplicates": "equal", "heavy point": "heavy"}


def problem(case: str, n: int, exponent: float) -> Problem:
    rng = np.random.default_rng(n)
    x, y = CASES[case](rng, n)
    kind = WEIGHTS.get(case, "random")
    a, b = (np.ones(len(z)) if kind == "equal" else rng.random(len(z)) for z in (x, y))
    if kind == "heavy":
        a[0] = 1e6 * n
    return Problem(a / a.sum(), b / b.sum(), otcore.CloudCost(x, y, "euclidean", exponent))


@compiled()
def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--points", type=int, default=20_000, help="a side")
    parser.add_argument("--exponent", type=float, nargs="*", default=[1.0, 2.0], help="of the Euclidean distance")
    parser.add_argument("--cases", nargs="*", default=list(CASES), choices=CASES)
    parser.add_argument("--json", type=Path, nargs="?", const=RECORDS, help=f"append to this file, or {RECORDS.name}")
    arguments = parser.parse_args()
    with threadpool_limits(1):
        for exponent in arguments.exponent:
            run(problem("uniform", 2200, exponent), "network-simplex")  # warms the compiler
        print(f"{'case':<26}{'n':>9}{'m':>9}{'power':>7}{'CPU s':>9}{'pivots':>10}{'rounds':>8}{'gap':>10}")
        for case in arguments.cases:
            for exponent in arguments.exponent:
                task = problem(case, arguments.points, exponent)
                begin = time.process_time()
                solution = run(task, "network-simplex", rtol=1e-9)
                seconds = time.process_time() - begin
                assert solution.certified, solution
                (n, m), report = task.shape, solution.report
                print(
                    f"{case:<26}{n:>9}{m:>9}{exponent:>7g}{seconds:>9.2f}{report.pivots:>10}{report.rounds:>8}"
                    f"{solution.relative_gap:>10.1e}",
                    flush=True,
                )
                if arguments.json:
                    row = {"question": "hard", "case": case, "n": n, "m": m, "exponent": exponent, "seconds": seconds}
                    row |= {"pivots": report.pivots, "rounds": report.rounds, "gap": solution.relative_gap}
                    append(arguments.json, [row | {"environment": environment()}])


if __name__ == "__main__":
    main()
