"""A worksheet: one training step to be done by hand, as text, Markdown or LaTeX, with numbers or with blanks."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.errors import SettingError
from .notation import Blank, Part, Row

FORMATS = ("text", "markdown", "latex")


@dataclass(frozen=True)
class Line:
    """A number asked for: its symbol, formulas in symbols and in numbers, and the answer."""

    asked: Part
    ways: tuple[Part, ...]
    answer: Part

    def sides(self, blank: bool) -> list[Part]:
        """Return what is written, with equals signs between."""
        return [self.asked, *self.ways[:1], Blank()] if blank else [self.asked, *self.ways, self.answer]


@dataclass(frozen=True)
class Step:
    """Numbers of one kind, under a heading, with a sentence that says how to get them."""

    title: str
    says: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, repr=False)
class Worksheet:
    """One training step by hand. Prints as text with all numbers.

    Attributes
    ----------
    title : str
    given : tuple of Row
        What is known, as equations.
    steps : tuple of Step
    note : str
        On rounding.
    """

    title: str
    given: tuple[Row, ...]
    steps: tuple[Step, ...]
    note: str

    def write(self, format: str = "text", *, blanks: bool = False, key: bool = True) -> str:
        """Return the worksheet.

        Parameters
        ----------
        format : {"text", "markdown", "latex"}
            LaTeX is a whole document, which needs amsmath.
        blanks : bool
            Leave the numbers out, with room to write them.
        key : bool
            The numbers; with blanks, they follow the sheet with blanks.

        Raises
        ------
        SettingError
            If there is no such format, or nothing to write.
        """
        if format not in FORMATS:
            raise SettingError(f"worksheet: format {format!r} must be one of {', '.join(FORMATS)}")
        if not blanks and not key:
            raise SettingError("worksheet: without blanks and without the key nothing is left")
        write = {"text": _text, "markdown": _markdown, "latex": _latex}[format]
        parts = [write(self, True)] if blanks else []
        if key:
            parts.append(write(self, False, ": key" if blanks else ""))
        return f"{_BEGIN}{_PAGE.join(parts)}{_END}" if format == "latex" else "\n".join(parts)

    def __str__(self) -> str:
        return self.write()

    __repr__ = __str__


# ---- the three ways of writing


def _text(sheet: Worksheet, blank: bool, more: str = "") -> str:
    title = sheet.title + more
    lines = [title, "=" * len(title), "", "Given", *(f"  {part.text()}" for part in sheet.given), ""]
    for number, step in enumerate(sheet.steps, start=1):
        lines += [f"{number}. {step.title}", f"   {step.says}", ""]
        lines += [f"  {' = '.join(side.text() for side in line.sides(blank))}" for line in step.lines]
        lines.append("")
    return "\n".join([*lines, sheet.note, ""])


def _markdown(sheet: Worksheet, blank: bool, more: str = "") -> str:
    lines = [
        f"# {sheet.title}{more}",
        "",
        "**Given**",
        "",
        *(f"- ${part.latex()}$" for part in sheet.given),
        "",
    ]
    for number, step in enumerate(sheet.steps, start=1):
        lines += [f"## {number}. {step.title}", "", step.says, ""]
        lines += [f"- ${' = '.join(side.latex() for side in line.sides(blank))}$" for line in step.lines]
        lines.append("")
    return "\n".join([*lines, f"*{sheet.note}*", ""])


_BEGIN = r"""\documentclass{article}
\usepackage[utf8]{inputenc}
\usepackage{amsmath}
\usepackage[margin=2cm]{geometry}
\setlength{\parindent}{0pt}
\begin{document}
"""
_END = "\\end{document}\n"
_PAGE = "\\newpage\n"


def _latex(sheet: Worksheet, blank: bool, more: str = "") -> str:
    title = (sheet.title + more).replace("_", r"\_")
    lines = [rf"\section*{{{title}}}", r"\textbf{Given}"]
    lines += [rf"\[ {part.latex()} \]" for part in sheet.given]
    for number, step in enumerate(sheet.steps, start=1):
        lines += [rf"\subsection*{{{number}. {step.title}}}", step.says, r"\begin{align*}"]
        written = [[side.latex() for side in line.sides(blank)] for line in step.lines]
        lines += [
            " \\\\\n".join(f"  {first} &= {' = '.join(rest)}" for first, *rest in written),
            r"\end{align*}",
        ]
    return "\n".join([*lines, rf"\emph{{{sheet.note}}}", ""])
