"""Brief kernels that are shared out together: what none of them is worth alone, because threads would wait too often.

First those that go row by row, then those that do not need each other, such as updates.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from .cutting import WORTH_OWNING, kernel_time, sum_cut
from .grouping import NEAR, Touched, grouped
from .kernels import Buffer, Contraction, Kernel, Loop, may_fail
from .memory import room
from .origins import traced
from .owning import owned_rows, updates
from .rowwise import row_by_row
from .schedule import Schedule
from .several import Abreast, Parted
from .strips import counting
from .target import Target
from .units import unit_by_unit

MORE = 96 * 1024  # bytes by which temporary arrays may grow anyway: what is computed later is needed longer
LONG = 25.0  # microseconds of an update that is shared out by itself, or more
TOLD = 4096  # bytes of temporary arrays that a loop beside others reads, at most: to write what others read takes long
BESIDE = 0.5  # microseconds, at least, that there are to do beside the longest


def shared_out(target: Target, made: Schedule, before: int, most: float) -> Schedule:
    """Return a schedule with those kernels together that are shared out together, if arrays then have room.

    They have taken so many bytes `before`; they may take little more, or so many at `most`.
    """
    order = _parted(target, made, before, most)
    groups = [kernel for kernel in order if isinstance(kernel, Parted)]
    together = _abreast(target, order, {b for group in groups for b in group.reads()})
    if room(together) <= max(room(order), before + MORE):
        order = together
    return traced(made, order)


def _parted(target: Target, made: Schedule, before: int, most: float) -> list[Kernel]:
    """Bring together what goes through the same units or rows."""
    little, numbers = before + MORE, counting(made.constants)
    by_units = unit_by_unit(target, made.kernels)
    for kernels, limit in ((by_units, little), (made.kernels, max(little, most))):
        for gradients in (True, False) if kernels else ():
            order = _apart(row_by_row(target, kernels, numbers, _kept(target, kernels), gradients))
            if room(order) <= limit:
                return order
    return list(made.kernels)


def _apart(kernels: Sequence[Kernel]) -> list[Kernel]:
    """Return the kernels, groups of rows with what only they read as their own."""
    readers = Counter(buffer for kernel in kernels for buffer in {*kernel.reads()})

    def inner(group: Parted) -> list[Buffer]:
        written = dict.fromkeys(b for b in group.writes() if b.home == "work" and b in group.pitches)
        return [b for b in written if not readers[b]]

    return [
        replace(kernel, inner=inner(kernel))
        if isinstance(kernel, Parted) and kernel.what == "rows"
        else kernel
        for kernel in kernels
    ]


def _kept(target: Target, kernels: Sequence[Kernel]) -> set[Buffer]:
    """Return the arrays whose rows threads own and read in parts, if nobody else reads them but who updates them."""
    readers = Counter(buffer for kernel in kernels for buffer in {*kernel.reads()})
    owned = owned_rows(target, kernels)
    right = [(k, k.inputs[1].buffer) for k in kernels if isinstance(k, Contraction)]
    apart = {buffer for k, buffer in right if sum_cut(target, k, owned.get(buffer)) > 1}
    return {buffer for buffer in owned.keys() & apart if readers[buffer] == 2}


def _abreast(target: Target, kernels: Sequence[Kernel], shared: set[Buffer]) -> list[Kernel]:
    """Bring updates together, if threads read what is updated together too: it is ``shared``, or its rows owned."""
    done: list[Kernel] = []
    owned = {*owned_rows(target, kernels)}
    rest = list(kernels)
    while rest:
        if any(b.home == "output" for b in rest[0].writes()):
            before, inside, after = grouped(rest, lambda *asked: _joins(target, shared, owned, *asked))
            if _worth(target, inside):
                done += [*before, Abreast(inside)]
                rest = after
                continue
        done.append(rest.pop(0))
    return done


def _joins(
    target: Target,
    shared: set[Buffer],
    owned: set[Buffer],
    kernel: Kernel,
    reads: set[Buffer],
    writes: set[Buffer],
    touched: Touched,
) -> bool:
    """Whether a kernel can run beside others."""
    if not isinstance(kernel, (Loop, Contraction)) or may_fail(kernel) or kernel_time(target, kernel) >= LONG:
        return False
    if touched.disturbs(reads, writes):
        return False
    if isinstance(kernel, Loop):
        return sum(b.bytes for b in reads if b.home == "work") <= TOLD
    updated = updates(kernel)
    return kernel.inputs[1].buffer not in owned and (not updated or not updated.isdisjoint(owned | shared))


def _worth(target: Target, kernels: Sequence[Kernel]) -> bool:
    """Whether it is worth it to share them out together."""
    if len(kernels) < 2:
        return False
    times = [kernel_time(target, kernel) for kernel in kernels]
    touched = {b for kernel in kernels for b in (*kernel.reads(), *kernel.writes()) if b.home == "work"}
    enough = sum(times) >= 2 * WORTH_OWNING and sum(times) - max(times) >= BESIDE
    return enough and sum(b.bytes for b in touched) <= NEAR
