"""Strips as LLVM text: the lanes of vectors are rows, and a table's columns are vectors of their own.

Strips at the end may overlap: then some rows are computed twice, to the same bits, and count once in what is folded
down the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.lowering import contiguous
from .kernels import STATUS, Access, Apply, Folded, Load, Loop, Node, Number, Special, Strips
from .loops import Addresses
from .specials import note_failure
from .strips import Place, across, height, is_table, place
from .target import Target
from .text import Function, Value, value_type
from .turning import folded, joined, part, power_of_two, turned
from .vocabulary import compute, convert

Columns = list[Value]
"""A value of each column, or a single one that is the same for all."""


def strip_lanes(target: Target, strips: Strips) -> int:
    """Return how many rows a strip has: as many as a vector of the smallest floats or integers holds, or fewer."""
    nodes = [node for loop in strips.loops for node in loop.nodes]
    sizes = [max(n.dtype.itemsize, 4) for n in nodes if n.dtype.kind != "b"]
    return height(strips.rows, target.lanes(min(sizes, default=4)))


def emit_strips(
    f: Function, target: Target, strips: Strips, address: Addresses, first: Value | int, last: Value | int
) -> None:
    """Write strips from a row, a multiple of their height, to another (exclusive) into a function.

    What is folded down the rows is of these rows alone.
    """
    _Emitter(f, target, strips, address).emit(first, last)


class _Emitter:
    def __init__(self, f: Function, target: Target, strips: Strips, address: Addresses) -> None:
        self.f, self.target, self.strips = f, target, strips
        buffers = dict.fromkeys([*strips.reads(), *strips.writes()])
        self.starts = {b: address(Access(b, contiguous(b.type.shape))) for b in buffers}
        picking = any(isinstance(each, Special) for each in strips.parts)
        self.status = address(STATUS) if picking else None
        self.lanes, self.rows, self.columns = strip_lanes(target, strips), strips.rows, strips.columns
        self.kept = set(strips.kept)
        self.tables = {id(loop): _is_table(loop, strips) for loop in strips.loops}
        self.down = [
            (loop, fold)
            for loop in strips.loops
            for fold in loop.folds
            if not across(fold, self._table(loop))
        ]
        self.start: Value = Value("0", "i64")
        self.held: dict[Place, Columns] = {}
        self.values: dict[int, Columns] = {}

    def _table(self, loop: Loop) -> bool:
        return self.tables[id(loop)]

    # ---- the strips

    def emit(self, first: Value | int, last: Value | int) -> None:
        """Write them all, and what is folded down the rows."""
        begun = [
            self._constant(fold.neutral, fold, self.lanes)
            for loop, fold in self.down
            for _ in range(self._wide(loop, fold))
        ]
        left = self.f.loop(first, last, self.lanes, begun, self._strip)
        for loop, fold in self.down:
            sums, left = left[: self._wide(loop, fold)], left[self._wide(loop, fold) :]
            to = self._place(fold.access, loop)
            if to.buffer not in self.kept:
                continue

            def combine(a: Value, b: Value, fold: Folded = fold) -> Value:
                return self._combined(fold, [a, b])

            for width, j in self._squares(len(sums)):
                total = folded(self.f, sums[j : j + width], combine)
                self._write_totals(to, j, width, total)

    def _write_totals(self, to: Place, j: int, width: int, total: Value) -> None:
        """Write the first lanes of a vector to some columns."""
        dtype = to.buffer.type.dtype
        pointer = self.f.at(self._base(to), j * to.column, dtype)
        if to.column == 1:
            self._write_lanes(pointer, total, width, dtype)
            return
        for i in range(width):
            self.f.store(self.f.lane(total, i), self.f.at(pointer, i * to.column, dtype), dtype)

    def _wide(self, loop: Loop, fold: Folded) -> int:
        """Return how many sums there are of what is folded down the rows."""
        return self.columns if self._table(loop) and len(fold.access.layout.shape) - 1 not in fold.axes else 1

    def _strip(self, i: Value, carried: list[Value]) -> list[Value]:
        self.held, self.values = {}, {}
        skipped, fresh = self.rows % self.lanes and self.rows - self.lanes, None
        self.start = i
        if skipped:
            self.start = self.f.call("llvm.smin", i, Value(str(skipped), "i64"))
            fresh = self._fresh(self.f.integer("sub", i, self.start))
        new: list[Value] = []
        for each in self.strips.parts:
            if isinstance(each, Loop):
                new += self._loop(each, carried[len(new) :], fresh)
            else:
                self._pick(each)
        return new

    def _fresh(self, counted: Value) -> Value:
        """Return a mask of the rows that no strip before has counted."""
        before = self.f.spread(self.f.convert("trunc", counted, "i32"), self.lanes)
        numbers = ", ".join(f"i32 {lane}" for lane in range(self.lanes))
        return self.f.compare("icmp sle", before, Value(f"<{numbers}>", "i32", self.lanes))

    def _loop(self, loop: Loop, carried: Sequence[Value], fresh: Value | None) -> list[Value]:
        """Write a loop over a strip; return the new values of what it folds down the rows."""
        varying = loop.depending(
            n for n in loop.nodes if isinstance(n, Load) and self._place(n.access, loop).column
        )
        for node in loop.nodes:
            if isinstance(node, Load):
                self.values[id(node)] = self._load(self._place(node.access, loop))
            elif isinstance(node, Apply):
                count = self.columns if id(node) in varying else 1
                self.values[id(node)] = [self._apply(node, j) for j in range(count)]
        for store in loop.stores:
            to = self._place(store.access, loop)
            count = self.columns if to.column else 1
            self._hold(to, [self._value(store.node, j) for j in range(count)])
        new: list[Value] = []
        for fold in loop.folds:
            parts = [self._folded(fold, j) for j in range(self.columns if self._table(loop) else 1)]
            if across(fold, self._table(loop)):
                self._hold(self._place(fold.access, loop), [self._combined(fold, parts)])
                continue
            if self._wide(loop, fold) == 1:
                parts = [self._combined(fold, parts)]
            for value in parts:
                if fresh:
                    value = self.f.select(fresh, value, self._constant(fold.neutral, fold, self.lanes))
                new.append(self._combined(fold, [carried[len(new)], value]))
        return new

    # ---- one element of each row

    def _pick(self, kernel: Special) -> None:
        """Write a gather."""
        first, index = kernel.inputs[0], self._index(kernel)
        found, *others = self._load(_at(first, True))
        for j, value in enumerate(others, start=1):
            here = self.f.compare("icmp eq", index, self.f.constant(j, index.element, self.lanes))
            found = self.f.select(here, value, found)
        self._hold(_at(kernel.output, False), [found])

    def _index(self, kernel: Special) -> Value:
        """Return the column of each row; note the first that is out of range."""
        given = self._load(_at(kernel.inputs[2], False))[0]

        def all_lanes(number: int) -> Value:
            return self.f.like(number, given)

        negative = self.f.compare("icmp slt", given, all_lanes(0))
        index = self.f.select(negative, self.f.binary("add", given, all_lanes(self.columns)), given)
        wrong = self.f.compare("icmp uge", index, all_lanes(self.columns))

        status = self.status
        assert status is not None

        def note() -> None:
            place = _number_of_first(self.f, wrong)
            found = self.f.make(f"extractelement {given}, {place}", given.element)
            note_failure(self.f, status, kernel.failure, found=found, axis=1)

        self.f.when(self.f.any(wrong), note)
        return self.f.convert("trunc", index, "i32")

    # ---- nodes

    def _apply(self, node: Apply, j: int) -> Value:
        args, dtypes = [self._value(a, j) for a in node.args], [a.dtype for a in node.args]
        return compute(self.f, self.target, node.function, args, dtypes, node.dtype, node.params)

    def _value(self, node: Node, j: int) -> Value:
        """Return a node's value in a column."""
        if isinstance(node, Number):
            return self.f.constant(node.value, value_type(node.dtype), self.lanes)
        values = self.values[id(node)]
        return values[j if len(values) > 1 else 0]

    def _constant(self, number: Any, fold: Folded, lanes: int) -> Value:
        return self.f.constant(number, value_type(fold.access.buffer.type.dtype), lanes)

    def _folded(self, fold: Folded, j: int) -> Value:
        value = self._value(fold.node, j)
        return convert(self.f, self.target, value, fold.node.dtype, fold.access.buffer.type.dtype)

    def _combined(self, fold: Folded, values: Columns) -> Value:
        """Combine values: pairs of neighbours, then pairs of these."""
        dtype = fold.access.buffer.type.dtype
        while len(values) > 1:
            pairs = zip(values[::2], values[1::2], strict=False)
            odd = values[len(values) // 2 * 2 :]
            values = [
                compute(self.f, self.target, fold.combine, [a, b], [dtype, dtype], dtype, {})
                for a, b in pairs
            ] + odd
        return values[0]

    # ---- memory

    def _place(self, access: Access, loop: Loop) -> Place:
        return _at(access, self._table(loop))

    def _base(self, at: Place) -> Value:
        return self.f.at(self.starts[at.buffer], at.offset, at.buffer.type.dtype)

    def _corner(self, at: Place) -> Value:
        """Return the address of an array's first element in a strip."""
        offset = self.f.integer("mul", self.start, at.row) if at.row not in (0, 1) else self.start
        return self._base(at) if at.row == 0 else self.f.at(self._base(at), offset, at.buffer.type.dtype)

    def _load(self, at: Place) -> Columns:
        """Return what is at a place: from memory, if no loop has had it."""
        if at not in self.held:
            self.held[at] = self._read(at)
        return self.held[at]

    def _read(self, at: Place) -> Columns:
        corner, dtype = self._corner(at), at.buffer.type.dtype
        if at.column == 1 and self._in_rows(at):
            return [
                v for width, j in self._squares(self.columns) for v in self._read_square(at, corner, j, width)
            ]
        return [
            self._down(self.f.at(corner, j * at.column, dtype), at.row, dtype)
            for j in range(self.columns if at.column else 1)
        ]

    def _down(self, pointer: Value, stride: int, dtype: np.dtype[Any]) -> Value:
        """Return the elements of a column."""
        if stride == 0:
            return self.f.spread(self.f.load(pointer, dtype), self.lanes)
        if stride == 1:
            return self.f.load(pointer, dtype, self.lanes)
        return self.f.gathered(
            [self.f.load(self.f.at(pointer, r * stride, dtype), dtype) for r in range(self.lanes)]
        )

    def _hold(self, to: Place, values: Columns) -> None:
        """Keep values for the loops that follow, and write them if others need them."""
        self.held[to] = values
        if to.buffer not in self.kept:
            return
        corner, dtype = self._corner(to), to.buffer.type.dtype
        if to.column == 1 and self._in_rows(to):
            for width, j in self._squares(self.columns):
                self._write_square(to, corner, j, values[j : j + width])
            return
        for j, value in enumerate(values):
            pointer = self.f.at(corner, j * to.column, dtype)
            if to.row == 1:
                self.f.store(value, pointer, dtype)
                continue
            for r in range(self.lanes):
                self.f.store(self.f.lane(value, r), self.f.at(pointer, r * to.row, dtype), dtype)

    # ---- rows to columns and back

    def _in_rows(self, at: Place) -> bool:
        """Whether rows stand one after the other."""
        return at.row >= self.columns

    def _squares(self, columns: int) -> list[tuple[int, int]]:
        """Return columns in parts: how many at most fill a vector, and the first."""
        return [(min(self.lanes, columns - j), j) for j in range(0, columns, self.lanes)]

    def _read_square(self, at: Place, corner: Value, j: int, width: int) -> Columns:
        side = power_of_two(width)
        rows = [self._read_row(at, corner, r, j, width, side) for r in range(self.lanes)]
        return turned(self.f, [joined(self.f, rows[i::side]) for i in range(side)], width)

    def _read_row(self, at: Place, corner: Value, r: int, j: int, width: int, side: int) -> Value:
        """Return some columns of a row, in a vector that may be longer."""
        dtype = at.buffer.type.dtype
        pointer = self.f.at(corner, r * at.row + j, dtype)
        if (self.lanes - 1 - r) * at.row >= side - width:  # what is read beyond belongs to the rows below
            return self.f.load(pointer, dtype, side)
        if self._masks:
            read = self.f.masked_load(pointer, _first(width, side), dtype)
            return self.f.convert("trunc", read, "i1") if dtype.kind == "b" else read
        parts = [self.f.load(self.f.at(pointer, i, dtype), dtype) for i in range(width)]
        return self.f.gathered(parts + [self.f.constant(0, value_type(dtype))] * (side - width))

    def _write_square(self, to: Place, corner: Value, j: int, values: Columns) -> None:
        width = len(values)
        side = power_of_two(width)
        vectors = turned(self.f, [*values, *[None] * (side - width)], side)
        for r in range(self.lanes):
            row = part(self.f, vectors[r % side], r // side * side, side)
            self._write_row(to, corner, r, j, width, row)

    def _write_row(self, to: Place, corner: Value, r: int, j: int, width: int, row: Value) -> None:
        """Write the first lanes of a vector to some columns of a row."""
        dtype, side = to.buffer.type.dtype, row.lanes
        pointer = self.f.at(corner, r * to.row + j, dtype)
        below = to.row == self.columns == width and (self.lanes - 1 - r) * to.row >= side - width
        # what is written beyond is written again with the rows below
        self._write_lanes(pointer, row, side if below else width, dtype)

    def _write_lanes(self, pointer: Value, value: Value, count: int, dtype: np.dtype[Any]) -> None:
        """Write the first lanes of a vector, one after the other."""
        if count == value.lanes:
            self.f.store(value, pointer, dtype)
        elif self._masks:
            byte = self.f.convert("zext", value, "i8") if dtype.kind == "b" else value
            self.f.masked_store(byte, pointer, _first(count, value.lanes), dtype)
        else:
            for i in range(count):
                self.f.store(self.f.lane(value, i), self.f.at(pointer, i, dtype), dtype)

    @property
    def _masks(self) -> bool:
        """Whether the target reads and writes some lanes as fast as all."""
        return self.target.vector_bytes >= 64


def _first(count: int, lanes: int) -> Value:
    """Return a mask of the first lanes."""
    bits = ", ".join(f"i1 {'true' if lane < count else 'false'}" for lane in range(lanes))
    return Value(f"<{bits}>", "i1", lanes)


def _at(access: Access, table: bool) -> Place:
    found = place(access, table)
    assert found is not None
    return found


def _number_of_first(f: Function, mask: Value) -> Value:
    """Return the number of the first lane whose bit is set, if one is."""
    kind = f"i{mask.lanes}"
    bits = f.make(f"bitcast {mask} to {kind}", kind)
    f.module.declare(f"llvm.cttz.{kind}", f"{kind} @llvm.cttz.{kind}({kind}, i1)")
    found = f.make(f"call {kind} @llvm.cttz.{kind}({bits}, i1 false)", kind)
    return found if kind == "i64" else f.make(f"zext {found} to i64", "i64")


def _is_table(loop: Loop, strips: Strips) -> bool:
    return is_table(loop.shape, strips.rows, strips.columns)
