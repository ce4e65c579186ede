"""A measure: points and the mass that sits on each."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import otcore
from otcore.errors import InvalidProblemError, NegativeWeightError, NonFiniteError, ShapeError
from otcore.measure import Measure


def test_samples_have_mass_one_shared_equally():
    m = Measure.from_samples([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0], [6.0, 7.0]])
    assert (m.size, m.dim, m.mass) == (4, 2, 1.0)
    assert m.weights.tolist() == [0.25] * 4


def test_mass_is_kept_and_normalised_only_on_request():
    m = Measure.from_counts([1, 2, 3], [3, 1, 2])
    assert (m.mass, m.dim, m.size) == (6.0, 1, 3)
    np.testing.assert_allclose(m.normalized().weights, np.array([3, 1, 2]) / 6, rtol=1e-15)
    assert m.weights.tolist() == [3.0, 1.0, 2.0]


@pytest.mark.parametrize("unit", [5e-324, 1e-300, 1e300])
def test_any_unit_of_mass_can_be_normalised(unit):
    np.testing.assert_allclose(Measure([0, 1, 2, 3], np.ones(4) * unit).normalized().weights, 0.25, rtol=1e-15)


@pytest.mark.parametrize("points", [[1, 2, 3], [[1], [2], [3]], np.array([[1], [2], [3]], dtype=np.int8)])
def test_a_column_is_the_line(points):
    m = Measure(points)
    assert (m.points.shape, m.dim) == ((3,), 1)


def test_points_and_weights_are_copies_that_nobody_can_change():
    x, w = np.random.default_rng(0).random((4, 2)), np.ones(4)
    m = Measure(x, w)
    x[0] = w[0] = 99.0
    assert m.points.max() <= 1.0
    assert m.weights.max() == 1.0
    for array in (m.points, m.weights):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0.0
    assert Measure(np.asfortranarray(x)).points.flags.c_contiguous


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Measure(1.0), ShapeError, r"points has shape \(\)"),
        (lambda: Measure(np.zeros((2, 2, 2))), ShapeError, "from_histogram"),
        (lambda: Measure([]), ShapeError, "at least one point"),
        (lambda: Measure(np.zeros((3, 0))), ShapeError, "dimension at least 1"),
        (lambda: Measure([0.0, np.nan]), NonFiniteError, r"points\[1\] is nan"),
        (lambda: Measure([[0.0, np.inf]]), NonFiniteError, r"points\[0, 1\] is inf"),
        (lambda: Measure([1, 2], [1]), ShapeError, "1 entries for 2 points"),
        (lambda: Measure([1, 2], [1, -1]), NegativeWeightError, r"weights\[1\]"),
        (lambda: Measure([1, 2], [0, 0]), NegativeWeightError, "all zero"),
        (lambda: Measure(["a", "b"]), InvalidProblemError, "points has dtype"),
        (lambda: Measure.from_histogram(5.0), ShapeError, "at least one bin"),
        (lambda: Measure.from_histogram(np.zeros((0, 2))), ShapeError, "at least one bin"),
        (lambda: Measure.from_histogram([1, 2], spacing=0.0), ShapeError, "positive"),
        (lambda: Measure.from_histogram([1, 2], spacing=[1.0, 2.0]), ShapeError, r"shape \(1,\)"),
        (lambda: Measure.from_histogram([1, 2], spacing=np.nan), NonFiniteError, "spacing"),
        (lambda: Measure.from_histogram([1, 2], origin=[np.inf]), NonFiniteError, "origin"),
        (lambda: Measure.from_histogram([[1, -2]]), NegativeWeightError, r"-2"),
    ],
)
def test_what_is_no_measure_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_histogram_bins_sit_on_the_lattice_in_c_order():
    h = np.arange(1.0, 7.0).reshape(2, 3)
    m = Measure.from_histogram(h, spacing=[0.5, 2.0], origin=[10.0, -1.0])
    for k, (i, j) in enumerate(np.ndindex(2, 3)):
        assert m.points[k].tolist() == [10 + 0.5 * i, -1 + 2.0 * j]
        assert m.weights[k] == h[i, j]
    assert Measure.from_histogram([1, 0, 2], spacing=0.1).points.shape == (3,)


def test_histograms_in_single_precision_may_differ_by_its_rounding():
    """Regression: from_histogram forgot the dtype, and two images normalised in float32 had unequal mass."""
    rng = np.random.default_rng(0)
    first, second = (h / h.sum() for h in rng.random((2, 8, 8)).astype(np.float32))
    p, q = Measure.from_histogram(first), Measure.from_histogram(second)
    assert p.eps == q.eps == 2.0**-23
    assert otcore.solve(p, q).certified
    assert Measure.from_histogram(first.astype(float)).eps == 2.0**-52


def test_the_mass_may_differ_by_the_rounding_of_the_weights_own_type_only():
    third = np.full(3, 1 / 3, dtype=np.float32)
    assert otcore.wasserstein(Measure([0, 1, 2], third), [1.0]) == pytest.approx(2 / 3, rel=1e-6, abs=0.0)
    with pytest.raises(otcore.MassMismatchError):
        otcore.wasserstein(Measure([0, 1, 2], third.astype(float)), [1.0])


def test_a_measure_travels():
    m = Measure([[0.0, 1.0]], [3])
    for twin in (copy.deepcopy(m), pickle.loads(pickle.dumps(m))):
        assert (twin.points.tolist(), twin.weights.tolist(), twin.eps) == ([[0.0, 1.0]], [3.0], m.eps)
    assert repr(m) == "<Measure of 1 points in dimension 2, mass 3>"
