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
from otcore._kernels._kernel import compiled
from otcore._solve import _as_candidate, run
from otcore.bench.record import append
from otcore.errors import InvalidProblemError, OTError
from otcore.problem import Problem
from otcore.solution import Candidate
from otcore.solvers._protocol import Budget
from otcore.solvers.network_simplex import NetworkSimplex

WARM = 2200  # points that warm the compiler: enough to use every kernel
STATE = {"i": np.int64, "j": np.int64, "mass": np.float64, "f": np.float64, "g": np.float64}  # arrays of the state file


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
    """Read a candidate, which must be what the library asks of any start; InvalidProblemError where it is not."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as held:  # numpy leaves broken ones open
            i, j, mass, f, g = (held[name].astype(kind, casting="safe", copy=False) for name, kind in STATE.items())
        if not i.shape == j.shape == mass.shape == (i.size,):
            raise ValueError("the arcs of a plan are one array each, of one length")
        start = _as_candidate(Candidate(otcore.SparsePlan(i, j, mass, problem.shape), (f, g)), problem)
        if start.plan is None or start.potentials is None:
            raise ValueError("a nan or an infinity")
        return start
    except Exception as error:  # numpy and zipfile raise what they please at bytes that are no archive
        raise InvalidProblemError(
            f"{path} holds no state of a run of these points ({type(error).__name__}); "
            "remove it, or name another --state"
        ) from error


def high_water() -> float:
    """The most memory this process has held, in MB."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


@compiled()
def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--points", type=int, default=1_000_000, help="a side")
    parser.add_argument("--exponent", type=float, default=2.0, help="of the Euclidean distance")
    parser.add_argument("--state", type=Path, default=Path("million.npz"), help="where an interrupted run goes on")
    parser.add_argument("--max-seconds", type=float, help="stop by the clock, with an interval that holds")
    parser.add_argument("--json", type=Path, help="append the record to this file")
    arguments = parser.parse_args()
    solver, options = Saved(path=arguments.state), {"rtol": 1e-9, "atol": 0.0, "max_seconds": arguments.max_seconds}
    try:
        with threadpool_limits(1):
            run(points(WARM, arguments.exponent), "network-simplex")
            problem = points(arguments.points, arguments.exponent)
            resumed, before, begin = arguments.state.exists(), high_water(), time.process_time()
            solution = run(problem, solver, progress=True, **options)
            seconds = time.process_time() - begin
    except OTError as error:
        parser.exit(2, f"{parser.prog}: error: {error}\n")
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
        append(arguments.json, [record])
    if solution.certified:
        arguments.state.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
