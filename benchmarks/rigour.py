"""Is the truth in the interval?  Random problems against their optimum in exact rational arithmetic.

    python benchmarks/rigour.py [--problems 1000] [--first 0] [--largest 40] [--resume FILE] [--record FILE]

Every problem goes through every method that takes it, run to its end, and again stopped by ``max_seconds``, by Ctrl-C
raised inside its cost or after one iteration, in turn; and once more in other units, powers of two away.
Prints counts, and each violation with its seed; exits with 1 if there is one.  Costs and masses have exponents
from 1e-300 to 1e300; what a typed error refuses (distances that overflow) is counted apart.

``--resume FILE`` keeps the counts of every twenty problems, so that a run of hours can be cut and taken up again by
the same commit.  ``--record FILE`` appends the sums as one line, which docs/trust.md quotes.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import numpy as np
import zoo

import otcore
from otcore._api import as_problem
from otcore._solve import run
from otcore.bench.record import append, rows
from otcore.costs import CloudCost, DenseCost, LineCost
from otcore.solvers.dual import Dual

EXACT = ("auto", "line", "linprog", "dual", "emd", "network-simplex")
WIDTH = 1e-12  # of max(|W|, mass * spread), asked of the exact methods
SUBNORMAL = 1e-290  # products of cost and mass below lose digits to gradual underflow: widths are not judged there
ORDERS = (1, 1, 1, 1.5, 2, 2, 2.5, 3, 1.1)
KINDS = ("matrix", "forbidden", "huge", "distance matrix", "cloud", "cloud", "sqeuclidean", "line", "callable")
BATCH = 20  # problems between two lines of --resume
UNITS = 660  # binary exponents of the other units: 1e-200 to 1e200
SMALL_CRITIC = otcore.Critic(lipschitz="funnel", n_funnels=4, max_iter=2)  # bad candidates will do


class Instance(NamedTuple):
    """``solve(p, q, **options)``, and the same problem as the oracle reads it where that is another."""

    kind: str
    p: Any
    q: Any
    options: dict[str, Any]
    plain: tuple[Any, Any, dict[str, Any]] | None = None

    @property
    def truth(self) -> tuple[Fraction, Fraction]:
        """An interval of Fractions around the optimum; ValueError where arcs forbid every plan."""
        return zoo.Zoo(self.kind, lambda: self.plain or (self.p, self.q, self.options), frozenset()).truth


# -- problems --------------------------------------------------------------------------------------------------


def instance(seed: int, largest: int) -> Instance:
    """A random problem; seeds differ in kind, size, degeneracy and units."""
    rng = np.random.default_rng(seed)
    n, m = np.exp(rng.uniform(0, np.log(largest + 1), 2)).astype(int)
    if rng.random() < 0.15:  # one point takes everything: a wrong flow has nowhere to hide
        n, m = (n, 1) if rng.random() < 0.5 else (1, m)
    kind = str(rng.choice(KINDS))
    unit = 10.0 ** (rng.uniform(-300, 300) if rng.random() < 0.5 else 0)
    if kind in ("cloud", "line", "sqeuclidean", "callable"):
        order = 2 if kind == "sqeuclidean" else float(rng.choice(ORDERS))
        d = 1 if kind == "line" else int(rng.integers(2, 5))
        unit **= 1 / max(order, 2)  # squares are formed below order 2, too
        x, y = _points(rng, n, d, unit), _points(rng, m, d, unit)
        if rng.random() < 0.3:  # shared support
            k = min(n, m)
            y[:k] = x[:k]
        options = {"cost": "sqeuclidean"} if kind == "sqeuclidean" else {"order": order}
        if kind == "cloud":
            options["metric"] = str(rng.choice(["euclidean", "cityblock", "chebyshev"]))
        a, b = _weights(rng, n, m)
        p, q = otcore.Measure(x, a), otcore.Measure(y, b)
        if kind == "callable":
            options["metric"] = _callable
            return Instance(kind, p, q, options, (p.weights, q.weights, {"metric": _callable(x, y), "order": order}))
        return Instance(kind, p, q, options)
    if kind == "distance matrix":
        order = float(rng.choice(ORDERS))
        x = _points(rng, n, 2, 1.0)
        D = np.abs(x[:, None] - x).sum(axis=2) * unit ** (1 / order)
        return Instance(kind, *_weights(rng, n, n), {"metric": D, "order": order})
    M = _entries(rng, n, m) * unit
    a, b = _weights(rng, n, m)
    if kind == "huge":
        M[rng.random((n, m)) < 0.4] *= 1e32 if unit < 1e250 else 1.0
    if kind == "forbidden":
        M[rng.random((n, m)) < rng.choice([0.2, 0.6])] = np.inf
    return Instance(kind, a, b, {"cost": M})


def _callable(x: Any, y: Any) -> Any:
    """Cityblock distances, as a user might write them."""
    return np.abs(np.asarray(x)[:, None] - np.asarray(y)).sum(axis=2)


def _points(rng: Any, n: int, d: int, unit: float) -> Any:
    style = rng.choice(["normal", "lattice", "offset", "clusters"])
    x = rng.normal(size=(n, d))
    if style == "lattice":
        x = rng.integers(0, 3, (n, d)).astype(float)
    if style == "offset":
        x += 1e8
    if style == "clusters":
        x = np.round(x) + 1e-9 * x
    return x * unit


def _entries(rng: Any, n: int, m: int) -> Any:
    style = rng.choice(["uniform", "integers", "negative", "offset", "separable", "decades"])
    M = rng.random((n, m))
    return {
        "uniform": M,
        "integers": rng.integers(0, 4, (n, m)).astype(float),
        "negative": -3 - 3 * M,
        "offset": M + 1e8,
        "separable": 10 * rng.random((n, 1)) + 10 * rng.random(m) + 1e-6 * M,
        "decades": 10 ** rng.uniform(-8, 8, (n, m)),
    }[str(style)]


def _weights(rng: Any, n: int, m: int) -> tuple[Any, Any]:
    """Two sides of equal mass, exactly or up to rounding."""
    style = rng.choice(["counts", "uniform", "random", "decades", "hundreds of decades", "zeros"])
    a, b = rng.random(n), rng.random(m)
    if style == "counts":
        a, b = rng.integers(1, 9, n), rng.integers(1, 9, m)
        a, b = a * b.sum(), b * a.sum()
    if style == "uniform":
        a, b = np.ones(n), np.ones(m)
    if style == "decades":
        a, b = 10 ** rng.uniform(-15, 0, n), 10 ** rng.uniform(-15, 0, m)
    if style == "hundreds of decades":  # below what fixed point holds beside the largest
        low = rng.choice([-40, -300])
        a, b = 10 ** rng.uniform(low, 0, n), 10 ** rng.uniform(low, 0, m)
    if style == "zeros":
        a, b = a * (rng.random(n) < 0.6), b * (rng.random(m) < 0.6)
        a[rng.integers(n)], b[rng.integers(m)] = 1.0, 1.0
    unit = 10.0 ** (rng.uniform(-300, 300) if rng.random() < 0.3 else 0)
    a, b = a / a.max() * unit, b / b.max() * unit
    return a, b * (a.sum() / b.sum())


# -- ways to stop ------------------------------------------------------------------------------------------------


@contextmanager
def interrupted(calls: int) -> Iterator[None]:
    """Ctrl-C comes in the given call of any verb of any cost."""
    left = calls

    def wrap(method: Any) -> Any:
        def verb(self: Any, *arguments: Any, **keywords: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                raise KeyboardInterrupt
            return method(self, *arguments, **keywords)

        return verb

    verbs = ("rows", "at", "ctransform", "softmin", "lift", "at_upper", "to_dense", "grid_lift")
    kept = [(cls, v, vars(cls)[v]) for cls in (DenseCost, CloudCost, LineCost) for v in verbs if v in vars(cls)]
    for cls, name, method in kept:
        setattr(cls, name, wrap(method))
    try:
        yield
    finally:
        for cls, name, method in kept:
            setattr(cls, name, method)


def runs(problem: Any, seed: int) -> Iterator[tuple[str, Any, dict[str, Any], int]]:
    """(label, method, options of solve, call that Ctrl-C interrupts): each method to its end, and stopped one way."""
    rng = np.random.default_rng(seed)
    top = max(abs(v) for v in problem.cost.bounds()) or 1.0
    tiny = {"sinkhorn": otcore.Sinkhorn(epsilon=top, max_iter=1), "dual": Dual(max_rounds=1)}
    for k, method in enumerate(otcore.methods()):
        if not (method.available and method.needs <= problem.cost.traits):
            continue
        solver = SMALL_CRITIC if method.name == "critic" else method.name
        yield method.name, solver, {"rtol": WIDTH} if method.name in EXACT else {}, 0
        how = (seed + k) % 3
        if how == 0:
            yield f"{method.name}, Ctrl-C", solver, {}, int(rng.integers(1, 60))
        elif how == 1 and method.name in tiny:
            yield f"{method.name}, one iteration", tiny[method.name], {}, 0
        else:
            yield f"{method.name}, max_seconds", solver, {"max_seconds": float(rng.choice([0, 1e-3]))}, 0


# -- the judgement ------------------------------------------------------------------------------------------------


def judge(seed: int, largest: int, counts: Counter[str]) -> list[str]:
    """Run everything on one problem; what went wrong, as sentences."""
    p = instance(seed, largest)
    try:
        problem = as_problem(p.p, p.q, **p.options)
        truth = p.truth
    except otcore.OTError as error:
        counts[f"problems refused: {type(error).__name__}"] += 1
        return []
    except ValueError:  # the oracle finds no way past the forbidden arcs
        truth = None
    counts["problems"] += 1
    where = f"seed {seed} ({p.kind} {problem.shape}, {p.options.get('order', 1)})"
    faults = [f"{where}: {fault}" for fault in in_other_units(problem, seed, counts)] if truth else []
    for label, method, options, call in runs(problem, seed):
        try:
            with warnings.catch_warnings(), interrupted(call):
                warnings.simplefilter("error")
                solution = otcore.solve(p.p, p.q, method=method, **options, **p.options)
        except otcore.OTError as error:
            kind = type(error).__name__
            counts[f"runs refused: {kind}"] += 1
            # NonFiniteError refuses products that overflow; critics take the Euclidean distance only.
            meant = kind == "NonFiniteError" or (kind == "UnsupportedProblemError" and label.startswith("critic"))
            if truth is not None and not meant:
                faults.append(f"{where}, {label}: {kind}: {error}")
            continue
        except KeyboardInterrupt:
            counts["Ctrl-C before the first interval"] += 1
            continue
        except Exception as error:
            faults.append(f"{where}, {label}: {type(error).__name__}: {error}")
            continue
        counts["intervals"] += 1
        counts[f"  {solution.status.name}"] += 1
        try:
            found = check(solution, truth, label, counts)
        except Exception as error:
            found = [f"its verification: {type(error).__name__}: {error}"]
        faults += [f"{where}, {label}: {fault}" for fault in found]
    return faults


def in_other_units(problem: Any, seed: int, counts: Counter[str]) -> list[str]:
    """Costs and masses times powers of two: the same interval, times their product."""
    rng = np.random.default_rng(seed)
    u, v = (int(k) for k in rng.integers(-UNITS, UNITS + 1, 2))
    largest = max(abs(v) for v in problem.cost.bounds())
    home = [math.frexp(x)[1] for x in (largest, problem.mass, largest * problem.mass)]
    if any(abs(e) > 60 for e in home) or abs(u + v) > UNITS:  # only what starts near 1 stays among normal floats
        return []
    try:
        moved = otcore.Problem(np.ldexp(problem.a, v), np.ldexp(problem.b, v), problem.cost.scaled(u))
    except otcore.NonFiniteError:  # squares of distances, formed below order 2, leave the range first
        counts["other units refused"] += 1
        return []
    try:
        here, there = (run(x, "network-simplex", rtol=WIDTH) for x in (problem, moved))
    except otcore.OTError as error:
        return [f"costs times 2^{u}, masses times 2^{v}, or as they are: {type(error).__name__}: {error}"]
    ends = [math.ldexp(x, u + v) for x in (here.lower, here.upper)]
    off = max(abs(x - y) for x, y in zip(ends, (there.lower, there.upper), strict=True))
    counts["other units"] += 1
    counts["  the same bits"] += off == 0
    if off <= WIDTH * math.ldexp(max(abs(here.value), here.problem.cost.rounding_scale(problem.a, problem.b)), u + v):
        return []
    counts["INTERVALS THAT DEPEND ON THE UNIT"] += 1
    return [f"costs times 2^{u}, masses times 2^{v}: {ends} became {[there.lower, there.upper]}"]


def check(solution: Any, truth: tuple[Fraction, Fraction] | None, label: str, counts: Counter[str]) -> list[str]:
    """Whether the truth is in the interval, and the interval as narrow as promised."""
    faults = []
    lower, upper = solution.lower, solution.upper
    if truth is None or any("perturbed" in note for note in solution.certificate.notes):
        counts["perturbed weights"] += 1
        return [] if lower <= upper else [f"no interval: [{lower!r}, {upper!r}]"]
    if not (np.isfinite([lower, upper]).all() and Fraction(lower) <= truth[1] and truth[0] <= Fraction(upper)):
        counts["INTERVALS VIOLATED"] += 1
        faults.append(f"truth {float(truth[0])!r} is not in [{lower!r}, {upper!r}]")
    if not solution.certificate.verify():
        counts["CERTIFICATES THAT VERIFY REJECTS"] += 1
        faults.append(str(solution.certificate.verify()).replace("\n", "; "))
    if label in EXACT:
        a, b = solution.problem.a, solution.problem.b
        scale = max(abs(float(truth[0])), solution.problem.cost.rounding_scale(a, b))
        if scale > SUBNORMAL and a.sum() > SUBNORMAL:
            counts["  run to the end by an exact method"] += 1
            counts[f"  wider than {WIDTH:g} of the scale"] += solution.gap > WIDTH * scale
            if solution.gap > WIDTH * scale:
                counts[f"    by {label}"] += 1
            counts["  STALLED, and saying so"] += not solution.certified
            lo, hi = solution.problem.cost.bounds()
            coarse = max(scale, float(a.sum()) * (hi - lo))
            counts["  wider than that of mass times spread"] += solution.gap > WIDTH * coarse
    return faults


def commit() -> str:
    """Of the code that runs, with a + where it is not what was committed."""
    name, changes = (
        subprocess.run(["git", *words], cwd=Path(__file__).parent, capture_output=True, text=True, check=True).stdout
        for words in (("rev-parse", "--short", "HEAD"), ("status", "--porcelain", "--untracked-files=no", "../otcore"))
    )
    return name.strip() + ("+" if changes else "")


def batches(first: int, problems: int, largest: int, resume: Path | None) -> Iterator[dict[str, Any]]:
    """Counts and faults of every ``BATCH`` seeds, from the file where it has them."""
    state = {"commit": commit(), "largest": largest}
    known = rows(resume) if resume else ()
    done = {(row["first"], row["problems"]): row for row in known if state.items() <= row.items()}
    for seed in range(first, first + problems, BATCH):
        size = min(BATCH, first + problems - seed)
        if (seed, size) not in done:
            counts: Counter[str] = Counter()
            faults = [fault for k in range(seed, seed + size) for fault in judge(k, largest, counts)]
            row = {"first": seed, "problems": size, "counts": counts, "faults": faults, **state}
            if resume:
                append(resume, [row])
            done[seed, size] = row
        yield done[seed, size]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--problems", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--largest", type=int, default=40, help="largest number of points on a side")
    parser.add_argument("--resume", type=Path, help="file of finished batches, continued by the same commit")
    parser.add_argument("--record", type=Path, help="JSON lines to append the sums to")
    arguments = parser.parse_args()
    counts: Counter[str] = Counter({"INTERVALS VIOLATED": 0})
    faults = []
    for row in batches(arguments.first, arguments.problems, arguments.largest, arguments.resume):
        counts.update(row["counts"])
        faults += row["faults"]
        print(*row["faults"], sep="\n", end="\n" if row["faults"] else "", flush=True)
    for what, count in counts.items():
        print(f"{count:>9}  {what}")
    print(f"{len(faults):>9}  faults")
    if arguments.record:
        names = {what.strip(" ,").replace(" ", "_").replace("-", "_"): count for what, count in counts.items()}
        with arguments.record.open("a") as file:
            print(json.dumps({"part": "rigour", "commit": commit(), **names, "faults": len(faults)}), file=file)
    return min(len(faults), 1)


if __name__ == "__main__":
    sys.exit(main())
