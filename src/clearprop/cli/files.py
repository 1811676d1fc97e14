"""Output files: known to be writable before the work begins, replaced in one go after it has succeeded."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ..core.errors import FileError


def require_writable(path: Path, *inputs: str | Path) -> None:
    """Raise FileError unless a file can be put at path without overwriting what is read."""
    if path.is_dir():
        raise FileError(f"--output {str(path)!r} is a folder; name a file in it")
    folder = path.parent
    if not folder.is_dir():
        raise FileError(f"--output {str(path)!r}: there is no folder {str(folder)!r}; make it first")
    for given in map(Path, inputs):
        if given.exists() and path.exists() and given.samefile(path):
            raise FileError(f"--output {str(path)!r} would overwrite what is read; choose another name")
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise FileError(f"--output {str(path)!r}: cannot write to its folder: {error.strerror}") from None


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return rows as CSV.

    >>> csv_text(["a", "b"], [[1, "x, y"]])
    'a,b\\n1,"x, y"\\n'
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
