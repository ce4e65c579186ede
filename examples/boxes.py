"""Two optimal plans, one proof: the box-moving problem of the lectures.

Usage: python examples/boxes.py [FOLDER]
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import otcore
from otcore.demo import GAMMA_1, GAMMA_2, boxes
from otcore.plots import plot_potentials

p, q = boxes()
solution = otcore.solve(p, q, method="dual")

figure, axes = plt.subplots(3, 1, figsize=(7, 8), sharex=True, height_ratios=(1, 1, 1.1), layout="constrained")


def stack(ax, measure, color):
    """One square a box, piled up where they stand."""
    for position, count in zip(measure.points, measure.weights, strict=True):
        for level in range(int(count)):
            ax.add_patch(plt.Rectangle((position - 0.36, level + 0.05), 0.72, 0.9, color=color, lw=0))


for ax, name, gamma in zip(axes, (r"\gamma_1", r"\gamma_2"), (GAMMA_1, GAMMA_2), strict=False):
    stack(ax, p, "#0072B2")
    stack(ax, q, "#D55E00")
    for (x, y), count in gamma.items():
        t = np.linspace(0, 1, 60)
        height = 3.2 + 0.35 * (y - x) * 4 * t * (1 - t)
        ax.plot(x + t * (y - x), height, color="#444444", lw=1.1 * count, solid_capstyle="round", alpha=0.75)
        ax.annotate(f"{count}", (x + 0.5 * (y - x), height[30]), ha="center", va="bottom", fontsize="small")
    cost = sum(count * abs(x - y) for (x, y), count in gamma.items())
    ax.set(title=f"${name}$ costs {cost}", ylim=(0, 7.2), yticks=[])
    ax.spines[["top", "right", "left"]].set_visible(False)

plot_potentials(solution, axes[2])
bounds = f"[{solution.lower:.17g}, {solution.upper:.17g}]"
axes[2].set(title=f"one potential proves both: {bounds}", xticks=range(1, 11))

path = Path(sys.argv[1] if len(sys.argv) > 1 else ".") / "boxes.png"
figure.savefig(path, dpi=120)
print(path)
