"""The area between two distribution functions against rational arithmetic, and the sort before it against NumPy's."""

from __future__ import annotations

from fractions import Fraction

import naive
import numpy as np
import pytest
from places import KINDS, places

from otcore._kernels.area import area, pack, settle, unpack
from otcore._kernels.sums import dd_div, sum2


def ascending(x, w, patience):
    """Positions and weights as bits through all three kernels."""
    keys, records, weights = np.empty(x.size, np.uint64), np.empty((x.size, 2), np.uint64), np.empty(x.size, np.uint64)
    bits = max(1, (x.size - 1).bit_length())
    pack(x.view(np.uint64), w.view(np.uint64), bits, keys, records)
    keys.view(np.float64).sort()
    unpack(keys, bits, records, weights)
    z, mass = keys.view(np.float64), weights.view(np.float64)
    return settle(z, mass, patience), z, mass


@pytest.mark.parametrize("kind", [*KINDS, "one", "both ends", "subnormal", "signed zeros"])
def test_packed_positions_sort_as_the_positions_do(kind):
    rng = np.random.default_rng(3)
    x = {
        "one": lambda: np.array([2.5]),
        "both ends": lambda: np.array([1.7e308, -1.7e308, 0.0, 5e-324, -5e-324, 1.0]),
        "subnormal": lambda: rng.integers(-40, 40, 300) * 5e-324,
        "signed zeros": lambda: np.array([0.0, -0.0, 0.0, -0.0, -1.0, 1.0]),
    }.get(kind, lambda: rng.permutation(places(kind, 3000, rng)))()
    w = rng.random(x.size)
    settled, z, mass = ascending(x, w, 40 * x.size)
    assert settled and np.array_equal(z, np.sort(x))
    assert sorted(zip(z + 0.0, mass, strict=True)) == sorted(zip(x + 0.0, w, strict=True))


def test_a_pack_that_sorts_badly_is_given_up():
    # All but one of the points share the bits that a key keeps.
    x = np.append(1.0 + np.random.default_rng(4).permutation(5000) * 2.0**-52, -1e300)
    settled, _, _ = ascending(x, np.ones(x.size), 8 * x.size)
    assert not settled
    settled, z, _ = ascending(x, np.ones(x.size), x.size**2)
    assert settled and np.array_equal(z, np.sort(x))


@pytest.mark.parametrize("kind", [k for k in KINDS if k not in ("tiny", "huge")])
def test_the_area_is_exact_to_second_order(kind):
    rng = np.random.default_rng(5)
    for n, m in ((1, 1), (1, 7), (40, 1), (60, 60), (80, 33)):
        x, y = places(kind, n, rng), places(kind, m, rng)
        a, b = rng.random(n) * 10.0 ** rng.integers(-12, 1, n), rng.random(m)
        a[rng.random(n) < 0.2] = 0.0
        a[0] = 1.0
        ratio = dd_div(*sum2(a)[:2], *sum2(b)[:2])
        total, low = area(x, a, y, b, *ratio)
        exact = naive.line_area(x, a, y, b)
        size = Fraction(float(a.sum())) * Fraction(float(max(x[-1], y[-1]) - min(x[0], y[0])))
        assert abs(Fraction(total) + Fraction(low) - exact) <= size * (n + m + 8) ** 2 * Fraction(2) ** -102
