"""The pairs of a line that tangents leave over: all that violate, and few others."""

from __future__ import annotations

from fractions import Fraction

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import otcore
from otcore.certify.tangents import close_pairs


def violations(x, y, f, g, p):
    """Pairs with ``f + g > |x - y| ** p``, in exact arithmetic."""
    number = lambda v: [Fraction(float(t)) for t in v]  # noqa: E731
    x, y, f, g = map(number, (x, y, f, g))
    return {
        (i, j)
        for i in range(len(x))
        for j in range(len(y))
        if f[i] + g[j] > naive.real_power(abs(x[i] - y[j]), Fraction(p))
    }


@given(st.integers(0, 10**6), st.sampled_from([1.5, 2.0, 2.5, 3.0, 7.0]), st.sampled_from([1e-120, 1e-9, 1.0, 1e8]))
def test_a_violated_pair_is_left_over_or_a_worse_one_at_the_same_place(seed, p, unit):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 14, 2)
    unit = unit if unit**p > 1e-250 else 1e-30
    x, y = (np.round(rng.normal(size=k), rng.integers(0, 4)) * unit for k in (n, m))
    x += rng.choice([0.0, 1e6]) * unit
    f = rng.normal(size=n) * unit**p
    g = (np.abs(x[:, None] - y) ** p - f[:, None]).min(axis=0)  # equality, up to rounding, in every column
    g += rng.choice([0.0, 1e-15, -1e-15, 1e-3], m) * np.abs(g)
    left = set(close_pairs(x, y, f, g, p))
    for i, j in violations(x, y, f, g, p) - left:
        assert any(x[i] == x[k] and y[j] == y[h] and f[k] >= f[i] and g[h] >= g[j] for k, h in left), (i, j)


@pytest.mark.parametrize("p", [1.5, 2.0, 3.0])
def test_only_pairs_near_the_plan_are_left_over(p):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=3000), rng.normal(size=2000) + 0.5
    s = otcore.solve(x, y, order=p)
    left = list(close_pairs(x, y, s.f, s.g, p))
    assert set(zip(s.plan.i.tolist(), s.plan.j.tolist(), strict=True)) <= set(left)
    assert len(left) < 2 * (x.size + y.size)


@pytest.mark.parametrize("p", [1.5, 2.0])
def test_one_potential_an_ulp_too_high_is_seen_among_thousands(p):
    rng = np.random.default_rng(1)
    s = otcore.solve(rng.normal(size=700), rng.normal(size=900), order=p)
    c = s.certificate
    assert c.verify()
    k = int(np.argmax(np.abs(c.f)))
    f = c.f.copy()
    f[k] += np.abs(f[k]) * 1e-13
    from dataclasses import replace

    assert not replace(c, f=f).verify()


def test_points_that_all_coincide_and_far_sides_of_other_sizes():
    x, f = np.full(9, 3.0), np.arange(9.0)
    assert list(close_pairs(x, np.array([3.0]), f, np.array([0.0]), 2.0)) == [(8, 0)]
    assert list(close_pairs(x, np.array([1e9]), f, np.array([0.0]), 2.0)) == []
    assert list(close_pairs(np.array([0.0]), np.linspace(1, 2, 1000), np.array([0.0]), np.zeros(1000), 2.0)) == []
