"""Rows of data, copied into a mini-batch from where they stand: whole, or element by element where they are scattered.

Native code finds a description of each array: the address, the bytes from row to row, whether rows are packed, and
the bytes along each further axis.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.frozen import frozen
from ..core.types import Type
from .frame import EXTRA, NUMBER, STATUS, Frame, chunk_function
from .kernels import Buffer
from .module import Module
from .target import Target
from .text import Function, Value

Array = np.ndarray[Any, Any]

I64 = np.dtype(np.int64)
ADDRESS, STRIDE, PACKED, FIRST = range(4)  # places in a description
ARRIVING = 5  # place in the status of the description, the numbers and how many, of rows still to be copied
NEXT = 64 * 1024  # bytes of a mini-batch, at most, that memory is asked for a step ahead
AHEAD = 8 * 1024  # bytes that it is asked ahead in a larger one
LONG = 1024  # bytes of a row that is copied vector by vector, at most
TOGETHER = 8  # vectors that are read before any is written
BYTE = np.dtype(np.uint8)
LINE = 64  # bytes of a cache line
FAR = 1e4  # bytes in a microsecond, from main memory
GIVEN = [("ptr", "found"), ("ptr", "numbers"), ("i64", "left"), ("ptr", "to")]
FOUND, NUMBERS, LEFT, TO = (Value(f"%{name}", kind) for kind, name in GIVEN)


def packed(array: Array) -> bool:
    """Tell whether the elements of each row stand in order without gaps."""
    return bool(array[:1].flags.c_contiguous)


def description(array: Array) -> Array:
    """Return what native code must know of an array; it holds as long as the array lives."""
    address = array.__array_interface__["data"][0]
    return np.array([address, array.strides[0], packed(array), *array.strides[1:]], np.int64)


@frozen
class Rows:
    """The rows of one array in a mini-batch, and the functions that copy them.

    Each takes the description of the array, the numbers of the batch's rows, how many numbers there are from there
    on, and where the batch is: ``copy`` a first and a last row beside, ``chunk`` finds them in memory.
    """

    target: Target
    name: str
    batch: Buffer

    @property
    def count(self) -> int:
        """Of the rows."""
        return self.batch.type.shape[0]

    @property
    def size(self) -> int:
        """Bytes of a row."""
        return self.batch.bytes // self.count

    def _whole(self, module: Module) -> str:
        """Return the name of the function that copies whole rows."""
        if self.name not in module.functions:
            f = Function(module, self.name, [*GIVEN, ("i64", "first"), ("i64", "last")], plain=True)
            self._write(f, Value("%first", "i64"), Value("%last", "i64"), Value("0", "i64"), self.size)
        return self.name

    def _write(self, f: Function, first: Value, last: Value, begin: Value, size: int) -> None:
        """Write the copying of some rows: so many bytes of each from one on, all of it if there are more axes."""
        row = Type(self.batch.type.shape[1:], self.batch.type.dtype)
        if size < self.size:
            row = Type((size // row.dtype.itemsize,), row.dtype)

        def fact(place: int, element: str = "i64") -> Value:
            return f.make(f"load {element}, {f.at(FOUND, place, I64)}, align 8", element)

        start, stride, whole = fact(ADDRESS, "ptr"), fact(STRIDE), fact(PACKED)
        strides = [fact(FIRST + axis) for axis in range(row.ndim)]
        to = _moved(f, TO, begin)

        def each(start: Value, copy: Callable[[Value, Value], None], fetch: bool) -> None:
            def source(r: Value) -> Value:
                return _moved(f, start, f.integer("mul", f.load(f.at(NUMBERS, r, I64), I64), stride))

            def one(r: Value, _: list[Value]) -> list[Value]:
                if fetch:
                    self._fetch(f, source(self._soon(f, r)), size)
                copy(source(r), _moved(f, to, f.integer("mul", r, self.size)))
                return []

            f.loop(first, last, 1, [], one)

        def in_one_piece() -> None:
            each(_moved(f, start, begin), lambda source, place: self._copy(f, place, source, size), True)

        def scattered() -> None:
            from_here = start
            if size < self.size:
                before = f.integer("udiv", begin, row.dtype.itemsize)
                from_here = _moved(f, start, f.integer("mul", before, strides[0]))
            each(from_here, lambda source, place: _elements(f, source, place, row, strides), False)

        f.when(f.make(f"icmp ne {whole}, 0", "i1"), in_one_piece)
        f.when(f.make(f"icmp eq {whole}, 0", "i1"), scattered)
        f.finish()

    def _copy(self, f: Function, to: Value, source: Value, size: int) -> None:
        """Write the copying of bytes of a row in vectors; the last one may overlap the one before."""
        width = self.target.vector_bytes
        if size < width or size > LONG:
            f.copy_bytes(to, source, size)
            return
        places = [*range(0, size - width + 1, width)]
        if size % width:
            places.append(size - width)
        for some in range(0, len(places), TOGETHER):
            read = [f.load(f.at(source, i, BYTE), BYTE, width) for i in places[some : some + TOGETHER]]
            for i, value in zip(places[some : some + TOGETHER], read, strict=True):
                f.store(value, f.at(to, i, BYTE), BYTE)

    def _soon(self, f: Function, r: Value) -> Value:
        """Return the row to ask memory for: of the next step, or some rows on in a large batch."""
        distance = self.count if self.batch.bytes <= NEXT else -(-AHEAD // self.size)
        return f.call("llvm.smin", f.integer("add", r, distance), f.integer("sub", LEFT, 1))

    def _fetch(self, f: Function, source: Value, size: int) -> None:
        def line(i: Value, _: list[Value]) -> list[Value]:
            f.prefetch(_moved(f, source, i), second=True)
            return []

        if size <= LONG:
            for i in range(0, size, LINE):
                f.prefetch(f.at(source, i, BYTE), second=True)
            return
        f.loop(0, size, LINE, [], line)

    @property
    def time(self) -> float:
        """About how many microseconds it takes to copy all."""
        return self.batch.bytes / FAR

    def announce(self, frame: Frame, found: Value, numbers: Value, left: Value) -> None:
        """Write that whoever reads the rows finds them so."""
        status = frame.slot(STATUS)
        for i, value in enumerate((found, numbers, left)):
            frame.f.do(f"store {value}, {frame.f.at(status, ARRIVING + i, I64)}, align 8")

    def part(self, frame: Frame, first: Value, last: Value) -> None:
        """Write the copying of some rows, which have been announced."""
        self._called(frame, self._whole(frame.f.module), first, last)

    def columns(self, frame: Frame, first: Value, count: int) -> None:
        """Write the copying of so many elements of each row from one on; of rows with one axis, announced likewise."""
        itemsize = self.batch.type.dtype.itemsize
        name = f"{self.name}_{count}"
        if name not in frame.f.module.functions:
            f = Function(frame.f.module, name, [*GIVEN, ("i64", "begin")], plain=True)
            every = (Value("0", "i64"), Value(str(self.count), "i64"))
            self._write(f, *every, Value("%begin", "i64"), count * itemsize)
        self._called(frame, name, frame.f.integer("mul", first, itemsize))

    def _called(self, frame: Frame, name: str, *which: Value) -> None:
        f, status = frame.f, frame.slot(STATUS)
        arguments = [
            f.make(f"load {kind}, {f.at(status, ARRIVING + i, I64)}, align 8", kind)
            for i, (kind, _) in enumerate(GIVEN[:-1])
        ]
        to = frame.slot(frame.places.slot(self.batch))
        f.do(f"call void @{name}({', '.join(map(str, (*arguments, to, *which)))})")

    def call(self, frame: Frame, found: Value, numbers: Value, left: Value, to: Value) -> bool:
        """Write the copying of a batch; return whether it is shared out."""
        from .cutting import wanted

        f, arguments = frame.f, (found, numbers, left, to)
        copy = self._whole(f.module)
        whole = f"call void @{copy}({', '.join(map(str, arguments))}, i64 0, i64 {self.count})"
        chunks = min(wanted(self.batch.bytes / FAR), self.count)
        if chunks == 1:
            f.do(whole)
            return False
        room = f.room(len(GIVEN))
        for i, value in enumerate(arguments):
            f.do(f"store {value}, {f.at(room, i, I64)}, align 8")
        name = self._chunk(f.module, -(-self.count // chunks))
        frame.share(name, chunks, lambda: f.do(whole), f.make(f"ptrtoint {room} to i64", "i64"))
        return True

    def _chunk(self, module: Module, step: int) -> str:
        """Write the function for some rows, which finds its arguments in memory."""
        copy, f = self._whole(module), chunk_function(module, f"{self.name}_chunk")
        room = f.make(f"inttoptr {EXTRA} to ptr", "ptr")
        arguments = [
            f.make(f"load {kind}, {f.at(room, i, I64)}, align 8", kind) for i, (kind, _) in enumerate(GIVEN)
        ]
        first = f.integer("mul", NUMBER, step)
        last = f.call("llvm.smin", f.integer("add", first, step), Value(str(self.count), "i64"))
        f.do(f"call void @{copy}({', '.join(map(str, (*arguments, first, last)))})")
        f.finish()
        return f.name


def _moved(f: Function, pointer: Value, distance: Value) -> Value:
    return f.make(f"getelementptr i8, {pointer}, {distance}", "ptr")


def _elements(f: Function, source: Value, to: Value, row: Type, strides: list[Value]) -> None:
    """Write the copying of a row, axis by axis."""
    if not strides:
        element = f"i{8 * row.dtype.itemsize}"
        value = f.make(f"load {element}, {source}, align 1", element)
        f.do(f"store {value}, {to}, align 1")
        return
    rest = Type(row.shape[1:], row.dtype)

    def one(i: Value, _: list[Value]) -> list[Value]:
        place = _moved(f, to, f.integer("mul", i, rest.size * rest.dtype.itemsize))
        _elements(f, _moved(f, source, f.integer("mul", i, strides[0])), place, rest, strides[1:])
        return []

    f.loop(0, row.shape[0], 1, [], one)
