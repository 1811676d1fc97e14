"""A tile of sums written to a matrix that is contiguous along the tile's columns: squares are turned in registers."""

from __future__ import annotations

import numpy as np

from .epilogue import AT, Sums, Writer
from .packing import pieces, transposed
from .target import Target
from .text import Function, Value, memory_type
from .turning import part


def storing_turned(target: Target, dtype: np.dtype[np.floating], apart: int) -> Writer:
    """Return what writes sums to C, whose columns of the tile are rows so many elements apart."""
    lanes = target.lanes(dtype.itemsize)

    def finish(f: Function, sums: Sums) -> None:
        row, column = AT
        corner = f.at(f.at(Value("%C", "ptr"), f.integer("mul", column, apart), dtype), row, dtype)
        for first in range(0, sums.rows, lanes):
            for start in range(0, sums.columns, lanes):
                size = min(lanes, sums.rows - first), min(lanes, sums.columns - start)
                place = f.at(corner, first + start * apart, dtype)
                square(f, sums, f.at(Value("%T", "ptr"), first * sums.stride + start, dtype), place, *size)

    def square(f: Function, sums: Sums, source: Value, to: Value, rows: int, columns: int) -> None:
        nothing = Value("poison", memory_type(dtype), lanes)
        held = [f.load(f.at(source, i * sums.stride, dtype), dtype, lanes) for i in range(rows)]
        turned = transposed(f, held + [nothing] * (lanes - rows), 16 // dtype.itemsize)
        for j, value in enumerate(turned[:columns]):
            store(f, value, f.at(to, j * apart, dtype), rows)

    def store(f: Function, value: Value, to: Value, rows: int) -> None:
        if target.vector_bytes >= 64 and rows < lanes:
            f.masked_store(value, to, f.first(Value(str(rows), "i64"), lanes), dtype)
            return
        for first, length in pieces(rows, lanes):
            f.store(part(f, value, first, length), f.at(to, first, dtype), dtype)

    return finish
