"""Which loops over the rows of narrow tables become one kernel: a softmax, a normalisation, a loss of each row.

Such rows do not fill vectors, and what is folded along them has to cross lanes. So the lanes of a vector become
rows, and each column a vector of its own: nothing crosses lanes, and what one loop hands on to the next one stays
in registers.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ..core.lowering import Gather, Layout
from .grouping import Touched, grouped
from .kernels import Access, Apply, Buffer, Folded, Kernel, Load, Loop, Special, Strips
from .nest import accesses
from .vocabulary import weight

Array = np.ndarray[Any, Any]

TALL = 16  # rows of a strip, at most
FEWEST = 8  # rows of a table
LONGEST = 800  # cycles of a strip at most, in whole vectors: each column is written out
SMALL = 1e6  # cycles of single elements: above, what needs the rows in order stays apart, the rest can be shared out


class Place(NamedTuple):
    """Where a table's element stands for a row and a column: column 0 if it is the same for all columns."""

    buffer: Buffer
    offset: int
    row: int
    column: int


def height(rows: int, lanes: int) -> int:
    """Return how many rows a strip has, where vectors have so many lanes: a power of two."""
    return min(lanes, 1 << (rows.bit_length() - 1))


def is_table(shape: tuple[int, ...], rows: int, columns: int) -> bool:
    """Whether an index space is one of rows and columns, not of rows alone."""
    return len(shape) > 1 and shape[-1] == columns and math.prod(shape[:-1]) == rows


def place(access: Access, table: bool) -> Place | None:
    """Return where an access over rows, or over rows and columns, goes; None if the rows are no single axis."""
    layout = access.layout
    shape, strides = (layout.shape[:-1], layout.strides[:-1]) if table else (layout.shape, layout.strides)
    rows = Layout(shape, strides).reshaped((math.prod(shape),))
    column = layout.strides[-1] if table else 0
    return None if rows is None else Place(access.buffer, layout.offset, rows.strides[0], column)


def across(fold: Folded, table: bool) -> bool:
    """Whether a fold gives a value for each row."""
    return table and fold.axes == (len(fold.access.layout.shape) - 1,)


def in_order(part: Loop | Special, rows: int, columns: int) -> bool:
    """Whether a part needs the rows in order: it combines all of them, or the first one that fails is to be told."""
    if isinstance(part, Special):
        return True
    table = is_table(part.shape, rows, columns)
    return any(not across(fold, table) for fold in part.folds)


def stripped(kernels: Sequence[Kernel], constants: Sequence[tuple[Buffer, Array]]) -> list[Kernel]:
    """Return the kernels with those loops together for which it is worth it."""
    known = counting(constants)
    order = list(kernels)
    for kernel in kernels:
        if isinstance(kernel, Loop) and kernel in order and kernel.shape and _narrow(kernel.shape):
            start = order.index(kernel)
            group = _Group(math.prod(kernel.shape[:-1]), kernel.shape[-1], known)
            order[start:] = group.grown(order[start:])
    return order


def counting(constants: Sequence[tuple[Buffer, Array]]) -> set[Buffer]:
    """Return the constants that are 0, 1, 2 ..."""
    return {buffer for buffer, array in constants if _counts(array)}


def _counts(array: Array) -> bool:
    """Whether an array is 0, 1, 2 ..."""
    return array.ndim == 1 and array.dtype.kind == "i" and np.array_equal(array, np.arange(array.size))


def _narrow(shape: tuple[int, ...]) -> bool:
    """Whether as many vectors of columns cover a table as there are rows, or fewer."""
    rows, columns = math.prod(shape[:-1]), shape[-1]
    if rows < FEWEST or columns < 2:
        return False
    return -(-rows // height(rows, TALL)) * columns <= rows


@dataclass
class _Group:
    """Kernels over one space of rows, as they are found; and what has to run before and after them."""

    rows: int
    columns: int
    counting: Collection[Buffer]
    parts: list[Loop | Special] = field(default_factory=list)
    held: set[Place | None] = field(default_factory=set)  # what is in registers
    cycles: int = 0

    def grown(self, kernels: Sequence[Kernel]) -> list[Kernel]:
        """Return kernels in another order and the group as one, begun by the first; or as they are."""
        before, inside, after = grouped(kernels, self._joins)
        if not any(isinstance(kernel, Loop) and self._folds_rows(kernel) for kernel in inside):
            return list(kernels)
        read = {b for other in (*before, *after) for b in other.reads()}
        kept = [b for part in self.parts for b in part.writes() if b in read or b.home != "work"]
        return [*before, Strips(self.parts, self.rows, self.columns, kept), *after]

    def _table(self, loop: Loop) -> bool:
        return is_table(loop.shape, self.rows, self.columns)

    def _folds_rows(self, loop: Loop) -> bool:
        return any(across(fold, self._table(loop)) for fold in loop.folds)

    # ---- what goes along

    def _joins(self, kernel: Kernel, reads: set[Buffer], writes: set[Buffer], touched: Touched) -> bool:
        """Whether a kernel goes along; if so it is counted in."""
        if not isinstance(kernel, (Loop, Special)) or not self._fits(kernel, reads, writes, touched):
            return False
        self._add(kernel)
        return True

    def _fits(
        self, kernel: Loop | Special, reads: set[Buffer], writes: set[Buffer], touched: Touched
    ) -> bool:
        """Whether a kernel is over these rows, goes on with what the group has, and can be written out."""
        if len(set(kernel.writes())) < len(kernel.writes()) or touched.any(writes):
            return False
        if isinstance(kernel, Special):
            goes = touched.any(reads) and self._picks(kernel)
        else:
            begins = not self.parts or self._folds_rows(kernel)
            goes = (begins or touched.any(reads)) and self._runs(kernel)
        written = touched.written
        if not goes or any(p.buffer in written and p not in self.held for p in _places(kernel, self)):
            return False
        cycles = self.cycles + self._cycles(kernel)
        apart = any(in_order(part, self.rows, self.columns) for part in (*self.parts, kernel))
        return cycles <= LONGEST and (cycles * self.rows <= SMALL or not apart)

    def _runs(self, loop: Loop) -> bool:
        """Whether a loop is over these rows."""
        table = self._table(loop)
        if not table and math.prod(loop.shape) != self.rows:
            return False
        if any(isinstance(n, Apply) and n.failure for n in loop.nodes):
            return False
        if any(place(access, table) is None for access in accesses(loop)):
            return False
        return all(across(fold, table) or _down(fold, table, loop.shape) for fold in loop.folds)

    def _picks(self, kernel: Special) -> bool:
        """Whether a gather is of one element of each row."""
        if not isinstance(kernel.lowering, Gather):
            return False
        table, *indices = kernel.inputs
        return (
            table.layout.shape == (self.rows, self.columns)
            and kernel.output.layout.shape == (self.rows,)
            and len(indices) == 2
            and indices[0].buffer in self.counting
        )

    def _cycles(self, kernel: Loop | Special) -> int:
        if isinstance(kernel, Special):
            return 2 * self.columns
        applied = sum(weight(n.function) for n in kernel.nodes if isinstance(n, Apply)) + len(kernel.folds)
        return applied * (self.columns if self._table(kernel) else 1)

    def _add(self, kernel: Loop | Special) -> None:
        self.parts.append(kernel)
        self.cycles += self._cycles(kernel)
        if isinstance(kernel, Special):
            self.held.add(place(kernel.output, False))
            return
        table = self._table(kernel)
        self.held.update(place(store.access, table) for store in kernel.stores)
        self.held.update(place(fold.access, table) for fold in kernel.folds if across(fold, table))


def _places(kernel: Loop | Special, group: _Group) -> list[Place]:
    """Return what a kernel reads."""
    if isinstance(kernel, Loop):
        ways = [(n.access, group._table(kernel)) for n in kernel.nodes if isinstance(n, Load)]
    else:
        ways = [(access, len(access.layout.shape) > 1) for access in kernel.inputs]
    return [p for access, table in ways if (p := place(access, table)) is not None]


def _down(fold: Folded, table: bool, shape: tuple[int, ...]) -> bool:
    """Whether a fold combines all rows, of each column or of all."""
    along = {a for a in fold.axes if shape[a] != 1}
    rows = {a for a, n in enumerate(shape[: len(shape) - table]) if n != 1}
    return along == rows or (table and along == rows | {len(shape) - 1})
