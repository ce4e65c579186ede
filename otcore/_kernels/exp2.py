"""Powers of two as vectorisable arithmetic: ``exp2`` for loops over plan entries, double and single.

Numba calls the C library's scalar ``exp`` unless Intel's SVML is linked in; this one has no calls, so that LLVM
turns a loop over it into vector code.  Nothing here has fast-math flags, and nothing breaks where the caller has:
``t`` is rounded by ``llvm.rint``, since ``(t + 1.5 * 2**52) - 1.5 * 2**52``, the classic way, is folded to ``t`` by a
caller's ``reassoc`` even so, with results that are fast, plausible and wrong by up to 41 %.
"""

from __future__ import annotations

import numpy as np

from otcore._kernels._kernel import intrinsic, kernel
from otcore._kernels.sums import fma

__all__ = ["HIGHEST", "LOWEST", "SHORT", "exp2", "exp2_short", "exp2_single"]

LOWEST, HIGHEST = -1021.0, 1023.5  # results below 2^LOWEST become 0, above 2^HIGHEST they stay there
LOWEST_SINGLE, HIGHEST_SINGLE = np.float32(-125.0), np.float32(127.5)
VANISHING = -1023.0  # there the exponent's bits are all 0, and so are the mantissa's of exactly 1: the float is 0
SHORT = 2.0**-45  # relative error of the short polynomial, rounding included
SHIFTER, SHIFTER_SINGLE = 1.5 * 2.0**52, np.float32(1.5 * 2.0**23)  # adding it leaves an integer in the low bits

# 2^r on [-1/2, 1/2], minimax in relative error by Remez' exchange: 3.1e-18 before rounding, and 1.9e-9.
C = (
    1.0,
    0.6931471805599453,
    0.24022650695910155,
    0.055504108664819925,
    0.009618129107588335,
    0.0013333558146789923,
    0.00015403530462514432,
    1.5252733489988525e-05,
    1.32154330896764e-06,
    1.0178198021671931e-07,
    7.074105613508143e-09,
    4.435282706957277e-10,
)
D = (  # the same with D[0] = 1: 1.5e-14
    1.0,
    0.6931471805598851,
    0.2402265069572282,
    0.05550410866841573,
    0.009618129181163998,
    0.0013333557625472452,
    0.00015403440884402563,
    1.5252990014563104e-05,
    1.325833541632944e-06,
    1.0148340787498225e-07,
)
S = tuple(
    np.float32(c)
    for c in (
        1.0,
        0.6931472057371958,
        0.24022646890645522,
        0.05550328777105325,
        0.009618488956331182,
        0.0013399931177239738,
        0.00015345812161311629,
    )
)


def _shifted(x, n):
    x = np.asarray(x)[()]  # a float of Python's is no view of bits
    kind, bits = (np.int32, 23) if isinstance(x, np.float32) else (np.int64, 52)
    return (x.view(kind) + (n.view(kind) << bits)).view(x.dtype)


@intrinsic(np.rint)
def rint(typing, x):
    """The nearest integer, as a float of the same kind."""

    def build(context, builder, signature, args):
        return builder.call(builder.module.declare_intrinsic("llvm.rint", [args[0].type]), args)

    return x(x), build


@intrinsic(_shifted)
def shifted(typing, x, n):
    """``x * 2**k``, where the last bits of ``n`` are the integer k: k is added to the exponent of ``x``."""
    from llvmlite import ir
    from numba import types

    width, mantissa = (64, 52) if x == types.float64 else (32, 23)

    def build(context, builder, signature, args):
        integer = ir.IntType(width)
        value, power = (builder.bitcast(arg, integer) for arg in args)
        total = builder.add(value, builder.shl(power, ir.Constant(integer, mantissa)))
        return builder.bitcast(total, args[0].type)

    return x(x, n), build


@kernel(inline="always")
def parted(t, lowest):
    """The nearest integer n to t, kept between ``lowest`` and HIGHEST, and the rest ``t - n``."""
    u = min(max(t, lowest), HIGHEST)
    n = rint(u)
    return n, u - n


@kernel(inline="always")
def joined(p, n):
    """``p 2**n`` for an integer n."""
    return shifted(p, n + SHIFTER)


@kernel
def exp2(t):
    """``2**t`` for a float64 that is not nan, to 1 ulp; 0 below 2^LOWEST (and for -inf), at most 2^HIGHEST."""
    n, r = parted(t, LOWEST)
    p = fma(r, C[11], C[10])
    p = fma(r, p, C[9])
    p = fma(r, p, C[8])
    p = fma(r, p, C[7])
    p = fma(r, p, C[6])
    p = fma(r, p, C[5])
    p = fma(r, p, C[4])
    p = fma(r, p, C[3])
    p = fma(r, p, C[2])
    p = fma(r, p, C[1])
    p = fma(r, p, C[0])
    return joined(p, n) if t >= LOWEST else 0.0


@kernel
def exp2_short(t):
    """``2**t`` for a float64 that is not nan, to SHORT; below 2^LOWEST at most 2^LOWEST, and 0 from -1023 down."""
    n, r = parted(t, VANISHING)
    p = fma(r, D[9], D[8])
    p = fma(r, p, D[7])
    p = fma(r, p, D[6])
    p = fma(r, p, D[5])
    p = fma(r, p, D[4])
    p = fma(r, p, D[3])
    p = fma(r, p, D[2])
    p = fma(r, p, D[1])
    p = fma(r, p, D[0])
    return joined(p, n)


@kernel
def exp2_single(t):
    """``2**t`` for a float32 that is not nan, to 1 ulp; 0 below 2^-125, at most 2^127.5."""
    u = min(max(t, LOWEST_SINGLE), HIGHEST_SINGLE)
    n = rint(u)
    r = u - n
    p = fma(r, S[6], S[5])
    p = fma(r, p, S[4])
    p = fma(r, p, S[3])
    p = fma(r, p, S[2])
    p = fma(r, p, S[1])
    p = fma(r, p, S[0])
    return shifted(p, n + SHIFTER_SINGLE) if t >= LOWEST_SINGLE else np.float32(0.0)
