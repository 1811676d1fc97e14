"""What becomes of a tile's sums: a loop over the tile's part of C, which finds them where the tile was put down."""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np

from ..core.frozen import frozen
from ..core.lowering import Layout
from ..core.types import Type
from .kernels import Access, Apply, Buffer, Folded, Load, Loop, Node, Store
from .loops import emit_begun
from .module import Module
from .nest import accesses
from .registers import Corner, Registers, fits
from .strides import Strides
from .target import Target
from .text import Function, Value

ARGUMENTS = (
    ("ptr", "T"),  # the tile's sums
    ("ptr", "C"),
    ("ptr", "table"),
    ("i64", "batch"),
    ("i64", "row"),  # the tile's place in C
    ("i64", "column"),
)
BATCH = Value("%batch", "i64")
AT = (Value("%row", "i64"), Value("%column", "i64"))
LINE = 64  # bytes of a cache line
NEAR = 512 * 1024  # bytes of an array that the second cache holds anyway
LITTLE = 16 * 1024  # bytes of an array that one thread has for itself anyway
THIRD = 2**24  # bytes of all inputs that the third cache holds: there, asking costs more than waiting
SECOND = 2**22  # and bytes beyond which it does not cost more, where there is time to ask
BYTE = np.dtype(np.int8)

Writer = Callable[[Function, "Sums"], None]


@frozen
class Sums:
    """A tile of sums in scratch memory.

    Attributes
    ----------
    rows, columns : int
        Its size.
    stride : int
        Elements from row to row of it.
    turned : bool
        Whether its rows belong to columns of C.
    """

    rows: int
    columns: int
    stride: int
    turned: bool


@frozen
class Epilogue:
    """A loop over C that a product's sums go through; its folds, along rows, have begun.

    Attributes
    ----------
    target : Target
    loop : Loop
    source : Load
        The loop's node that stands for the sums.
    corners : callable
        ``corners(function, row, column)(access)`` writes the address of an array's element at a place in C.
    distant : bool
        Whether large arrays come from main memory.
    common : collection of Buffer
        What several threads read.
    """

    target: Target
    loop: Loop
    source: Load
    corners: Callable[[Function, Value, Value], Corner]
    distant: bool = True
    common: Collection[Buffer] = ()

    @property
    def light(self) -> bool:
        """Whether it is to be written into kernels."""
        return fits(self.loop)

    def in_registers(self, f: Function, sums: list[list[Value]], mask: Value | None) -> None:
        """Write what becomes of a tile's rows of vectors, where a kernel has them; C is not turned."""
        corner = self.corners(f, *AT)
        Registers(f, self.target, self.loop, self.source, sums, mask, corner).write()

    def finish(self, f: Function, sums: Sums) -> None:
        """Write what becomes of a tile, into a function with the ARGUMENTS."""
        bases: dict[int, Value] = {}
        corner = self.corners(f, *(reversed(AT) if sums.turned else AT))

        def narrowed(access: Access, place: Value, strides: tuple[int, int]) -> Access:
            part = Access(access.buffer, Layout((sums.rows, sums.columns), strides))
            bases[id(part)] = place
            return part

        def within(access: Access) -> Access:
            return narrowed(access, corner(access), _strides(access, sums))

        new: dict[int, Node] = {}
        for node in self.loop.nodes:
            if node is self.source:
                new[id(node)] = Load(narrowed(node.access, Value("%T", "ptr"), (sums.stride, 1)))
            elif isinstance(node, Load):
                new[id(node)] = Load(within(node.access))
            elif isinstance(node, Apply):
                args = tuple(new.get(id(a), a) for a in node.args)
                new[id(node)] = Apply(node.function, args, node.params, node.dtype)
        stores = [Store(new.get(id(s.node), s.node), within(s.access)) for s in self.loop.stores]
        axes = (1,) if sums.turned else (0,)
        folds = [
            Folded(new.get(id(e.node), e.node), e.combine, axes, within(e.access)) for e in self.loop.folds
        ]
        part = Loop((sums.rows, sums.columns), list(new.values()), stores, folds)
        emit_begun(f, self.target, part, lambda access: bases[id(access)])

    def fetch(self, f: Function, sums: Sums) -> None:
        """Write what asks for the memory that a tile needs, while its sums are still to be computed."""
        corner = self.corners(f, *(reversed(AT) if sums.turned else AT))
        for access, write in self._asked(sums):
            start, size = corner(access), access.buffer.type.dtype.itemsize
            step = _strides(access, sums)[0] * size

            def row(
                _: Value, now: list[Value], size: int = size, step: int = step, write: bool = write
            ) -> list[Value]:
                for offset in (*range(0, sums.columns * size, LINE), sums.columns * size - 1):
                    f.prefetch(f.at(now[0], offset, BYTE), write, second=True)
                return [f.at(now[0], step, BYTE)]

            f.loop(0, sums.rows, 1, [start], row)

    def fetches(self, sums: Sums) -> bool:
        """Whether there is anything to fetch."""
        return bool(self._asked(sums))

    def _asked(self, sums: Sums) -> list[tuple[Access, bool]]:
        """Return the arrays that are walked line by line and not at hand, and whether for writing.

        Either no cache has them, or other threads have read what is now changed: each line must then be had alone.
        """
        found: dict[tuple[Buffer, Layout], tuple[Access, bool]] = {}
        for access in accesses(self.loop):
            (row, column), buffer = _strides(access, sums), access.buffer
            if access is self.source.access or row == 0 or column != 1:
                continue
            contended = buffer.bytes > LITTLE and self._changed(buffer)
            if contended or (self.distant and buffer.bytes > NEAR):
                found[buffer, access.layout] = access, contended
        return list(found.values())

    def _changed(self, buffer: Buffer) -> bool:
        """Whether an array that other threads have read is changed, most likely where it stands."""
        written = [s.access.buffer for s in self.loop.stores]
        after = any(b.home == "output" and b.type == buffer.type for b in written)
        return buffer in self.common and buffer.home == "input" and after


def _strides(access: Access, sums: Sums) -> tuple[int, int]:
    """Return an array's strides along the rows and columns of a tile."""
    row, column = access.layout.strides[-2:]
    return (column, row) if sums.turned else (row, column)


def distant(target: Target, size: int) -> bool:
    """Whether a loop should ask for what it needs of inputs of so many bytes altogether."""
    return size > (SECOND if target.halves else THIRD)


def storing(target: Target, dtype: np.dtype[np.floating], c: Strides) -> Epilogue:
    """Return what writes the sums to C as they are."""
    buffer = Buffer(Type((1, 1), np.dtype(dtype)))
    source = Load(Access(buffer, Layout((1, 1), (0, 0))))
    loop = Loop((1, 1), [source], [Store(source, Access(buffer, Layout((1, 1), (c.row, c.column))))])

    def corners(f: Function, row: Value, column: Value) -> Corner:
        offset = f.integer("add", f.integer("mul", row, c.row), f.integer("mul", column, c.column))
        place = f.at(Value("%C", "ptr"), offset, dtype)
        return lambda access: place

    return Epilogue(target, loop, source, corners)


def called(module: Module, name: str, write: Writer, sums: Sums) -> str:
    """Write one of an epilogue's functions for tiles of one size, unless it is there; return its name."""
    name = f"{name}_{sums.rows}x{sums.columns}"
    if name not in module.functions:
        f = Function(module, name, ARGUMENTS)
        write(f, sums)
        f.finish()
    return name
