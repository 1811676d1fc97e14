"""Where temporary arrays stand: one block of memory, in which those that do not live together share room.

A loop may write a result over what it reads for the last time, if it reads each element where it writes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.types import Type
from .kernels import Buffer, Kernel

ALIGNMENT = 64  # bytes: a cache line, and the widest vector
LONG = 1024  # bytes of a line beside which a wait at its end is short
WORTH = 2**17  # bytes of an array that is written over another one


def aligned(size: int) -> int:
    """Return the size rounded up to whole cache lines."""
    return -(-size // ALIGNMENT) * ALIGNMENT


def block(size: int) -> np.ndarray[Any, Any]:
    """Return so many bytes, which begin with a cache line."""
    memory = np.empty(size + ALIGNMENT, np.uint8)
    start = -memory.__array_interface__["data"][0] % ALIGNMENT
    return memory[start : start + size]


def empty(type: Type) -> np.ndarray[Any, Any]:
    """Return an array of this type that begins with a cache line, so that no vector of it lies on two."""
    return parts(block(type.size * type.dtype.itemsize), [type])[0]


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


def plan(kernels: Sequence[Kernel]) -> tuple[dict[Buffer, int], int]:
    """Return the place of each temporary buffer in bytes, and the size of the whole block.

    The largest are placed first, each at the lowest place where it meets no buffer that lives at the same time;
    what is written over another one lives with it.
    """
    lives = lifetimes(kernels)
    placed: list[tuple[int, int, Buffer]] = []
    offsets: dict[Buffer, int] = {}
    over = _written_over(kernels, lives)
    for buffer, first in over.items():
        lives[first] = (lives[first][0], max(lives[first][1], lives[buffer][1]))
    for buffer in sorted((b for b in lives if b not in over), key=lambda b: (-b.bytes, lives[b][0])):
        size, start = aligned(buffer.bytes), 0
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
    return offsets, max((high for _, high, _ in placed), default=0)


def _written_over(kernels: Sequence[Kernel], lives: dict[Buffer, tuple[int, int]]) -> dict[Buffer, Buffer]:
    """Return the buffers that are written over others, and the first buffer in the memory of each."""
    over: dict[Buffer, Buffer] = {}
    for when, kernel in enumerate(kernels):
        ending = [
            b for b in dict.fromkeys(kernel.reads()) if b in lives and lives[b][0] < when == lives[b][1]
        ]
        for target in dict.fromkeys(kernel.writes()):
            if target not in lives or lives[target][0] != when or not worth_writing_over(target):
                continue
            for source in ending:
                if source.type == target.type and kernel.in_step(source, target):
                    over[target] = over.get(source, source)
                    ending.remove(source)
                    break
    return over


def worth_writing_over(buffer: Buffer) -> bool:
    """Tell whether a temporary buffer is large, and of whole cache lines or long ones.

    Where a line of the array ends within a vector, the next load waits for the masked store before it.
    """
    row = buffer.type.shape[-1] if buffer.type.shape else 1
    size = row * buffer.type.dtype.itemsize
    return buffer.home == "work" and buffer.bytes >= WORTH and (size % ALIGNMENT == 0 or size >= LONG)
