"""Which loops over the rows of narrow tables become one kernel: a softmax, a normalisation, a loss of each row.

Such rows do not fill vectors, and what is folded along them has to cross lanes. So the lanes of a vector become
rows, and each column a vector of its own: nothing crosses lanes, and what one loop hands on to the next one stays
in registers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ..core.lowering import Layout
from .kernels import Access, Apply, Buffer, Folded, Kernel, Load, Loop, Strips
from .vocabulary import weight

TALL = 16  # rows of a strip, at most
FEWEST = 8  # rows of a table
LONGEST = 800  # cycles of a strip at most, in whole vectors: each column is written out
SMALL = 1e6  # cycles of an element: above, what is folded down the rows stays a loop, and the rest can be shared out


class Place(NamedTuple):
    """Where a table's element stands for a row and a column: column 0 if it is the same for all columns."""

    buffer: Buffer
    offset: int
    row: int
    column: int


def height(rows: int, lanes: int) -> int:
    """Return how many rows a strip has, where vectors have so many lanes: a power of two."""
    return min(lanes, 1 << (rows.bit_length() - 1))


def place(access: Access, table: bool) -> Place | None:
    """Return where an access over rows, or over rows and columns, goes; None if the rows are no single axis."""
    layout = access.layout
    shape, strides = (layout.shape[:-1], layout.strides[:-1]) if table else (layout.shape, layout.strides)
    rows = Layout(shape, strides).reshaped((math.prod(shape),))
    return None if rows is None else Place(access.buffer, layout.offset, rows.strides[0], layout.strides[-1] * table)


def across(fold: Folded, table: bool) -> bool:
    """Whether a fold gives a value for each row."""
    return table and fold.axes == (len(fold.access.layout.shape) - 1,)


def folds_down(loops: Sequence[Loop], rows: int, columns: int) -> list[Folded]:
    """Return the folds of loops that combine all rows."""
    return [f for loop in loops for f in loop.folds if not across(f, is_table(loop.shape, rows, columns))]


def stripped(kernels: Sequence[Kernel]) -> list[Kernel]:
    """Return the kernels with those loops together for which it is worth it."""
    order = list(kernels)
    for kernel in kernels:
        if isinstance(kernel, Loop) and kernel in order and kernel.shape and _narrow(kernel.shape):
            start = order.index(kernel)
            group = _Group(math.prod(kernel.shape[:-1]), kernel.shape[-1])
            order[start:] = group.grown(order[start:])
    return order


def _narrow(shape: tuple[int, ...]) -> bool:
    """Whether as many vectors of columns cover a table as there are rows, or fewer."""
    rows, columns = math.prod(shape[:-1]), shape[-1]
    if rows < FEWEST or columns < 2:
        return False
    return -(-rows // height(rows, TALL)) * columns <= rows


@dataclass
class _Group:
    """Loops over one space of rows, as they are found; and what has to run before and after them."""

    rows: int
    columns: int
    loops: list[Loop] = field(default_factory=list)
    before: list[Kernel] = field(default_factory=list)
    after: list[Kernel] = field(default_factory=list)
    held: set[Place] = field(default_factory=set)  # what is in registers
    touched: set[Buffer] = field(default_factory=set)
    written: set[Buffer] = field(default_factory=set)
    cycles: int = 0

    def grown(self, kernels: Sequence[Kernel]) -> list[Kernel]:
        """Return kernels in another order and the group as one, begun by the first; or as they are."""
        for kernel in kernels:
            waits = any(_disturbs(other, kernel) for other in self.after)
            if not waits and isinstance(kernel, Loop) and self._fits(kernel):
                self._add(kernel)
            elif waits or self._disturbed(kernel) or any(b.home == "output" for b in kernel.writes()):
                self.after.append(kernel)
            else:
                self.before.append(kernel)
        if not any(across(fold, self._table(loop)) for loop in self.loops for fold in loop.folds):
            return list(kernels)
        read = {b for other in (*self.before, *self.after) for b in other.reads()}
        kept = [b for loop in self.loops for b in loop.writes() if b in read or b.home != "work"]
        return [*self.before, Strips(self.loops, self.rows, self.columns, kept), *self.after]

    def _table(self, loop: Loop) -> bool:
        return is_table(loop.shape, self.rows, self.columns)

    def _disturbed(self, kernel: Kernel) -> bool:
        return bool(self.touched.intersection(kernel.writes()) or self.written.intersection(kernel.reads()))

    def _fits(self, loop: Loop) -> bool:
        """Whether a loop is over these rows, goes on with what the group has, and can be written out."""
        table, writes = self._table(loop), loop.writes()
        if not table and math.prod(loop.shape) != self.rows:
            return False
        rowwise = any(across(fold, table) for fold in loop.folds)
        if self.loops and not rowwise and not self.touched.intersection(loop.reads()):
            return False
        if len(set(writes)) < len(writes) or self.touched.intersection(writes):
            return False
        ways = {id(e.access): place(e.access, table) for e in loop.ends} | {
            id(n.access): place(n.access, table) for n in loop.nodes if isinstance(n, Load)
        }
        loads = [ways[id(n.access)] for n in loop.nodes if isinstance(n, Load)]
        if None in ways.values() or any(p and p.buffer in self.written and p not in self.held for p in loads):
            return False
        if any(isinstance(n, Apply) and n.failure for n in loop.nodes):
            return False
        down = [fold for fold in loop.folds if not across(fold, table)]
        if any(not _down(fold, table, loop.shape) for fold in down):
            return False
        cycles = self.cycles + self._cycles(loop)
        few = cycles * self.rows <= SMALL or not (down or folds_down(self.loops, self.rows, self.columns))
        return few and cycles <= LONGEST

    def _cycles(self, loop: Loop) -> int:
        applied = sum(weight(n.function) for n in loop.nodes if isinstance(n, Apply)) + len(loop.folds)
        return applied * (self.columns if self._table(loop) else 1)

    def _add(self, loop: Loop) -> None:
        table = self._table(loop)
        self.loops.append(loop)
        self.cycles += self._cycles(loop)
        self.touched.update(loop.reads(), loop.writes())
        self.written.update(loop.writes())
        ends = [*loop.stores, *(f for f in loop.folds if across(f, table))]
        self.held.update(p for e in ends if (p := place(e.access, table)) is not None)


def is_table(shape: tuple[int, ...], rows: int, columns: int) -> bool:
    """Whether an index space is one of rows and columns, not of rows alone."""
    return len(shape) > 1 and shape[-1] == columns and math.prod(shape[:-1]) == rows


def _down(fold: Folded, table: bool, shape: tuple[int, ...]) -> bool:
    """Whether a fold combines all rows, of each column or of all."""
    along = {a for a in fold.axes if shape[a] != 1}
    rows = {a for a, n in enumerate(shape[: len(shape) - table]) if n != 1}
    return along == rows or (table and along == rows | {len(shape) - 1})


def _disturbs(first: Kernel, second: Kernel) -> bool:
    """Whether two kernels have to run in this order."""
    written, other = set(first.writes()), set(second.writes())
    return bool(written.intersection(second.reads()) or other.intersection(first.reads()) or written & other)
