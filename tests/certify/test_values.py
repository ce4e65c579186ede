"""An interval from the values of any function at the supports: no torch, no trusted Lipschitz constant."""

from __future__ import annotations

from fractions import Fraction

import naive
import numpy as np
import pytest
import rays
import strategies as own
from hypothesis import given
from hypothesis import strategies as st

import otcore
from otcore._api import as_problem
from otcore.certify.values import certify_values


def samples(pair, n, seed=0):
    rng = np.random.default_rng(seed)
    return pair.x(n, rng), pair.y(n, rng)


@given(st.data(), st.integers(1, 3), st.floats(-100, 100))
def test_law_whatever_the_values_the_exact_distance_is_inside(data, d, scale):
    p, q = data.draw(own.measures(d)), data.draw(own.measures(d))
    problem = as_problem(p, q)
    u = [
        scale * np.array(data.draw(st.lists(st.floats(-1, 1), min_size=k, max_size=k)))
        for k in (len(p.points), len(q.points))
    ]
    interval = certify_values(problem, *u)
    X, Y = (m.points.reshape(len(m.points), -1).tolist() for m in (p, q))
    M = [[naive.real_distance_power(x, y, "euclidean", Fraction(1)) for y in Y] for x in X]
    exact = naive.transport(*([Fraction(w) for w in m.weights.tolist()] for m in (p, q)), M)
    assert Fraction(interval.lower) <= exact <= Fraction(interval.upper) * (1 + Fraction(1, 10**80))
    assert interval.zero <= interval.certificate.lower


@pytest.mark.parametrize("pair", [rays.shift(8), rays.funnels(8, 16)], ids=lambda pair: pair.name)
def test_a_true_potential_has_skill_and_noise_has_none(pair):
    x, y = samples(pair, 200)
    problem = as_problem(x, y)
    rng = np.random.default_rng(1)
    good = certify_values(problem, pair.potential(x), pair.potential(y))
    bad = certify_values(problem, 5 * rng.normal(size=200), 5 * rng.normal(size=200))
    assert good.skill > 0.1
    assert bad.skill < 0.05
    assert bad.certificate.lower >= bad.zero
    assert good.certificate.verify()


def test_the_scale_of_the_values_does_not_matter():
    pair = rays.shift(2)
    x, y = samples(pair, 200)
    lower = [
        certify_values(as_problem(x, y), s * pair.potential(x), s * pair.potential(y)).lower for s in (0.02, 1, 50)
    ]
    assert np.ptp(lower) < 0.02 * max(lower)
    assert min(lower) > 0.9


def test_polish_closes_the_gap():
    x, y = samples(rays.funnels(2, 4), 100)
    problem = as_problem(x, y)
    interval = certify_values(problem, x[:, 0], y[:, 0], polish=True)
    c = interval.certificate
    assert c.upper - c.lower <= 1e-9 * c.upper
    assert interval.lower < c.lower, "the field `lower` stays the values' own"
    assert c.upper == pytest.approx(otcore.wasserstein(x, y), rel=1e-9)


def test_values_that_are_not_finite_are_worth_the_zero_potential():
    x, y = samples(rays.shift(2), 20)
    interval = certify_values(as_problem(x, y), np.full(20, np.nan), np.zeros(20))
    assert (interval.lower, interval.skill, interval.scale) == (interval.zero, 0.0, 0.0)


def test_no_time_for_the_plan_still_leaves_a_valid_one():
    x, y = samples(rays.shift(2), 200)
    interval = certify_values(as_problem(x, y), x[:, 0], y[:, 0], max_seconds=0.0)
    assert interval.lower <= otcore.wasserstein(x, y) <= interval.upper < np.inf


def test_equal_measures_have_no_skill_to_show():
    x, _ = samples(rays.shift(2), 10)
    interval = certify_values(as_problem(x, x), x[:, 0], x[:, 0])
    assert interval.lower <= 0 <= interval.upper and np.isnan(interval.skill) == (interval.upper == interval.zero)
