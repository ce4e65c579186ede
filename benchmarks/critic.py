"""The critic on continuous measures whose W1 is known: error of the value, cosine of the gradient, CPU seconds.

    python benchmarks/critic.py [--seeds 5] [--only funnels] [--classes funnel,auto] [--jobs 14] [--record]

One thread a training.  The instances are those of Korotin, Kolesov and Burnaev (2022), rebuilt from their
construction with seeds of our own: training draws fresh, independent samples of P and of Q; the judgement is on
100 000 pairs (x, T x), on which W1 = E|x - T x| is the truth.  Medians over the seeds.  "published" is the best
method of that paper by cosine, from the tables of its code, on its own draw of the centres.

``--classes`` trains other classes than the instance's own; where ``auto`` is one of several, it is compared with
the best of them at the end.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from otcore.bench.record import environment
from otcore.neural import CriticResult, w1_critic

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from rays import Pair, dilation, funnels, shift

TEST = 100_000  # pairs
LIMIT = 60  # CPU seconds a training may take
RIVALS = 1.1  # times the error of the best class is what auto may have,
NOISE = 0.1  # per cent more or less, which other samples would change too
RECORDS = Path(__file__).parents[1] / "docs" / "benchmarks" / "critic.jsonl"


class Instance(NamedTuple):
    """A pair of measures, how it is trained on, what is asked and what was published."""

    pair: Pair
    lipschitz: str
    error: float  # largest relative error of the value asked for, in per cent
    cosine: float  # smallest cosine of the gradient asked for
    published: str = ""


INSTANCES = [
    Instance(funnels(2, 16), "funnel", 1, 0.90, "DOT  +1.7 %  .843"),
    Instance(funnels(8, 16), "funnel", 1, 0.985, "LP   +4.9 %  .925"),
    Instance(funnels(16, 16), "funnel", 1, 0.985, "LP   +4.0 %  .921"),
    Instance(funnels(32, 16), "funnel", 1, 0.985, "SO   -8.8 %  .941"),
    Instance(funnels(2, 256), "funnel", 3, 0.80, "SO    -74 %  .546"),
    Instance(funnels(8, 256), "funnel", 2, 0.94, "LP    -22 %  .678"),
    Instance(funnels(32, 256), "funnel", 4, 0.94, "GP    -38 %  .563"),
    Instance(funnels(64, 64), "funnel", 5, 0.93, "SO    -18 %  .834"),
    Instance(funnels(128, 64), "funnel", 32, 0.641, "GP    -32 %  .641"),
    Instance(shift(32), "auto", 1, 0.995),
    Instance(dilation(32), "auto", 3, 0.98),
]


def stream(draw: Callable[[int, Any], Any]) -> Callable[[int, Any], Any]:
    """A NumPy sampler as one that torch's generator drives."""

    def sample(n: int, generator: torch.Generator) -> Any:
        return draw(n, np.random.default_rng(int(torch.randint(1 << 62, (), generator=generator))))

    return sample


def judge(pair: Pair, result: CriticResult) -> tuple[float, float]:
    """(relative error of the value in per cent, cosine of the gradients in L2(P)) on pairs of the optimal coupling."""
    x, y = pair.couple(TEST, np.random.default_rng(TEST))
    assert pair.defect(x, y) <= 1e-12, "the pairs do not prove their own truth"
    truth = np.linalg.norm(x - y, axis=1).mean()
    value = (result.u(x) - result.u(y)).mean() / max(1.0, result.lipschitz_certified or 1.0)
    g, h = result.grad(x), pair.gradient(x)
    return 100 * float(value / truth - 1), float((g * h).sum() / np.sqrt((g * g).sum() * (h * h).sum()))


def run(job: tuple[int, str, int]) -> dict[str, Any]:
    """One training and its judgement; of the instance by its number, of a class and a seed."""
    number, lipschitz, seed = job
    instance = INSTANCES[number]
    begin = time.process_time()
    x, y = stream(instance.pair.x), stream(instance.pair.y)
    result = w1_critic(x, y, lipschitz=lipschitz, seed=seed, certify=512, device="cpu")
    seconds = time.process_time() - begin
    error, cosine = judge(instance.pair, result)
    family, *sizes = instance.pair.name.split()
    return {
        "question": "critic", "pair": family, **{k: int(v) for k, v in (size.split("=") for size in sizes)},
        "asked": lipschitz, "seed": seed, "won": result.lipschitz, "error": error, "cosine": cosine,
        "seconds": seconds, "steps": result.history[-1].iteration, "status": result.status.name,
    }  # fmt: skip


def prepare() -> None:
    """One thread, and nothing left to compile or load when the clock starts."""
    torch.set_num_threads(1)
    w1_critic(np.zeros((30, 2)), np.ones((30, 2)), max_iter=2, device="cpu")


def runs(jobs: list[tuple[int, str, int]], processes: int) -> Iterable[dict[str, Any]]:
    """In the order of the jobs."""
    if processes == 1:
        prepare()
        yield from map(run, jobs)
    else:
        with ProcessPoolExecutor(processes, get_context("spawn"), prepare) as pool:
            yield from pool.map(run, jobs)


HEADER = (
    f"{'instance':<20}{'class':<12}{'error %':>9}{'asked':>7}{'cosine':>9}{'asked':>7}{'CPU s':>7}{'seeds':>7}"
    f"  {'':<8}published"
)


def line(instance: Instance, lipschitz: str, rows: list[dict[str, Any]]) -> str:
    error, cosine, seconds = (statistics.median(r[key] for r in rows) for key in ("error", "cosine", "seconds"))
    met = abs(error) <= instance.error and cosine >= instance.cosine and seconds <= LIMIT
    return (
        f"{instance.pair.name:<20}{lipschitz:<12}{error:>+9.2f}{instance.error:>7}{cosine:>9.4f}{instance.cosine:>7}"
        f"{seconds:>7.1f}{len(rows):>7}  {'met' if met else 'NOT met':<8}{instance.published}"
    )


def rivals(instance: Instance, errors: dict[str, float]) -> str:
    best = min(value for name, value in errors.items() if name != "auto")
    within = errors["auto"] <= RIVALS * best + NOISE
    return (
        f"{instance.pair.name:<20}auto {errors['auto']:.2f} %, best class {best:.2f} %"
        f"  {'within' if within else 'NOT within'} {RIVALS} times and {NOISE} %"
    )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--seeds", type=int, default=5)
    arguments.add_argument("--only", default="", help="part of an instance's name")
    arguments.add_argument("--classes", default="own", help="names with commas; 'own' is the instance's")
    arguments.add_argument("--jobs", type=int, default=1, help="processes, one thread each")
    arguments.add_argument("--record", action="store_true", help=f"append the single runs to {RECORDS.name}")
    options = arguments.parse_args()
    asked = [
        (number, instance.lipschitz if name == "own" else name)
        for name in options.classes.split(",")
        for number, instance in enumerate(INSTANCES)
        if options.only in instance.pair.name
    ]
    chosen = list(dict.fromkeys(asked))  # auto is the own class of some
    results = iter(runs([(*choice, seed) for choice in chosen for seed in range(options.seeds)], options.jobs))
    errors: dict[int, dict[str, float]] = {}
    print(HEADER, flush=True)
    for number, lipschitz in chosen:
        rows = [next(results) for _ in range(options.seeds)]
        print(line(INSTANCES[number], lipschitz, rows), flush=True)
        errors.setdefault(number, {})[lipschitz] = abs(statistics.median(row["error"] for row in rows))
        if options.record:
            with RECORDS.open("a", encoding="utf-8") as file:
                file.writelines(json.dumps({**row, "environment": environment()}) + "\n" for row in rows)
    for number, found in errors.items():
        if "auto" in found and len(found) > 1:
            print(rivals(INSTANCES[number], found))


if __name__ == "__main__":
    main()
