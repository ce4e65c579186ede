"""Passes in scaling form are the passes of the cost, up to rounding, wherever the potentials go."""

from __future__ import annotations

import naive
import numpy as np
import pytest

from otcore._kernels.scaling import absorb, scaled_pass
from otcore.costs import CloudCost, DenseCost
from otcore.costs import _absorbed as absorbed
from otcore.costs._absorbed import Absorbed
from otcore.engines.entropic import sinkhorn


def problem(n, m, seed=0):
    rng = np.random.default_rng(seed)
    a, b = rng.random(n) + 0.01, rng.random(m) + 0.01
    a[rng.integers(n)] = 1e-12
    return DenseCost(rng.random((n, m)) ** 2), a / a.sum(), b / b.sum()


@pytest.mark.parametrize("shape", [(1, 1), (2, 9), (3, 70), (4, 5), (37, 41), (130, 7)], ids=str)
@pytest.mark.parametrize("omega", [1.0, 1.7])
@pytest.mark.parametrize(("dtype", "off"), [("float64", 1.0), ("float32", 1e7)])
def test_passes_follow_those_of_the_cost(shape, omega, dtype, off):
    cost, a, b = problem(*shape)
    kernel = cost.passing(dtype)
    for epsilon in (1.0, 0.05, 2e-3):
        start = cost.sinkhorn_pass(epsilon, None, np.zeros(shape[1]), a, b)
        f = h = start.f
        g = k = start.g
        for _ in range(12):
            f, g, *errors = cost.sinkhorn_pass(epsilon, f, g, a, b, omega)
            h, k, *same = kernel.sinkhorn_pass(epsilon, h, k, a, b, omega)
            np.testing.assert_allclose(h, f, rtol=off * 1e-11, atol=off * 1e-13)
            np.testing.assert_allclose(k, g, rtol=off * 1e-11, atol=off * 1e-13)
            np.testing.assert_allclose(same, errors, rtol=off * 1e-7, atol=off * 1e-12)


@pytest.mark.parametrize(("dtype", "off"), [("float64", 1e-13), ("float32", 1e-6)])
@pytest.mark.parametrize("m", [6, 8, 43])
def test_the_kernel_and_its_pass_equal_their_twins(m, dtype, off):
    cost, a, _ = problem(11, m)
    rng = np.random.default_rng(1)
    F, G, factor = rng.normal(size=11), rng.normal(size=m), 3.0
    K, moved, v, w = np.empty((11, m), dtype), F + rng.normal(size=11), np.exp2(rng.normal(size=m)), np.empty(m)
    absorb(cost.M, factor, F, G, K)
    np.testing.assert_allclose(K, 2.0 ** (F[:, None] + G - factor * cost.M), rtol=off)
    expected = naive.scaled_iteration(K.astype(float), np.exp2(moved - F), v, a, 1.4)
    error = scaled_pass(K, F, moved, v.astype(dtype), a, 1.4, 0.0, w)
    np.testing.assert_allclose(np.exp2(moved - F), expected[0], rtol=off)
    np.testing.assert_allclose(w, expected[1], rtol=off)
    assert error == pytest.approx(expected[2], rel=10 * off)


def test_singles_give_way_to_doubles_near_their_precision():
    cost, a, b = problem(60, 50)
    kernel, epsilon = cost.passing(), 0.1
    f, g = None, np.zeros(50)
    for _ in range(200):
        f, g, error, _ = kernel.sinkhorn_pass(epsilon, f, g, a, b)
    assert error < 1e-14
    only = cost.passing("float32")
    f, g = None, np.zeros(50)
    for _ in range(200):
        f, g, error, _ = only.sinkhorn_pass(epsilon, f, g, a, b)
    assert 1e-14 < cost.sinkhorn_pass(epsilon, f, g, a, b).row_error < 0.5 * absorbed.SINGLE


def test_a_row_of_almost_no_weight_is_answered_in_singles():
    cost, a, b = problem(20, 30)
    a[3], b[4] = 1e-100, 1e-30
    kernel, epsilon = cost.passing("float32"), 0.1
    start = cost.sinkhorn_pass(epsilon, None, np.zeros(30), a, b)
    ours, twin = (p.sinkhorn_pass(epsilon, start.f, start.g, a, b) for p in (kernel, cost))
    np.testing.assert_allclose(ours.f, twin.f, atol=1e-7)
    np.testing.assert_allclose(ours.g, twin.g, atol=1e-7)


def test_potentials_that_move_far_are_absorbed_again(monkeypatch):
    cost, a, b = problem(30, 20)
    kernel = Absorbed(cost, "float64")
    absorptions = []
    monkeypatch.setattr("otcore._kernels.scaling.absorb", lambda *p: (absorptions.append(1), absorb(*p)))
    epsilon = 0.01
    f, g, *_ = cost.sinkhorn_pass(epsilon, None, np.zeros(20), a, b)
    kernel.sinkhorn_pass(epsilon, f, g, a, b)
    kernel.sinkhorn_pass(epsilon, f, g, a, b)
    assert len(absorptions) == 1
    shift = 1.5 * absorbed.FAR["float64"] * epsilon * np.log(2)
    near, moved = (cost.sinkhorn_pass(epsilon, f + s, g - s, a, b) for s in (0.0, shift))
    again = kernel.sinkhorn_pass(epsilon, f + shift, g - shift, a, b)
    assert len(absorptions) == 2
    np.testing.assert_allclose(again.f - shift, near.f, atol=1e-12)
    np.testing.assert_allclose(again.f, moved.f, rtol=1e-12)
    kernel.sinkhorn_pass(0.5 * epsilon, f, g, a, b)
    assert len(absorptions) == 3


def test_sums_out_of_range_are_done_in_log_form():
    cost, a, b = problem(12, 9)
    epsilon = 1e-3
    f, g, *_ = cost.sinkhorn_pass(epsilon, None, np.zeros(9), a, b)
    far = f - 900 * epsilon * np.log(2), g  # entries of 2^-900 and less
    kernel = cost.passing("float64")
    for _ in range(2):
        ours, twin = kernel.sinkhorn_pass(epsilon, *far, a, b), cost.sinkhorn_pass(epsilon, *far, a, b)
        np.testing.assert_allclose(ours.f, twin.f, rtol=1e-12)
        np.testing.assert_allclose(ours.g, twin.g, rtol=1e-12, atol=1e-15)


def test_forbidden_arcs_and_plain_iterations():
    M = np.where(np.random.default_rng(2).random((25, 25)) < 0.4, np.inf, 1.0)
    M[:, 0] = M[0] = 0.5
    cost, a, g = DenseCost(M), np.full(25, 1 / 25), np.zeros(25)
    for accelerate in (True, False):
        for iterate in sinkhorn(cost, a, a, 0.1, None, g, 1e-9, accelerate=accelerate, kernel=cost.passing()):
            if iterate.error <= 1e-9:
                break
            assert iterate.passes < 3000
        P = a[:, None] * a * np.exp((iterate.f[:, None] + iterate.g - M) / 0.1)
        assert np.abs(P.sum(axis=1) - a).sum() + np.abs(P.sum(axis=0) - a).sum() < 1e-8


def test_chunks_that_absorb_leave_no_memory_of_others_in_the_sums(monkeypatch):
    """Warnings are errors here: infinities of both signs that lie about in memory would raise one when added."""
    monkeypatch.setattr("otcore.costs._sweep.SHARED", 1)
    cost, a, b = problem(40, 30)
    start, kernel = cost.sinkhorn_pass(0.1, None, np.zeros(30), a, b), cost.passing("float64")
    left = np.where(np.arange(8)[:, None] % 2, np.inf, -np.inf) * np.ones(30)
    empty = np.empty
    monkeypatch.setattr(np, "empty", lambda shape, *p: left.copy() if shape == left.shape else empty(shape, *p))
    ours, twin = (p.sinkhorn_pass(0.1, start.f, start.g, a, b) for p in (kernel, cost))
    np.testing.assert_allclose(ours.g, twin.g, rtol=1e-11, atol=1e-13)


def test_clouds_and_large_costs_keep_no_kernel(monkeypatch):
    assert CloudCost(np.zeros((2, 2)), np.ones((3, 2))).passing() is None
    monkeypatch.setattr("otcore.costs.dense.LARGEST_KERNEL", 5)
    assert DenseCost(np.ones((2, 3))).passing() is None


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_rows_that_reach_nothing_are_no_good_but_no_error_either(kind):
    """Regression: weights over many decades could leave a row of the kernel empty, and a ZeroDivisionError went out."""
    K = np.zeros((5, 6), kind)
    K[1] = 1.0
    a, v, w = np.full(5, 0.2), np.ones(6, kind), np.empty(6)
    assert np.isnan(scaled_pass(K, np.zeros(5), np.zeros(5), v, a, 1.0, 1e-30, w))
