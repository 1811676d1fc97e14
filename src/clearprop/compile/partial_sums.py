"""Where the sums of a product stand while there are parts of them still to come."""

from __future__ import annotations

from collections.abc import Mapping

from .kernels import Access, Buffer, Contraction


def lent(kernel: Contraction, offsets: Mapping[Buffer, int]) -> Access | None:
    """Return a temporary array in which a product may put sums down; None if there is none.

    Its results stand there in the end: those of the product, or what its loop stores, element by element as the sums
    are. Nothing that it reads may be in that memory. Temporary buffers are so many bytes from the first.
    """
    if kernel.loop is None:
        return kernel.output
    read = [_extent(buffer, offsets) for buffer in kernel.reads() if buffer in offsets]
    for store in kernel.loop.stores:
        access = store.access
        if access.buffer in offsets and access.buffer.type.dtype == kernel.output.buffer.type.dtype:
            first, end = _extent(access.buffer, offsets)
            if all(end <= low or high <= first for low, high in read):
                return access
    return None


def _extent(buffer: Buffer, offsets: Mapping[Buffer, int]) -> tuple[int, int]:
    return offsets[buffer], offsets[buffer] + buffer.bytes
