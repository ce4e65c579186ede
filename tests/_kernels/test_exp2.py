from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from otcore._kernels.exp2 import HIGHEST, LOWEST, SHORT, exp2, exp2_short, exp2_single

FAST = {"nsz", "arcp", "contract", "afn", "reassoc"}


@njit(fastmath=FAST)
def summed(x, out):
    """A reduction under the flags that fold the classic rounding to nothing."""
    total = 0.0
    for i in range(x.size):
        out[i] = exp2(x[i])
        total += 1e-300 * out[i]
    return total


@njit(fastmath=FAST)
def summed_single(x, out):
    total = np.float32(0.0)
    for i in range(x.size):
        out[i] = exp2_single(x[i])
        total += np.float32(1e-30) * out[i]
    return total


def arguments(rng, lowest, highest):
    """All of the range, the neighbourhood of 0, integers and halves, where rounding to nearest turns over."""
    halves = np.arange(np.ceil(lowest), highest, 0.5)
    return np.concatenate([rng.uniform(lowest, highest, 20_000), rng.normal(0, 1, 20_000), halves, [-0.0, lowest]])


def test_within_one_ulp_inside_a_fastmath_reduction():
    x = arguments(np.random.default_rng(0), LOWEST, HIGHEST - 4)
    out = np.empty_like(x)
    total = summed(x, out)
    true = np.exp2(x.astype(np.longdouble))
    assert np.abs((out - true) / np.spacing(out)).max() < 1.0
    assert total == pytest.approx(float((1e-300 * true).sum()), rel=1e-12)


def test_singles_within_one_ulp_inside_a_fastmath_reduction():
    x = arguments(np.random.default_rng(1), -125.0, 120.0).astype(np.float32)
    out = np.empty_like(x)
    total = summed_single(x, out)
    true = np.exp2(x.astype(np.float64))
    assert np.abs((out - true) / np.spacing(out)).max() < 1.0
    assert total == pytest.approx((1e-30 * true).sum(), rel=1e-4)


def test_integers_are_exact():
    x = np.arange(LOWEST, HIGHEST)
    out = np.empty_like(x)
    summed(x, out)
    np.testing.assert_array_equal(out, np.ldexp(1.0, x.astype(int)))


def test_beyond_the_range_zero_or_the_largest():
    x = np.array([-np.inf, -1e308, np.nextafter(LOWEST, -np.inf), LOWEST, HIGHEST, 2000.0, 1e308, np.inf])
    out = np.empty_like(x)
    summed(x, out)
    top = 2.0**0.5 * 2.0**1023  # 2^1023.5
    np.testing.assert_allclose(out, [0, 0, 0, 2.0**LOWEST, top, top, top, top], rtol=1e-15)


@njit(fastmath=FAST)
def short(x, out):
    for i in range(x.size):
        out[i] = exp2_short(x[i])


def powers(x):
    out = np.empty_like(x)
    short(x, out)
    return out


def test_the_short_polynomial_keeps_what_it_promises_down_to_exactly_zero():
    x = arguments(np.random.default_rng(2), LOWEST, HIGHEST - 4)
    true = np.exp2(x.astype(np.longdouble))
    assert 1e-15 < np.abs(powers(x) / true - 1).max() < SHORT
    faint = np.concatenate([np.linspace(-1023, LOWEST, 1001), [-np.inf, -1e308, -1023.5, np.nextafter(-1023, 0)]])
    low = powers(faint)
    assert (low >= 0).all() and (low <= 2.0**LOWEST).all() and (low[faint <= -1023] == 0).all()


def test_the_short_polynomial_is_exact_at_integers_and_stays_below_the_largest():
    x = np.concatenate([np.arange(LOWEST, HIGHEST), [HIGHEST, 2000.0, np.inf]])
    out = powers(x)
    np.testing.assert_array_equal(out[:-3], np.ldexp(1.0, x[:-3].astype(int)))
    np.testing.assert_allclose(out[-3:], 2.0**0.5 * 2.0**1023, rtol=SHORT)
