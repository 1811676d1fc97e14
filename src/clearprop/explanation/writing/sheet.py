"""A sheet: titled tables of numbers, the same for a terminal and for a notebook."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_CELL = "padding:2px 10px;border-bottom:1px solid #ccc"


@dataclass(frozen=True)
class Grid:
    """One table: names on the left, numbers flush right.

    Attributes
    ----------
    title : str
        What the numbers are, in words; may be empty.
    header : tuple of str
    rows : tuple of tuple of str
    names : int
        How many columns at the left name the row.
    rest : str
        What was left out, in words; "" if nothing.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    names: int = 1
    rest: str = ""


@dataclass(frozen=True)
class Part:
    """A heading with tables beneath: a layer, or the loss."""

    title: str
    grids: tuple[Grid, ...]


@dataclass(frozen=True, repr=False)
class Sheet:
    """Tables of numbers under headings. Prints in a terminal as wide as that is; in a notebook it is HTML.

    Attributes
    ----------
    title : str
    parts : tuple of Part
    """

    title: str
    parts: tuple[Part, ...]

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Any]:
        """Yield what rich prints."""
        from rich import box
        from rich.table import Table
        from rich.text import Text

        yield Text(self.title, "bold")
        for part in self.parts:
            yield Text("")
            yield Text(part.title, "bold")
            for grid in part.grids:
                if grid.title:
                    yield Text(f"  {grid.title}", "dim")
                table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
                for place, name in enumerate(grid.header):
                    named = place < grid.names
                    widest = max(len(name), *(len(row[place]) for row in grid.rows), 0)
                    table.add_column(
                        Text(name),
                        justify="left" if named else "right",
                        style="cyan" if named else "",
                        no_wrap=True,
                        min_width=widest,  # half a number is worse than a long line
                    )
                for row in grid.rows:
                    table.add_row(*map(Text, row))
                yield table
                if grid.rest:
                    yield Text(f"  {grid.rest}", "dim")

    def text(self, width: int | None = None) -> str:
        """Return the sheet as plain text, of at most so many columns; by default those of the terminal."""
        from rich.console import Console

        console = Console(width=width, color_system=None, highlight=False)
        with console.capture() as captured:
            console.print(self)
        lines = [line.rstrip() for line in captured.get().splitlines()]
        return "\n".join(_single_spaced(lines))

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return self.text()

    def html(self) -> str:
        """Return the sheet as static HTML: no script, everything escaped."""
        lines = ['<div class="clearprop">', f"<h3>{html.escape(self.title)}</h3>"]
        for part in self.parts:
            lines.append(f"<h4>{html.escape(part.title)}</h4>")
            for grid in part.grids:
                lines += _table(grid)
        return "\n".join([*lines, "</div>"])

    _repr_html_ = html


def _single_spaced(lines: list[str]) -> Iterator[str]:
    """Yield the lines without blank ones that follow a blank one, or that end the text."""
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if line or following:
            yield line


def _table(grid: Grid) -> Iterator[str]:
    number = f' style="{_CELL};text-align:right;font-variant-numeric:tabular-nums"'
    yield '<table style="border-collapse:collapse;margin-bottom:1em">'
    if grid.title:
        yield f'<caption style="text-align:left">{html.escape(grid.title)}</caption>'
    header = "".join(f'<th scope="col"{number}>{html.escape(name)}</th>' for name in grid.header)
    yield f"<thead><tr>{header}</tr></thead>"
    yield "<tbody>"
    for row in grid.rows:
        cells = [
            f'<th scope="row" style="{_CELL}">{html.escape(cell)}</th>'
            if place < grid.names
            else f"<td{number}>{html.escape(cell)}</td>"
            for place, cell in enumerate(row)
        ]
        yield f"<tr>{''.join(cells)}</tr>"
    yield "</tbody></table>"
    if grid.rest:
        yield f"<p>{html.escape(grid.rest)}</p>"
