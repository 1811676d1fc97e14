"""What a product copies before kernels read it: panels of B, blocks of A."""

from __future__ import annotations

from collections.abc import Callable

from . import packing
from .addresses import Addresses, Part
from .blocking import FOLLOW, Plan
from .module import Module
from .text import Function, Value
from .widths import Panels

TOGETHER = 4  # tiles of A that are copied at once
BREADTH = 512  # bytes of a row of B that are copied at once


class Copies(Addresses):
    """Writes calls of the functions that copy."""

    def __init__(self, cut: Plan, module: Module) -> None:
        super().__init__(cut)
        self.module = module

    def copy_panels(
        self,
        f: Function,
        panels: Panels,
        start: Value,
        end: Value,
        k: Value | int,
        terms: Value | int,
        place: Callable[[Value], Value],
        apart: int,
    ) -> None:
        """Write the copy of a part of panels `start` to `end`: from k on, so many terms, to places so far apart."""
        cut, b = self.cut, self.cut.b
        turned, even = b.row == 1 and b.column != 1, b.column == 1
        count = terms.name if isinstance(terms, Value) else terms

        def copy(name: str, p: Value) -> None:
            source = self.affine(f, self.b, (self.column(f, panels, p), b.column), (k, b.row))
            f.do(f"call void @{name}({source}, i64 {b.row}, i64 {b.column}, i64 {count}, {place(p)})")

        together = min(BREADTH // (panels.width * cut.dtype.itemsize), panels.stop - panels.first)
        if even and together > 1 and not panels.ragged:
            several = packing.panels(self.module, cut.target, cut.dtype, panels.width, together, apart)
            whole = f.integer("mul", f.integer("udiv", f.integer("sub", end, start), together), together)
            middle = f.integer("add", start, whole)
            self.each(f, start, middle, lambda p: copy(several, p), together)
            start = middle
        one = packing.panel(
            self.module,
            cut.target,
            cut.dtype,
            panels.columns,
            panels.width,
            turned=turned,
            even=even,
            far=cut.n * cut.k * cut.dtype.itemsize >= FOLLOW,
        )
        self.each(f, start, end, lambda p: copy(one, p))

    def each(
        self, f: Function, start: Value, end: Value, body: Callable[[Value], None], step: int = 1
    ) -> None:
        """Write a loop that carries nothing."""

        def one(i: Value, _: list[Value]) -> list[Value]:
            body(i)
            return []

        f.loop(start, end, step, [], one)

    def tile_of_a(self, f: Function, part: Part, row: Value) -> tuple[Value, int]:
        """Return where a kernel finds a tile's rows of A, and their stride."""
        cut = self.cut
        if cut.reads_a:
            place = self.affine(f, self.a, (row, cut.a.row), (part.k, cut.a.column))
            return place, cut.a.column if cut.across else cut.a.row
        distance, stride = (cut.depth, part.rows.height) if cut.interleaved else (cut.stride,) * 2
        if cut.packs_a:
            along = cut.m if cut.interleaved else 1
            return self.affine(f, Value("%work", "ptr"), (row, distance), (part.k, along)), stride
        inside = f.integer("sub", row, part.begin)
        return self.affine(f, Value("%scratch", "ptr"), (inside, distance)), stride

    def copy_a(self, f: Function, part: Part) -> None:
        """Write the copy of a block of A: of its tiles of one height."""
        cut, height = self.cut, part.rows.height
        first = self.row(f, part.rows, part.start)
        count = part.terms.name if isinstance(part.terms, Value) else part.terms
        if not cut.across:
            copy = packing.padded(self.module, cut.target, cut.dtype)
            source = self.affine(f, self.a, (first, cut.a.row), (part.k, 1))
            lines = f.integer("mul", f.integer("sub", part.end, part.start), height)
            to, stride = self.tile_of_a(f, part, first)
            f.do(f"call void @{copy}({source}, i64 {cut.a.row}, {to}, i64 {stride}, {lines}, i64 {count})")
            return
        if cut.dotted:
            self.turn_rows(f, part, first)
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

    def turn_rows(self, f: Function, part: Part, first: Value) -> None:
        """Write the copy of rows of an A that is not contiguous from k to k, as rows that are."""
        cut, height = self.cut, part.rows.height
        together = height if cut.masks and cut.a.row == 1 else 1
        copy = packing.turned_rows(self.module, cut.target, cut.dtype, together)
        count = part.terms.name if isinstance(part.terms, Value) else part.terms
        lines = f.integer("mul", f.integer("sub", part.end, part.start), height)

        def some(i: Value, _: list[Value]) -> list[Value]:
            row = f.integer("add", first, i)
            source = self.affine(f, self.a, (row, cut.a.row), (part.k, cut.a.column))
            to, _stride = self.tile_of_a(f, part, row)
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
