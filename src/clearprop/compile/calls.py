"""What one call of a program needs, kept for the next: the table of addresses and the memory that it names.

Small arrays are copied in and out, which takes a tenth of the time that NumPy takes to tell an address.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.own_memory import ReusedMemory
from .frame import FIRST, STATUS, WORK, Places
from .given import fitted, writable
from .kernels import FAILED, TEAM, Buffer

SMALL = 16_384  # bytes up to which an array is copied


def address(array: np.ndarray[Any, Any]) -> int:
    """Return where an array's elements begin."""
    return int(array.__array_interface__["data"][0])


class Call:
    """One call at a time.

    Parameters
    ----------
    places : Places
    inputs, outputs : sequences of Buffer
    constants : sequence of (Buffer, array)
    reused : pairs of int
        Inputs by number, each with the output that may be written where it stands.
    work : array of bytes
        Temporary memory.
    size : int
        How many threads it is for.
    """

    def __init__(
        self,
        places: Places,
        inputs: Sequence[Buffer],
        outputs: Sequence[Buffer],
        constants: Sequence[tuple[Buffer, np.ndarray[Any, Any]]],
        reused: Sequence[tuple[int, int]],
        work: np.ndarray[Any, Any],
        size: int,
    ) -> None:
        self.size = size
        self._kept = [work, *(array for _, array in constants)]
        self._status = (ctypes.c_int64 * 4)()
        count = FIRST + len(inputs) + len(outputs) + len(constants)
        self._table = (ctypes.c_void_p * count)()
        self._table[STATUS], self._table[WORK] = ctypes.addressof(self._status), address(work)
        self._where = ctypes.addressof(self._table)
        for buffer, array in constants:
            self._table[places.slot(buffer)] = address(array)
        self._over = {places.slot(outputs[j]): places.slot(inputs[i]) for i, j in reused}
        self._inputs = [(places.slot(b), b, self._small(places.slot(b), b)) for b in inputs]
        self._outputs = [
            (places.slot(b), ReusedMemory(b.type), self._small(places.slot(b), b)) for b in outputs
        ]

    def _small(self, slot: int, buffer: Buffer) -> np.ndarray[Any, Any] | None:
        """Return the memory that stands at a slot in every call, if it is small.

        Where a result is written in place, the array that is given stands there itself.
        """
        if buffer.bytes > SMALL or slot in self._over or slot in self._over.values():
            return None
        memory = np.empty(buffer.type.shape, buffer.type.dtype)
        self._table[slot] = address(memory)
        return memory

    def run(self, function: Any, team: int, args: Sequence[Any]) -> list[np.ndarray[Any, Any]]:
        """Call a native function of the table; return the outputs, new arrays or those that they are written over."""
        status, table = self._status, self._table
        status[FAILED], status[TEAM] = 0, team
        held: dict[int, np.ndarray[Any, Any]] = {}
        large = []
        for (slot, buffer, memory), given in zip(self._inputs, args, strict=True):
            if memory is None:
                held[slot] = array = fitted(given, buffer)
                table[slot] = address(array)
            elif type(given) is np.ndarray and given.dtype == memory.dtype and given.shape == memory.shape:
                memory[...] = given
            else:
                memory[...] = fitted(given, buffer)
        for slot, reused, memory in self._outputs:
            if memory is None:
                over = held.get(self._over.get(slot, -1))
                if over is None or not writable(over):
                    over = reused.empty()
                large.append(over)
                table[slot] = address(over)
        function(self._where)
        if not large:
            return [memory.copy() for _, _, memory in self._outputs if memory is not None]  # all are small
        rest = iter(large)
        return [next(rest) if memory is None else memory.copy() for _, _, memory in self._outputs]

    @property
    def failed(self) -> np.ndarray[Any, Any] | None:
        """The status, if something has failed."""
        return np.array(self._status) if self._status[FAILED] else None
