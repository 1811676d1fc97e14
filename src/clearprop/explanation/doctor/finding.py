"""A finding: what one rule saw, its figure beside its threshold, and what to do."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SICK, WATCH, HEALTHY, UNCHECKED = "sick", "watch", "healthy", "not checked"


@dataclass(frozen=True)
class Finding:
    """What one rule saw.

    Attributes
    ----------
    rule : str
        Its name: ``"dead units"``.
    severity : {"sick", "watch", "healthy", "not checked"}
    verdict : str
        One sentence.
    where : str
        Layers, units, columns or classes; "" for the network as a whole.
    figure, threshold : float
        What was measured and where sickness begins.
    unit : str
        What the figure is.
    below : bool
        Whether small figures are the sick ones.
    evidence : str
        The figures behind it, in words.
    fix : tuple of str
        What to try, the first thing first.
    source : str
        Where rule and threshold are from.
    numbers : dict
        The evidence, for programs.
    """

    rule: str
    severity: str
    verdict: str
    where: str = ""
    figure: float = float("nan")
    threshold: float = float("nan")
    unit: str = ""
    below: bool = False
    evidence: str = ""
    fix: tuple[str, ...] = ()
    source: str = ""
    numbers: Mapping[str, Any] = field(default_factory=dict)

    @property
    def measured(self) -> str:
        """The figure beside its threshold, in words.

        >>> Finding("dead units", "sick", "", figure=0.5, threshold=0.4, unit="of a layer's units").measured
        "0.5 of a layer's units; sick above 0.4"
        """
        side = "below" if self.below else "above"
        return f"{self.figure:.3g} {self.unit}; {self.severity_word} {side} {self.threshold:g}"

    @property
    def severity_word(self) -> str:
        """What lies beyond the threshold."""
        return WATCH if self.severity == WATCH else SICK

    def text(self, width: int = 100) -> str:
        """Return all of it in lines of at most so many characters, the verdict first."""
        if self.severity == UNCHECKED:
            return wrapped(f"NOT CHECKED {self.rule}: ", self.verdict, width, 2)
        rows = {"figure": self.measured, "seen": self.evidence, "where": self.where}
        rows |= {"try" if not i else f"{'':{i}}": text for i, text in enumerate(self.fix)}
        rows["source"] = self.source
        lines = [wrapped(f"{self.severity.upper()} {self.rule}: ", self.verdict, width, 2)]
        lines += [wrapped(f"  {name:8} ", text, width, 11) for name, text in rows.items() if text]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.text()


def wrapped(head: str, text: str, width: int, indent: int) -> str:
    """Return a text behind its head, later lines indented.

    >>> print(wrapped("  try   ", "a smaller rate", 16, 8))
      try   a
            smaller
            rate
    """
    return textwrap.fill(head + text, width, subsequent_indent=" " * indent, break_on_hyphens=False)
