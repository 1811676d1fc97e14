"""Kernels that are shared out as one: each part goes through all of them, or each thread takes some of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from .kernels import Buffer, Kernel


@dataclass(eq=False)
class Several(Kernel):
    """Kernels that are shared out to threads as one."""

    kernels: list[Kernel]

    def reads(self) -> list[Buffer]:
        """Return the buffers that they read, those aside that they write themselves."""
        written = {b for kernel in self.kernels for b in kernel.writes()}
        return [b for kernel in self.kernels for b in kernel.reads() if b not in written]

    def writes(self) -> list[Buffer]:
        """Return the buffers that they write."""
        return [b for kernel in self.kernels for b in kernel.writes()]


@dataclass(eq=False)
class Parted(Several):
    """Kernels that go through the same rows of a mini-batch, or units of a layer: each part goes through all of them.

    Attributes
    ----------
    what : str
        "rows" or "units".
    length, parts, grain : int
        How many there are, in how many parts, and of what parts begin with multiples.
    axes : list of int
        For each kernel the axis of its result, or `SUMS` for a product that sums over them.
    pitches : mapping
        Elements from one to the next in the buffers of which a part has its own.
    partial : mapping
        For each buffer that a kernel combines all into, one with a row for each part.
    inner : sequence of Buffer
        Those that nobody else reads: there is room for what a part of them needs, where the thread's memory is.
    """

    what: str
    length: int
    parts: int
    grain: int
    axes: Sequence[int]
    pitches: Mapping[Buffer, int]
    partial: Mapping[Buffer, Buffer]
    inner: Sequence[Buffer] = ()

    def sizes(self) -> set[int]:
        """Return how many there are in parts."""
        blocks = -(-self.length // self.grain)
        starts = [min(i * blocks // self.parts * self.grain, self.length) for i in range(self.parts + 1)]
        return {b - a for a, b in pairwise(starts)}

    def own_bytes(self) -> dict[Buffer, int]:
        """Return how many bytes of its inner buffers a part needs."""
        longest = max(self.sizes())
        return {b: longest * self.pitches[b] * b.type.dtype.itemsize for b in self.inner}

    def writes(self) -> list[Buffer]:
        """Return the buffers that they write for others; of what is combined the parts' own."""
        return [self.partial.get(b, b) for b in super().writes() if b not in self.inner]

    def in_step(self, source: Buffer, target: Buffer) -> bool:
        """Tell whether parts keep to their own of both, and the last kernel that touches either writes in step."""
        *before, last = [k for k in self.kernels if source in k.reads() or target in k.writes()]
        own = target in self.pitches and self.pitches.get(source) == self.pitches[target]
        return own and not any(target in k.writes() for k in before) and last.in_step(source, target)


@dataclass(eq=False)
class Abreast(Several):
    """Kernels of which none waits for another."""

    def in_step(self, source: Buffer, target: Buffer) -> bool:
        """Tell whether the only one that touches the two is."""
        touching = [k for k in self.kernels if source in k.reads() or target in k.writes()]
        return len(touching) == 1 and touching[0].in_step(source, target)
