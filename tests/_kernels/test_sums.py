"""Compensated sums against exact rational arithmetic."""

from __future__ import annotations

from fractions import Fraction

import naive
import numpy as np
import pytest

from otcore._kernels import sums

U = Fraction(2) ** -53


def exact(*parts):
    return sum(map(Fraction, parts))


def assert_encloses(result, truth):
    hi, lo, err = result
    assert abs(exact(hi, lo) - truth) <= Fraction(err)


def cancelling(n, rng):
    """Terms that cancel to a tiny sum: a vector, minus itself in another order, and a residue."""
    x = rng.normal(size=n) * 10.0 ** rng.uniform(-8, 8, n)
    x, y = np.concatenate([x, -x]), np.tile(rng.normal(size=n), 2)
    shuffled = rng.permutation(2 * n)
    return np.append(x[shuffled], 1e-20), np.append(y[shuffled], 1.0)


CASES = {
    "plain": lambda n, rng: (rng.normal(size=n), rng.normal(size=n)),
    "cancelling": cancelling,
    "sixteen decades": lambda n, rng: (rng.normal(size=n) * 10.0 ** rng.uniform(-16, 16, n), rng.normal(size=n)),
    "subnormal products": lambda n, rng: (rng.normal(size=n) * 1e-160, rng.normal(size=n) * 1e-160),
    "subnormal factors": lambda n, rng: (rng.integers(-9, 9, n) * 5e-324, rng.normal(size=n)),
    "vanishing products": lambda n, rng: (rng.normal(size=n) * 1e-200, rng.normal(size=n) * 1e-200),
    "beside large ones": lambda n, rng: (10.0 ** rng.uniform(-200, 100, n), 10.0 ** rng.uniform(-200, 100, n)),
    "with zeros": lambda n, rng: (rng.integers(-1, 2, n) * 1e-170, rng.integers(0, 2, n) * 1e-150),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("n", [0, 1, 2, 63, 64, 65, 200, 1000])
def test_the_error_of_dot2_is_at_most_what_it_says(name, n):
    for seed in range(5):
        x, y = CASES[name](n, np.random.default_rng(seed))
        assert_encloses(sums.dot2(x, y), naive.dot(x, y))
        assert_encloses(sums.sum2(x), naive.dot(x, np.ones(x.size)))


def test_dot2_is_as_accurate_as_twice_the_precision():
    x, y = cancelling(5000, np.random.default_rng(7))
    size = float(np.abs(x) @ np.abs(y))
    hi, lo, err = sums.dot2(x, y)
    assert err < 1e-26 * size
    assert hi + lo == pytest.approx(float(naive.dot(x, y)), abs=1e-27 * size)


def test_dot2_has_not_degraded_to_a_plain_dot_product():
    # Fast-math does this without an error: every product and partial sum but the last would lose the 1.
    x, y = np.array([1e16, 1.0, -1e16] * 100), np.ones(300)
    for hi, lo, err in (sums.dot2(x, y), sums.sum2(x), sums.dot2(x * 1e-16, y * 1e16)):
        assert hi + lo == 100.0
        assert err < 1e-9
    rounded = np.array([1.0 + 2.0**-30])  # the square needs 61 bits
    hi, lo, err = sums.dot2(rounded, rounded)
    assert (hi, lo, err) != (hi, 0.0, 0.0)
    assert exact(hi, lo) == Fraction(float(rounded[0])) ** 2


def test_what_needs_no_rounding_has_error_zero():
    rng = np.random.default_rng(3)
    x, y = rng.integers(-1000, 1000, 500).astype(float), rng.integers(-1000, 1000, 500) / 64.0
    hi, lo, err = sums.dot2(x, y)
    assert (err, exact(hi, lo)) == (0.0, naive.dot(x, y))
    assert sums.dot2(np.zeros(100), rng.normal(size=100)) == (0.0, 0.0, 0.0)
    assert sums.dot2(np.full(3, 1e-300), np.zeros(3)) == (0.0, 0.0, 0.0)
    assert sums.sum2(x)[2] == 0.0
    assert sums.sum2(np.full(7, 5e-324)) == (7 * 5e-324, 0.0, 0.0)


def random_pairs(rng, count):
    """Normalised double-doubles of mixed sign and size."""
    high = rng.normal(size=count) * 2.0 ** rng.integers(-40, 40, count)
    low = high * 2.0**-54 * rng.uniform(-1, 1, count)
    return list(zip(high.tolist(), low.tolist(), strict=True))


def test_two_sum_and_two_prod_lose_nothing():
    rng = np.random.default_rng(5)
    for x, y in zip(rng.normal(size=200) * 10.0 ** rng.uniform(-20, 20, 200), rng.normal(size=200), strict=True):
        assert exact(*sums.two_sum(x, y)) == Fraction(x) + Fraction(y)
        assert exact(*sums.two_prod(x, y)) == Fraction(x) * Fraction(y)


@pytest.mark.parametrize(
    ("name", "operation", "units"),
    [
        ("dd_add", lambda x, y: x + y, 4),
        ("dd_mul", lambda x, y: x * y, 5),
        ("dd_div", lambda x, y: x / y, 16),
    ],
)
def test_double_doubles_stay_within_their_bound(name, operation, units):
    rng = np.random.default_rng(6)
    for x, y in zip(random_pairs(rng, 500), random_pairs(rng, 500), strict=True):
        high, low = getattr(sums, name)(*x, *y)
        truth = operation(exact(*x), exact(*y))
        assert abs(exact(high, low) - truth) <= units * U**2 * abs(truth)
        assert high + low == high  # normalised: it can be used again
