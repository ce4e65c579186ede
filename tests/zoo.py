"""Problems whose answers are known: by theory where a theorem gives them, always by exact arithmetic.

Shared by the contract test, the laws and the benchmarks.  ``Zoo.truth`` is an interval of Fractions about
10^-80 wide (a point where the costs are rational), computed by the slow exact solvers of ``naive``;
``Zoo.theory`` is what a theorem says, and a test holds the two against each other.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import naive
import numpy as np

from otcore.bench.instance import Instance, families

INF = np.inf


@dataclass(frozen=True)
class Zoo:
    """A problem ``solve(p, q, **kwargs)`` and its answer.

    Attributes
    ----------
    name : str
    make : callable returning (p, q, kwargs)
    traits : set of str
        line, cloud, dense; and what makes it hard: forbidden, huge, duplicates, zero weights ...
    theory : Fraction, optional
        The value by a theorem.
    """

    name: str
    make: Callable[[], tuple[Any, Any, dict[str, Any]]]
    traits: frozenset[str]
    theory: Fraction | None = None

    def __str__(self) -> str:
        return self.name

    @cached_property
    def exact(self) -> tuple[list[Fraction], list[Fraction], Callable[[int, int], Fraction | None], Any]:
        """Weights a, b and the real cost of a pair, in Fractions; None forbids an arc."""
        p, q, options = self.make()
        matrix = options.get("cost", options.get("metric"))
        order = Fraction(options.get("order", 1))
        if matrix is not None and not isinstance(matrix, str):
            a, b, M = (np.asarray(v, dtype=float) for v in (p, q, matrix))

            def entry(i: int, j: int) -> Fraction | None:
                return None if M[i, j] == INF else naive.real_power(Fraction(float(M[i, j])), order)

            return _fractions(a), _fractions(b), entry, None
        (x, a), (y, b) = _points(p), _points(q)
        metric = options.get("metric", "euclidean")
        if options.get("cost") == "sqeuclidean":
            order = Fraction(2)
        line = ([Fraction(v[0]) for v in x.tolist()], [Fraction(v[0]) for v in y.tolist()], order)
        X, Y = x.tolist(), y.tolist()
        return (
            a,
            b,
            lambda i, j: naive.real_distance_power(X[i], Y[j], metric, order),
            line if x.shape[1] == 1 else None,
        )

    @cached_property
    def truth(self) -> tuple[Fraction, Fraction]:
        """An interval that contains the optimal cost."""
        a, b, price, line = self.exact
        if line is not None:
            x, y, order = line
            value = naive.line_transport(x, a, y, b, lambda s, t: naive.real_power(abs(s - t), order))
        else:
            value = naive.transport(a, b, [[price(i, j) for j in range(len(b))] for i in range(len(a))])
        error = abs(value) * Fraction(1, 10**80)
        return value - error, value + error


def _fractions(values: Any) -> list[Fraction]:
    return [Fraction(float(v)) for v in values]


def _points(measure: Any) -> tuple[Any, list[Fraction]]:
    """Points (n, d) as floats and the weights that otcore gives them."""
    if hasattr(measure, "points"):
        points, weights = measure.points, measure.weights
    else:
        points = np.asarray(measure, dtype=float)
        weights = np.full(len(points), 1 / len(points))
    return points.reshape(len(points), -1), _fractions(weights)


ZOO: list[Zoo] = []


def zoo(traits: str, theory: Any = None) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    """Register a maker; its name with spaces is the problem's."""

    def register(make: Callable[[], Any]) -> Callable[[], Any]:
        value = None if theory is None else Fraction(theory)
        ZOO.append(Zoo(make.__name__.replace("_", " "), make, frozenset(traits.split()), value))
        return make

    return register


def measure(points: Any, weights: Any = None) -> Any:
    from otcore.measure import Measure

    return Measure(points, weights)


def counts(rng: Any, n: int, total: int = 64) -> Any:
    """n positive integer masses of the given total."""
    return 1.0 + rng.multinomial(total - n, np.full(n, 1 / n))


def random(seed: int) -> Any:
    return np.random.default_rng(seed)


# -- lines ----------------------------------------------------------------------------------------------------


@zoo("line", 42)
def boxes():
    return measure([1, 2, 3], [3, 1, 2]), measure([7, 8, 9, 10], [1, 1, 2, 2]), {}


@zoo("line", 5)
def line_translation():
    x = random(0).integers(-20, 20, 8) * 0.25
    return x, x + 5, {}


@zoo("line", 25)
def line_translation_order_2():
    x = random(1).integers(-20, 20, 8) * 0.25
    return x, x + 5, {"order": 2}


@zoo("line", 8)
def line_translation_order_three_halves():
    x = random(2).integers(-20, 20, 8) * 0.25
    return x, x - 4, {"order": 1.5}


@zoo("line", 32)
def line_translation_order_five_halves():
    x = random(3).integers(-20, 20, 8) * 0.25
    return x, x - 4, {"order": 2.5}


@zoo("line", 1)
def line_unit_translation_order_pi():
    x = random(4).integers(-9, 9, 8) * 1.0
    return x, x + 1, {"order": math.pi}


@zoo("line")
def line_order_3_weighted():
    r = random(5)
    return measure(r.normal(size=9), counts(r, 9)), measure(r.normal(size=7), counts(r, 7)), {"order": 3}


@zoo("line")
def line_order_1_weighted():
    r = random(6)
    return measure(r.normal(size=20), counts(r, 20)), measure(r.normal(size=15), counts(r, 15)), {}


@zoo("line")
def line_order_2_weighted():
    r = random(7)
    return measure(r.normal(size=20), counts(r, 20)), measure(r.normal(size=15), counts(r, 15)), {"order": 2}


@zoo("line")
def line_order_6_fifths():
    r = random(8)
    return r.normal(size=6), r.normal(size=8), {"order": 1.2}


@zoo("line duplicates")
def line_of_ties():
    r = random(9)
    return r.integers(0, 4, 16) * 1.0, r.integers(0, 5, 16) * 1.0, {}


@zoo("line duplicates")
def line_of_ties_order_2():
    r = random(10)
    return r.integers(0, 4, 16) * 1.0, r.integers(0, 5, 16) * 1.0, {"order": 2}


@zoo("line offset")
def line_at_1e8():
    r = random(11)
    return 1e8 + r.random(8), 1e8 + r.random(8), {}


@zoo("line offset")
def line_at_1e8_order_2():
    r = random(12)
    return 1e8 + r.random(8), 1e8 + r.random(8), {"order": 2}


@zoo("line units")
def nanometres_in_metres():
    r = random(13)
    return 1e-9 * r.random(8), 1e-9 * r.random(8), {"order": 2}


@zoo("line units")
def line_at_scale_1e_minus_100():
    r = random(14)
    return 1e-100 * r.random(8), 1e-100 * r.random(8), {}


@zoo("line units")
def line_at_scale_1e100_order_2():
    r = random(15)
    return 1e100 * r.random(8), 1e100 * r.random(8), {"order": 2}


@zoo("line equal", 0)
def line_against_itself():
    x = random(16).normal(size=8)
    return x, x[::-1], {}


@zoo("line equal", 0)
def line_against_itself_order_2():
    x = random(17).normal(size=8)
    return x, x[::-1], {"order": 2}


@zoo("line close")
def line_moved_by_1e_minus_9():
    x = random(18).normal(size=8)
    return x, x + 1e-9, {}


@zoo("line zeros")
def line_with_zero_weights():
    return measure([0.0, 1.0, 2.0, 9.0], [1, 0, 3, 0]), measure([0.5, 1.5, 7.0], [0, 4, 0]), {}


@zoo("line single", 3)
def one_point_to_one_point():
    return [1.0], [4.0], {}


@zoo("line single", Fraction(7, 4))
def one_point_to_four():
    return [0.0], [1.0, 2.0, 4.0, 0.0], {}


@zoo("line weights")
def line_of_pareto_weights():
    r = random(19)
    a, b = r.random(12) ** -3, r.random(12) ** -3
    return measure(r.random(12), a), measure(r.random(12), b * (a.sum() / b.sum())), {}


@zoo("line dtype", 2)
def line_of_integers():
    return np.array([3, 1, 2, 0]), np.array([2, 5, 4, 3]), {}


# -- clouds ---------------------------------------------------------------------------------------------------


@zoo("cloud duplicates", 5 * 9)
def lattice_translation():
    x = np.stack(np.meshgrid([0, 1, 2], [0, 1, 2]), -1).reshape(-1, 2)
    return measure(x, np.ones(9)), measure(x + [3, 4], np.ones(9)), {}


@zoo("cloud", 25)
def squared_translation():
    x = random(20).integers(-20, 20, (8, 3)) * 0.25
    return x, x + [0, 3, -4], {"cost": "sqeuclidean"}


@zoo("cloud", 25)
def translation_order_2():
    x = random(21).integers(-20, 20, (8, 2)) * 0.25
    return x, x + [3, -4], {"order": 2}


@zoo("cloud duplicates")
def cityblock_lattice():
    r = random(22)
    return r.integers(0, 3, (8, 2)), r.integers(0, 4, (8, 2)), {"metric": "cityblock"}


@zoo("cloud duplicates")
def chebyshev_lattice():
    r = random(23)
    return r.integers(0, 3, (8, 2)), r.integers(0, 4, (8, 2)), {"metric": "chebyshev"}


@zoo("cloud")
def plane():
    r = random(24)
    return r.random((8, 2)), r.random((8, 2)), {}


@zoo("cloud")
def space_weighted():
    r = random(25)
    return measure(r.random((7, 3)), counts(r, 7)), measure(r.random((9, 3)), counts(r, 9)), {}


@zoo("cloud")
def orthonormal_axes_in_dimension_50():
    axes = np.eye(50)
    return axes[:8], axes[20:28], {}


@zoo("cloud", 10)
def collinear_points():
    t = np.arange(8)[:, None]
    return t * [3.0, 4.0], (t + 2) * [3.0, 4.0], {}


@zoo("cloud duplicates")
def cloud_of_duplicates():
    r = random(26)
    return np.repeat(r.random((3, 2)), 3, axis=0), np.repeat(r.random((2, 2)), 4, axis=0), {}


@zoo("cloud offset")
def plane_at_1e8():
    r = random(27)
    return 1e8 + r.random((8, 2)), 1e8 + r.random((8, 2)), {}


@zoo("cloud equal", 0)
def cloud_against_itself():
    x = random(28).random((8, 2))
    return x, x[::-1], {}


@zoo("cloud equal", 0)
def cloud_against_itself_order_2():
    x = random(29).random((8, 2))
    return x, x[::-1], {"order": 2}


@zoo("cloud close")
def cloud_moved_by_1e_minus_9():
    r = random(30)
    x = r.random((8, 2))
    return x, x + 1e-9 * r.normal(size=(8, 2)), {}


@zoo("cloud close")
def shared_support_and_nearly_equal_weights():
    r = random(31)
    x, a = r.random((8, 2)), r.random(8)
    b = a * (1 + 1e-9 * r.normal(size=8))
    return measure(x, a), measure(x, b * (a.sum() / b.sum())), {}


@zoo("cloud")
def two_against_nine():
    r = random(32)
    return r.random((2, 2)), r.random((9, 2)), {}


@zoo("cloud")
def plane_order_three_halves():
    r = random(33)
    return r.random((8, 2)), r.random((7, 2)), {"order": 1.5}


@zoo("cloud")
def plane_order_2():
    r = random(34)
    return r.random((8, 2)), r.random((7, 2)), {"order": 2}


@zoo("cloud")
def cityblock_order_3():
    r = random(35)
    return r.random((6, 3)), r.random((8, 3)), {"metric": "cityblock", "order": 3}


@zoo("cloud")
def chebyshev_order_11_tenths():
    r = random(36)
    return r.random((6, 2)), r.random((8, 2)), {"metric": "chebyshev", "order": 1.1}


@zoo("cloud units")
def cloud_at_scale_1e_minus_100():
    r = random(37)
    return 1e-100 * r.random((8, 2)), 1e-100 * r.random((8, 2)), {}


@zoo("cloud units")
def cloud_at_scale_1e_minus_100_order_2():
    r = random(38)
    return 1e-100 * r.random((8, 2)), 1e-100 * r.random((8, 2)), {"order": 2}


@zoo("cloud units")
def cloud_at_scale_1e100():
    r = random(39)
    return 1e100 * r.random((8, 2)), 1e100 * r.random((8, 2)), {}


@zoo("cloud dtype")
def samples_in_single_precision():
    r = random(40)
    return r.random((8, 2), dtype=np.float32), r.random((8, 2), dtype=np.float32), {}


@zoo("cloud weights")
def cloud_with_weights_of_1e_minus_12():
    r = random(41)
    a, b = np.ones(8), np.ones(8)
    a[1], b[4] = 1e-12, 1e-12
    return measure(r.random((8, 2)), a), measure(r.random((8, 2)), b), {}


@zoo("cloud zeros")
def cloud_with_zero_weights():
    r = random(42)
    return measure(r.random((6, 2)), [0, 1, 2, 0, 3, 0]), measure(r.random((5, 2)), [2, 0, 0, 2, 2]), {}


# -- matrices ---------------------------------------------------------------------------------------------------


@zoo("dense", Fraction(3, 2))
def two_by_two():
    return [0.5, 0.5], [0.25, 0.75], {"cost": [[1, 3], [2, 1]]}


@zoo("dense")
def integer_costs_and_weights():
    r = random(50)
    return counts(r, 6), counts(r, 7), {"cost": r.integers(0, 50, (6, 7))}


@zoo("dense")
def uniform_costs():
    r = random(51)
    return counts(r, 8), counts(r, 8), {"cost": r.random((8, 8))}


@zoo("dense negative")
def negative_costs():
    r = random(52)
    return counts(r, 6), counts(r, 6), {"cost": r.uniform(-6, -3, (6, 6))}


@zoo("dense negative")
def costs_of_both_signs():
    r = random(53)
    return counts(r, 6), counts(r, 5), {"cost": r.normal(size=(6, 5))}


@zoo("dense forbidden")
def diagonal_forbidden():
    M = random(54).random((6, 6))
    np.fill_diagonal(M, INF)
    return np.ones(6), np.ones(6), {"cost": M}


@zoo("dense forbidden", 3 + 5 + 8)
def only_the_diagonal_allowed():
    return [1, 1, 1], [1, 1, 1], {"cost": [[3, INF, INF], [INF, 5, INF], [INF, INF, 8]]}


@zoo("dense forbidden")
def half_of_the_arcs_forbidden():
    r = random(55)
    M = np.where(r.random((7, 7)) < 0.5, INF, r.random((7, 7)))
    np.fill_diagonal(M, 1.0)
    a = counts(r, 7)
    return a, a, {"cost": M}


@zoo("dense huge")
def costs_of_1e32_beside_1():
    r = random(56)
    M = np.where(r.random((7, 7)) < 0.4, 1e32, r.random((7, 7)))
    np.fill_diagonal(M, 1.0)
    a = counts(r, 7)
    return a, a, {"cost": M}


@zoo("dense huge")
def one_arc_of_1e32_is_needed():
    return [1, 1], [1, 1], {"cost": [[1, 2], [1e32, 1e32]]}


@zoo("dense units")
def costs_of_1e_minus_100():
    r = random(57)
    return counts(r, 6), counts(r, 6), {"cost": 1e-100 * r.random((6, 6))}


@zoo("dense units")
def costs_of_1e100():
    r = random(58)
    return counts(r, 6), counts(r, 6), {"cost": 1e100 * r.random((6, 6))}


@zoo("dense units")
def masses_of_1e_minus_100():
    r = random(59)
    return 1e-100 * counts(r, 6), 1e-100 * counts(r, 6), {"cost": r.random((6, 6))}


@zoo("dense units")
def masses_of_1e100():
    r = random(60)
    return 1e100 * counts(r, 6), 1e100 * counts(r, 6), {"cost": r.random((6, 6))}


@zoo("dense offset")
def costs_offset_by_1e8():
    r = random(61)
    return counts(r, 6), counts(r, 6), {"cost": 1e8 + r.random((6, 6))}


@zoo("dense offset", 3 * 8 + 1 * 8)
def separable_costs():
    r, c = np.arange(1.0, 9.0) % 5, np.full(8, 1.0)
    return np.ones(8), np.ones(8), {"cost": r[:, None] + c + (3 - r.mean())}


@zoo("dense", 7 * 4)
def all_costs_equal():
    return np.ones(4), np.ones(4), {"cost": np.full((4, 4), 7.0)}


@zoo("dense dtype", Fraction(1, 2))
def total_variation_by_bool_costs():
    return [0.5, 0.25, 0.25], [0.25, 0.0, 0.75], {"cost": ~np.eye(3, dtype=bool)}


@zoo("dense")
def assignment():
    r = random(62)
    return np.ones(8), np.ones(8), {"cost": r.integers(0, 20, (8, 8))}


@zoo("dense single")
def one_row():
    r = random(63)
    return [64.0], counts(r, 5), {"cost": r.random((1, 5))}


@zoo("dense single")
def one_column():
    r = random(64)
    return counts(r, 5), [64.0], {"cost": r.random((5, 1))}


@zoo("dense weights")
def pareto_weights_over_twelve_decades():
    r = random(65)
    a, b = 10.0 ** r.uniform(-12, 0, 7), 10.0 ** r.uniform(-12, 0, 8)
    return a, b * (a.sum() / b.sum()), {"cost": r.random((7, 8))}


@zoo("dense zeros")
def zero_weights_and_costs():
    r = random(66)
    return [0, 2, 0, 3, 1], [3, 0, 0, 3], {"cost": r.integers(0, 3, (5, 4)) * 1.0}


@zoo("dense weights")
def sums_that_differ_by_rounding():
    r = random(67)
    a, b = r.random(8), r.random(8)
    return a / a.sum(), b / b.sum(), {"cost": r.random((8, 8))}


def cycle(n: int) -> Any:
    """Distances along a cycle of n nodes."""
    k = np.abs(np.arange(n)[:, None] - np.arange(n))
    return np.minimum(k, n - k).astype(float)


@zoo("dense metric")
def cycle_metric():
    r = random(68)
    return counts(r, 8), counts(r, 8), {"metric": cycle(8)}


@zoo("dense metric")
def cycle_metric_order_2():
    r = random(69)
    return counts(r, 8), counts(r, 8), {"metric": cycle(8), "order": 2}


@zoo("dense metric")
def noisy_graph_metric_order_three_halves():
    r = random(70)
    D = np.triu(r.uniform(1, 2, (7, 7)), 1)  # any distances between 1 and 2 obey the triangle inequality
    return counts(r, 7), counts(r, 7), {"metric": D + D.T, "order": 1.5}


@zoo("dense metric", Fraction(1, 2))
def discrete_metric_is_total_variation():
    return [0.5, 0.25, 0.25], [0.25, 0.0, 0.75], {"metric": 1 - np.eye(3)}


@zoo("dense metric equal", 0)
def metric_against_itself():
    a = random(71).random(8)
    return a, a, {"metric": cycle(8)}


@zoo("dense metric close")
def metric_with_one_grain_moved():
    a = np.full(8, 1 / 8)
    b = a.copy()
    b[0] -= 2.0**-40
    b[4] += 2.0**-40
    return a, b, {"metric": cycle(8)}


@zoo("dense metric", 6)
def far_nodes_of_a_path():
    path = np.abs(np.arange(7.0)[:, None] - np.arange(7))
    return np.eye(7)[0], np.eye(7)[6], {"metric": path}


# -- the families of the benchmarks, a few points each -----------------------------------------------------------


def _of_the_benchmarks() -> None:
    for name, kind in families().items():
        if not kind.data and not kind.missing:
            instance = Instance(name, 6)
            _, _, options = instance.arguments()
            shape = "dense" if {"cost", "metric"} & set(options) else "line" if name.startswith("line") else "cloud"
            ZOO.append(Zoo(f"benchmark {name}", instance.arguments, frozenset({shape, "benchmark"})))


_of_the_benchmarks()
