"""The c-transform of a stored matrix against Fractions and against the streaming default."""

from __future__ import annotations

from fractions import Fraction

import naive
import numpy as np
import pytest

from otcore._kernels import dense
from otcore.costs import Cost, DenseCost

INF = np.inf
SHAPES = [(1, 1), (1, 7), (7, 1), (5, 3), (3, 127), (3, 128), (2, 129), (130, 5), (40, 300)]


def matrix(n, m, rng, kind):
    M = rng.normal(size=(n, m))
    if kind == "forbidden":
        M[rng.random((n, m)) < 0.5] = INF
    if kind == "ties":
        M = rng.integers(-2, 3, (n, m)) * 0.1
    if kind == "huge beside one":
        M[rng.random((n, m)) < 0.3] = 1e32
    return M


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["normal", "forbidden", "ties", "huge beside one"])
def test_minima_equal_the_streaming_default_bit_for_bit(shape, kind):
    rng = np.random.default_rng(sum(shape))
    M = matrix(*shape, rng, kind)
    cost = DenseCost(M)
    for axis in (0, 1):
        for h in (rng.normal(size=shape[axis]), rng.integers(-9, 9, shape[axis]) / 10, np.zeros(shape[axis])):
            np.testing.assert_array_equal(cost.ctransform(h, axis), Cost.ctransform(cost, h, axis))


@pytest.mark.parametrize("kind", ["normal", "forbidden", "ties", "huge beside one"])
def test_minima_are_the_largest_float_below_the_exact_minimum_or_one_less(kind):
    rng = np.random.default_rng(3)
    M = matrix(6, 133, rng, kind)
    for axis in (0, 1):
        h = rng.normal(size=M.shape[axis]) * 10.0 ** rng.integers(-9, 9, M.shape[axis])
        found = DenseCost(M).ctransform(h, axis)
        for k, value in enumerate(found):
            row = M[:, k] if axis == 0 else M[k]
            pairs = [Fraction(float(c)) - Fraction(float(s)) for c, s in zip(row, h, strict=True) if c < INF]
            if not pairs:
                assert value == INF
                continue
            assert Fraction(value) <= min(pairs)
            two_up = np.nextafter(np.nextafter(value, INF), INF)
            assert Fraction(two_up) > min(pairs)


def test_exact_subtractions_are_not_rounded_at_all():
    M = np.random.default_rng(0).integers(-99, 99, (9, 140)) / 8
    h = np.random.default_rng(1).integers(-99, 99, 9) / 4
    np.testing.assert_array_equal(DenseCost(M).ctransform(h, 0), (M - h[:, None]).min(axis=0))
    g = np.random.default_rng(2).integers(-99, 99, 140) / 4
    np.testing.assert_array_equal(DenseCost(M).ctransform(g, 1), (M - g).min(axis=1))
    np.testing.assert_array_equal(DenseCost(M).ctransform(np.zeros(9), 0), M.min(axis=0))


def test_one_inexact_entry_among_equal_minima_is_enough_to_round_down():
    """1 + 2^-53 rounds to 1; of the two entries whose float is 1 only the second is above its exact value."""
    h = np.array([0.0, 2.0**-54])
    M = np.array([[1.0], [1.0]])
    assert 1.0 - h[1] == 1.0
    assert DenseCost(M).ctransform(h, 0)[0] == np.nextafter(1.0, 0.0)
    assert DenseCost(M.T).ctransform(h, 1)[0] == np.nextafter(1.0, 0.0)


@pytest.mark.parametrize("kind", ["normal", "forbidden", "ties", "huge beside one"])
def test_lifted_potentials_are_feasible_in_rationals(kind):
    rng = np.random.default_rng(11)
    for n, m in ((4, 6), (7, 2), (1, 5)):
        M = matrix(n, m, rng, kind)
        M[0, 0] = 1.0
        f, g = DenseCost(M).lift(rng.normal(size=n) * 1e3)
        assert naive.worst_violation(f, g, M) <= 0
        assert np.isfinite(f).all()
        assert np.isfinite(g).all()


def test_centre_takes_out_row_minima_then_column_minima():
    rng = np.random.default_rng(0)
    for kind in ("normal", "forbidden"):
        M = matrix(8, 6, rng, kind)
        M[2], M[:, 4] = INF, INF
        r, c = np.empty(8), np.empty(6)
        spread = dense.centre(M, r, c)
        row = np.where(np.isinf(M.min(axis=1)), 0.0, M.min(axis=1))
        left = M - row[:, None]
        column = np.where(np.isinf(left.min(axis=0)), 0.0, left.min(axis=0))
        np.testing.assert_array_equal(r, row)
        np.testing.assert_array_equal(c, column)
        left = left - column
        assert spread == left[np.isfinite(left)].max()
