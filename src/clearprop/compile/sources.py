"""A digest of the files that write the code: what an edited compiler does not share with the one before it.

Reading all of them takes longer than finding an object in the cache. So the cache keeps their digest, under a digest
of what the system says of each: size, inode, and when it was last written and last changed in any way. The last of
these cannot be set: a file with other contents differs from what it was, whatever its size and date.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time

from .cache import Code, find, keep

DIGEST_BYTES = 20
FOLDERS = ("core", "compile", "ops")  # what an operation is to the compiler, and what that makes of it
SETTLED = 2e9  # nanoseconds after which a further change gets another time, on coarse clocks too


def sources() -> str:
    """Return a digest of the contents of the files."""
    now, files = time.time_ns(), _files()
    key = _digest([f"{path} {_facts(status)}".encode() for path, status in files.items()])
    known = find(key)
    if known is not None:
        return known.object.decode()
    found = _digest([part for path in files for part in _named(path)])
    settled = all(status.st_ctime_ns < now - SETTLED for status in files.values())
    if settled and os.name == "posix":  # elsewhere that time can be set, or is that of the file's birth
        keep(key, Code(found.encode()))
    return found


def _files() -> dict[str, os.stat_result]:
    """Return what the system says of each file, by its path, in order; a program packed into one file may have none."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    found = {}
    for folder in FOLDERS:
        with contextlib.suppress(OSError), os.scandir(os.path.join(package, folder)) as files:
            for path in sorted(file.path for file in files if file.name.endswith(".py")):
                with contextlib.suppress(OSError):
                    found[path] = os.stat(path)
    return found


def _facts(status: os.stat_result) -> str:
    return f"{status.st_dev} {status.st_ino} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"


def _named(path: str) -> tuple[bytes, bytes]:
    with open(path, "rb") as file:
        return os.path.join(*path.split(os.sep)[-2:]).encode(), file.read()


def _digest(parts: list[bytes]) -> str:
    found = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for part in parts:
        found.update(b"%d " % len(part) + part)
    return found.hexdigest()
