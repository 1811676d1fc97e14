"""Which results may be written where an input stands: nothing may read an element that is already overwritten.

That holds if every kernel that reads the input runs before those that write the result, or is a kernel that reads
each element only where it writes the same one, and before it does.
"""

from __future__ import annotations

from collections.abc import Iterable

from .schedule import Schedule


def in_place(schedule: Schedule, pairs: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Return those of some pairs, an input and an output by number, that may share memory; each input once."""
    found: dict[int, int] = {}
    for i, j in pairs:
        if i not in found and j not in found.values() and _safe(schedule, i, j):
            found[i] = j
    return tuple(found.items())


def _safe(schedule: Schedule, i: int, j: int) -> bool:
    source, target = schedule.inputs[i], schedule.outputs[j]
    if source.type != target.type or not source.type.size:
        return False
    reading = [n for n, kernel in enumerate(schedule.kernels) if source in kernel.reads()]
    writing = [n for n, kernel in enumerate(schedule.kernels) if target in kernel.writes()]
    if not writing:
        return False
    last, first = max(reading, default=-1), writing[0]
    if last < first:
        return True
    return last == first and writing == [first] and schedule.kernels[first].in_step(source, target)
