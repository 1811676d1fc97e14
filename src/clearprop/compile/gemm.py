"""Matrix products as LLVM text: C[m, n] = epilogue(Σₖ A[m, k] B[k, n]), for matrices of any strides.

Blocking after K. Goto and R. van de Geijn, "Anatomy of high-performance matrix multiplication" (2008): a panel of B
stays in the first cache while tiles of A pass, a block of A in the second while panels pass. Each element of C
is summed in the order of k, whatever the cut: slices of the work give the same bits in any order, on any thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from . import packing
from .blocking import Layout, Panels, Plan, Rows, plan
from .epilogue import Epilogue
from .target import Target
from .text import Function, Module, Value
from .tile_steps import tile_steps

__all__ = ["Epilogue", "Layout", "Product", "product"]

OPERANDS = (("ptr", "A"), ("ptr", "B"), ("ptr", "C"), ("ptr", "work"), ("ptr", "table"), ("i64", "batch"))
TOGETHER = 4  # tiles of A that are copied at once
PACK = (("ptr", "A"), ("ptr", "B"), ("ptr", "work"), ("i64", "left"), ("i64", "right"))
SLICE = (
    ("ptr", "A"),
    ("ptr", "B"),
    ("ptr", "C"),
    ("ptr", "work"),
    ("ptr", "scratch"),
    ("ptr", "table"),
    ("i64", "batch"),
    ("i64", "first"),
    ("i64", "last"),
    ("i64", "left"),
    ("i64", "right"),
)


@dataclass(frozen=True)
class Product:
    """The functions of a matrix product, and what they need.

    Attributes
    ----------
    name : str
        ``void name(ptr A, ptr B, ptr C, ptr work, ptr table, i64 batch)``: all of it; `work` has
        work_bytes + scratch_bytes, `table` and `batch` are for the epilogue.
    pack : str
        ``void pack(ptr A, ptr B, ptr work, i64 left, i64 right)``: copy the panels from `left` to `right`
        (exclusive) to where slices read them; nothing to do if `work_bytes` is 0.
    slice : str
        ``void slice(ptr A, ptr B, ptr C, ptr work, ptr scratch, ptr table, i64 batch, i64 first, i64 last,
        i64 left, i64 right)``: tiles `first` to `last` of the panels `left` to `right`, once those are packed.
    tiles, panels : int
        How many there are of each.
    work_bytes, scratch_bytes : int
        Memory that all slices share, and that each thread needs for itself; aligned to 64 bytes.
    height, width : int
        Rows of a tile, and columns of a panel, at most.
    """

    name: str
    pack: str
    slice: str
    tiles: int
    panels: int
    work_bytes: int
    scratch_bytes: int
    height: int
    width: int


def product(
    module: Module,
    name: str,
    target: Target,
    dtype: np.dtype[np.floating],
    shape: tuple[int, int, int],
    a: Layout,
    b: Layout,
    c: Layout,
    epilogue: Epilogue | None = None,
) -> Product:
    """Write the functions of a product.

    Parameters
    ----------
    module : Module
    name : str
        Of the function that does it all; the others' names begin with it.
    target : Target
    dtype : float32 or float64
    shape : (m, n, k)
        Each at least 1.
    a, b, c : Layout
        Strides of A[m, k], B[k, n] and C[m, n] in elements.
    epilogue : Epilogue, optional
        What becomes of the sums; without it they are stored.

    Examples
    --------
    >>> from clearprop.compile.target import TARGETS
    >>> found = product(Module(), "forward", TARGETS["avx2"], np.dtype("f4"), (32, 10, 64),
    ...                 Layout(64, 1), Layout(10, 1), Layout(10, 1))
    >>> found.tiles, found.panels
    (6, 1)
    """
    cut = plan(target, np.dtype(dtype), *shape, a, b, c, epilogue is None)
    writer = _Writer(module, name, cut, epilogue)
    writer.pack()
    writer.slice()
    writer.whole()
    return Product(
        name,
        f"{name}_pack",
        f"{name}_slice",
        cut.tile_count,
        cut.panel_count,
        cut.shared * cut.dtype.itemsize,
        (cut.own_a + cut.own_sums) * cut.dtype.itemsize,
        cut.rows[0].height,
        cut.panels[0].width,
    )


_Call = Callable[[Value, Value | int, Value], None]


@dataclass(frozen=True)
class _Part:
    """Tiles `start` to `end` of one height from row `begin` on, and a part of their sums: `terms` from `k` on."""

    rows: Rows
    start: Value
    end: Value
    begin: Value
    k: Value | int
    terms: Value | int
    more: Value  # whether there were parts before
    final: Value | None  # whether this is the last one; None if it is the only one


class _Writer:
    def __init__(self, module: Module, name: str, cut: Plan, epilogue: Epilogue | None) -> None:
        self.module, self.name, self.cut, self.epilogue = module, name, cut, epilogue
        operands = [Value("%A", "ptr"), Value("%B", "ptr")]
        self.a, self.b = reversed(operands) if cut.turned else operands

    # ---- small arithmetic on i64

    def between(self, f: Function, index: Value, low: int, high: int) -> Value:
        """Bring an index into a range."""
        above = f.call("llvm.smax", index, Value(str(low), "i64"))
        return f.call("llvm.smin", above, Value(str(high), "i64"))

    def affine(self, f: Function, base: Value, *terms: tuple[Value | int, int]) -> Value:
        """Return an address some elements on: the sum of the terms' products."""
        fixed = 0
        for index, stride in terms:
            if isinstance(index, int):
                fixed += index * stride
            elif stride:
                base = f.at(base, f.integer("mul", index, stride) if stride != 1 else index, self.cut.dtype)
        return f.at(base, fixed, self.cut.dtype)

    # ---- the three functions

    def pack(self) -> None:
        f, cut = Function(self.module, f"{self.name}_pack", PACK), self.cut
        for panels in cut.panels:
            if panels.in_place:
                continue
            turned, even = cut.b.row == 1 and cut.b.column != 1, cut.b.column == 1
            copy = packing.panel(
                self.module, cut.target, cut.dtype, panels.columns, panels.width, turned=turned, even=even
            )

            def one(p: Value, _: list[Value], panels: Panels = panels, copy: str = copy) -> list[Value]:
                source = self.affine(f, self.b, (self.column(f, panels, p), cut.b.column))
                to = self.packed(f, panels, p)
                f.do(f"call void @{copy}({source}, i64 {cut.b.row}, i64 {cut.b.column}, i64 {cut.k}, {to})")
                return []

            left, right = (
                self.between(f, Value(x, "i64"), panels.first, panels.stop) for x in ("%left", "%right")
            )
            f.loop(left, right, 1, [], one)
        f.finish()

    def slice(self) -> None:
        f = Function(self.module, f"{self.name}_slice", SLICE)
        for rows in self.cut.rows:
            start, stop = (
                self.between(f, Value(x, "i64"), rows.first, rows.stop) for x in ("%first", "%last")
            )

            def block(t: Value, _: list[Value], rows: Rows = rows, stop: Value = stop) -> list[Value]:
                end = f.call("llvm.smin", f.integer("add", t, self.cut.block), stop)
                self.sums(f, rows, t, end)
                return []

            f.loop(start, stop, self.cut.block, [], block)
        f.finish()

    def whole(self) -> None:
        f, cut = Function(self.module, self.name, OPERANDS), self.cut
        scratch = f.at(Value("%work", "ptr"), cut.shared, cut.dtype)
        if cut.shared:
            f.do(f"call void @{self.name}_pack(ptr %A, ptr %B, ptr %work, i64 0, i64 {cut.panel_count})")
        f.do(
            f"call void @{self.name}_slice(ptr %A, ptr %B, ptr %C, ptr %work, {scratch}, ptr %table, i64 %batch, "
            f"i64 0, i64 {cut.tile_count}, i64 0, i64 {cut.panel_count})"
        )
        f.finish()

    # ---- places

    def column(self, f: Function, panels: Panels, p: Value) -> Value | int:
        """Return a panel's first column."""
        if panels.stop - panels.first == 1:
            return panels.start
        return f.integer(
            "add", f.integer("mul", f.integer("sub", p, panels.first), panels.width), panels.start
        )

    def packed(self, f: Function, panels: Panels, p: Value) -> Value:
        """Return the address of a panel's copy."""
        index = f.integer("sub", p, panels.first)
        return self.affine(
            f, Value("%work", "ptr"), (self.cut.packed(panels), 1), (index, panels.width * self.cut.long)
        )

    def row(self, f: Function, rows: Rows, t: Value) -> Value:
        """Return a tile's first row."""
        return f.integer("add", f.integer("mul", f.integer("sub", t, rows.first), rows.height), rows.start)

    # ---- a block of tiles

    def sums(self, f: Function, rows: Rows, start: Value, end: Value) -> None:
        """Write the loop over parts of k, for tiles `start` to `end` of one height."""
        cut, begin = self.cut, self.row(f, rows, start)
        if not cut.blocked:
            self.part(f, _Part(rows, start, end, begin, 0, cut.k, Value("false", "i1"), None))
            return

        def part(k: Value, _: list[Value]) -> list[Value]:
            stop = f.call("llvm.smin", f.integer("add", k, cut.depth), Value(str(cut.k), "i64"))
            more = f.compare("icmp sgt", k, Value("0", "i64"))
            final = f.compare("icmp eq", stop, Value(str(cut.k), "i64"))
            self.part(f, _Part(rows, start, end, begin, k, f.integer("sub", stop, k), more, final))
            return []

        f.loop(0, cut.k, cut.depth, [], part)

    def part(self, f: Function, part: _Part) -> None:
        """Write the loops over panels and tiles for one part of k."""
        if not self.cut.reads_a:
            self.copy_a(f, part)
        for panels in self.cut.panels:
            call = self.tile(f, part, panels)

            def panel(p: Value, _: list[Value], panels: Panels = panels, call: _Call = call) -> list[Value]:
                column = self.column(f, panels, p)
                b = self.panel_of_b(f, part, panels, p, column)

                def one(t: Value, _: list[Value]) -> list[Value]:
                    call(self.row(f, part.rows, t), column, b)
                    return []

                f.loop(part.start, part.end, 1, [], one)
                return []

            left, right = (
                self.between(f, Value(x, "i64"), panels.first, panels.stop) for x in ("%left", "%right")
            )
            f.loop(left, right, 1, [], panel)

    def tile(self, f: Function, part: _Part, panels: Panels) -> _Call:
        """Return what writes the work on one tile, given its row, its column and where its panel of B is."""
        cut, straight = self.cut, self.cut.straight(panels)
        steps = tile_steps(self.module, self.name, cut, part.rows.height, panels, self.epilogue)
        lanes = panels.columns - (panels.vectors - 1) * cut.lanes
        count = part.terms.name if isinstance(part.terms, Value) else part.terms
        final = str(part.final or Value("true", "i1"))

        def call(row: Value, column: Value | int, b: Value) -> None:
            a, lda = self.tile_of_a(f, part, row)
            if straight:
                to, ldt = self.affine(f, Value("%C", "ptr"), (row, cut.c.row), (column, 1)), cut.c.row
            else:
                to, ldt = f.at(Value("%scratch", "ptr"), cut.own_a, cut.dtype), cut.spill
            if cut.blocked and not straight:
                to = self.affine(f, to, (f.integer("sub", row, part.begin), ldt), (column, 1))
            at = f"{row}, i64 {column.name if isinstance(column, Value) else column}"
            place = f"ptr %table, i64 %batch, {at}"

            def finally_(name: str) -> None:
                if name and part.final:
                    f.when(part.final, lambda: f.do(f"call void @{name}({to}, ptr %C, {place})"))
                elif name:
                    f.do(f"call void @{name}({to}, ptr %C, {place})")

            finally_(steps.fetch)
            ldb = cut.b.column if cut.dotted else cut.b.row if panels.in_place else panels.width
            arguments = (
                f"{a}, i64 {lda}, {b}, i64 {ldb}, i64 {count}, {to}, i64 {ldt}, {part.more}, i64 {lanes}"
            )
            more = f", {place}, {final}" if steps.finishes else ""
            f.do(f"call void @{steps.kernel}({arguments}{more})")
            finally_(steps.finish)

        return call

    def panel_of_b(self, f: Function, part: _Part, panels: Panels, p: Value, column: Value | int) -> Value:
        """Return where a kernel finds a panel of B."""
        if panels.in_place:
            return self.affine(f, self.b, (part.k, self.cut.b.row), (column, self.cut.b.column))
        return self.affine(f, self.packed(f, panels, p), (part.k, panels.width))

    def tile_of_a(self, f: Function, part: _Part, row: Value) -> tuple[Value, int]:
        """Return where a kernel finds a tile's rows of A, and their stride."""
        cut = self.cut
        if cut.reads_a:
            place = self.affine(f, self.a, (row, cut.a.row), (part.k, cut.a.column))
            return place, cut.a.column if cut.across else cut.a.row
        inside = f.integer("sub", row, part.begin)
        distance, stride = (cut.depth, part.rows.height) if cut.across else (cut.stride, cut.stride)
        return self.affine(f, Value("%scratch", "ptr"), (inside, distance)), stride

    def copy_a(self, f: Function, part: _Part) -> None:
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

    def copy_tiles(self, f: Function, part: _Part, start: Value, end: Value, together: int) -> None:
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
