"""LineCost: entries within their enclosures, potentials feasible in real arithmetic."""

from __future__ import annotations

from fractions import Fraction

import naive
import numpy as np
import pytest

from otcore.costs import Cost, LineCost
from otcore.errors import InvalidProblemError, NonFiniteError, ShapeError

EXPONENTS = [1.0, 1.3, 1.5, 2.0, 2.5, 3.0, 4.0, 7.0]
ETA = Fraction(2) ** -1074


def real(cost, i, j):
    """M_ij as a real number, to 300 bits."""
    distance = abs(Fraction(float(cost.x[i])) - Fraction(float(cost.y[j])))
    return naive.real_power(distance, cost.exponent) * Fraction(2) ** cost.shift


def real_matrix(cost):
    n, m = cost.shape
    return [[real(cost, i, j) for j in range(m)] for i in range(n)]


def assert_feasible(cost, f, g):
    F, G = [Fraction(v) for v in f.tolist()], [Fraction(v) for v in g.tolist()]
    for i, row in enumerate(real_matrix(cost)):
        for j, entry in enumerate(row):
            assert F[i] + G[j] <= entry, (i, j)


def positions(kind, n, rng):
    return {
        "normal": lambda: rng.normal(size=n),
        "ties": lambda: rng.integers(-3, 4, n).astype(float),
        "offset": lambda: 1e8 + rng.normal(size=n),
        "neighbours": lambda: 1 + rng.integers(0, 9, n) * 2.0**-52,
        "small": lambda: rng.normal(size=n) * 1e-30,
        "large": lambda: rng.normal(size=n) * 1e30,
    }[kind]()


KINDS = ["normal", "ties", "offset", "neighbours", "small", "large"]


@pytest.mark.parametrize("exponent", EXPONENTS)
@pytest.mark.parametrize("kind", KINDS)
def test_real_costs_lie_within_the_enclosure(exponent, kind):
    rng = np.random.default_rng(1)
    cost = LineCost(positions(kind, 12, rng), positions(kind, 15, rng), exponent)
    for view in (cost, cost.scaled(7), cost.scaled(-7)):
        M = view.to_dense()
        lower, upper = view.enclosure.lower(M), view.enclosure.upper(M)
        lo, hi = view.bounds()
        for i, j in np.ndindex(view.shape):
            truth = real(view, i, j)
            assert Fraction(float(lower[i, j])) <= truth <= Fraction(float(upper[i, j]))
            assert Fraction(lo) <= truth <= Fraction(hi)


@pytest.mark.parametrize("exponent", [1.0, 1.3, 1.5, 2.0, 3.0, 4.0])
@pytest.mark.parametrize("shift", [0, 41, -61])
def test_powers_that_underflow_stay_within_the_enclosure(exponent, shift):
    d = [5e-324, 1e-310, 3e-300, 1e-245, 7e-245, 1e-200, 1e-162, 1e-155, 1e-110, 1e-100, 1e-81, 1e-78, 1.0]
    cost = LineCost(d, [0.0], exponent).scaled(shift)
    M = cost.to_dense()
    lower, upper = cost.enclosure.lower(M), cost.enclosure.upper(M)
    for i in range(len(d)):
        assert Fraction(float(lower[i, 0])) <= real(cost, i, 0) <= Fraction(float(upper[i, 0]))


def test_rows_pairs_and_points_agree():
    rng = np.random.default_rng(2)
    for exponent in EXPONENTS:
        cost = LineCost(rng.normal(size=6), rng.normal(size=5), exponent)
        M = cost.to_dense()
        i, j = np.array([0, 5, 3]), np.array([4, 4, 0])
        np.testing.assert_array_equal(cost.rows(2, 4), M[2:4])
        np.testing.assert_array_equal(cost.at(i, j), M[i, j])
        np.testing.assert_array_equal(cost.from_points(cost.x[i]), M[i])


def test_only_coinciding_points_cost_nothing():
    cost = LineCost([0.0, 1.0, 5e-324], [1.0, 0.0], 2)
    upper = cost.at_upper(np.array([0, 0, 1, 2]), np.array([0, 1, 0, 1]))
    assert upper[0] >= 1
    assert (upper[1], upper[2]) == (0.0, 0.0)
    assert upper[3] > 0  # its square underflows, and is not zero


@pytest.mark.parametrize("exponent", EXPONENTS)
@pytest.mark.parametrize("shift", [0, 1, -3, 40, -64])
def test_scaled_is_the_cost_times_a_power_of_two_exactly(exponent, shift):
    rng = np.random.default_rng(3)
    cost = LineCost(rng.normal(size=4), rng.normal(size=3), exponent)
    scaled = cost.scaled(shift)
    for i, j in np.ndindex(cost.shape):
        expected = real(cost, i, j) * Fraction(2) ** shift
        assert abs(real(scaled, i, j) - expected) <= expected * Fraction(1, 10**60)  # roots are taken to 300 bits
    assert real_matrix(scaled.scaled(-shift)) == real_matrix(cost)
    assert (scaled.order, scaled.traits) == (cost.order, cost.traits)


def test_scaling_that_would_lose_bits_of_a_position_moves_into_the_shift():
    cost = LineCost([1e-300, 3.0], [1e250, 0.0])
    scaled = cost.scaled(-900)
    assert (scaled.shift, scaled.x[0]) == (-900, 1e-300)
    top = scaled.bounds()[1]
    f, g = scaled.lift(np.array([top / 4, 0.0]))
    assert_feasible(scaled, f, g)
    u_x, u_y = ((scaled.from_points(z) - g).min(axis=1) for z in (scaled.x, scaled.y))
    on_grid, minus_u_y = scaled.grid_lift(u_x, u_y)
    assert_feasible(scaled, on_grid, minus_u_y)
    np.testing.assert_allclose(on_grid, u_x, rtol=0, atol=1e-15 * top)
    np.testing.assert_allclose(minus_u_y, -u_y, rtol=0, atol=1e-15 * top)


def test_restrict_is_the_submatrix():
    rng = np.random.default_rng(4)
    cost = LineCost(rng.normal(size=6), rng.normal(size=5), 2, order=1.5).scaled(1)
    i, j = np.array([4, 1]), np.array([0, 3, 2])
    part = cost.restrict(i, j)
    np.testing.assert_array_equal(part.to_dense(), cost.to_dense()[np.ix_(i, j)])
    assert (part.order, part.traits) == (1.5, cost.traits)
    f, g = part.lift(np.array([0.3, -0.1]))
    assert_feasible(part, f, g)


def test_common_pairs_identical_points_each_once():
    cost = LineCost([2.0, 0.0, 2.0, -1.0, 2.0], [2.0, 7.0, 0.0, -0.0, 2.0])
    i, j = cost.common()
    assert sorted(cost.x[i].tolist()) == [0.0, 2.0, 2.0]
    np.testing.assert_array_equal(cost.x[i], cost.y[j])
    assert len(set(i.tolist())) == len(set(j.tolist())) == 3
    assert LineCost([1.0], [1.0], 2).common()[0].size == 0


def test_union_holds_every_point_once():
    cost = LineCost([2.0, 0.0, 2.0], [1.0, 0.0])
    union, rows, columns = cost.union()
    assert union.x.tolist() == union.y.tolist() == [0.0, 1.0, 2.0]
    np.testing.assert_array_equal(union.to_dense()[np.ix_(rows, columns)], cost.to_dense())


@pytest.mark.parametrize("exponent", EXPONENTS)
@pytest.mark.parametrize("kind", KINDS)
def test_lifted_potentials_are_feasible_in_real_arithmetic(exponent, kind):
    rng = np.random.default_rng(5)
    for n, m in ((1, 1), (1, 4), (9, 8)):
        cost = LineCost(positions(kind, n, rng), positions(kind, m, rng), exponent)
        top = cost.bounds()[1]
        for f in (np.zeros(n), rng.normal(size=n) * top, cost.to_dense()[:, 0] - rng.random() * top):
            assert_feasible(cost, *cost.lift(f))


@pytest.mark.parametrize("exponent", EXPONENTS)
def test_the_lift_leaves_no_row_and_no_column_loose(exponent):
    rng = np.random.default_rng(9)
    cost = LineCost(rng.normal(size=20), rng.normal(size=25), exponent)
    top = cost.bounds()[1]
    f, g = cost.lift(rng.normal(size=20) * top)
    loose = cost.to_dense() - f[:, None] - g
    assert loose.min(axis=1).max() <= 1e-13 * top
    assert loose.min(axis=0).max() <= 1e-13 * top


@pytest.mark.parametrize("exponent", EXPONENTS)
def test_ctransforms_agree_with_the_streaming_default(exponent):
    rng = np.random.default_rng(6)
    cost = LineCost(rng.normal(size=40), rng.normal(size=30), exponent)
    # A few brackets of 2 (k + 4) u M on each of log2 m levels, and the rounding of M - h.
    tolerance = (8 * (cost.enclosure.ulps + 4) * 2.0**-53) * 4 * cost.bounds()[1]
    for axis, size in ((0, 40), (1, 30)):
        for h in (np.zeros(size), rng.normal(size=size)):
            expected = Cost.ctransform(cost, h, axis)
            np.testing.assert_allclose(cost.ctransform(h, axis), expected, rtol=0, atol=tolerance)


def test_the_order_of_the_points_does_not_matter():
    rng = np.random.default_rng(7)
    x, y, f = rng.normal(size=20), rng.normal(size=25), rng.normal(size=20)
    p, q = rng.permutation(20), rng.permutation(25)
    for exponent in (1, 2):
        f1, g1 = LineCost(x, y, exponent).lift(f)
        f2, g2 = LineCost(x[p], y[q], exponent).lift(f[p])
        np.testing.assert_array_equal(f1[p], f2)
        np.testing.assert_array_equal(g1[q], g2)


def test_zero_potentials_stay_exactly_zero_on_one_support():
    x = np.array([3.0, -1.0, 0.5, 3.0])
    for exponent in EXPONENTS:
        f, g = LineCost(x, x[::-1], exponent).lift(np.zeros(4))
        assert not f.any()
        assert not g.any()


def test_a_feasible_pair_on_integers_is_not_lowered():
    """Order 1 decides exactly: u(x) = -x stays what it is."""
    x, y = np.array([1.0, 2.0, 3.0]), np.array([7.0, 8.0, 9.0, 10.0])
    f, g = LineCost(x, y).lift(-x)
    assert (f.tolist(), g.tolist()) == ((-x).tolist(), y.tolist())


@pytest.mark.parametrize("kind", KINDS)
def test_one_lipschitz_function_is_exactly_opposite_at_common_points(kind):
    rng = np.random.default_rng(8)
    x = positions(kind, 12, rng)
    y = np.append(positions(kind, 8, rng), x[:5])
    cost = LineCost(x, y)
    _, g = cost.lift(rng.normal(size=12) * cost.bounds()[1])
    u_x, u_y = ((cost.from_points(z) - g).min(axis=1) for z in (x, y))  # 1-Lipschitz but for rounding
    f, g = cost.grid_lift(u_x, u_y)
    assert_feasible(cost, f, g)
    np.testing.assert_array_equal(g[8:], -f[:5])
    # Each of the 25 points flattens u by at most a grid step, and by what rounding left too steep.
    top = max(np.abs(u_x).max(), np.abs(u_y).max(), cost.bounds()[1])
    assert np.abs(f - u_x).max() <= 25 * 4 * 2.0**-53 * top


def test_traits_and_order():
    assert LineCost([0.0], [1.0]).traits == {"line", "finite", "metric"}
    assert LineCost([0.0], [1.0], 2).traits == {"line", "finite"}
    assert LineCost([0.0], [1.0], 2).order == 2
    assert LineCost([0.0], [1.0], 2, order=1).order == 1


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (([], [1.0]), ShapeError),
        (([[1.0, 2.0], [3.0, 4.0]], [1.0]), ShapeError),
        (([np.nan], [1.0]), NonFiniteError),
        (([1e200], [0.0], 2.0), NonFiniteError),
        (([1e308], [-1e308]), NonFiniteError),
        (([1e-100], [0.0], 3.3), NonFiniteError),
        (([0.0], [1.0], 0.5), InvalidProblemError),
        (([0.0], [1.0], np.inf), InvalidProblemError),
    ],
)
def test_refusals_are_typed(arguments, error):
    with pytest.raises(error):
        LineCost(*arguments)
