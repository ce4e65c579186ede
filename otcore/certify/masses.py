"""The two marginals in fixed point: exact integers that no rounding can push out of balance."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, nextafter

import numpy as np

from otcore._kernels import tree
from otcore._types import Indices, Weights
from otcore.certify.rounding import Interval

__all__ = ["BITS", "FixedMasses"]

BITS = 104  # one unit is 2^-104: two limbs of 52 bits
LIMB = 1 << 52
SMALLEST = 2.0**-1074
NORMAL = 2.0**-1022  # numbers from here on were scaled without loss
COARSEST = 1074 - BITS  # weights scaled up by more cannot be given back in multiples of 2^-104


@dataclass(frozen=True, eq=False)
class FixedMasses:
    """Node masses (rows, then columns) that never exceed ``a`` and ``b A / B``, and what they leave over.

    Attributes
    ----------
    hi, lo : (n + m,) int64 limbs, in units of 2^-52 and 2^-104 of the mass unit
    left : float
        Upper bound of the mass that the rows (equally the columns) still lack, usually exactly 0.
    ratio : (float, float)
        A / B as an unrounded pair, ``ratio_error`` its relative error bound.
    lost : float
        What a weight may have lost to underflow when it was scaled; 0 unless they span 1000 binary orders.
    """

    hi: Indices
    lo: Indices
    left: float
    ratio: tuple[float, float]
    ratio_error: float
    lost: float

    @classmethod
    def of(cls, a: Weights, b: Weights, exponent: int = 0) -> FixedMasses:
        """From weights whose sums times ``2 ** exponent`` are below one."""
        n, m = a.size, b.size
        hi, lo = np.empty(n + m, np.int64), np.empty(n + m, np.int64)
        given = a, b
        a, b = (np.ldexp(w, exponent) for w in given)
        lost = 0.0
        if min(a.min(), b.min()) < NORMAL:
            scaled_back = (np.ldexp(w, -exponent) for w in (a, b))
            lost = 0.0 if all(map(np.array_equal, scaled_back, given)) else SMALLEST
        exact_a, A = tree.to_fixed(a, hi[:n], lo[:n])
        exact_b, B = tree.to_fixed(b, hi[n:], lo[n:])
        A, B, exact = _units(A), _units(B), exact_a and exact_b and not lost
        cut = 0 if exact else n + m  # units that flooring may have taken from the sums
        head = A / B  # of integers: rounded once
        p, q = head.as_integer_ratio()
        tail = (A * q - p * B) / (B * q)
        moved = B
        if A != B or not exact:
            moved = _units(tree.to_fixed_scaled(b, head, tail, cut, hi[n:], lo[n:]))
            if exponent > COARSEST:
                _coarsen(hi[n:], lo[n:], exponent - COARSEST)
                moved = _units(tree.total(hi[n:], lo[n:]))
        # Both sides must carry the same mass: the larger one gives up the few units of difference.
        side = slice(0, n) if A > moved else slice(n, n + m)
        _take(hi[side], lo[side], abs(A - moved))
        left = A + cut - min(A, moved)
        error = 2.0**-105 + 8.0 * cut * 2.0**-BITS if (A != B or not exact) else 0.0
        return cls(hi, lo, float(left) * 2.0**-BITS, (head, tail), error, lost)

    def excess(self, term: Interval) -> tuple[float, float]:
        """``(A / B - 1) x`` for an interval x of numbers, as a float and what that may be too much."""
        over = (self.ratio[0] - 1.0) + self.ratio[1]  # the difference is exact: the ratio is near one
        size = abs(term[0]) + abs(term[1]) + term[2]
        if size == 0 or (over == 0 and self.ratio_error == 0):
            return 0.0, 0.0
        # Four roundings: of ``over``, of the product, and lo and err, which ``term[0]`` leaves out.
        off = abs(over) * (2.0**-51 * abs(term[0]) + 2.0 * (abs(term[1]) + term[2])) + 1.125 * self.ratio_error * size
        return over * term[0], -nextafter(off * (1 + 2.0**-50) + 4 * SMALLEST, inf)


def _units(limbs: tuple[int, int]) -> int:
    return int(limbs[0]) * LIMB + int(limbs[1])


def _coarsen(hi: Indices, lo: Indices, bits: int) -> None:
    """Round down to multiples of ``2 ** bits`` units, the smallest double in the weights' own unit."""
    lo &= -(1 << min(bits, 52))
    hi &= -(1 << max(bits - 52, 0))


def _take(hi: Indices, lo: Indices, units: int) -> None:
    """Lower the largest masses by ``units`` in all."""
    while units:
        k = int(hi.argmax())
        mass = int(hi[k]) * LIMB + int(lo[k])
        step = min(units, mass)
        hi[k], lo[k] = divmod(mass - step, LIMB)
        units -= step
