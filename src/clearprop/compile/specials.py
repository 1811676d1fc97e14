"""Kernels that are no loops of elementary functions: gather and scatter, picks, scans, sorting, random bits."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.lowering import Draw, Gather, Pick, Scan, Scatter, Sort
from .kernels import AXIS, FAILED, FOUND, STATUS, Access, Special
from .target import Target
from .text import Function, Value, value_type
from .vocabulary import compute, convert

I64 = np.dtype(np.int64)
Addresses = Callable[[Access], Value]


def scratch_bytes(kernel: Special) -> int:
    """Return how much memory a kernel needs while it runs."""
    if isinstance(kernel.lowering, Sort):
        return 8 * int(kernel.output.layout.shape[kernel.params["axis"]])
    return 0


def emit_special(f: Function, target: Target, kernel: Special, address: Addresses, scratch: Value) -> None:
    """Write a kernel into a function."""
    inputs = [address(a) for a in kernel.inputs]
    output = address(kernel.output)
    kind = kernel.lowering
    if isinstance(kind, Gather):
        _gather(f, target, kernel, inputs, output, address(STATUS))
    elif isinstance(kind, Scatter):
        _scatter(f, target, kernel, inputs, output, address(STATUS))
    elif isinstance(kind, Pick):
        _pick(f, target, kind, kernel, inputs[0], output)
    elif isinstance(kind, Scan):
        _scan(f, target, kind, kernel, inputs[0], output)
    elif isinstance(kind, Sort):
        _sort(f, target, kernel, inputs[0], output, scratch)
    else:
        assert isinstance(kind, Draw)
        _draw(f, kernel, inputs, output)


def _each(
    f: Function, target: Target, n: int, dtype: np.dtype[np.generic], body: Callable[[Value | int, int], None]
) -> None:
    """Write ``body(i, lanes)`` for vectors that cover n elements, and single ones at the end."""
    lanes = target.lanes(dtype.itemsize)
    main = n // lanes * lanes

    def vector(i: Value, _: list[Value]) -> list[Value]:
        body(i, lanes)
        return []

    def scalar(i: Value, _: list[Value]) -> list[Value]:
        body(i, 1)
        return []

    if main:
        f.loop(0, main, lanes, [], vector)
    if n > main:
        f.loop(main, n, 1, [], scalar)


def note_failure(f: Function, status: Value, number: int, **facts: Value | int) -> None:
    """Write that something failed, and facts about it, unless something has failed before."""

    def note() -> None:
        for place, fact in ((FAILED, number), (FOUND, facts.get("found", 0)), (AXIS, facts.get("axis", 0))):
            value = fact if isinstance(fact, Value) else f.constant(fact, "i64")
            f.store(value, f.at(status, place, I64), I64)

    before = f.load(f.at(status, FAILED, I64), I64)
    f.when(f.make(f"icmp eq {before}, 0", "i1"), note)


# ---- gather and scatter


def _offset(
    f: Function, kernel: Special, indices: list[Value], p: Value, status: Value, shape: tuple[int, ...]
) -> Value:
    """Return where in an array of this shape the indices at place p lead; note those out of range."""
    offset: Value | int = 0
    for axis, pointer in enumerate(indices):
        n = shape[axis]
        given = f.load(f.at(pointer, p, I64), I64)
        wrapped = f.integer("add", given, n)
        negative = f.make(f"icmp slt {given}, 0", "i1")
        index = f.select(negative, wrapped, given)
        wrong = f.make(f"icmp uge {index}, {n}", "i1")

        def note(found: Value = given, axis: int = axis) -> None:
            note_failure(f, status, kernel.failure, found=found, axis=axis)

        f.when(wrong, note)
        index = f.select(wrong, f.constant(0, "i64"), index)
        step = f.integer("mul", index, math.prod(shape[axis + 1 :]))
        offset = f.integer("add", offset, step)
    assert isinstance(offset, Value)
    return offset


def _nothing_to_index(
    f: Function, kernel: Special, indices: list[Value], status: Value, shape: tuple[int, ...]
) -> None:
    """Write that the first index does not fit an axis of length 0."""
    axis = shape.index(0)
    note_failure(f, status, kernel.failure, found=f.load(indices[axis], I64), axis=axis)


def _gather(
    f: Function, target: Target, kernel: Special, inputs: list[Value], output: Value, status: Value
) -> None:
    x, indices = inputs[0], inputs[1:]
    shape, dtype = kernel.inputs[0].layout.shape, kernel.output.buffer.type.dtype
    row = math.prod(shape[len(indices) :])
    count = math.prod(kernel.inputs[1].layout.shape)

    def body(p: Value, _: list[Value]) -> list[Value]:
        source = f.at(x, _offset(f, kernel, indices, p, status, shape), dtype)
        place = f.at(output, f.integer("mul", p, row), dtype)

        def copy(i: Value | int, lanes: int) -> None:
            f.store(f.load(f.at(source, i, dtype), dtype, lanes), f.at(place, i, dtype), dtype)

        _each(f, target, row, dtype, copy)
        return []

    if 0 not in shape[: len(indices)]:
        f.loop(0, count, 1, [], body)
    elif count:
        _nothing_to_index(f, kernel, indices, status, shape)


def _scatter(
    f: Function, target: Target, kernel: Special, inputs: list[Value], output: Value, status: Value
) -> None:
    updates, indices = inputs[0], inputs[1:]
    shape, dtype = kernel.output.buffer.type.shape, kernel.output.buffer.type.dtype
    row = math.prod(shape[len(indices) :])
    count = math.prod(kernel.inputs[1].layout.shape)
    element = value_type(dtype)

    def clear(i: Value | int, lanes: int) -> None:
        f.store(f.constant(0, element, lanes), f.at(output, i, dtype), dtype)

    _each(f, target, math.prod(shape), dtype, clear)

    def body(p: Value, _: list[Value]) -> list[Value]:
        source = f.at(updates, f.integer("mul", p, row), dtype)
        place = f.at(output, _offset(f, kernel, indices, p, status, shape), dtype)

        def add(i: Value | int, lanes: int) -> None:
            at = f.at(place, i, dtype)
            pair = [f.load(at, dtype, lanes), f.load(f.at(source, i, dtype), dtype, lanes)]
            f.store(compute(f, target, "add", pair, [dtype, dtype], dtype, {}), at, dtype)

        _each(f, target, row, dtype, add)
        return []

    if 0 not in shape[: len(indices)]:
        f.loop(0, count, 1, [], body)
    elif count:
        _nothing_to_index(f, kernel, indices, status, shape)


# ---- along one axis


def _lines(f: Function, kernel: Special, body: Callable[[Value, Value], None]) -> tuple[int, int]:
    """Write ``body(outer, inner)`` for each line along the axis; return its length and step."""
    shape, axis = kernel.inputs[0].layout.shape, kernel.params["axis"]
    step = math.prod(shape[axis + 1 :])

    def outer(i: Value, _: list[Value]) -> list[Value]:
        def inner(j: Value, _: list[Value]) -> list[Value]:
            body(i, j)
            return []

        f.loop(0, step, 1, [], inner)
        return []

    f.loop(0, math.prod(shape[:axis]), 1, [], outer)
    return shape[axis], step


def _pick(f: Function, target: Target, kind: Pick, kernel: Special, x: Value, output: Value) -> None:
    dtype = kernel.inputs[0].buffer.type.dtype
    shape, axis = kernel.inputs[0].layout.shape, kernel.params["axis"]
    length, step = shape[axis], math.prod(shape[axis + 1 :])

    def body(i: Value, j: Value) -> None:
        first = f.at(x, f.integer("add", f.integer("mul", i, length * step), j), dtype)

        def look(n: Value, carried: list[Value]) -> list[Value]:
            best, at = carried
            value = _comparable(f, target, f.at(first, f.integer("mul", n, step), dtype), dtype)
            better = _better(f, kind.better, value, best, dtype)
            return [f.select(better, value, best), f.select(better, n, at)]

        found = f.loop(1, length, 1, [_comparable(f, target, first, dtype), f.constant(0, "i64")], look)
        place = f.integer("add", f.integer("mul", i, step), j)
        f.store(found[1], f.at(output, place, I64), I64)

    _lines(f, kernel, body)


def _comparable(f: Function, target: Target, place: Value, dtype: np.dtype[Any]) -> Value:
    """Read a number in a dtype that every processor compares."""
    wide = np.dtype(np.float32) if dtype == np.float16 else dtype
    return convert(f, target, f.load(place, dtype), dtype, wide)


def _better(f: Function, better: str, a: Value, b: Value, dtype: np.dtype[np.generic]) -> Value:
    """Whether a beats b; the first NaN beats everything."""
    word = "gt" if better == "greater" else "lt"
    if dtype.kind != "f":
        sign = "s" if dtype.kind == "i" else "u"
        return f.compare(f"icmp {sign}{word}", a, b)
    wins = f.compare(f"fcmp o{word}", a, b)
    nan = f.binary("and", f.compare("fcmp uno", a, a), f.compare("fcmp ord", b, b))
    return f.binary("or", wins, nan)


def _scan(f: Function, target: Target, kind: Scan, kernel: Special, x: Value, output: Value) -> None:
    source, dtype = kernel.inputs[0].buffer.type.dtype, kernel.output.buffer.type.dtype
    shape, axis = kernel.inputs[0].layout.shape, kernel.params["axis"]
    length, step = shape[axis], math.prod(shape[axis + 1 :])

    def body(i: Value, j: Value) -> None:
        start = f.integer("add", f.integer("mul", i, length * step), j)

        def add(n: Value, carried: list[Value]) -> list[Value]:
            place = f.integer("add", start, f.integer("mul", n, step))
            value = convert(f, target, f.load(f.at(x, place, source), source), source, dtype)
            total = compute(f, target, kind.combine, [carried[0], value], [dtype, dtype], dtype, {})
            f.store(total, f.at(output, place, dtype), dtype)
            return [total]

        start_value = f.constant(-0.0 if dtype.kind == "f" else 0, value_type(dtype))  # −0 + x is x
        f.loop(0, length, 1, [start_value], add)

    _lines(f, kernel, body)


def _sort(f: Function, target: Target, kernel: Special, x: Value, output: Value, scratch: Value) -> None:
    """Merge sort of indices, bottom up: runs of 1, 2, 4, ... are merged from the result into scratch and back."""
    dtype = kernel.inputs[0].buffer.type.dtype
    shape, axis = kernel.inputs[0].layout.shape, kernel.params["axis"]
    length, step = shape[axis], math.prod(shape[axis + 1 :])

    def body(i: Value, j: Value) -> None:
        start = f.integer("add", f.integer("mul", i, length * step), j)
        line, order = f.at(x, start, dtype), f.at(output, start, I64)

        def place(n: Value) -> Value:
            return f.at(order, f.integer("mul", n, step), I64)

        def value(n: Value) -> Value:
            return _comparable(f, target, f.at(line, f.integer("mul", n, step), dtype), dtype)

        def number(n: Value, _: list[Value]) -> list[Value]:
            f.store(n, place(n), I64)
            return []

        f.loop(0, length, 1, [], number)
        run = 1
        while run < length:
            _merge_runs(f, dtype, value, place, scratch, length, run)
            run *= 2

    _lines(f, kernel, body)


def _merge_runs(
    f: Function,
    dtype: np.dtype[np.generic],
    value: Callable[[Value], Value],
    place: Callable[[Value], Value],
    scratch: Value,
    length: int,
    run: int,
) -> None:
    def smaller(a: Value, b: Value) -> Value:
        return f.select(f.make(f"icmp slt {a}, {b.name}", "i1"), a, b)

    def pair(start: Value, _: list[Value]) -> list[Value]:
        end = f.constant(length, "i64")
        middle = smaller(f.integer("add", start, run), end)
        stop = smaller(f.integer("add", start, 2 * run), end)

        def take(n: Value, carried: list[Value]) -> list[Value]:
            left, right = carried
            has_left = f.make(f"icmp slt {left}, {middle.name}", "i1")
            has_right = f.make(f"icmp slt {right}, {stop.name}", "i1")
            last = f.constant(length - 1, "i64")
            a = f.load(place(smaller(left, last)), I64)
            b = f.load(place(smaller(right, last)), I64)
            right_first = f.binary("and", has_right, _before(f, value(b), value(a), dtype))
            no_left = f.make(f"xor {has_left}, true", "i1")
            from_right = f.binary("or", no_left, right_first)
            f.store(f.select(from_right, b, a), f.at(scratch, n, I64), I64)
            one = f.convert("zext", from_right, "i64")
            other = f.make(f"sub i64 1, {one.name}", "i64")
            return [f.integer("add", left, other), f.integer("add", right, one)]

        f.loop(start, stop, 1, [start, middle], take)
        return []

    f.loop(0, length, 2 * run, [], pair)

    def back(n: Value, _: list[Value]) -> list[Value]:
        f.store(f.load(f.at(scratch, n, I64), I64), place(n), I64)
        return []

    f.loop(0, length, 1, [], back)


def _before(f: Function, a: Value, b: Value, dtype: np.dtype[np.generic]) -> Value:
    """Whether a sorts before b; NaN comes last."""
    if dtype.kind != "f":
        return f.compare("icmp slt" if dtype.kind == "i" else "icmp ult", a, b)
    less = f.compare("fcmp olt", a, b)
    nan = f.binary("and", f.compare("fcmp ord", a, a), f.compare("fcmp uno", b, b))
    return f.binary("or", less, nan)


# ---- random bits


def _draw(f: Function, kernel: Special, inputs: list[Value], output: Value) -> None:
    """Philox-4x32 of ten rounds, a block of four words at a time."""
    u32, size = np.dtype(np.uint32), math.prod(kernel.output.layout.shape)
    word_type = kernel.inputs[1].buffer.type.dtype
    key = [f.convert("zext", f.load(f.at(inputs[0], i, u32), u32), "i64") for i in (0, 1)]
    word = f.load(inputs[1], word_type)
    if word_type.itemsize < 8:
        word = f.convert("zext" if word_type.kind == "u" else "sext", word, "i64")
    word = f.integer("and", word, 0xFFFFFFFF)
    domain = f.constant(kernel.params["domain"], "i64")

    def block(n: Value, _: list[Value]) -> list[Value]:
        a, b, c, d = f.integer("and", n, 0xFFFFFFFF), f.integer("lshr", n, 32), word, domain
        for r in range(10):
            k = [
                f.integer("and", f.integer("add", key[i], r * weyl), 0xFFFFFFFF)
                for i, weyl in enumerate((0x9E3779B9, 0xBB67AE85))
            ]
            p, q = f.integer("mul", a, 0xD2511F53), f.integer("mul", c, 0xCD9E8D57)
            a, b, c, d = (
                f.integer("xor", f.integer("xor", f.integer("lshr", q, 32), b), k[0]),
                f.integer("and", q, 0xFFFFFFFF),
                f.integer("xor", f.integer("xor", f.integer("lshr", p, 32), d), k[1]),
                f.integer("and", p, 0xFFFFFFFF),
            )
        first = f.integer("mul", n, 4)
        for i, value in enumerate((a, b, c, d)):
            at = f.integer("add", first, i)
            inside = f.make(f"icmp slt {at}, {size}", "i1")

            def write(value: Value = value, at: Value = at) -> None:
                f.store(f.convert("trunc", value, "i32"), f.at(output, at, u32), u32)

            f.when(inside, write)
        return []

    f.loop(0, -(-size // 4), 1, [], block)
