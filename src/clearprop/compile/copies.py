"""What a product copies before kernels read it: panels of B, blocks of A."""

from __future__ import annotations

from collections.abc import Callable

from . import packing
from .addresses import Addresses, Part
from .blocking import Panels, Plan
from .text import Function, Module, Value

TOGETHER = 4  # tiles of A that are copied at once


class Copies(Addresses):
    """Writes calls of the functions that copy."""

    def __init__(self, cut: Plan, module: Module) -> None:
        super().__init__(cut)
        self.module = module

    def copying(self, panels: Panels) -> Callable[[Function, Value, Value | int, Value | int, Value], None]:
        """Return what writes the copy of a part of a panel: from k on, so many terms, to an address."""
        cut, b = self.cut, self.cut.b
        turned, even = b.row == 1 and b.column != 1, b.column == 1
        name = packing.panel(
            self.module, cut.target, cut.dtype, panels.columns, panels.width, turned=turned, even=even
        )

        def copy(f: Function, p: Value, k: Value | int, terms: Value | int, to: Value) -> None:
            source = self.affine(f, self.b, (self.column(f, panels, p), b.column), (k, b.row))
            count = terms.name if isinstance(terms, Value) else terms
            f.do(f"call void @{name}({source}, i64 {b.row}, i64 {b.column}, i64 {count}, {to})")

        return copy

    def tile_of_a(self, f: Function, part: Part, row: Value) -> tuple[Value, int]:
        """Return where a kernel finds a tile's rows of A, and their stride."""
        cut = self.cut
        if cut.reads_a:
            place = self.affine(f, self.a, (row, cut.a.row), (part.k, cut.a.column))
            return place, cut.a.column if cut.across else cut.a.row
        inside = f.integer("sub", row, part.begin)
        distance, stride = (cut.depth, part.rows.height) if cut.interleaved else (cut.stride,) * 2
        return self.affine(f, Value("%scratch", "ptr"), (inside, distance)), stride

    def copy_a(self, f: Function, part: Part) -> None:
        """Write the copy of a block of A."""
        cut, height = self.cut, part.rows.height
        count = part.terms.name if isinstance(part.terms, Value) else part.terms
        if not cut.across:
            copy = packing.padded(self.module, cut.target, cut.dtype)
            source = self.affine(f, self.a, (part.begin, cut.a.row), (part.k, 1))
            lines = f.integer("mul", f.integer("sub", part.end, part.start), height)
            f.do(
                f"call void @{copy}({source}, i64 {cut.a.row}, ptr %scratch, i64 {cut.stride}, {lines}, i64 {count})"
            )
            return
        if cut.dotted:
            self.turn_rows(f, part)
            return
        if cut.a.row == 1:
            four = f.integer("and", f.integer("sub", part.end, part.start), -TOGETHER)
            middle = f.integer("add", part.start, four)
            self.copy_tiles(f, part, part.start, middle, TOGETHER)
            self.copy_tiles(f, part, middle, part.end, 1)
            return
        copy = packing.panel(self.module, cut.target, cut.dtype, height, height, turned=False, even=False)

        def one(t: Value, _: list[Value]) -> list[Value]:
            row = self.row(f, part.rows, t)
            source = self.affine(f, self.a, (row, cut.a.row), (part.k, cut.a.column))
            to, _stride = self.tile_of_a(f, part, row)
            f.do(f"call void @{copy}({source}, i64 {cut.a.column}, i64 {cut.a.row}, i64 {count}, {to})")
            return []

        f.loop(part.start, part.end, 1, [], one)

    def turn_rows(self, f: Function, part: Part) -> None:
        """Write the copy of rows of an A that is not contiguous from k to k, as rows that are."""
        cut, height = self.cut, part.rows.height
        together = height if cut.masks and cut.a.row == 1 else 1
        copy = packing.turned_rows(self.module, cut.target, cut.dtype, together)
        count = part.terms.name if isinstance(part.terms, Value) else part.terms
        lines = f.integer("mul", f.integer("sub", part.end, part.start), height)

        def some(i: Value, _: list[Value]) -> list[Value]:
            source = self.affine(
                f, self.a, (f.integer("add", part.begin, i), cut.a.row), (part.k, cut.a.column)
            )
            to = self.affine(f, Value("%scratch", "ptr"), (i, cut.stride))
            f.do(f"call void @{copy}({source}, i64 {cut.a.column}, i64 {count}, {to}, i64 {cut.stride})")
            return []

        f.loop(0, lines, together, [], some)

    def copy_tiles(self, f: Function, part: Part, start: Value, end: Value, together: int) -> None:
        """Write the copy of tiles of an A that is contiguous from row to row, some at once."""
        cut, height = self.cut, part.rows.height
        copy = packing.tiles(self.module, cut.target, cut.dtype, height, together)
        count = part.terms.name if isinstance(part.terms, Value) else part.terms

        def some(t: Value, _: list[Value]) -> list[Value]:
            row = self.row(f, part.rows, t)
            source = self.affine(f, self.a, (row, 1), (part.k, cut.a.column))
            to, _stride = self.tile_of_a(f, part, row)
            f.do(
                f"call void @{copy}({source}, i64 {cut.a.column}, i64 {count}, {to}, i64 {cut.depth * height})"
            )
            return []

        f.loop(start, end, together, [], some)
