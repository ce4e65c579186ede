"""One problem, two linear programs: the primal finds the plan, the dual the prices, and they meet.

Usage: python examples/primal_vs_dual.py [FOLDER]
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import otcore
from otcore.plots import plot_plan, plot_potentials

rng = np.random.default_rng(1)
p = otcore.Measure(rng.normal(size=(40, 2)), weights=rng.uniform(0.5, 1.5, 40)).normalized()
q = otcore.Measure(rng.normal((2.5, 1.0), 0.6, size=(30, 2)), weights=rng.uniform(0.5, 1.5, 30)).normalized()

primal = otcore.solve(p, q, method="linprog")  # min sum P M over plans: 40 * 30 variables, 70 equations
dual = otcore.solve(p, q, method="dual")  # max sum u (p - q) over 1-Lipschitz u: 70 variables

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
plot_plan(primal, left).set_title(f"Primal: the cheapest plan costs {primal.upper:.12g}")
plot_potentials(dual, right).set_title(f"Dual: the best 1-Lipschitz u gains {dual.lower:.12g}")

# The plan of one program and the potentials of the other enclose the truth as well as either pair.
print(f"dual.lower   {dual.lower:.17g}\nprimal.upper {primal.upper:.17g}")

path = Path(sys.argv[1] if len(sys.argv) > 1 else ".") / "primal_vs_dual.png"
figure.savefig(path, dpi=120)
print(path)
