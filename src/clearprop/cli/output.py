"""What the commands print: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..explanation.writing.sheet import Sheet


def _print(text: Text | Table | Sheet, stderr: bool) -> None:
    """Print; text on a terminal is wrapped between words, and elsewhere stays on its line."""
    console = Console(stderr=stderr, highlight=False)
    console.print(text, soft_wrap=isinstance(text, Text) and not console.is_terminal)


def width(most: int = 100) -> int:
    """Return how many characters a line may have: those of the terminal, but not so many that reading tires."""
    return min(Console().width, most)


def fail(message: str) -> None:
    """Print an error on standard error."""
    _print(Text.assemble(("error: ", "bold red"), message), stderr=True)


@dataclass(frozen=True)
class Output:
    """Where a command says things.

    Attributes
    ----------
    as_json : bool
        Print one JSON document in place of tables.
    quiet : bool
        Print no notes, progress or tables.
    """

    as_json: bool = False
    quiet: bool = False

    def note(self, text: str) -> None:
        """Print a remark on standard error."""
        if not self.quiet:
            _print(Text(text, "dim"), stderr=True)

    def document(self, facts: Mapping[str, Any]) -> None:
        """Print the results as JSON on standard output, if that is wanted."""
        if self.as_json:
            print(json.dumps(finite(facts), indent=2, ensure_ascii=False))  # noqa: T201  # the result itself

    def show(self, *parts: Text | Table | Sheet) -> None:
        """Print results for people on standard output, unless JSON or nothing is wanted."""
        if not (self.as_json or self.quiet):
            for part in parts:
                _print(part, stderr=False)


def finite(value: Any) -> Any:
    """Return a value as JSON can hold it: numbers that are not finite become null.

    >>> finite({"a": (1.0, float("nan"))})
    {'a': [1.0, None]}
    """
    if isinstance(value, Mapping):
        return {str(k): finite(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return finite(value.tolist())
    if isinstance(value, (list, tuple)):
        return [finite(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def figures(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Return a table of figures: names on the left, numbers flush right."""
    table = Table(
        box=box.SIMPLE_HEAD,
        header_style="bold",
        pad_edge=False,
    )
    for place, header in enumerate(headers):
        table.add_column(header, justify="right" if place else "left", no_wrap=bool(place))
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def places(pairs: Mapping[str, str]) -> Text:
    """Return names and what they stand for, one a line, the latter flush left."""
    width = max(map(len, pairs))
    lines = [Text.assemble((f" {name:{width}}  ", "dim"), value) for name, value in pairs.items()]
    return Text("\n").join([*lines, Text("")])


def percent(share: float) -> str:
    """Return a share in percent.

    >>> percent(0.9777)
    '97.8 %'
    """
    return f"{100 * share:.1f} %"


def number(value: float) -> str:
    """Return a number with four significant digits, large ones with separated thousands.

    >>> number(0.081234), number(206855.8), number(float("nan"))
    ('0.08123', '206,856', 'nan')
    """
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e12 else f"{value:.4g}"
