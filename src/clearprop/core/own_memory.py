"""Which arrays are somebody's own; memory of long ones is used again when nobody looks at it any longer.

The system clears each page of new memory, which takes as long as a loop that fills it. The C library keeps what shorter
arrays give back.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from .types import Type

ALIGNMENT = 64  # bytes: a cache line, and the widest vector
LONG = 2**23  # bytes of an array, at least, whose memory is kept; glibc gives 2**25 back to the system


def block(size: int) -> np.ndarray[Any, Any]:
    """Return so many bytes, which begin with a cache line."""
    memory = np.empty(size + ALIGNMENT, np.uint8)
    start = -memory.__array_interface__["data"][0] % ALIGNMENT
    return memory[start : start + size]


def is_own(array: np.ndarray[Any, Any]) -> bool:
    """Tell whether an array's memory is its own: whatever else sees it is a view of this array."""
    return array.flags.owndata or isinstance(array.base, _Loan)


class ReusedMemory:
    """Where one result of a function stands, in one call after the other.

    The memory of one result that nobody looks at any longer is kept for the next.

    Parameters
    ----------
    type : Type
    """

    def __init__(self, type: Type) -> None:
        self._type, self._bytes = type, type.size * type.dtype.itemsize
        self._free: deque[np.ndarray[Any, Any]] = deque(maxlen=1)

    def empty(self) -> np.ndarray[Any, Any]:
        """Return an array of the type, its own, which nobody else sees; what stands in it is undefined."""
        if self._bytes < LONG:
            return np.empty(self._type.shape, self._type.dtype)
        try:
            memory = self._free.pop()
        except IndexError:
            memory = block(self._bytes)
        return np.asarray(_Loan(memory, self._type, self._free))


class _Loan:
    """Memory that goes back as soon as the array that stands there and all views of it are gone."""

    __slots__ = ("__array_interface__", "_free", "_memory")

    def __init__(self, memory: np.ndarray[Any, Any], type: Type, free: deque[np.ndarray[Any, Any]]) -> None:
        here = memory.__array_interface__["data"]
        self.__array_interface__ = {
            "data": here,
            "shape": type.shape,
            "typestr": type.dtype.str,
            "version": 3,
        }
        self._memory, self._free = memory, free

    def __del__(self) -> None:
        self._free.append(self._memory)
