"""The duality gap closing: Sinkhorn goes down its ladder, and the interval narrows.

Usage: python examples/gap_closing.py [FOLDER]
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import otcore
from otcore.plots import plot_gap

rng = np.random.default_rng(0)
x = rng.normal(size=(200, 2))
angle = rng.uniform(0, 2 * np.pi, 200)
y = np.stack([3 * np.cos(angle), 3 * np.sin(angle)], axis=1) + 0.2 * rng.normal(size=(200, 2))

otcore.solve(x[:9], y[:9], method="sinkhorn")  # compiles, so that the times below are of the method alone
solution = otcore.solve(x, y, method="sinkhorn", rtol=1e-2)
exact = otcore.wasserstein(x, y, method="emd")

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
plot_gap(solution, left)
left.axhline(exact, color="#444444", lw=0.8, ls=(0, (4, 3)))
left.annotate("exact", (0.99, exact), xycoords=left.get_yaxis_transform(), ha="right", va="bottom", fontsize="small")

seconds, lower, upper = np.array(solution.trace).T
right.semilogy(seconds, (upper - lower) / exact, "-o", color="#444444", ms=4, label="certified gap")
right.semilogy(seconds, upper / exact - 1, "--", color="#D55E00", lw=1.2, label="true error of the upper bound")
right.semilogy(seconds, 1 - lower / exact, "--", color="#0072B2", lw=1.2, label="true error of the lower bound")
right.set(xlabel="seconds", ylabel="relative to the value", title="The gap bounds both errors at every moment")
right.spines[["top", "right"]].set_visible(False)
right.legend(frameon=False)

path = Path(sys.argv[1] if len(sys.argv) > 1 else ".") / "gap_closing.png"
figure.savefig(path, dpi=120)
print(path)
