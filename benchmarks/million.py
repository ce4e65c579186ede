"""A million points against a million in the plane, exactly: CPU seconds, peak memory and the certified gap.

    python benchmarks/million.py                    # squared distance, 1 000 000 points a side
    python benchmarks/million.py --points 100000 --exponent 1 --state run.npz

The cost matrix would have 10^12 entries.  Every candidate of the solver (a tree and its potentials, after 2^20 pivots
and then at every doubling) is written to the state file before it is certified: a run that was killed or interrupted
goes on from there.  Points and weights are uniform, made from a seed.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from threadpoolctl import threadpool_limits

import otcore
from otcore._solve import run
from otcore.problem import Problem
from otcore.solution import Candidate
from otcore.solvers._protocol import Budget
from otcore.solvers.network_simplex import NetworkSimplex

WARM = 2200  # points that warm the compiler: enough to use every kernel


def points(n: int, exponent: float) -> Problem:
    """Two uniform clouds in the unit square with random weights."""
    x, y = np.random.default_rng(n).random((2, n, 2))
    a, b = np.random.default_rng(n + 1).random((2, n))
    return Problem(a / a.sum(), b / b.sum(), otcore.CloudCost(x, y, "euclidean", exponent))


@dataclass(frozen=True)
class Saved(NetworkSimplex):
    """The network simplex, every candidate of which is on disk before anybody looks at it."""

    needs: ClassVar[frozenset[str]] = NetworkSimplex.needs
    path: Path = Path("million.npz")

    def candidates(self, problem: Problem, start: Candidate | None, budget: Budget) -> Iterator[Candidate]:
        if start is None and self.path.exists():
            start = load(self.path, problem)
        for candidate in super().candidates(problem, start, budget):
            save(self.path, candidate)
            yield candidate


def save(path: Path, candidate: Candidate) -> None:
    """Write a candidate; a kill in between leaves the file before."""
    plan, (f, g) = candidate.plan, candidate.potentials
    part = path.with_suffix(".part.npz")
    np.savez(part, i=plan.i, j=plan.j, mass=plan.mass, f=f, g=g)
    part.replace(path)


def load(path: Path, problem: Problem) -> Candidate:
    with np.load(path) as held:
        if (held["f"].size, held["g"].size) != problem.shape:
            raise SystemExit(f"{path} holds a run of other points: remove it, or name another --state")
        plan = otcore.SparsePlan(held["i"], held["j"], held["mass"], problem.shape)
        return Candidate(plan, (held["f"], held["g"]))


def high_water() -> float:
    """The most memory this process has held, in MB."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--points", type=int, default=1_000_000, help="a side")
    parser.add_argument("--exponent", type=float, default=2.0, help="of the Euclidean distance")
    parser.add_argument("--state", type=Path, default=Path("million.npz"), help="where an interrupted run goes on")
    parser.add_argument("--max-seconds", type=float, help="stop by the clock, with an interval that holds")
    parser.add_argument("--json", type=Path, help="append the record to this file")
    arguments = parser.parse_args()
    with threadpool_limits(1):
        run(points(WARM, arguments.exponent), "network-simplex")
        problem = points(arguments.points, arguments.exponent)
        resumed, before, begin = arguments.state.exists(), high_water(), time.process_time()
        solution = run(
            problem, Saved(path=arguments.state), rtol=1e-9, atol=0.0, max_seconds=arguments.max_seconds, progress=True
        )
        seconds = time.process_time() - begin
    record = {
        "points": arguments.points,
        "exponent": arguments.exponent,
        "cpu_seconds": round(seconds, 1),
        "megabytes": round(high_water() - before),
        "lower": solution.lower,
        "upper": solution.upper,
        "relative_gap": solution.relative_gap,
        "pivots": solution.report.pivots if solution.report else 0,
        "status": solution.status.name,
        "resumed": resumed,
    }
    print(json.dumps(record, indent=1))
    if arguments.json:
        with arguments.json.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
    if solution.certified:
        arguments.state.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
