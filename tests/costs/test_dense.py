"""Stored costs: what is accepted, what restriction and scaling keep, and the proved enclosures of powers."""

from __future__ import annotations

from fractions import Fraction

import naive
import numpy as np
import pytest

from otcore.costs import EXACT, DenseCost, MatrixMetricCost
from otcore.errors import InvalidProblemError, NonFiniteError, ShapeError

INF = np.inf
EXPONENTS = [1.0, 1.3, 1.5, 2.0, 2.5, 3.0, 4.0, 7.0]


def distances(rng, n=6):
    D = np.abs(rng.normal(size=(n, n))) * 10.0 ** rng.integers(-3, 4, (n, n))
    np.fill_diagonal(D, 0.0)
    return D


# -- the matrix as given ---------------------------------------------------------------------------------------


def test_a_c_ordered_float_matrix_is_viewed_not_copied_and_never_changed():
    M = np.random.default_rng(0).random((4, 3))
    cost = DenseCost(M)
    assert np.shares_memory(cost.M, M)
    assert not cost.M.flags.writeable
    assert M.flags.writeable
    dense = cost.to_dense()
    dense[:] = 7.0
    assert not (M == 7.0).any()


def test_traits_are_declared_and_finite_means_no_forbidden_arc():
    assert DenseCost([[1.0, 2.0]]).traits == {"dense", "finite"}
    assert DenseCost([[1.0, INF]]).traits == {"dense"}
    assert MatrixMetricCost([[0.0, 1.0], [1.0, 0.0]]).traits == {"dense", "finite", "metric"}
    assert "metric" not in MatrixMetricCost([[0.0, 1.0], [1.0, 0.0]], 2.0).traits
    with np.errstate(over="raise"):
        assert "finite" in DenseCost(np.full((9, 9), 1e308)).traits


@pytest.mark.parametrize("M", [np.zeros((0, 3)), np.zeros((2, 2, 2)), 1.0, [1.0]])
def test_only_a_non_empty_matrix_is_one(M):
    with pytest.raises(ShapeError, match="M has shape"):
        DenseCost(M)


def test_bounds_are_those_of_the_finite_entries():
    assert DenseCost([[1.0, INF], [-3.0, 2.0]]).bounds() == (-3.0, 2.0)
    assert DenseCost([[INF, INF]]).bounds() == (0.0, 0.0)
    D = distances(np.random.default_rng(0))
    lo, hi = MatrixMetricCost(D, 1.3).bounds()
    powers = [naive.real_power(Fraction(float(d)), Fraction(1.3)) for d in D.ravel()]
    assert Fraction(lo) <= min(powers)
    assert max(powers) <= Fraction(hi)


def test_restriction_is_the_submatrix_in_the_order_asked_for():
    rng = np.random.default_rng(0)
    M, i, j = rng.random((6, 5)), np.array([4, 0, 2]), np.array([3, 1])
    cost = DenseCost(M).restrict(i, j)
    np.testing.assert_array_equal(cost.to_dense(), M[i][:, j])
    assert cost.shape == (3, 2)
    assert cost.M.flags.c_contiguous


def test_scaling_up_is_exact_and_scaling_down_says_what_underflow_lost():
    M = np.array([[1.0, 3.0], [1e-300, 2.0]])
    up = DenseCost(M).scaled(20)
    np.testing.assert_array_equal(up.M, M * 2.0**20)
    assert up.enclosure == EXACT
    assert DenseCost(M).scaled(-10).enclosure == EXACT
    down = DenseCost(M).scaled(-60)
    for i, j in np.ndindex(2, 2):
        exact = Fraction(M[i, j]) / 2**60
        index = np.array([i]), np.array([j])
        assert Fraction(float(down._lower[i, j])) <= exact <= Fraction(float(down.at_upper(*index)[0]))
    assert not down.enclosure.exact


def test_rounding_scale_is_mass_times_spread_plus_row_and_column_minima():
    M = np.array([[1.0, 4.0], [2.0, 9.0], [INF, 3.0]])
    a, b = np.array([0.5, 0.25, 0.25]), np.array([0.5, 0.5])
    rows = np.array([1.0, 2.0, 3.0])
    left = M - rows[:, None]  # 0 3 / 0 7 / inf 0: column minima are 0, the spread 7
    assert DenseCost(M).rounding_scale(a, b) == 1.0 * 7.0 + a @ rows
    assert left[1, 1] == 7.0
    offset = DenseCost(M + 1e6).rounding_scale(a, b)
    assert offset == pytest.approx(7.0 + a @ rows + 1e6)


# -- powers of a distance matrix -------------------------------------------------------------------------------


@pytest.mark.parametrize("exponent", EXPONENTS)
@pytest.mark.parametrize("unit", [1e-160, 1e-40, 1.0, 1e30])
def test_powers_lie_within_their_proved_enclosure(exponent, unit):
    D = distances(np.random.default_rng(3)) * unit
    cost = MatrixMetricCost(D, exponent)
    i, j = (v.ravel() for v in np.indices(D.shape))
    upper, lower = cost.at_upper(i, j), cost._lower[i, j]
    for k in range(i.size):
        exact = naive.real_power(Fraction(float(D[i[k], j[k]])), Fraction(exponent))
        assert Fraction(float(lower[k])) <= exact <= Fraction(float(upper[k]))
        slack = 2 * (cost.enclosure.ulps + 5) * Fraction(2) ** -53 * exact + 8 * Fraction(2) ** -1074
        assert Fraction(float(upper[k])) - Fraction(float(lower[k])) <= slack
    assert (upper[i == j] == 0).all()
    assert cost.enclosure.proved == (exponent in (1.0, 1.5, 2.0, 2.5, 3.0, 4.0))
    assert cost.order == exponent


def test_a_distance_that_only_underflows_is_not_taken_for_zero():
    """Regression guard: M_hi is 0 exactly where the distance is 0, never where its power is too small for a float."""
    cost = MatrixMetricCost(np.array([[0.0, 1e-200], [1e-200, 0.0]]), 2.0)
    zero, one = np.array([0]), np.array([1])
    assert cost.at_upper(zero, zero)[0] == 0.0
    assert Fraction(float(cost.at_upper(zero, one)[0])) >= Fraction(1e-200) ** 2
    assert cost.bounds()[1] > 0
    scaled = MatrixMetricCost(np.array([[0.0, 1e-300], [1e-300, 0.0]])).scaled(-100)
    assert Fraction(float(scaled.at_upper(zero, one)[0])) >= Fraction(1e-300) / 2**100


def test_forbidden_distances_stay_forbidden_and_overflow_is_an_error():
    for exponent in EXPONENTS:
        cost = MatrixMetricCost([[0.0, INF], [INF, 0.0]], exponent)
        assert np.isposinf(cost.M[0, 1])
        assert cost.at_upper(np.array([0]), np.array([1]))[0] == INF
    with pytest.raises(NonFiniteError, match=r"overflows; divide"):
        MatrixMetricCost([[0.0, 1e200], [1e200, 0.0]], 2.0)


def test_a_metric_matrix_is_square_and_not_negative():
    with pytest.raises(ShapeError, match="square"):
        MatrixMetricCost(np.zeros((2, 3)))
    with pytest.raises(InvalidProblemError, match=r"metric\[1, 0\] is -1.0"):
        MatrixMetricCost([[0.0, 1.0], [-1.0, 0.0]])


@pytest.mark.parametrize("exponent", [1.0, 2.0, 1.3])
def test_a_restricted_metric_remembers_which_node_is_which(exponent):
    rng = np.random.default_rng(0)
    D = distances(rng)
    i, j = np.array([5, 1, 3]), np.array([0, 3, 4, 5])
    cost = MatrixMetricCost(D, exponent).restrict(i, j)
    rows, columns = cost.common()
    assert sorted(zip(i[rows].tolist(), j[columns].tolist(), strict=True)) == [(3, 3), (5, 5)]
    np.testing.assert_array_equal(cost.M, MatrixMetricCost(D, exponent).M[np.ix_(i, j)])
    assert cost.union() is None
    k, h = np.array([2, 0]), np.array([1, 3])
    assert cost.at_upper(k, h).tolist() == [0.0, 0.0], "the diagonal of the support is free after restriction too"
    twice = cost.restrict(np.array([2]), np.array([1]))
    assert twice.common()[0].tolist() == [0]
    assert twice.union() is not None
    scaled = cost.scaled(-3)
    np.testing.assert_array_equal(scaled.M, cost.M / 8)
    assert scaled.common()[0].tolist() == rows.tolist()
    assert scaled.traits == cost.traits


def test_new_points_of_a_metric_matrix_are_node_numbers():
    D = distances(np.random.default_rng(0))
    np.testing.assert_array_equal(MatrixMetricCost(D).from_points(np.array([4, 0])), D[[4, 0]])
    for bad in ([0.7], [-1], [6], [[0, 1]], [np.nan]):
        with pytest.raises(ShapeError, match="integers from 0 to 5"):
            MatrixMetricCost(D).from_points(np.array(bad))
