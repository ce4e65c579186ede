"""A Sinkhorn iteration on a lattice of 256 x 256, axis by axis, against OTT's grid; and a certified interval.

    python benchmarks/grid.py [--side 256]

One thread, CPU time, ours and theirs in turn in one process, medians; what is compiled is compiled before.  OTT's time
is the difference of 20 and 10 iterations, so that its start does not count.  Needs ott-jax.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import jax
import numpy as np
from ott.geometry import grid
from ott.problems.linear import linear_problem
from ott.solvers.linear import sinkhorn
from threadpoolctl import threadpool_limits

import otcore
from otcore import GridCost, Measure
from otcore._kernels._kernel import compiled

FEW, MORE = 10, 20


def timed(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def image(side: int, seed: int) -> np.ndarray:
    """Four blobs on a faint background, of mass 1."""
    rng, u = np.random.default_rng(seed), np.linspace(0, 1, side)
    blobs = [(rng.random(), rng.random(), rng.random(), rng.uniform(0.03, 0.12)) for _ in range(4)]
    z = sum(w * np.exp(-((u[:, None] - s) ** 2 + (u - t) ** 2) / (2 * r**2)) for w, s, t, r in blobs) + 1e-4
    return z / z.sum()


def theirs(geometry: grid.Grid, a: np.ndarray, b: np.ndarray, iterations: int) -> Callable[[], object]:
    """So many iterations of OTT, compiled."""
    solver = sinkhorn.Sinkhorn(min_iterations=iterations, max_iterations=iterations, threshold=-1.0)
    solve = jax.jit(lambda a, b: solver(linear_problem.LinearProblem(geometry, a, b)).f)
    solve(a, b).block_until_ready()
    return lambda: solve(a, b).block_until_ready()


def ours(cost: GridCost, a: np.ndarray, b: np.ndarray, epsilon: float) -> None:
    f, g = None, np.zeros(b.size)
    for _ in range(FEW):
        f, g, *_ = cost.sinkhorn_pass(epsilon, f, g, a, b)


@compiled()
def main(side: int) -> None:
    jax.config.update("jax_enable_x64", True)
    axes = [np.linspace(0, 1, side)] * 2
    a, b = (image(side, seed).ravel() for seed in (1, 2))
    cost = GridCost(axes, axes)
    mean = cost.bilinear(a, b)
    print(f"{'ms an iteration, ' + str(side) + ' x ' + str(side):<40}{'otcore':>10}{'OTT grid':>10}{'ratio':>8}")
    for share, form in ((0.05, "products of matrices"), (1e-3, "logarithms")):
        geometry = grid.Grid(x=axes, epsilon=share * mean)
        few, more = theirs(geometry, a, b, FEW), theirs(geometry, a, b, MORE)
        ours(cost, a, b, share * mean)
        pairs = [(timed(lambda: ours(cost, a, b, share * mean)), timed(more) - timed(few)) for _ in range(3)]  # noqa: B023
        mine, other = (1e3 * statistics.median(times) / FEW for times in zip(*pairs, strict=True))
        print(f"epsilon {share:g} of the mean: {form:<16}{mine:>10.1f}{other:>10.1f}{other / mine:>7.1f}x", flush=True)
    p, q = (Measure.from_histogram(w.reshape(side, side), spacing=1 / (side - 1)) for w in (a, b))
    start = time.process_time()
    s = otcore.solve(p, q, order=2, method="sinkhorn", rtol=5e-2)
    print(
        f"certified: {s.lower:.6g} <= W_2^2 <= {s.upper:.6g}, {s.status.name}, {time.process_time() - start:.1f} CPU-s"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=256)
    with threadpool_limits(1):
        main(parser.parse_args().side)
