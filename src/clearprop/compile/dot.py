"""A kernel for few rows and columns of B that are contiguous in k: dot products, a vector of results at a time.

It needs no copy of B. A result is the sum of as many chains as a vector has lanes, in an order that only K decides.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .microkernel import ARGUMENTS, multiply_add
from .packing import every_other
from .target import Target
from .text import SUFFIXES, Function, Module, Value, memory_type


def dot_kernel(module: Module, target: Target, dtype: np.dtype[np.floating], masked: bool) -> str:
    """Write ``T[0, j] = Σₖ A[0, k] B[k, j]`` for a vector of columns, `ldb` apart, and return the kernel's name.

    Of columns beyond `lanes` none is read; the last one stands for them, unless `masked` keeps them out of T.
    """
    name = f"dot_{SUFFIXES[memory_type(dtype)]}{'_masked' * masked}"
    if name in module.functions:
        return name
    f, lanes = Function(module, name, ARGUMENTS), target.lanes(dtype.itemsize)
    a, b, count = Value("%A", "ptr"), Value("%B", "ptr"), Value("%K", "i64")
    last = f.integer("sub", Value("%lanes", "i64"), 1)
    columns = [b]
    for i in range(1, lanes):
        column = f.call("llvm.smin", last, Value(str(i), "i64"))
        columns.append(f.at(b, f.integer("mul", column, Value("%ldb", "i64")), dtype))
    mask = f.first(Value("%lanes", "i64"), lanes) if masked else None

    def step(k: Value, sums: list[Value], exists: Value | None = None) -> list[Value]:
        def read(base: Value) -> Value:
            place = f.at(base, k, dtype)
            return f.masked_load(place, exists, dtype) if exists else f.load(place, dtype, lanes)

        row = read(a)
        return [multiply_add(f, target, row, read(c), s) for c, s in zip(columns, sums, strict=True)]

    whole = f.integer("and", count, -lanes)
    zero = Value("zeroinitializer", memory_type(dtype), lanes)
    sums = f.loop(0, whole, lanes, [zero] * lanes, step)
    rest = f.integer("sub", count, whole)

    def tail(_: Value, sums: list[Value]) -> Sequence[Value]:
        return step(whole, sums, f.first(rest, lanes))

    sums = f.loop(whole, count, lanes, sums, tail)
    quad = 16 // dtype.itemsize
    inside = [_totals(f, sums[i : i + quad], 1, quad)[0] for i in range(0, lanes, quad)]
    result = _totals(f, inside, quad, lanes)[0]
    if mask:
        f.masked_store(result, Value("%T", "ptr"), mask, dtype)
    else:
        f.store(result, Value("%T", "ptr"), dtype)
    f.finish()
    return name


def _totals(f: Function, rows: list[Value], unit: int, span: int) -> list[Value]:
    """Add up the units in every span of each vector, into one vector that has them in the vectors' order."""
    while len(rows) > 1:
        rows = [
            f.binary("fadd", *(every_other(f, x, y, unit, span, odd) for odd in (0, 1)))
            for x, y in zip(rows[::2], rows[1::2], strict=True)
        ]
    return rows
