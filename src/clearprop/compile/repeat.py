"""A step as machine code, many times in one call: gather a mini-batch, run, hand the results on to the next step.

What a step carries on (parameters, the optimiser's state) is changed in place where that is safe. The rest is held
twice; after each step input and output change places, so nothing is copied.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.frozen import frozen
from ..core.graph import Graph
from ..core.own_memory import block
from ..core.types import type_of
from .frame import STATUS, Frame, Memory
from .given import require_fitting, rows_fitted
from .in_place import in_place
from .kernels import Buffer, Contraction, Kernel
from .layouts import in_lines
from .memory import aligned, empty, lifetimes, parts
from .module import Module
from .program import Program
from .rows import Rows, description
from .several import Parted
from .target import Target
from .text import Function, Value

if TYPE_CHECKING:
    from .schedule import Schedule

I64 = np.dtype(np.int64)
GROUPED = 1.2  # times what must be there is all that there may be so that threads meet seldom,
MOST = 1.25  # and with copies of what kernels read, but for
LEAST = 80 * 1024  # bytes that kernels may use beside arrays anyway,
PART = 32  # and one in so many of all that there is, if that is
BOUND = 1.29  # times what must be there, at most: a law of the tests has 1.3
DONE = 4  # a loop's status has a fifth number: how many steps it has done


@frozen
class Roles:
    """What the inputs and outputs of a step's graph are.

    Attributes
    ----------
    carried : int
        The first so many inputs are the first so many outputs of the step before.
    recorded : tuple of int
        Outputs to keep of every step, one after the other.
    watched : int, optional
        The output, one float, after whose first NaN or infinity no further step is done.
    batches : int
        How many mini-batches the data are, or more: the more they are, the less the memory of a step matters.

    The inputs after the carried ones are streamed: rows of data, gathered by a list of row numbers.
    """

    carried: int
    recorded: tuple[int, ...]
    watched: int | None = None
    batches: int = 1


class Repeat(Program):
    """A step's graph, with a native loop around it; one that runs seldom should rather be made fast than run fast."""

    def __init__(
        self, graph: Graph, roles: Roles, target: Target | None = None, seldom: bool = False
    ) -> None:
        self.roles, self.seldom, self.padded = roles, seldom, roles.carried
        super().__init__(graph, target)

    @cached_property
    def swapped(self) -> Sequence[int]:
        """What is carried on and held twice."""
        carried = range(self.roles.carried)
        kept = dict(in_place(self.schedule, [(i, i) for i in carried]))
        return [i for i in carried if i not in kept]

    def _notes(self) -> tuple[int, ...]:
        return tuple(self.swapped)

    def _note(self, notes: tuple[int, ...]) -> None:
        vars(self)["swapped"] = notes

    def _given(self, made: Schedule) -> int:
        """Return how many bytes there are beside temporary arrays: what is carried, a mini-batch, the data."""
        streamed = made.inputs[self.roles.carried :]
        return sum(b.bytes for b in made.inputs) + self.roles.batches * sum(b.bytes for b in streamed)

    def _kept(self, made: Schedule, watched: int) -> int:
        """Return how many bytes of temporary arrays live when the output with this number is known."""
        output = made.outputs[watched]
        when = next((i for i, kernel in enumerate(made.kernels) if output in kernel.writes()), 0)
        return sum(b.bytes for b, (first, last) in lifetimes(made.kernels).items() if first <= when <= last)

    def _most_temporary(self, made: Schedule, before: int) -> float:
        if self.roles.watched is None:
            return super()._most_temporary(made, before)
        given = self._given(made)
        return GROUPED * (given + self._kept(made, self.roles.watched)) - given

    @cached_property
    def spare(self) -> float:
        """Bytes by which kernels should make the temporary memory larger than its arrays are, at most.

        With them, all there is should be at most MOST times what lives when the result is known that is watched:
        the mini-batch, what is carried, and what is kept for the way back.
        """
        inputs = self.schedule.inputs
        arrays = sum(b.bytes for b in inputs) + max(self.tops)
        least = LEAST + arrays / PART
        if self.roles.watched is None:
            return least
        given = sum(b.type.size * b.type.dtype.itemsize for b in inputs)
        must = given + self._kept(self.schedule, self.roles.watched)
        return max(MOST * must - arrays, LEAST, min(least, BOUND * must - arrays))

    def _settings(self) -> tuple[Any, ...]:
        return (*super()._settings(), self.roles)

    def _finish(self, module: Module) -> None:
        """Write ``repeat(table, rows, data, records, steps)``."""
        arguments = [("ptr", "table"), ("ptr", "rows"), ("ptr", "data"), ("ptr", "records"), ("i64", "steps")]
        f = Function(module, "repeat", arguments, internal=False, plain=True)
        inputs, outputs = self.schedule.inputs, self.schedule.outputs  # as its kernels know them
        streamed = inputs[self.roles.carried :]
        copying = [self._rows(buffer) for buffer in streamed]
        rows, data, records = (Value(f"%{name}", "ptr") for name in ("rows", "data", "records"))
        batch = streamed[0].type.shape[0]
        sources = [self._entry(f, data, i) for i in range(len(streamed))]
        kept = [self._entry(f, records, i) for i in range(len(self.roles.recorded))]

        def step(carried: list[Value]) -> tuple[Value, list[Value]]:
            s = carried[0]
            numbers = f.at(rows, f.integer("mul", s, batch), I64)
            left = f.integer("mul", f.integer("sub", Value("%steps", "i64"), s), batch)
            for rows_of, source in zip(copying, sources, strict=True):
                if rows_of.batch in self.later:
                    rows_of.announce(Frame(f, self.places), source, numbers, left)
                    continue
                to = self._slot(f, self.slot(rows_of.batch))
                if rows_of.call(Frame(f, self.places), source, numbers, left, to):
                    self._need(Memory(cut=True))
            f.do("call void @run(ptr %table)")
            for number, record in zip(self.roles.recorded, kept, strict=True):
                size = outputs[number].bytes
                f.copy_bytes(self._byte(f, record, s, size), self._slot(f, self.slot(outputs[number])), size)
            for i in self.swapped:
                self._swap(f, self.slot(inputs[i]), self.slot(outputs[i]))
            done = f.integer("add", s, 1)
            more = f.compare("icmp slt", done, Value("%steps", "i64"))
            return self._unless_failed(f, more), [done]

        (done,) = f.repeat([Value("0", "i64")], step)
        f.store(done, f.at(self._slot(f, STATUS), DONE, I64), I64)
        f.finish()

    def _rows(self, buffer: Buffer) -> Rows:
        return Rows(self.target, f"rows{buffer.slot}", buffer)

    def _arriving(self, kernel: Kernel) -> Rows | None:
        """Return the rows that a kernel reads first, and as they are; of the largest array only, once in a step."""
        streamed = self.schedule.inputs[self.roles.carried :]
        first = {b: next((k for k in self.schedule.kernels if b in k.reads()), None) for b in streamed}
        asked = [b for b, reader in first.items() if reader and b in _row_by_row(reader)]
        largest = max(asked, key=lambda b: b.bytes, default=None)
        return self._rows(largest) if largest and first[largest] is kernel else None

    def _unless_failed(self, f: Function, more: Value) -> Value:
        """Return whether there is more to do: not after a result that must be finite and is not."""
        if self.roles.watched is None:
            return more
        watched = self.outputs[self.roles.watched]
        value = f.load(self._slot(f, self.slot(watched)), watched.type.dtype)
        zero = f.binary("fsub", value, value)  # of NaN and infinities NaN
        return f.binary("and", more, f.compare("fcmp ord", zero, zero))

    def _entry(self, f: Function, array: Value, i: int) -> Value:
        place = f.make(f"getelementptr ptr, {array}, i64 {i}", "ptr")
        return f.make(f"load ptr, {place}, align 8", "ptr")

    def _byte(self, f: Function, pointer: Value, i: Value, size: int) -> Value:
        return f.make(f"getelementptr i8, {pointer}, {f.integer('mul', i, size)}", "ptr")

    def _swap(self, f: Function, a: int, b: int) -> None:
        first, second = self._slot(f, a), self._slot(f, b)
        for slot, value in ((a, second), (b, first)):
            place = f.make(f"getelementptr ptr, ptr %table, i64 {slot}", "ptr")
            f.do(f"store {value}, {place}, align 8")

    def begin(self, carried: Carried, data: Sequence[np.ndarray[Any, Any]]) -> Repeating:
        """Return what runs steps on this data, going on from what is carried."""
        return Repeating(self, carried, data)


class Carried:
    """What steps hand on: arrays that they change, and room for the next ones of those that cannot be changed in place.

    Beside them it has the memory that steps need while they run, as much as those of the largest mini-batch do.

    Parameters
    ----------
    arrays : sequence of array
        Of which it makes copies.
    """

    def __init__(self, arrays: Sequence[np.ndarray[Any, Any]]) -> None:
        self.now = [_lined(a) for a in arrays]
        for array, given in zip(self.now, arrays, strict=True):
            array[...] = given
        self.room: dict[int, np.ndarray[Any, Any]] = {}
        self.memory = block(0)

    def at_least(self, size: int) -> np.ndarray[Any, Any]:
        """Return memory of so many bytes or more, the same as before if that will do."""
        if self.memory.nbytes < size:
            self.memory = block(size)
        return self.memory

    def following(self, swapped: Sequence[int]) -> list[np.ndarray[Any, Any]]:
        """Return where the next ones are written."""
        for i in swapped:
            self.room.setdefault(i, _lined(self.now[i]))
        return [self.room[i] if i in swapped else now for i, now in enumerate(self.now)]

    def swap(self, swapped: Sequence[int]) -> None:
        """Let the next ones be those of now."""
        for i in swapped:
            self.now[i], self.room[i] = self.room[i], self.now[i]


class Repeating:
    """Steps on some data, ready to run: their code is in memory."""

    def __init__(self, step: Repeat, carried: Carried, data: Sequence[np.ndarray[Any, Any]]) -> None:
        self.step, self.carried = step, carried
        n = step.roles.carried
        for array, buffer in zip(carried.now, step.inputs[:n], strict=True):
            require_fitting(array, buffer)
        self.count = len(step.inputs) - n
        self.types = [b.type for b in (*step.inputs[n:], *step.outputs[n:])]
        self.beside = sum(aligned(t.size * t.dtype.itemsize) for t in self.types)
        self.batch: list[np.ndarray[Any, Any]] = []
        self.rest: list[np.ndarray[Any, Any]] = []
        self.data = [rows_fitted(d, b) for d, b in zip(data, step.inputs[n:], strict=True)]
        self.described = [description(d) for d in self.data]
        self.constants = [array for _, array in step.constants]
        pointers = [ctypes.c_void_p] * 4
        self.call = step.native("repeat", *pointers, ctypes.c_int64)

    def run(self, rows: np.ndarray[Any, Any], steps: int) -> list[np.ndarray[Any, Any]]:
        """Do so many steps, at least one, on these rows of the data; return what is recorded, a row for each step.

        There are fewer rows where the loop has stopped after a watched result that was not finite.

        Raises
        ------
        IndexError, ValueError
            If an index in a step was out of range, or an integer was raised to a negative power; it names the line.
        """
        step = self.step
        rows = np.require(rows, np.int64, "C")
        outputs = step.outputs
        records = [
            np.empty((steps, *outputs[i].type.shape), outputs[i].type.dtype) for i in step.roles.recorded
        ]
        carried = self.carried
        with step.members() as members:
            status = np.array([0, members.address, *[0] * 6], np.int64)
            arrays = [
                status,
                self._work(members.size),
                *carried.now,
                *self.batch,
                *carried.following(step.swapped),
                *self.rest,
                *self.constants,
            ]
            self.call(
                _addresses(arrays), rows.ctypes.data, _addresses(self.described), _addresses(records), steps
            )
        step.require_success(status)
        done = int(status[DONE])
        if done % 2:
            carried.swap(step.swapped)
        return [record[:done] for record in records]

    def _work(self, size: int) -> np.ndarray[Any, Any]:
        """Return the temporary memory of so many threads; in what is before it stand the mini-batch and results."""
        memory = self.carried.at_least(self.beside + self.step.bytes(size))
        arrays = parts(memory, self.types)
        self.batch, self.rest = arrays[: self.count], arrays[self.count :]
        return memory[self.beside :]


def _lined(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return room for such an array."""
    type = type_of(array)
    return empty(type, in_lines(type))


def _row_by_row(kernel: Kernel) -> list[Buffer]:
    """Return the arrays that a kernel reads row by row, or parts of rows, and otherwise not."""
    if isinstance(kernel, Parted):
        n, axis = kernel.length, 0 if kernel.what == "rows" else 1
        return [
            b
            for b, pitch in kernel.pitches.items()
            if b.type.shape[axis : axis + 1] == (n,)
            and pitch == b.type.size // math.prod(b.type.shape[: axis + 1])
        ]
    if not isinstance(kernel, Contraction):
        return []
    buffer, layout = kernel.inputs[0].buffer, kernel.inputs[0].layout
    whole = len(layout.shape) == 2 and layout == buffer.layout
    return [buffer] if whole and kernel.reads().count(buffer) == 1 else []


def _addresses(arrays: Sequence[np.ndarray[Any, Any]]) -> Any:
    return (ctypes.c_void_p * max(len(arrays), 1))(*(a.__array_interface__["data"][0] for a in arrays))
