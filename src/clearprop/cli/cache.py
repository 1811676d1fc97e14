"""``clearprop cache``: where machine code is kept from one process to the next, how much, and away with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, TypeAlias

import typer
from rich.text import Text

from ..compile import cache as code
from ..core.errors import FileError
from .check import AsJson, Quiet
from .exits import FINE
from .output import Output, places

Clear: TypeAlias = Annotated[bool, typer.Option("--clear", metavar="", help="Remove what is kept.")]


def cache(clear: Clear = False, as_json: AsJson = False, quiet: Quiet = False) -> int:
    """Show the cache of machine code, or clear it.

    The machine code of each network is kept in the user's folder of caches, so that the next process starts
    sooner. CLEARPROP_CACHE names another folder, or is off; CLEARPROP_CACHE_MB limits the size, and what was
    used longest ago goes first.
    """
    out, folder, limit = Output(as_json, quiet), code.folder(), code.limit()
    try:
        removed = code.clear() if clear else []
    except OSError as error:
        raise FileError(f"{error.filename} cannot be removed: {error.strerror}") from None
    kept = code.entries()
    out.document(
        {
            "folder": None if folder is None else str(folder.absolute()),
            "objects": len(kept),
            "bytes": _size(kept),
            "limit_bytes": limit,
            "removed_objects": len(removed),
            "removed_bytes": _size(removed),
        }
    )
    if folder is None:
        out.show(Text(f" off ({code.FOLDER})\n"))
        return FINE
    facts = {
        "folder": str(folder.absolute()),
        "objects": f"{len(kept):,}",
        "size": f"{_mib(_size(kept))} of at most {_mib(limit)}",
    }
    if clear:
        facts["removed"] = f"{len(removed):,} objects, {_mib(_size(removed))}"
    out.show(places(facts))
    return FINE


def _size(entries: Sequence[code.Entry]) -> int:
    return sum(entry.size for entry in entries)


def _mib(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"
