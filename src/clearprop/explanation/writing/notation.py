"""Mathematical notation: one expression, written as text, as LaTeX or as MathML.

An expression is a tuple of parts. Text, LaTeX and MathML are three ways of writing the same parts, so what one of
them says the others say too.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from . import numbers

MOST = 8
"""A matrix with more rows or columns is abridged."""

_UP = str.maketrans("0123456789+-−TL", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻ᵀᴸ")
_DOWN = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_GREEK = {
    "δ": r"\delta",
    "σ": r"\sigma",
    "φ": r"\varphi",
    "η": r"\eta",
    "∂": r"\partial",
    "∇": r"\nabla",
    "½": r"\tfrac{1}{2}",
    "Σ": r"\sum",
}
_SIGNS = {
    "·": r"\cdot",
    "⊙": r"\odot",
    "−": "-",
    "←": r"\leftarrow",
    "≈": r"\approx",
    "‖": r"\|",
    "∈": r"\in",
    "²": "^{2}",
    "…": r"\ldots",
    "⋯": r"\cdots",
    "⋮": r"\vdots",
    "⋱": r"\ddots",
    " ": r"\;",
}


class Part(Protocol):
    """A part of an expression."""

    def text(self) -> str:
        """Return it as plain text."""

    def latex(self) -> str:
        """Return it in LaTeX."""

    def mathml(self) -> str:
        """Return it in MathML."""


@dataclass(frozen=True)
class Row:
    """Parts one after the other."""

    parts: tuple[Part, ...]

    def text(self) -> str:
        """Return the parts' texts."""
        return "".join(part.text() for part in self.parts)

    def latex(self) -> str:
        """Return the parts, with spaces between them."""
        return " ".join(part.latex() for part in self.parts)

    def mathml(self) -> str:
        """Return an mrow."""
        return f"<mrow>{''.join(part.mathml() for part in self.parts)}</mrow>"


@dataclass(frozen=True)
class Symbol:
    """A letter or a name, with what stands above and below it: w¹₂₁, δᴸ, (W²)ᵀ."""

    base: str
    up: str = ""
    down: str = ""
    prime: bool = False

    def text(self) -> str:
        """Return it in Unicode's raised and lowered digits."""
        down = self.down.translate(_DOWN)
        return f"{self.base}{self.up.translate(_UP)}{down}{'′' if self.prime else ''}"

    def latex(self) -> str:
        """Return it with ^ and _; a name of several letters upright."""
        base = _GREEK.get(self.base)
        if base is None:
            base = self.base if len(self.base) == 1 else rf"\mathrm{{{_escaped(self.base)}}}"
        up = self.up.replace("−", "-")
        return (
            base
            + ("'" if self.prime else "")
            + (f"_{{{self.down}}}" if self.down else "")
            + (f"^{{{up}}}" if up and not self.prime else "")
        )

    def mathml(self) -> str:
        """Return an mi with its scripts."""
        base = f"<mi>{html.escape(self.base)}{'′' if self.prime else ''}</mi>"
        up, down = (f"<mn>{html.escape(s)}</mn>" for s in (self.up, self.down))
        if self.up and self.down:
            return f"<msubsup>{base}{down}{up}</msubsup>"
        if self.up:
            return f"<msup>{base}{up}</msup>"
        return f"<msub>{base}{down}</msub>" if self.down else base


@dataclass(frozen=True)
class Sign:
    """A sign: + − · ⊙ = ( ) and words between formulas. ``around`` puts spaces about it in text."""

    sign: str
    around: bool = True

    def text(self) -> str:
        """Return the sign."""
        return f" {self.sign} " if self.around else self.sign

    def latex(self) -> str:
        """Return the sign's command."""
        return _SIGNS.get(self.sign, self.sign)

    def mathml(self) -> str:
        """Return an mo."""
        return f"<mo>{html.escape(self.sign)}</mo>"


@dataclass(frozen=True)
class Number:
    """A number with so many digits; one below zero is put in brackets if asked."""

    value: Any
    digits: int = 6
    bracketed: bool = False

    def _bracketed(self, inner: str, left: str, right: str) -> str:
        return f"{left}{inner}{right}" if self.bracketed and float(self.value) < 0 else inner

    def text(self) -> str:
        """Return the number."""
        inner = numbers.text(self.value, self.digits)
        return (
            f"({inner})"
            if self.bracketed and ("·" in inner or "/" in inner)
            else self._bracketed(inner, "(", ")")
        )

    def latex(self) -> str:
        """Return the number."""
        return self._bracketed(numbers.latex(self.value, self.digits), r"\left(", r"\right)")

    def mathml(self) -> str:
        """Return the number."""
        inner = numbers.mathml(self.value, self.digits)
        return self._bracketed(inner, "<mrow><mo>(</mo>", "<mo>)</mo></mrow>")


@dataclass(frozen=True)
class Blank:
    """A place for an answer."""

    def text(self) -> str:
        """Return a line to write on."""
        return "________"

    def latex(self) -> str:
        """Return a rule."""
        return r"\underline{\hspace{5em}}"

    def mathml(self) -> str:
        """Return a wide space above a line."""
        return '<munder><mspace width="5em"/><mo>_</mo></munder>'


@dataclass(frozen=True)
class Fraction:
    """One part above another: ∂C/∂W."""

    above: Part
    below: Part

    def text(self) -> str:
        """Return the parts with a slash."""
        return f"{self.above.text()}/{self.below.text()}"

    def latex(self) -> str:
        """Return a frac."""
        return rf"\frac{{{self.above.latex()}}}{{{self.below.latex()}}}"

    def mathml(self) -> str:
        """Return an mfrac."""
        return f"<mfrac>{self.above.mathml()}{self.below.mathml()}</mfrac>"


@dataclass(frozen=True)
class Raised:
    """A part in brackets with a raised mark: (W²)ᵀ."""

    inner: Part
    up: str

    def text(self) -> str:
        """Return the part in brackets."""
        return f"({self.inner.text()}){self.up.translate(_UP)}"

    def latex(self) -> str:
        """Return the part in brackets."""
        return rf"\left({self.inner.latex()}\right)^{{{self.up}}}"

    def mathml(self) -> str:
        """Return an msup."""
        return f"<msup><mrow><mo>(</mo>{self.inner.mathml()}<mo>)</mo></mrow><mi>{self.up}</mi></msup>"


@dataclass(frozen=True, eq=False)
class Matrix:
    """Numbers in rows and columns; one that is large is abridged with dots."""

    value: np.ndarray[Any, Any]
    digits: int = 6
    up: str = ""

    def cells(self) -> list[list[Part]]:
        """Return the entries that are shown."""
        rows, columns = (_places(n) for n in self.value.shape)
        return [
            [
                Number(self.value[i, j], self.digits)
                if i is not None and j is not None
                else Sign("⋱" if i is j is None else "⋮" if i is None else "⋯", around=False)
                for j in columns
            ]
            for i in rows
        ]

    def text(self) -> str:
        """Return rows in brackets, separated by semicolons."""
        rows = ("  ".join(cell.text() for cell in row) for row in self.cells())
        return f"[{';  '.join(rows)}]{self.up.translate(_UP)}"

    def latex(self) -> str:
        """Return a bmatrix."""
        rows = r" \\ ".join(" & ".join(cell.latex() for cell in row) for row in self.cells())
        body = rf"\begin{{bmatrix}} {rows} \end{{bmatrix}}"
        return body + (f"^{{{self.up}}}" if self.up else "")

    def mathml(self) -> str:
        """Return an mtable in brackets."""
        rows = "".join(
            f"<mtr>{''.join(f'<mtd>{cell.mathml()}</mtd>' for cell in row)}</mtr>" for row in self.cells()
        )
        body = f"<mrow><mo>[</mo><mtable>{rows}</mtable><mo>]</mo></mrow>"
        return f"<msup>{body}<mi>{self.up}</mi></msup>" if self.up else body


def _places(n: int) -> Sequence[int | None]:
    """Return the indices shown of n; None stands for those left out."""
    return range(n) if n <= MOST else [*range(MOST - 2), None, n - 1]


def row(*parts: Part | str | None) -> Row:
    """Return parts as one; a string is a sign, and None is left out."""
    return Row(tuple(Sign(p) if isinstance(p, str) else p for p in parts if p is not None))


def partial(of: str, by: Part) -> Fraction:
    """Return ∂C/∂W."""
    return Fraction(Row((Symbol("∂"), Symbol(of))), Row((Symbol("∂"), by)))


def _escaped(name: str) -> str:
    return name.replace("_", r"\_").replace("ŷ", r"\hat{y}")
