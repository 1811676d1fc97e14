"""Formulas under headings, in three ways of writing: text, LaTeX and MathML."""

from __future__ import annotations

import html
from dataclasses import dataclass

from .notation import Part


@dataclass(frozen=True)
class Equation:
    """Expressions that are equal: symbols, the same in numbers, the result."""

    sides: tuple[Part, ...]


@dataclass(frozen=True)
class Section:
    """Equations under a heading."""

    title: str
    equations: tuple[Equation, ...]


@dataclass(frozen=True, repr=False)
class Formulas:
    """The formulas of a pass, in three ways of writing.

    Attributes
    ----------
    notes : tuple of str
        How to read them.
    sections : tuple of Section
    """

    notes: tuple[str, ...]
    sections: tuple[Section, ...]

    def __str__(self) -> str:
        lines = [*self.notes]
        for section in self.sections:
            lines += ["", section.title]
            lines += [f"  {' = '.join(s.text() for s in equation.sides)}" for equation in section.equations]
        return "\n".join(lines)

    __repr__ = __str__

    def latex(self) -> str:
        """Return the formulas in LaTeX with amsmath, an ``align*`` for each section."""
        lines = [f"% {note}" for note in self.notes]
        for section in self.sections:
            lines += [rf"\paragraph{{{_plain(section.title)}}}", r"\begin{align*}"]
            written = []
            for equation in section.equations:
                first, *rest = (side.latex() for side in equation.sides)
                written.append(f"  {first} &= " + " \\\\\n    &= ".join(_lines(rest)))
            lines += [" \\\\\n".join(written), r"\end{align*}"]
        return "\n".join(lines)

    def mathml(self) -> str:
        """Return the formulas as one ``div`` of MathML, well-formed XML that browsers show as it is."""
        lines = ['<div class="clearprop">', *(f"<p>{html.escape(note)}</p>" for note in self.notes)]
        for section in self.sections:
            lines.append(f"<h4>{html.escape(section.title)}</h4>")
            for equation in section.equations:
                body = "<mo>=</mo>".join(side.mathml() for side in equation.sides)
                lines.append(
                    f'<math xmlns="http://www.w3.org/1998/Math/MathML" display="block"><mrow>{body}</mrow></math>'
                )
        return "\n".join([*lines, "</div>"])

    _repr_html_ = mathml


def _lines(sides: list[str]) -> list[str]:
    """Join sides that fit on one line."""
    lines = [sides[0]]
    for side in sides[1:]:
        if len(lines[-1]) + len(side) < 90:
            lines[-1] += f" = {side}"
        else:
            lines.append(side)
    return lines


def _plain(title: str) -> str:
    return title.replace("_", r"\_")
