"""The workers of this process: started when first needed, lent to one call at a time, sent home at the end."""

from __future__ import annotations

import atexit
import ctypes
import functools
import os
import platform
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.own_memory import ALIGNMENT
from .cache import Code, cached
from .claiming import BLOCK_BYTES, DISPATCH, supported, team_text
from .engine import Native, assemble
from .identity import digest
from .target import chosen
from .threads import get_threads

PATIENCE = 5.0  # seconds to wait for a worker that was sent home


class Members:
    """Who computes a call, for the length of a ``with`` block.

    Attributes
    ----------
    size : int
        Threads, with the caller.
    address : int
        Of the memory through which they meet; 0 if there is nobody but the caller.
    """

    def __init__(self, size: int = 1, address: int = 0, leave: Callable[[], None] | None = None) -> None:
        self.size, self.address, self._leave = size, address, leave

    def __enter__(self) -> Members:
        return self

    def __exit__(self, *_: object) -> None:
        if self._leave is not None:
            self._leave()


ALONE = Members()


class Team:
    """Workers that wait in native code. Who comes while they are lent works alone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._workers: list[threading.Thread] = []
        self._size, self._address, self._memory = 1, 0, np.zeros(0, np.uint8)
        self._closed = False

    def borrow(self) -> Members:
        """Return the team as large as `get_threads` says, or the caller alone; enter it in a ``with`` statement."""
        size = get_threads()
        if size == 1 or self._closed or not supported() or not self._lock.acquire(blocking=False):
            return ALONE
        try:
            if self._size != size:
                self._send_home()
                self._start(size)
            return Members(size, self._address, self._lock.release)
        except BaseException:
            self._lock.release()
            raise

    def _start(self, size: int) -> None:
        code = _code()
        memory = np.zeros(BLOCK_BYTES + ALIGNMENT, np.uint8)
        address = -(-memory.ctypes.data // ALIGNMENT) * ALIGNMENT
        ctypes.c_uint64.from_address(address + DISPATCH).value = code.address("dispatch")
        work = code.function("worker", ctypes.c_uint64, ctypes.c_int64)
        self._size, self._address, self._memory = size, address, memory
        for who in range(1, size):
            name, args = f"clearprop worker {who}", (work, memory, address, who)
            worker = threading.Thread(target=_stay, args=args, name=name, daemon=True)
            try:
                worker.start()
            except RuntimeError:  # the system gives no more threads, or Python is about to end
                break
            self._workers.append(worker)
        if not self._workers:
            self._address = 0

    def _send_home(self) -> None:
        if self._address:
            _code().function("dismiss", ctypes.c_uint64)(self._address)
        for worker in self._workers:
            worker.join(PATIENCE)
        self._workers, self._size, self._address = [], 1, 0

    def rest(self) -> None:
        """Send the workers home if nobody has borrowed them; the next call starts new ones."""
        if self._lock.acquire(blocking=False):
            try:
                self._send_home()
            finally:
                self._lock.release()

    def close(self) -> None:
        """Send the workers home for good."""
        self._closed = True
        self.rest()


def _stay(work: Any, memory: np.ndarray[Any, Any], address: int, who: int) -> None:
    """Be a worker; the memory is held until it returns."""
    work(address, who)


@functools.cache
def _code() -> Native:
    text, target = team_text(platform.machine()), chosen()
    made = cached(digest(text, target), lambda: Code(assemble([[text]], target)[0]))
    return Native(made.object, target)


_team = Team()


def borrow() -> Members:
    """Return who computes a call, to be entered in a ``with`` statement."""
    return _team.borrow()


def _forget() -> None:
    """Begin anew in a child process: its parent's threads are not there."""
    global _team
    _team = Team()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=lambda: _team.rest(), after_in_child=_forget)
atexit.register(lambda: _team.close())
