"""A kernel for few rows and columns of B that are contiguous in k: dot products, a few rows by 16 bytes of columns.

It needs no copy of B. A result is the sum of as many chains as a vector has lanes, in an order that only K decides.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .microkernel import ARGUMENTS, multiply_add
from .module import Module
from .packing import every_other
from .target import Target
from .text import SUFFIXES, Function, Value, memory_type

QUAD = 16  # bytes within which processors shuffle at full speed, of results
WORD = 8  # bytes of an i64


def dot_rows(target: Target, dtype: np.dtype[np.floating]) -> int:
    """Return how many rows a kernel takes at once: beside their sums, registers hold elements of each column."""
    quad = QUAD // dtype.itemsize
    return min((target.registers - quad - 1) // quad, 6)


def dot_kernel(module: Module, target: Target, dtype: np.dtype[np.floating], rows: int, masked: bool) -> str:
    """Write ``T[i, j] = Σₖ A[i, k] B[k, j]`` for rows and a vector of columns, `ldb` apart; return the kernel's name.

    Of columns beyond `lanes` none is read; the last one stands for them, unless `masked` keeps them out of T.
    """
    name = f"dot_{SUFFIXES[memory_type(dtype)]}_{rows}{'_masked' * masked}"
    if name in module.functions:
        return name
    f, lanes, quad = Function(module, name, ARGUMENTS), target.lanes(dtype.itemsize), QUAD // dtype.itemsize
    last = f.integer("sub", Value("%lanes", "i64"), 1)
    totals = f.room(rows * lanes * dtype.itemsize * (lanes // quad) // WORD)
    heads = [_along(f, Value("%A", "ptr"), "%lda", i, dtype) for i in range(rows)]

    def some(first: Value, _: list[Value]) -> list[Value]:
        chosen = [f.call("llvm.smin", last, f.integer("add", first, i)) for i in range(quad)]
        columns = [f.at(Value("%B", "ptr"), f.integer("mul", c, Value("%ldb", "i64")), dtype) for c in chosen]
        sums = _chains(f, target, dtype, heads, columns)
        place = f.at(totals, f.integer("mul", first, rows * lanes // quad), dtype)
        for i in range(rows):
            total = _totals(f, sums[i * quad : (i + 1) * quad], 1, quad)[0]
            f.store(total, f.at(place, i * lanes, dtype), dtype)
        return []

    f.loop(0, lanes, quad, [], some)
    mask = f.first(Value("%lanes", "i64"), lanes) if masked else None
    for i in range(rows):
        parts = [
            f.load(f.at(totals, (j * rows + i) * lanes, dtype), dtype, lanes) for j in range(lanes // quad)
        ]
        result, place = _totals(f, parts, quad, lanes)[0], _along(f, Value("%T", "ptr"), "%ldt", i, dtype)
        if mask:
            f.masked_store(result, place, mask, dtype)
        else:
            f.store(result, place, dtype)
    f.finish()
    return name


def _along(f: Function, base: Value, step: str, i: int, dtype: np.dtype[np.floating]) -> Value:
    """Return the address of a row."""
    return f.at(base, f.integer("mul", Value(step, "i64"), i), dtype) if i else base


def _chains(
    f: Function, target: Target, dtype: np.dtype[np.floating], heads: list[Value], columns: list[Value]
) -> list[Value]:
    """Write the loop over k; return vectors of sums, for each row one of each column."""
    lanes, count = target.lanes(dtype.itemsize), Value("%K", "i64")

    def step(k: Value, sums: list[Value], exists: Value | None = None) -> list[Value]:
        def read(base: Value) -> Value:
            place = f.at(base, k, dtype)
            return f.masked_load(place, exists, dtype) if exists else f.load(place, dtype, lanes)

        across, out = [read(c) for c in columns], list[Value]()
        for head in heads:
            row = read(head)
            out += [multiply_add(f, target, row, b, sums[len(out) + j]) for j, b in enumerate(across)]
        return out

    whole = f.integer("and", count, -lanes)
    zero = Value("zeroinitializer", memory_type(dtype), lanes)
    sums = f.loop(0, whole, lanes, [zero] * (len(heads) * len(columns)), step)
    rest = f.integer("sub", count, whole)

    def tail(_: Value, sums: list[Value]) -> Sequence[Value]:
        return step(whole, sums, f.first(rest, lanes))

    return f.loop(whole, count, lanes, sums, tail)


def _totals(f: Function, rows: list[Value], unit: int, span: int) -> list[Value]:
    """Add up the units in every span of each vector, into one vector that has them in the vectors' order."""
    while len(rows) > 1:
        rows = [
            f.binary("fadd", *(every_other(f, x, y, unit, span, odd) for odd in (0, 1)))
            for x, y in zip(rows[::2], rows[1::2], strict=True)
        ]
    return rows
