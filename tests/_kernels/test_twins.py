"""What stands in for a kernel that is not compiled, NumPy or Python: the same bits."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from otcore._kernels import arcs, boxes, cells, cloud, dense, ground, nearest, simplex, small, soften, tree, units
from otcore._kernels._kernel import interpreted

GROUNDS = [
    *((code, q, unit) for code in (0, 1, 2, 3) for q, unit in ((1.0, 1.0), (2.0, 0.25), (2.5, 3.0), (3.3, 1.0))),
]


def agree(kernel, *arguments):
    """Call both with copies of the arguments; what they return and what they leave in the arguments must agree."""
    mine, theirs = copy.deepcopy(arguments), copy.deepcopy(arguments)
    result = kernel(*mine)
    with np.errstate(all="ignore"):
        other = interpreted(kernel)(*theirs)
    for x, y in zip(leaves((result, mine)), leaves((other, theirs)), strict=True):
        assert np.array_equal(x, y)
    return result, mine


def leaves(value):
    if isinstance(value, tuple):
        return [leaf for part in value for leaf in leaves(part)]
    return [] if value is None else [np.asarray(value)]


def costs(kind, n, m, rng):
    M = rng.random((n, m))
    if kind == "ties":
        M = np.round(M, 1)
    elif kind == "plane":
        M = np.hypot(*(rng.random((n, 2))[:, None] - rng.random((m, 2))).T).T.copy()
    elif kind == "forbidden":
        M[rng.random((n, m)) < 0.5] = np.inf
        M[0], M[:, 0] = np.inf, 1.0
    return M


SHAPES = [(1, 1), (3, 2), (9, 150), (150, 9), (70, 80)]
KINDS = ["random", "ties", "plane", "forbidden"]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", KINDS)
def test_of_passes_over_a_stored_cost(kind, shape):
    rng = np.random.default_rng(0)
    (n, m), M = shape, costs(kind, *shape, rng)
    for f, g in ((np.zeros(n), np.zeros(m)), (rng.normal(size=n), rng.normal(size=m))):
        agree(dense.column_minima, M, f, np.empty(m))
        agree(dense.row_minima, M, g, np.empty(n))
    agree(dense.centre, M, np.empty(n), np.empty(m))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", KINDS)
def test_of_choosing_and_pricing_arcs(kind, shape):
    rng = np.random.default_rng(1)
    (n, m), M, k = shape, costs(kind, *shape, rng), 4
    g = np.where(np.isfinite(M.min(axis=0)), M.min(axis=0), 0.0)
    f, row_top, column_top, lanes = np.empty(n), np.empty(n), np.empty(m), np.full((arcs.LANES, m), np.inf)
    for i0 in range(0, n, 40):
        _, (*_, f, row_top, lanes) = agree(arcs.tops, M[i0 : i0 + 40], i0, g, k, f, row_top, lanes)
    _, (*_, column_top) = agree(arcs.column_tops, lanes, k, column_top)
    i, j = np.zeros((2, 4 * k * (n + m)), np.int64)
    count = np.zeros(m, np.int64)
    agree(arcs.low, M, 0, g, f, row_top, column_top, k + 1, count, i, j, 0)
    for width in (1, 4):
        f = np.where(f < np.inf, f, 0.0) + 0.3 * rng.random(n)
        worst, which = np.full((n, width), -0.01), np.full((n, width), -1)
        agree(arcs.violations, M, 0, f, g, 0.01, worst, which)


@pytest.mark.parametrize("kind", ["random", "ties", "plane"])
@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (30, 20), (60, 80)])
def test_of_the_simplex(kind, shape):
    rng = np.random.default_rng(2)
    (n, m), M = shape, costs(kind, *shape, rng)
    (a, b, _, _), _ = agree(units.integers, rng.random(n) ** 3, rng.random(m) ** 3)
    (i, j, *_), _ = agree(small.some_arcs, M, rng.random(n), rng.random(m))
    basis = arcs.fill(np.zeros(0, np.int64), np.zeros(0, np.int64), a, b)
    root = simplex.hang(n, m, *basis, M[basis])
    simplex.load(n, root, simplex.tree_flow(n, root, a, b))
    pool = i.astype(simplex.NODE), (n + j).astype(simplex.NODE), M[i, j]
    (done, _, settled), (root, *_) = agree(simplex.pivots, root, *pool, 0, 1 << 20, 0.0, np.empty(0, np.int64))
    assert settled and (done > 0 or n == 1)
    agree(small.transport, M, rng.random(n), rng.random(m))


@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (100, 90)])
def test_of_softening(shape):
    rng = np.random.default_rng(3)
    n, m = shape
    for power in (1, 30):
        M = np.where(rng.random((n, m)) < 10 / m, rng.random((n, m)), np.inf)
        i, j = np.nonzero(np.isfinite(M))
        start = np.append(0, np.cumsum(np.bincount(i, minlength=n))).astype(np.uint32)
        a, b = rng.random(n) ** power, rng.random(m) ** power
        agree(soften.softened, start, j.astype(np.uint32), M[i, j], a / a.sum(), b / b.sum())


@pytest.mark.parametrize("kind", GROUNDS)
def test_of_clouds(kind):
    rng = np.random.default_rng(4)
    for d, n, m in ((1, 5, 3), (2, 70, 300), (3, 90, 40)):
        x, yt = rng.normal(size=(n, d)), rng.normal(size=(d, m))
        agree(cloud.fill, kind, x, yt, np.empty((n, m)))
        i, j = rng.integers(0, n, 50), rng.integers(0, m, 50)
        agree(cloud.pairs, kind, x, yt.T.copy(), i, j, np.empty(50))
        f, enclosure = rng.normal(size=n), (1 - 2.0**-50, 2.0**-1000)
        agree(cloud.ctransform, kind, enclosure, x, f, yt, np.empty(m))


@pytest.mark.parametrize("kind", GROUNDS)
def test_of_boxes(kind):
    rng = np.random.default_rng(5)
    for d, n, m in ((2, 300, 200), (3, 1100, 40)):
        x, y = np.round(rng.normal(size=(n, d)), 2), rng.normal(size=(m, d))
        x, yt = x[cells.kd_order(x.T.copy())], y[cells.kd_order(y.T.copy())].T.copy()
        h, xt = 0.1 * rng.normal(size=n), x.T.copy()
        leaves, supers = ((boxes.corners(xt, w), boxes.highest(h, w)) for w in (cells.LEAF, cells.SUPER))
        value, label = np.full((m, 3), np.inf), np.full((m, 3), -1)
        agree(nearest.nearest, kind, x, h, leaves, supers, yt, value, label)
        enclosure = (1 - 2.0**-50, 2.0**-1000)
        agree(boxes.pruned_ctransform, kind, enclosure, enclosure, x, h, leaves, supers, yt, np.empty(m))


def test_of_powers_that_are_no_products():
    entry = np.random.default_rng(6).random(1000) * 10.0
    agree(ground.finish, (1, 3.3, 1.0), entry)
    agree(ground.finish, (1, 1.7, 2.0), entry)


def test_of_flows_on_trees():
    rng = np.random.default_rng(7)
    for n, m in ((1, 1), (4, 3), (40, 30)):
        a, b, *_ = units.integers(rng.random(n), rng.random(m))
        i, j = arcs.fill(rng.integers(0, n, 30), rng.integers(0, m, 30), a, b)
        hi, lo = np.append(a, b) >> 12, np.append(a, b) & 4095
        for order in (np.arange(i.size), rng.permutation(i.size)):
            flows = np.zeros((2, i.size), np.int64)
            agree(tree.tree_flows, n, i[order], j[order], hi, lo, *flows)
