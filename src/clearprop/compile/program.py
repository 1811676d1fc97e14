"""A graph as machine code: its schedule written as LLVM text, and a call with arrays.

The code gets one argument, a table of addresses: the status, the temporary memory, the inputs, the outputs,
the constants. Each kernel is a function of that table, and ``run`` calls them in order.
"""

from __future__ import annotations

import ctypes
import gc
import itertools
import math
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.graph import Graph
from ..core.own_memory import block
from .cache import Code, find, folder, keep
from .calls import Call
from .constants import Constants, made_again, numbered
from .engine import Native, assemble, making
from .frame import Frame, Memory, Places
from .identity import digest, recorded
from .in_place import in_place
from .kernels import FAILED, Buffer, Kernel, ends
from .memory import NOWHERE, plan, room
from .module import Module
from .parts import parts
from .target import Target, chosen
from .team import ALONE, Members, borrow
from .text import Function, Value

if TYPE_CHECKING:
    from .arriving import Arriving
    from .cutting import Owned
    from .schedule import Schedule

I64 = np.dtype(np.int64)
SHARE = 0.3  # of what is given and temporary, by which that may grow so that threads meet seldom


class Program:
    """A graph, scheduled and written as LLVM text for a target.

    The memory of a donated input may become that of a result of its type: a call gives the array that it was given.
    """

    padded = 0  # of how many of the first inputs and outputs rows may have room between them
    seldom = False  # whether its code should rather be made fast than run fast

    def __init__(self, graph: Graph, target: Target | None = None, donated: Collection[int] = ()) -> None:
        self.graph, self.target = graph, target or chosen()
        self._made: Code | None = None
        self._native: Native | None = None
        self._functions: dict[str, Any] = {}
        self._memory = threading.local()
        self._idle: list[Call] = []
        self.inputs, self.outputs = ends(graph, self.padded)
        self._donated = donated
        self.extent, self.cut = NOWHERE, False  # what its text makes of it, known when that is written
        self.later: set[Buffer] = set()  # inputs whose rows a kernel copies where it reads them; likewise
        self.shared: list[dict[str, int]] = []  # of each kernel, what `Frame.share` notes; likewise

    # ---- what code that was kept is called without

    @cached_property
    def schedule(self) -> Schedule:
        """The graph's kernels."""
        from .phases import shared_out
        from .schedule import schedule

        made = schedule(self.graph, self.padded)
        before = room(made.kernels)
        return shared_out(self.target, made, before, self._most_temporary(made, before))

    @cached_property
    def constants(self) -> Constants:
        """The arrays that the graph itself holds."""
        return self.schedule.constants

    @cached_property
    def reused(self) -> tuple[tuple[int, int], ...]:
        """Donated inputs, each with the output that may be written where it stands."""
        pairs = itertools.product(self._donated, range(len(self.outputs)))
        return in_place(self.schedule, pairs) if self._donated else ()

    @cached_property
    def _planned(self) -> tuple[dict[Buffer, int], list[int]]:
        return plan(self.schedule.kernels)

    @property
    def offsets(self) -> dict[Buffer, int]:
        """The place of each temporary array, in bytes."""
        return self._planned[0]

    @property
    def tops(self) -> list[int]:
        """For each kernel where no temporary array is any more, in bytes."""
        return self._planned[1]

    @cached_property
    def places(self) -> Places:
        """Where everything is."""
        from .owning import contended

        given = sum(buffer.bytes for buffer in self.inputs)
        common = contended(self.target, self.schedule.kernels, self._owned)
        return Places(self.offsets, len(self.inputs), len(self.outputs), given, common)

    def _most_temporary(self, made: Schedule, before: int) -> float:
        """Return how many bytes temporary arrays may take if that saves time, and so many otherwise."""
        return before + SHARE * (before + sum(buffer.bytes for buffer in made.inputs))

    # ---- text

    @property
    def spare(self) -> float:
        """Bytes by which kernels should make the temporary memory larger than its arrays are, at most."""
        return math.inf

    @cached_property
    def module(self) -> Module:
        """The graph as LLVM text."""
        module = Module(self.seldom)
        for _ in self._written(module):
            pass
        return module

    def _written(self, module: Module) -> Iterator[str]:
        """Write it, and yield the name of each kernel when its functions stand there."""
        names = []
        for i, kernel in enumerate(self.schedule.kernels):
            names.append(self._kernel(module, i, kernel))
            yield names[-1]
        run = Function(module, "run", [("ptr", "table")], internal=False, plain=True)
        self._order(run, names)
        run.finish()
        self._finish(module)

    @cached_property
    def _owned(self) -> dict[Buffer, Owned]:
        from .owning import owned_rows

        return owned_rows(self.target, self.schedule.kernels)

    @property
    def text(self) -> str:
        """All of it."""
        return self.module.text()

    def _parts(self) -> Iterator[str]:
        """Yield it, as it is written, as modules that LLVM can work on side by side."""
        module = Module(self.seldom)
        yield from parts(module, self._written(module))
        vars(self)["module"] = module

    def _order(self, run: Function, names: Sequence[str]) -> None:
        """Write the calls of the kernels, in order."""
        for name in names:
            run.do(f"call void @{name}(ptr %table)")

    def _finish(self, module: Module) -> None:
        """Write what else is called from outside; nothing here."""

    def _kernel(self, module: Module, number: int, kernel: Kernel) -> str:
        from .emission import emit_kernel

        f = Function(module, f"kernel{number}", [("ptr", "table")])
        top = self.tops[number]
        frame = Frame(f, self.places, top, self.spare + max(self.tops) - top)
        arriving = self._arriving(kernel)
        memory = emit_kernel(frame, kernel, f"product{number}", self.target, arriving, self._owned)
        if arriving is not None and memory.arrived:
            self.later.add(arriving.batch)
        self._need(memory, frame.free)
        f.finish()
        self.shared.append(frame.shared)
        return f.name

    def _arriving(self, kernel: Kernel) -> Arriving | None:
        """Return rows that a kernel may copy where it reads them; nothing here."""

    def _need(self, memory: Memory, start: int = 0) -> None:
        """Note what memory a kernel needs, from where on."""
        own = memory.own if memory.cut else 0
        self.extent = self.extent.including(start + memory.shared + memory.own - own, own)
        self.cut = self.cut or memory.cut

    def _slot(self, f: Function, number: int) -> Value:
        return Frame(f, self.places).slot(number)

    def slot(self, buffer: Buffer) -> int:
        """Return the place of a buffer's address in the table."""
        return Places({}, len(self.inputs), len(self.outputs)).slot(buffer)

    # ---- calls

    def _settings(self) -> tuple[Any, ...]:
        """Return what the text depends on beside the schedule."""
        return (self.target, self.seldom)

    def _code(self) -> Code:
        if self._made is None:
            make([self], self.target)
        assert self._made is not None
        return self._made

    def _digest(self) -> str | None:
        """Return a digest of all that the text is written from."""
        made = self.schedule
        parts = (made.kernels, made.inputs, made.outputs, tuple(self.offsets.items()), self.spare)
        return digest(type(self).__qualname__, self._settings(), parts)

    def _notes(self) -> tuple[int, ...]:
        """Return what calls need of the schedule, to be kept with the code."""
        return ()

    def _note(self, notes: tuple[int, ...]) -> None:
        """Take what was kept in place of a schedule."""

    def _find(self) -> bool:
        """Take the code from the cache, if it is there; its key, where the graph is known there, with no schedule."""
        if folder() is None:
            self._name = self._key = None
            return False
        self._name = recorded(self.graph, type(self).__qualname__, self._settings())
        known = find(self._name)
        if known is not None and (code := find(known.object.decode())) is not None:
            self._made, count = code, known.notes[0]
            vars(self)["constants"] = made_again(self.graph, known.notes[1 : count + 1])
            self._note(known.notes[count + 1 :])
            return True
        self._key = self._digest()
        self._made = find(self._key)
        if self._made is not None:
            self._remember()
        return self._made is not None

    def _keep(self, code: bytes) -> None:
        """Take the code that has just been made, and keep it."""
        self._made = Code(code, self.extent, self.cut)
        keep(self._key, self._made)
        self._remember()

    def _remember(self) -> None:
        """Keep the key of the code under the digest of the graph."""
        constants = numbered(self.graph, self.constants)
        if self._key is not None and constants is not None:
            keep(self._name, Code(self._key.encode(), notes=(len(constants), *constants, *self._notes())))

    def members(self) -> Members:
        """Return who computes a call, to be entered in a ``with`` statement."""
        return borrow() if self._code().cut else ALONE

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
        run = self._functions.get("run") or self.native("run", ctypes.c_void_p)
        with self.members() as members:
            call = self._call(members.size)
            results, failed = call.run(run, members.address, args), call.failed
        self._idle.append(call)
        if failed is not None:
            self.require_success(failed)
        return results

    def _call(self, size: int) -> Call:
        """Return what nobody else calls with, for so many threads."""
        with suppress(IndexError):
            call = self._idle.pop()
            if call.size >= size:
                return call
        places = Places({}, len(self.inputs), len(self.outputs))
        arrays = (self.inputs, self.outputs, self.constants)
        return Call(places, *arrays, self.reused, self._allocated(size), size)

    def require_success(self, status: np.ndarray[Any, Any]) -> None:
        """Raise what a status says has failed, if anything has."""
        if status[FAILED]:
            raise self.schedule.failures[status[FAILED] - 1].exception(status)

    def work(self, size: int) -> np.ndarray[Any, Any]:
        """Return this thread's temporary memory."""
        if getattr(self._memory, "size", 0) < size:
            self._memory.size, self._memory.array = size, self._allocated(size)
        return self._memory.array  # type: ignore[no-any-return]  # thread-local storage has no types

    def bytes(self, size: int) -> int:
        """Return how much temporary memory there is if so many threads run the kernels."""
        return self._code().extent.bytes(size)

    def _allocated(self, size: int) -> np.ndarray[Any, Any]:
        return block(self.bytes(size))


@contextmanager
def without_collecting() -> Iterator[None]:
    """Let Python not look for garbage now: graphs are many objects that stay, and each look goes through all others."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def make(programs: Iterable[Program], target: Target) -> None:
    """Make the code of programs for one target: from the cache, or what is not there side by side.

    One that is in memory already is made while the next one is recorded, scheduled and written.
    """
    with making:
        missing: list[Program] = []

        def texts() -> Iterator[Iterator[str]]:
            for program in programs:
                if program._made is None and not program._find():
                    missing.append(program)
                    yield program._parts()

        objects = assemble(texts(), target)
        for program, made in zip(missing, objects, strict=True):
            program._keep(made)
