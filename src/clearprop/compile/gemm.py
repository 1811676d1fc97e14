"""Matrix products as LLVM text: C[m, n] = epilogue(Σₖ A[m, k] B[k, n]), for matrices of any strides.

Blocking after K. Goto and R. van de Geijn, "Anatomy of high-performance matrix multiplication" (2008): a panel of B
stays in the first cache while tiles of A pass, a block of A in the second while panels pass. Each element of C
is summed in the order of k, whatever the cut: slices of the work give the same bits in any order, on any thread.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from ..core.frozen import frozen
from .addresses import Part
from .blocking import Plan
from .choice import plan
from .copies import Copies
from .epilogue import Epilogue
from .heights import Rows
from .module import Module
from .strides import Strides
from .target import Target
from .text import Function, Value
from .tile_steps import tile_steps
from .widths import Panels

__all__ = ["Epilogue", "Product", "product"]

OPERANDS = (("ptr", "A"), ("ptr", "B"), ("ptr", "C"), ("ptr", "work"), ("ptr", "table"), ("i64", "batch"))
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


@frozen
class Product:
    """The functions of a matrix product, and what they need.

    Attributes
    ----------
    name : str
        ``void name(ptr A, ptr B, ptr C, ptr work, ptr table, i64 batch)``: all of it; `work` has
        work_bytes + scratch_bytes, `table` and `batch` are for the epilogue.
    pack : str
        ``void pack(ptr A, ptr B, ptr work, i64 left, i64 right)``: copy the pieces from `left` to `right`
        (exclusive) to where slices read them; nothing to do if `work_bytes` is 0. They are of one round.
    slice : str
        ``void slice(ptr A, ptr B, ptr C, ptr work, ptr scratch, ptr table, i64 batch, i64 first, i64 last,
        i64 left, i64 right)``: tiles `first` to `last` of the panels `left` to `right`, once those are packed.
    tiles, panels, together : int
        How many there are of each; a round is so many panels, whose copies are in memory at the same time.
    work_bytes, scratch_bytes : int
        Memory that all slices share, and that each thread needs for itself; aligned to 64 bytes.
    height, width : int
        Rows of a tile, and columns of a panel, at most.
    pieces : int
        What there is to pack for a round: its panels, or all tiles' rows of A where slices copy their panels.
    group : int
        Panels that each slice copies together; 0 if it finds copies, or needs none.
    copies : bool
        Whether each slice copies its rows of A.
    rows : tuple of Rows
        The tiles' rows.
    turned : bool
        Whether tiles are columns of C, and panels rows.
    """

    name: str
    pack: str
    slice: str
    tiles: int
    panels: int
    together: int
    work_bytes: int
    scratch_bytes: int
    height: int
    width: int
    pieces: int
    group: int = 0
    copies: bool = False
    rows: tuple[Rows, ...] = ()
    turned: bool = False

    @property
    def rounds(self) -> int:
        """How many rounds there are."""
        return math.ceil(self.panels / self.together)


def product(
    module: Module,
    name: str,
    target: Target,
    dtype: np.dtype[np.floating],
    shape: tuple[int, int, int],
    a: Strides,
    b: Strides,
    c: Strides,
    epilogue: Epilogue | None = None,
    room: float = math.inf,
    lent: bool = False,
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
    a, b, c : Strides
        Strides of A[m, k], B[k, n] and C[m, n] in elements.
    epilogue : Epilogue, optional
        What becomes of the sums; without it they are stored.
    room : float
        Bytes of memory that copies should not exceed by much.
    lent : bool
        Whether C has room for sums, which the epilogue then reads there.

    Examples
    --------
    >>> from clearprop.compile.target import TARGETS
    >>> found = product(Module(), "forward", TARGETS["avx2"], np.dtype("f4"), (32, 10, 64),
    ...                 Strides(64, 1), Strides(10, 1), Strides(10, 1))
    >>> found.tiles, found.panels
    (2, 2)
    """
    folded = epilogue is not None and bool(epilogue.loop.folds)
    cut = plan(target, np.dtype(dtype), *shape, a, b, c, epilogue is None, folded, room, lent)
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
        cut.together,
        cut.shared * cut.dtype.itemsize,
        (cut.own_a + cut.own_b + cut.own_sums) * cut.dtype.itemsize,
        cut.rows[0].height,
        cut.panels[0].width,
        cut.tile_count if cut.packs_a else cut.together,
        cut.group if cut.near else 0,
        cut.own_a > 0,
        cut.rows,
        cut.turned,
    )


_Call = Callable[[Value, Value | int, Value, str], None]
_Ahead = Callable[[Value, Value], str]


class _Writer(Copies):
    def __init__(self, module: Module, name: str, cut: Plan, epilogue: Epilogue | None) -> None:
        super().__init__(cut, module)
        self.name, self.epilogue = name, epilogue

    # ---- the three functions

    def pack(self) -> None:
        f, cut = Function(self.module, f"{self.name}_pack", PACK, plain=True), self.cut
        for rows in cut.rows if cut.packs_a else ():
            self.pack_rows(f, rows)
        for panels in () if cut.near else cut.panels:
            if not panels.in_place:
                left, right = self.asked(f, panels)
                place = partial(self.packed, f, panels)
                self.copy_panels(f, panels, left, right, 0, cut.k, place, panels.width * cut.long)
        f.finish()

    def slice(self) -> None:
        f = Function(self.module, f"{self.name}_slice", SLICE, plain=True)
        for panels in self.cut.panels if self.cut.near else ():
            self.groups(f, panels)
        if not self.cut.near:
            first, last = Value("%first", "i64"), Value("%last", "i64")
            self.each(f, first, last, lambda t: self.block(f, t, last), self.cut.block)
        f.finish()

    def whole(self) -> None:
        f, cut = Function(self.module, self.name, OPERANDS, plain=True), self.cut
        scratch = f.at(Value("%work", "ptr"), cut.shared, cut.dtype)
        for left in range(0, cut.panel_count, cut.together):
            right = min(left + cut.together, cut.panel_count)
            pieces = f"i64 0, i64 {cut.tile_count}" if cut.packs_a else f"i64 {left}, i64 {right}"
            if cut.shared:
                f.do(f"call void @{self.name}_pack(ptr %A, ptr %B, ptr %work, {pieces})")
            f.do(
                f"call void @{self.name}_slice(ptr %A, ptr %B, ptr %C, ptr %work, {scratch}, ptr %table, "
                f"i64 %batch, i64 0, i64 {cut.tile_count}, i64 {left}, i64 {right})"
            )
        f.finish()

    def pack_rows(self, f: Function, rows: Rows) -> None:
        """Write the copy of tiles of one height, for each part of k."""
        start, stop = self.asked(f, rows, "%left", "%right")
        begin = self.row(f, rows, start)

        def work(k: Value | int, terms: Value | int, more: Value, final: Value | None) -> None:
            self.copy_a(f, Part(rows, start, stop, begin, k, terms, more, final))

        self.parts(f, work)

    def asked(self, f: Function, part: Rows | Panels, *names: str) -> tuple[Value, Value]:
        """Return which tiles of one height, or panels of one width, are asked for, by these arguments."""
        names = names or (("%first", "%last") if isinstance(part, Rows) else ("%left", "%right"))
        begin, end = (Value(name, "i64") for name in names)
        return self.within(f, part, begin, end)

    def within(self, f: Function, part: Rows | Panels, start: Value, end: Value) -> tuple[Value, Value]:
        """Return which of some tiles are of this height, or which of some panels of this width."""
        low, high = (self.between(f, index, part.first, part.stop) for index in (start, end))
        return low, high

    # ---- a group of panels, copied where it is needed

    def groups(self, f: Function, panels: Panels) -> None:
        """Write the loop over groups of panels: a part of k is copied, then all tiles pass."""
        left, right = self.asked(f, panels)

        def group(p: Value, _: list[Value]) -> list[Value]:
            end = f.call("llvm.smin", f.integer("add", p, self.cut.group), right)
            begin = self.column(f, panels, p)

            def place(q: Value) -> Value:
                return self.near(f, panels, f.integer("sub", q, p))

            def work(k: Value | int, terms: Value | int, more: Value, final: Value | None) -> None:
                self.copy_panels(f, panels, p, end, k, terms, place, panels.width * self.cut.deep)
                for rows in self.cut.rows:
                    start, stop = self.asked(f, rows)
                    part = Part(rows, start, stop, Value("0", "i64"), k, terms, more, final, begin)
                    call, ahead = self.tile(f, part, panels), self.coming(f, part, panels)

                    def tile(t: Value, rows: Rows = rows, call: _Call = call, ahead: _Ahead = ahead) -> None:
                        row = self.row(f, rows, t)
                        self.each(
                            f, p, end, lambda q: call(row, self.column(f, panels, q), place(q), ahead(t, q))
                        )

                    self.each(f, start, stop, tile)

            self.parts(f, work)
            return []

        f.loop(left, right, self.cut.group, [], group)

    # ---- a block of tiles

    def left(self, f: Function) -> Value | int:
        """Return the first column whose sums are put down: of all panels, or of those of this round."""
        if self.cut.together == self.cut.panel_count:
            return 0
        return f.integer("mul", Value("%left", "i64"), self.cut.panels[0].width)

    def block(self, f: Function, start: Value, last: Value) -> None:
        """Write the loop over parts of k, for tiles from `start` on; of both heights, since all panels pass."""
        end = f.call("llvm.smin", f.integer("add", start, self.cut.block), last)
        begin, left = self.first_row(f, start), self.left(f)
        ranges = [(rows, *self.within(f, rows, start, end)) for rows in self.cut.rows]

        def work(k: Value | int, terms: Value | int, more: Value, final: Value | None) -> None:
            parts = [Part(rows, a, b, begin, k, terms, more, final, left) for rows, a, b in ranges]
            self.pass_panels(f, parts, start, end)

        self.parts(f, work)

    def parts(
        self, f: Function, work: Callable[[Value | int, Value | int, Value, Value | None], None]
    ) -> None:
        """Write what is done for each part of k: where it begins, its terms, and what `Part` says of them."""
        cut = self.cut
        if not cut.blocked:
            work(0, cut.k, Value("false", "i1"), None)
            return

        def part(k: Value, _: list[Value]) -> list[Value]:
            stop = f.call("llvm.smin", f.integer("add", k, cut.depth), Value(str(cut.k), "i64"))
            more = f.compare("icmp sgt", k, Value("0", "i64"))
            final = f.compare("icmp eq", stop, Value(str(cut.k), "i64"))
            work(k, f.integer("sub", stop, k), more, final)
            return []

        f.loop(0, cut.k, cut.depth, [], part)

    def pass_panels(self, f: Function, parts: Sequence[Part], start: Value, end: Value) -> None:
        """Write the loops over panels and the tiles of a block, of each height, for one part of k."""
        for part in parts if not self.cut.reads_a else ():
            self.copy_a(f, part)
        if self.cut.row_by_row:
            for part in parts:
                self.tile_by_tile(f, part)
            return
        for panels in self.cut.panels:
            calls = [self.tile(f, part, panels) for part in parts]
            ahead = self.following(f, parts[0], panels, start, end)

            def panel(
                p: Value, panels: Panels = panels, calls: list[_Call] = calls, ahead: _Ahead = ahead
            ) -> None:
                column = self.column(f, panels, p)
                b = self.panel_of_b(f, parts[0], panels, p, column)
                for part, call in zip(parts, calls, strict=True):

                    def one(t: Value, part: Part = part, call: _Call = call) -> None:
                        call(self.row(f, part.rows, t), column, b, ahead(t, b))

                    self.each(f, part.start, part.end, one)

            self.each(f, *self.asked(f, panels), panel)

    def tile_by_tile(self, f: Function, part: Part) -> None:
        """Write the same with all panels for a tile, then the next: as C is in memory."""
        calls = [(panels, self.tile(f, part, panels), self.asked(f, panels)) for panels in self.cut.panels]

        def one(t: Value) -> None:
            row = self.row(f, part.rows, t)
            for panels, call, (left, right) in calls:

                def panel(p: Value, panels: Panels = panels, call: _Call = call) -> None:
                    column = self.column(f, panels, p)
                    call(row, column, self.panel_of_b(f, part, panels, p, column), "")

                self.each(f, left, right, panel)

        self.each(f, part.start, part.end, one)

    def tile(self, f: Function, part: Part, panels: Panels) -> _Call:
        """Return what writes the work on one tile, given its row, its column and where its panel of B is."""
        cut, in_c = self.cut, self.cut.in_c(panels)
        steps = tile_steps(self.module, self.name, cut, part.rows.height, panels, self.epilogue)
        lanes = panels.columns - (panels.vectors - 1) * cut.lanes
        onward = panels.width if cut.near else part.rows.height * cut.c.row
        count = part.terms.name if isinstance(part.terms, Value) else part.terms
        final = str(part.final or Value("true", "i1"))

        def call(row: Value, column: Value | int, b: Value, further: str) -> None:
            a, lda = self.tile_of_a(f, part, row)
            if in_c:
                to, ldt = self.affine(f, Value("%C", "ptr"), (row, cut.c.row), (column, 1)), cut.c.row
            else:
                to, ldt = f.at(Value("%scratch", "ptr"), cut.own_a + cut.own_b, cut.dtype), cut.spill
            if cut.blocked and not in_c:
                along = column if part.left == 0 else f.integer("sub", column, part.left)
                to = self.affine(f, to, (f.integer("sub", row, part.begin), ldt), (along, 1))
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
                f"{a}, i64 {lda}, {b}, i64 {ldb}, i64 {count}, {to}, i64 {ldt}, {part.more}, i64 {lanes}, "
                f"{f.at(to, onward, cut.dtype) if cut.asks else to}{further}"
            )
            more = f", {place}, {final}" if steps.finishes else ""
            f.do(f"call void @{steps.kernel}({arguments}{more})")
            finally_(steps.finish)

        return call

    def panel_of_b(self, f: Function, part: Part, panels: Panels, p: Value, column: Value | int) -> Value:
        """Return where a kernel finds a panel of B."""
        if panels.in_place:
            return self.affine(f, self.b, (part.k, self.cut.b.row), (column, self.cut.b.column))
        return self.affine(f, self.packed(f, panels, p), (part.k, panels.width))
