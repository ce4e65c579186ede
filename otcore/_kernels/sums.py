"""Sums that know their own error: double-double arithmetic and compensated dot products.

No fast-math in this file, nor in any kernel that a certificate calls: ``reassoc`` turns ``two_sum`` into
``(x + y, 0)`` and a compensated dot product into a plain one, silently.
"""

from __future__ import annotations

import ctypes
import os

import numpy as np

from otcore._kernels._kernel import intrinsic, kernel, linear

__all__ = ["dd_add", "dd_div", "dd_mul", "dot2", "fma", "sum2", "two_prod", "two_sum"]

LANES = 64  # independent sums, eight AVX-512 registers: a shorter inner loop is not vectorised (3 times slower)
ETA = 2.0**-1074  # the smallest positive double
TINY = 2.0**-969  # below it the error of a product may fall under ETA, where no float can hold it

_libm = ctypes.CDLL("ucrtbase" if os.name == "nt" else None)  # Python has a fused product of its own from 3.13 on
for _function, _real in ((_libm.fma, ctypes.c_double), (_libm.fmaf, ctypes.c_float)):
    _function.argtypes, _function.restype = [_real] * 3, _real


def _fma(x, y, z):
    if isinstance(x, np.float32) and isinstance(y, np.float32) and isinstance(z, np.float32):
        return np.float32(_libm.fmaf(x, y, z))
    return _libm.fma(x, y, z)


@intrinsic(_fma)
def fma(typing, x, y, z):
    """``x y + z`` rounded once, of singles to single.  Without FMA hardware LLVM calls libm: slow, still right."""
    from numba import types

    def build(context, builder, signature, args):
        return builder.fma(*args)

    kind = types.float32 if {x, y, z} == {types.float32} else types.float64
    return kind(kind, kind, kind), build


@kernel
def two_sum(x, y):
    """``(s, e)`` with ``s = fl(x + y)`` and ``s + e = x + y`` exactly [Knuth TAOCP 2, 4.2.2, Thm B]."""
    s = x + y
    t = s - x
    return s, (x - (s - t)) + (y - t)


@kernel
def two_prod(x, y):
    """``(p, e)`` with ``p = fl(x y)`` and ``p + e = x y`` exactly, up to ``ETA`` where ``|x y| < TINY``."""
    p = x * y
    return p, fma(x, y, -p)


@kernel
def dd_add(xh, xl, yh, yl):
    """Double-double sum, relative error below 3.1 u^2 [Joldes, Muller, Popescu 2017, Alg. 6]."""
    sh, sl = two_sum(xh, yh)
    th, tl = two_sum(xl, yl)
    vh, vl = _fast_two_sum(sh, sl + th)
    return _fast_two_sum(vh, tl + vl)


@kernel
def dd_mul(xh, xl, yh, yl):
    """Double-double product, relative error below 5 u^2 [Joldes, Muller, Popescu 2017, Alg. 12]."""
    ph, pl = two_prod(xh, yh)
    return _fast_two_sum(ph, pl + fma(xl, yh, fma(xh, yl, xl * yl)))


@kernel(work=linear)
def dd_div(xh, xl, yh, yl):
    """Double-double quotient, relative error below 16 u^2 [Joldes, Muller, Popescu 2017, Alg. 17]."""
    q = xh / yh
    ph, pl = two_prod(yh, q)
    ph, pl = _fast_two_sum(ph, fma(yl, q, pl))
    return _fast_two_sum(q, ((xh - ph) + (xl - pl)) / yh)


@kernel
def _fast_two_sum(x, y):
    """``two_sum`` where ``|x| >= |y|`` or ``x == 0`` [Dekker 1971]."""
    s = x + y
    return s, y - (s - x)


@kernel(work=linear)
def dot2(x, y):
    """``sum x_i y_i`` as an unrounded pair with a proved error [Ogita, Rump, Oishi 2005, Alg. 5.3, in lanes].

    Parameters
    ----------
    x, y : (n,) float64 arrays, finite, C-ordered; no product and no partial sum may overflow

    Returns
    -------
    hi, lo, err : float
        ``|hi + lo - x . y| <= err`` in real arithmetic; ``err`` is 0 where nothing had to be rounded.

    Notes
    -----
    Every product and every partial sum leaves a remainder that is itself a float, so ``x . y`` is the head
    plus all remainders r.  They are added in plain floats, N in a chain, wrong by at most ``N u sum |r|``;
    twice that is returned and pays for the rounding of ``sum |r|``.  A product below TINY loses up to ETA.
    """
    n = x.size
    whole = n - n % LANES
    head, tail, rest, small = np.zeros(LANES), np.zeros(LANES), np.zeros(LANES), np.zeros(LANES)
    for i in range(0, whole, LANES):
        _add_products(x[i : i + LANES], y[i : i + LANES], head, tail, rest, small)
    _add_products(x[whole:], y[whole:], head, tail, rest, small)
    hi, lo, remainders = _fold(head, tail, rest)
    lost = _count_tiny(x, y) if small.any() else 0  # zero factors are common and lose nothing
    return hi, lo, _chain_error(n, remainders) + 2.0 * ETA * lost


@kernel(work=linear)
def sum2(x):
    """``sum x_i`` as an unrounded pair with a proved error: :func:`dot2` without its products.

    Parameters
    ----------
    x : (n,) float64 array, finite, C-ordered; no partial sum may overflow

    Returns
    -------
    hi, lo, err : float
        ``|hi + lo - sum x| <= err`` in real arithmetic; sums never underflow.
    """
    n = x.size
    whole = n - n % LANES
    head, tail, rest = np.zeros(LANES), np.zeros(LANES), np.zeros(LANES)
    for i in range(0, whole, LANES):
        _add_terms(x[i : i + LANES], head, tail, rest)
    _add_terms(x[whole:], head, tail, rest)
    hi, lo, remainders = _fold(head, tail, rest)
    return hi, lo, _chain_error(n, remainders)


@kernel
def _add_products(x, y, head, tail, rest, small):
    for k in range(x.size):
        p, e = two_prod(x[k], y[k])
        head[k], q = two_sum(head[k], p)
        r = q + e
        tail[k] += r
        rest[k] += abs(r)
        small[k] += 1.0 if abs(p) < TINY else 0.0


@kernel
def _count_tiny(x, y):
    """How many products of two non-zero factors are below TINY."""
    count = 0
    for k in range(x.size):
        if x[k] != 0.0 and y[k] != 0.0 and abs(x[k] * y[k]) < TINY:
            count += 1
    return count


@kernel
def _add_terms(x, head, tail, rest):
    for k in range(x.size):
        head[k], r = two_sum(head[k], x[k])
        tail[k] += r
        rest[k] += abs(r)


@kernel
def _fold(head, tail, rest):
    """The lanes as one pair, and the sum of all remainders' sizes."""
    hi, lo, remainders = 0.0, 0.0, 0.0
    for k in range(LANES):
        hi, r = two_sum(hi, head[k])
        lo += r + tail[k]
        remainders += abs(r) + rest[k]
    hi, lo = two_sum(hi, lo)
    return hi, lo, remainders


@kernel
def _chain_error(n, remainders):
    """Twice ``N u sum |r|``, where N additions are the longest chain: a lane, the fold, two a remainder."""
    return (n // LANES + 2 * min(n, LANES) + 4) * 2.0**-52 * remainders
