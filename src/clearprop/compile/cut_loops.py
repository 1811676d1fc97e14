"""Loop kernels that are shared out: a function for a range of one axis, called for each chunk or for all of it."""

from __future__ import annotations

from collections.abc import Callable

from .cutting import Ranges, loop_cut, strips_cut
from .frame import NUMBER, Frame, Memory, chunk_function
from .kernels import Loop, Strips
from .loops import begin_folds, emit_loop, emit_range
from .row_lanes import emit_strips
from .target import Target
from .text import Function, Value


def emit_cut_loop(frame: Frame, target: Target, loop: Loop) -> Memory:
    """Write a loop into a kernel's function, and beside it what the function calls."""
    cut = loop_cut(target, loop)
    if cut is None:
        emit_loop(frame.f, target, loop, frame.address)
        return Memory()
    depth = cut.depth
    begin_folds(frame.f, target, loop, frame.address)
    _share(frame, cut, lambda part, a, b: emit_range(part.f, target, loop, part.address, depth, a, b))
    return Memory(cut=True)


def emit_cut_strips(frame: Frame, target: Target, strips: Strips) -> Memory:
    """Write strips into a kernel's function, and beside it what the function calls."""
    cut = strips_cut(target, strips)
    if cut is None:
        emit_strips(frame.f, target, strips, frame.address, 0, strips.rows)
        return Memory()
    _share(frame, cut, lambda part, a, b: emit_strips(part.f, target, strips, part.address, a, b))
    return Memory(cut=True)


def _share(frame: Frame, cut: Ranges, emit: Callable[[Frame, Value, Value], None]) -> None:
    """Write a function for a range of an axis, and its calls."""
    f = frame.f
    part = Function(f.module, f"{f.name}_range", [("ptr", "table"), ("i64", "first"), ("i64", "last")])
    emit(frame.within(part), Value("%first", "i64"), Value("%last", "i64"))
    part.finish()
    chunk = chunk_function(f.module, f"{f.name}_chunk")
    first = chunk.integer("mul", NUMBER, cut.step)
    last = chunk.call("llvm.smin", chunk.integer("add", first, cut.step), Value(str(cut.length), "i64"))
    chunk.do(f"call void @{part.name}(ptr %table, {first}, {last})")
    chunk.finish()
    whole = f"call void @{part.name}(ptr %table, i64 0, i64 {cut.length})"
    frame.share(chunk.name, cut.chunks, lambda: f.do(whole))
