"""CloudCost: entries within their enclosures, potentials feasible in real arithmetic, no distance lost."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction

import naive
import numpy as np
import pytest

import otcore
from otcore.costs import CloudCost, Cost
from otcore.errors import InvalidProblemError, NonFiniteError, ShapeError, UnsupportedProblemError

METRICS = ["euclidean", "cityblock", "chebyshev"]
EXPONENTS = [1.0, 1.3, 1.5, 2.0, 2.5, 3.0, 4.0, 7.0, 9.5]
CLOUDS = {
    "normal": lambda n, d, rng: rng.normal(size=(n, d)),
    "lattice": lambda n, d, rng: rng.integers(-2, 3, (n, d)).astype(float),
    "offset": lambda n, d, rng: 1e8 + rng.normal(size=(n, d)),
    "neighbours": lambda n, d, rng: 1 + rng.integers(0, 9, (n, d)) * 2.0**-52,
    "nanometres": lambda n, d, rng: rng.normal(size=(n, d)) * 1e-9,
    "small": lambda n, d, rng: rng.normal(size=(n, d)) * 1e-100,
    "large": lambda n, d, rng: rng.normal(size=(n, d)) * 1e30,
    "mixed scales": lambda n, d, rng: rng.normal(size=(n, d)) * 10.0 ** rng.integers(-300, 2, (n, d)),
}


def assert_enclosed(cost):
    """``M_lo <= M <= M_hi`` and ``lo <= M <= hi``, and the pairwise upper bounds, in real arithmetic."""
    M, truth = cost.to_dense(), naive.cloud_matrix(cost)
    lower, upper = cost.enclosure.lower(M), cost.enclosure.upper(M)
    tight = cost.at_upper(*map(np.ravel, np.indices(M.shape))).reshape(M.shape)
    lo, hi = cost.bounds()
    for i, j in np.ndindex(M.shape):
        assert Fraction(lower[i, j]) <= truth[i][j] <= Fraction(tight[i, j]) <= Fraction(upper[i, j]), (i, j)
        assert Fraction(lo) <= truth[i][j] <= Fraction(hi)


def assert_feasible(cost, f, g):
    F, G, truth = [Fraction(v) for v in f], [Fraction(v) for v in g], naive.cloud_matrix(cost)
    for i, j in np.ndindex(cost.shape):
        assert F[i] + G[j] <= truth[i][j], (i, j)


# -- entries ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize("exponent", EXPONENTS)
@pytest.mark.parametrize("metric", METRICS)
def test_real_distances_lie_within_the_enclosure(metric, exponent, cloud):
    rng = np.random.default_rng(0)
    for d in (1, 2, 10):
        cost = CloudCost(CLOUDS[cloud](5, d, rng), CLOUDS[cloud](6, d, rng), metric, exponent)
        assert_enclosed(cost)
        assert_enclosed(cost.scaled(-80))


@pytest.mark.parametrize("shift", [0, 41, -61])
@pytest.mark.parametrize("exponent", [1.0, 1.3, 1.5, 2.0, 3.0, 4.0])
@pytest.mark.parametrize("metric", METRICS)
def test_differences_that_underflow_stay_within_the_enclosure(metric, exponent, shift):
    sizes = [0.0, 5e-324, 1e-310, 1e-300, 3e-245, 1e-200, 1e-162, 1e-155, 1e-140, 1e-100, 1e-78]
    x = [[s, t] for s in sizes for t in (0.0, 1e-300, 1e-162)]
    for largest in (1.0, 1e-100, 1e-290):
        cost = CloudCost([*np.minimum(x, largest).tolist(), [0.0, largest]], [[0.0, 0.0]], metric, exponent)
        assert_enclosed(cost.scaled(shift))


@pytest.mark.parametrize("scale", [2.0**-1000, 2.0**-500, 2.0**-100, 2.0**300])
def test_euclidean_distances_do_not_depend_on_the_unit(scale):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(20, 2)), rng.normal(size=(30, 2))
    unit, other = CloudCost(x, y), CloudCost(x * scale, y * scale)
    np.testing.assert_array_equal(other.to_dense(), unit.to_dense() * scale)
    M = other.to_dense()
    np.testing.assert_array_equal(other.enclosure.lower(M), unit.enclosure.lower(unit.to_dense()) * scale)


def test_an_enclosure_is_as_narrow_as_the_table_says():
    def ulps(d, metric, exponent):
        return CloudCost(np.zeros((1, d)), np.ones((1, d)), metric, exponent).enclosure.ulps

    assert [ulps(d, "euclidean", 2) for d in (2, 3, 10)] == [4, 5, 12]
    assert [ulps(d, "euclidean", 1) for d in (1, 2, 3, 10)] == [1, 3, 4, 7]
    assert [ulps(d, "cityblock", 1) for d in (1, 2, 3, 10)] == [1, 2, 3, 10]
    assert [ulps(d, "chebyshev", 1) for d in (1, 2, 3, 10)] == [1, 1, 1, 1]
    assert [ulps(1, "euclidean", p) for p in (2, 3, 1.5, 2.5)] == [3, 5, 4, 6]
    assert CloudCost([0.0], [1.0], exponent=2.5).enclosure.proved
    assert not CloudCost([0.0], [1.0], exponent=2.4).enclosure.proved


def test_points_that_coincide_cost_exactly_nothing():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(9, 3))
    for metric in METRICS:
        for exponent in EXPONENTS:
            cost = CloudCost(x, x + 0.0, metric, exponent)
            i = np.arange(9)
            assert (cost.at_upper(i, i) == 0).all()
            assert (cost.at_upper(i, (i + 1) % 9) > cost.at(i, (i + 1) % 9)).all()
    near = CloudCost([[0.0, 0.0]], [[1e-300, 0.0], [1.0, 1.0]])  # the square underflows, the distance is not 0
    assert near.at_upper(np.array([0]), np.array([0]))[0] >= 1e-300


@pytest.mark.parametrize("exponent", EXPONENTS)
@pytest.mark.parametrize("metric", METRICS)
def test_rows_pairs_and_points_agree(metric, exponent):
    rng = np.random.default_rng(3)
    for n, m, d in ((1, 1, 2), (9, 300, 2), (70, 11, 5)):
        x, y = rng.normal(size=(n, d)), rng.normal(size=(m, d))
        cost = CloudCost(x, y, metric, exponent)
        M = cost.to_dense()
        i, j = rng.integers(0, n, 50), rng.integers(0, m, 50)
        np.testing.assert_array_equal(cost.at(i, j), M[i, j])
        np.testing.assert_array_equal(cost.from_points(x), M)
        np.testing.assert_array_equal(cost.rows(n - 1, n), M[n - 1 :])
        np.testing.assert_array_equal(cost.restrict(i, j).to_dense(), M[np.ix_(i, j)])


# -- structure -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("exponent", EXPONENTS)
@pytest.mark.parametrize("shift", [1, -1, 60, -700, 333])
def test_scaled_multiplies_every_entry_by_the_power_of_two(exponent, shift):
    rng = np.random.default_rng(4)
    cost = CloudCost(rng.normal(size=(6, 3)), rng.normal(size=(7, 3)), "euclidean", exponent)
    scaled = cost.scaled(shift)
    np.testing.assert_array_equal(scaled.to_dense(), np.ldexp(cost.to_dense(), shift))
    np.testing.assert_array_equal(scaled.scaled(-shift).to_dense(), cost.to_dense())
    np.testing.assert_array_equal(scaled.x, cost.x)
    assert scaled.order == cost.order
    assert scaled.traits == cost.traits
    assert_enclosed(scaled)


def test_squares_below_the_smallest_float_come_back_when_scaled():
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(5, 2)), rng.normal(size=(5, 2))
    tiny = CloudCost(np.ldexp(x, -530), np.ldexp(y, -530), exponent=2)  # costs of about 2^-1060
    expected = CloudCost(x, y, exponent=2).to_dense()
    np.testing.assert_array_equal(tiny.scaled(1060).to_dense(), expected)


@pytest.mark.filterwarnings("ignore:overflow encountered")  # NumPy says so when Numba is disabled
def test_scaling_to_infinity_is_refused():
    with pytest.raises(NonFiniteError, match="overflows"):
        CloudCost([[1e150, 0.0]], [[0.0, 0.0]]).scaled(700)


def test_common_points_are_paired_once_and_for_metrics_only():
    x = [[0.0, 1.0], [2.0, 2.0], [0.0, 1.0], [-0.0, 3.0]]
    y = [[5.0, 5.0], [0.0, 1.0], [0.0, 3.0], [2.0, 2.0], [2.0, 2.0]]
    i, j = CloudCost(x, y).common()
    assert dict(zip(i.tolist(), j.tolist(), strict=True)) in ({0: 1, 1: 3, 3: 2}, {2: 1, 1: 3, 3: 2})
    assert CloudCost(x, y, exponent=2).common()[0].size == 0


def test_the_union_has_every_point_once():
    x, y = [[0.0, 1.0], [2.0, 2.0], [0.0, 1.0], [-0.0, 3.0]], [[0.0, 3.0], [5.0, 5.0]]
    cost = CloudCost(x, y, "cityblock")
    union, rows, columns = cost.union()
    assert union.shape == (4, 4)
    np.testing.assert_array_equal(union.to_dense()[np.ix_(rows, columns)], cost.to_dense())
    np.testing.assert_array_equal(union.at(rows, rows), 0.0)


def test_traits_and_order():
    assert CloudCost([0.0], [1.0]).traits == {"cloud", "finite", "metric"}
    assert CloudCost([0.0], [1.0], exponent=2).traits == {"cloud", "finite"}
    assert CloudCost([0.0], [1.0], exponent=2).order == 2
    assert CloudCost([0.0], [1.0], exponent=2, order=1).order == 1


def test_the_callers_arrays_are_copied():
    x = np.array([[0.0, 0.0]])
    cost = CloudCost(x, [[3.0, 4.0]])
    x[:] = 7.0
    assert cost.rows(0, 1)[0, 0] == 5.0


# -- c-transforms ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize("exponent", [1.0, 1.3, 2.0, 3.0])
@pytest.mark.parametrize("metric", METRICS)
def test_lifted_potentials_are_feasible_for_the_real_distances(metric, exponent, cloud):
    rng = np.random.default_rng(6)
    for d in (1, 2, 4):
        cost = CloudCost(CLOUDS[cloud](7, d, rng), CLOUDS[cloud](8, d, rng), metric, exponent)
        size = cost.bounds()[1]
        for scale in (0.0, 1.0, 1e3, 1e-9):
            f = scale * size * rng.normal(size=7)
            assert_feasible(cost, *cost.lift(f))
            assert_feasible(cost, f, cost.ctransform(f, 0))
            g = np.resize(f, 8)
            assert_feasible(cost, cost.ctransform(g, 1), g)


@pytest.mark.parametrize("exponent", [1.0, 1.3, 1.5, 2.0])
@pytest.mark.parametrize("metric", METRICS)
def test_ctransform_equals_the_streaming_default(metric, exponent):
    rng = np.random.default_rng(7)
    for n, m, d in ((1, 3, 2), (8, 256, 2), (9, 257, 7), (300, 20, 1)):
        for cost in (c := CloudCost(rng.normal(size=(n, d)), rng.normal(size=(m, d)), metric, exponent), c.scaled(-9)):
            for axis, size in ((0, n), (1, m)):
                h = rng.normal(size=size)
                h.setflags(write=False)
                np.testing.assert_array_equal(cost.ctransform(h, axis), Cost.ctransform(cost, h, axis))


def test_large_clouds_are_pruned_and_stay_feasible(monkeypatch):
    rng = np.random.default_rng(8)
    cost = CloudCost(rng.normal(size=(40, 2)), rng.normal(size=(50, 2)))
    f = rng.normal(size=40)
    brute = cost.ctransform(f, 0)
    monkeypatch.setattr("otcore.costs.cloud.PRUNED_PAIRS", 0)
    pruned = cost.ctransform(f, 0)
    assert "_kd_x" in vars(cost)
    np.testing.assert_array_equal(pruned, brute)
    assert_feasible(cost, f, pruned)


def test_zero_potentials_of_equal_clouds_lift_to_exactly_zero():
    x = np.random.default_rng(9).normal(size=(50, 3))
    for exponent in EXPONENTS:
        assert (CloudCost(x, x, exponent=exponent).ctransform(np.zeros(50), 0) == 0).all()


# -- refusals --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        (([[1e200, 0.0]], [[0.0, 0.0]]), NonFiniteError, "divide both"),
        (([1e308], [-1e308], "cityblock"), NonFiniteError, "overflow"),
        (([[1e100]], [[0.0]], "chebyshev", 4), NonFiniteError, "overflow"),
        (([[0.0, np.nan]], [[0.0, 0.0]]), NonFiniteError, r"x\[0, 1\]"),
        (([[0.0, 0.0]], [[0.0]]), ShapeError, "dimension 2 and y of dimension 1"),
        ((np.zeros((2, 2, 2)), [[0.0]]), ShapeError, "x has shape"),
        (([], [0.0]), ShapeError, "at least one"),
        (([0.0], [1.0], "cosine"), UnsupportedProblemError, "euclidean, cityblock, chebyshev"),
        (([0.0], [1.0], "euclidean", 0.5), InvalidProblemError, ">= 1"),
        (([0.0], [1.0], "euclidean", np.nan), InvalidProblemError, ">= 1"),
    ],
)
def test_what_is_not_a_cloud_is_refused_with_the_reason(arguments, error, says):
    with pytest.raises(error, match=says):
        CloudCost(*arguments)


@pytest.mark.filterwarnings("ignore:overflow encountered")  # NumPy says so when Numba is disabled
def test_distances_from_bad_points_are_refused():
    cost = CloudCost([[0.0, 0.0]], [[1.0, 1.0]])
    with pytest.raises(ShapeError, match="dimension 3"):
        cost.from_points([[0.0, 0.0, 0.0]])
    with pytest.raises(NonFiniteError, match="distances"):
        cost.from_points([[1e300, 0.0]])


def test_importing_costs_does_not_import_numba():
    code = "import sys, otcore.costs; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("order", [1.01, 1.1, 2.3])
@pytest.mark.parametrize("metric", ["euclidean", "cityblock"])
@pytest.mark.parametrize("unit", [1e-310, 1e-150, 1e-60])
def test_orders_of_many_digits_take_points_of_any_unit(order, metric, unit):
    """Regression: such clouds are not zoomed; their error bounds, and the power of two that moves them, overflowed."""
    x, y = np.array([[0.0, 1], [2, 3]]) * unit, np.array([[1.0, 1], [4, 0]]) * unit
    s = otcore.solve(x, y, order=order, metric=metric)
    assert 0 <= s.lower <= s.upper and s.certificate.verify()
