"""The cheapest arcs by boxes equal a full sort."""

from __future__ import annotations

import numpy as np
import pytest

from otcore._kernels.cells import kd_order
from otcore.costs import CloudCost
from otcore.engines.pricing import Boxed


@pytest.mark.parametrize("metric", ["euclidean", "cityblock", "chebyshev"])
@pytest.mark.parametrize("exponent", [1.0, 2.0, 1.3])
@pytest.mark.parametrize(("n", "m", "d", "k"), [(1, 1, 2, 1), (70, 45, 1, 3), (2100, 90, 2, 5), (300, 1500, 3, 8)])
def test_nearest_equals_a_full_sort(n, m, d, k, metric, exponent):
    rng = np.random.default_rng(n)
    x, y = rng.random((n, d)), rng.random((m, d)) + 0.2
    x, y = x[kd_order(x.T.copy())], y[kd_order(y.T.copy())]
    cost = CloudCost(x, y, metric, exponent)
    h, k = 0.1 * rng.random(n), min(k, n)
    reduced = cost.to_dense().T - h
    limit = np.quantile(reduced, 0.02 + 0.3 * rng.random(m), axis=1)[0]
    boxed = Boxed(cost)
    value, label = boxed.x.nearest(cost, h, boxed.y.points_t, np.full(m, np.inf), k)
    assert np.array_equal(value, np.sort(reduced)[:, :k])
    assert np.array_equal(value, np.take_along_axis(reduced, label, 1))
    value, label = boxed.x.nearest(cost, h, boxed.y.points_t, limit, k)
    few = np.minimum(np.sort(reduced)[:, :k], limit[:, None])
    assert np.array_equal(value, few) and np.array_equal(label >= 0, few < limit[:, None])
