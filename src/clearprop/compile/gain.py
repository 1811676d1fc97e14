"""About how long two threads take for kernels, in microseconds: shared out one by one, abreast, or row by row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .cutting import WORTH, WORTH_OWNING, kernel_time, loop_cut, strips_cut, sum_cut
from .kernels import Buffer, Contraction, Kernel, Loop, Strips
from .target import Target

MEETING = 0.5  # until both are there
SLOWER = 1.08  # times as long as all rows at once parts of them take
EXCHANGE = 4.5e4  # bytes in a microsecond that one has from the other's cache,
AGAIN = 9e3  # and that the other then writes again


def one_by_one(target: Target, kernels: Iterable[Kernel]) -> float:
    """Return it for kernels one after the other, with what each thread reads that the other has written."""
    time, by_both = 0.0, dict[Buffer, bool]()  # what has been written, and whether both threads have
    for kernel in kernels:
        alone, shared = kernel_time(target, kernel), _shared_out(target, kernel)
        told = sum(b.bytes / 4 for b in {*kernel.reads()} if b in by_both and (shared or by_both[b]))
        time += told / EXCHANGE + (alone / 2 + MEETING if shared else alone)
        by_both |= dict.fromkeys(kernel.writes(), shared)
    return time


def abreast(target: Target, kernels: Sequence[Kernel]) -> float:
    """Return it for kernels that do not need each other."""
    time = sum(kernel_time(target, kernel) for kernel in kernels)
    single = one_by_one(target, kernels)
    return min(single, MEETING + time / 2) if len(kernels) > 1 and time >= 2 * WORTH_OWNING else single


def by_rows(target: Target, kernels: Iterable[Kernel]) -> float:
    """Return it for kernels of whose rows each thread has half."""
    return MEETING + SLOWER * sum(kernel_time(target, kernel) for kernel in kernels) / 2


def _shared_out(target: Target, kernel: Kernel) -> bool:
    """Whether a kernel is shared out by itself."""
    if isinstance(kernel, Loop):
        return loop_cut(target, kernel) is not None
    if isinstance(kernel, Strips):
        return strips_cut(target, kernel) is not None
    if not isinstance(kernel, Contraction):
        return False
    narrow = kernel.output.layout.shape[-1] <= 2 * target.lanes(kernel.output.buffer.type.dtype.itemsize)
    if narrow and kernel.loop and kernel.loop.folds:
        return False  # what is folded keeps its rows together
    return kernel_time(target, kernel) >= WORTH or sum_cut(target, kernel) > 1
