"""Asking for memory before it is needed."""

from __future__ import annotations

from llvmlite import ir
from numba import types

from otcore._kernels._kernel import intrinsic

__all__ = ["LINE", "prefetch"]

LINE = 8  # doubles in a cache line


@intrinsic(lambda row, j: None)
def prefetch(typing, row, j):
    """Ask for the cache line of ``row[j]``; j may lie beyond the end, since a hint never faults."""

    def build(context, builder, signature, args):
        array = context.make_array(signature.args[0])(context, builder, args[0])
        line = builder.gep(array.data, [args[1]])
        flag = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [line.type, flag, flag, flag])
        hint = builder.module.declare_intrinsic("llvm.prefetch", [line.type], kind)
        builder.call(hint, [line, *(ir.Constant(flag, value) for value in (0, 3, 1))])  # read, keep, data
        return context.get_dummy_value()

    return types.void(row, types.int64), build
