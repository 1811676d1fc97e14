"""How many threads compute: what was asked for, or what this process may use of the machine."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..core.errors import SettingError

VARIABLE = "CLEARPROP_THREADS"
MOST = 256  # more threads than this help nobody

_asked: int | None = None


def set_threads(n: int | None) -> None:
    """Set how many threads native code computes with, from its next call on; results do not depend on it.

    Parameters
    ----------
    n : int or None
        At least 1, the calling thread among them. None: as the environment variable CLEARPROP_THREADS says, or
        as many as there are processors for this process, by its affinity and its cgroup's quota.

    Raises
    ------
    SettingError
        If n is not a whole number from 1 to 256.

    See Also
    --------
    get_threads

    Examples
    --------
    >>> import clearprop as cp
    >>> cp.set_threads(2)
    >>> cp.get_threads()
    2
    >>> cp.set_threads(None)
    """
    global _asked
    _asked = None if n is None else _checked(n, f"set_threads({n!r})")


def get_threads() -> int:
    """Return how many threads native code computes with.

    Small work is done by the calling thread alone, and so is everything on systems other than Linux.

    Raises
    ------
    SettingError
        If the environment variable CLEARPROP_THREADS is not a whole number from 1 to 256.

    See Also
    --------
    set_threads

    Examples
    --------
    >>> import clearprop as cp
    >>> cp.get_threads() >= 1
    True
    """
    if _asked is not None:
        return _asked
    text = os.environ.get(VARIABLE, "")
    if not text:
        return available()
    return _checked(int(text) if text.isdecimal() else text, f"{VARIABLE}={text}")


def _checked(n: object, what: str) -> int:
    if isinstance(n, int | np.integer) and not isinstance(n, bool) and 1 <= n <= MOST:
        return int(n)
    raise SettingError(f"{what}: the number of threads must be a whole number from 1 to {MOST}")


_found: int | None = None


def available() -> int:
    """Return how many processors this process may use; asked once."""
    global _found
    if _found is None:
        count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        _found = max(1, min(count, int(quota(Path("/")) or count), MOST))
    return _found


def quota(root: Path) -> float | None:
    """Return how many processors' time the process's control groups grant it, or None if they set no limit.

    Parameters
    ----------
    root : Path
        Of the file system: where ``proc`` and ``sys`` are.
    """
    found = []
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        if not controllers:
            found += _limits(root / "sys/fs/cgroup", path, _second)
        elif "cpu" in controllers.split(","):
            found += _limits(root / "sys/fs/cgroup" / controllers, path, _first)
            found += _limits(root / "sys/fs/cgroup/cpu", path, _first)
    return min(found, default=None)


def _limits(mount: Path, path: str, read: Callable[[Path], float | None]) -> list[float]:
    """Return the limits of a group and of all those around it, up to where they are mounted."""
    names = [name for name in path.split("/") if name not in ("", "..")]
    groups = [mount.joinpath(*names[:n]) for n in range(len(names) + 1)]
    return [limit for limit in map(read, groups) if limit is not None]


def _first(group: Path) -> float | None:
    return _ratio([*_lines(group / "cpu.cfs_quota_us"), *_lines(group / "cpu.cfs_period_us")])


def _second(group: Path) -> float | None:
    return _ratio([word for line in _lines(group / "cpu.max") for word in line.split()])


def _ratio(words: list[str]) -> float | None:
    """Return quota / period of two words; None if there is no limit."""
    with contextlib.suppress(ValueError):
        granted, period = map(int, words)
        return granted / period if granted > 0 and period > 0 else None
    return None


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except OSError:
        return []
