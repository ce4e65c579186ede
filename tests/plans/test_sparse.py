"""A plan with few entries is the matrix it stands for."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from otcore.costs import DenseCost
from otcore.plans import SparsePlan


@pytest.fixture
def plan():
    rng = np.random.default_rng(0)
    return SparsePlan.from_dense(rng.random((5, 4)) * (rng.random((5, 4)) < 0.5))


def test_from_dense_keeps_every_entry_that_is_not_zero():
    P = np.array([[0.0, 0.5, -0.25], [5e-324, 0.0, 0.0]])
    plan = SparsePlan.from_dense(P)
    assert (plan.i.tolist(), plan.j.tolist()) == ([0, 0, 1], [1, 2, 0])
    assert plan.nnz == 3
    assert plan.shape == (2, 3)
    np.testing.assert_array_equal(plan.to_dense(), P)
    assert SparsePlan.from_dense(np.asfortranarray(P)).j.tolist() == [1, 2, 0]
    assert SparsePlan.from_dense(np.zeros((2, 2))).nnz == 0


def test_verbs_agree_with_the_matrix(plan):
    P, rng = plan.to_dense(), np.random.default_rng(1)
    M, v, w = rng.random((5, 4)), rng.random(4), rng.random((5, 3))
    assert plan.cost(DenseCost(M)) == pytest.approx((P * M).sum(), rel=1e-14, abs=0.0)
    for found, expected in zip(plan.marginals(), (P.sum(axis=1), P.sum(axis=0)), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-15)
    np.testing.assert_allclose(plan.apply(v), P @ v, rtol=1e-14)
    np.testing.assert_allclose(plan.apply(w, axis=0), P.T @ w, rtol=1e-14)
    np.testing.assert_array_equal(plan.to_scipy_sparse().toarray(), P)


def test_entries_on_the_same_arc_add_up():
    plan = SparsePlan([0, 0, 1], [1, 1, 0], [0.25, 0.5, 1.0], (2, 2))
    assert plan.to_dense().tolist() == [[0.0, 0.75], [1.0, 0.0]]
    assert plan.to_scipy_sparse().toarray().tolist() == [[0.0, 0.75], [1.0, 0.0]]
    assert [v.tolist() for v in plan.marginals()] == [[0.75, 1.0], [1.0, 0.75]]
    assert plan.cost(DenseCost([[0.0, 4.0], [1.0, 0.0]])) == 4.0


def test_an_empty_plan_has_marginals_of_zeros():
    plan = SparsePlan([], [], [], (3, 2))
    assert plan.cost(DenseCost(np.ones((3, 2)))) == 0.0
    assert [v.tolist() for v in plan.marginals()] == [[0.0] * 3, [0.0] * 2]
    assert plan.to_dense().shape == (3, 2)


def test_lists_and_other_dtypes_become_int64_and_float64():
    plan = SparsePlan([0], np.array([1], dtype=np.uint8), np.array([2], dtype=np.float32), (1, 2))
    assert (plan.i.dtype, plan.j.dtype, plan.mass.dtype) == (np.int64, np.int64, np.float64)
    assert plan.mass_low.tolist() == [0.0]


def test_a_plan_travels(plan):
    for twin in (copy.deepcopy(plan), pickle.loads(pickle.dumps(plan))):
        np.testing.assert_array_equal(twin.to_dense(), plan.to_dense())
    assert repr(plan).startswith(f"<SparsePlan 5 x 4, {plan.nnz} entries, mass ")
