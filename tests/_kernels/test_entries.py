"""Entries made in vector registers against one exponential after the other."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numba import njit

from otcore._kernels import entries as kernels
from otcore._kernels.entries import WIDTH, entries
from otcore._kernels.exp2 import SHORT, exp2_short
from otcore._kernels.sums import fma

SIZES = [*range(1, 12), 15, 16, 17, 31, 36, 70]


@njit
def twin(cost, factor, F, G, e):
    for j in range(e.size):
        e[j] = exp2_short(fma(-factor, cost[j], F + G[j]))
    return e


@njit
def square_entries(x, yt, F, G, e):
    return kernels.square_entries(x, yt, F, G, e)


@njit
def root_entries(x, yt, factor, F, G, e):
    return kernels.root_entries(x, yt, factor, F, G, e)


@pytest.mark.parametrize("m", SIZES)
def test_entries_have_the_bits_of_the_lone_exponential_whatever_the_size(m):
    rng = np.random.default_rng(m)
    cost, G, e = rng.normal(size=m) * 10, rng.normal(size=m) * 10, np.empty(m + 1)
    cost[rng.random(m) < 0.2], G[rng.random(m) < 0.2], e[m] = np.inf, -np.inf, 7.0
    s = entries(cost, 1.3, -0.4, G, e[:m])
    np.testing.assert_array_equal(e[:m], twin(cost, 1.3, -0.4, G, np.empty(m)))
    assert s == pytest.approx(math.fsum(e[:m]), rel=m * 2.0**-53) and e[m] == 7.0
    single = np.empty(m, np.float32)
    assert entries(cost, 1.3, -0.4, G, single) == pytest.approx(s, rel=1e-6)
    np.testing.assert_array_equal(single, e[:m].astype(np.float32))
    assert entries(cost, 1.3, -np.inf, G, e[:m]) == 0.0 and (e[:m] == 0.0).all()


def test_exponents_beyond_the_floats_and_between_two_integers():
    G = np.concatenate([np.arange(-1030.0, 1030.0, 0.5), [-1e308, 1e308, -np.inf, np.inf]])
    e = np.empty(G.size)
    entries(np.zeros(G.size), 1.0, 0.0, G, e)
    np.testing.assert_array_equal(e, twin(np.zeros(G.size), 1.0, 0.0, G, np.empty(G.size)))
    assert np.isfinite(e).all() and (e[G <= -1023] == 0).all()


@pytest.mark.parametrize("m", [4, 8, 16, 20, 36, 64])
@pytest.mark.parametrize("d", [1, 2, 3, 7])
def test_entries_made_of_points(m, d):
    rng = np.random.default_rng(m + d)
    x, yt, G, e = rng.normal(size=d), rng.normal(size=(d, m)), rng.normal(size=m) * 10, np.empty(m)
    G[rng.random(m) < 0.2] = -np.inf
    assert m % WIDTH == 0
    for s, t in (
        (square_entries(x, yt, -0.4, G, e), -0.4 + G + x @ yt),
        (root_entries(x, yt, 1.3, -0.4, G, e), -0.4 + G - 1.3 * np.linalg.norm(x[:, None] - yt, axis=0)),
    ):
        assert s == pytest.approx(np.exp2(t).sum(), rel=1e-13)
    np.testing.assert_allclose(e, np.exp2(t), rtol=2 * SHORT)
    square_entries(x, yt, -0.4, G, e)
    np.testing.assert_allclose(e, np.exp2(-0.4 + G + x @ yt), rtol=2 * SHORT)
    assert root_entries(yt[:, 0].copy(), yt, 1e200, 0.0, np.zeros(m), e) == e[0] == 1.0  # at no distance, and at any


def test_a_row_of_points_with_an_exponent_that_is_no_number_is_empty():
    """An overflow of a product: such rows have no sum, and are done again."""
    e = np.empty(8)
    assert square_entries(np.array([np.inf]), np.zeros((1, 8)), 0.0, np.zeros(8), e) == 0.0 and (e == 0.0).all()
