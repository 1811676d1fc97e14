"""Texts made into objects, as many at a time as there are threads, while further texts are still being written."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable

TURN = 2e-4  # seconds after which Python lets another thread on: a helper asks LLVM a few short things for each text


class SideBySide:
    """Texts to objects, by this thread and by helpers; to be entered in a ``with`` statement.

    Parameters
    ----------
    make : callable
        What makes an object of a text, and lets other threads run meanwhile.
    threads : int
        With this one.
    """

    def __init__(self, make: Callable[[str], bytes], threads: int) -> None:
        self._make, self._most = make, threads - 1
        self._texts: list[str] = []
        self._waiting: list[int] = []  # the longest is the last
        self._objects: dict[int, bytes] = {}
        self._errors: list[BaseException] = []
        self._helpers: list[threading.Thread] = []
        self._lock, self._added, self._open = threading.Lock(), threading.Semaphore(0), True

    def __enter__(self) -> SideBySide:
        self._interval = sys.getswitchinterval()
        sys.setswitchinterval(TURN)
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._waiting.clear()
        self._end()
        sys.setswitchinterval(self._interval)

    def add(self, text: str) -> int:
        """Let an object be made of a text; return its place among the objects."""
        with self._lock:
            place = len(self._texts)
            self._texts.append(text)
            self._waiting.append(place)
            self._waiting.sort(key=lambda i: len(self._texts[i]))
        if len(self._helpers) < min(self._most, len(self._texts)):
            helper = threading.Thread(target=self._help, daemon=True)
            try:
                helper.start()
                self._helpers.append(helper)
            except RuntimeError:  # the system gives no more threads, or Python is about to end
                self._most = 0
        self._added.release()
        return place

    def objects(self) -> list[bytes]:
        """Return the objects of the texts, each in its place, when all are made."""
        self._work()
        self._end()
        for error in self._errors:
            raise error
        return [self._objects[i] for i in range(len(self._texts))]

    def _next(self) -> int | None:
        with self._lock:
            return self._waiting.pop() if self._waiting and not self._errors else None

    def _work(self) -> None:
        while (i := self._next()) is not None:
            try:
                self._objects[i] = self._make(self._texts[i])
            except BaseException as error:
                self._errors.append(error)

    def _help(self) -> None:
        while self._open:
            self._added.acquire()
            self._work()

    def _end(self) -> None:
        self._open = False
        for _ in self._helpers:
            self._added.release()
        for helper in self._helpers:
            helper.join()
