"""The kernels of the line against rational arithmetic."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

import naive
import numpy as np
import pytest
from places import KINDS, places

from otcore._kernels.line import (
    cdf_potential,
    distances_up,
    lipschitz_on_grid,
    monge_minima,
    north_west,
    power,
    staircase_potentials,
    sweep_minima,
)
from otcore.costs.line import POWERS

U = 2.0**-53
ONE = (1.0, 1.0)


@pytest.mark.parametrize("kind", KINDS)
def test_sweeps_give_the_largest_float_below_the_exact_minimum(kind):
    rng = np.random.default_rng(1)
    for n, m in ((1, 1), (1, 5), (7, 1), (20, 23)):
        s, t = places(kind, n, rng), places(kind, m, rng)
        spread = max(s[-1] - t[0], t[-1] - s[0])
        for h in (np.zeros(n), rng.normal(size=n) * spread, s[::-1].copy(), s * (1 + U)):
            out = np.empty(m)
            sweep_minima(s, h, t, out)
            for got, exact in zip(out, naive.line_ctransform(s, h, t, 1), strict=True):
                assert Fraction(float(got)) <= exact < Fraction(float(np.nextafter(got, np.inf)))


@pytest.mark.parametrize("exponent", sorted(POWERS))
def test_power_does_the_same_operations_as_numpy(exponent):
    d = np.abs(np.random.default_rng(2).normal(size=200)) * 10.0 ** np.arange(-100, 100, dtype=float)
    with np.errstate(over="ignore", under="ignore"):
        expected = POWERS[exponent][0](d)
    got = [power(v, round(2 * exponent), exponent) for v in d[expected < np.inf]]
    assert got == expected[expected < np.inf].tolist()


def bracket(p, ulps):
    return 1 - (ulps + 3) * U, 1 + 2 * -(-(ulps + 3) // 2) * U, 2.0**-1074


@pytest.mark.parametrize("kind", ["normal", "ties", "offset", "far offset"])
@pytest.mark.parametrize("p", [1.5, 2.0, 3.0, 4.0])
def test_monge_minima_are_below_the_exact_minima_and_close(kind, p):
    rng = np.random.default_rng(3)
    ulps = POWERS[p][1]
    for n, m in ((1, 1), (1, 6), (9, 1), (17, 14)):
        s, t = places(kind, n, rng), places(kind, m, rng)
        top = max(s[-1] - t[0], t[-1] - s[0]) ** p
        for h in (np.zeros(n), rng.normal(size=n) * top, np.abs(s - t[0]) ** p):
            out = np.empty(m)
            monge_minima(s, h, t, round(2 * p), p, ONE, bracket(p, ulps), out)
            # Each level may lose a bracket of 2 (k + 4) u M on either side, the end one more and a rounding.
            slack = (4 * (ulps + 5) * (np.log2(m) + 2) * top + 2 * np.abs(h).max()) * U
            for got, exact in zip(out, naive.line_ctransform(s, h, t, p), strict=True):
                assert Fraction(float(got)) <= exact <= Fraction(float(got)) + Fraction(float(slack))


def test_wrong_decisions_within_the_bracket_are_paid_for():
    """The kernel is told d^2 with a bracket wide enough for the truth, c d^1.9: it decides wrongly, never unsoundly."""
    rng = np.random.default_rng(4)
    for _ in range(50):
        s, t = np.sort(rng.uniform(-10, 10, 12)), np.sort(rng.uniform(-10, 10, 200))
        d = np.abs(s[:, None] - t)
        ratio = d**-0.1
        M = d**1.9 / np.sqrt(ratio.max() * ratio.min())
        width = (np.sqrt(ratio.max() / ratio.min()) - 1) * (1 + 1e-9)
        h = rng.random(12) * width * (d**2).mean()
        out = np.empty(200)
        monge_minima(s, h, t, 4, 2.0, ONE, (1 - width, 1 + width, 0.0), out)
        assert (out <= (M - h[:, None]).min(axis=0)).all()


def test_zero_potentials_give_exactly_zero_at_common_points():
    s = np.array([0.0, 1.0, 1.0, 5.0])
    out = np.empty(4)
    for law, p in ((3, 1.5), (4, 2.0), (0, 2.2)):
        monge_minima(s, np.zeros(4), s, law, p, ONE, bracket(p, 9), out)
        assert out.tolist() == [0.0] * 4
    sweep_minima(s, np.zeros(4), s, out)
    assert out.tolist() == [0.0] * 4


def run_north_west(a, b):
    k = a.size + b.size - 1
    i, j, mass = np.empty(k, np.int64), np.empty(k, np.int64), np.empty(k)
    A, B = sum(map(Fraction, a.tolist())), sum(map(Fraction, b.tolist()))
    high = float(A / B)
    north_west(a, b, (high, float(A / B - Fraction(high))), i, j, mass)
    return i, j, mass


def test_north_west_is_the_exact_staircase_and_a_spanning_tree():
    rng = np.random.default_rng(5)
    for n, m in ((1, 1), (1, 4), (5, 1), (6, 6), (30, 17)):
        for a, b in (
            (np.full(n, 1 / n), np.full(m, 1 / m)),
            (rng.random(n), rng.random(m)),
            (rng.integers(1, 4, n) * 1.0, rng.integers(1, 4, m) * 1.0),
            (10.0 ** -rng.integers(0, 25, n), 10.0 ** -rng.integers(0, 25, m)),
        ):
            i, j, mass = run_north_west(a, b)
            steps = np.diff(i) + np.diff(j)
            assert (i[0], j[0], i[-1], j[-1]) == (0, 0, n - 1, m - 1)
            assert (steps == 1).all()
            assert (np.diff(i) >= 0).all()
            exact = naive.staircase(a, b)
            # double-double sums: 3 u^2 relative to the total for each of the n + m additions and products
            tolerance = Fraction(sum(a.tolist())) * (n + m) * Fraction(2) ** -100
            for row, column, got in zip(i.tolist(), j.tolist(), mass.tolist(), strict=True):
                true = exact.pop((row, column), Fraction(0))
                assert abs(Fraction(got) - true) <= tolerance + true * Fraction(U)
            assert all(left <= tolerance for left in exact.values())


def test_staircase_potentials_are_tight_along_a_long_chain():
    rng = np.random.default_rng(6)
    x, y = np.sort(rng.normal(size=400)), np.sort(rng.normal(size=300)) + 3
    i, j, _ = run_north_west(rng.random(400), rng.random(300))
    c = (x[i] - y[j]) ** 2
    f, g = np.empty(400), np.empty(300)
    staircase_potentials(i, j, c, f, g)
    # f and g are rounded once each: nothing chains
    assert (np.abs(f[i] + g[j] - c) <= 2 * U * (np.abs(f[i]) + np.abs(g[j]) + c)).all()


def test_cdf_potential_has_slope_minus_sign_of_F_minus_G_and_zero_where_they_agree():
    x, y = np.array([0.0, 4.0]), np.array([1.0, 3.0, 7.0])
    f, g = np.empty(2), np.empty(3)
    cdf_potential(x, np.array([0.5, 0.5]), y, np.array([0.5, 0.25, 0.25]), (1.0, 0.0), f, g)
    # F - G: 1/2 on (0, 1), 0 on (1, 3), -1/4 on (3, 4), +1/4 on (4, 7)
    assert f.tolist() == [0.0, 0.0]
    assert g.tolist() == [1.0, 1.0, 3.0]


def test_cdf_potential_sees_a_weight_of_1e_20_beside_one():
    f, g = np.empty(2), np.empty(2)
    cdf_potential(
        np.array([0.0, 1.0]), np.array([1e-20, 1.0]), np.array([2.0, 4.0]), np.array([1.0, 1e-20]), (1.0, 0.0), f, g
    )
    # On (2, 4) F - G = 1e-20 > 0, which a float sum of F has lost
    assert (f.tolist(), g.tolist()) == ([0.0, -1.0], [2.0, 4.0])


@pytest.mark.parametrize("kind", ["normal", "ties", "offset", "far offset"])
def test_one_function_on_a_grid_is_1_lipschitz_exactly_and_near(kind):
    rng = np.random.default_rng(7)
    z = places(kind, 40, rng)
    for u in (z - z[0], np.abs(z - np.median(z)) * (1 + 4 * U), rng.normal(size=40)):
        q = 2.0 ** (np.frexp(np.abs(u).max())[1] - 53)
        out = np.empty(40)
        lipschitz_on_grid(z, u, q, out)
        exact, positions = [Fraction(v) for v in out.tolist()], [Fraction(v) for v in z.tolist()]
        assert all((v / Fraction(q)).denominator == 1 for v in exact)
        pairs = combinations(zip(exact, positions, strict=True), 2)
        assert all(abs(v - w) <= abs(s - t) for (v, s), (w, t) in pairs)


def test_the_grid_flattens_u_by_at_most_a_step_a_point():
    z = np.cumsum(np.random.default_rng(8).random(2000)) * 1e-3
    q = 2.0**-53 * 2.0 ** np.frexp(z[-1])[1]
    out = np.empty(2000)
    lipschitz_on_grid(z, z, q, out)
    assert (np.abs(out - z) <= (np.arange(2000) + 1) * q).all()


@pytest.mark.parametrize("scale", [1.0, 1e-300, 1e12])
def test_distances_are_rounded_up_once(scale):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=60) * scale, rng.choice([1.0, 3.0, 1e-9], 60) * rng.normal(size=60) * scale
    x[:9], y[:9] = np.arange(9.0), [0.0, 2.0, 9.0, 1.0, 4.0, 4.5, 6.0, 1e-20, 8.0]
    k = np.arange(60)
    out = np.empty(60)
    distances_up(x, y, k, k, out)
    for u, v, d in zip(x, y, out, strict=True):
        exact = abs(Fraction(u) - Fraction(v))
        assert Fraction(d) >= exact
        assert d == 0 or Fraction(np.nextafter(d, 0.0)) < exact
