"""Copies of operands in the order in which a kernel reads them: panels of a few columns, a row of them after the other.

A panel D[K, width] holds `columns` columns of S[K, columns], and zeros beside them: no result depends on those, but
rubbish may be subnormal, and slow. A function serves every stride and count; its width and columns are fixed.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .module import Module
from .target import Target
from .text import SUFFIXES, Function, Value, memory_type

AHEAD = 128  # bytes of a column that are asked for ahead
ARGUMENTS = (
    ("ptr", "S"),  # S[0, 0]
    ("i64", "down"),  # elements from row to row of S
    ("i64", "along"),  # elements from column to column of S
    ("i64", "K"),  # rows
    ("ptr", "D"),  # the panel
)


def panel(
    module: Module,
    target: Target,
    dtype: np.dtype[np.floating],
    columns: int,
    width: int,
    *,
    turned: bool,
    even: bool,
    far: bool = False,
) -> str:
    """Write a function that makes a panel, unless the module has it, and return its name.

    Parameters
    ----------
    columns, width : int
        How many columns there are to copy, and how many the panel has room for: at least as many.
    turned : bool
        The columns of S are contiguous (down = 1); a panel then has room for K rounded up to a whole vector.
    even : bool
        The rows of S are contiguous (along = 1). If neither, any strides do.
    far : bool
        No near cache has S. If it is turned, what comes next of each column is asked for.
    """
    kind = "turned_far" if turned and far else "turned" if turned else "even" if even else "gathered"
    name = f"panel_{SUFFIXES[memory_type(dtype)]}_{kind}_{columns}_{width}"
    if name in module.functions:
        return name
    f = Function(module, name, ARGUMENTS)
    if turned:
        _turn(f, target, dtype, columns, width, far)
    else:
        (_copy if even else _gather)(f, target, dtype, columns, width)
    f.finish()
    return name


def panels(
    module: Module, target: Target, dtype: np.dtype[np.floating], width: int, count: int, apart: int
) -> str:
    """Write a function that makes whole panels side by side, `apart` elements from one to the next; return its name.

    It is called as that of `panel`, for contiguous rows of S. It reads each row of all panels at once: memory far
    away comes sooner if neighbours are asked for together.
    """
    name = f"panels_{SUFFIXES[memory_type(dtype)]}_{width}_{count}_{apart}"
    if name in module.functions:
        return name
    f, lanes = Function(module, name, ARGUMENTS), target.lanes(dtype.itemsize)

    def row(_: Value, now: list[Value]) -> list[Value]:
        source, to = now
        for i in range(count):
            for first, length in pieces(width, lanes):
                value = f.load(f.at(source, i * width + first, dtype), dtype, length)
                f.store(value, f.at(to, i * apart + first, dtype), dtype)
        return [f.at(source, Value("%down", "i64"), dtype), f.at(to, width, dtype)]

    f.loop(0, Value("%K", "i64"), 1, [Value("%S", "ptr"), Value("%D", "ptr")], row)
    f.finish()
    return name


def padded(module: Module, target: Target, dtype: np.dtype[np.floating]) -> str:
    """Write ``D[i, :K] = S[i, :K]`` for rows ``ld`` apart, and return the function's name.

    Its arguments are S, down, D, ld, rows and K.
    """
    name = f"padded_{SUFFIXES[memory_type(dtype)]}"
    if name in module.functions:
        return name
    arguments = [("ptr", "S"), ("i64", "down"), ("ptr", "D"), ("i64", "ld"), ("i64", "rows"), ("i64", "K")]
    f = Function(module, name, arguments)
    source, target_row = Value("%S", "ptr"), Value("%D", "ptr")
    lanes, count = target.lanes(dtype.itemsize), Value("%K", "i64")
    whole = f.integer("and", count, -lanes)

    def row(_: Value, now: list[Value]) -> list[Value]:
        for first, stop, width in ((0, whole, lanes), (whole, count, 1)):

            def piece(k: Value, __: list[Value], width: int = width) -> list[Value]:
                f.store(f.load(f.at(now[0], k, dtype), dtype, width), f.at(now[1], k, dtype), dtype)
                return []

            f.loop(first, stop, width, [], piece)
        return [f.at(now[0], Value("%down", "i64"), dtype), f.at(now[1], Value("%ld", "i64"), dtype)]

    f.loop(0, Value("%rows", "i64"), 1, [source, target_row], row)
    f.finish()
    return name


def tiles(module: Module, target: Target, dtype: np.dtype[np.floating], height: int, count: int) -> str:
    """Write ``D[t][k, :] = S[k, t·height : (t + 1)·height]`` for some tiles at once, so that whole lines are read.

    Its arguments are S, the elements from k to k of it, K, D, and the elements from tile to tile of D.
    """
    name = f"tiles_{SUFFIXES[memory_type(dtype)]}_{height}_{count}"
    if name in module.functions:
        return name
    arguments = [("ptr", "S"), ("i64", "down"), ("i64", "K"), ("ptr", "D"), ("i64", "apart")]
    f = Function(module, name, arguments)
    starts = [f.integer("mul", Value("%apart", "i64"), t) for t in range(count)]

    def row(_: Value, now: list[Value]) -> list[Value]:
        source, to = now
        for t, start in enumerate(starts):
            tile = f.at(to, start, dtype) if t else to
            for first, length in pieces(height, target.lanes(dtype.itemsize)):
                value = f.load(f.at(source, t * height + first, dtype), dtype, length)
                f.store(value, f.at(tile, first, dtype), dtype)
        return [f.at(source, Value("%down", "i64"), dtype), f.at(to, height, dtype)]

    f.loop(0, Value("%K", "i64"), 1, [Value("%S", "ptr"), Value("%D", "ptr")], row)
    f.finish()
    return name


def turned_rows(module: Module, target: Target, dtype: np.dtype[np.floating], count: int) -> str:
    """Write ``D[j, :K] = S[:K, j]`` for rows `ld` apart, with room for K rounded up to whole vectors; return the name.

    Several rows are columns side by side in S. Its arguments are S, the elements from k to k of it, K, D and ld.
    """
    name = f"rows_{SUFFIXES[memory_type(dtype)]}_{count}"
    if name in module.functions:
        return name
    arguments = [("ptr", "S"), ("i64", "down"), ("i64", "K"), ("ptr", "D"), ("i64", "ld")]
    f, lanes, terms = Function(module, name, arguments), target.lanes(dtype.itemsize), Value("%K", "i64")
    source, to, down = Value("%S", "ptr"), Value("%D", "ptr"), Value("%down", "i64")
    last = f.integer("sub", terms, 1)
    mask = f.first(Value(str(count), "i64"), lanes)

    def one(k: Value, _: list[Value]) -> list[Value]:
        f.store(f.load(f.at(source, f.integer("mul", k, down), dtype), dtype), f.at(to, k, dtype), dtype)
        return []

    def square(k: Value, _: list[Value]) -> list[Value]:
        places = [f.call("llvm.smin", last, f.integer("add", k, i)) for i in range(lanes)]
        rows = [f.masked_load(f.at(source, f.integer("mul", p, down), dtype), mask, dtype) for p in places]
        for j, row in enumerate(transposed(f, rows, 16 // dtype.itemsize)[:count]):
            f.store(row, f.at(f.at(to, f.integer("mul", Value("%ld", "i64"), j), dtype), k, dtype), dtype)
        return []

    f.loop(0, terms, 1 if count == 1 else lanes, [], one if count == 1 else square)
    f.finish()
    return name


def pieces(count: int, lanes: int) -> Iterator[tuple[int, int]]:
    """Yield (first, length) of powers of two, none above `lanes`, that make up a count."""
    first = 0
    while first < count:
        length = min(lanes, 1 << (count - first).bit_length() - 1)
        yield first, length
        first += length


def _copy(f: Function, target: Target, dtype: np.dtype[np.floating], columns: int, width: int) -> None:
    lanes = target.lanes(dtype.itemsize)

    def row(_: Value, now: list[Value]) -> list[Value]:
        source, to = now
        for first, length in pieces(columns, lanes):
            f.store(f.load(f.at(source, first, dtype), dtype, length), f.at(to, first, dtype), dtype)
        _clear(f, to, dtype, columns, width, lanes)
        return [f.at(source, Value("%down", "i64"), dtype), f.at(to, width, dtype)]

    f.loop(0, Value("%K", "i64"), 1, [Value("%S", "ptr"), Value("%D", "ptr")], row)


def _clear(f: Function, to: Value, dtype: np.dtype[np.floating], first: int, stop: int, lanes: int) -> None:
    for start, length in pieces(stop - first, lanes):
        f.store(f.constant(0, memory_type(dtype), length), f.at(to, first + start, dtype), dtype)


def _gather(f: Function, target: Target, dtype: np.dtype[np.floating], columns: int, width: int) -> None:
    lanes = target.lanes(dtype.itemsize)

    def row(_: Value, now: list[Value]) -> list[Value]:
        source, to = now

        def one(_: Value, now: list[Value]) -> list[Value]:
            f.store(f.load(now[0], dtype), now[1], dtype)
            return [f.at(now[0], Value("%along", "i64"), dtype), f.at(now[1], 1, dtype)]

        f.loop(0, columns, 1, [source, to], one)
        _clear(f, to, dtype, columns, width, lanes)
        return [f.at(source, Value("%down", "i64"), dtype), f.at(to, width, dtype)]

    f.loop(0, Value("%K", "i64"), 1, [Value("%S", "ptr"), Value("%D", "ptr")], row)


def _turn(
    f: Function, target: Target, dtype: np.dtype[np.floating], columns: int, width: int, far: bool
) -> None:
    """Go along as many columns of S as a vector has lanes, then along the next ones: memory likes few streams."""
    lanes, count = target.lanes(dtype.itemsize), Value("%K", "i64")
    for first in range(0, columns, lanes):
        square = _square(f.module, target, dtype, min(lanes, columns - first), far)
        start = f.at(Value("%S", "ptr"), f.integer("mul", Value("%along", "i64"), first), dtype)
        to = f.at(Value("%D", "ptr"), first, dtype)

        def body(
            k: Value, _: list[Value], square: str = square, start: Value = start, to: Value = to
        ) -> list[Value]:
            place, left = f.at(to, f.integer("mul", k, width), dtype), f.integer("sub", count, k)
            f.do(f"call void @{square}({f.at(start, k, dtype)}, i64 %along, {left}, {place}, i64 {width})")
            return []

        f.loop(0, count, lanes, [], body)


def _square(module: Module, target: Target, dtype: np.dtype[np.floating], columns: int, far: bool) -> str:
    """Write ``D[k, j] = S[j, k]`` for a square of vectors of which `columns` and K exist; others become 0."""
    name = f"square_{SUFFIXES[memory_type(dtype)]}_{columns}{'_far' * far}"
    if name in module.functions:
        return name
    f = Function(module, name, [("ptr", "S"), ("i64", "along"), ("i64", "K"), ("ptr", "D"), ("i64", "width")])
    lanes, to = target.lanes(dtype.itemsize), Value("%D", "ptr")
    step, width = Value("%along", "i64"), Value("%width", "i64")
    zero = Value("zeroinitializer", memory_type(dtype), lanes)
    mask = f.first(Value("%K", "i64"), lanes)
    rows, place = [], Value("%S", "ptr")
    for i in range(columns):
        place = f.at(place, step, dtype) if i else place
        if far:
            f.prefetch(f.at(place, AHEAD // dtype.itemsize, dtype))
        rows.append(f.masked_load(place, mask, dtype))
    rows += [zero] * (lanes - columns)
    for i, value in enumerate(transposed(f, rows, 16 // dtype.itemsize)):
        to = f.at(to, width, dtype) if i else to
        f.store(value, to, dtype)
    f.finish()
    return name


def transposed(f: Function, rows: list[Value], quad: int) -> list[Value]:
    """Return the columns of a square of vectors; `quad` is how many elements 16 bytes hold.

    First within each 16 bytes, where processors shuffle at full speed, then by whole 16 bytes. Between the two stands
    a fence: LLVM would look for shorter ways through all four exchanges, for as long as for all else, and find none.
    """
    lanes = rows[0].lanes
    inside = [[f.fence(v) for v in _columns(f, rows[i : i + quad], 1, quad)] for i in range(0, lanes, quad)]
    outside = [_columns(f, list(same), quad, lanes) for same in zip(*inside, strict=True)]
    return [value for quadruple in zip(*outside, strict=True) for value in quadruple]


def _columns(f: Function, rows: list[Value], unit: int, span: int) -> list[Value]:
    """Transpose units of elements within every span of the vectors, by taking even and odd units of pairs."""
    if len(rows) == 1:
        return rows
    pairs = list(zip(rows[::2], rows[1::2], strict=True))
    halves = [
        _columns(f, [every_other(f, a, b, unit, span, odd) for a, b in pairs], unit, span) for odd in (0, 1)
    ]
    return [value for pair in zip(*halves, strict=True) for value in pair]


def every_other(f: Function, a: Value, b: Value, unit: int, span: int, odd: int) -> Value:
    """Return the even or odd units of every span of a, then b, and so on: half a span of each."""
    picked = [
        lane + start + u
        for start in range(0, a.lanes, span)
        for lane in (0, a.lanes)
        for u in range(span)
        if u // unit % 2 == odd
    ]
    return f.shuffle(a, b, picked)
