"""The box-pruned c-transform gives the very floats of brute force."""

from __future__ import annotations

import numpy as np
import pytest

from otcore._kernels import boxes, cells
from otcore.costs import CloudCost, Cost

SIZES = [(1, 1), (31, 33), (33, 1100), (1057, 70)]  # part of a leaf, part of a super-leaf, more than one

CLOUDS = {
    "normal": lambda n, d, rng: rng.normal(size=(n, d)),
    "duplicates": lambda n, d, rng: rng.integers(-2, 3, (n, d)).astype(float),
    "one point": lambda n, d, rng: np.full((n, d), 0.1),
    "far away": lambda n, d, rng: 1e8 + rng.normal(size=(n, d)),
    "tiny": lambda n, d, rng: rng.normal(size=(n, d)) * 1e-300,
}
POTENTIALS = {
    "zero": lambda x, rng: np.zeros(len(x)),
    "steep": lambda x, rng: 3.0 * x[:, 0],
    "noisy": lambda x, rng: 1e-3 * rng.normal(size=len(x)),
    "spiked": lambda x, rng: np.where(rng.random(len(x)) < 0.02, 5.0, 0.0),
}


def twins(cost, h, axis):
    """(pruned, brute kernel, streaming NumPy)."""
    from otcore._kernels.cloud import ctransform

    e = cost.enclosure
    gathered, streamed = (cost._x, cost._y_t) if axis == 0 else (cost._y, cost._x_t)
    brute = np.empty(streamed.shape[1])
    ctransform(cost._ground, (e.shrink, e.eta), gathered, h, streamed, brute)
    return cost._pruned(h, axis), brute, Cost.ctransform(cost, h, axis)


@pytest.mark.parametrize("potential", POTENTIALS)
@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize("metric", ["euclidean", "cityblock", "chebyshev"])
def test_pruned_equals_brute_force_bit_for_bit(metric, cloud, potential):
    rng = np.random.default_rng(0)
    for k, (n, m) in enumerate(SIZES):
        d, exponent = 1 + k % 3, [1.0, 2.0, 1.5, 1.0][k]
        x, y = CLOUDS[cloud](n, d, rng), CLOUDS[cloud](m, d, rng)
        cost = CloudCost(x, y, metric, exponent)
        for axis, points in ((0, x), (1, y)):
            pruned, brute, streamed = twins(cost, POTENTIALS[potential](points, rng), axis)
            np.testing.assert_array_equal(pruned, brute)
            np.testing.assert_array_equal(brute, streamed)


@pytest.mark.parametrize("exponent", [1.1, np.pi])
def test_powers_by_libm_are_pruned_with_slack(exponent):
    rng = np.random.default_rng(1)
    cost = CloudCost(rng.normal(size=(700, 2)), rng.normal(size=(900, 2)), "euclidean", exponent)
    pruned, brute, _ = twins(cost, rng.normal(size=700), 0)
    np.testing.assert_array_equal(pruned, brute)


def test_kd_order_is_a_permutation_into_small_boxes():
    rng = np.random.default_rng(2)
    x = rng.random((4096, 2))
    order = cells.kd_order(x.T.copy())
    sides = np.ptp(x[order].reshape(-1, cells.LEAF, 2), axis=1)
    assert sorted(order.tolist()) == list(range(4096))
    assert sides.max() < 0.3  # a leaf of 32 of 4096 points covers about 1/11 of the side


def test_bounds_by_boxes_are_never_above_an_entry():
    rng = np.random.default_rng(3)
    for metric in ("euclidean", "cityblock", "chebyshev"):
        for exponent in (1.0, 1.5, 2.0, 2.5, 3.0, 8.0):
            cost = CloudCost(rng.normal(size=(64, 3)), rng.normal(size=(32, 3)) + 0.5, metric, exponent)
            f, e = rng.normal(size=64), cost.enclosure
            leaves = (boxes.corners(cost._x_t, 32), boxes.highest(f, 32))
            bound = np.empty((1, 2))
            low, high = cost.y.min(axis=0), cost.y.max(axis=0)
            boxes.lower_bounds(cost._ground, (e.shrink, e.eta), low, high, leaves, 0, bound)
            pairs = e.lower(cost.to_dense()) - f[:, None]
            assert (bound[0] <= pairs.reshape(2, -1).min(axis=1)).all()
