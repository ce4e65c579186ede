"""Supporting planes lie below the costs that they touch, and rule out what boxes cannot."""

from __future__ import annotations

import numpy as np
import pytest

from otcore._kernels import boxes
from otcore._kernels.cells import kd_order
from otcore._kernels.ground import CITYBLOCK
from otcore._kernels.planes import touch, within
from otcore.costs import CloudCost


@pytest.mark.parametrize("metric", ["euclidean", "cityblock", "chebyshev"])
@pytest.mark.parametrize("exponent", [1.0, 1.5, 2.0, 3.0, 1.3])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_a_plane_is_nowhere_above_the_cost(metric, exponent, d):
    rng = np.random.default_rng(d)
    for size in (0.0, 1e-3, 1.0, 1e3):
        t, reach, slope = size * rng.normal(size=d), rng.random(d), np.empty(d)
        w = np.concatenate([np.zeros((1, d)), rng.normal(size=(300, d)), 1e-6 * rng.normal(size=(300, d))])
        cost = CloudCost(np.zeros((1, d)), t + w, metric, exponent)
        value = touch(cost.ground, t, reach, slope)
        M = cost.to_dense()[0]
        assert (value + w @ slope <= M + 1e-12 * (M + M[0])).all()
        if cost.ground[0] != CITYBLOCK or (np.abs(t) >= reach).all():
            assert np.isclose(value, M[0], rtol=1e-14)


@pytest.mark.parametrize("metric", ["euclidean", "cityblock", "chebyshev"])
@pytest.mark.parametrize("exponent", [1.0, 2.0, 2.5])
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_nothing_left_out_is_within(metric, exponent, offset):
    rng = np.random.default_rng(1)
    kept, counts = np.empty(21, np.int64), set()
    for _ in range(300):
        x, y = rng.random((20, 2)), rng.random((15, 2)) + 3 * rng.normal(size=2) + offset
        cost = CloudCost(x, y, metric, exponent)
        h = cost.to_dense()[:, 0] + 0.1 * rng.random(20)  # follows the cost: the worst case of the boxes
        pairs = cost.enclosure.lower(cost.to_dense()) - h[:, None]
        worst = pairs.min(axis=0) + rng.choice([-1.0, -0.01, 0.0, 0.01]) * cost.bounds()[1]
        low, high = y.min(axis=0), y.max(axis=0)
        widths = cost.enclosure.shrink, cost.enclosure.eta
        leaf = boxes.corners(cost._x_t, 32)
        count = within(cost.ground, widths, cost._x, h, leaf, 0, cost._y_t, low, high, worst, kept)
        assert (np.delete(pairs, kept[:count], axis=0) > worst).all() and (np.diff(kept[:count]) > 0).all()
        counts.add(count)
    assert {0, 20} < counts  # and some in between


def test_a_translation_is_priced_by_few_pairs():
    """Optimal potentials of far clouds are steep within a box: boxes alone rule out nothing."""
    rng = np.random.default_rng(2)
    x = rng.random((2048, 2))
    x = x[kd_order(x.T.copy())]
    y = x + [100.0, 0.0]
    cost = CloudCost(x, y, "euclidean", 2.0)
    h, leaves = -200.0 * x[:, 0], boxes.corners(cost._x_t, 32)  # M - h is least along the translation
    least = (cost.to_dense() - h[:, None]).min(axis=0)
    bound, kept, by_boxes, by_planes = np.empty((1, 64)), np.empty(33, np.int64), 0, 0
    for k in range(64):
        tile, worst = np.ascontiguousarray(cost._y_t[:, 32 * k : 32 * k + 32]), least[32 * k : 32 * k + 32]
        low, high = tile.min(axis=1), tile.max(axis=1)
        boxes.lower_bounds(cost.ground, (1.0, 0.0), low, high, (leaves, boxes.highest(h, 32)), 0, bound)
        by_boxes += (bound[0] > worst.max()).sum()
        for s in range(64):
            part = slice(32 * s, 32 * s + 32)
            box = leaves, s, tile, low, high
            by_planes += within(cost.ground, (1.0, 0.0), cost._x[part], h[part], *box, worst, kept) == 0
    assert by_boxes < 64 and by_planes > 64 * 64 / 2
