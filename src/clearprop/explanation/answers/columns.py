"""Plain text for a terminal: numbers, columns that stand one under the other, and what a closing line says."""

from __future__ import annotations

import textwrap
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

Row = Sequence[str]


class Printed(ABC):
    """A result that prints as lines of text, of at most 100 columns."""

    @abstractmethod
    def lines(self) -> list[str]:
        """Return the lines."""

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def __repr__(self) -> str:
        return str(self)


def number(value: float, digits: int = 6) -> str:
    """Return a number with so many significant digits.

    >>> number(-0.0123456789), number(0.0), number(12345678.0)
    ('-0.0123457', '0', '1.23457e+07')
    """
    return f"{float(value) + 0.0:.{digits}g}"


def signed(value: float, digits: int = 6, scale: float = 0.0) -> str:
    """Return a number with its sign, whichever it is; zero has none, nor has what is rounding beside a scale.

    >>> signed(0.5), signed(-0.5), signed(0.0), signed(1e-17, scale=1.0)
    ('+0.5', '-0.5', '0', '0')
    """
    return f"{float(value):+.{digits}g}" if abs(value) > 1e-15 * scale or np.isnan(value) else "0"


def percent(part: float, whole: float) -> str:
    """Return what share of the whole a part is; nothing if there is no whole.

    >>> percent(1.0, 8.0), percent(-2.0, 1.0), percent(1.0, 0.0)
    ('12.5 %', '-200.0 %', '')
    """
    return f"{100 * part / whole:.1f} %" if whole and np.isfinite(part / whole) else ""


def others(count: int) -> str:
    """Return how the rows that are not shown are called.

    >>> others(1), others(12)
    ('1 other', '12 others')
    """
    return f"{count} other{'s' * (count != 1)}"


def place(name: str, index: Sequence[int]) -> str:
    """Return the name of an element.

    >>> place("layers.0.weight", (3, 4)), place("scale", ())
    ('layers.0.weight[3, 4]', 'scale')
    """
    return f"{name}[{', '.join(map(str, index))}]" if len(index) else name


def gap(found: float, wanted: float, scale: float) -> float:
    """Return how far apart two numbers are that should be equal, relative to what they are made of.

    >>> gap(1.0, 1.5, 2.0), gap(0.0, 0.0, 0.0)
    (0.25, 0.0)
    """
    difference = abs(float(found) - float(wanted))
    return difference / float(scale) if scale else difference


def columns(rows: Sequence[Row], left: Sequence[int] = (0,)) -> list[str]:
    """Return rows with their cells under one another, on the right side except in the ``left`` columns.

    >>> columns([("name", "value"), ("a", "1.5"), ("bcd", "10")])
    ['name  value', 'a       1.5', 'bcd      10']
    """
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]

    def padded(i: int, cell: str) -> str:
        space = " " * (widths[i] - _width(cell))
        return cell + space if i in left else space + cell

    return ["  ".join(padded(i, cell) for i, cell in enumerate(row)).rstrip() for row in rows]


def wrapped(text: str) -> list[str]:
    """Return a sentence as lines of at most 100 columns, those that follow set in."""
    return textwrap.wrap(text, 100, subsequent_indent="    ", break_long_words=False)


def _width(text: str) -> int:
    return sum(not unicodedata.combining(c) for c in text)
