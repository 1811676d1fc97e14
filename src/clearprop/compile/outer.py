"""Products of few terms: sums of outer products, written as a loop over the memory of C as if it were one row.

Vectors go on from the end of a row to the beginning of the next, so none is partly outside, and no store of some lanes
holds up the next load. Such a vector takes the elements of A of both rows, and its columns from copies of B's rows in
which the first columns follow the last.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ..core.frozen import frozen
from .blocking import OWN
from .cutting import outer_cut
from .frame import NUMBER, WHO, Frame, Memory, chunk_function
from .kernels import Access, Contraction, Load, Loop, Store
from .microkernel import multiply_add
from .registers import Corner, Known, Registers
from .target import Target
from .text import Function, Value, value_type

FEW = 4  # terms, at most,
SEVERAL = 8  # or so many where
SECOND = 2**20  # bytes or more are walked: what comes from beyond the second cache is best read in a row
WIDE = 24 * 1024  # bytes of B's rows, at most, that the first cache keeps beside all that goes through it;
BLOCK = 16 * 1024  # wider ones are read in blocks of so many, each for all rows of C
MANY = 8  # vectors that are written one after the other instead of in a loop, at most
ABREAST = 4  # rows, at most, that are written at the same time
UNIT = 64  # bytes to which copies are aligned

ARGUMENTS = [("ptr", "table"), ("ptr", "scratch"), ("i64", "first"), ("i64", "last")]


def suits(target: Target, kernel: Contraction, room: float = math.inf) -> bool:
    """Whether a product has few terms, and its loop goes through C's memory step by step.

    Each term is read again for each vector: they are few if they are not more than what is read and written anyway.
    Copies of B's rows should take ``room`` bytes or less.
    """
    shape, loop, terms = kernel.output.layout.shape, kernel.loop, kernel.inputs[0].layout.shape[-1]
    itemsize = kernel.output.buffer.type.dtype.itemsize
    lanes = target.lanes(itemsize)
    if len(shape) != 2 or shape[1] < lanes or lanes < shape[1] < 2 * lanes:
        return False
    if shape[1] % lanes and OWN * terms * shape[1] * itemsize > room:
        return False
    if loop is None:
        return terms == 1 and _flat(kernel.output)
    read = [n.access for n in loop.nodes if isinstance(n, Load) and n is not kernel.sums]
    walked = [a for a in (*read, *(s.access for s in loop.stores)) if _flat(a)]
    far = sum(b.bytes for b in {a.buffer for a in walked}) > SECOND
    known = all(_flat(a) or _still(a) or _repeated(a) for a in read)
    suited = known and not loop.folds and all(_flat(s.access) for s in loop.stores)
    suited = suited and (shape[0] == 1 or len({a.layout.strides[0] for a in walked}) == 1)
    return suited and terms <= (min(SEVERAL, 3 * len(walked)) if far else min(FEW, len(walked)))


def _flat(access: Access) -> bool:
    """Whether an array is walked without gaps, or with room between its rows that may be written too."""
    (rows, columns), strides = access.layout.shape, access.layout.strides
    return strides[1] == 1 and (rows == 1 or strides[0] == columns or access.whole_rows)


def _still(access: Access) -> bool:
    return access.layout.strides == (0, 0)


def _repeated(access: Access) -> bool:
    """Whether every row of an array is the same."""
    return access.layout.strides == (0, 1) and access.layout.shape[0] > 1


def emit_outer(frame: Frame, target: Target, kernel: Contraction, name: str, owned: bool) -> Memory:
    """Write such a product into a kernel's function, and beside it what that calls; threads may own C's rows."""
    f, frame.f.plain = frame.f, True
    part = Function(f.module, name, ARGUMENTS)
    writer = _Outer(frame.within(part), target, kernel)
    writer.write()
    part.finish()
    rows, own = writer.m, writer.bytes
    cut = outer_cut(target, kernel, writer.period, owned)

    def whole() -> None:
        f.do(f"call void @{name}(ptr %table, {frame.scratch()}, i64 0, i64 {rows})")

    if cut is None:
        whole()
        return Memory(own=own)
    chunk = chunk_function(f.module, f"{name}_chunk")
    first = chunk.integer("mul", NUMBER, cut.step)
    final = chunk.compare("icmp eq", NUMBER, Value(str(cut.chunks - 1), "i64"))
    last = chunk.select(final, Value(str(rows), "i64"), chunk.integer("add", first, cut.step))
    scratch = frame.within(chunk).scratch(chunk.integer("mul", WHO, own))
    chunk.do(f"call void @{name}(ptr %table, {scratch}, {first}, {last})")
    chunk.finish()
    frame.share(chunk.name, cut.chunks, whole)
    return Memory(0, own, True)


@frozen
class Here:
    """Addresses from which vectors are counted: of B's rows, and of the loop's arrays by their accesses' ids."""

    terms: Sequence[Value]
    places: Mapping[int, Value]


class _Outer:
    """Writes the loop over some rows."""

    def __init__(self, frame: Frame, target: Target, kernel: Contraction) -> None:
        self.f, self.frame, self.target = frame.f, frame, target
        self.a, self.b = kernel.inputs
        self.dtype = kernel.output.buffer.type.dtype
        (self.m, self.across), self.k = kernel.output.layout.shape, self.a.layout.shape[1]
        self.itemsize, self.lanes = self.dtype.itemsize, target.lanes(self.dtype.itemsize)
        self.source = kernel.sums or Load(kernel.output)
        store = Store(self.source, kernel.output)
        self.loop = kernel.loop or Loop((self.m, self.across), [self.source], [store])
        walked = (s.access.layout for s in self.loop.stores)
        self.n = next(walked).strides[0] if self.m > 1 else self.across  # with room between rows
        self.bytes = 0  # of copies

    @property
    def wraps(self) -> bool:
        """Whether vectors go on into the next row."""
        return self.n % self.lanes != 0

    @property
    def period(self) -> int:
        """Rows that are a number of whole vectors."""
        return self.lanes // math.gcd(self.n, self.lanes)

    def write(self) -> None:
        f, first, last = self.f, Value("%first", "i64"), Value("%last", "i64")
        read = [n.access for n in self.loop.nodes if isinstance(n, Load) and n is not self.source]
        self.arrays = [*read, *(store.access for store in self.loop.stores)]
        self.places = {
            id(a): f.at(self.frame.address(a), a.layout.offset, a.buffer.type.dtype) for a in self.arrays
        }
        down, along = self.b.layout.strides
        rows = f.at(self.frame.address(self.b), self.b.layout.offset, self.dtype)
        self.terms = [self.line(f.at(rows, t * down, self.dtype), along, self.dtype) for t in range(self.k)]
        self.lines = {
            id(a): self.line(self.places[id(a)], 1, a.buffer.type.dtype) for a in self.arrays if _repeated(a)
        }
        zero = f.constant(0, value_type(self.dtype), self.lanes)
        self.still = self.registers(zero, {}, lambda access: self.places[id(access)]).settle()
        self.frame.find(self.a)
        before = f.integer("sub", last, 1)
        single = self.behind_groups(first, before)
        if self.left:
            f.loop(0, self.left, self.block, [], lambda left, _: self.columns(left, first, single, last))
        self.groups(first, single, self.begin, self.row)
        place, column, *factors = f.loop(single, before, 1, self.begin(single), self.row)
        self.whole(self.here(place, column), f.integer("sub", self.n - self.lanes + 1, column), factors)
        if rest := self.m * self.n % self.lanes:
            end = f.compare("icmp eq", last, Value(str(self.m), "i64"))
            f.when(end, lambda: self.end(rest))

    # ---- rows side by side

    @cached_property
    def abreast(self) -> int:
        """Rows that are written at the same time, a period apart: they read the same vectors of B."""
        return max(min(ABREAST, self.target.registers // (2 * self.k), self.m // (4 * self.period)), 1)

    def behind_groups(self, first: Value, last: Value) -> Value:
        """Return the first of the rows that are written one at a time."""
        if self.abreast == 1:
            return first
        size = self.abreast * self.period
        groups = self.f.integer("sdiv", self.f.integer("sub", last, first), size)
        return self.f.integer("add", first, self.f.integer("mul", groups, size))

    def groups(
        self,
        first: Value,
        last: Value,
        begin: Callable[[Value, int], list[Value]],
        row: Callable[[Value, list[Value]], list[Value]],
    ) -> None:
        """Write the loop over groups of rows, in each the one over its first rows."""

        def group(i: Value, _: Sequence[Value]) -> list[Value]:
            self.f.loop(i, self.f.integer("add", i, self.period), 1, begin(i, self.abreast), row)
            return []

        if self.abreast > 1:
            self.f.loop(first, last, self.abreast * self.period, [], group)

    def begin(self, i: Value, rows: int = 1) -> list[Value]:
        """Return the place in C's memory and the column that a row begins with, and rows of A."""
        place = self.f.integer("add", self.f.integer("mul", i, self.n), self.left)
        return [place, Value(str(self.left), "i64"), *self.factors(i, rows)]

    # ---- blocks of columns

    @cached_property
    def block(self) -> int:
        """Columns of a block: as many as there are, unless B's rows are too wide for the first cache."""
        size = (self.k + sum(map(_repeated, self.arrays))) * self.n * self.itemsize
        blocks = math.ceil(size / BLOCK) if size > WIDE else 1
        return max(math.ceil(self.n / blocks / self.lanes), 2) * self.lanes

    @cached_property
    def left(self) -> int:
        """The last block's first column."""
        return max(self.n - 2 * self.lanes, 0) // self.block * self.block

    def columns(self, left: Value, first: Value, single: Value, last: Value) -> list[Value]:
        """Write a block that is not the last one, of all rows: in each, from the first whole cache line on."""
        f = self.f

        def rows(i: Value, count: int) -> list[Value]:
            place = f.integer("mul", i, self.n)
            column = left
            if self.wraps:
                beyond = f.integer("and", f.integer("sub", 0, place), self.lanes - 1)
                column = f.integer("add", left, beyond)
            here = self.here(f.integer("add", place, column), column)
            self.whole(here, self.block, self.factors(i, count))
            return []

        self.groups(first, single, lambda *_: [], lambda i, _: rows(i, self.abreast))
        f.loop(single, last, 1, [], lambda i, _: rows(i, 1))
        return []

    # ---- operands

    @property
    def width(self) -> int:
        """Elements of a copy: a row, a vector of the first columns again, and what the last vector reads beyond."""
        return -(-(self.n + 2 * self.lanes) // self.lanes) * self.lanes

    def line(self, source: Value, along: int, dtype: np.dtype[Any]) -> Value:
        """Return where a row can be read from any column on: a copy with the first columns behind the last."""
        if not self.wraps and along == 1 and self.n == self.across:
            return source
        f, width = self.f, self.lanes if along == 1 else 1
        to = f.at(Value("%scratch", "ptr"), self.bytes, np.dtype(np.uint8))

        def some(j: Value | int, _: Sequence[Value]) -> list[Value]:
            place = f.at(source, j if along == 1 or isinstance(j, int) else f.integer("mul", j, along), dtype)
            f.store(f.load(place, dtype, width), f.at(to, j, dtype), dtype)
            return []

        for end in range(self.n, self.across, -self.lanes):  # what is read of the room between rows
            f.store(f.constant(0, value_type(dtype), self.lanes), f.at(to, end - self.lanes, dtype), dtype)
        f.loop(0, self.across // width * width, width, [], some)
        if self.across % width:
            some(self.across - width, [])
        if self.wraps:
            f.store(f.load(to, dtype, self.lanes), f.at(to, self.n, dtype), dtype)
        self.bytes += self.width * dtype.itemsize
        return to

    def factors(self, i: Value, rows: int = 1) -> list[Value]:
        """Return a row of A, or some, a period apart: each element in a vector."""
        f, (down, along) = self.f, self.a.layout.strides
        row = f.at(self.frame.address(self.a), f.integer("mul", i, down), self.dtype)
        starts = (self.a.layout.offset + r * self.period * down for r in range(rows))
        places = (f.at(row, start + t * along, self.dtype) for start in starts for t in range(self.k))
        return [f.spread(f.load(place, self.dtype), self.lanes) for place in places]

    def here(self, place: Value | int, column: Value | int) -> Here:
        """Return where everything is for a place in C's memory and its column: B's rows, and the loop's arrays."""
        f = self.f
        places = {
            key: base if _still(a) else f.at(base, place, a.buffer.type.dtype)
            for a in self.arrays
            for key, base in ((id(a), self.places[id(a)]),)
        }
        lines = {
            id(a): f.at(self.lines[id(a)], column, a.buffer.type.dtype) for a in self.arrays if _repeated(a)
        }
        return Here([f.at(term, column, self.dtype) for term in self.terms], places | lines)

    # ---- the loop

    def row(self, i: Value, now: Sequence[Value]) -> list[Value]:
        """Write a row from column `now[1]` on, with what goes on into the next one."""
        f, lanes, (place, column, *factors) = self.f, self.lanes, now
        following = self.factors(f.integer("add", i, 1), len(factors) // self.k)
        here = self.here(place, column)
        if not self.wraps:
            self.whole(here, self.n - self.left, factors)
            return [f.integer("add", place, self.n), column, *following]
        sure = (self.n - self.left - lanes) // lanes * lanes
        self.whole(here, sure, factors)
        left = f.integer("sub", self.n, column)

        def over(at: int) -> list[Value]:
            mask = f.first(f.integer("sub", left, at), lanes)
            both = [f.select(mask, x, y) for x, y in zip(factors, following, strict=True)]
            self.piece(here, at, both)
            start = self.left + at + lanes
            return [f.integer("add", place, start), f.integer("sub", start, left)]

        reached = over(sure)
        more = f.compare("icmp slt", reached[1], Value(str(self.left), "i64"))
        return [*f.replace(more, reached, lambda: over(sure + lanes)), *following]

    def whole(self, here: Here, count: Value | int, factors: Sequence[Value]) -> None:
        """Write so many elements of a row, in whole vectors."""

        def one(at: Value | int, _: Sequence[Value]) -> list[Value]:
            self.piece(here, at, factors)
            return []

        if isinstance(count, Value) or count * len(factors) > MANY * self.lanes * self.k:
            self.f.loop(0, count, self.lanes, [], one)
        else:
            for at in range(0, count, self.lanes):
                one(at, [])

    def end(self, rest: int) -> None:
        """Write the last elements, which are no whole vector."""
        f, factors = self.f, self.factors(Value(str(self.m - 1), "i64"))
        here, at = self.here((self.m - 1) * self.n, 0), self.n - rest
        if self.target.vector_bytes >= UNIT:  # loads and stores some lanes as fast as all
            bits = ", ".join(f"i1 {'true' if lane < rest else 'false'}" for lane in range(self.lanes))
            self.piece(here, at, factors, Value(f"<{bits}>", "i1", self.lanes))
            return
        singles = [f.lane(x, 0) for x in factors]

        def one(j: Value, _: Sequence[Value]) -> list[Value]:
            self.piece(here, j, singles)
            return []

        f.loop(at, self.n, 1, [], one)

    def piece(self, here: Here, at: Value | int, factors: Sequence[Value], mask: Value | None = None) -> None:
        """Write the sums of some elements of C and what becomes of them, and of as many in the other rows."""
        f = self.f
        terms = [f.load(f.at(row, at, self.dtype), self.dtype, factors[0].lanes) for row in here.terms]
        for r in range(0, len(factors), self.k):
            total = f.like(0, factors[0])
            for factor, term in zip(factors[r : r + self.k], terms, strict=True):
                total = multiply_add(f, self.target, factor, term, total)
            apart = r // self.k * self.period * self.n

            def corner(access: Access, apart: int = apart) -> Value:
                place, dtype = here.places[id(access)], access.buffer.type.dtype
                if _still(access):
                    return place
                place = f.at(place, at, dtype)
                return place if _repeated(access) else f.at(place, apart, dtype)

            self.registers(total, self.still, corner, mask).write()

    def registers(self, total: Value, known: Known, corner: Corner, mask: Value | None = None) -> Registers:
        return Registers(self.f, self.target, self.loop, self.source, [[total]], mask, corner, known)
