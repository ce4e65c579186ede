"""A cloud flows to another down the Sinkhorn divergence; without debiasing it shrinks.

Usage: python examples/gradient_flow.py [FOLDER]
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import otcore

STEPS, RATE, EPSILON = 25, 0.5, 0.1
rng = np.random.default_rng(0)
n = 250
angle = rng.uniform(0, 2 * np.pi, n)
ring = np.stack([np.cos(angle), np.sin(angle)], axis=1) * (1 + 0.12 * rng.normal(size=(n, 1)))
half = np.arange(n) % 2
target = 0.6 * ring + np.where(half[:, None], [1.3, 0.5], [-1.0, -0.5])
start = 0.2 * rng.normal(size=(n, 2))


def flow(debiased):
    """Points after each step down the gradient, divided by the weight 1 / n, and the loss on the way."""
    x, path, losses, s = start, [start], [], None
    for _ in range(STEPS):
        s = otcore.sinkhorn_divergence(x, target, epsilon=EPSILON, order=2, debiased=debiased, start=s, tol=1e-5)
        losses.append((s.lower, s.upper))
        x = x - RATE * n * s.grad_x / 2
        path.append(x)
    return np.array(path), np.array(losses)


figure, axes = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
for ax, debiased, title in zip(axes, (True, False), ("The divergence", "Without debiasing"), strict=False):
    path, losses = flow(debiased)
    ax.plot(*target.T, ".", color="#999999", ms=7, label="target")
    ax.plot(*path.transpose(2, 0, 1)[:, :, ::8], color="#0072B2", lw=0.6, alpha=0.5)
    ax.plot(*path[-1].T, ".", color="#D55E00", ms=4, label=f"after {STEPS} steps")
    ax.set(title=title, aspect="equal", xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    axes[2].semilogy(losses[:, 1], "-" if debiased else "--", color="#444444", label=title.lower())
    end = f"{losses[-1, 1]:.1e}"
    axes[2].annotate(end, (STEPS, losses[-1, 1]), (0, 8), textcoords="offset points", ha="right", fontsize="small")
axes[0].legend(frameon=False, loc="lower right", fontsize="small")
axes[2].set(title="The loss, from above", xlabel="step")
axes[2].legend(frameon=False, fontsize="small")
axes[2].spines[["top", "right"]].set_visible(False)

path = Path(sys.argv[1] if len(sys.argv) > 1 else ".") / "gradient_flow.png"
figure.savefig(path, dpi=120)
