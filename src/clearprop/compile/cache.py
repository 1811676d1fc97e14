"""Machine code on disk, by the digest of what it was made from: the second process need not make it again.

A file holds a mark, a checksum, the extent of the temporary memory and the object. One that is damaged, of
another kind, or somebody else's is as good as none. Files are written aside and moved into place, so that
any number of processes may share the folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ..core.errors import SettingError
from ..core.frozen import frozen
from .memory import NOWHERE, Extent

FOLDER, LIMIT = "CLEARPROP_CACHE", "CLEARPROP_CACHE_MB"
DEFAULT_MB = 256
OFF = "off"
SUFFIX, ASIDE = ".object", ".writing"
ABANDONED = 3600  # seconds after which a file that was being written is a dead process's
HEADER, FACTS, PART = struct.Struct("<16s32s"), struct.Struct("<qqq"), struct.Struct("<qq")
MARK = b"clearprop object"


@frozen
class Code:
    """Machine code, not linked yet, and what must be known of it to run it.

    Attributes
    ----------
    object : bytes
    extent : Extent
        Of its temporary memory.
    cut : bool
        Whether there is anything to share out.
    notes : tuple of int
        What else its program has to know.
    """

    object: bytes
    extent: Extent = NOWHERE
    cut: bool = False
    notes: tuple[int, ...] = ()


@frozen
class Entry:
    """A file of the cache: its size in bytes, and when it was last used, in seconds since 1970."""

    path: Path
    size: int
    used: float


def folder() -> Path | None:
    """Return where the cache is, or would be; None if there is none."""
    asked = os.environ.get(FOLDER, "")
    if asked:
        return None if asked == OFF else Path(asked)
    try:
        return _user_caches() / "clearprop"
    except RuntimeError:  # this user has no home
        return None


def _user_caches() -> Path:
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA", "")
        return Path(local) if local else Path.home() / "AppData" / "Local"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    wanted = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return wanted if wanted.is_absolute() else Path.home() / ".cache"


def limit() -> int:
    """Return how many bytes the cache may hold.

    Raises
    ------
    SettingError
        If CLEARPROP_CACHE_MB is no number, or negative.
    """
    asked = os.environ.get(LIMIT, "")
    try:
        megabytes = float(asked or DEFAULT_MB)
    except ValueError:
        megabytes = math.nan
    if not 0 <= megabytes < math.inf:
        raise SettingError(f"{LIMIT}={asked}: must be a number of MiB, such as {DEFAULT_MB}, or unset")
    return int(megabytes * 2**20)


def cached(key: str | None, make: Callable[[], Code]) -> Code:
    """Return the code of this key: from the cache, or made now and kept there."""
    code = find(key)
    if code is None:
        code = make()
        keep(key, code)
    return code


def find(key: str | None) -> Code | None:
    """Return the code of this key from the cache; None if it is not there."""
    place = folder()
    if key is None or place is None:
        return None
    limit()  # complain before the work, not after it
    return _read(place / (key + SUFFIX), key)


def keep(key: str | None, code: Code) -> None:
    """Keep code in the cache, if there is one."""
    place = folder()
    if key is not None and place is not None:
        _write(place / (key + SUFFIX), key, code, limit())


# ---- files


def _packed(key: str, code: Code) -> bytes:
    """Return the content of a file."""
    parts, notes = code.extent.parts, code.notes
    facts = FACTS.pack(code.cut, len(parts), len(notes))
    noted = struct.pack(f"<{len(notes)}q", *notes)
    content = b"".join((facts, *(PART.pack(*part) for part in parts), noted, code.object))
    return HEADER.pack(MARK, _checksum(key, content)) + content


def _checksum(key: str, content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=32, key=key.encode()).digest()


def _unpacked(key: str, content: bytes) -> Code | None:
    """Return what a file holds; None if it is not to be trusted."""
    head, rest = content[: HEADER.size], content[HEADER.size :]
    if head != HEADER.pack(MARK, _checksum(key, rest)):
        return None
    cut, count, noted = FACTS.unpack_from(rest)
    end = FACTS.size + count * PART.size
    extent = Extent(tuple(PART.iter_unpack(rest[FACTS.size : end])))
    notes = struct.unpack_from(f"<{noted}q", rest, end)
    return Code(rest[end + 8 * noted :], extent, bool(cut), notes)


def _read(path: Path, key: str) -> Code | None:
    """Return what a file holds; None if it is not there, or not to be trusted."""
    try:
        with path.open("rb") as file:
            if not _private(file.fileno()):
                return None
            content = file.read()
        os.utime(path)
    except OSError:
        return None
    return _unpacked(key, content)


def _private(file: int) -> bool:
    """Tell whether nobody else can have written an open file."""
    if os.name != "posix":
        return True  # the folder is in the user's own profile
    facts = os.fstat(file)
    return facts.st_uid == os.geteuid() and not facts.st_mode & 0o022


def _write(path: Path, key: str, code: Code, most: int) -> None:
    """Keep code in a file that its user alone may read; if that cannot be, do without."""
    content = _packed(key, code)
    if len(content) > most:
        return
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _move_into_place(path, content)
        _trim(path.parent, most)


def _move_into_place(path: Path, content: bytes) -> None:
    import tempfile

    number, name = tempfile.mkstemp(ASIDE, dir=path.parent)  # readable by this user only
    try:
        with os.fdopen(number, "wb") as file:
            file.write(content)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def _entries(place: Path, suffix: str = SUFFIX) -> list[Entry]:
    """Return the files of a folder, the one that was used longest ago first."""
    found = []
    with contextlib.suppress(OSError), os.scandir(place) as files:
        for file in files:
            with contextlib.suppress(OSError):  # another process may just have removed it
                if file.name.endswith(suffix) and file.is_file(follow_symlinks=False):
                    facts = file.stat(follow_symlinks=False)
                    found.append(Entry(Path(file.path), facts.st_size, facts.st_mtime))
    return sorted(found, key=lambda e: e.used)


def _trim(place: Path, most: int) -> None:
    """Remove the files that were used longest ago, until the rest is within the limit."""
    entries = _entries(place)
    excess = sum(e.size for e in entries) - most
    for entry in entries:
        if excess <= 0:
            break
        entry.path.unlink(missing_ok=True)
        excess -= entry.size
    for entry in _entries(place, ASIDE):
        if time.time() - entry.used > ABANDONED:
            entry.path.unlink(missing_ok=True)


# ---- for people


def entries() -> list[Entry]:
    """Return the files of the cache, the one that was used longest ago first."""
    place = folder()
    return [] if place is None else _entries(place)


def clear() -> list[Entry]:
    """Remove the files of the cache, and nothing else from its folder; return those that were kept there.

    Raises
    ------
    OSError
        If one cannot be removed.
    """
    removed, place = entries(), folder()
    for entry in (*removed, *(_entries(place, ASIDE) if place is not None else ())):
        entry.path.unlink(missing_ok=True)
    return removed
