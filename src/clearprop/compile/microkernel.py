"""The register tile: a few rows times a few vectors of C stay in registers for a whole sum over k.

Strides and counts are arguments, so a kernel serves every product of its dtype and tile. Each element of C is one
chain of multiply-adds in the order of k; a later call goes on where the last one stopped, to the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..core.frozen import frozen
from .module import Module
from .target import Target
from .text import SUFFIXES, Function, Value, memory_type

LINE = 64  # bytes of a cache line
AHEAD = 16  # terms
UNIT = 65536  # parts
ONWARD = 64  # terms
BYTE = np.dtype(np.uint8)  # what some distances are counted in
ARGUMENTS = (
    ("ptr", "A"),  # first element of the tile's first row
    ("i64", "lda"),  # elements from row to row, or from k to k if A is `across`
    ("ptr", "B"),  # first element of row k = 0
    ("i64", "ldb"),  # elements from k to k
    ("i64", "K"),  # terms of the sum
    ("ptr", "T"),  # where the tile goes, a row after the other
    ("i64", "ldt"),  # elements from row to row of T
    ("i1", "more"),  # whether to add to what T holds
    ("i64", "lanes"),  # lanes of the last vector that exist, if `masked`
    ("ptr", "next"),  # where the next tile goes, if it `asks`
)
FOLLOWS = (
    ("ptr", "ahead"),  # this tile's part of the next panel of B
    ("i64", "pace"),  # bytes from one place of it to the next
    ("i64", "rate"),  # places that it asks for in each round, in parts
)


@frozen
class Tile:
    """What one kernel computes: T[rows, vectors · lanes] (+)= A[rows, K] B[K, vectors · lanes].

    Attributes
    ----------
    dtype : dtype
    rows, vectors : int
        rows · vectors accumulators.
    across : bool
        Whether A is contiguous from row to row; otherwise it is from k to k.
    masked : bool
        Whether the last vector has lanes that must neither be read nor written.
    asks : bool
        Whether it asks for the memory where the next tile goes, while it sums.
    follows : int
        How many lines of each place it asks for, of its part of the next panel of B: none, one, or a power of two. If
        any, it has the arguments `FOLLOWS` too.
    far : bool
        Whether it asks for rows of B some terms ahead: they are apart in memory, which no processor foresees.
    onward : bool
        Whether it asks for what comes of A, whose rows then follow one another from k to k: processors foresee no
        further than a page.
    narrow : bool
        Whether it computes only the lower half of the last vector.
    """

    dtype: np.dtype[np.floating]
    rows: int
    vectors: int
    across: bool
    masked: bool = False
    asks: bool = False
    follows: int = 0
    far: bool = False
    onward: bool = False
    narrow: bool = False

    @property
    def name(self) -> str:
        """The kernel's name, which says all of this."""
        kind = SUFFIXES[memory_type(self.dtype)]
        name = f"tile_{kind}_{self.rows}x{self.vectors}"
        asking = f"{'_asks' * self.asks}{'_far' * self.far}{'_onward' * self.onward}"
        asking += f"_follows{self.follows}" * (self.follows > 0)
        shape = f"{'_across' * self.across}{'_masked' * self.masked}{'_narrow' * self.narrow}"
        return f"{name}{shape}{asking}"


def accumulators(target: Target) -> int:
    """Return how many registers may hold sums; the others hold a row of B and an element of A."""
    return target.registers - 4


def multiply_add(f: Function, target: Target, a: Value, b: Value, c: Value) -> Value:
    """Return a · b + c, rounded once where the target can."""
    if target.fma:
        return f.call("llvm.fma", a, b, c)
    return f.binary("fadd", c, f.binary("fmul", a, b))


Finish = Callable[[Function, list[list[Value]], "Value | None"], None]
"""Writes what becomes of rows of sums; of each row's last vector only the lanes of the mask exist, if there is one."""

FINISHED = (
    ("ptr", "table"),
    ("i64", "batch"),
    ("i64", "row"),
    ("i64", "column"),
    ("i1", "final"),
)
"""What a kernel with a finish gets too: where its tile is in C, and whether its sums are complete then."""


def kernel(module: Module, target: Target, tile: Tile, name: str = "", finish: Finish | None = None) -> str:
    """Write a tile's kernel unless the module has it, and return its name.

    One with a finish has a name of its own; it goes to T only with sums that are not complete.
    """
    name += tile.name
    if name not in module.functions:
        _Kernel(module, target, tile, name, finish).write()
    return name


class _Kernel:
    def __init__(self, module: Module, target: Target, tile: Tile, name: str, finish: Finish | None) -> None:
        arguments = [*ARGUMENTS, *(FOLLOWS if tile.follows else ()), *(FINISHED if finish else ())]
        self.f, self.finish = Function(module, name, arguments), finish
        self.target, self.tile = target, tile
        self.element = memory_type(tile.dtype)
        self.lanes = target.lanes(tile.dtype.itemsize)
        self.last = self.lanes // 2 if tile.narrow else self.lanes  # lanes of a row's last vector
        self.mask = self.f.first(Value("%lanes", "i64"), self.last) if tile.masked else None

    def write(self) -> None:
        f = self.f
        heads, row, sums = self.bases(), Value("%B", "ptr"), self.begin()
        offsets = self.offsets()

        def body(k: Value, now: list[Value]) -> Sequence[Value]:
            heads, row, sums = now[: len(offsets)], now[len(offsets)], now[len(offsets) + 1 :]
            if self.tile.asks:
                self.ask(k)
            if self.tile.follows:
                place = f.integer("lshr", f.integer("mul", k, Value("%rate", "i64")), UNIT.bit_length() - 1)
                there = f.at(Value("%ahead", "ptr"), f.integer("mul", place, Value("%pace", "i64")), BYTE)
                if self.tile.follows > 1:
                    which = f.integer("and", k, self.tile.follows - 1)
                    there = f.at(there, f.integer("mul", which, LINE), BYTE)
                f.prefetch(there)
            if self.tile.far:
                ahead = self.move(row, f.integer("mul", Value("%ldb", "i64"), AHEAD))
                width, line = self.tile.vectors * self.lanes, LINE // self.tile.dtype.itemsize
                for end in range(line, width + line, line):
                    f.prefetch(self.move(ahead, min(end, width) - 1))
            if self.tile.onward:
                f.prefetch(f.at(heads[0], ONWARD * self.tile.rows, self.tile.dtype))
            sums = self.step(heads, row, sums, offsets)
            step = Value("%lda", "i64") if self.tile.across else 1
            return [
                *(self.move(h, step, hidden=True) for h in heads),
                self.move(row, Value("%ldb", "i64")),
                *sums,
            ]

        after = f.loop(0, Value("%K", "i64"), 1, [*heads, row, *sums], body)
        self.end(after[len(heads) + 1 :])
        f.finish()

    def ask(self, k: Value) -> None:
        """Ask for a row of the next tile's place, one in each round: all at once would hold up what is needed now.

        Where rows begin within a line, the first one has been at hand for the panel before.
        """
        f = self.f
        last = f.call("llvm.smin", k, Value(str(self.tile.rows - 1), "i64"))
        row = self.move(Value("%next", "ptr"), f.integer("mul", last, Value("%ldt", "i64")))
        line = LINE // self.tile.dtype.itemsize
        for place in range(0, self.tile.vectors * self.lanes, line):
            f.prefetch(self.move(row, place + line - 1))

    # ---- addresses: a pointer for five rows of A, as x86 adds a register times 1, 2 or 4 for nothing

    def move(self, pointer: Value, distance: Value | int, hidden: bool = False) -> Value:
        """Go some elements on; hidden from LLVM's loop strength reduction, which would keep a pointer per row."""
        there = self.f.at(pointer, distance, self.tile.dtype)
        if not hidden:
            return there
        self.f.module.declare("llvm.launder.invariant.group.p0", "ptr @llvm.launder.invariant.group.p0(ptr)")
        return self.f.make(f"call ptr @llvm.launder.invariant.group.p0({there})", "ptr")

    def bases(self) -> list[Value]:
        """Pointers to rows 0, 5, 10 ..., or to the only row there is."""
        first, lda = Value("%A", "ptr"), Value("%lda", "i64")
        starts = range(0, 1 if self.tile.across else self.tile.rows, 5)
        return [self.move(first, self.f.integer("mul", lda, i)) if i else first for i in starts]

    def offsets(self) -> list[list[Value | int]]:
        """Elements from each pointer to the rows that it serves."""
        if self.tile.across:
            return [list(range(self.tile.rows))]
        lda = Value("%lda", "i64")
        near: list[Value | int] = [0, lda, *(self.f.integer("mul", lda, i) for i in (2, 3, 4))]
        return [near[: self.tile.rows - i] for i in range(0, self.tile.rows, 5)]

    # ---- sums

    def begin(self) -> list[Value]:
        f, before = self.f, self.f.block
        load, ready = f.fresh("load"), f.fresh("ready")
        f.do(f"br i1 %more, label %{load}, label %{ready}")
        f.label(load)
        held = [self.read(p, last) for p, last in self.places()]
        f.do(f"br label %{ready}")
        f.label(ready)
        zero = f"zeroinitializer, %{before}"
        return [f.make(f"phi {h.type} [ {h.name}, %{load} ], [ {zero} ]", h.element, h.lanes) for h in held]

    def step(
        self, heads: list[Value], row: Value, sums: list[Value], offsets: list[list[Value | int]]
    ) -> list[Value]:
        f, count = self.f, self.tile.vectors
        b = [self.read(self.move(row, j * self.lanes), j == count - 1) for j in range(count)]
        out: list[Value] = []
        for head, near in zip(heads, offsets, strict=True):
            for distance in near:
                scalar = f.load(self.move(head, distance), self.tile.dtype)
                a = {lanes: f.spread(scalar, lanes) for lanes in {each.lanes for each in b}}
                out += [
                    multiply_add(f, self.target, a[b[j].lanes], b[j], sums[len(out) + j])
                    for j in range(count)
                ]
        return out

    def end(self, sums: list[Value]) -> None:
        f, finish, count = self.f, self.finish, self.tile.vectors
        if not finish:
            self.put_down(sums)
            return
        rows = [sums[i : i + count] for i in range(0, len(sums), count)]
        complete, partial = f.fresh("complete"), f.fresh("partial")
        f.do(f"br i1 %final, label %{complete}, label %{partial}")
        f.label(partial)
        self.put_down(sums)
        f.do("ret void")
        f.label(complete)
        if self.tile.narrow:
            zero = Value("zeroinitializer", self.element, self.last)
            rows = [[*row, f.shuffle(last, zero, range(self.lanes))] for *row, last in rows]
        finish(f, rows, f.first(Value("%lanes", "i64"), self.lanes) if self.mask else None)

    def put_down(self, sums: list[Value]) -> None:
        """Write the sums to T."""
        for value, (place, last) in zip(sums, self.places(), strict=True):
            if last and self.mask:
                self.f.masked_store(value, place, self.mask, self.tile.dtype)
            else:
                self.f.store(value, place, self.tile.dtype)

    def places(self) -> list[tuple[Value, bool]]:
        """Each vector's address in T and whether it is its row's last."""
        row, places = Value("%T", "ptr"), []
        for i in range(self.tile.rows):
            row = self.move(row, Value("%ldt", "i64")) if i else row
            places += [
                (self.move(row, j * self.lanes), j == self.tile.vectors - 1) for j in range(self.tile.vectors)
            ]
        return places

    def read(self, place: Value, last: bool) -> Value:
        if last and self.mask:
            return self.f.masked_load(place, self.mask, self.tile.dtype)
        return self.f.load(place, self.tile.dtype, self.last if last else self.lanes)
