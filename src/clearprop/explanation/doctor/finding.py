"""A finding: what one rule saw, its figure beside its threshold, and what to do."""

from __future__ import annotations

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

    def __str__(self) -> str:
        if self.severity == UNCHECKED:
            return f"not checked: {self.rule}: {self.verdict}"
        lines = [f"{self.severity.upper()} {self.rule}: {self.verdict}"]
        rows = {"figure": self.measured, "seen": self.evidence, "where": self.where}
        lines += [f"  {name:8} {text}" for name, text in rows.items() if text]
        lines += [f"  {'try' if not i else '':8} {text}" for i, text in enumerate(self.fix)]
        return "\n".join(lines + ([f"  source   {self.source}"] if self.source else []))
