"""Entries ``2**t`` of an entropic plan, and their sum, in explicit vector registers.

Five vectors go side by side, since a step of the polynomial waits for the one before.  Their constants are read anew
for each of them, as operands in memory: LLVM would keep them in registers, has none left for the vectors, and puts
these in a queue (a fifth slower).  Exponents come from stored costs, or are made of points where they are used.

The nearest integer is taken by adding 1.5 2^52, which is safe here, where no flag lets anybody fold it away.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np
from llvmlite import ir
from numba import types

from otcore._kernels._kernel import intrinsic, kernel
from otcore._kernels.exp2 import HIGHEST, SHIFTER, VANISHING, D, exp2_short
from otcore._kernels.sums import fma

__all__ = ["entries", "root_entries", "square_entries"]

WIDTH, CHAINS = 4, (5, 4, 1)  # entries of a vector; vectors side by side, and where fewer are left
AHEAD, LINE = 256, 8  # entries: memory is asked for while those before are computed (2.3 times faster), by lines


def _whole_entries(cost, factor, F, G, e):
    return _summed(e, lambda j: fma(-factor, cost[j], F + G[j]))


def _square_entries(x, yt, F, G, e):
    return _summed(e, lambda j: F + G[j] + float(x @ yt[:, j]))


def _root_entries(x, yt, factor, F, G, e):
    return _summed(e, lambda j: fma(-factor, math.hypot(*(x - yt[:, j])), F + G[j]))


def _summed(e, exponent):
    whole = e.size - e.size % WIDTH
    with np.errstate(over="ignore", invalid="ignore"):
        values = [exp2_short(max(VANISHING, exponent(j))) for j in range(whole)]  # also where that is no number
        e[:whole] = values
        return float(np.sum(values))


DOUBLE, INTEGER, INDEX = ir.DoubleType(), ir.IntType(64), ir.IntType(32)
VECTOR, BITS = ir.VectorType(DOUBLE, WIDTH), ir.VectorType(INTEGER, WIDTH)
LOW, HIGH, ROUND = range(len(D), len(D) + 3)  # behind the coefficients D in the table of constants
TABLE = (*D, VANISHING, HIGHEST, SHIFTER)


def splat(x):
    return ir.Constant(VECTOR, [x] * WIDTH)


def spread(builder, x):
    """A scalar in all places of a vector."""
    nothing = ir.Constant(VECTOR, ir.Undefined)
    first = builder.insert_element(nothing, x, ir.Constant(INDEX, 0))
    return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(INDEX, WIDTH), [0] * WIDTH))


def call(builder, name, *values):
    """LLVM's function of vectors: "fma" or "sqrt"."""
    name = f"llvm.{name}.v{WIDTH}f64"
    kind = ir.FunctionType(VECTOR, [VECTOR] * len(values))
    return builder.call(builder.module.globals.get(name) or ir.Function(builder.module, kind, name), values)


def address(builder, array, j, offset=0):
    return builder.gep(array.data, [builder.add(j, ir.Constant(INTEGER, offset))])


def load(builder, array, j, offset):
    return builder.load(builder.bitcast(address(builder, array, j, offset), VECTOR.as_pointer()), align=8)


def store(builder, value, place):
    """Entries are doubles, or stored as singles."""
    if place.type.pointee != DOUBLE:
        value = builder.fptrunc(value, ir.VectorType(place.type.pointee, WIDTH))
    size = 8 if place.type.pointee == DOUBLE else 4
    builder.store(value, builder.bitcast(place, value.type.as_pointer()), align=size)


def constants(builder):
    """A function that reads a constant of the table, at a place that LLVM cannot know to be the same each time."""
    kind = ir.ArrayType(VECTOR, len(TABLE))
    table = builder.module.globals.get("otcore.powers")
    if table is None:
        table = ir.GlobalVariable(builder.module, kind, "otcore.powers")
        table.linkage, table.global_constant, table.align = "internal", True, 8 * WIDTH
        table.initializer = ir.Constant(kind, [splat(x) for x in TABLE])
    place = table.bitcast(VECTOR.as_pointer())

    def constant(k):
        nonlocal place
        place = builder.asm(ir.FunctionType(place.type, [place.type]), "", "=r,0", [place], True)
        return builder.load(builder.gep(place, [ir.Constant(INTEGER, k)]), align=8 * WIDTH)

    return constant


def powers(builder, t):
    """``2**t`` of vectors side by side, the bits of :func:`otcore._kernels.exp2.exp2_short`."""
    constant = constants(builder)
    for relation, k in (("ogt", LOW), ("olt", HIGH)):
        bounds = [constant(k) for _ in t]
        pairs = zip(t, bounds, strict=True)
        t = [builder.select(builder.fcmp_ordered(relation, x, bound), x, bound) for x, bound in pairs]
    shifters = [constant(ROUND) for _ in t]
    n = [builder.fadd(x, shifter) for x, shifter in zip(t, shifters, strict=True)]
    r = [builder.fsub(x, builder.fsub(k, shifter)) for x, k, shifter in zip(t, n, shifters, strict=True)]
    scales = [builder.shl(builder.bitcast(k, BITS), ir.Constant(BITS, [52] * WIDTH)) for k in n]
    p = [constant(len(D) - 1) for _ in t]
    for k in range(len(D) - 2, -1, -1):
        p = [call(builder, "fma", x, y, constant(k)) for x, y in zip(r, p, strict=True)]
    bits = [builder.add(builder.bitcast(y, BITS), scale) for y, scale in zip(p, scales, strict=True)]
    return [builder.bitcast(y, VECTOR) for y in bits]


def total(builder, parts):
    """The sum of some values, neighbours first."""
    while len(parts) > 1:
        pairs = zip(parts[::2], parts[1::2], strict=False)
        parts = [builder.fadd(x, y) for x, y in pairs] + parts[len(parts) & ~1 :]
    return parts[0]


def blocks(builder, first, end, chains, e, exponents, sums):
    """Entries first, first + chains WIDTH, ... below end: into e, and added to ``sums``, which is returned."""
    before, loop, after = (builder.block, *(builder.append_basic_block(name) for name in ("entries", "after")))
    builder.cbranch(builder.icmp_signed("<", first, end), loop, after)
    builder.position_at_end(loop)
    j, held = builder.phi(INTEGER), builder.phi(VECTOR)
    values = powers(builder, exponents(j, chains))
    for k, value in enumerate(values):
        store(builder, value, address(builder, e, j, k * WIDTH))
    more, ahead = builder.fadd(held, total(builder, values)), builder.add(j, ir.Constant(INTEGER, chains * WIDTH))
    again = builder.icmp_signed("<", ahead, end)
    for phi, start, new in ((j, first, ahead), (held, sums, more)):
        phi.add_incoming(start, before)
        phi.add_incoming(new, builder.block)
    last = builder.block
    builder.cbranch(again, loop, after)
    builder.position_at_end(after)
    result = builder.phi(VECTOR)
    result.add_incoming(sums, before)
    result.add_incoming(more, last)
    return result


def summed_blocks(builder, e, exponents):
    """Entries up to the last multiple of ``WIDTH``, and their sum."""
    done, size, sums = ir.Constant(INTEGER, 0), builder.extract_value(e.shape, 0), splat(0.0)
    for chains in CHAINS:
        rest = builder.urem(builder.sub(size, done), ir.Constant(INTEGER, chains * WIDTH))
        end = builder.sub(size, rest)
        sums = blocks(builder, done, end, chains, e, exponents, sums)
        done = end
    return total(builder, [builder.extract_element(sums, ir.Constant(INDEX, k)) for k in range(WIDTH)])


def arrays(context, builder, signature, args):
    """Arrays as such, scalars in all places of a vector."""
    assert all(kind.layout == "C" for kind in signature.args if isinstance(kind, types.Array))
    return [
        context.make_array(kind)(context, builder, arg) if isinstance(kind, types.Array) else spread(builder, arg)
        for kind, arg in zip(signature.args, args, strict=True)
    ]


def coordinates(builder, x, yt, j, start, step):
    """``step(x_k, y_k, values)`` from values ``start`` in all dimensions k; y_k are the columns from j on."""
    dimensions, width = (builder.extract_value(yt.shape, axis) for axis in (0, 1))
    before, loop, after = (builder.block, *(builder.append_basic_block(name) for name in ("dimension", "made")))
    builder.branch(loop)
    builder.position_at_end(loop)
    k, held = builder.phi(INTEGER), [builder.phi(VECTOR) for _ in start]
    here = builder.add(builder.mul(k, width), j)
    x_k = spread(builder, builder.load(builder.gep(x.data, [k])))
    values = [step(x_k, load(builder, yt, here, WIDTH * t), value) for t, value in enumerate(held)]
    following = builder.add(k, ir.Constant(INTEGER, 1))
    for phi, first, new in zip((k, *held), (ir.Constant(INTEGER, 0), *start), (following, *values), strict=True):
        phi.add_incoming(first, before)
        phi.add_incoming(new, loop)
    builder.cbranch(builder.icmp_signed("<", following, dimensions), loop, after)
    builder.position_at_end(after)
    return values


@intrinsic(_whole_entries)
def whole_entries(typing, cost, factor, F, G, e):
    """:func:`entries` up to the last multiple of ``WIDTH``."""

    def build(context, builder, signature, args):
        M, factors, f, g, out = arrays(context, builder, signature, args)
        minus = builder.fneg(factors)
        kind = ir.FunctionType(ir.VoidType(), [M.data.type, INDEX, INDEX, INDEX])
        hint = builder.module.declare_intrinsic("llvm.prefetch", [M.data.type], kind)
        read = [ir.Constant(INDEX, value) for value in (0, 3, 1)]  # data, to be kept

        def exponents(j, chains):
            for k in range(0, chains * WIDTH, LINE):
                builder.call(hint, [address(builder, M, j, AHEAD + k), *read])  # beyond the end, too: no fault
            levels = (builder.fadd(f, load(builder, g, j, WIDTH * t)) for t in range(chains))
            loads = (load(builder, M, j, WIDTH * t) for t in range(chains))
            return [call(builder, "fma", minus, x, level) for x, level in zip(loads, levels, strict=True)]

        return summed_blocks(builder, out, exponents)

    return types.float64(cost, types.float64, types.float64, G, e), build


@intrinsic(_square_entries)
def square_entries(typing, x, yt, F, G, e):
    """``e_j = 2**(F + G_j + sum_k x_k yt_kj)`` to SHORT; their sum.  A multiple of ``WIDTH``, all contiguous."""

    def build(context, builder, signature, args):
        point, columns, f, g, out = arrays(context, builder, signature, args)

        def exponents(j, chains):
            levels = [builder.fadd(f, load(builder, g, j, WIDTH * t)) for t in range(chains)]
            return coordinates(builder, point, columns, j, levels, partial(call, builder, "fma"))

        return summed_blocks(builder, out, exponents)

    return types.float64(x, yt, types.float64, G, e), build


@intrinsic(_root_entries)
def root_entries(typing, x, yt, factor, F, G, e):
    """``e_j = 2**(F + G_j - factor |x - yt_j|)`` to SHORT; their sum.  A multiple of ``WIDTH``, all contiguous."""

    def build(context, builder, signature, args):
        point, columns, factors, f, g, out = arrays(context, builder, signature, args)
        minus = builder.fneg(factors)

        def square(x, y, held):
            delta = builder.fsub(x, y)
            return call(builder, "fma", delta, delta, held)

        def exponents(j, chains):
            squares = coordinates(builder, point, columns, j, [splat(0.0)] * chains, square)
            levels = (builder.fadd(f, load(builder, g, j, WIDTH * t)) for t in range(chains))
            return [
                call(builder, "fma", minus, call(builder, "sqrt", z), level)
                for z, level in zip(squares, levels, strict=True)
            ]

        return summed_blocks(builder, out, exponents)

    return types.float64(x, yt, types.float64, types.float64, G, e), build


@kernel
def entries(cost, factor, F, G, e):
    """``e_j = 2**(F + G_j - factor cost_j)`` to SHORT; their sum.  All (m,) and contiguous."""
    s = whole_entries(cost, factor, F, G, e)
    for t in range(e.size - e.size % WIDTH, e.size):
        e[t] = exp2_short(fma(-factor, cost[t], F + G[t]))
        s += e[t]
    return s
