"""Products with many terms for each result: parts of their sums are shared out, and added up in their order.

So each thread reads a part of B's rows, the same that it writes when they are updated row by row, or sums over
rows of a mini-batch that it has just computed. Rows that are still to arrive are copied part by part.
"""

from __future__ import annotations

import math

from ..core.lowering import Layout
from ..core.types import Type
from .arriving import Arriving
from .cut_loops import emit_cut_loop
from .cutting import part_size
from .frame import NUMBER, WHO, Frame, Memory, chunk_function
from .gemm import Product, product
from .kernels import Access, Buffer, Contraction
from .strides import Strides, strides
from .sums import added_up
from .target import Target
from .text import Value

UNIT = 64  # bytes: a cache line


def emit_parts(
    frame: Frame, target: Target, kernel: Contraction, name: str, parts: int, rows: Arriving | None = None
) -> Memory:
    """Write such a product into a kernel's function, and beside it what the function calls."""
    f, dtype, terms = frame.f, kernel.output.buffer.type.dtype, kernel.inputs[0].layout.shape[1]
    (m, n), lanes = kernel.output.layout.shape, target.lanes(dtype.itemsize)
    stride, each = -(-n // lanes) * lanes if n > lanes else n, part_size(terms, parts, lanes)
    left, right = map(strides, kernel.inputs)

    def written(suffix: str, count: int) -> tuple[Product, int]:
        ends = (left, right, Strides(stride, 1))
        made = product(f.module, f"{name}_{suffix}", target, dtype, (m, n, count), *ends, room=frame.room)
        return made, count

    usual, end = written("part", each), terms - (parts - 1) * each
    last = usual if end == each else written("last", end)
    size = -(-m * stride * dtype.itemsize // UNIT) * UNIT
    own = max(made.work_bytes + made.scratch_bytes for made, _ in (usual, last))

    def part(inside: Frame, made: Product, count: int, number: Value, memory: Value) -> None:
        g, first = inside.f, inside.f.integer("mul", number, each)
        if rows:
            rows.columns(inside, first, count)
        places = []
        for access, along in zip(kernel.inputs, (left.column, right.row), strict=True):
            offset = g.integer("add", g.integer("mul", first, along), access.layout.offset)
            places.append(g.at(inside.address(access), offset, dtype))
        places.append(inside.scratch(g.integer("mul", number, size)))
        g.do(f"call void @{made.name}({', '.join(map(str, places))}, {memory}, ptr %table, i64 0)")

    chunk = chunk_function(f.module, f"{name}_chunk")
    inside = frame.within(chunk)
    inside.find(*kernel.inputs)
    memory = inside.scratch(chunk.integer("add", chunk.integer("mul", WHO, own), parts * size))
    final = chunk.compare("icmp eq", NUMBER, Value(str(parts - 1), "i64"))
    chunk.when(final, lambda: part(inside, *last, NUMBER, memory))
    chunk.when(chunk.binary("xor", final, Value("true", "i1")), lambda: part(inside, *usual, NUMBER, memory))
    chunk.finish()
    frame.find(*kernel.inputs)
    rest = frame.scratch(parts * size)

    def alone() -> None:
        for p in range(parts):
            part(frame, *(last if p == parts - 1 else usual), Value(str(p), "i64"), rest)

    frame.share(chunk.name, parts, alone)
    _add_up(frame, target, kernel, [p * size // dtype.itemsize for p in range(parts)], stride)
    return Memory(parts * size, own, True, rows is not None)


def _add_up(frame: Frame, target: Target, kernel: Contraction, offsets: list[int], stride: int) -> None:
    """Write what adds up the parts, and the loop that the sums go through."""
    shape, dtype = kernel.output.layout.shape, kernel.output.buffer.type.dtype
    sums = Buffer(Type((math.prod(shape),), dtype))
    parts = [Access(sums, Layout(shape, (stride, 1), offset)) for offset in offsets]
    inside = frame.within(frame.f)
    inside.own = sums
    emit_cut_loop(inside, target, added_up(kernel, parts))
    frame.shared |= inside.shared
