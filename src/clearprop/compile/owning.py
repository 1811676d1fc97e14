"""Which arrays threads own by rows: weights that a product of few rows reads and an update writes, in the same parts.

Each part then stays in the second cache of the processor whose thread reads and writes it, and even small work is
worth sharing out. Where one thread reads what two have written, both wait for lines from each other's caches. Products
of many rows keep to columns of these arrays instead, forward and where they are updated. An update that goes along the
memory of its array (`outer.py`) knows whole rows only: so do then those who read it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from .cutting import BANDWIDTH, SHALLOW, WORTH, Owned, loop_time, outer_time, product_time, sum_cut
from .gain import AGAIN, MEETING
from .kernels import Buffer, Contraction, Kernel
from .outer import suits
from .several import Abreast
from .target import Target


def owned_rows(target: Target, kernels: Iterable[Kernel]) -> dict[Buffer, Owned]:
    """Return the arrays whose rows threads own, and how."""
    apart = [k for kernel in kernels for k in (kernel.kernels if isinstance(kernel, Abreast) else [kernel])]
    products = [
        k for k in apart if isinstance(k, Contraction) and k.tiled and len(k.output.layout.shape) == 2
    ]
    found: dict[Buffer, Owned] = {}
    for kernel in products:
        updated = updates(kernel)
        if updated and sum_cut(target, kernel) == 1:
            how: Owned = "rows" if suits(target, kernel) else "parts"
            readers = [k for k in products if k.inputs[1].buffer in updated]
            if _worth(target, kernel, readers, how):
                found |= dict.fromkeys(updated, how)
    return found


def contended(target: Target, kernels: Iterable[Kernel], owned: Mapping[Buffer, Owned]) -> set[Buffer]:
    """Return what several kernels read, without what threads read in the parts that they own."""
    kernels = list(kernels)
    readers = Counter(buffer for kernel in kernels for buffer in {*kernel.reads()})
    right = [(k, k.inputs[1].buffer) for k in kernels if isinstance(k, Contraction)]
    apart = {buffer for k, buffer in right if sum_cut(target, k, owned.get(buffer)) > 1}
    return {buffer for buffer, count in readers.items() if count > 1} - apart


def updates(kernel: Contraction) -> set[Buffer]:
    """Return the arrays from outside, as large as a product's result, that its loop reads."""
    if kernel.loop is None:
        return set()
    size = kernel.output.buffer.type.size
    return {b for b in kernel.loop.reads() if b.type.size == size and b.home == "input"}


def _worth(target: Target, update: Contraction, readers: Iterable[Contraction], how: Owned) -> bool:
    """Whether it is worth it to share out an update: by itself, or with those who then read what they own.

    Threads tell each other what those compute, and the update's error; who has written that waits to write it again.
    """
    time = _update_time(target, update)
    if not any(sum_cut(target, k, how) > 1 and k.output.layout.shape[0] <= SHALLOW for k in readers):
        return time >= WORTH
    times = [time, *(_reading_time(target, k) for k in readers)]
    told = sum(k.output.buffer.bytes for k in readers) + update.inputs[1].buffer.bytes
    return sum(times) / 2 > MEETING * len(times) + told / AGAIN


def _update_time(target: Target, kernel: Contraction) -> float:
    """Return about how long an update takes."""
    if suits(target, kernel):
        return outer_time(target, kernel)
    assert kernel.loop is not None
    (m, n), k = kernel.output.layout.shape, kernel.inputs[0].layout.shape[1]
    return product_time(target, kernel.output.buffer.type.dtype.itemsize, m, n, k) + loop_time(
        target, kernel.loop
    )


def _reading_time(target: Target, kernel: Contraction) -> float:
    """Return about how long a product takes that reads weights from the second cache."""
    (m, n), (a, b) = kernel.output.layout.shape, kernel.inputs
    time = product_time(target, kernel.output.buffer.type.dtype.itemsize, m, n, a.layout.shape[1])
    return max(time, b.buffer.bytes / BANDWIDTH)
