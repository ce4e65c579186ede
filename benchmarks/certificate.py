"""What a certificate costs, as a share of ``ot.emd``'s own time on the same problem.

    python benchmarks/certificate.py

One thread, CPU time, emd and certificate in turn in one process, medians.  The certificate is everything that
otcore adds to an exact solver's answer: lift of the duals, exact flows of the plan, the two sums, and the objects
handed out.  (Zero potential and trivial plan are certified only where that leaves more of a gap than rounding.)
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import numpy as np
import ot
from threadpoolctl import threadpool_limits

from otcore._kernels._kernel import compiled
from otcore.bench.record import append, environment
from otcore.certify.certifier import Certifier
from otcore.costs import DenseCost, LineCost
from otcore.plans import SparsePlan
from otcore.problem import Problem
from otcore.solution import Candidate

RECORDS = Path(__file__).parents[1] / "docs" / "benchmarks" / "certificate.jsonl"
REPEATS = 7
TARGET = 0.05  # of ot.emd's time at n = 1000


def instances(n: int) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Weights and cost matrices: structureless, and points in the plane."""
    rng = np.random.default_rng(n)
    a, b = rng.random(n), rng.random(n)
    x, y = rng.normal(size=(n, 2)), rng.normal(size=(n, 2)) + 1.0
    D = np.sqrt(((x[:, None] - y) ** 2).sum(axis=2))
    u = np.full(n, 1 / n)
    return {"random M": (a / a.sum(), b / b.sum(), rng.random((n, n))), "plane": (a / a.sum(), b / b.sum(), D),
            "plane, uniform": (u, u, D)}  # fmt: skip


def certify(problem: Problem, candidate: Candidate) -> Certifier:
    """The whole of what certification adds to a sparse plan and its duals."""
    certifier = Certifier(problem)
    certifier.offer(candidate)
    certifier.certificate()
    return certifier


@compiled()
def main() -> None:
    RECORDS.unlink(missing_ok=True)
    print(f"{'n':>6}  {'cost':<16}{'emd ms':>9}{'certificate ms':>16}{'share':>8}{'relative gap':>14}")
    with threadpool_limits(1):
        for n in (200, 500, 1000, 2000):
            for name, (a, b, M) in instances(n).items():
                problem = Problem(a, b, DenseCost(M))
                seconds: dict[str, list[float]] = {"emd": [], "certificate": []}
                for _ in range(REPEATS + 1):  # the first warms caches and the compiler
                    start = time.process_time()
                    P, log = ot.emd(a, b, M, numItermax=10**9, log=True)
                    seconds["emd"].append(time.process_time() - start)
                    candidate = Candidate(SparsePlan.from_dense(P), (log["u"], log["v"]))
                    start = time.process_time()
                    certifier = certify(problem, candidate)
                    seconds["certificate"].append(time.process_time() - start)
                emd, own = (1e3 * statistics.median(s[1:]) for s in seconds.values())
                gap = (certifier.upper - certifier.lower) / certifier.upper
                mark = f"  (target {TARGET:.0%})" if n == 1000 else ""
                row = {"question": "certificate", "n": n, "cost": name, "emd": emd / 1e3, "certificate": own / 1e3}
                append(RECORDS, [row | {"share": own / emd, "gap": gap, "environment": environment()}])
                print(f"{n:>6}  {name:<16}{emd:>9.2f}{own:>16.2f}{own / emd:>8.1%}{gap:>14.1e}{mark}")

        rng = np.random.default_rng(0)
        for n in (10_000, 100_000, 1_000_000):
            x, y = rng.normal(size=n), rng.normal(size=n) + 1.0
            w = np.full(n, 1 / n)
            start = time.process_time()
            np.sort(x), np.sort(y)
            sorts = time.process_time() - start
            cost = LineCost(x, y)
            cost.ctransform(np.zeros(n), axis=0)  # sorts, once: not the certificate's share
            start = time.process_time()
            certifier = Certifier(Problem(w, w, cost))
            certifier.offer_zero()
            own = time.process_time() - start
            lower = f"lower bound {1e3 * own:.1f} ms, {1e9 * own / n:.0f} ns a point"
            print(f"line, n = {n}: {lower}; two sorts {1e3 * sorts:.1f} ms")


if __name__ == "__main__":
    main()
