"""Tables of text cells under named columns, and the numbers in them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..core.errors import DataError
from ..core.frozen import frozen

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE | re.ASCII)
_INFINITE = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)
_MISSING = {"", "?", "na", "n/a", "nan", "none", "null"}
_LARGEST = float(np.finfo(np.float32).max)


class CellError(DataError):
    """Cells that cannot be used as numbers; without their rows or columns, the table may do."""


class CopyError(DataError):
    """Columns that are the target under another name; without them, the table may do."""


def is_missing(cell: str) -> bool:
    """Tell whether a cell stands for no value: empty, NaN, NA, N/A, null, none or a question mark."""
    return cell.lower() in _MISSING


def is_number(cell: str) -> bool:
    """Tell whether a cell is a number, written with a decimal point.

    >>> is_number("-1.5e3"), is_number("1,5"), is_number("nan")
    (True, False, False)
    """
    return _NUMBER.fullmatch(cell) is not None


@frozen(eq=False)
class Table:
    """Rows of text cells under named columns.

    Attributes
    ----------
    name : str
        Of the file, for messages.
    columns : tuple of str
        Their names, all different.
    rows : sequence of sequences of str
        As many cells in each as there are columns.
    lines : sequence of int
        The line of the file that each row starts on, counted from 1.

    Examples
    --------
    >>> table = Table("t.csv", ("size", "kind"), (("1.5", "a"), ("2", "b")), (2, 3))
    >>> table.numbers(["size"])
    array([[1.5],
           [2. ]])
    >>> table.texts("kind")
    ['a', 'b']
    """

    name: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    lines: Sequence[int]

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, indices: Iterable[int]) -> Table:
        """Return some of the rows."""
        chosen = [int(i) for i in indices]
        return Table(self.name, self.columns, [self.rows[i] for i in chosen], [self.lines[i] for i in chosen])

    def complete(self, columns: Iterable[str]) -> Table:
        """Return the rows in which none of these columns lacks a value."""
        places = [self.columns.index(c) for c in columns]
        full = (i for i, row in enumerate(self.rows) if not any(is_missing(row[p]) for p in places))
        return self.take(full)

    def texts(self, column: str) -> list[str]:
        """Return the cells of a column.

        Raises
        ------
        DataError
            If there is no such column; the message lists the columns that there are.
        """
        self.require([column])
        place = self.columns.index(column)
        return [row[place] for row in self.rows]

    def numbers(self, columns: Sequence[str]) -> np.ndarray[Any, Any]:
        """Return columns as numbers, float64[rows, columns].

        Raises
        ------
        DataError
            If a column does not exist, or a cell is empty, text, NaN, infinite or beyond float32; the
            message names line and column.
        """
        numbers = np.empty((len(self), len(columns)))
        for j, column in enumerate(columns):
            cells = self.texts(column)
            bad = [i for i, cell in enumerate(cells) if not is_number(cell)]
            if not bad:
                numbers[:, j] = [float(cell) for cell in cells]
                bad = list(np.flatnonzero(np.abs(numbers[:, j]) > _LARGEST))
            if bad:
                raise CellError(self._problem(column, cells, bad))
        return numbers

    def require_values(self, column: str) -> None:
        """Raise DataError, naming the line, if a cell of the column is empty."""
        cells = self.texts(column)
        empty = [i for i, cell in enumerate(cells) if is_missing(cell)]
        if empty:
            raise CellError(self._problem(column, cells, empty))

    def is_numeric(self, column: str) -> bool:
        """Tell whether a column means numbers: at least half of the values that it has are."""
        cells = [cell for cell in self.texts(column) if not is_missing(cell)]
        return 2 * sum(map(is_number, cells)) >= len(cells)

    def require_numeric(self, columns: Iterable[str]) -> None:
        """Raise DataError, naming all of them, if some of these columns hold text."""
        text = [c for c in columns if not self.is_numeric(c)]
        if len(text) == 1:
            self.numbers(text)  # names the line
        if text:
            raise CellError(
                f"{self.name}: the columns {listed(text)} hold text, and inputs must be numbers: turn them into "
                f"numbers, or leave them out"
            )

    def _problem(self, column: str, cells: list[str], bad: list[int]) -> str:
        cell = cells[bad[0]]
        shown = repr(cell if len(cell) <= 40 else cell[:40] + "...")
        ways = "correct the table, or leave out the column"
        if is_missing(cell):
            what = "is empty" if not cell else f"holds {shown}, which stands for no value"
            ways = "fill it in, or leave out the row or the column"
        elif _INFINITE.fullmatch(cell):
            what = f"holds {shown}, which is no finite number"
        elif is_number(cell):
            what = f"holds {shown}, which is beyond single precision (at most 3.4e38)"
        elif is_number(cell.replace(",", ".", 1)):
            what = f"holds {shown}, which is not a number; write decimals with a point"
        else:
            what = f"holds {shown}, which is not a number"
        count = f" ({len(bad):,} such cells in this column)" if len(bad) > 1 else ""
        return f"{self.name}, line {self.lines[bad[0]]}, column {column!r} {what}{count}: {ways}"

    def require(self, columns: Iterable[str]) -> None:
        """Raise DataError, listing what there is and the nearest name, unless these columns exist."""
        missing = [c for c in columns if c not in self.columns]
        if not missing:
            return
        word = "column" if len(missing) == 1 else "columns"
        near = nearest(missing[0], self.columns)
        hint = f" Did you mean {near!r}?" if near else ""
        raise DataError(
            f"{self.name} has no {word} {listed(missing, most=8)}; it has {listed(self.columns)}."
            f"{hint}{self.no_header()}"
        )

    def no_header(self) -> str:
        """Return a hint if the names of the columns look like a row of data."""
        if 3 * sum(map(is_number, self.columns)) < len(self.columns):
            return ""
        return " The first line looks like data; the names of the columns must stand there."


def listed(names: Iterable[str], most: int = 20) -> str:
    """Return names for a message: quoted, and not too many.

    >>> listed(["a", "b", "c"], most=2)
    "'a', 'b' and 1 more"
    """
    names = list(names)
    shown = ", ".join(map(repr, names[:most]))
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the most similar name, whatever the case of letters; None if none is similar.

    >>> nearest("speceis", ["Species", "length"])
    'Species'
    """
    import difflib

    by_lower = {n.lower(): n for n in names}
    found = difflib.get_close_matches(name.lower(), by_lower, n=1)
    return by_lower[found[0]] if found else None
