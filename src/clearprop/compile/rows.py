"""Rows of data, copied into a mini-batch from where they stand: whole, or element by element where they are scattered.

Native code finds a description of each array: the address, the bytes from row to row, whether rows are packed, and
the bytes along each further axis.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.types import Type
from .kernels import Buffer
from .text import Function, Value

Array = np.ndarray[Any, Any]

I64 = np.dtype(np.int64)
ADDRESS, STRIDE, PACKED, FIRST = range(4)  # places in a description


def packed(array: Array) -> bool:
    """Tell whether the elements of each row stand in order without gaps."""
    return bool(array[:1].flags.c_contiguous)


def description(array: Array) -> Array:
    """Return what native code must know of an array; it holds as long as the array lives."""
    address = array.__array_interface__["data"][0]
    return np.array([address, array.strides[0], packed(array), *array.strides[1:]], np.int64)


def emit_rows(f: Function, found: Value, numbers: Value, batch: Buffer, to: Value) -> None:
    """Write the copying of rows with these numbers, as many as a batch has, from an array of this description."""

    def fact(place: int, element: str = "i64") -> Value:
        return f.make(f"load {element}, {f.at(found, place, I64)}, align 8", element)

    count, row = batch.type.shape[0], Type(batch.type.shape[1:], batch.type.dtype)
    size = row.size * row.dtype.itemsize
    start, stride, whole = fact(ADDRESS, "ptr"), fact(STRIDE), fact(PACKED)
    strides = [fact(FIRST + axis) for axis in range(row.ndim)]

    def each(body: Callable[[Value, Value], None]) -> None:
        def one(r: Value, _: list[Value]) -> list[Value]:
            number = f.load(f.at(numbers, r, I64), I64)
            body(_moved(f, start, f.integer("mul", number, stride)), _moved(f, to, f.integer("mul", r, size)))
            return []

        f.loop(0, count, 1, [], one)

    def in_one_piece() -> None:
        each(lambda source, place: f.copy_bytes(place, source, size))

    def scattered() -> None:
        each(lambda source, place: _elements(f, source, place, row, strides))

    f.when(f.make(f"icmp ne {whole}, 0", "i1"), in_one_piece)
    f.when(f.make(f"icmp eq {whole}, 0", "i1"), scattered)


def _moved(f: Function, pointer: Value, distance: Value) -> Value:
    return f.make(f"getelementptr i8, {pointer}, {distance}", "ptr")


def _elements(f: Function, source: Value, to: Value, row: Type, strides: list[Value]) -> None:
    """Write the copying of a row, axis by axis."""
    if not strides:
        element = f"i{8 * row.dtype.itemsize}"
        value = f.make(f"load {element}, {source}, align 1", element)
        f.do(f"store {value}, {to}, align 1")
        return
    rest = Type(row.shape[1:], row.dtype)

    def one(i: Value, _: list[Value]) -> list[Value]:
        place = _moved(f, to, f.integer("mul", i, rest.size * rest.dtype.itemsize))
        _elements(f, _moved(f, source, f.integer("mul", i, strides[0])), place, rest, strides[1:])
        return []

    f.loop(0, row.shape[0], 1, [], one)
