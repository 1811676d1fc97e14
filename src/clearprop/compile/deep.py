"""Products of few rows and many terms: parts of the sum are shared out, and added up in their order.

So each thread reads a part of B's rows, the same that it writes when they are updated row by row.
"""

from __future__ import annotations

import math
from collections.abc import Collection

from ..core.lowering import Layout
from ..core.types import Type
from .blocking import Layout as Strides
from .cutting import deep_cut
from .frame import NUMBER, WHO, Frame, Memory, chunk_function
from .gemm import Product, product
from .kernels import Access, Apply, Buffer, Contraction, Load, Loop, Node, Store
from .loops import emit_loop
from .target import Target
from .text import Value

LINE = 64  # bytes


def deep_parts(target: Target, kernel: Contraction, owned: Collection[Buffer]) -> int:
    """Return into how many parts the sum of a product is cut; 1 if it stays whole. Threads own rows of some arrays."""
    shape, (a, b) = kernel.output.layout.shape, kernel.inputs
    if len(shape) != 2 or (kernel.loop and kernel.loop.folds) or b.layout.strides[1] != 1:
        return 1
    itemsize = kernel.output.buffer.type.dtype.itemsize
    return deep_cut(target, itemsize, (*shape, a.layout.shape[1]), b.buffer in owned)


def emit_deep(frame: Frame, target: Target, kernel: Contraction, name: str, parts: int) -> Memory:
    """Write such a product into a kernel's function, and beside it what the function calls."""
    f, dtype, terms = frame.f, kernel.output.buffer.type.dtype, kernel.inputs[0].layout.shape[1]
    (m, n), lanes = kernel.output.layout.shape, target.lanes(kernel.output.buffer.type.dtype.itemsize)
    stride, each = -(-n // lanes) * lanes, terms // parts // lanes * lanes
    a, b = (access.layout for access in kernel.inputs)
    left, right = Strides(*a.strides), Strides(*b.strides)

    def written(suffix: str, count: int) -> Product:
        shape = (m, n, count)
        return product(f.module, f"{name}_{suffix}", target, dtype, shape, left, right, Strides(stride, 1))

    usual, last = written("part", each), written("last", terms - (parts - 1) * each)
    size = -(-m * stride * dtype.itemsize // LINE) * LINE
    own = max(made.work_bytes + made.scratch_bytes for made in (usual, last))

    def part(inside: Frame, made: Product, number: Value, memory: Value) -> None:
        g, first = inside.f, inside.f.integer("mul", number, each)
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
    chunk.when(final, lambda: part(inside, last, NUMBER, memory))
    chunk.when(chunk.binary("xor", final, Value("true", "i1")), lambda: part(inside, usual, NUMBER, memory))
    chunk.finish()
    frame.find(*kernel.inputs)
    rest = frame.scratch(parts * size)

    def alone() -> None:
        for p in range(parts):
            part(frame, last if p == parts - 1 else usual, Value(str(p), "i64"), rest)

    frame.share(chunk.name, parts, alone)
    _add_up(frame, target, kernel, [p * size // dtype.itemsize for p in range(parts)], stride)
    return Memory(parts * size, own, True)


def _add_up(frame: Frame, target: Target, kernel: Contraction, offsets: list[int], stride: int) -> None:
    """Write what adds up the parts, and the loop that the sums go through."""
    shape, dtype = kernel.output.layout.shape, kernel.output.buffer.type.dtype
    sums = Buffer(Type((math.prod(shape),), dtype))
    loads = [Load(Access(sums, Layout(shape, (stride, 1), offset))) for offset in offsets]
    nodes: list[Node] = list(loads)
    for load in loads[1:]:
        nodes.append(Apply("add", (nodes[-1] if len(nodes) > len(loads) else loads[0], load), {}, dtype))
    total = nodes[-1]
    new: dict[int, Node] = {id(kernel.sums): total}
    for node in kernel.loop.nodes if kernel.loop else ():
        if isinstance(node, Apply):
            args = tuple(new.get(id(a), a) for a in node.args)
            new[id(node)] = Apply(node.function, args, node.params, node.dtype)
        if node is not kernel.sums:
            nodes.append(new.get(id(node), node))
    ends = kernel.loop.stores if kernel.loop else ()
    stores = [Store(new.get(id(s.node), s.node), s.access) for s in ends] or [Store(total, kernel.output)]
    start = frame.scratch()
    loop = Loop(shape, nodes, stores)
    emit_loop(frame.f, target, loop, lambda access: start if access.buffer is sums else frame.address(access))
