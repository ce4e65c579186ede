"""Sums and minima along one axis of a lattice against their naive twins."""

from __future__ import annotations

import naive
import numpy as np
import pytest

from otcore._kernels import grid


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 4, 5), (7, 30, 300)], ids=str)
@pytest.mark.parametrize("spread", [1.0, 100.0, 1e4])
def test_log_sums_is_its_naive_twin(shape, spread):
    n, m, r = shape
    rng = np.random.default_rng(m)
    C, z = spread * rng.random((n, m)), spread * rng.normal(size=(m, r))
    z[rng.random((m, r)) < 0.2] = -np.inf
    z[:, 0] = -np.inf  # a line without anything
    C[rng.random((n, m)) < 0.1] = np.inf
    out = np.empty((n, r))
    grid.log_sums(C, z, out)
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(out, naive.log_sums(C, z), rtol=1e-13, atol=1e-13)


def test_terms_below_the_rounding_of_a_sum_may_go_and_others_must_stay():
    C, z = np.zeros((1, 3)), np.array([[0.0], [-50.0], [-60.0]])
    out = np.empty((1, 1))
    grid.log_sums(C, z, out)
    assert out[0, 0] == pytest.approx((2.0**-50 + 2.0**-60) / np.log(2), rel=0.3)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 4, 5), (7, 30, 300)], ids=str)
def test_least_is_the_exact_minimum_rounded_down(shape):
    n, m, r = shape
    rng = np.random.default_rng(m)
    C, h = rng.random((n, m)), rng.normal(size=(m, r))
    out = np.empty((n, r))
    grid.least(C, h, out)
    assert np.array_equal(out, naive.least(C, h))
