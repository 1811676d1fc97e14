"""Kernels that go through the same rows or units, as code: a function for each of them and each size of a part.

A part runs on a table of its own, in which arrays begin with its first row. So a kernel is written as if there were
no other rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np

from ..core.lowering import Layout
from ..core.own_memory import ALIGNMENT
from .arriving import Arriving
from .frame import NUMBER, STATUS, TABLE, WHO, Alone, Emit, Frame, Memory, chunk_function, own_table
from .kernels import AXIS, FAILED, FOUND, Access, Buffer, may_fail
from .memory import aligned, plan
from .of_part import of_part
from .several import Parted
from .text import Function, Value

I64 = np.dtype(np.int64)
THREADS = 2  # that have memory of their own, as it is counted


def emit_parted(frame: Frame, group: Parted, name: str, emit: Emit, rows: Arriving | None = None) -> Memory:
    """Write the kernels into a function, and beside it what the function calls; each part may copy rows that arrive."""
    f, buffers = frame.f, list(dict.fromkeys([*group.reads(), *group.writes(), *group.inner]))
    offsets, tops = plan(group.kernels, group.own_bytes())
    top = max(tops)
    spare = max(0, frame.room - THREADS * top) if group.what == "units" else math.inf
    own, called = 0, dict[int, list[str]]()
    for size in sorted(group.sizes()):
        called[size] = []
        for number, (kernel, axis) in enumerate(zip(group.kernels, group.axes, strict=True)):
            part = Function(f.module, f"{name}_{size}_{number}", [("ptr", "table")])
            memory = emit(
                Alone(part, frame.places, buffers, spare),
                of_part(kernel, axis, size, group.partial),
                f"{part.name}_product",
            )
            part.finish()
            called[size].append(part.name)
            own = max(own, top + aligned(memory.shared + memory.own))
    statuses = group.parts * ALIGNMENT if any(map(may_fail, group.kernels)) else 0
    chunk = chunk_function(f.module, f"{name}_chunk")
    first, last = (_start(chunk, group, n) for n in (NUMBER, chunk.integer("add", NUMBER, 1)))
    inside = frame.within(chunk)
    if rows and group.what == "rows":
        rows.part(inside, first, last)
    status = _status(inside) if statuses else inside.slot(STATUS)
    mine = chunk.integer("add", chunk.integer("mul", WHO, own), statuses)
    places = {b: _address(inside, group, b, first) for b in buffers if b not in offsets}
    places |= {b: inside.scratch(chunk.integer("add", mine, offset)) for b, offset in offsets.items()}
    table = own_table(
        inside, status, inside.scratch(chunk.integer("add", mine, top)), {b: places[b] for b in buffers}
    )
    count = chunk.integer("sub", last, first)

    def run(size: int) -> None:
        if rows and group.what == "units":
            rows.columns(inside, first, size)
        _all(chunk, [f"call void @{each}({table})" for each in called[size]])

    for size in called:
        chunk.when(chunk.compare("icmp eq", count, Value(str(size), "i64")), partial(run, size))
    chunk.finish()
    calls = [f"call void @{chunk.name}({TABLE}, i64 {n}, i64 0, i64 0)" for n in range(group.parts)]
    frame.share(chunk.name, group.parts, partial(_all, f, calls))
    if statuses:
        _report(frame, group.parts)
    return Memory(statuses, own, True, rows is not None)


def _all(f: Function, lines: Sequence[str]) -> None:
    for line in lines:
        f.do(line)


def _status(frame: Frame) -> Value:
    """Return where a part tells that it has failed; it has not."""
    f = frame.f
    status = frame.scratch(f.integer("mul", NUMBER, ALIGNMENT))
    f.store(f.constant(0, "i64"), f.at(status, FAILED, I64), I64)
    return status


def _start(f: Function, group: Parted, number: Value) -> Value:
    """Return the first row of a part."""
    blocks = -(-group.length // group.grain)
    start = f.integer("udiv", f.integer("mul", number, blocks), group.parts)
    if group.grain == 1:
        return start
    return f.call("llvm.smin", f.integer("mul", start, group.grain), Value(str(group.length), "i64"))


def _address(frame: Frame, group: Parted, buffer: Buffer, first: Value) -> Value:
    """Return where a buffer is for the part with this number, which begins with this row."""
    f, dtype = frame.f, buffer.type.dtype
    start = frame.address(Access(buffer, Layout((), ())))
    if buffer in group.partial.values():
        return f.at(start, f.integer("mul", NUMBER, math.prod(buffer.type.shape[1:])), dtype)
    pitch = group.pitches.get(buffer)
    return start if pitch is None else f.at(start, f.integer("mul", first, pitch), dtype)


def _report(frame: Frame, parts: int) -> None:
    """Write that the kernels have failed if parts have: what comes first in the graph is told."""
    f, status = frame.f, frame.slot(STATUS)

    def one(part: Value, _: list[Value]) -> list[Value]:
        own = frame.scratch(f.integer("mul", part, ALIGNMENT))
        number, before = (f.integer("sub", f.load(f.at(s, FAILED, I64), I64), 1) for s in (own, status))

        def copy() -> None:
            for place in (FAILED, FOUND, AXIS):
                f.store(f.load(f.at(own, place, I64), I64), f.at(status, place, I64), I64)

        f.when(f.compare("icmp ult", number, before), copy)  # 0 for none is the largest number now
        return []

    f.loop(0, parts, 1, [], one)
