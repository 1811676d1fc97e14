"""Where the parts of a product's matrices are, as the code that computes it finds them."""

from __future__ import annotations

import math
from collections.abc import Callable

from ..core.frozen import frozen
from .blocking import Plan
from .heights import Rows
from .microkernel import LINE, UNIT
from .text import Function, Value
from .widths import Panels


@frozen
class Part:
    """Tiles `start` to `end` of one height, in a block from row `begin` on; of their sums `terms`, from `k` on."""

    rows: Rows
    start: Value
    end: Value
    begin: Value
    k: Value | int
    terms: Value | int
    more: Value  # whether there were parts before
    final: Value | None  # whether this is the last one; None if it is the only one
    left: Value | int = 0  # the first column of the sums that are put down


class Addresses:
    """Writes addresses into functions with the arguments %A, %B, %work and %scratch."""

    def __init__(self, cut: Plan) -> None:
        self.cut = cut
        operands = [Value("%A", "ptr"), Value("%B", "ptr")]
        self.a, self.b = reversed(operands) if cut.turned else operands

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

    def column(self, f: Function, panels: Panels, p: Value) -> Value | int:
        """Return a panel's first column."""
        if panels.stop - panels.first == 1:
            return panels.start
        return f.integer(
            "add", f.integer("mul", f.integer("sub", p, panels.first), panels.width), panels.start
        )

    def packed(self, f: Function, panels: Panels, p: Value) -> Value:
        """Return the address of a panel's copy."""
        cut, work = self.cut, Value("%work", "ptr")
        if cut.together < cut.panel_count:
            index = f.integer("urem", p, cut.together)
            return self.affine(f, work, (index, cut.panels[0].width * cut.long))
        index = f.integer("sub", p, panels.first)
        return self.affine(f, work, (cut.packed(panels), 1), (index, panels.width * cut.long))

    def near(self, f: Function, panels: Panels, index: Value) -> Value:
        """Return the address of a panel's copy in a group, by its number there."""
        start = f.at(Value("%scratch", "ptr"), self.cut.own_a, self.cut.dtype)
        return self.affine(f, start, (index, panels.width * self.cut.deep))

    def row(self, f: Function, rows: Rows, t: Value) -> Value:
        """Return a tile's first row."""
        return f.integer("add", f.integer("mul", f.integer("sub", t, rows.first), rows.height), rows.start)

    def first_row(self, f: Function, t: Value) -> Value:
        """Return a tile's first row, of whatever height it is: the first ones are those that are one row higher."""
        tall, low = self.cut.rows[0], self.cut.rows[-1]
        row = f.integer("mul", t, low.height)
        if tall is low:
            return row
        return f.integer("add", row, f.call("llvm.smin", t, Value(str(tall.stop), "i64")))

    def following(
        self, f: Function, part: Part, panels: Panels, start: Value, end: Value
    ) -> Callable[[Value, Value], str]:
        """Return what gives a kernel its part of the next panel, from the tile's number and where this panel is.

        Each tile, from `start` to `end`, asks for one line of some rows: where B is read in place, rows are apart.
        """
        cut, size = self.cut, self.cut.dtype.itemsize
        if not cut.follows(panels):
            return lambda t, b: ""
        lines, line = math.ceil(panels.width * size / LINE), LINE // size
        row, onward = (cut.b.row, 1) if panels.in_place else (panels.width, cut.long)
        several = f.integer("udiv", f.integer("sub", end, start), lines)
        shares = f.call("llvm.smax", several, Value("1", "i64"))
        rows, rate = f.integer("udiv", part.terms, shares), f.integer("udiv", Value(str(UNIT), "i64"), shares)

        def ahead(t: Value, b: Value) -> str:
            number = f.integer("sub", t, start)
            share = f.call("llvm.smin", f.integer("udiv", number, lines), f.integer("sub", shares, 1))
            first, place = f.integer("mul", share, rows), f.integer("urem", number, lines)
            end = panels.width * onward + line - 1  # of a line: a row may begin in one that is there already
            return f", {self.affine(f, b, (first, row), (place, line), (end, 1))}, i64 {row * size}, {rate}"

        return ahead

    def coming(self, f: Function, part: Part, panels: Panels) -> Callable[[Value, Value], str]:
        """Return what gives a kernel its part of what is copied next in place of a panel, by the numbers of both.

        Each tile asks for some lines of every column.
        """
        cut, size = self.cut, self.cut.dtype.itemsize
        lines = cut.follows(panels)
        if not lines:
            return lambda t, q: ""
        several, across = lines * LINE // size, cut.group * panels.width * cut.b.column
        shift: Value | int = across
        if part.final:
            back = f.integer("sub", Value(str(across), "i64"), part.k)
            shift = f.select(part.final, back, Value(str(cut.depth), "i64"))
        rate = f.integer("udiv", Value(str(panels.width * UNIT), "i64"), part.terms)

        def ahead(t: Value, q: Value) -> str:
            line = f.integer("urem", t, math.ceil(cut.depth / several))
            place = self.affine(
                f, self.b, (self.column(f, panels, q), cut.b.column), (part.k, 1), (line, several), (shift, 1)
            )
            return f", {place}, i64 {cut.b.column * size}, {rate}"

        return ahead
