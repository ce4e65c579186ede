"""Products of four rows with one column in explicit vector registers.

LLVM vectorises a sum only under fast-math, and strands of it not dependably: a scalar loop takes twice as long in
double precision, and five times in single.  Here the lanes are written down, so that the order of summation is, too.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types

from otcore._kernels._kernel import intrinsic, kernel

__all__ = ["LANES", "four_products"]

LANES = 8  # sums side by side: two registers of doubles or one of singles a row, with four rows in flight


def _whole_lanes(k0, k1, k2, k3, v):
    whole = v.size - v.size % LANES
    return tuple(float((k[:whole] * v[:whole]).sum()) for k in (k0, k1, k2, k3))


@intrinsic(_whole_lanes)
def whole_lanes(typing, k0, k1, k2, k3, v):
    """Four sums over the columns up to the last multiple of ``LANES``, as doubles."""
    double, integer = ir.DoubleType(), ir.IntType(64)
    kind, size, name = (double, 8, "f64") if v.dtype == types.float64 else (ir.FloatType(), 4, "f32")
    vector = ir.VectorType(kind, LANES)
    zero, first, step = ir.Constant(vector, [0.0] * LANES), ir.Constant(integer, 0), ir.Constant(integer, LANES)

    def build(context, builder, signature, args):
        *rows, column = (context.make_array(t)(context, builder, x) for t, x in zip(signature.args, args, strict=True))
        product = ir.FunctionType(vector, [vector] * 3)
        fma = builder.module.globals.get(f"llvm.fma.v{LANES}{name}")
        fma = fma or ir.Function(builder.module, product, f"llvm.fma.v{LANES}{name}")
        whole = builder.and_(builder.extract_value(column.shape, 0), ir.Constant(integer, -LANES))
        before, loop, after = builder.block, builder.append_basic_block("lanes"), builder.append_basic_block("sums")
        builder.cbranch(builder.icmp_signed(">", whole, first), loop, after)

        builder.position_at_end(loop)
        j, *sums = builder.phi(integer), *(builder.phi(vector) for _ in rows)

        def load(array):
            return builder.load(builder.bitcast(builder.gep(array.data, [j]), vector.as_pointer()), align=size)

        x = load(column)
        news = [builder.call(fma, [load(row), x, s]) for row, s in zip(rows, sums, strict=True)]
        ahead = builder.add(j, step)
        for phi, start, new in zip((j, *sums), (first, *[zero] * 4), (ahead, *news), strict=True):
            phi.add_incoming(start, before)
            phi.add_incoming(new, loop)
        builder.cbranch(builder.icmp_signed("<", ahead, whole), loop, after)

        builder.position_at_end(after)
        ends = [builder.phi(vector) for _ in rows]
        for phi, new in zip(ends, news, strict=True):
            phi.add_incoming(zero, before)
            phi.add_incoming(new, loop)
        return context.make_tuple(builder, signature.return_type, [folded(builder, end) for end in ends])

    def folded(builder, sums):
        parts = [builder.extract_element(sums, ir.Constant(ir.IntType(32), t)) for t in range(LANES)]
        parts = [builder.fpext(part, double) for part in parts] if size == 4 else parts
        while len(parts) > 1:
            half = len(parts) // 2
            parts = [builder.fadd(x, y) for x, y in zip(parts[:half], parts[half:], strict=True)]
        return parts[0]

    return types.UniTuple(types.float64, 4)(k0, k1, k2, k3, v), build


@kernel
def four_products(k0, k1, k2, k3, v):
    """``k . v`` for four rows (m,) and a column (m,), contiguous and of one kind: float64, or float32 in float32."""
    r0, r1, r2, r3 = whole_lanes(k0, k1, k2, k3, v)
    for j in range(v.size - v.size % LANES, v.size):
        r0 += k0[j] * v[j]
        r1 += k1[j] * v[j]
        r2 += k2[j] * v[j]
        r3 += k3[j] * v[j]
    return r0, r1, r2, r3
