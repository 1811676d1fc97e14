"""What reads a large array for the last time runs before what can be written over it: an error over its activation.

Backpropagation records the error of a layer before the gradient of the weights behind it; both read the layer's
activation, and the error alone can take its place.
"""

from __future__ import annotations

from collections.abc import Sequence

from .kernels import Buffer, Kernel
from .memory import worth_writing_over


def ordered(kernels: Sequence[Kernel]) -> list[Kernel]:
    """Return the kernels, where some that read an array for the last time have moved before a writer in step."""
    order = list(kernels)
    readers: dict[Buffer, list[Kernel]] = {}
    for kernel in kernels:
        for buffer in dict.fromkeys(kernel.reads()):
            if worth_writing_over(buffer):
                readers.setdefault(buffer, []).append(kernel)
    for buffer, reading in readers.items():
        if len(reading) > 1:
            *_, writer, last = sorted(reading, key=order.index)
            start, end = order.index(writer), order.index(last)
            if _takes_the_place(writer, buffer) and _free(order[start:end], last):
                order.insert(start, order.pop(end))
    return order


def _takes_the_place(kernel: Kernel, buffer: Buffer) -> bool:
    """Tell whether a kernel writes an array that may stand where this one does."""
    return any(
        target.home == "work" and target.type == buffer.type and kernel.in_step(buffer, target)
        for target in kernel.writes()
    )


def _free(between: Sequence[Kernel], kernel: Kernel) -> bool:
    """Tell whether a kernel can run before some others, even if what it updates is changed in place."""
    read = {b for other in between for b in other.reads()}
    written = {b for other in between for b in other.writes()}
    changed = {b.type for b in kernel.writes() if b.home == "output"}
    updated = {b for b in kernel.reads() if b.home == "input" and b.type in changed}
    return not (written.intersection(kernel.reads()) or (read | written).intersection(kernel.writes()) or updated & read)
