"""A Problem is valid by construction."""

from __future__ import annotations

import copy
import dataclasses
import pickle

import numpy as np
import pytest

from otcore.costs import CloudCost, DenseCost, LineCost
from otcore.errors import MassMismatchError, NonFiniteError, ShapeError
from otcore.problem import Problem, marginal_matrix

M = np.arange(6.0).reshape(2, 3)


def test_units_are_one_unless_said():
    p = Problem([1.0], [1.0], DenseCost(np.ones((1, 1))))
    q = Problem.trusted(p.a, p.b, p.cost)
    assert (p.cost_unit, p.mass_unit, q.cost_unit, q.mass_unit) == (1.0, 1.0, 1.0, 1.0)


def test_the_weights_of_two_measures_are_compared_too():
    one = np.array([1.0])
    assert Problem.between(one, one, DenseCost(np.ones((1, 1))), 2.0**-52).mass == 1.0
    with pytest.raises(MassMismatchError):
        Problem.between(one, 2 * one, DenseCost(np.ones((1, 1))), 2.0**-52)


def test_sums_may_differ_by_rounding_and_no_more():
    one, cost = np.ones((1, 1)), DenseCost(np.ones((20, 1)))
    Problem([1.0], [1.0 + 2.0**-52], DenseCost(one))
    with pytest.raises(MassMismatchError):
        Problem([1.0], [1.0 + 3 * 2.0**-52], DenseCost(one))
    # Twenty single precision weights may be off by 1e-6, not by twenty ulps of theirs.
    weights = np.full(20, 0.5, dtype=np.float32)
    Problem(weights, [10.0 * (1 + 0.9e-6)], cost)
    with pytest.raises(MassMismatchError):
        Problem(weights, [10.0 * (1 + 1.5e-6)], cost)


@pytest.mark.parametrize("worst", [1e308, -1e308])
def test_the_larger_bound_of_the_cost_decides_whether_a_value_may_overflow(worst):
    with pytest.raises(NonFiniteError, match="leave the range"):
        Problem([10.0, 1.0], [11.0], DenseCost(np.array([[worst], [0.0]])))


def test_weights_are_copied_and_frozen():
    a, b = np.array([1.0, 2.0]), np.ones(3)
    p = Problem(a, b, DenseCost(M))
    a[0] = 9.0
    assert p.a.tolist() == [1.0, 2.0]
    assert (p.shape, p.mass) == ((2, 3), 3.0)
    with pytest.raises(ValueError, match="read-only"):
        p.a[0] = 5.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        p.a = b


@pytest.mark.parametrize(
    ("a", "b", "hint"),
    [
        ([1, 1, 1], [1.5, 1.5], "transposed"),
        ([1, 1], [1, 1], r"expected a cost of shape \(2, 2\)"),
        ([3], [1, 1, 1], "a has 1 "),
    ],
)
def test_weights_must_fit_the_cost(a, b, hint):
    with pytest.raises(ShapeError, match=hint):
        Problem(a, b, DenseCost(M))


@pytest.mark.parametrize("scale", [1e-310, 1e-300, 1e-8, 1.0, 1e300])
def test_masses_agree_to_n_eps_of_their_own_type_in_any_unit(scale):
    n = 100
    cost = LineCost(np.arange(float(n)), np.arange(float(n)))
    a = np.full(n, scale / n)
    within, beyond = (1 + 90 * 2.0**-52, 1 + 200 * 2.0**-52) if scale > 1e-300 else (1.0, 1 + 1e-2)
    Problem(a, a * within, cost)
    with pytest.raises(MassMismatchError, match=r"a sums to .* and b to .* normalise"):
        Problem(a, a * beyond, cost)


@pytest.mark.parametrize(
    ("dtype", "within", "beyond"), [(np.float32, 5e-7, 2e-6), (np.float16, 9e-3, 2e-2), (np.float64, 2e-15, 2e-14)]
)
def test_coarser_types_may_differ_by_more_but_never_by_much(dtype, within, beyond):
    """n eps with a ceiling of 1e-6, and 1e-2 for half precision."""
    a = np.array([0.25, 0.25, 0.25, 0.25, *np.zeros(6)], dtype=dtype)
    cost = DenseCost(np.ones((10, 10)))
    b = np.full(10, 0.1)
    Problem(a, b * (1 + within), cost)
    with pytest.raises(MassMismatchError):
        Problem(a, b * (1 + beyond), cost)
    Problem(a.astype(float), b * (1 + within), cost, eps=float(np.finfo(dtype).eps))


@pytest.mark.parametrize(("unit", "mass"), [(1e308, 1.0), (-1.7e308, 1e-300), (1e200, 1e200), (1e300, 1e8)])
def test_a_value_that_could_leave_the_range_of_floats_is_refused_with_the_remedy(unit, mass):
    """Regression: it ended in an OverflowError, or the tolerance became inf and anything was certified."""
    with pytest.raises(NonFiniteError, match=r"divide the costs or the weights .* inf where an arc is forbidden"):
        Problem([mass], [mass], DenseCost([[unit]]))
    Problem([mass], [mass], DenseCost([[np.inf]]))
    Problem([1e100], [1e100], DenseCost([[1e200]]))


def test_a_problem_travels():
    lines = [LineCost(np.arange(2.0), np.arange(3.0), p) for p in (1.0, 2.0, 2.3)]
    for cost in (DenseCost(M), CloudCost(np.ones((2, 2)), np.zeros((3, 2))), *lines):
        p = Problem([1.5, 1.5], [1, 1, 1], cost)
        for twin in (pickle.loads(pickle.dumps(p)), copy.deepcopy(p)):
            np.testing.assert_array_equal(twin.cost.to_dense(), cost.to_dense())
            np.testing.assert_array_equal(twin.a, p.a)
    assert repr(Problem([1.5, 1.5], [1, 1, 1], DenseCost(M))) == "<Problem 2 x 3, DenseCost, mass 3>"


@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 4), (3, 2), (5, 5)])
def test_the_marginal_matrix_sums_rows_and_columns_of_a_plan(n, m):
    P = np.random.default_rng(0).random((n, m))
    A = marginal_matrix((n, m))
    assert A.shape == (n + m, n * m)
    assert A.nnz == 2 * n * m
    np.testing.assert_allclose(A @ P.ravel(), np.concatenate([P.sum(axis=1), P.sum(axis=0)]), rtol=1e-14)
    p = Problem(np.full(n, 1 / n), np.full(m, 1 / m), DenseCost(P))
    assert (marginal_matrix(p) != A).nnz == 0
