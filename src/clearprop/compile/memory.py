"""Where temporary arrays stand: one block of memory, in which those that do not live together share room.

A loop may write a result over what it reads for the last time, if it reads each element where it writes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..core.frozen import frozen
from ..core.lowering import Layout, contiguous
from ..core.own_memory import ALIGNMENT, block
from ..core.types import Type
from .kernels import Buffer, Contraction, Kernel
from .several import Parted

COPIED = 8  # rows of a product, or more, for which a matrix is copied turned
WORTH = 2**17  # bytes of an array, or more, for whose place kernels change their order


@frozen
class Extent:
    """How far temporary memory reaches, by how many threads there are.

    Attributes
    ----------
    parts : tuple of (int, int)
        Bytes that one kernel or another needs in all: so many, and so many for each thread.
    """

    parts: tuple[tuple[int, int], ...] = ()

    def including(self, fixed: int, each: int) -> Extent:
        """Return the extent with a further kernel."""
        if any(f >= fixed and e >= each for f, e in self.parts):
            return self
        return Extent((*(p for p in self.parts if p[0] > fixed or p[1] > each), (fixed, each)))

    def bytes(self, threads: int) -> int:
        """Return how much memory there must be."""
        return max((fixed + each * threads for fixed, each in self.parts), default=0)


NOWHERE = Extent()


def aligned(size: int) -> int:
    """Return the size rounded up to whole cache lines."""
    return -(-size // ALIGNMENT) * ALIGNMENT


def empty(type: Type, layout: Layout) -> np.ndarray[Any, Any]:
    """Return an array that begins with a cache line; between its rows there may be room, which is zero."""
    if layout == contiguous(type.shape):
        return parts(block(type.size * type.dtype.itemsize), [type])[0]
    rows, pitch = type.shape[0], layout.strides[0]
    memory = block(rows * pitch * type.dtype.itemsize).view(type.dtype).reshape(rows, pitch)
    memory[...] = 0
    return memory[:, : type.shape[1]]


def closed_up(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return an array of `empty` without room between its rows, in the same memory: what saw it before is lost."""
    if array.flags.c_contiguous:
        return array
    (rows, columns), size = array.shape, array.itemsize
    pitch = array.strides[0] // size
    memory = np.lib.stride_tricks.as_strided(array, (rows * pitch,), (size,))
    for row in range(1, rows):
        memory[row * columns : (row + 1) * columns] = memory[row * pitch : row * pitch + columns]
    return memory[: rows * columns].reshape(rows, columns)


def parts(memory: np.ndarray[Any, Any], types: Sequence[Type]) -> list[np.ndarray[Any, Any]]:
    """Return arrays that stand one after the other in some bytes, each from a cache line on."""
    found, start = [], 0
    for type in types:
        size = type.size * type.dtype.itemsize
        found.append(memory[start : start + size].view(type.dtype).reshape(type.shape))
        start += aligned(size)
    return found


def lifetimes(kernels: Sequence[Kernel]) -> dict[Buffer, tuple[int, int]]:
    """Return for each temporary buffer the first kernel that writes it and the last one that touches it."""
    lives: dict[Buffer, tuple[int, int]] = {}
    for when, kernel in enumerate(kernels):
        for buffer in (*kernel.writes(), *kernel.reads()):
            if buffer.home == "work":
                lives[buffer] = (lives.get(buffer, (when, when))[0], when)
    return lives


def plan(
    kernels: Sequence[Kernel], sizes: Mapping[Buffer, int] | None = None
) -> tuple[dict[Buffer, int], list[int]]:
    """Return the place of each temporary buffer in bytes, and for each kernel where no buffer is any more.

    If ``sizes`` are given, only these buffers are placed, of which so many bytes are needed.

    The largest are placed first, each at the lowest place where it meets no buffer that lives at the same time;
    what is written over another one lives with it.
    """
    lives = {b: life for b, life in lifetimes(kernels).items() if sizes is None or b in sizes}
    needed = {b: b.bytes for b in lives} if sizes is None else sizes
    placed: list[tuple[int, int, Buffer]] = []
    offsets: dict[Buffer, int] = {}
    over = _written_over(kernels, lives)
    for buffer, first in over.items():
        lives[first] = (lives[first][0], max(lives[first][1], lives[buffer][1]))
    for buffer in sorted((b for b in lives if b not in over), key=lambda b: (-needed[b], lives[b][0])):
        size, start = aligned(needed[buffer]), 0
        for low, high, other in placed:  # in order of place
            if lives[other][0] > lives[buffer][1] or lives[other][1] < lives[buffer][0]:
                continue
            if low - start >= size:
                break
            start = max(start, high)
        offsets[buffer] = start
        placed.append((start, start + size, buffer))
        placed.sort(key=lambda p: p[0])
    offsets |= {buffer: offsets[first] for buffer, first in over.items()}
    tops = [0] * len(kernels)
    for _, high, buffer in placed:
        begin, end = lives[buffer]
        tops[begin : end + 1] = [max(top, high) for top in tops[begin : end + 1]]
    return offsets, tops


def room(kernels: Sequence[Kernel]) -> int:
    """Return how many bytes the temporary buffers of kernels need; groups of rows also what two threads have."""
    tops = plan(kernels)[1]
    return max((top + 2 * _own(kernel) for top, kernel in zip(tops, kernels, strict=True)), default=0)


def _own(kernel: Kernel) -> int:
    """Return how many bytes parts of rows need: for inner buffers, and for a copy of the largest matrix turned."""
    if not isinstance(kernel, Parted) or kernel.what != "rows":
        return 0
    right = [k.inputs[1] for k in kernel.kernels if isinstance(k, Contraction)]
    many = max(kernel.sizes()) >= COPIED
    turned = [access.buffer.bytes for access in right if many and access.layout.strides[-1] != 1]
    return max(plan(kernel.kernels, kernel.own_bytes())[1]) + max(turned, default=0)


def _written_over(kernels: Sequence[Kernel], lives: dict[Buffer, tuple[int, int]]) -> dict[Buffer, Buffer]:
    """Return the buffers that are written over others, and the first buffer in the memory of each."""
    over: dict[Buffer, Buffer] = {}
    for when, kernel in enumerate(kernels):
        ending = [
            b for b in dict.fromkeys(kernel.reads()) if b in lives and lives[b][0] < when == lives[b][1]
        ]
        for target in dict.fromkeys(kernel.writes()):
            if target not in lives or lives[target][0] != when:
                continue
            for source in ending:
                if source.type == target.type and kernel.in_step(source, target):
                    over[target] = over.get(source, source)
                    ending.remove(source)
                    break
    return over


def worth_writing_over(buffer: Buffer) -> bool:
    """Tell whether a temporary buffer is so large that other kernels wait for the one that writes over it."""
    return buffer.home == "work" and buffer.bytes >= WORTH
