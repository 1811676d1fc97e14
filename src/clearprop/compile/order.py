"""What reads a large array for the last time runs as early as it can, and before what can be written over that array.

Backpropagation records the error of a layer before the gradient of the weights behind it; both read the layer's
activation, and the error alone can take its place. An update that waits for the end keeps a gradient until then.
"""

from __future__ import annotations

from collections.abc import Sequence

from .kernels import Buffer, Kernel
from .memory import worth_writing_over


def ordered(kernels: Sequence[Kernel]) -> list[Kernel]:
    """Return the kernels, where some that read an array for the last time have moved to the front."""
    order = list(kernels)
    readers: dict[Buffer, list[Kernel]] = {}
    for kernel in kernels:
        for buffer in dict.fromkeys(kernel.reads()):
            if worth_writing_over(buffer):
                readers.setdefault(buffer, []).append(kernel)
    for buffer, reading in readers.items():
        reading.sort(key=order.index)
        places = [i for i, kernel in enumerate(reading[:-1]) if takes_the_place(kernel, buffer)]
        for last in reading[places[-1] + 1 :] if places else ():
            start, end = order.index(reading[places[-1]]), order.index(last)
            if _free(order[start:end], last):
                order.insert(start, order.pop(end))
    for buffer, (*_, last) in readers.items():
        if all(b.home == "output" for b in last.writes()):
            start = end = order.index(last)
            while start and buffer not in order[start - 1].writes() and _free([order[start - 1]], last):
                start -= 1
            order.insert(start, order.pop(end))
    return order


def takes_the_place(kernel: Kernel, buffer: Buffer) -> bool:
    """Tell whether a kernel writes an array that may stand where this one does."""
    targets = [b for b in kernel.writes() if b.home == "work" and b.type == buffer.type]
    return buffer in kernel.reads() and any(kernel.in_step(buffer, target) for target in targets)


def _free(between: Sequence[Kernel], kernel: Kernel) -> bool:
    """Tell whether a kernel can run before some others, even if what it updates is changed in place."""
    read = {b for other in between for b in other.reads()}
    written = {b for other in between for b in other.writes()}
    changed = {b.type for b in kernel.writes() if b.home == "output"}
    updated = {b for b in kernel.reads() if b.home == "input" and b.type in changed}
    return not (
        written.intersection(kernel.reads())
        or (read | written).intersection(kernel.writes())
        or updated & read
    )
