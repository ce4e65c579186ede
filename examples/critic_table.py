"""Do critics estimate W1?  Each kind of critic on measures whose W1 is known, beside what can be certified.

Needs the extra [torch].  Usage: python examples/critic_table.py [FOLDER [STEPS]]; writes critic_table.txt and
critic_table.png.  2000 steps show what a class can do.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch

from otcore.neural import w1_critic

torch.set_num_threads(1)
steps = int(sys.argv[2]) if len(sys.argv) > 2 else 100
rng = np.random.default_rng(0)
n = 500


def ring(d):
    """P is Q moved towards the origin by half of the way: u = -|z| is optimal, W1 = E|y| / 2."""
    y = rng.normal(size=(2 * n, d))
    truth = np.linalg.norm(y, axis=1).mean() / 2
    return y[:n] / 2, y[n:], truth, lambda z: -z / np.linalg.norm(z, axis=1, keepdims=True)


def shift(d):
    """P is Q moved by one along a diagonal: u is linear, W1 = 1."""
    v = np.full(d, d**-0.5)
    return rng.normal(size=(n, d)), rng.normal(size=(n, d)) - v, 1.0, lambda z: np.broadcast_to(v, z.shape)


table = []


def tell(line):
    print(line, flush=True)
    table.append(line)


tell(f"{n} samples a side, {steps} steps.  true: W1 of the populations.  lower, upper: certified, of the samples.")
tell("skill: what the critic adds to the zero potential.  bound: for the populations, at 95 %.")
columns = ("raw", "held out", "bound", "lower", "upper", "skill", "cosine", "slope")
kinds = ("clip", "gp", "lp", "spectral", "orthogonal", "funnel", "projected")
ratios = {}
for make in (ring, shift):
    for d in (2, 8, 32):
        x, y, truth, gradient = make(d)
        title = f"{make.__name__}, d = {d}, true {truth:.3f}"
        tell(f"\n{title:<28}" + "".join(f"{name:>9}" for name in columns))
        for kind in kinds:
            r = w1_critic(x, y, lipschitz=kind, max_iter=steps, batch=256, hidden=(64, 64), n_funnels=256)
            g, h = r.grad(x), gradient(x)
            cosine = (g * h).sum() / np.sqrt((g * g).sum() * (h * h).sum() + 1e-300)
            bound = "-" if r.population is None else f"{r.population.lower:.3f}"
            e = r.empirical
            row = (r.train, r.held_out, bound, e.lower, e.upper, r.skill, cosine, r.lipschitz_observed)
            tell(f"  {kind:<26}" + "".join(f"{v:>9}" if isinstance(v, str) else f"{v:>9.3f}" for v in row))
            ratios[title, kind] = r.train / truth, r.held_out / truth

figure, axes = plt.subplots(2, 3, figsize=(11, 6), sharex=True, sharey=True, layout="constrained")
for ax, title in zip(axes.flat, dict.fromkeys(title for title, _ in ratios), strict=True):
    raw, held_out = np.array([ratios[title, kind] for kind in kinds]).T
    places = np.arange(len(kinds))
    ax.bar(places - 0.2, raw, 0.4, color="#E69F00", label="on the training samples")
    ax.bar(places + 0.2, held_out, 0.4, color="#0072B2", label="on other samples")
    ax.axhline(1, color="#444444", lw=0.8)
    ax.set(title=title, xticks=places, ylim=(0, 2.5))
    ax.set_xticklabels(kinds, rotation=60)
    ax.spines[["top", "right"]].set_visible(False)
axes[0, 0].set_ylabel("dual value / true W1")
axes[0, 0].legend(frameon=False, fontsize="small")
path = Path(sys.argv[1] if len(sys.argv) > 1 else ".") / "critic_table.png"
figure.savefig(path, dpi=120)
path.with_suffix(".txt").write_text("\n".join(table) + "\n", encoding="utf-8")
print(path)
