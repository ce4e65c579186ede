"""How slowly the distance between samples approaches the distance between the laws: n against d = 1, 2, 4, 8.

    python benchmarks/sample_complexity.py

P and Q are uniform on the unit cube, Q moved by e_1 times ``shift``: W_1(P, Q) = shift exactly.  With shift 0 the
distance between samples is all error, of order n^(-1/2) for d = 1 and n^(-1/d) for d > 2 [Fournier 2015, Thm 1]; the
slope of log mean error over log n is fitted with its 95 % interval (Student, over sizes).  A certificate is
no help here: it speaks of the samples, and so does the last column of every row.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from scipy.stats import linregress, t

import otcore
from otcore._table import table
from otcore.bench.record import append, environment, rows

RECORDS = Path(__file__).parents[1] / "docs" / "benchmarks" / "sample_complexity.jsonl"
DIMENSIONS, SIZES, REPEATS = (1, 2, 4, 8), (32, 64, 128, 256, 512, 1024), 8
SHIFTS = (0.0, 1.0)


def errors(d: int, n: int, shift: float, rng: np.random.Generator) -> tuple[list[float], float]:
    """|W_1(P_n, Q_n) - shift| of each repetition, and the widest certified relative gap among them."""
    found, gap = [], 0.0
    for _ in range(REPEATS):
        x, y = rng.random((n, d)), rng.random((n, d))
        y[:, 0] += shift
        solution = otcore.solve(otcore.Measure(x), otcore.Measure(y))
        found.append(abs(solution.value - shift))
        gap = max(gap, solution.relative_gap)
    return found, gap


def known() -> dict[tuple[float, int, int], list[float]]:
    """Errors that this commit has recorded already: (shift, d, n) -> one a repetition."""
    commit = environment()["commit"]
    return {
        (r["shift"], r["d"], r["n"]): r["errors"]
        for r in rows(RECORDS)
        if "errors" in r and r["environment"]["commit"] == commit
    }


def main() -> None:
    done = known()
    if not done:
        RECORDS.unlink(missing_ok=True)
    lines, slopes = [], {}
    for shift in SHIFTS:
        for d in DIMENSIONS:
            means = []
            for n in SIZES:
                if (shift, d, n) in done:
                    means.append(float(np.mean(done[shift, d, n])))
                    continue
                found, gap = errors(d, n, shift, np.random.default_rng([d, int(shift), n]))
                means.append(float(np.mean(found)))
                row = {"question": "sample_complexity", "shift": shift, "d": d, "n": n, "errors": found, "gap": gap}
                append(RECORDS, [row | {"mean": means[-1], "environment": environment()}])
            fit = linregress(np.log(SIZES), np.log(means))
            half = float(t.ppf(0.975, len(SIZES) - 2) * fit.stderr)
            slopes[shift, d] = float(fit.slope), half
            row = {
                "question": "sample_complexity",
                "shift": shift,
                "d": d,
                "slope": float(fit.slope),
                "half_width": half,
            }
            append(RECORDS, [row | {"environment": environment()}])
            expected = -0.5 if d == 1 else -1 / d
            theory = f"{expected:.3f}" + (" (and a log)" if d == 2 else "") if shift == 0 else ""
            lines.append(
                (f"{shift:g}", str(d), f"{means[0]:.4f}", f"{means[-1]:.4f}", f"{fit.slope:.3f} ± {half:.3f}", theory)
            )
    print(table(("W_1", "d", f"error at {SIZES[0]}", f"at {SIZES[-1]}", "slope, 95 %", "theory"), lines))
    draw(slopes)


def draw(slopes: dict[tuple[float, int], tuple[float, float]]) -> None:
    """Error against n for every dimension, saved beside the records."""
    import matplotlib.pyplot as plt

    from otcore.plots._canvas import CYCLE, new_axes

    figure, axes = plt.subplots(1, len(SHIFTS), figsize=(9.0, 4.0), sharex=True, layout="constrained")
    for ax, shift in zip(axes, SHIFTS, strict=True):
        new_axes(ax)
        for color, d in zip(CYCLE, DIMENSIONS, strict=False):
            mine = [r for r in rows(RECORDS) if r["shift"] == shift and r["d"] == d and "errors" in r]
            n, mean = [r["n"] for r in mine], np.array([r["mean"] for r in mine])
            error = np.array([np.std(r["errors"], ddof=1) / math.sqrt(REPEATS) for r in mine])
            slope, half = slopes[shift, d]
            label = f"d = {d}: n^({slope:.3f} ± {half:.3f})"
            ax.errorbar(n, mean, np.minimum(error, 0.9 * mean), color=color, marker="o", ms=4, capsize=2, label=label)
        name = "two samples of one law" if shift == 0 else f"laws moved apart by {shift:g}"
        ax.set(xscale="log", yscale="log", xlabel="sample size n", title=name)
        ax.legend(frameon=False, fontsize="small")
    axes[0].set_ylabel("mean of |W_1(P_n, Q_n) - W_1(P, Q)|")
    for kind in ("png", "svg"):
        figure.savefig(RECORDS.with_suffix(f".{kind}"), dpi=90, metadata={"Date": None} if kind == "svg" else None)


if __name__ == "__main__":
    main()
