"""Can I trust this number?  The peers' silent failures, run beside otcore on the same input.

    python benchmarks/trust.py [--markdown]

Each row is an input that a scientist might have, the true value (by exact rational arithmetic, or by a theorem),
what POT and SciPy answer, whether they warn, and the interval that otcore proves or the error it raises.  OTT-JAX and
GeomLoss take part where they are installed.  Nothing is copied from a paper: every cell is computed by this script.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Iterator
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import naive
import numpy as np
import ot
import scipy.optimize
import scipy.stats

import otcore

CLOSE = 1e-6  # a relative error that nobody would call wrong
ZERO = Fraction(0)
DIGITS = Fraction(1, 10**80)  # to which roots are computed in the truths
INF, NAN = np.inf, np.nan


class Row(NamedTuple):
    """One input: its true value (None: there is none), the peers' calls and ours."""

    what: str
    truth: Fraction | None
    peers: dict[str, Callable[[], Any]]
    ours: Callable[[], Any]


class Answer(NamedTuple):
    """What a peer said."""

    value: Any
    warned: bool
    error: str | None

    def verdict(self, truth: Fraction | None) -> str:
        if self.error:
            return f"raises {self.error}"
        silence = "warns" if self.warned else "silent"
        number = f"{self.value:.6g}"
        if truth is None:
            return f"**{number}**, {silence}"
        if abs(self.value - float(truth)) <= CLOSE * (abs(float(truth)) or 1.0):
            return number
        return f"**{number}**{_times(self.value, float(truth))}, {silence}"


def _times(value: float, truth: float) -> str:
    if not np.isfinite(value) or truth == 0:
        return ""
    ratio = value / truth
    return f" ({ratio:.3g} x truth)" if ratio > 1.1 or ratio < 0.9 else f" ({100 * (ratio - 1):+.2g} %)"


def ask(call: Callable[[], Any]) -> Answer:
    """Run a peer; a warning of any kind counts as a warning."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            value = call()
        except Exception as error:
            return Answer(None, bool(caught), type(error).__name__)
    relevant = [w for w in caught if not issubclass(w.category, DeprecationWarning)]
    return Answer(float(value), bool(relevant), None)


def ours(call: Callable[[], Any], truth: Fraction | None) -> str:
    """The interval, after a check that it holds; or the error."""
    try:
        solution = call()
    except otcore.OTError as error:
        return f"{type(error).__name__}: {_short(str(error))}"
    lower, upper = solution.lower, solution.upper
    if truth is None or not Fraction(lower) - DIGITS <= truth <= Fraction(upper) + DIGITS:
        raise AssertionError(f"{truth} is not in [{lower!r}, {upper!r}]")
    return f"[{lower:.17g}, {upper:.17g}]"


def _short(message: str) -> str:
    return message.partition(";")[0].partition(", but")[0]


# -- the inputs ------------------------------------------------------------------------------------------------


def rows() -> Iterator[Row]:
    """The table, one row after the other."""
    rng = np.random.default_rng(0)
    yield from units(rng)
    yield from offsets(rng)
    yield from large_costs(rng)
    yield from weights(rng)
    yield from on_the_line()
    yield from meaningless()
    yield from limits(rng)


def matrix(x: Any, y: Any, p: int = 2) -> Any:
    """Costs from differences of coordinates."""
    return (np.abs(x[:, None] - y) ** 2).sum(axis=2) ** (p / 2)


def true_cloud(x: Any, y: Any, p: int) -> Fraction:
    """Uniform weights, in exact arithmetic."""
    M = [[naive.real_distance_power(s, t, "euclidean", p) for t in y] for s in x]
    return naive.transport([1] * len(x), [1] * len(y), M) * Fraction(1 / len(x))


def true_matrix(a: Any, b: Any, M: Any) -> Fraction:
    return naive.transport(a, b, M.tolist())


def units(rng: Any) -> Iterator[Row]:
    x, y = rng.random((12, 3)), rng.random((12, 3))
    u = np.full(12, 1 / 12)
    for name, s in (("metres", 1.0), ("nanometres, in metres", 1e-9)):
        X, Y = s * x, s * y
        truth = true_cloud(X, Y, 2)
        peers = {
            "POT `emd2`": lambda X=X, Y=Y: ot.emd2(u, u, matrix(X, Y)),
            "POT `solve_sample`": lambda X=X, Y=Y: ot.solve_sample(X, Y).value,
        }
        yield Row(f"squared distances of points in {name}", truth, peers, lambda X=X, Y=Y: otcore.solve(X, Y, order=2))
    X, Y = 1e-8 * x, 1e-8 * y
    yield Row(
        "distances of points 1e-8 apart",
        true_cloud(X, Y, 1),
        {"SciPy `wasserstein_distance_nd`": lambda: scipy.stats.wasserstein_distance_nd(X, Y)},
        lambda: otcore.solve(X, Y),
    )
    M, v = rng.random((12, 12)), np.full(12, 1e-8 / 12)
    reg = 0.05
    plan = {"POT `sinkhorn`": lambda: np.abs(ot.sinkhorn(v, v, M, reg).sum(axis=0) / v - 1).max()}
    yield Row("total mass of 1e-8: relative error of the marginals", ZERO, plan, lambda: _marginal_error(v, M))
    linprog = {"SciPy `linprog` (HiGHS)": lambda: _linprog(v / 100, v / 100, M)}
    w = v / 100
    yield Row("total mass of 1e-10", true_matrix(w, w, M), linprog, lambda: otcore.solve(w, w, cost=M))


def _marginal_error(v: Any, M: Any) -> Any:
    """Our plan's own error, shown as an interval from 0."""
    solution = otcore.solve(v, v, cost=M, method="sinkhorn")
    assert solution.certificate.verify()
    error = np.abs(solution.plan.marginals()[0] / v - 1).max()
    return _Interval(0.0, float(error) if error > 1e-12 else 0.0)


class _Interval(NamedTuple):
    lower: float
    upper: float


def _linprog(a: Any, b: Any, M: Any) -> float:
    """The textbook linear program."""
    A = otcore.marginal_matrix((len(a), len(b)))
    return scipy.optimize.linprog(M.ravel(), A_eq=A, b_eq=np.concatenate([a, b])).fun


def offsets(rng: Any) -> Iterator[Row]:
    x, y = rng.random((12, 2)), rng.random((12, 2))
    for name, t in (("1e6", 1e6), ("1e8 (UTM coordinates, time stamps)", 1e8)):
        X, Y = x + t, y + t
        yield Row(
            f"points at an offset of {name}, squared distances",
            true_cloud(X, Y, 2),
            {"POT `solve_sample`": lambda X=X, Y=Y: ot.solve_sample(X, Y).value},
            lambda X=X, Y=Y: otcore.solve(X, Y, order=2),
        )


def large_costs(rng: Any) -> Iterator[Row]:
    n = 12
    u = np.full(n, 1 / n)
    M = rng.random((n, n))
    for big in (1e15, 1e32):
        forbidden = rng.random((n, n)) < 0.5
        np.fill_diagonal(forbidden, False)
        N = np.where(forbidden, big, M)
        peer = {"POT `emd2`": lambda N=N: ot.emd2(u, u, N), "SciPy `linprog` (HiGHS)": lambda N=N: _linprog(u, u, N)}
        what = f"costs of {big:g} for arcs that must not be used"
        yield Row(what, true_matrix(u, u, N), peer, lambda N=N: otcore.solve(u, u, cost=N))
    for what, N in (
        ("costs of +inf for arcs that must not be used", np.where(forbidden, INF, M)),
        ("costs that are all negative", M - 6),
    ):
        peer = {"POT `emd2`": lambda N=N: ot.emd2(u, u, N)}
        yield Row(what, true_matrix(u, u, N), peer, lambda N=N: otcore.solve(u, u, cost=N))


def weights(rng: Any) -> Iterator[Row]:
    n = 12
    a = np.array([1.0, *[1e-9] * (n - 1)])
    M = rng.random((n, n))
    M[0, 0] = 0.0  # the large weight may stay where it is: the small ones are the whole cost
    yield Row(
        "weights of 1e-9 beside 1, which stays in place", true_matrix(a, a, M),
        {"POT `emd2`": lambda: ot.emd2(a, a, M), "SciPy `linprog` (HiGHS)": lambda: _linprog(a, a, M)},
        lambda: otcore.solve(a, a, cost=M),
    )  # fmt: skip
    x, y = rng.random((4, 2)), rng.random((4, 2))
    c, d = np.array([1e-8] * 4), np.array([4e-8] * 4)
    yield Row(
        "masses of 4e-8 against 1.6e-7", None, {"POT `emd2`": lambda: ot.emd2(c, d, matrix(x, y))},
        lambda: otcore.solve(c, d, cost=matrix(x, y)),
    )  # fmt: skip
    yield Row(
        "mass 1 against mass 2 on a line", None,
        {"SciPy `wasserstein_distance`": lambda: scipy.stats.wasserstein_distance([0, 1], [1, 2], [0.5, 0.5], [1, 1])},
        lambda: otcore.solve(otcore.Measure([0, 1], [0.5, 0.5]), otcore.Measure([1, 2], [1, 1])),
    )  # fmt: skip
    x, y = np.arange(6.0)[:, None], np.arange(6.0)[:, None] + 0.5
    p, q = np.array([0.5, 0, 0.5, 0, 0, 0]), np.array([0, 0, 0, 0.5, 0.5, 0])
    yield Row(
        "zero weights: largest violation of f + g <= M", ZERO,
        {"POT `emd2_lazy`": lambda: _violation(x, y, p, q)}, lambda: _our_violation(x, y, p, q),
    )  # fmt: skip


def _violation(x: Any, y: Any, p: Any, q: Any) -> float:
    log = ot.lp.emd2_lazy(x, y, p, q, metric="euclidean", return_matrix=True)[1]
    slack = np.abs(x - y.T) - np.asarray(log["u"])[:, None] - np.asarray(log["v"])
    return max(0.0, -float(slack.min()))


def _our_violation(x: Any, y: Any, p: Any, q: Any) -> Any:
    solution = otcore.solve(otcore.Measure(x, p), otcore.Measure(y, q))
    assert solution.certificate.verify(exact=True)
    return _Interval(0.0, 0.0)


def on_the_line() -> Iterator[Row]:
    x, y = np.array([1, 2, 3]), np.array([4, 5, 6])
    yield Row(
        "integer positions 1, 2, 3 against 4, 5, 6", Fraction(3) * sum([Fraction(1 / 3)] * 3),
        {"POT `wasserstein_1d`": lambda: ot.wasserstein_1d(x, y),
         "SciPy `wasserstein_distance`": lambda: scipy.stats.wasserstein_distance(x, y)},
        lambda: otcore.solve(x, y),
    )  # fmt: skip
    z, w = np.array([0.0, 1.0, 2.0]), np.array([1.5, -0.25, -0.25])
    yield Row(
        "negative weights on a line", None,
        {"POT `wasserstein_1d`": lambda: ot.wasserstein_1d(z, z + 1, w, np.full(3, 1 / 3)),
         "SciPy `wasserstein_distance`": lambda: scipy.stats.wasserstein_distance(z, z + 1, w)},
        lambda: otcore.solve(otcore.Measure(z, w), otcore.Measure(z + 1)),
    )  # fmt: skip


def meaningless() -> Iterator[Row]:
    rng = np.random.default_rng(1)
    a, b, M = np.full(5, 0.2), np.full(4, 0.25), rng.random((5, 4))
    nan, below, row = M.copy(), M.copy(), M.copy()
    nan[1, 2], below[1, 2], row[1] = NAN, -INF, INF
    peers = lambda N: {  # noqa: E731
        "POT `emd2`": lambda: ot.emd2(a, b, N),
        "POT `sinkhorn2`": lambda: ot.sinkhorn2(a, b, N, 0.1),
    }
    for what, N in (("NaN in the costs", nan), ("-inf in the costs", below), ("no way at all for one row", row)):
        yield Row(what, None, peers(N), lambda N=N: otcore.solve(a, b, cost=N))
    spoiled = np.array([0.4, 0.4, 0.4, -0.2, 0.0])
    yield Row(
        "a negative weight", None,
        {"POT `emd2`": lambda: ot.emd2(spoiled, b, M), "POT `sinkhorn2`": lambda: ot.sinkhorn2(spoiled, b, M, 0.1)},
        lambda: otcore.solve(spoiled, b, cost=M),
    )  # fmt: skip


def limits(rng: Any) -> Iterator[Row]:
    n = 40
    x, y = rng.random((n, 2)), rng.random((n, 2))
    u, M = np.full(n, 1 / n), matrix(x, y, 1)
    truth = true_matrix(u, u, M)
    yield Row(
        "stopped early: 5 pivots, 3 iterations, no time at all", truth,
        {"POT `emd2`": lambda: ot.emd2(u, u, M, numItermax=5),
         "POT `sinkhorn2`": lambda: ot.sinkhorn2(u, u, M, 0.01, numItermax=3)},
        lambda: otcore.solve(u, u, cost=M, max_seconds=0),
    )  # fmt: skip
    yield from entropic(x, y)


def entropic(x: Any, y: Any) -> Iterator[Row]:
    """OTT-JAX and GeomLoss, where they are installed, on points of the plane with weights."""
    n = len(x)
    u = np.full(n, 1 / n)
    spoiled = np.where(np.arange(n) == 0, -1 / n, (n + 1) / (n - 1) / n)
    truth = true_cloud(x, y, 1)
    for what, known, a, b in (
        ("points in the plane, default settings", truth, u, u),
        ("the same, mass 1 against mass 2", None, u, 2 * u),
        ("the same, a negative weight", None, spoiled, u),
    ):
        peers = {"OTT `primal_cost`": _ott(x, y, a, b), "GeomLoss `SamplesLoss`": _geomloss(x, y, a, b)}
        peers = {peer: call for peer, call in peers.items() if call}
        if peers:
            yield Row(what, known, peers, lambda a=a, b=b: otcore.solve(otcore.Measure(x, a), otcore.Measure(y, b)))
    few = _ott(x, y, u, u, epsilon=2e-3, max_iterations=20)
    if few:
        yield Row(
            "the same, 20 iterations", truth, {"OTT `primal_cost`": few}, lambda: otcore.solve(x, y, max_seconds=0)
        )


def _ott(
    x: Any, y: Any, a: Any, b: Any, epsilon: float | None = None, max_iterations: int = 2000
) -> Callable[[], Any] | None:
    if not find_spec("ott"):
        return None
    from ott.geometry import costs, pointcloud
    from ott.solvers import linear

    geometry = pointcloud.PointCloud(x, y, cost_fn=costs.Euclidean(), epsilon=epsilon)
    a, b = (np.asarray(w, dtype=np.float32) for w in (a, b))
    return lambda: linear.solve(geometry, a, b, max_iterations=max_iterations).primal_cost


def _geomloss(x: Any, y: Any, a: Any, b: Any) -> Callable[[], Any] | None:
    if not find_spec("geomloss"):
        return None
    import torch
    from geomloss import SamplesLoss

    return lambda: SamplesLoss("sinkhorn", p=1)(*map(torch.tensor, (a, x, b, y)))


# -- the table -------------------------------------------------------------------------------------------------


def table() -> Iterator[tuple[Row, str, dict[str, str]]]:
    """Each input, otcore's interval or error, and the peers' answers."""
    for row in rows():
        answers = {peer: ask(call).verdict(row.truth) for peer, call in row.peers.items()}
        yield row, ours(row.ours, row.truth), answers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--markdown", action="store_true", help="as a table for the docs")
    markdown = parser.parse_args().markdown
    if markdown:
        print("| input | truth | peer | its answer | otcore |\n|---|---|---|---|---|")
    for row, mine, answers in table():
        truth = "none" if row.truth is None else f"{float(row.truth):.6g}"
        if not markdown:
            print(f"{row.what}\n    {'truth':<34}{truth}")
            print("".join(f"    {peer:<34}{answer.replace('*', '')}\n" for peer, answer in answers.items()), end="")
            print(f"    {'otcore':<34}{mine}")
            continue
        first = (row.what, truth, f"`{mine}`")
        for peer, answer in answers.items():
            print("| " + " | ".join((first[0], first[1], peer, answer, first[2])) + " |")
            first = ("", "", "")


if __name__ == "__main__":
    main()
