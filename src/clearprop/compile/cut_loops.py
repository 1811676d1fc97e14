"""Loop kernels that are shared out: a function for a range of one axis, called for each chunk or for all of it."""

from __future__ import annotations

from .cutting import loop_cut
from .frame import NUMBER, Frame, chunk_function
from .kernels import Loop
from .loops import begin_folds, emit_loop, emit_range
from .products import Memory
from .target import Target
from .text import Function, Value


def emit_cut_loop(frame: Frame, target: Target, loop: Loop) -> Memory:
    """Write a loop into a kernel's function, and beside it what the function calls."""
    f, cut = frame.f, loop_cut(target, loop)
    if cut is None:
        emit_loop(f, target, loop, frame.address)
        return Memory()
    begin_folds(f, target, loop, frame.address)
    part = Function(f.module, f"{f.name}_range", [("ptr", "table"), ("i64", "first"), ("i64", "last")])
    first, last = Value("%first", "i64"), Value("%last", "i64")
    emit_range(part, target, loop, frame.within(part).address, cut.depth, first, last)
    part.finish()
    chunk = chunk_function(f.module, f"{f.name}_chunk")
    first = chunk.integer("mul", NUMBER, cut.step)
    last = chunk.call("llvm.smin", chunk.integer("add", first, cut.step), Value(str(cut.length), "i64"))
    chunk.do(f"call void @{part.name}(ptr %table, {first}, {last})")
    chunk.finish()
    whole = f"call void @{part.name}(ptr %table, i64 0, i64 {cut.length})"
    frame.share(chunk.name, cut.chunks, lambda: f.do(whole))
    return Memory(cut=True)
