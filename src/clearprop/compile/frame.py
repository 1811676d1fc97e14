"""What a function finds through the table of addresses that every kernel gets.

The table holds the addresses of the status, the temporary memory, the inputs, the outputs and the constants. The
status is four numbers: what failed first (0 if nothing did), the address of the team (0 if there is none), and the
index and the axis that did not fit.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Collection, Iterable, Mapping

import numpy as np

from ..core.frozen import frozen
from .kernels import TEAM, Access, Buffer
from .module import Module
from .text import Function, Value

STATUS, WORK, FIRST = 0, 1, 2  # slots of the table
TABLE = Value("%table", "ptr")
POINTER = np.dtype(np.int64)
CHUNK = [("ptr", "table"), ("i64", "number"), ("i64", "who"), ("i64", "extra")]
NUMBER, WHO, EXTRA = (Value(f"%{name}", "i64") for _, name in CHUNK[1:])


@frozen
class Places:
    """Where everything is.

    Attributes
    ----------
    offsets : mapping
        Temporary buffers' places in the temporary memory, in bytes.
    inputs, outputs : int
        How many there are.
    given : int
        Bytes of all inputs.
    common : collection of Buffer
        What several threads read.
    """

    offsets: Mapping[Buffer, int]
    inputs: int
    outputs: int
    given: int = 0
    common: Collection[Buffer] = ()

    def slot(self, buffer: Buffer) -> int:
        """Return the place of a buffer's address in the table."""
        before = {"input": 0, "output": self.inputs, "constant": self.inputs + self.outputs}
        return FIRST + before[buffer.home] + buffer.slot


@frozen
class Memory:
    """Bytes that a kernel needs while it runs: for all threads together, for each of them, and whether it is cut."""

    shared: int = 0
    own: int = 0
    cut: bool = False
    arrived: bool = False  # whether rows that were still to arrive have done so


class Frame:
    """A function with the argument ``%table``, and what it has found there.

    Parameters
    ----------
    f : Function
    places : Places
    free : int
        Where the memory begins, in the temporary memory, that its kernel has while it runs.
    room : float
        How many bytes that should be, at most.
    """

    def __init__(self, f: Function, places: Places, free: int = 0, room: float = math.inf) -> None:
        self.f, self.places, self.free, self.room = f, places, free, room
        self.own: Buffer | None = None  # what stands where that memory begins
        self.known: dict[Buffer, Value] = {}
        self.shared: dict[str, int] = {}  # what a team does together: the function of a chunk, and how many

    def within(self, f: Function) -> Frame:
        """Return the same for another function."""
        other = copy.copy(self)
        other.f, other.known, other.shared = f, {}, {}
        return other

    def address(self, access: Access) -> Value:
        """Return the address of a buffer's first element."""
        buffer = access.buffer
        if buffer not in self.known:
            self.known[buffer] = self._address(buffer)
        return self.known[buffer]

    def find(self, *accesses: Access) -> None:
        """Read the addresses of buffers now, for all that follows."""
        for access in accesses:
            self.address(access)

    def _address(self, buffer: Buffer) -> Value:
        if buffer is self.own:
            return self.scratch()
        if buffer.home == "status":
            return self.slot(STATUS)
        if buffer.home == "work":
            return self._byte(self.slot(WORK), self.places.offsets[buffer])
        return self.slot(self.places.slot(buffer))

    def slot(self, number: int) -> Value:
        """Return an address from the table."""
        place = self.f.make(f"getelementptr ptr, {TABLE}, i64 {number}", "ptr")
        return self.f.make(f"load ptr, {place}, align 8", "ptr")

    def scratch(self, offset: Value | int = 0) -> Value:
        """Return the address of memory that the kernel has while it runs, so many bytes on."""
        start = self._byte(self.slot(WORK), self.free)
        return self._byte(start, offset)

    def _byte(self, pointer: Value, offset: Value | int) -> Value:
        at = str(offset) if isinstance(offset, Value) else f"i64 {offset}"
        return self.f.make(f"getelementptr i8, {pointer}, {at}", "ptr")

    def share(self, chunk: str, chunks: int, alone: Callable[[], None], extra: Value | None = None) -> None:
        """Write: the team calls ``chunk(table, number, who, extra)`` for all numbers; without a team, ``alone``."""
        f, self.shared[chunk] = self.f, chunks
        place = f.make(f"getelementptr ptr, {self.slot(STATUS)}, i64 {TEAM}", "ptr")
        team = f.make(f"load ptr, {place}, align 8", "ptr")
        together, single, after = f.fresh("together"), f.fresh("single"), f.fresh("after")
        nobody = f.compare("icmp eq", team, Value("null", "ptr"))
        f.do(f"br {nobody}, label %{single}, label %{together}")
        f.label(together)
        dispatch = f.make(f"load ptr, {team}, align 8", "ptr")
        more = extra or Value("0", "i64")
        f.do(f"call void {dispatch.name}({team}, ptr @{chunk}, {TABLE}, i64 {chunks}, {more})")
        f.do(f"br label %{after}")
        f.label(single)
        alone()
        f.do(f"br label %{after}")
        f.label(after)


def chunk_function(module: Module, name: str) -> Function:
    """Begin a function that `Frame.share` can be given."""
    return Function(module, name, CHUNK, plain=True)


Emit = Callable[..., Memory]
"""``emit(frame, kernel, name)`` writes a kernel into the function of a frame; the names that it makes begin so."""


class Alone(Frame):
    """A function that one thread runs alone, on a table of its own: the status, memory for kernels, then buffers."""

    def __init__(
        self, f: Function, places: Places, buffers: Iterable[Buffer], room: float = math.inf
    ) -> None:
        super().__init__(f, places, room=room)
        self.slots = {buffer: FIRST + i for i, buffer in enumerate(buffers)}

    def _address(self, buffer: Buffer) -> Value:
        return self.slot(self.slots[buffer]) if buffer in self.slots else super()._address(buffer)

    def share(self, chunk: str, chunks: int, alone: Callable[[], None], extra: Value | None = None) -> None:
        """Write ``alone``."""
        alone()


def own_table(frame: Frame, status: Value, scratch: Value, buffers: Mapping[Buffer, Value]) -> Value:
    """Write a table for `Alone`, with the addresses of its buffers in their order; return where it is."""
    f = frame.f
    table = f.room(FIRST + len(buffers))
    for slot, value in enumerate((status, scratch, *buffers.values())):
        f.do(f"store {value}, {f.at(table, slot, POINTER)}, align 8")
    return table
