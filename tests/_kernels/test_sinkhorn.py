"""The one-pass kernels against the streaming defaults of ``Cost``, which take two passes and NumPy's exponential."""

from __future__ import annotations

import numpy as np
import pytest

from otcore._kernels.sinkhorn import COLUMNS, FAINTEST, dense_pass, highest, tiled, visible
from otcore.costs import CloudCost, Cost, DenseCost
from otcore.costs._kd import padded
from otcore.plans import GibbsPlan

SHAPES = [(1, 1), (3, 5), (9, 257), (40, 300)]
GROUNDS = [("euclidean", p) for p in (1, 2, 1.5, 2.3)] + [("cityblock", 1), ("chebyshev", 1)]


def weights(rng, n):
    a = rng.random(n) + 0.1
    a[rng.integers(n)] = 1e-12
    return a / a.sum()


def costs(rng, n, m):
    yield DenseCost(rng.normal(size=(n, m)))
    M = np.where(rng.random((n, m)) < 0.3, np.inf, rng.random((n, m)))
    M[:, 0] = M[0] = 1.0
    yield DenseCost(M)
    for d in (1, 2, 3, 5):
        for metric, exponent in GROUNDS:
            yield CloudCost(rng.random((n, d)), rng.random((m, d)) + 0.3, metric, exponent)
    yield CloudCost(rng.random((n, 2)), rng.random((m, 2))).scaled(-7)  # its unit is not 1


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("omega", [1.0, 1.6])
def test_a_pass_equals_its_streaming_twin(shape, omega):
    rng = np.random.default_rng(sum(shape))
    n, m = shape
    a, b = weights(rng, n), weights(rng, m)
    for cost in costs(rng, n, m):
        lo, hi = cost.bounds()
        for epsilon in (max(hi - lo, abs(hi)) * s for s in (1.0, 0.05)):
            f, g = rng.normal(size=n) * epsilon, rng.normal(size=m) * epsilon
            ours = cost.sinkhorn_pass(epsilon, f, g, a, b, omega)
            twin = Cost.sinkhorn_pass(cost, epsilon, f, g, a, b, omega)
            for mine, other in zip(ours, twin, strict=True):
                np.testing.assert_allclose(mine, other, rtol=1e-10, atol=1e-12 * (hi - lo) + 1e-13)


def test_the_row_error_is_the_distance_to_the_marginal():
    rng = np.random.default_rng(3)
    a, b = weights(rng, 30), weights(rng, 20)
    cost = DenseCost(rng.random((30, 20)))
    f, g = rng.normal(size=30), rng.normal(size=20)
    P = a[:, None] * b * np.exp((f[:, None] + g - cost.M) / 0.7)
    assert cost.sinkhorn_pass(0.7, f, g, a, b).row_error == pytest.approx(np.abs(P.sum(axis=1) - a).sum(), rel=1e-12)
    after = cost.sinkhorn_pass(0.7, f, g, a, b, 1.3)
    P = a[:, None] * b * np.exp((after.f[:, None] + after.g - cost.M) / 0.7)
    assert after.column_error == pytest.approx(np.abs(P.sum(axis=0) - b).sum(), rel=1e-9)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_rounding_passes_equal_their_streaming_twins(shape):
    rng = np.random.default_rng(sum(shape))
    n, m = shape
    a, y, beta = weights(rng, n), rng.random(m), rng.random(m)
    for cost in costs(rng, n, m):
        epsilon = 0.1 * max(map(abs, cost.bounds()))
        row, column = np.log(a) + rng.normal(size=n), rng.normal(size=m)
        row[0] = -np.inf  # a weight of zero
        for verb, given in (("rounding_pass", (a,)), ("remainder_pass", (y, beta))):
            ours = getattr(cost, verb)(epsilon, row, column, *given)
            twin = getattr(Cost, verb)(cost, epsilon, row, column, *given)
            for mine, other in zip(ours, twin, strict=True):
                np.testing.assert_allclose(mine, other, rtol=1e-11, atol=1e-14 * epsilon)


@pytest.mark.parametrize("start", ["nothing", "far too low", "far too high"])
def test_sums_outside_the_floats_are_done_again_from_the_maximum(start):
    """Exponents of +-10^5: entries of 0 and of 2^1023, columns without a digit."""
    rng = np.random.default_rng(4)
    x, y = rng.random((40, 2)), rng.random((30, 2)) + 5.0
    a, b = weights(rng, 40), weights(rng, 30)
    f = {"nothing": None, "far too low": np.full(40, -3.0), "far too high": np.full(40, 50.0)}[start]
    for cost in (CloudCost(x, y), DenseCost(CloudCost(x, y).to_dense())):
        ours = cost.sinkhorn_pass(1e-4, f, np.zeros(30), a, b)
        twin = Cost.sinkhorn_pass(cost, 1e-4, f, np.zeros(30), a, b)
        np.testing.assert_allclose(ours.f, twin.f, rtol=1e-12)
        np.testing.assert_allclose(ours.g, twin.g, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("exponent", [1, 2, 1.3])
def test_what_boxes_rule_out_is_missed_by_no_sum(d, exponent, monkeypatch):
    """Clouds in kd order, most of whose pairs are out of sight, against the streaming defaults."""
    monkeypatch.setattr("otcore.costs.cloud.PRUNED_PAIRS", 0)
    rng = np.random.default_rng(d)
    cost = CloudCost(rng.random((700, d)), rng.random((900, d)), "euclidean", exponent)
    a, b = weights(rng, 700), weights(rng, 900)
    a[3], b[5] = 1e-12, 1e-14
    a, b = a / a.sum(), b / b.sum()
    epsilon = 1e-3 * cost.bounds()[1]
    f, g = None, np.zeros(900)
    for _ in range(3):
        f, g, *_ = Cost.sinkhorn_pass(cost, epsilon, f, g, a, b)
    ours, twin = (kind(cost, epsilon, f, g, a, b, 1.3) for kind in (CloudCost.sinkhorn_pass, Cost.sinkhorn_pass))
    for mine, other in zip(ours, twin, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-10, atol=1e-12 * epsilon)
    row, column, faint = f / epsilon + np.log(a), g / epsilon + np.log(b), FAINTEST * min(a.min(), b.min())
    y, beta = rng.random(900), rng.random(900)
    for verb, given in (("rounding_pass", (a,)), ("remainder_pass", (y, beta))):
        ours, twin = (getattr(kind, verb)(cost, epsilon, row, column, *given, faint) for kind in (CloudCost, Cost))
        for mine, other in zip(ours, twin, strict=True):
            np.testing.assert_allclose(mine, other, rtol=1e-10, atol=1e-14 * epsilon)
    low = np.full(700, -20.0), np.full(900, -25.0)
    F, G = row / np.log(2), column / np.log(2)
    ours, twin = (kind.plan_tail(cost, epsilon, F, G, *low, 700 * 900) for kind in (CloudCost, Cost))
    np.testing.assert_array_equal(ours.start, twin.start)
    for i in range(700):
        mine, other = (np.argsort(t.j[t.start[i] : t.start[i + 1]]) + t.start[i] for t in (ours, twin))
        np.testing.assert_array_equal(ours.j[mine], twin.j[other])
        np.testing.assert_allclose(ours.cost[mine], twin.cost[other], rtol=1e-14)
    tiles = cost._streamed.tiles.shape[0]
    seen, near = np.empty(tiles, np.int64), np.empty((1, tiles))
    code, power, unit = cost.ground
    G = padded(G[cost._streamed.columns], tiles * COLUMNS, -np.inf)
    first = cost._streamed.points[:8]
    some = visible(
        (code, power, 1.0), first, cost._streamed.corners, highest(G), np.log2(faint),
        unit / epsilon / np.log(2), F[cost._streamed.rows[:8]], near, seen,
    )  # fmt: skip
    assert 0 < some < tiles or d == 3, "nothing would be tested"


@pytest.mark.parametrize("bits, seen", [(56.5, True), (57.5, False)])
def test_a_tile_is_out_of_sight_from_2_to_the_minus_60_of_the_least_weight(bits, seen):
    """Entries of the far tile are 2^-(12 + bits), the least weight is 2^-9."""
    cost = CloudCost(np.zeros((8, 1)), np.repeat([[0.0], [1.0]], COLUMNS, axis=0))
    a, b, epsilon = np.full(8, 2.0**-3), np.full(2 * COLUMNS, 2.0**-9), 1 / (bits * np.log(2))
    after = cost.sinkhorn_pass(epsilon, np.zeros(8), np.zeros(b.size), a, b, 1.5)
    assert (after[3] > 1e6) == seen  # columns out of sight are answered exactly, from their own maxima
    plan = GibbsPlan(np.zeros(8), np.zeros(b.size), epsilon, a, b, cost)
    sums = cost.rounding_pass(epsilon, *plan.exponents, a, plan.faint)[1]
    assert (sums[COLUMNS:] > 0).all() == seen and (sums[:COLUMNS] > 0).all()


def test_passes_give_the_same_bits_again():
    rng = np.random.default_rng(5)
    cost = CloudCost(rng.random((70, 3)), rng.random((600, 3)))
    a, b = weights(rng, 70), weights(rng, 600)
    first, again = (cost.sinkhorn_pass(0.01, None, np.zeros(600), a, b) for _ in range(2))
    assert all(np.array_equal(u, v) for u, v in zip(first, again, strict=True))


def test_tiles_hold_the_points_and_repeat_the_last():
    y = np.arange(600.0).reshape(300, 2)
    tiles, corners = tiled(y)
    assert tiles.shape == (2, 2, COLUMNS)
    flat = tiles.transpose(0, 2, 1).reshape(-1, 2)
    np.testing.assert_array_equal(flat[:300], y)
    assert (flat[300:] == y[-1]).all()
    np.testing.assert_array_equal(corners[:, :, 0], [y[:COLUMNS].min(axis=0), y[:COLUMNS].max(axis=0)])
    np.testing.assert_array_equal(corners[:, :, 1], [y[COLUMNS:].min(axis=0), y[COLUMNS:].max(axis=0)])


@pytest.mark.parametrize("kind", ["dense", "float64", "float32", "plane", "space"])
def test_passes_in_threads_have_the_bits_of_passes_in_one(kind, monkeypatch):
    monkeypatch.setattr("otcore.costs._sweep.SHARED", 1)
    rng = np.random.default_rng(4)
    a, b = weights(rng, 43), weights(rng, 300)
    cost = CloudCost(rng.random((43, 2 if kind == "plane" else 3)), rng.random((300, 2 if kind == "plane" else 3)))
    cost = cost if kind in ("plane", "space") else DenseCost(cost.to_dense())
    start = cost.sinkhorn_pass(0.05, None, np.zeros(300), a, b)
    found = []
    for k in (1, 2, 5):
        with cost.threaded(k) as shared:
            passes = shared.passing(kind) if "float" in kind else shared
            found.append(passes.sinkhorn_pass(0.05, start.f, start.g, a, b, 1.3))
            assert (shared.pool is None) == (k == 1)
        assert shared.pool is None
    first, *others = found
    for other in others:
        assert all(np.array_equal(one, two) for one, two in zip(first, other, strict=True))
    twin = Cost.sinkhorn_pass(cost, 0.05, start.f, start.g, a, b, 1.3)
    for one, two in zip(first, twin, strict=True):
        np.testing.assert_allclose(one, two, rtol=(off := 1e-6 if kind == "float32" else 1e-10), atol=0.01 * off)


@pytest.mark.parametrize("omega", [1.0, 1.9994])
@pytest.mark.parametrize("off", [-1100.0, -800.0, 600.0, 690.0])
def test_a_row_as_far_off_as_no_quotient_of_floats_is_answered(off, omega):
    """Regression: ``a / s`` underflowed, or its power overflowed, and the potential became infinite."""
    rng = np.random.default_rng(6)
    M, a, b = rng.random((3, 40)), np.array([0.5, 1e-200, 0.5]), weights(rng, 40)
    F, G, w = np.log2(a) + [0.0, off, 0.0], np.log2(b), np.empty(40)
    dense_pass(M, 1.0, F, G, a, omega, w)
    assert np.isfinite(F).all() and np.isfinite(w).all()
    total = np.exp2(F[1] - np.log2(a[1]) + G - M[1]).sum()
    assert 1 / 40 < total < 40 and (omega != 1.0 or total == pytest.approx(1.0, rel=1e-12))
