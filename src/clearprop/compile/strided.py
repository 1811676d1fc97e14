"""Elements that lie a stride apart, as the lanes of a vector; at the end of a line only the first few lanes exist."""

from __future__ import annotations

from typing import Any

import numpy as np

from .packing import pieces
from .target import Target
from .text import Function, Value, value_type


def line_end(target: Target, rest: int, width: int, lanes: int) -> list[tuple[int, int]]:
    """Return how the end of a line is cut, shorter than `width`: (lanes, how many of them exist).

    A vector of the target has so many `lanes`.
    """
    found: list[tuple[int, int]] = []
    while rest:
        if 2 < rest < lanes and target.vector_bytes >= 64:  # some lanes are as fast as all
            return [*found, (1 << (rest - 1).bit_length(), rest)]
        width //= 2
        if rest >= width:
            found.append((width, width))
            rest -= width
    return found


def existing(lanes: int, count: int) -> Value | None:
    """Return the mask of the `count` lanes that exist, if some do not; a count of 0 stands for all."""
    if count in (0, lanes):
        return None
    bits = ", ".join(f"i1 {'true' if lane < count else 'false'}" for lane in range(lanes))
    return Value(f"<{bits}>", "i1", lanes)


def read(f: Function, pointer: Value, dtype: np.dtype[Any], lanes: int, stride: int, count: int) -> Value:
    """Write the reading of a vector."""
    mask = existing(lanes, count)
    if stride == 1 and mask:
        found = f.masked_load(pointer, mask, dtype)
        return f.convert("trunc", found, "i1") if dtype.kind == "b" else found
    if stride == 1 or lanes == 1:
        return f.load(pointer, dtype, lanes)
    count = count or lanes
    parts = [f.load(f.at(pointer, lane * stride, dtype), dtype) for lane in range(count)]
    return f.gathered(parts + [f.constant(0, value_type(dtype))] * (lanes - count))


def write(f: Function, value: Value, pointer: Value, dtype: np.dtype[Any], stride: int, count: int) -> None:
    """Write the storing of a vector."""
    mask = existing(value.lanes, count)
    if stride == 1 and mask:
        byte = f.convert("zext", value, "i8") if dtype.kind == "b" else value
        f.masked_store(byte, pointer, mask, dtype)
    elif stride == 1 or value.lanes == 1:
        f.store(value, pointer, dtype)
    else:
        for lane in range(count or value.lanes):
            f.store(f.lane(value, lane), f.at(pointer, lane * stride, dtype), dtype)


def write_in_pieces(f: Function, value: Value, pointer: Value, dtype: np.dtype[Any], count: int) -> None:
    """Write the storing of some lanes side by side, by whole vectors: no load waits for a masked store."""
    for first, length in pieces(count, value.lanes):
        lanes = range(first, first + length)
        part = f.shuffle(value, value, lanes) if length > 1 else f.lane(value, first)
        f.store(part, f.at(pointer, first, dtype), dtype)
