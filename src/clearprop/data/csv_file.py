"""CSV files with a header: UTF-8, quoted fields, separated by commas, semicolons or tabs."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path

from ..core.errors import DataError, FileError
from .table import Table, listed

_SEPARATORS = ",;\t"


def read_csv(path: str | os.PathLike[str]) -> Table:
    """Read a CSV file whose first line names the columns.

    Blanks around cells and blank lines do not count. The separator is the one of comma, semicolon and
    tab that the first line has most of.

    Parameters
    ----------
    path : str or Path
        A file in UTF-8, with or without a byte order mark.

    Returns
    -------
    Table

    Raises
    ------
    FileError
        If the file does not exist, cannot be read or is not UTF-8 text.
    DataError
        If it is empty, has no rows, two columns of one name, a column without a name, a row of another
        length than the header, or a quote that is never closed.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "t.csv")
    ...     _ = file.write_text("size; kind\\n1.5; a\\n2; b\\n")
    ...     read_csv(file).columns
    ('size', 'kind')
    """
    return parse_csv(_text(Path(path)), str(path))


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise FileError(f"there is no file {str(path)!r}") from None
    except IsADirectoryError:
        raise FileError(f"{str(path)!r} is a folder, not a CSV file") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise FileError(f"{str(path)!r} cannot be read: {reason}") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise FileError(
            f"{path} is not UTF-8 text: line {line} holds the byte {data[error.start]:#04x}; save it as UTF-8"
        ) from None
    if "\0" in text:
        raise FileError(f"{path} is not a text file: it holds zero bytes; save it as CSV in UTF-8")
    return text


def parse_csv(text: str, name: str = "the table") -> Table:
    """Return the table that a text holds; errors call it by the name.

    >>> parse_csv("a,b\\n1,2\\n").rows
    [['1', '2']]
    """
    records = list(_records(text, name))
    if not records:
        raise DataError(f"{name} is empty; its first line must name the columns, and rows must follow")
    (_, header), rows = records[0], records[1:]
    for place, column in enumerate(header, start=1):
        if not column:
            raise DataError(f"{name}: column {place} of {len(header)} has no name in the first line")
    table = Table(name, tuple(header), [cells for _, cells in rows], [line for line, _ in rows])
    twice = sorted({c for c in header if header.count(c) > 1}) if len(set(header)) < len(header) else []
    if twice:
        word = "column is" if len(twice) == 1 else "columns are"
        raise DataError(f"{name}: more than one {word} named {listed(twice)}.{table.no_header()}")
    if not rows:
        raise DataError(f"{name} has a header but no rows")
    for line, cells in rows:
        if len(cells) != len(header):
            raise DataError(
                f"{name}, line {line}: the number of cells is {len(cells)}, but the header names "
                f"{len(header)} columns"
            )
    return table


def _records(text: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the line that each record starts on, and its cells without blanks around them."""
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=_separator(text), skipinitialspace=True, strict=True
    )
    line = 1
    try:
        for record in reader:
            cells = [cell.strip() for cell in record]
            if any(cells) or len(cells) > 1:
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        hint = "a quote is never closed" if "end of data" in str(error) else str(error)
        raise DataError(f"{name}, line {line}: {hint}") from None


def _separator(text: str) -> str:
    """Return the separator that the first line that is not blank has most of, quoted parts aside."""
    first = next((line for line in io.StringIO(text, newline="") if line.strip()), "")
    plain = re.sub(r'"[^"]*"?', "", first)
    return max(_SEPARATORS, key=plain.count)
