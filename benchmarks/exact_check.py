"""The exact engine against two independent solvers on random mid-size problems: HiGHS and ``ot.emd``.

    python benchmarks/exact_check.py                   # 1000 problems of up to 150 points a side; some minutes
    python benchmarks/exact_check.py --problems 50

Prints how many problems of each kind agree, out of those that the other solver answered, and the largest difference,
relative to the mass times the largest cost.
(Small problems are compared with rational arithmetic by ``benchmarks/rigour.py``.)
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from typing import Any, NamedTuple

import numpy as np

import otcore

KINDS = ("random", "integers", "equal", "plane", "lattice", "duplicates", "pareto", "heavy", "narrow", "forbidden")
TIGHT = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
AGREE = 1e-8  # of mass times the largest cost: HiGHS works to 1e-10 for each mass


class Instance(NamedTuple):
    """Masses of equal sum and costs, some of them infinite."""

    kind: str
    a: Any
    b: Any
    M: Any


def instance(seed: int, largest: int = 150) -> Instance:
    """A problem of the seed's kind: ties, duplicates and heavy points are where a simplex would cycle or stall."""
    rng = np.random.default_rng(seed)
    kind = KINDS[seed % len(KINDS)]
    n, m = rng.integers(largest // 4, largest + 1, 2)
    if kind == "narrow":
        m = int(rng.integers(1, 5))
    a, b = rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(m))
    if kind in ("integers", "equal", "lattice"):
        n = m = int(n)
        a = b = np.full(n, 1 / n)
    elif kind == "pareto":
        a, b = 10.0 ** rng.uniform(-6, 0, n), 10.0 ** rng.uniform(-6, 0, m)
    elif kind == "heavy":
        a[0], b[0] = 1e3, 7e2
    a, b = a / a.sum(), b / b.sum()
    if kind in ("plane", "lattice", "duplicates", "narrow"):
        x, y = rng.random((n, 2)), rng.random((m, 2))
        if kind == "lattice":
            x, y = np.floor(6 * x), np.floor(6 * y)
        elif kind == "duplicates":
            x, y = x[rng.integers(0, 9, n)], x[rng.integers(0, 9, m)]
        M = np.sqrt(((x[:, None] - y) ** 2).sum(axis=2))
    else:
        M = {"integers": rng.integers(0, 5, (n, m)).astype(float), "equal": np.ones((n, m))}.get(kind)
        M = rng.random((n, m)) if M is None else M
    if kind == "forbidden":
        M[(rng.random((n, m)) < 0.5) & (np.arange(n)[:, None] % m != np.arange(m) % n)] = np.inf
        a, b = _carried(rng, M)
    return Instance(kind, a, b, M)


def _carried(rng: np.random.Generator, M: Any) -> tuple[Any, Any]:
    """Masses that the finite arcs can carry."""
    plan = rng.random(M.shape) * np.isfinite(M)
    plan /= plan.sum()
    return plan.sum(axis=1), plan.sum(axis=0)


def differences(problem: Instance) -> dict[str, float]:
    """How far the certified value is from those of the others that answered, in units of the largest cost."""
    import ot
    from scipy.optimize import linprog

    _, a, b, M = problem
    solution = otcore.solve(a, b, cost=M, method="network-simplex")
    assert solution.certified, solution
    finite, top = np.isfinite(M), float(np.abs(M[np.isfinite(M)]).max()) or 1.0
    A = otcore.marginal_matrix(M.shape)[:, finite.ravel()]
    highs = linprog(M[finite], A_eq=A, b_eq=np.concatenate([a, b * (a.sum() / b.sum())]), method="highs", options=TIGHT)
    emd = ot.emd2(a, b * (a.sum() / b.sum()), np.where(finite, M, 1e3 * top), numItermax=2**62)
    found = {"ot.emd": abs(solution.value - float(emd)) / top}
    return found if highs.fun is None else found | {"HiGHS": abs(solution.value - float(highs.fun)) / top}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--problems", type=int, default=1000)
    parser.add_argument("--largest", type=int, default=150, help="points a side")
    arguments = parser.parse_args()
    agreed: Counter[tuple[str, str]] = Counter()
    worst: Counter[tuple[str, str]] = Counter()
    answered: Counter[tuple[str, str]] = Counter()
    for seed in range(arguments.problems):
        problem = instance(seed, arguments.largest)
        for name, difference in differences(problem).items():
            answered[problem.kind, name] += 1
            agreed[problem.kind, name] += difference <= AGREE
            worst[problem.kind, name] = max(worst[problem.kind, name], difference)  # type: ignore[assignment]
    names = ("HiGHS", "ot.emd")
    print(f"{'kind':<12}" + "".join(f"{name:>9} agrees{'worst':>9}" for name in names))
    for kind in KINDS:
        cells = (f"{agreed[kind, name]:>9} of {answered[kind, name]:<3}{worst[kind, name]:>9.1e}" for name in names)
        print(f"{kind:<12}" + "".join(cells))
    return int(sum(agreed.values()) < sum(answered.values()))


if __name__ == "__main__":
    sys.exit(main())
