"""A distance that the user computes."""

from __future__ import annotations

import numpy as np
import pytest

from otcore.costs import CallableCost
from otcore.costs._points import matching_points
from otcore.errors import InvalidProblemError, NonFiniteError, ShapeError


def cityblock(x, y):
    return np.abs(x[:, None] - y).sum(-1)


def test_the_callable_is_asked_once_for_all_pairs():
    calls = []
    x, y = np.random.default_rng(0).random((5, 2)), np.random.default_rng(1).random((4, 2))
    cost = CallableCost(x, y, lambda p, q: calls.append((p, q)) or cityblock(p, q), 2.0)
    assert len(calls) == 1
    np.testing.assert_array_equal(cost.to_dense(), cityblock(x, y) ** 2)
    assert cost.order == 2.0
    assert "metric" not in cost.traits


@pytest.mark.parametrize(
    ("metric", "error", "message"),
    [
        (lambda x, y: cityblock(y, x), ShapeError, "one distance per pair"),
        (lambda x, y: 1.0, ShapeError, "metric"),
        (lambda x, y: -cityblock(x, y), InvalidProblemError, r"metric\(x, y\)\[0, 0\]"),
        (lambda x, y: np.full((5, 4), np.nan), NonFiniteError, r"metric\(x, y\)\[0, 0\] is nan"),
        (lambda x, y: cityblock(x, y).astype(complex), InvalidProblemError, "complex"),
    ],
)
def test_what_it_returns_must_be_distances_of_every_pair(metric, error, message):
    x, y = np.random.default_rng(0).random((5, 2)), np.random.default_rng(1).random((4, 2))
    with pytest.raises(error, match=message):
        CallableCost(x, y, metric)


def test_shared_points_are_one_node_each_used_once():
    x = np.array([[0.0, 0.0], [1.0, 1.0], [1.0, 1.0], [2.0, 0.0]])
    y = np.array([[1.0, 1.0], [2.0, 0.0], [3.0, 3.0]])
    cost = CallableCost(x, y, cityblock)
    i, j = cost.common()
    assert sorted(zip(i.tolist(), j.tolist(), strict=True)) == [(1, 0), (3, 1)]
    part = cost.restrict(np.array([3, 0]), np.array([2, 1]))
    assert list(zip(*(v.tolist() for v in part.common()), strict=True)) == [(0, 1)]


def test_the_potential_of_a_callable_metric_asks_it_for_new_points():
    x, y = np.random.default_rng(0).random((5, 2)), np.random.default_rng(1).random((4, 2))
    z = np.random.default_rng(2).random((3, 2))
    np.testing.assert_array_equal(CallableCost(x, y, cityblock).from_points(z), cityblock(z, y))
    assert CallableCost(x, y, cityblock).union() is None


# -- which points are the same ---------------------------------------------------------------------------------


def naive_matches(x, y):
    used, pairs = set(), 0
    for p in x:
        for j, q in enumerate(y):
            if j not in used and np.array_equal(p, q):
                used.add(j)
                pairs += 1
                break
    return pairs


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("d", [0, 1, 3])
def test_matching_points_are_equal_used_once_and_as_many_as_can_be(seed, d):
    rng = np.random.default_rng(seed)
    shape = (lambda k: (k,)) if d == 0 else (lambda k: (k, d))
    n, m = rng.integers(1, 12, 2)
    x, y = rng.integers(0, 2, shape(n)) * 1.0, rng.integers(0, 2, shape(m)) * 1.0
    i, j = matching_points(x, y)
    np.testing.assert_array_equal(x[i], y[j])
    assert len(set(i.tolist())) == len(set(j.tolist())) == i.size == naive_matches(x, y)
    assert i.dtype == j.dtype == np.int64


def test_minus_zero_is_zero():
    i, j = matching_points(np.array([-0.0]), np.array([0.0]))
    assert (i.tolist(), j.tolist()) == ([0], [0])
    assert matching_points(np.array([1.0]), np.array([2.0]))[0].size == 0
