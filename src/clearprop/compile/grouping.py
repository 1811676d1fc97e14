"""How kernels that go together are brought together: what they need runs before them, what needs them after."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from .kernels import Buffer, Kernel

NEAR = 512 * 1024  # bytes that a group reads whole, or writes, at most: caches hold them


@dataclass
class Touched:
    """What some kernels read and write."""

    read: set[Buffer] = field(default_factory=set)
    written: set[Buffer] = field(default_factory=set)

    def add(self, reads: set[Buffer], writes: set[Buffer]) -> None:
        """Count a further kernel in."""
        self.read |= reads
        self.written |= writes

    def any(self, buffers: set[Buffer]) -> bool:
        """Whether they touch one of these."""
        return not (self.read.isdisjoint(buffers) and self.written.isdisjoint(buffers))

    def disturbs(self, reads: set[Buffer], writes: set[Buffer]) -> bool:
        """Whether what reads and writes these has to run after them."""
        return self.any(writes) or not self.written.isdisjoint(reads)


def changed(kernel: Kernel) -> set[Buffer]:
    """Return the inputs that a kernel may write its results over: it reads them, and they are of a result's type."""
    types = {b.type for b in kernel.writes() if b.home == "output"}
    return {b for b in kernel.reads() if b.home == "input" and b.type in types}


Joins = Callable[[Kernel, set[Buffer], set[Buffer], Touched], bool]
"""Whether a kernel that reads and writes (or changes) these buffers joins a group that has touched some."""


def grouped(kernels: Sequence[Kernel], joins: Joins) -> tuple[list[Kernel], list[Kernel], list[Kernel]]:
    """Return which kernels run before a group, in it and after it, each in their order.

    What writes a result runs after the group, unless it joins it or is one number: what it updates may be read until
    then.
    """
    group, later = Touched(), Touched()
    before: list[Kernel] = []
    inside: list[Kernel] = []
    after: list[Kernel] = []
    for kernel in kernels:
        reads, writes = set(kernel.reads()), {*kernel.writes(), *changed(kernel)}
        waits = later.disturbs(reads, writes)
        if not waits and joins(kernel, reads, writes, group):
            group.add(reads, writes)
            inside.append(kernel)
        elif (
            waits
            or group.disturbs(reads, writes)
            or any(b.home == "output" and b.type.size > 1 for b in writes)
        ):
            later.add(reads, writes)
            after.append(kernel)
        else:
            before.append(kernel)
    return before, inside, after
