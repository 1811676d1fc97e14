"""A step as machine code, many times in one call: gather a mini-batch, run, hand the results on to the next step.

What a step carries on (parameters, the optimiser's state) is held twice; after each step input and output
change places, so nothing is copied.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.graph import Graph
from ..core.types import type_of
from .frame import FAILED
from .memory import empty
from .program import Program
from .target import Target
from .text import Function, Module, Value

I64 = np.dtype(np.int64)
NEXT = 64 * 1024  # bytes of a mini-batch, at most, that are asked for a step ahead
AHEAD = 8 * 1024  # and how far ahead the rows of a larger one are
LINE = 64  # bytes of a cache line


@dataclass(frozen=True)
class Roles:
    """What the inputs and outputs of a step's graph are.

    Attributes
    ----------
    carried : int
        The first so many inputs are the first so many outputs of the step before.
    recorded : tuple of int
        Outputs to keep of every step, one after the other.

    The inputs after the carried ones are streamed: rows of data, gathered by a list of row numbers.
    """

    carried: int
    recorded: tuple[int, ...]


class Repeat(Program):
    """A step's graph, with a native loop around it."""

    def __init__(self, graph: Graph, roles: Roles, target: Target | None = None) -> None:
        self.roles = roles
        super().__init__(graph, target)

    def _settings(self) -> tuple[Any, ...]:
        return (*super()._settings(), self.roles)

    def _finish(self, module: Module) -> None:
        """Write ``repeat(table, rows, data, records, steps)``."""
        arguments = [("ptr", "table"), ("ptr", "rows"), ("ptr", "data"), ("ptr", "records"), ("i64", "steps")]
        f = Function(module, "repeat", arguments, internal=False)
        inputs, outputs = self.schedule.inputs, self.schedule.outputs
        streamed = inputs[self.roles.carried :]
        rows, data, records = (Value(f"%{name}", "ptr") for name in ("rows", "data", "records"))
        batch = streamed[0].type.shape[0]
        sources = [self._entry(f, data, i) for i in range(len(streamed))]
        kept = [self._entry(f, records, i) for i in range(len(self.roles.recorded))]

        def step(s: Value, _: list[Value]) -> list[Value]:
            first = f.integer("mul", s, batch)
            for buffer, source in zip(streamed, sources, strict=True):
                size = buffer.bytes // batch
                target = self._slot(f, self.slot(buffer))

                def copy(
                    r: Value, _: list[Value], size: int = size, source: Value = source, target: Value = target
                ) -> list[Value]:
                    at = f.integer("add", first, r)
                    self._fetch(f, rows, at, source, size, batch)
                    row = f.load(f.at(rows, at, I64), I64)
                    f.copy_bytes(self._byte(f, target, r, size), self._byte(f, source, row, size), size)
                    return []

                f.loop(0, batch, 1, [], copy)
            f.do("call void @run(ptr %table)")
            for number, record in zip(self.roles.recorded, kept, strict=True):
                size = outputs[number].bytes
                f.copy_bytes(self._byte(f, record, s, size), self._slot(f, self.slot(outputs[number])), size)
            for i in range(self.roles.carried):
                self._swap(f, self.slot(inputs[i]), self.slot(outputs[i]))
            return []

        f.loop(0, Value("%steps", "i64"), 1, [], step)
        f.finish()

    def _fetch(self, f: Function, rows: Value, at: Value, source: Value, size: int, batch: int) -> None:
        """Ask for a row that is copied soon: of the next step, or some rows on in a large batch."""
        distance = batch if batch * size <= NEXT else -(-AHEAD // size)
        last = f.integer("sub", f.integer("mul", Value("%steps", "i64"), batch), 1)
        soon = f.call("llvm.smin", f.integer("add", at, distance), last)
        row = self._byte(f, source, f.load(f.at(rows, soon, I64), I64), size)

        def line(i: Value, _: list[Value]) -> list[Value]:
            f.prefetch(self._byte(f, row, i, 1))
            return []

        f.loop(0, size, LINE, [], line)

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
    """What steps hand on: the arrays now, and room for the next."""

    def __init__(self, arrays: Sequence[np.ndarray[Any, Any]]) -> None:
        self.now = [empty(type_of(a)) for a in arrays]
        self.next = [empty(type_of(a)) for a in arrays]
        for array, given in zip(self.now, arrays, strict=True):
            array[...] = given


class Repeating:
    """Steps on some data, ready to run."""

    def __init__(self, step: Repeat, carried: Carried, data: Sequence[np.ndarray[Any, Any]]) -> None:
        self.step, self.carried = step, carried
        schedule, n = step.schedule, step.roles.carried
        self.batch = [empty(b.type) for b in schedule.inputs[n:]]
        self.rest = [empty(b.type) for b in schedule.outputs[n:]]
        self.data = [np.require(d, b.type.dtype, "C") for d, b in zip(data, schedule.inputs[n:], strict=True)]
        self.constants = [array for _, array in schedule.constants]

    def run(self, rows: np.ndarray[Any, Any], steps: int) -> list[np.ndarray[Any, Any]]:
        """Do so many steps on these rows of the data; return what is recorded, with the steps on a first axis.

        Raises
        ------
        IndexError
            If an index in a step was out of range.
        """
        step = self.step
        rows = np.require(rows, np.int64, "C")
        outputs = step.schedule.outputs
        records = [
            np.empty((steps, *outputs[i].type.shape), outputs[i].type.dtype) for i in step.roles.recorded
        ]
        carried = self.carried
        call = step.native(
            "repeat", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64
        )
        with step.members() as members:
            status = np.array([0, members.address], np.int64)
            arrays = [
                status,
                step.work(members.size),
                *carried.now,
                *self.batch,
                *carried.next,
                *self.rest,
                *self.constants,
            ]
            call(_addresses(arrays), rows.ctypes.data, _addresses(self.data), _addresses(records), steps)
        if status[FAILED]:
            raise IndexError("an index is out of range for the axis that it picks from")
        if steps % 2:
            carried.now, carried.next = carried.next, carried.now
        return records


def _addresses(arrays: Sequence[np.ndarray[Any, Any]]) -> Any:
    return (ctypes.c_void_p * max(len(arrays), 1))(*(a.__array_interface__["data"][0] for a in arrays))
