"""The line in closed form, judged by the certifier and by rational arithmetic."""

from __future__ import annotations

from fractions import Fraction

import naive
import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from otcore.certify.certifier import Certifier
from otcore.costs import LineCost
from otcore.problem import Problem
from otcore.solvers.line import Line


def certify(x, a, y, b, exponent):
    problem = Problem(a, b, LineCost(x, y, exponent))
    certifier = Certifier(problem)
    for candidate in Line().candidates(problem, None, None):
        certifier.offer(candidate)
    return certifier


def exact(x, a, y, b, exponent):
    return naive.line_transport(x, a, y, b, lambda s, t: naive.real_power(abs(s - t), exponent))


def instance(kind, n, m, rng):
    """Positions and weights (x, a, y, b), in no order."""
    x, y = rng.normal(size=n), rng.normal(size=m) + 0.3
    a, b = rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(m))
    if kind == "uniform":
        a, b = np.full(n, 1 / n), np.full(m, 1 / m)
    elif kind == "integers":
        x, y = rng.integers(-4, 5, n) * 1.0, rng.integers(-4, 5, m) * 1.0
        a, b = np.full(n, float(m)), np.full(m, float(n))
    elif kind == "offset":
        x, y = x + 1e8, y + 1e8
    elif kind == "far apart":
        y = y + 1e6
    elif kind == "decades":
        a, b = 10.0 ** -rng.integers(0, 14, n), 10.0 ** -rng.integers(0, 14, m)
        b *= a.sum() / b.sum()
    return x, a, y, b


@pytest.mark.parametrize("exponent", [1.0, 1.3, 1.5, 2.0, 2.5, 3.0, 4.0])
@pytest.mark.parametrize("kind", ["normal", "uniform", "integers", "offset", "far apart", "decades"])
def test_the_interval_holds_the_exact_value_and_is_tight(exponent, kind):
    rng = np.random.default_rng(1)
    for n, m in ((1, 1), (1, 5), (6, 1), (13, 13), (20, 31)):
        x, a, y, b = instance(kind, n, m, rng)
        c = certify(x, a, y, b, exponent)
        truth = exact(x, a, y, b, exponent)
        assert Fraction(c.lower) <= truth <= Fraction(c.upper)
        # Relative to W: enclosures of ten ulps, log2 m losses of as many; absolute: the potentials' own rounding.
        spread = LineCost(x, y, exponent).bounds()[1]
        assert c.upper - c.lower <= 1e-13 * c.upper + 4e-16 * spread * a.sum()


@pytest.mark.parametrize("exponent", [1.0, 2.0, 3.3])
def test_the_certificate_verifies(exponent):
    rng = np.random.default_rng(2)
    for kind in ("normal", "integers", "offset"):
        certificate = certify(*instance(kind, 20, 17, rng), exponent).certificate()
        assert certificate.verify(), str(certificate.verify())
        assert certificate.verify(exact=True)


def test_order_one_agrees_with_scipy_to_rounding():
    rng = np.random.default_rng(3)
    for n, m in ((1, 3), (200, 150), (5000, 7000)):
        x, a, y, b = instance("normal", n, m, rng)
        c = certify(x, a, y, b, 1.0)
        expected = wasserstein_distance(x, y, a, b)
        assert c.upper == pytest.approx(expected, rel=1e-12)
        assert c.upper - c.lower <= 4e-15 * c.upper


def test_boxes_are_certified_without_a_gap():
    """The lecture's boxes: every plan costs 42, and u(x) = -x proves it."""
    c = certify([1.0, 2.0, 3.0], [3, 1, 2], [7.0, 8.0, 9.0, 10.0], [1, 1, 2, 2], 1.0)
    assert c.lower == 42
    assert c.upper == pytest.approx(42, rel=1e-15)


@pytest.mark.parametrize("exponent", [1.0, 1.5, 2.0, 3.3])
def test_equal_measures_cost_nothing(exponent):
    rng = np.random.default_rng(4)
    x, a = rng.integers(0, 9, 30) * 1.0, rng.random(30)
    order = rng.permutation(30)
    c = certify(x, a, x[order], a[order], exponent)
    spread = LineCost(x, x, exponent).bounds()[1] * a.sum()
    # The masses of the sorted sides agree, but for the order of duplicates, to the last bit.
    assert c.upper <= 1e-25 * spread
    assert -4e-16 * spread <= c.lower <= 0


@pytest.mark.parametrize("scale", [1e-100, 1e-9, 1e75, 1e140])
@pytest.mark.parametrize("exponent", [1.0, 1.5, 2.0])
def test_units_change_nothing(scale, exponent):
    """A power of two for the unit: the interval scales with it to the last bits."""
    rng = np.random.default_rng(5)
    unit = 2.0 ** np.round(np.log2(scale) / 2) * 2.0 ** np.round(np.log2(scale) / 2)
    x, a, y, b = instance("normal", 15, 12, rng)
    c = certify(x, a, y, b, exponent)
    d = certify(x * unit, a, y * unit, b, exponent)
    assert d.upper == pytest.approx(c.upper * unit**exponent, rel=1e-14)
    assert d.upper - d.lower <= 1e-13 * d.upper


def test_the_plan_is_a_monotone_spanning_tree_in_the_order_given():
    rng = np.random.default_rng(6)
    x, a, y, b = instance("uniform", 8, 6, rng)
    problem = Problem(a, b, LineCost(x, y, 2))
    (candidate,) = Line().candidates(problem, None, None)
    plan = candidate.plan
    assert plan.nnz == 8 + 6 - 1
    assert (np.diff(x[plan.i]) >= 0).all()
    assert (np.diff(y[plan.j]) >= 0).all()
    rows, columns = plan.marginals()
    np.testing.assert_allclose(rows, a, rtol=1e-14)
    np.testing.assert_allclose(columns, b, rtol=1e-14)


def test_a_mismatch_of_the_sums_is_spread_over_all_weights():
    rng = np.random.default_rng(8)
    x, a, y, b = instance("normal", 500, 500, rng)
    problem = Problem(a, b * (1 + 8e-14), LineCost(x, y))
    (candidate,) = Line().candidates(problem, None, None)
    rows, columns = candidate.plan.marginals()
    np.testing.assert_allclose(rows, problem.a, rtol=1e-14)
    np.testing.assert_allclose(columns, problem.b / (1 + 8e-14), rtol=1e-13)


def test_ten_thousand_duplicates():
    """Runs of equal points and of equal distribution functions, a million ties in M."""
    rng = np.random.default_rng(7)
    x, y = rng.integers(0, 10, 10_000) * 1.0, rng.integers(0, 10, 10_000) * 1.0
    u = np.full(10_000, 1e-4)
    for exponent in (1.0, 2.0):
        c = certify(x, u, y, u, exponent)
        difference = np.abs(np.sort(x) - np.sort(y)) ** exponent
        assert c.upper == pytest.approx(difference.mean(), rel=1e-12)
        assert c.upper - c.lower <= 1e-13 * c.upper
