"""The entropic engine against POT: time a pass, time to a marginal error, time to a certified gap.

    python benchmarks/entropic.py [--large]

One thread, CPU time, ours and theirs in turn in one process (A, B, A, B), medians; what is compiled is compiled
before, and the time it took is printed apart.  ``--large`` adds 20 000 x 20 000 points and needs minutes.
Marginal errors are L1 of rows and columns; gaps are certified, certificate included.  POT's stabilised variant is
run with ``tau=1e8``: its default of 1e3 never converges from n = 1000 on.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import time
import warnings
from collections.abc import Callable

import numpy as np
import ot
from numba import njit
from threadpoolctl import threadpool_limits

from otcore import Sinkhorn
from otcore._kernels.exp2 import exp2
from otcore._solve import run
from otcore.costs import CloudCost, Cost, DenseCost
from otcore.problem import Problem
from otcore.solvers._protocol import Budget

Case = tuple[CloudCost, np.ndarray, np.ndarray]


def cloud(n: int, d: int, seed: int = 0) -> Case:
    """Uniform points against denser ones near the origin, squared distances, uneven weights."""
    rng = np.random.default_rng(seed)
    x, y = rng.random((n, d)), rng.random((n, d)) ** 1.5
    a, b = rng.random(n) + 0.1, rng.random(n) + 0.1
    return CloudCost(x, y, "euclidean", 2), a / a.sum(), b / b.sum()


def timed(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def compare(name: str, ours: Callable[[], object], theirs: Callable[[], object], goal: str, repeats: int = 3) -> None:
    """One row of the table."""
    a, b = zip(*((timed(ours), timed(theirs)) for _ in range(repeats)), strict=True)
    mine, other = statistics.median(a), statistics.median(b)
    print(f"{name:<52}{1e3 * mine:>11.2f}{1e3 * other:>12.2f}{other / mine:>8.1f}x   {goal}", flush=True)


@njit
def powers(x: np.ndarray, out: np.ndarray) -> None:
    for i in range(x.size):
        out[i] = exp2(x[i])


def exp2_rate() -> float:
    """Entries a second that ``exp2`` makes of arguments in the first-level cache."""
    x = np.linspace(-60.0, 0.0, 2048)
    out = np.empty_like(x)
    powers(x, out)
    return 2048 * 2000 / timed(lambda: [powers(x, out) for _ in range(2000)])


def one_pass(cost: Cost, a: np.ndarray, b: np.ndarray, epsilon: float) -> Callable[[], object]:
    state = cost.sinkhorn_pass(epsilon, None, np.zeros(b.size), a, b)
    return lambda: cost.sinkhorn_pass(epsilon, state.f, state.g, a, b)


def log_form(n: int, rate: float) -> None:
    cost, a, b = cloud(n, 2)
    M = DenseCost(cost.to_dense())
    epsilon, count = 0.05 * float(a @ M.M @ b), 3 if n == 5000 else 20
    ours = one_pass(M, a, b, epsilon)
    compare(
        f"log form, stored, n = {n}: {count} passes / POT sinkhorn_log",
        lambda: [ours() for _ in range(count)],
        lambda: ot.sinkhorn(a, b, M.M, epsilon, "sinkhorn_log", numItermax=count, stopThr=0.0, warn=False),
        "30x, aim 60x",
    )
    print(f"{'':<52}{n * n / rate / min(timed(ours) for _ in range(5)):.2f} of the rate of exp2 (must 0.75)")


def lazy(d: int, rate: float) -> None:
    cost, a, b = cloud(5000, d)
    epsilon, count = 0.05 * cost.bilinear(a, b), 2
    ours = one_pass(cost, a, b, epsilon)
    options = {"isLazy": True, "batchSize": 256, "numIterMax": count, "stopThr": 0.0, "warn": False}
    compare(
        f"lazy, n = 5000, d = {d}: {count} passes / POT lazy",
        lambda: [ours() for _ in range(count)],
        lambda: ot.bregman.empirical_sinkhorn(cost.x, cost.y, epsilon, a, b, **options),
        "35x, aim 80x",
        repeats=2,
    )
    print(f"{'':<52}{25e6 / rate / min(timed(ours) for _ in range(5)):.2f} of the rate of exp2 (must 0.75)")


def marginals() -> None:
    cost, a, b = cloud(1000, 2)
    M = cost.to_dense()
    problem = Problem(a, b, DenseCost(M))
    mean = float(a @ M @ b)
    for share, goal in ((0.05, "3x, aim 8x"), (0.01, "5x, aim 10x"), (0.001, "50x, aim 100x")):
        epsilon = share * mean
        solver = Sinkhorn(epsilon=epsilon, tol=1e-6)
        for method in ("sinkhorn", "sinkhorn_stabilized")[share < 0.01 :]:
            options = {"tau": 1e8} if "stab" in method else {}
            compare(f"marginals to 1e-6, epsilon {share:g} mean / POT {method}",
                    lambda solver=solver: list(solver.candidates(problem, None, Budget.seconds(None))),
                    lambda epsilon=epsilon, method=method, options=options: ot.sinkhorn(
                        a, b, M, epsilon, method=method, stopThr=1e-6, numItermax=20_000, warn=False, **options),
                    goal, repeats=1 if share < 0.01 else 3)  # fmt: skip


def certified(n: int, d: int, goals: dict[float, str], stored: bool = True) -> None:
    cost, a, b = cloud(n, d)
    M = cost.to_dense()
    problem = Problem(a, b, DenseCost(M) if stored else cost)
    for rtol, goal in goals.items():
        compare(f"certified {rtol:g}, n = {n}, d = {d}{'' if stored else ', lazy'} / ot.emd",
                lambda rtol=rtol: run(problem, "sinkhorn", rtol=rtol),
                lambda: ot.emd2(a, b, M, numItermax=10**9), goal, repeats=2)  # fmt: skip


def large() -> None:
    cost, a, b = cloud(20_000, 2)
    problem = Problem(a, b, cost)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    s = run(problem, "sinkhorn", rtol=1e-2)
    seconds = time.process_time() - start
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(
        f"20 000 x 20 000 lazy, d = 2, certified 1e-2: {seconds:.1f} CPU-s (must 25), relative gap {s.relative_gap:.1e}"
    )
    print(f"{'':<52}{more:.0f} MB more at the peak (must 200)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--large", action="store_true", help="20 000 x 20 000 points, too")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    with threadpool_limits(1):
        small = cloud(300, 2), cloud(300, 3)
        start = time.perf_counter()
        for cost, a, b in small:
            for c in (cost, DenseCost(cost.to_dense())):
                run(Problem(a, b, c), "sinkhorn", rtol=1e-4)
                run(Problem(a, b, c), Sinkhorn(epsilon=1e-2))
        print(f"compiling or loading: {time.perf_counter() - start:.1f} s; load average {os.getloadavg()[0]:.1f}")
        print(f"{'':<52}{'ours ms':>11}{'theirs ms':>12}{'ratio':>9}   must")
        if options.large:
            large()
        rate = exp2_rate()
        print(f"exp2: {rate / 1e9:.2f} G/s")
        for n in (1000, 5000):
            log_form(n, rate)
        for d in (2, 3):
            lazy(d, rate)
        marginals()
        certified(5000, 2, {1e-2: "4x, aim 8x", 1e-3: "3x, aim 8x", 1e-4: "3x, aim 8x"})
        certified(5000, 2, {1e-3: ""}, stored=False)
        certified(5000, 10, {1e-3: "2x, aim 4x"})
        print(f"load average {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
