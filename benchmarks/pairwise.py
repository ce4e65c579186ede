"""All pairs of a list: pairs a second of ``otcore.pairwise`` here, in threads and in processes, against POT.

    python benchmarks/pairwise.py

POT has no function for this; its users are told to call ``ot.emd2`` in a loop or in processes, which is what the
peers do.  Wall time, as throughput is of interest, in turn, medians; CPU time of the ones that run here.  Every pair of
otcore's is certified.  The last row starts each solve from its neighbour's solution, which ``pairwise`` does not do.
"""

from __future__ import annotations

import itertools
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import ot
from threadpoolctl import threadpool_limits

import otcore
from otcore._kernels._kernel import compiled
from otcore._table import table
from otcore.bench.record import append, environment, rows
from otcore.bench.report import duration, quantity
from otcore.costs import MatrixMetricCost

RECORDS = Path(__file__).parents[1] / "docs" / "benchmarks" / "pairwise.jsonl"
MEASURES, WORKERS, ROUNDS = 16, 2, 3
PAIRS = list(itertools.combinations(range(MEASURES), 2))
CHUNK = 64  # pairs that a worker is sent at once, as otcore's tiles


def histograms(n: int) -> tuple[list[Any], dict[str, Any]]:
    """Similar random histograms on n common points of the unit square."""
    rng = np.random.default_rng(n)
    z, base = rng.random((n, 2)), rng.dirichlet(np.ones(n))
    p = base * np.exp(0.5 * rng.normal(size=(MEASURES, n)))
    return list(p / p.sum(axis=1, keepdims=True)), {"metric": np.linalg.norm(z[:, None] - z, axis=2)}


def clouds(n: int) -> tuple[list[Any], dict[str, Any]]:
    """Samples of n points, each of a law of its own."""
    rng = np.random.default_rng(n)
    return list(rng.normal(size=(MEASURES, 1, 2)) + rng.normal(size=(MEASURES, n, 2))), {}


def pot_pair(measures: list[Any], D: Any, pair: tuple[int, int]) -> float:
    """What a user of POT writes for one pair."""
    p, q = measures[pair[0]], measures[pair[1]]
    if D is not None:
        return float(ot.emd2(p, q, D, numItermax=10**9))
    return float(ot.emd2([], [], ot.dist(p, q, metric="euclidean"), numItermax=10**9))


def from_neighbours(measures: list[Any], D: Any) -> float:
    """Each pair (i, j) from the solution of (i, j - 1): the widest gap."""
    cost, gap = MatrixMetricCost(D), 0.0
    for i in range(MEASURES):
        start = None
        for j in range(i + 1, MEASURES):
            start = otcore.solve(measures[i], measures[j], cost=cost, start=start)
            gap = max(gap, start.relative_gap)
    return gap


def certified(measures: list[Any], options: dict[str, Any], executor: Executor | None) -> float:
    """The widest relative gap of all pairs."""
    found = otcore.pairwise(measures, executor=executor, **options)
    assert found.certified.all()
    return float((found.gap / np.maximum(found.upper, 1e-300)).max())


def values(mapped: Iterable[float]) -> None:
    assert min(mapped) > 0


def contestants(
    measures: list[Any], options: dict[str, Any], threads: Executor, processes: Executor
) -> dict[str, Callable[[], float | None]]:
    D = options.get("metric")
    alone = partial(pot_pair, measures, D)
    entrants: dict[str, Callable[[], float | None]] = {
        "otcore": lambda: certified(measures, options, None),
        f"otcore, {WORKERS} threads": lambda: certified(measures, options, threads),
        f"otcore, {WORKERS} processes": lambda: certified(measures, options, processes),
        "pot:emd2": lambda: values(map(alone, PAIRS)),
        f"pot:emd2, {WORKERS} processes": lambda: values(processes.map(alone, PAIRS, chunksize=CHUNK)),
    }
    if D is not None:
        entrants["otcore, from neighbours"] = lambda: from_neighbours(measures, D)
    return entrants


def race(kind: str, n: int, entrants: dict[str, Callable[[], float | None]]) -> list[dict[str, Any]]:
    """Rows of one kind of measures: round after round, the first of which warms workers and compilers."""
    wall: dict[str, list[float]] = {name: [] for name in entrants}
    cpu: dict[str, list[float]] = {name: [] for name in entrants}
    gap: dict[str, float | None] = {}
    for turn in range(ROUNDS + 1):
        for name, act in entrants.items():
            begin, used = time.perf_counter(), time.process_time()
            gap[name] = act()
            if turn:
                wall[name].append(time.perf_counter() - begin)
                cpu[name].append(time.process_time() - used)
    found = []
    for name in entrants:
        seconds = statistics.median(wall[name])
        row = {"question": "pairwise", "kind": kind, "n": n, "measures": MEASURES, "what": name, "wall": wall[name]}
        row |= {"pairs_per_second": len(PAIRS) / seconds, "gap": gap[name]}
        if "processes" not in name:
            row["cpu_per_pair"] = statistics.median(cpu[name]) / len(PAIRS)
        found.append(row | {"environment": environment()})
    return found


@compiled()
def main() -> None:
    commit = environment()["commit"]
    done = {(r["kind"], r["n"]) for r in rows(RECORDS) if r["environment"]["commit"] == commit}
    if not done:
        RECORDS.unlink(missing_ok=True)
    context = multiprocessing.get_context("spawn")
    with threadpool_limits(1), ThreadPoolExecutor(WORKERS) as threads, ProcessPoolExecutor(WORKERS, context) as workers:
        for make, n in ((histograms, 64), (histograms, 256), (clouds, 100)):
            if (make.__name__, n) not in done:
                append(RECORDS, race(make.__name__, n, contestants(*make(n), threads, workers)))
    lines = []
    for row in rows(RECORDS):
        used = duration(row["cpu_per_pair"]) if "cpu_per_pair" in row else ""
        proved = "no proof" if row["gap"] is None else f"{row['gap']:.0e}"
        lines.append((row["kind"], str(row["n"]), row["what"], quantity(row["pairs_per_second"]), used, proved))
    print(table(("measures", "n", "who", "pairs a second", "CPU a pair", "widest gap"), lines))


if __name__ == "__main__":
    main()
