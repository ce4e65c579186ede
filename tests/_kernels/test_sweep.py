"""What stands around the entries of a pass against its lines in NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from otcore._kernels.sweep import answered, drift, exponents, powers, scaled


def test_exponents_without_a_potential_are_those_of_nothing():
    f, logs = np.array([1.0, 2.0]), np.array([0.5, -np.inf])
    for k in (0, 1, 2):
        F = np.empty(4)
        exponents(f[:k], 3.0, logs, F)
        np.testing.assert_array_equal(F, np.concatenate([3.0 * f[:k] + logs[:k], np.full(4 - k, -np.inf)]))


@pytest.mark.parametrize("omega", [1.0, 1.7])
def test_potentials_answer_the_column_sums_that_have_their_digits(omega):
    rng = np.random.default_rng(0)
    f, g, log_a = rng.normal(size=5), rng.normal(size=7), np.log2(rng.random(5))
    b, w, factor = rng.random(7), rng.random(7), 3.0
    w[2], w[4], w[5] = 0.0, 2.0**-950, np.nan
    F, before, fine = np.empty(5), g.copy(), np.array([0, 1, 3, 6])
    exponents(f, factor, log_a, F)
    np.testing.assert_allclose(F, factor * f + log_a, rtol=1e-15)
    back = np.empty(5)
    after, lost = answered(F, log_a, factor, w, 2.0**-900, b, np.log2(b), omega, back, g)
    np.testing.assert_allclose(back, f, rtol=1e-13)
    step = np.log2(b[fine] / w[fine])
    np.testing.assert_allclose(g[fine], before[fine] + omega * step / factor, rtol=1e-13)
    np.testing.assert_array_equal(np.delete(g, fine), np.delete(before, fine))
    left = b[fine] @ np.abs(np.exp2((omega - 1) * step) - 1)
    assert lost and after == pytest.approx(left, rel=1e-13)
    assert not answered(F, log_a, factor, b, 0.0, b, np.log2(b), omega, back, g)[1]


def test_drift_overlooks_differences_of_infinities():
    inf = np.inf
    with np.errstate(invalid="ignore"):
        assert drift(np.array([1.0, -inf]), np.array([3.0, -inf]), np.zeros(2), np.array([0.5, -1.0])) == 2.0
    assert drift(np.zeros(1), np.zeros(1), np.zeros(2), np.array([0.0, -inf])) == inf


def test_scalings_and_sums():
    G, G0, v, w = np.array([-1.0, 3.0, 900.0]), np.array([0.0, 1.0, 900.0]), np.empty(3), np.array([3.0, 0.25, 7.0])
    powers(G, G0, v)
    np.testing.assert_array_equal(v, [0.5, 4.0, 1.0])
    assert scaled(w, v) == (0.25, 7.0)
    np.testing.assert_array_equal(w, [1.5, 1.0, 7.0])
