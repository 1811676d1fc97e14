"""Kernels of which none waits for another, as code: the chunks of all of them are one piece of work.

Each kernel is cut as it is by itself, so its bits are the same. First halves stand at the front and second halves at
the end, from which others take: who reads and writes a part of some weights does so in every step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from ..core.frozen import frozen
from ..core.lowering import Layout
from .cutting import WORTH_OWNING, Owned, kernel_time
from .frame import NUMBER, STATUS, WHO, Alone, Emit, Frame, Memory, Places, chunk_function, own_table
from .kernels import Access, Buffer, Contraction, Kernel
from .memory import aligned
from .owning import updates
from .several import Abreast
from .target import Target
from .text import Function, Value

CLAIM = 4.0  # microseconds of what is claimed at once, about


@frozen
class Piece:
    """A call: of a kernel's function, or of the function of its chunks for one of them; and about how long it takes."""

    function: str
    number: int | None
    time: float

    def call(self, f: Function, table: Value) -> None:
        """Write it."""
        which = "" if self.number is None else f", i64 {self.number}, i64 0, i64 0"
        f.do(f"call void @{self.function}({table}{which})")


class _Cut(Alone):
    """A function that notes what it would share out, for others to call."""

    def __init__(self, f: Function, places: Places, buffers: Iterable[Buffer]) -> None:
        super().__init__(f, places, buffers)
        self.chunks: list[tuple[str, int]] = []

    def share(self, chunk: str, chunks: int, alone: Callable[[], None], extra: Value | None = None) -> None:
        """Note it."""
        self.chunks.append((chunk, chunks))


def emit_abreast(frame: Frame, target: Target, group: Abreast, name: str, emit: Emit) -> Memory:
    """Write the kernels into a function, and beside it what the function calls."""
    f, buffers = frame.f, list(dict.fromkeys([*group.reads(), *group.writes()]))
    written = [
        _Written(frame, f"{name}_{number}", target, kernel, buffers, emit)
        for number, kernel in enumerate(group.kernels)
    ]
    own = max(each.bytes for each in written)
    claims = _claims(written)
    chunk = chunk_function(f.module, f"{name}_chunk")
    inside = frame.within(chunk)
    table = _table(inside, buffers, chunk.integer("mul", WHO, own))
    for number, pieces in enumerate(claims):

        def run(pieces: Sequence[Piece] = pieces) -> None:
            for piece in pieces:
                piece.call(chunk, table)

        chunk.when(chunk.compare("icmp eq", NUMBER, Value(str(number), "i64")), run)
    chunk.finish()
    here = _table(frame, buffers)
    for each in written:
        if each.begun:
            each.begun.call(f, here)

    def alone() -> None:
        for pieces in claims:
            for piece in pieces:
                piece.call(f, here)

    frame.share(chunk.name, len(claims), alone)
    return Memory(0, own, True)


def _table(frame: Frame, buffers: Sequence[Buffer], offset: Value | int = 0) -> Value:
    """Write a table for functions that run alone, whose memory begins so many bytes on."""
    addresses = {buffer: frame.address(Access(buffer, Layout((), ()))) for buffer in buffers}
    return own_table(frame, frame.slot(STATUS), frame.scratch(offset), addresses)


class _Written:
    """A kernel's functions: what begins it, if it is cut, and the pieces for either end."""

    def __init__(
        self, frame: Frame, name: str, target: Target, kernel: Kernel, buffers: Sequence[Buffer], emit: Emit
    ) -> None:
        self.module, self.name, self.kernel, self.emit = frame.f.module, name, kernel, emit
        self.time = kernel_time(target, kernel)
        self.begun: Piece | None = None
        places, before = frame.places, set(self.module.functions)
        if self.time >= WORTH_OWNING:
            cut = _Cut(self._function(), places, buffers)
            memory = self._emit(
                cut, dict.fromkeys(updates(kernel) if isinstance(kernel, Contraction) else (), "parts")
            )
            if len(cut.chunks) == 1 and not memory.shared:
                self.begun = Piece(name, None, 0.0)
                ((chunk, count),) = cut.chunks
                pieces = [Piece(chunk, i, self.time / count) for i in range(count)]
                self.front, self.back = pieces[: count // 2], pieces[count // 2 :]
                return
            for other in set(self.module.functions) - before:
                del self.module.functions[other], self.module.signatures[other]
        self._emit(Alone(self._function(), places, buffers), {})
        self.front, self.back = [Piece(name, None, self.time)], []

    def _function(self) -> Function:
        return Function(self.module, self.name, [("ptr", "table")])

    def _emit(self, frame: Frame, owned: Mapping[Buffer, Owned]) -> Memory:
        memory: Memory = self.emit(frame, self.kernel, f"{self.name}_product", owned=owned)
        self.bytes = aligned(memory.shared + memory.own)
        frame.f.finish()
        return memory


def _claims(written: Sequence[_Written]) -> list[list[Piece]]:
    """Return pieces that are claimed together, in two halves that take about as long."""
    cut = [each for each in written if each.back]
    order = [piece for each in cut for piece in each.front]
    order += [piece for each in written if not each.back for piece in each.front]
    order += [piece for each in cut for piece in each.back]
    halves: tuple[list[Piece], list[Piece]] = [], []
    left = sum(piece.time for piece in order) / 2
    for piece in order:
        halves[left < piece.time / 2].append(piece)
        left -= piece.time
    return [claim for half in halves for claim in _even(half)]


def _even(pieces: Sequence[Piece]) -> list[list[Piece]]:
    """Return pieces in parts of about CLAIM."""
    parts: list[list[Piece]] = []
    time = 0.0
    for piece in pieces:
        if not parts or time + piece.time / 2 > CLAIM:
            parts.append([])
            time = 0.0
        parts[-1].append(piece)
        time += piece.time
    return parts
