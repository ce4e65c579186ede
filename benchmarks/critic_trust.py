"""Do a critic's bounds hold?  Samples and populations whose W1 is known by other means.

    python benchmarks/critic_trust.py [--runs 1000] [--repeats 200] [--record]

1000 times a critic of a random class, trained for a few steps on random small samples (weights, ties, units from
1e-6 to 1e6), is certified; the truth is SciPy's assignment of the expanded atoms, which shares no code with otcore.
200 times a critic is trained on fresh samples of a shift by 1, and its bound for the populations, at 95 %, must be
below 1; the second count has the best potential there is, whose coverage is the confidence itself.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

from otcore.bench.record import environment
from otcore.neural import PopulationBound, w1_critic
from otcore.neural.options import CLASSES

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from rays import shift

RECORDS = Path(__file__).parents[1] / "docs" / "benchmarks" / "critic_trust.jsonl"
ROUNDING = 1e-14  # relative, of the truth: fewer than 64 distances, each within 4 ulps
CONFIDENCE = 0.95
SAMPLES = 200  # a side, of which 40 are the test split


def counts(rng: np.random.Generator, atoms: int, total: int) -> Any:
    """Positive integers with a given sum."""
    return 1 + rng.multinomial(total - atoms, np.full(atoms, 1 / atoms))


def interval_holds(seed: int) -> bool:
    rng = np.random.default_rng(seed)
    d, n, m = int(rng.integers(1, 9)), int(rng.integers(2, 31)), int(rng.integers(2, 31))
    unit = 10.0 ** rng.integers(-6, 7)
    x, y = rng.normal(size=(n, d)), rng.normal(size=(m, d)) + rng.normal(size=d)
    if rng.random() < 0.3:  # ties, and points in common
        x, y = np.round(x), np.round(y)
    x, y = unit * x, unit * y
    total = max(n, m) + int(rng.integers(0, 20))
    a, b = counts(rng, n, total), counts(rng, m, total)
    r = w1_critic(
        x, y, weights=(a, b), lipschitz=CLASSES[seed % len(CLASSES)], max_iter=int(rng.integers(1, 12)), batch=32,
        hidden=(8,), seed=seed, device="cpu", lr=float(10.0 ** rng.uniform(-4, 1)),
    )  # fmt: skip
    X, Y = np.repeat(x, a, axis=0), np.repeat(y, b, axis=0)
    D = np.sqrt(((X[:, None] - Y) ** 2).sum(axis=2))
    truth = math.fsum(D[linear_sum_assignment(D)]) / total
    return bool(r.empirical.lower <= truth * (1 + ROUNDING) and truth * (1 - ROUNDING) <= r.empirical.upper)


def population_holds(seed: int) -> tuple[bool, bool]:
    """Of a trained critic, and of the best potential."""
    pair, rng = shift(4), np.random.default_rng(seed)
    x, y = pair.x(SAMPLES, rng), pair.y(SAMPLES, rng)
    r = w1_critic(
        x, y, lipschitz=("orthogonal", "funnel")[seed % 2], max_iter=60, batch=128, hidden=(16,), seed=seed, certify=20,
        confidence=CONFIDENCE, device="cpu",
    )  # fmt: skip
    assert r.population is not None
    best = PopulationBound.of(*(torch.tensor(pair.potential(z)) for z in (x, y)), 1.0, CONFIDENCE)
    return r.population.lower <= 1, best.lower <= 1


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--runs", type=int, default=1000)
    arguments.add_argument("--repeats", type=int, default=200)
    arguments.add_argument("--record", action="store_true", help=f"write {RECORDS.name}")
    options = arguments.parse_args()
    torch.set_num_threads(1)
    begin = time.process_time()
    broken = [seed for seed in range(options.runs) if not interval_holds(seed)]
    print(f"{len(broken)} of {options.runs} intervals violated {broken}; {time.process_time() - begin:.0f} CPU s")
    covered = [population_holds(seed) for seed in range(options.repeats)]
    trained, best = (sum(holds) for holds in zip(*covered, strict=True))
    print(
        f"population bound at {CONFIDENCE:.0%} covers in {trained} of {options.repeats} repeats; "
        f"with the best potential in {best}; {time.process_time() - begin:.0f} CPU s"
    )
    if options.record:
        row = {
            "question": "critic_trust", "runs": options.runs, "violated": len(broken), "repeats": options.repeats,
            "covered": trained, "best": best, "environment": environment(),
        }  # fmt: skip
        RECORDS.write_text(json.dumps(row) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
