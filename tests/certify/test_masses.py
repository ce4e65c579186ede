"""Fixed-point masses against Fractions: never above a and b A / B, equal sums, and what is left over bounded."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from otcore.certify.masses import BITS, COARSEST, LIMB, FixedMasses, _coarsen

UNIT = Fraction(1, 1 << BITS)


def exact(weights, exponent=0):
    return [Fraction(float(w)) * Fraction(2) ** exponent for w in weights]


def node_masses(masses):
    return [(int(h) * LIMB + int(low)) * UNIT for h, low in zip(masses.hi, masses.lo, strict=True)]


def weights(kind, n, m, rng):
    """Weights below one whose sums agree as ``kind`` says."""
    a, b = rng.random(n), rng.random(m)
    if kind == "dyadic":
        a, b = rng.integers(0, 9, n) + np.eye(n)[0], rng.integers(0, 9, m) + np.eye(m)[-1]
        return a * b.sum() / 2.0**14, b * a.sum() / 2.0**14
    if kind == "an ulp apart":
        b = b * (a.sum() / b.sum()) * (1 + 2.0**-52)
    if kind == "forty decades":
        a, b = 10.0 ** rng.uniform(-40, 0, n), 10.0 ** rng.uniform(-40, 0, m)
    if kind == "zeros":
        a[rng.random(n) < 0.5] = 0.0
        b[rng.random(m) < 0.5] = 0.0
        a[0] = b[0] = 1.0
    if kind == "half precision":
        b = b * (1.005 * a.sum() / b.sum())
        return a / (4 * a.sum()), b / (4 * a.sum())
    return a / (4 * a.sum()), b / (4 * b.sum())


KINDS = ["dyadic", "rounded", "an ulp apart", "forty decades", "zeros", "half precision"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(8))
def test_no_node_has_more_than_its_weight_and_both_sides_carry_the_same(kind, seed):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 9, 2)
    a, b = weights(kind, n, m, rng)
    masses = FixedMasses.of(a, b)
    exact_a, exact_b = exact(a), exact(b)
    ratio = sum(exact_a) / sum(exact_b)
    nodes = node_masses(masses)
    targets = [*exact_a, *(w * ratio for w in exact_b)]
    assert all(0 <= mass <= target for mass, target in zip(nodes, targets, strict=True))
    assert sum(nodes[:n]) == sum(nodes[n:])
    lacking = sum(exact_a) - sum(nodes[:n])
    assert lacking <= Fraction(masses.left)
    # Every node may be cut, by about ten units and what the cuts of all others do to A / B.
    assert Fraction(masses.left) <= 64 * (n + m) ** 2 * UNIT
    assert abs(sum(map(Fraction, masses.ratio)) - ratio) <= Fraction(masses.ratio_error) * ratio
    assert masses.lost == 0


def test_weights_that_balance_exactly_leave_exactly_nothing():
    a, b = weights("dyadic", 7, 5, np.random.default_rng(0))
    masses = FixedMasses.of(a, b)
    assert node_masses(masses) == exact(a) + exact(b)
    assert (masses.left, masses.ratio, masses.ratio_error) == (0.0, (1.0, 0.0), 0.0)


def test_a_weight_of_1e_minus_30_beside_one_is_still_there():
    masses = FixedMasses.of(np.array([0.25, 1e-30]), np.array([0.25, 1e-30]))
    tiny = node_masses(masses)[1]
    assert 0 < tiny <= Fraction(1e-30)
    assert Fraction(1e-30) - tiny <= Fraction(masses.left)


@pytest.mark.parametrize("mass", [5e-324, 1e-320, 1e-310, 1e-300, 1e-250, 1.0, 1e250, 1e300])
def test_masses_of_any_unit_can_be_given_back_as_floats(mass):
    """Regression: what a double cannot hold in the weights' own unit was rounded up when it was scaled back."""
    rng = np.random.default_rng(1)
    a, b = rng.random(5) * mass, rng.random(4) * mass
    if not (a.any() and b.any()):
        a, b = np.full(5, mass), np.full(4, mass)
    exponent = -2 - int(np.frexp(max(a.sum(), b.sum()))[1])
    masses = FixedMasses.of(a, b, exponent)
    nodes = node_masses(masses)
    exact_a, exact_b = exact(a, exponent), exact(b, exponent)
    ratio = sum(exact_a) / sum(exact_b)
    assert all(x <= y for x, y in zip(nodes, [*exact_a, *(w * ratio for w in exact_b)], strict=True))
    assert sum(nodes[:5]) == sum(nodes[5:])
    assert sum(exact_a) - sum(nodes[:5]) <= Fraction(masses.left)
    smallest = Fraction(2) ** (exponent - 1074)
    if exponent > COARSEST:
        assert all(mass % smallest == 0 for mass in nodes)


def test_weights_too_far_apart_for_one_unit_are_reported_as_lost():
    """Regression: 1e-30 beside 1e300 vanished when it was scaled, and the certificate claimed that it was moved."""
    a = np.array([1e300, 1e-30])
    masses = FixedMasses.of(a, a, -1000)
    assert masses.lost >= 2.0**-1074
    assert masses.left > 0
    assert masses.ratio_error > 0


@pytest.mark.parametrize("bits", [1, 5, 51, 52, 53, 60, 100])
def test_coarse_masses_are_multiples_rounded_down(bits):
    rng = np.random.default_rng(12)
    hi, lo = rng.integers(0, 1 << 50, 30), rng.integers(0, LIMB, 30)
    before = [int(h) * LIMB + int(low) for h, low in zip(hi, lo, strict=True)]
    _coarsen(hi, lo, bits)
    step = 1 << bits
    after = [int(h) * LIMB + int(low) for h, low in zip(hi, lo, strict=True)]
    assert after == [units // step * step for units in before]


def test_one_side_with_weights_below_the_smallest_normal_is_enough_to_lose_digits():
    a, b = np.array([1.0, 1.0]), np.array([2.0, 3 * 5e-324])
    assert FixedMasses.of(a, b, -3).lost > 0
    assert FixedMasses.of(b, a, -3).lost > 0
    assert FixedMasses.of(a, a, -3).lost == 0
