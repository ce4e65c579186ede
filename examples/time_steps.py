"""A sequence of slightly changed problems: each solve starts from the solution before it.

Usage: python examples/time_steps.py [FOLDER]
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import otcore

rng = np.random.default_rng(0)
n, steps = 800, 12
x = rng.normal(size=(n, 2))
x *= 1 / (1 + np.linalg.norm(x, axis=1, keepdims=True))
y = rng.uniform(-1, 1, size=(n, 2)) * [1.0, 0.4] + [1.6, 0.0]

a, b = rng.random((2, n)) / n
b *= a.sum() / b.sum()

value, cold, warm, solution = [], [], [], None
for angle in np.linspace(0, 0.02, steps):  # the source swirls, its middle faster than its rim
    turn = angle * np.exp(-2 * np.linalg.norm(x, axis=1))
    c, s = np.cos(turn), np.sin(turn)
    moved = np.stack([c * x[:, 0] - s * x[:, 1], s * x[:, 0] + c * x[:, 1]], axis=1)
    p, q = otcore.Measure(moved, a), otcore.Measure(y, b)
    again = otcore.solve(p, q, order=2, method="network-simplex")
    solution = otcore.solve(p, q, order=2, method="network-simplex", start=solution)
    value.append(solution.distance)
    cold.append(again.report.pivots)
    warm.append(solution.report.pivots)

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained", width_ratios=(1.2, 1))
left.scatter(*moved.T, s=5, color="#0072B2", label="source, last step")
left.scatter(*y.T, s=5, color="#D55E00", label="target")
ways = rng.choice(solution.plan.nnz, 80, replace=False)
i, j = solution.plan.i[ways], solution.plan.j[ways]
left.quiver(*moved[i].T, *(y[j] - moved[i]).T, angles="xy", scale_units="xy", scale=1, width=0.002, color="#999999")
left.set(aspect="equal", title=f"$W_2$ from {value[0]:.6f} to {value[-1]:.6f} in {steps} steps")
left.legend(frameon=False, fontsize="small", loc="lower left")
left.set_axis_off()

step = np.arange(steps)
right.semilogy(step, cold, "-o", color="#999999", ms=4, label="from nothing")
right.semilogy(step, np.maximum(warm, 1), "-o", color="#009E73", ms=4, label="from the step before")
right.set(xlabel="step", ylabel="pivots", title="Pivots of each solve")
right.spines[["top", "right"]].set_visible(False)
right.legend(frameon=False)

path = Path(sys.argv[1] if len(sys.argv) > 1 else ".") / "time_steps.png"
figure.savefig(path, dpi=120)
print(f"{sum(cold[1:]) / max(sum(warm[1:]), 1):.0f} times fewer pivots from the step before than from nothing")
print(path)
