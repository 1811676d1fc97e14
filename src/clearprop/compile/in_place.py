"""Which results may be written where an input stands: nothing may read an element that is already overwritten.

That holds if every kernel that reads the input runs before those that write the result, or is a kernel that reads
each element only where it writes the same one, and before it does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .kernels import Buffer

if TYPE_CHECKING:
    from .schedule import Schedule


def in_place(schedule: Schedule, pairs: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Return those of some pairs, an input and an output by number, that may share memory; each input once."""
    found: dict[int, int] = {}
    taken: set[int] = set()
    reading: dict[Buffer, int] = {}  # the last kernel that reads it
    writing: dict[Buffer, list[int]] = {}
    for n, kernel in enumerate(schedule.kernels):
        reading |= dict.fromkeys(kernel.reads(), n)
        for buffer in dict.fromkeys(kernel.writes()):
            writing.setdefault(buffer, []).append(n)

    def safe(source: Buffer, target: Buffer) -> bool:
        alike = source.type == target.type and source.layout == target.layout
        if not alike or not source.type.size or target not in writing:
            return False
        last, (first, *others) = reading.get(source, -1), writing[target]
        if last < first:
            return True
        return last == first and not others and schedule.kernels[first].in_step(source, target)

    for i, j in pairs:
        if i not in found and j not in taken and safe(schedule.inputs[i], schedule.outputs[j]):
            found[i] = j
            taken.add(j)
    return tuple(found.items())
