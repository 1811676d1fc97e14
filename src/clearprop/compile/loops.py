"""A loop kernel as LLVM text: outer loops, a vector loop inside, and its tail in ever shorter vectors."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from .far_memory import ask, choosing_stores, store_past
from .kernels import STATUS, Access, Apply, Folded, Load, Loop, Node, Number, Store
from .nest import Axis, accesses, nest
from .specials import note_failure
from .strided import existing, line_end, read, write, write_in_pieces
from .target import Target
from .text import Function, Value, value_type
from .vocabulary import chained, compute, convert, refused

FEW = 4  # vectors that are written one after the other instead of in a loop
ABREAST = 4  # vectors that long functions compute as one, so that none waits for its own last instruction

Addresses = Callable[[Access], Value]
"""From an access to the address of its buffer's first element."""


def emit_loop(function: Function, target: Target, loop: Loop, address: Addresses) -> None:
    """Write a loop kernel into a function."""
    begin_folds(function, target, loop, address)
    emit_begun(function, target, loop, address)


def emit_begun(function: Function, target: Target, loop: Loop, address: Addresses) -> None:
    """Write a loop kernel whose folds go on with what is in memory."""
    _Emitter(function, target, loop, address).emit()


def emit_range(
    function: Function, target: Target, loop: Loop, address: Addresses, depth: int, first: Value, last: Value
) -> None:
    """Write a loop kernel from `first` to `last` (exclusive) of its axis at this depth, which no fold combines.

    Its folds have begun. On the innermost axis, `first` is a multiple of LINE, and so is `last` unless it
    is the end.
    """
    _Emitter(function, target, loop, address, (depth, first, last)).emit()


def begin_folds(function: Function, target: Target, loop: Loop, address: Addresses) -> None:
    """Write what sets the memory of a kernel's folds to what changes nothing."""
    for fold in loop.folds:
        layout = fold.access.layout
        kept = layout.permuted([a for a in range(len(layout.shape)) if a not in fold.axes])
        start = Number(fold.neutral)
        emit_loop(
            function,
            target,
            Loop(kept.shape, [start], [Store(start, Access(fold.access.buffer, kept))]),
            address,
        )


class _Emitter:
    def __init__(
        self,
        function: Function,
        target: Target,
        loop: Loop,
        address: Addresses,
        part: tuple[int, Value, Value] | None = None,
    ) -> None:
        self.part = part
        self.f, self.target, self.loop, self.address = function, target, loop, address
        self.axes = nest(loop)
        self.read = {node.access.buffer.type for node in loop.nodes if isinstance(node, Load)}
        self.inner = self.axes[-1]
        self.order = {id(access): i for i, access in enumerate(accesses(loop))}
        self.bases = [function.at(address(a), a.layout.offset, a.buffer.type.dtype) for a in accesses(loop)]
        fails = any(isinstance(node, Apply) and node.failure for node in loop.nodes)
        self.status = address(STATUS) if fails else None
        self.lanes = self._lanes()
        chains = any(isinstance(node, Apply) and chained(node.function) for node in loop.nodes)
        self.wide = self.lanes * (ABREAST if chains else 1)
        function.crowded |= chains
        self.count = 0  # how many lanes of a piece exist; 0 for all
        self.past: Collection[int] = ()  # arrays that are stored past the caches
        self.still: dict[tuple[int, int], Value] = {}  # values that are the same everywhere
        self.fixed: dict[tuple[int, int], Value] = {}  # and those that are along the innermost axis
        self.varying = self._changing([self.axes[-1]])
        self.sums: dict[tuple[int, int], Value] = {}  # of a fold, from an index on, while rows pass

    def _lanes(self) -> int:
        """Return as many lanes as a vector of the smallest floats, or integers, among the nodes holds."""
        sizes = [max(n.dtype.itemsize, 4) for n in self.loop.nodes if n.dtype.kind != "b"]
        return self.target.lanes(min(sizes, default=4))

    def _changing(self, axes: Sequence[Axis]) -> set[int]:
        """Return the nodes whose values change along one of the axes."""
        read = [n for n in self.loop.nodes if isinstance(n, Load)]
        return self.loop.depending(n for n in read if any(a.strides[self._index(n.access)] for a in axes))

    def _index(self, access: Access) -> int:
        return self.order[id(access)]

    # ---- the nest

    def emit(self) -> None:
        if not all(axis.length for axis in self.axes):
            return
        moving = self._changing(self.axes)
        self._settle(self.still, [n for n in self.loop.nodes if id(n) not in moving], self.bases)
        choosing_stores(self.f, self.loop, self.axes, self.bases, self._through)

    def _through(self, past: Collection[int]) -> None:
        self.past = past
        self._walk(0, self.bases)

    def _settle(
        self, known: dict[tuple[int, int], Value], nodes: Sequence[Node], pointers: list[Value]
    ) -> None:
        """Compute what does not change from here on, once, and spread it over a vector."""
        self.fixed = known
        for node in nodes:
            if (id(node), 1) not in known:
                known[id(node), 1] = self._compute(node, pointers, 1, known)
                for lanes in {self.lanes, self.wide}:
                    if self.axes[-1].length >= lanes:
                        known[id(node), lanes] = self.f.spread(known[id(node), 1], lanes)

    def _walk(self, depth: int, pointers: list[Value]) -> None:
        axis = self.axes[depth]
        if depth == len(self.axes) - 1:
            self._innermost(axis, pointers)
            return

        def body(i: Value, carried: list[Value]) -> list[Value]:
            self._walk(depth + 1, self._moved(pointers, axis, i))
            return []

        first, last = self._bounds(depth)
        if depth == len(self.axes) - 2 and (sums := self._standing()):
            self._pass(axis, pointers, sums)
        else:
            self.f.loop(first, last, 1, [], body)

    def _standing(self) -> list[tuple[int, int]]:
        """Return the folds, and the columns of pieces, whose sums of short rows stay in registers as rows pass."""
        outer, inner = self.axes[-2:]
        if inner.length > FEW * self.lanes or self.part is not None:
            return []
        down = [k for k in range(len(self.loop.folds)) if outer.folded[k] and not inner.folded[k]]
        return [(k, at) for k in down for at, _, _ in self._pieces(inner)]

    def _step(self, axis: Axis) -> int:
        """Return the lanes of a piece of the innermost axis."""
        return self.lanes if any(axis.folded) else self.wide

    def _pieces(self, axis: Axis) -> list[tuple[int, int, int]]:
        """Return the vectors of a short axis: where each begins, its lanes, and how many exist; 0 for all."""
        lanes = self._step(axis)
        main = axis.length // lanes * lanes
        found, at = [(at, lanes, 0) for at in range(0, main, lanes)], main
        for width, count in line_end(self.target, axis.length - main, lanes, self.lanes):
            found.append((at, width, count))
            at += count
        return found

    def _pass(self, axis: Axis, pointers: list[Value], sums: list[tuple[int, int]]) -> None:
        """Write the loop over short rows that are folded into one."""
        pieces = {at: (width, count) for at, width, count in self._pieces(self.inner)}

        def of_memory(k: int, at: int, total: Value | None = None) -> Value:
            """Read what is folded so far, or write it."""
            fold = self.loop.folds[k]
            n, dtype, (width, self.count) = self._index(fold.access), self._dtype(fold), pieces[at]
            stride = self.inner.strides[n]
            place = self.f.at(pointers[n], at * stride, dtype)
            if total is None:
                total = self._load(place, dtype, width, stride)
            else:
                self._write(total, place, dtype, stride)
            self.count = 0
            return total

        def row(i: Value, carried: list[Value]) -> list[Value]:
            self.sums = dict(zip(sums, carried, strict=True))
            self._walk(len(self.axes) - 1, self._moved(pointers, axis, i))
            return list(self.sums.values())

        totals = self.f.loop(0, axis.length, 1, [of_memory(k, at) for k, at in sums], row)
        self.sums = {}
        for (k, at), total in zip(sums, totals, strict=True):
            of_memory(k, at, total)

    def _bounds(self, depth: int) -> tuple[Value | int, Value | int]:
        """Return where to begin and to end on an axis."""
        if self.part is not None and self.part[0] == depth % len(self.axes):
            return self.part[1:]
        return 0, self.axes[depth].length

    def _moved(self, pointers: list[Value], axis: Axis, i: Value) -> list[Value]:
        """Return the addresses after i steps along an axis."""
        moved = []
        for access, pointer, stride in zip(accesses(self.loop), pointers, axis.strides, strict=True):
            if stride == 0:
                moved.append(pointer)
                continue
            offset = i if stride == 1 else self.f.integer("mul nsw", i, stride)
            moved.append(self.f.at(pointer, offset, access.buffer.type.dtype))
        return moved

    def _innermost(self, axis: Axis, pointers: list[Value]) -> None:
        still = [n for n in self.loop.nodes if id(n) not in self.varying]
        self._settle(dict(self.still), still, pointers)
        inside = [f for i, f in enumerate(self.loop.folds) if axis.folded[i]]
        lanes = self._step(axis)
        main = axis.length // lanes * lanes
        tail = line_end(self.target, axis.length - main, lanes, self.lanes)
        start = [self._identity(fold, lanes) for fold in inside]
        sums: list[Value] = []
        if 0 < main <= FEW * self.lanes and self._bounds(-1) == (0, axis.length):
            sums = start
            for at in range(0, main, lanes):
                sums = self._piece(at, lanes, axis, pointers, sums)
        elif main:
            sums = self.f.loop(
                *self._vectors(main), lanes, start, lambda i, c: self._piece(i, lanes, axis, pointers, c)
            )
        totals = [self._across(fold, value) for fold, value in zip(inside, sums, strict=True)] if main else []
        if self._bounds(-1) != (0, axis.length):
            self._end(tail, axis, pointers)
            return
        at = main
        for width, count in tail:
            begun = [self._identity(fold, width) for fold in inside]
            self.count = count
            part = self._piece(at, width, axis, pointers, begun)
            self.count = 0
            joined = [self._across(fold, value) for fold, value in zip(inside, part, strict=True)]
            totals = (
                [self._combine(f, a, b) for f, a, b in zip(inside, totals, joined, strict=True)]
                if totals
                else joined
            )
            at += count
        for fold, total in zip(inside, totals, strict=True):
            self._accumulate(fold, total, pointers[self._index(fold.access)], axis)

    def _vectors(self, main: int) -> tuple[Value | int, Value | int]:
        """Return where whole vectors begin and end on the innermost axis, which has so many elements in them."""
        first, last = self._bounds(-1)
        if isinstance(last, int):
            return first, main
        return first, self.f.call("llvm.smin", last, Value(str(main), "i64"))

    def _end(self, tail: list[tuple[int, int]], axis: Axis, pointers: list[Value]) -> None:
        """Write the tail of a range, if it goes to the end of the innermost axis."""

        def pieces() -> None:
            at = axis.length - sum(count for _, count in tail)
            for width, self.count in tail:
                self._piece(at, width, axis, pointers, [])
                at += self.count
            self.count = 0

        last = self._bounds(-1)[1]
        assert isinstance(last, Value)
        if tail:
            self.f.when(self.f.compare("icmp eq", last, Value(str(axis.length), "i64")), pieces)

    def _mask(self, lanes: int) -> Value | None:
        return existing(lanes, self.count)

    def _piece(
        self, i: Value | int, lanes: int, axis: Axis, pointers: list[Value], carried: list[Value]
    ) -> list[Value]:
        """Compute so many elements from index i of the innermost axis; return the folds' new values."""
        values: dict[tuple[int, int], Value] = {}
        at = self._shifted(pointers, axis, i)
        for node in self.loop.nodes:
            if id(node) in self.varying:
                values[id(node), lanes] = self._compute(node, at, lanes, values)
        for store in self.loop.stores:
            self._store(store, at, lanes, axis, values)
        new, n = list(carried), 0
        for k, fold in enumerate(self.loop.folds):
            value = self._fold_value(fold, lanes, values)
            if axis.folded[k]:
                if mask := self._mask(lanes):
                    value = self.f.select(mask, value, self._identity(fold, lanes))
                new[n] = self._combine(fold, new[n], value)
                n += 1
            elif isinstance(i, int) and (k, i) in self.sums:
                self.sums[k, i] = self._combine(fold, self.sums[k, i], value)
            else:
                self._accumulate(fold, value, at[self._index(fold.access)], axis)
        return new

    def _shifted(self, pointers: list[Value], axis: Axis, i: Value | int) -> list[Value]:
        if isinstance(i, Value):
            return self._moved(pointers, axis, i)
        return [
            self.f.at(p, i * s, a.buffer.type.dtype)
            for a, p, s in zip(accesses(self.loop), pointers, axis.strides, strict=True)
        ]

    # ---- nodes

    def _compute(
        self, node: Node, pointers: list[Value], lanes: int, values: dict[tuple[int, int], Value]
    ) -> Value:
        if isinstance(node, Number):
            return self.f.constant(node.value, value_type(node.dtype), lanes)
        if isinstance(node, Load):
            n = self._index(node.access)
            self._ask(node.access, pointers[n], lanes)
            return self._load(pointers[n], node.dtype, lanes, self.inner.strides[n])
        args, dtypes = [self._value(a, lanes, values) for a in node.args], [a.dtype for a in node.args]
        if node.failure:
            self._refuse(node, args, dtypes)
        return compute(self.f, self.target, node.function, args, dtypes, node.dtype, node.params)

    def _ask(self, access: Access, place: Value, lanes: int, write: bool = False) -> None:
        if self.inner.strides[self._index(access)] == 1:
            ask(self.f, self.loop, access, place, lanes, lanes > self.lanes, write)

    def _refuse(self, node: Apply, args: list[Value], dtypes: list[np.dtype[Any]]) -> None:
        """Write that the loop has failed if an operand is one that the function refuses."""
        wrong, mask, status = refused(self.f, self.target, node.function, args, dtypes), None, self.status
        assert status is not None
        if wrong.lanes > 1 and (mask := self._mask(wrong.lanes)):
            wrong = self.f.binary("and", wrong, mask)
        self.f.when(self.f.any(wrong), lambda: note_failure(self.f, status, node.failure))

    def _value(self, node: Node, lanes: int, values: dict[tuple[int, int], Value]) -> Value:
        """Return a node's value in so many lanes: computed here, or fixed and spread."""
        if isinstance(node, Number):
            return self.f.constant(node.value, value_type(node.dtype), lanes)
        if (id(node), lanes) in values:
            return values[id(node), lanes]
        if (id(node), lanes) not in self.fixed:
            return self.f.spread(self.fixed[id(node), 1], lanes)
        return self.fixed[id(node), lanes]

    def _load(self, pointer: Value, dtype: np.dtype[Any], lanes: int, stride: int) -> Value:
        return read(self.f, pointer, dtype, lanes, stride, self.count)

    def _write(self, value: Value, pointer: Value, dtype: np.dtype[Any], stride: int) -> None:
        write(self.f, value, pointer, dtype, stride, self.count)

    def _store(
        self,
        store: Store,
        pointers: list[Value],
        lanes: int,
        axis: Axis,
        values: dict[tuple[int, int], Value],
    ) -> None:
        n, type = self._index(store.access), store.access.buffer.type
        value, dtype = self._value(store.node, lanes, values), type.dtype
        if n in self.past and lanes >= self.lanes and not self.count:
            store_past(self.f, value, pointers[n], dtype.itemsize)
            return
        self._ask(store.access, pointers[n], lanes, write=True)
        if axis.strides[n] == 1 and self._mask(lanes) and type in self.read:
            write_in_pieces(self.f, value, pointers[n], dtype, self.count)
        else:
            self._write(value, pointers[n], dtype, axis.strides[n])

    # ---- folds

    def _dtype(self, fold: Folded) -> np.dtype[Any]:
        return fold.access.buffer.type.dtype

    def _identity(self, fold: Folded, lanes: int) -> Value:
        return self.f.constant(fold.neutral, value_type(self._dtype(fold)), lanes)

    def _fold_value(self, fold: Folded, lanes: int, values: dict[tuple[int, int], Value]) -> Value:
        value = self._value(fold.node, lanes, values)
        return convert(self.f, self.target, value, fold.node.dtype, self._dtype(fold))

    def _combine(self, fold: Folded, a: Value, b: Value) -> Value:
        dtype = self._dtype(fold)
        return compute(self.f, self.target, fold.combine, [a, b], [dtype, dtype], dtype, {})

    def _across(self, fold: Folded, value: Value) -> Value:
        """Combine the lanes of a vector into one, halves by halves."""
        while value.lanes > 1:
            low, high = self.f.halves(value)
            value = self._combine(fold, low, high)
        return value

    def _accumulate(self, fold: Folded, value: Value, pointer: Value, axis: Axis) -> None:
        """Combine a value with what is in memory."""
        dtype, stride = self._dtype(fold), axis.strides[self._index(fold.access)]
        before = self._load(pointer, dtype, value.lanes, stride)
        self._write(self._combine(fold, before, value), pointer, dtype, stride)
