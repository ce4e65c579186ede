"""The critic on a GPU and on a processor: agreement, steps a second, and a c-transform of 100 000 points.

    python benchmarks/critic_gpu.py [--points 100000] [--record]

Both devices train from the same start on the same batches, which a NumPy generator draws, so that only rounding
differs.  The float64 interval of one critic is then certified from its values on either device.  The c-transform is
``otcore.neural.ctransform`` on the GPU and the kernel of ``CloudCost`` on one core, for a tenth of the points.
Without a GPU the processor plays both parts, and the output says so; ``--record`` then renews only what rounding to
single precision changes of a training on the processor.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from otcore.bench.record import environment
from otcore.certify.values import certify_values
from otcore.costs import CloudCost
from otcore.neural import CriticResult, LipschitzMLP, w1_critic
from otcore.neural.ctransform import ctransform
from otcore.problem import Problem

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from rays import Pair, funnels

RECORDS = Path(__file__).parents[1] / "docs" / "benchmarks" / "critic_gpu.jsonl"
SAME, PROVED = 1e-4, 1e-10  # relative differences allowed: of the training statistic, of the certificate
STEPS = 200
DIMENSION = 32
CASES = (  # class, funnels, batch, where
    ("funnel", 1024, 1024, ("cpu", "cuda")),
    ("funnel", 8192, 8192, ("cuda",)),
    ("orthogonal", 1, 1024, ("cpu", "cuda")),
)
SHARE = 10  # one core transforms to the first tenth of the points, and its time is multiplied


def stream(draw: Callable[[int, Any], Any], seed: int) -> Callable[[int, Any], Any]:
    """Batches that do not depend on the device's own generator."""
    rng = np.random.default_rng(seed)
    return lambda n, generator: draw(n, rng)


def trained(pair: Pair, kind: str, device: str, dtype: str = "float32") -> CriticResult:
    mlp = LipschitzMLP(DIMENSION, generator=torch.Generator().manual_seed(0))
    lipschitz = mlp if kind == "orthogonal" else kind
    return w1_critic(
        stream(pair.x, 1), stream(pair.y, 2), lipschitz=lipschitz, max_iter=STEPS, certify=1000, device=device,
        dtype=dtype,
    )  # fmt: skip


def apart(one: float, other: float) -> float:
    return abs(one - other) / abs(other)


def certified(result: CriticResult, device: str, pair: Pair) -> tuple[float, float]:
    """Lower and upper bound from this critic's values, computed on a device."""
    x, y = (draw(1000, np.random.default_rng(seed)) for seed, draw in ((3, pair.x), (4, pair.y)))
    u = result.critic.to(device)
    with torch.no_grad():
        u_x, u_y = (u(torch.tensor(z, device=device)).cpu().numpy() for z in (x, y))
    u.to(result.device)
    uniform = np.full(1000, 1e-3)
    interval = certify_values(Problem(uniform, uniform, CloudCost(x, y)), u_x, u_y)
    return interval.lower, interval.upper


def agreement(pair: Pair, kind: str, device: str) -> dict[str, float]:
    cpu, gpu = trained(pair, kind, "cpu"), trained(pair, kind, device)
    (lower, upper), (other_lower, other_upper) = (certified(cpu, where, pair) for where in ("cpu", device))
    return {
        "statistic": apart(gpu.train, cpu.train),
        "estimate": apart(gpu.estimate, cpu.estimate),
        "certificate": max(apart(other_lower, lower), apart(other_upper, upper)),
    }


def rounding(pair: Pair, kind: str) -> dict[str, float]:
    """What single precision changes, on one processor: two devices that round differently differ by as much."""
    single, double = (trained(pair, kind, "cpu", dtype) for dtype in ("float32", "float64"))
    return {"statistic": apart(single.train, double.train), "estimate": apart(single.estimate, double.estimate)}


def steps_a_second(pair: Pair, kind: str, device: str, funnels: int, batch: int) -> float:
    """Of a training on samples that lie on the device."""
    rng = np.random.default_rng(0)
    x, y = pair.x(20_000, rng), pair.y(20_000, rng)
    seen: list[float] = []
    w1_critic(
        x, y, lipschitz=kind, n_funnels=funnels, batch=batch, max_iter=STEPS, certify=50, device=device,
        callback=lambda step: seen.append(step.seconds),
    )  # fmt: skip
    first = len(seen) // 4  # after the device has warmed up
    return (len(seen) - 1 - first) * (STEPS // len(seen)) / (seen[-1] - seen[first])


def timed(call: Callable[[], Any], device: str) -> tuple[float, Any]:
    if device != "cpu":
        torch.cuda.synchronize()
    begin = time.perf_counter()
    value = call()
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter() - begin, value


def transforms(n: int, device: str) -> dict[str, float]:
    rng = np.random.default_rng(0)
    x, y, f = rng.normal(size=(n, DIMENSION)), rng.normal(size=(n, DIMENSION)) + 1, 0.1 * rng.normal(size=n)
    on = [torch.tensor(z, device=device) for z in (x, f, y)]
    timed(lambda: ctransform(on[0][:1000], on[1][:1000], on[2][:1000]), device)
    CloudCost(x[:100], y[:100]).ctransform(f[:100], axis=0)
    seconds, g = timed(lambda: ctransform(*on), device)
    few = n // SHARE
    core_seconds, h = timed(lambda: CloudCost(x, y[:few]).ctransform(f, axis=0), "cpu")
    difference = float(np.abs(g[:few].cpu().numpy() - h).max())
    return {"seconds": seconds, "core": SHARE * core_seconds, "difference": difference}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--points", type=int, default=100_000)
    arguments.add_argument("--record", action="store_true", help=f"write {RECORDS.name}")
    options = arguments.parse_args()
    torch.set_num_threads(1)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    card = torch.cuda.get_device_name() if device == "cuda" else "none: the processor plays both parts"
    print(f"card: {card}")
    rows: list[dict[str, Any]] = []
    pair = funnels(DIMENSION, 16)
    for kind in ("funnel", "orthogonal"):
        found = agreement(pair, kind, device)
        rows.append({"what": "agreement", "kind": kind, **found})
        fine = found["statistic"] <= SAME and found["certificate"] <= PROVED
        print(
            f"{kind:<12}" + "".join(f"  {k} {v:.1e}" for k, v in found.items()),
            "met" if fine else "NOT met",
            flush=True,
        )
    for kind in ("funnel", "orthogonal"):
        found = rounding(pair, kind)
        rows.append({"what": "rounding", "kind": kind, **found})
        print(f"{kind:<12}  single and double precision: " + "  ".join(f"{k} {v:.1e}" for k, v in found.items()))
    for kind, k, batch, places in CASES:
        rate = {where: steps_a_second(pair, kind, where, k, batch) for where in places if where in ("cpu", device)}
        rows.append({"what": "steps", "kind": kind, "funnels": k, "batch": batch, **rate})
        print(f"{kind:<12}  {k} funnels, batch {batch}, steps a second: {rate}", flush=True)
    found = transforms(options.points, device)
    rows.append({"what": "ctransform", "n": options.points, "d": DIMENSION, **found})
    print(f"c-transform, n = {options.points}, d = {DIMENSION}: {found}")
    if options.record:
        kept: list[str] = []
        if device == "cpu":
            rows = [row for row in rows if row["what"] == "rounding"]
            lines = RECORDS.read_text(encoding="utf-8").splitlines()
            kept = [line for line in lines if json.loads(line)["what"] != "rounding"]
        new = [
            json.dumps({"question": "critic_gpu", "card": card, **row, "environment": environment()}) for row in rows
        ]
        RECORDS.write_text("\n".join([*kept, *new]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
