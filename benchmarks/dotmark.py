"""Pictures of the DOTmark benchmark at 64^2, 128^2 and 256^2 pixels, exactly, beside the published record.

    python benchmarks/dotmark.py --data ../shared/data                 # 64^2 and 128^2, all pairs of a class
    python benchmarks/dotmark.py --data ../shared/data --sides 256 --pairs 1

All pairs of pictures within each class under ``DATA/dotmark``, under the 1-, 2- and inf-norm distance (the mass that
two pictures share stays where it is: part of the solve) and the squared distance; CPU seconds of the whole of
``otcore.solve`` with its certificate, one thread, and the memory of the process above its start.  Every solve must
end with a certified relative gap of at most 1e-9.

The literature's figures are medians over 450 pairs of all ten classes (135 at 256^2), in seconds on another machine
[Zanetti 2023, result files of its repository]: they say what scale to expect, not a ratio.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

import otcore
from otcore._kernels._kernel import compiled
from otcore._solve import run
from otcore.bench.record import append, environment
from otcore.problem import Problem

RECORDS = Path(__file__).parents[1] / "docs" / "benchmarks" / "dotmark.jsonl"
COSTS = {
    "1-norm": ("cityblock", 1.0),
    "2-norm": ("euclidean", 1.0),
    "inf-norm": ("chebyshev", 1.0),
    "squared": ("euclidean", 2.0),
}
PUBLISHED = {  # seconds: (interior point with column generation, LEMON's network simplex, CPLEX's)
    64: {"1-norm": (12.4, 6.7, 10), "2-norm": (28.6, 8.2, 20), "inf-norm": (12.3, 6.4, 10)},
    128: {"1-norm": (189, 152, 1170), "2-norm": (546, 358, 1530), "inf-norm": (238, 133, 920)},
    256: {"1-norm": (1533, None, None), "inf-norm": (1581, None, None)},
}


def pictures(data: Path, side: int) -> dict[str, list[np.ndarray]]:
    """The pictures of each class, as matrices of masses."""
    found: dict[str, list[np.ndarray]] = {}
    for path in sorted((data / "dotmark").glob(f"*/data{side}_*.csv")):
        found.setdefault(path.parent.name, []).append(np.loadtxt(path, delimiter=","))
    if not found:
        raise SystemExit(f"{data / 'dotmark'} has no pictures of {side} x {side} pixels; name their folder by --data")
    return found


def pairs(data: Path, side: int, most: int | None) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    for name, found in pictures(data, side).items():
        for p, q in itertools.islice(itertools.combinations(found, 2), most):
            yield name, p, q


def transport(p: np.ndarray, q: np.ndarray, metric: str, exponent: float) -> Problem:
    """Two pictures on the unit square."""
    z = np.indices(p.shape).reshape(2, -1).T / p.shape[0]
    return Problem(p.ravel(), q.ravel() * (p.sum() / q.sum()), otcore.CloudCost(z, z, metric, exponent))


def solved(problem: Problem) -> tuple[float, otcore.Solution]:
    begin = time.process_time()
    solution = run(problem, "network-simplex", rtol=1e-9, atol=0.0)
    seconds = time.process_time() - begin
    assert solution.certified, solution
    return seconds, solution


def resident(field: str) -> float:
    """``VmRSS``, what the process holds, or ``VmHWM``, the most that it has held; MB."""
    return int(Path("/proc/self/status").read_text(encoding="ascii").split(f"{field}:")[1].split()[0]) / 1024


@compiled()
def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with dotmark/")
    parser.add_argument("--sides", type=int, nargs="*", default=[64, 128], help="pixels a side: 32, 64, 128, 256")
    parser.add_argument("--costs", nargs="*", default=list(COSTS), choices=COSTS)
    parser.add_argument("--pairs", type=int, help="of each class at most; all of them unless given")
    parser.add_argument("--json", type=Path, nargs="?", const=RECORDS, help=f"append to this file, or {RECORDS.name}")
    arguments = parser.parse_args()
    with threadpool_limits(1):
        small = next(pairs(arguments.data, 64, 1))[1:]
        for kind in COSTS.values():
            run(transport(*small, *kind), "network-simplex")  # warms the compiler
        before = resident("VmRSS")
        print(f"{'':20}{'otcore: CPU seconds':>34}{'':22}{'literature: medians, another machine':>38}")
        print(f"{'pixels':>6}  {'cost':<10}{'pairs':>6}{'median':>10}{'worst':>10}{'gap':>10}{'+MB':>7}", end="")
        print(f"{'interior pt':>14}{'LEMON':>10}{'CPLEX':>10}")
        for side, (cost, kind) in itertools.product(arguments.sides, COSTS.items()):
            if cost not in arguments.costs:
                continue
            results = []
            for name, p, q in pairs(arguments.data, side, arguments.pairs):
                seconds, solution = solved(transport(p, q, *kind))
                results.append((seconds, solution.relative_gap))
                if arguments.json:
                    row = {"question": "dotmark", "side": side, "cost": cost, "class": name, "seconds": seconds}
                    row |= {"pivots": solution.report.pivots, "value": solution.value, "gap": solution.relative_gap}
                    append(arguments.json, [row | {"environment": environment()}])
            times, gaps = zip(*results, strict=True)
            published = ("-" if t is None else f"{t:g}" for t in PUBLISHED.get(side, {}).get(cost, (None,) * 3))
            print(
                f"{side:>6}  {cost:<10}{len(results):>6}{statistics.median(times):>10.2f}{max(times):>10.2f}"
                f"{max(gaps):>10.1e}{resident('VmHWM') - before:>7.0f}"
                + "".join(map(str.rjust, published, (14, 10, 10))),
                flush=True,
            )


if __name__ == "__main__":
    main()
