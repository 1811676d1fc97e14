"""Turns: all that is compared takes turns in every round, so that a slow phase of the machine falls on all of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

T = TypeVar("T")
AWAKE = 0.02
"""Seconds of work after which a system has spread threads that slept over the processors."""


def clock(function: Callable[..., Any], *args: Any, timer: Callable[[], float] = time.perf_counter) -> float:
    """Return the seconds that a call takes."""
    begin = timer()
    function(*args)
    return timer() - begin


def awake(function: Callable[..., Any], *args: Any, seconds: float = AWAKE) -> None:
    """Call a function until so much time has passed."""
    begin = time.perf_counter()
    while time.perf_counter() - begin < seconds:
        function(*args)


def rounds(
    turns: Mapping[str, Callable[[], T]],
    *,
    least: int = 5,
    seconds: float = 0.0,
    most: int = 1000,
    pause: float = 0.0,
) -> dict[str, list[T]]:
    """Return what each turn gave in every round.

    Parameters
    ----------
    turns : mapping of names to callables
        Called once in each round; another one begins each time.
    least, most : int
        Rounds.
    seconds : float
        Rounds go on for so long, within these limits.
    pause : float
        Seconds after each turn, in which the threads of the last one fall asleep.
    """
    names, begin = list(turns), time.perf_counter()
    given: dict[str, list[T]] = {name: [] for name in names}
    done = 0
    while names and (done < least or (done < most and time.perf_counter() - begin < seconds)):
        first = done % len(names)
        for name in names[first:] + names[:first]:
            given[name].append(turns[name]())
            time.sleep(pause)
        done += 1
    return given
