"""Matrix products of a schedule, batch by batch: floats by tiles, the rest element by element.

A large product is cut into blocks of tiles and panels that a team shares; of many small ones, each is a chunk.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from .arriving import Arriving
from .cutting import (
    CACHED,
    Blocks,
    Groups,
    Owned,
    arrives_within,
    loop_time,
    panel_cut,
    product_cut,
    product_time,
    sum_cut,
    wanted,
)
from .epilogue import BATCH, Epilogue, distant
from .frame import EXTRA, NUMBER, TABLE, WHO, Frame, Memory, chunk_function
from .gemm import Product, product
from .kernels import Access, Buffer, Contraction
from .long_sums import emit_parts
from .loops import begin_folds, emit_loop
from .microkernel import multiply_add
from .outer import emit_outer, suits
from .owning import updates
from .partial_sums import lent
from .registers import Corner
from .strides import strides
from .target import Target
from .text import Function, Value, value_type
from .vocabulary import compute

TINY = 32  # multiply-adds that are written out
BRIEF = 100  # terms of a sum, at most: longer ones hide that lines must be had from other threads


def emit_product(
    frame: Frame,
    target: Target,
    kernel: Contraction,
    name: str,
    rows: Arriving | None,
    owned: Mapping[Buffer, Owned],
) -> Memory:
    """Write a product into a kernel's function, and beside it what the function calls; threads own rows of `owned`.

    Rows of A that are still to arrive may be copied by whoever reads them: if that is what makes both worth sharing.
    """
    count = math.prod(kernel.output.layout.shape[:-2])
    _find(frame, kernel)
    if not kernel.tiled:
        _each(frame.f, count, lambda i: _by_elements(frame.f, target, kernel, _Matrices(frame, kernel, i).at))
        return Memory()
    if count * _terms(kernel) <= TINY:
        return _unrolled(frame, target, kernel)
    if suits(target, kernel, frame.room):
        return emit_outer(frame, target, kernel, name, not updates(kernel).isdisjoint(owned))
    if (parts := sum_cut(target, kernel, owned.get(kernel.inputs[1].buffer))) > 1:
        return emit_parts(frame, target, kernel, name, parts, rows)
    frame.f.plain = True
    made, time = _written(frame, target, kernel, name)
    folds = kernel.loop is not None and bool(kernel.loop.folds)
    own = not updates(kernel).isdisjoint(owned)
    least = 2 if own else 1
    columns = any(b in owned and b.bytes <= CACHED for b in (kernel.inputs[1].buffer, *updates(kernel)))
    if kernel.loop and folds:
        begin_folds(frame.f, target, kernel.loop, frame.address)
    blocks = product_cut(made, time / made.rounds, not folds, least, own, columns)
    if (
        blocks is None and kernel.inputs[1].buffer in owned
    ):  # whose rows are columns here: each thread reads its own
        blocks = product_cut(made, time, False, 2)
    if rows and arrives_within(time, rows.time):
        both = product_cut(made, time + rows.time, not folds, least, own, columns)
        if both is not None and _by_rows(made, both):
            return _shared(frame, kernel, made, both, count, rows)
    if blocks is not None:
        return _shared(frame, kernel, made, blocks, count)
    chunks = min(wanted(time * count), count)
    if chunks > 1:
        return _spread(frame, kernel, made, count, -(-count // chunks))
    memory = frame.scratch()
    _each(frame.f, count, lambda i: _whole(_Matrices(frame, kernel, i), made, memory))
    return Memory(own=made.work_bytes + made.scratch_bytes)


def _terms(kernel: Contraction) -> int:
    """Return how many multiply-adds a product of two matrices is."""
    return math.prod(kernel.output.layout.shape[-2:]) * kernel.inputs[0].layout.shape[-1]


def _unrolled(frame: Frame, target: Target, kernel: Contraction) -> Memory:
    """Write a product of which every multiply-add is written out, and then the loop that its sums go through."""
    f, (a, b), shape = frame.f, kernel.inputs, kernel.output.layout.shape
    dtype = kernel.output.buffer.type.dtype
    sums = frame.scratch() if kernel.loop else frame.address(kernel.output)

    def read(access: Access, index: tuple[int, ...]) -> Value:
        strides = zip(index, access.layout.strides, strict=True)
        offset = access.layout.offset + sum(i * s for i, s in strides)
        return f.load(f.at(frame.address(access), offset, dtype), dtype)

    totals = []
    for *batch, i, j in np.ndindex(*shape):
        total = f.constant(0, value_type(dtype))
        for p in range(a.layout.shape[-1]):
            total = multiply_add(f, target, read(a, (*batch, i, p)), read(b, (*batch, p, j)), total)
        totals.append(total)
    lanes = target.lanes(dtype.itemsize)
    # in whole vectors: who read one that several instructions have written would wait for all of them
    for place in range(0, len(totals), lanes):
        f.store(f.gathered(totals[place : place + lanes]), f.at(sums, place, dtype), dtype)
    if kernel.loop and kernel.sums:
        through = kernel.sums.access
        emit_loop(f, target, kernel.loop, lambda access: sums if access is through else frame.address(access))
    return Memory(own=math.prod(shape) * dtype.itemsize)


def _written(frame: Frame, target: Target, kernel: Contraction, name: str) -> tuple[Product, float]:
    """Write the functions of the product of two matrices; return them, and about how long it takes."""
    a, b = (access.layout for access in kernel.inputs)
    shape = (a.shape[-2], b.shape[-1], a.shape[-1])
    there = lent(kernel, frame.places.offsets)
    left, right, result = map(strides, (*kernel.inputs, there or kernel.output))
    dtype = kernel.output.buffer.type.dtype
    through = _through(frame, target, kernel)
    module, room = frame.f.module, frame.room
    made = product(module, name, target, dtype, shape, left, right, result, through, room, there is not None)
    lanes, (m, n, k) = target.lanes(dtype.itemsize), shape
    whole = (math.ceil(m / lanes) * lanes, n) if made.turned else (m, math.ceil(n / lanes) * lanes)
    time = product_time(target, dtype.itemsize, *whole, k)
    if kernel.loop:
        time += loop_time(target, kernel.loop)
    return made, time


def _through(frame: Frame, target: Target, kernel: Contraction) -> Epilogue | None:
    """Return the loop that a product's sums go through, if there is one."""

    def corners(f: Function, row: Value, column: Value) -> Corner:
        matrices = _Matrices(frame.within(f), kernel, BATCH)
        return lambda access: matrices.at(access, row, column)

    if kernel.loop is None or kernel.sums is None:
        return None
    far, brief = distant(target, frame.places.given), kernel.inputs[0].layout.shape[-1] <= BRIEF
    return Epilogue(
        target, kernel.loop, kernel.sums, corners, far, frame.places.common if brief else frozenset()
    )


def _find(frame: Frame, kernel: Contraction) -> None:
    """Read the addresses of a product's matrices now, for all that follows."""
    there = lent(kernel, frame.places.offsets)
    frame.find(*kernel.inputs, *([there] if there else []))


class _Matrices:
    """The matrices of a product in a batch, by its number."""

    def __init__(self, frame: Frame, kernel: Contraction, number: Value) -> None:
        self.frame, self.f = frame, frame.f
        self.a, self.b, self.c = (*kernel.inputs, kernel.output)
        self.sums, self.number = lent(kernel, frame.places.offsets), number
        shape = self.c.layout.shape[:-2]
        self.batch: list[Value] = []
        for axis, length in enumerate(shape):
            index = self.f.integer("udiv", number, math.prod(shape[axis + 1 :]))
            self.batch.append(self.f.integer("urem", index, length))

    def at(self, access: Access, row: Value | int = 0, column: Value | int = 0) -> Value:
        """Return the address of an element of a, b, c or another array over the index space of c."""
        offset: Value | int = access.layout.offset
        for index, stride in zip([*self.batch, row, column], access.layout.strides, strict=True):
            if stride and index != 0:
                offset = self.f.integer("add", self.f.integer("mul", index, stride), offset)
        return self.f.at(self.frame.address(access), offset, access.buffer.type.dtype)

    @property
    def all(self) -> list[Value]:
        """The addresses of the three; of c where its sums may stand, if there is such a place."""
        return [self.at(self.a), self.at(self.b), self.at(self.sums) if self.sums else Value("null", "ptr")]


def _call(f: Function, name: str, *arguments: Value | int | str) -> None:
    f.do(f"call void @{name}({', '.join(f'i64 {a}' if isinstance(a, int) else str(a) for a in arguments)})")


def _whole(matrices: _Matrices, made: Product, memory: Value) -> None:
    _call(matrices.f, made.name, *matrices.all, memory, TABLE, matrices.number)


def _each(f: Function, count: Value | int, body: Callable[[Value], None], first: Value | int = 0) -> None:
    def one(i: Value, _: list[Value]) -> list[Value]:
        body(i)
        return []

    f.loop(first, count, 1, [], one)


def _spread(frame: Frame, kernel: Contraction, made: Product, count: int, step: int) -> Memory:
    """Share out whole products, some at a time."""
    f, own = frame.f, made.work_bytes + made.scratch_bytes
    several = Function(
        f.module,
        f"{made.name}_several",
        [("ptr", "table"), ("i64", "who"), ("i64", "first"), ("i64", "last")],
        plain=True,
    )
    inside = frame.within(several)
    _find(inside, kernel)
    memory = inside.scratch(several.integer("mul", WHO, own))
    first, last = Value("%first", "i64"), Value("%last", "i64")
    _each(several, last, lambda i: _whole(_Matrices(inside, kernel, i), made, memory), first)
    several.finish()
    chunk = chunk_function(f.module, f"{made.name}_chunk")
    first = chunk.integer("mul", NUMBER, step)
    last = chunk.call("llvm.smin", chunk.integer("add", first, step), Value(str(count), "i64"))
    _call(chunk, several.name, "ptr %table", WHO, first, last)
    chunk.finish()
    frame.share(chunk.name, -(-count // step), lambda: _call(f, several.name, "ptr %table", 0, 0, count))
    return Memory(0, own, True)


def _bounds(
    f: Function, made: Product, cut: Blocks | Groups, left: Value, right: Value
) -> tuple[Value, Value, Value, Value]:
    """Return the first tile of the chunk with this number, the one after its last, and its panels likewise.

    Blocks are of a round with the panels from `left` to `right`; of groups there is one round only.
    """
    if isinstance(cut, Groups):
        begin, end = (_begin(f, cut, number) for number in (NUMBER, f.integer("add", NUMBER, 1)))
        first = f.integer("mul", f.integer("udiv", begin, cut.panels), cut.tiles)
        left = f.integer("urem", begin, cut.panels)
        right = f.integer("add", left, f.integer("sub", end, begin))
        return first, f.integer("add", first, cut.tiles), left, right
    within, beyond = (
        f.integer(i, NUMBER, cut.down if cut.by_panels else cut.across) for i in ("urem", "udiv")
    )
    across, down = (beyond, within) if cut.by_panels else (within, beyond)
    first, last = _part(f, across, made.together, cut.across)
    start, stop = (f.call("llvm.smin", f.integer("add", left, p), right) for p in (first, last))
    return *_part(f, down, made.tiles, cut.down), start, stop


def _begin(f: Function, cut: Groups, number: Value) -> Value:
    """Return the first panel of a group: those at the ends are large, those between them small."""
    start, stop = cut.between
    onward = f.integer("mul", f.integer("sub", number, cut.ends), cut.small)
    inside = f.call("llvm.smin", f.integer("add", onward, start), Value(str(stop), "i64"))
    front = f.call("llvm.smin", f.integer("mul", number, cut.large), inside) if cut.ends else inside
    back = f.integer("mul", f.integer("sub", number, cut.chunks), cut.large)
    return f.call("llvm.smax", front, f.integer("add", back, cut.parts * cut.panels))


def _by_rows(made: Product, cut: Blocks | Groups) -> bool:
    """Whether each chunk is of all columns of some rows, and nothing of A is copied before."""
    if isinstance(cut, Groups):
        alone = made.turned and cut.parts == 1 and not made.work_bytes
    else:
        alone = cut.down == 1 and not made.work_bytes if made.turned else cut.across == 1
    return alone and made.rounds == 1


def _first_row(f: Function, made: Product, index: Value) -> Value:
    """Return the row of C with which a tile begins, or a panel of what is turned; the last one's end too."""
    if made.turned:
        return f.integer("mul", index, made.width)
    tall, *short = made.rows
    first = f.integer("mul", f.call("llvm.smin", index, Value(str(tall.stop), "i64")), tall.height)
    if not short:
        return first
    beyond = f.call("llvm.smax", f.integer("sub", index, tall.stop), Value("0", "i64"))
    return f.integer("add", first, f.integer("mul", beyond, short[0].height))


def _shared(
    frame: Frame,
    kernel: Contraction,
    made: Product,
    cut: Blocks | Groups,
    count: int,
    rows: Arriving | None = None,
) -> Memory:
    """Share out blocks of each product, after its panels."""
    f, chunk = frame.f, chunk_function(frame.f.module, f"{made.name}_chunk")
    inside = frame.within(chunk)
    own = chunk.integer("add", chunk.integer("mul", WHO, made.scratch_bytes), made.work_bytes)
    i, first, end = _round(chunk, made, EXTRA)
    bounds = _bounds(chunk, made, cut, first, end)
    height = kernel.output.layout.shape[-2]
    if rows:
        first, last = (_first_row(chunk, made, b) for b in (bounds[2:] if made.turned else bounds[:2]))
        rows.part(inside, first, chunk.call("llvm.smin", last, Value(str(height), "i64")))
    matrices = _Matrices(inside, kernel, i)
    _call(chunk, made.slice, *matrices.all, inside.scratch(), inside.scratch(own), TABLE, i, *bounds)
    chunk.finish()
    copy = _copying(frame, kernel, made)
    start, rest = frame.scratch(), frame.scratch(made.work_bytes)

    def one(number: Value) -> None:
        i, left, right = _round(f, made, number)
        operands = _Matrices(frame, kernel, i).all
        copy([*operands[:2], start], number, left, right)

        def alone() -> None:
            if rows:
                rows.part(frame, Value("0", "i64"), Value(str(height), "i64"))
            _call(f, made.slice, *operands, start, rest, TABLE, i, 0, made.tiles, left, right)

        frame.share(chunk.name, cut.chunks, alone, number)

    _each(f, count * made.rounds, one)
    return Memory(made.work_bytes, made.scratch_bytes, True, rows is not None)


def _part(f: Function, number: Value, whole: int, parts: int) -> tuple[Value, Value]:
    """Return where one of so many parts of a whole begins and ends; they differ by 1 at most."""
    first, last = (
        f.integer("udiv", f.integer("mul", end, whole), parts)
        for end in (number, f.integer("add", number, 1))
    )
    return first, last


def _round(f: Function, made: Product, number: Value) -> tuple[Value, Value, Value]:
    """Return which product of the batch a round belongs to, its first panel, and the one after its last."""
    left = f.integer("mul", f.integer("urem", number, made.rounds), made.together)
    right = f.call("llvm.smin", f.integer("add", left, made.together), Value(str(made.panels), "i64"))
    return f.integer("udiv", number, made.rounds), left, right


def _copying(
    frame: Frame, kernel: Contraction, made: Product
) -> Callable[[list[Value], Value, Value, Value], None]:
    """Return what writes the copying of a round's panels, from the operands; shared out if there are enough."""
    cut = panel_cut(made)

    def pieces(left: Value, right: Value) -> tuple[Value, Value]:
        if made.pieces == made.together:
            return left, right
        return Value("0", "i64"), Value(str(made.pieces), "i64")

    def whole(operands: list[Value], left: Value, right: Value) -> None:
        if made.work_bytes:
            _call(frame.f, made.pack, *operands, *pieces(left, right))

    if cut is None:
        return lambda operands, number, left, right: whole(operands, left, right)
    chunk = chunk_function(frame.f.module, f"{made.name}_copy")
    inside = frame.within(chunk)
    i, *panels = _round(chunk, made, EXTRA)
    first, end = pieces(*panels)
    left = chunk.integer("add", first, chunk.integer("mul", NUMBER, cut.step))
    right = chunk.call("llvm.smin", chunk.integer("add", left, cut.step), end)
    _call(chunk, made.pack, *_Matrices(inside, kernel, i).all[:2], inside.scratch(), left, right)
    chunk.finish()
    return lambda operands, number, left, right: frame.share(
        chunk.name, cut.chunks, lambda: whole(operands, left, right), number
    )


def _by_elements(
    f: Function, target: Target, kernel: Contraction, at: Callable[[Access, Value, Value], Value]
) -> None:
    a, b, c = (*kernel.inputs, kernel.output)
    dtype = c.buffer.type.dtype
    wide = np.dtype(np.float32) if dtype.kind == "f" else dtype  # halves are summed in single precision

    def row(i: Value, _: list[Value]) -> list[Value]:
        def column(j: Value, _: list[Value]) -> list[Value]:
            def term(p: Value, carried: list[Value]) -> list[Value]:
                places = (at(a, i, p), at(b, p, j))
                pair = [
                    compute(f, target, "convert", [f.load(place, dtype)], [dtype], wide, {})
                    for place in places
                ]
                found = compute(f, target, "multiply", pair, [wide, wide], wide, {})
                return [compute(f, target, "add", [carried[0], found], [wide, wide], wide, {})]

            total = f.loop(0, a.layout.shape[-1], 1, [f.constant(0, value_type(wide))], term)
            f.store(compute(f, target, "convert", total, [wide], dtype, {}), at(c, i, j), dtype)
            return []

        f.loop(0, c.layout.shape[-1], 1, [], column)
        return []

    f.loop(0, c.layout.shape[-2], 1, [], row)
