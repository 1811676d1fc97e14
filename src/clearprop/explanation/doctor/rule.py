"""A rule: what it measures, where sickness begins, what helps, who found that out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...core.errors import ClearpropError
from .evidence import Evidence
from .finding import HEALTHY, SICK, UNCHECKED, Finding


@dataclass(frozen=True)
class Seen:
    """What a rule measured.

    Attributes
    ----------
    figure : float
    verdict : str
        The sentence if that is sick.
    fine : str
        The sentence if it is not.
    evidence, where : str
    numbers : dict
    fix : tuple of str
        For this very case; by default the rule's.
    severity : {"sick", "watch"}, optional
        The same.
    """

    figure: float
    verdict: str
    fine: str
    evidence: str = ""
    where: str = ""
    numbers: Mapping[str, Any] = field(default_factory=dict)
    fix: tuple[str, ...] = ()
    severity: str = ""


@dataclass(frozen=True)
class Unseen:
    """Why a rule could not be checked."""

    reason: str


@dataclass(frozen=True)
class Rule:
    """One rule of the doctor.

    Attributes
    ----------
    name : str
    measure : callable
        Of the evidence, to what was seen.
    unit : str
        What the figure is.
    threshold : float
        Where sickness begins.
    source : str
        Where it is from.
    fix : tuple of str
    below : bool
        Whether small figures are sick.
    severity : {"sick", "watch"}
        Of what lies beyond the threshold.
    """

    name: str
    measure: Callable[[Evidence], Seen | Unseen]
    unit: str
    threshold: float
    source: str
    fix: tuple[str, ...]
    below: bool = False
    severity: str = SICK

    def examine(self, evidence: Evidence) -> Finding:
        """Measure, and compare with the threshold."""
        try:
            seen = self.measure(evidence)
        except ClearpropError as error:
            seen = Unseen(str(error).splitlines()[0])
        if isinstance(seen, Unseen):
            return Finding(self.name, UNCHECKED, seen.reason)
        beyond = seen.figure < self.threshold if self.below else seen.figure > self.threshold
        return Finding(
            rule=self.name,
            severity=(seen.severity or self.severity) if beyond else HEALTHY,
            verdict=seen.verdict if beyond else seen.fine,
            where=seen.where,
            figure=float(seen.figure),
            threshold=self.threshold,
            unit=self.unit,
            below=self.below,
            evidence=seen.evidence,
            fix=(seen.fix or self.fix) if beyond else (),
            source=self.source,
            numbers=seen.numbers,
        )
