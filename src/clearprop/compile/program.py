"""A graph as machine code: its schedule written as LLVM text, and a call with arrays.

The code gets one argument, a table of addresses: the status, the temporary memory, the inputs, the outputs,
the constants. Each kernel is a function of that table, and ``run`` calls them in order.
"""

from __future__ import annotations

import ctypes
import itertools
import threading
from collections.abc import Collection, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ..core.graph import Graph
from .cache import Code, cached
from .cut_loops import emit_cut_loop
from .engine import Native, assemble, making
from .frame import Frame, Places
from .given import fitted, writable
from .identity import digest
from .in_place import in_place
from .kernels import FAILED, Buffer, Contraction, Kernel, Loop, Special
from .memory import ALIGNMENT, aligned, plan
from .products import Memory, emit_product
from .schedule import Schedule, schedule
from .specials import emit_special, scratch_bytes
from .target import Target, chosen
from .team import ALONE, Members, borrow
from .text import Function, Module, Value

I64 = np.dtype(np.int64)


class Program:
    """A graph, scheduled and written as LLVM text for a target.

    The memory of a donated input may become that of a result of its type: a call gives the array that it was given.
    """

    def __init__(self, graph: Graph, target: Target | None = None, donated: Collection[int] = ()) -> None:
        self.graph, self.target = graph, target or chosen()
        self._made: Code | None = None
        self._native: Native | None = None
        self._functions: dict[str, Any] = {}
        self._memory = threading.local()
        self.schedule: Schedule = schedule(graph)
        outputs = range(len(self.schedule.outputs))
        self.reused = in_place(self.schedule, itertools.product(donated, outputs))
        self.offsets, work = plan(self.schedule.kernels)
        self.scratch = aligned(work)
        self.places = Places(
            self.offsets, self.scratch, len(self.schedule.inputs), len(self.schedule.outputs)
        )
        # Scratch memory of the kernel that needs most, and of each further thread, -1 if nothing is cut;
        # known when the text is written.
        self.needed, self.own = 0, -1
        self.shared: list[dict[str, int]] = []  # of each kernel, what `Frame.share` notes; likewise

    # ---- text

    @cached_property
    def text(self) -> str:
        """The graph as LLVM text."""
        module = Module()
        names = [self._kernel(module, i, kernel) for i, kernel in enumerate(self.schedule.kernels)]
        run = Function(module, "run", [("ptr", "table")], internal=False)
        self._order(run, names)
        run.finish()
        self._finish(module)
        return module.text()

    def _order(self, run: Function, names: Sequence[str]) -> None:
        """Write the calls of the kernels, in order."""
        for name in names:
            run.do(f"call void @{name}(ptr %table)")

    def _finish(self, module: Module) -> None:
        """Write what else is called from outside; nothing here."""

    def _kernel(self, module: Module, number: int, kernel: Kernel) -> str:
        f = Function(module, f"kernel{number}", [("ptr", "table")])
        frame = Frame(f, self.places)
        if isinstance(kernel, Loop):
            self._need(emit_cut_loop(frame, self.target, kernel))
        elif isinstance(kernel, Contraction):
            self._need(emit_product(frame, self.target, kernel, f"product{number}"))
        else:
            assert isinstance(kernel, Special)
            self._need(Memory(scratch_bytes(kernel)))
            emit_special(f, self.target, kernel, frame.address, frame.scratch())
        f.finish()
        self.shared.append(frame.shared)
        return f.name

    def _need(self, memory: Memory) -> None:
        """Note what memory a kernel needs."""
        self.needed = max(self.needed, memory.shared + memory.own)
        if memory.cut:
            self.own = max(self.own, memory.own)

    def _slot(self, f: Function, number: int) -> Value:
        return Frame(f, self.places).slot(number)

    def slot(self, buffer: Buffer) -> int:
        """Return the place of a buffer's address in the table."""
        return self.places.slot(buffer)

    # ---- calls

    def _settings(self) -> tuple[Any, ...]:
        """Return what the text depends on beside the schedule."""
        return (self.target,)

    def _code(self) -> Code:
        def make() -> Code:
            return Code(assemble(self.text, self.target), self.needed, self.own)

        if self._made is None:
            with making:
                self._made = self._made or cached(self._digest(), make)
        return self._made

    def _digest(self) -> str | None:
        """Return a digest of all that the text is written from."""
        made = self.schedule
        parts = (made.kernels, made.inputs, made.outputs, tuple(self.offsets.items()), self.scratch)
        return digest(type(self).__qualname__, self._settings(), parts)

    @property
    def _each_further(self) -> int:
        """Scratch memory of each thread but the first; -1 if nothing is cut."""
        return self._code().own

    def members(self) -> Members:
        """Return who computes a call, to be entered in a ``with`` statement."""
        return borrow() if self._each_further >= 0 else ALONE

    def native(self, name: str, *types: Any) -> Any:
        """Return one of the module's functions, to be called with arguments of these ctypes."""
        if name not in self._functions:
            with making:
                if self._native is None:
                    self._native = Native(self._code().object, self.target)
                self._functions[name] = self._native.function(name, *types)
        return self._functions[name]

    def __call__(self, args: Sequence[Any]) -> list[np.ndarray[Any, Any]]:
        """Compute the outputs, new arrays, from arrays of the graph's input types.

        Raises
        ------
        IndexError, ValueError
            If an index was out of range, or an integer was raised to a negative power; it names the user's line.
        ShapeError, DTypeError
            If an array is of another type.
        """
        run = self.native("run", ctypes.c_void_p)
        given = [fitted(a, b) for a, b in zip(args, self.schedule.inputs, strict=True)]
        results = self._results(given)
        constants = [array for _, array in self.schedule.constants]
        with self.members() as members:
            status = np.array([0, members.address, 0, 0], np.int64)
            arrays = [status, self.work(members.size), *given, *results, *constants]
            table = (ctypes.c_void_p * len(arrays))(*(a.__array_interface__["data"][0] for a in arrays))
            run(ctypes.addressof(table))
        self.require_success(status)
        return results

    def _results(self, given: Sequence[np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
        """Return room for the results: donated arrays where they can be written, else new ones."""
        taken = {j: given[i] for i, j in self.reused if writable(given[i])}
        return [
            taken[j] if j in taken else np.empty(b.type.shape, b.type.dtype)
            for j, b in enumerate(self.schedule.outputs)
        ]

    def require_success(self, status: np.ndarray[Any, Any]) -> None:
        """Raise what a status says has failed, if anything has."""
        if status[FAILED]:
            raise self.schedule.failures[status[FAILED] - 1].exception(status)

    def work(self, size: int) -> np.ndarray[Any, Any]:
        """Return this thread's temporary memory, aligned: of arrays, and of kernels that so many threads run."""
        if getattr(self._memory, "size", 0) < size:
            needed = self.scratch + self._code().scratch + (size - 1) * max(self._each_further, 0)
            block = np.empty(needed + ALIGNMENT, np.uint8)
            start = -block.__array_interface__["data"][0] % ALIGNMENT
            self._memory.size, self._memory.array = size, block[start : start + needed]
        return self._memory.array  # type: ignore[no-any-return]  # thread-local storage has no types
