"""A diagnosis: the verdict first, then what was found, then what is healthy and what could not be checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .evidence import Evidence
from .finding import HEALTHY, SICK, UNCHECKED, WATCH, Finding, wrapped
from .rules import RULES


@dataclass(frozen=True)
class Diagnosis:
    """What the doctor found. Prints with the verdict first.

    Attributes
    ----------
    examined : tuple of Finding
        One for each rule, in the order of the rules: causes before what they lead to.
    notes : tuple of str
        On what it rests.
    """

    examined: tuple[Finding, ...]
    notes: tuple[str, ...] = ()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is sick or worth watching, the sick first."""
        return (*self._of(SICK), *self._of(WATCH))

    @property
    def healthy(self) -> bool:
        """Whether nothing is sick."""
        return not self._of(SICK)

    @property
    def verdict(self) -> str:
        """One sentence."""
        sick, watch = self._of(SICK), self._of(WATCH)
        if not (sick or watch):
            return "HEALTHY: no rule found anything"
        first, *rest = self.findings
        more = f", and {len(rest)} more finding{'s' if len(rest) > 1 else ''}" if rest else ""
        return f"{'SICK' if sick else 'WATCH'}: {first.verdict}{more}"

    def __getitem__(self, rule: str) -> Finding:
        return {finding.rule: finding for finding in self.examined}[rule]

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as plain numbers, text, lists and dicts."""
        return {
            "verdict": self.verdict,
            "healthy": self.healthy,
            "examined": [asdict(finding) for finding in self.examined],
            "notes": list(self.notes),
        }

    def _of(self, severity: str) -> Sequence[Finding]:
        return [finding for finding in self.examined if finding.severity == severity]

    def text(self, width: int = 100) -> str:
        """Return all of it in lines of at most so many characters, the verdict first."""
        parts = [wrapped("", self.verdict, width, 2), *(finding.text(width) for finding in self.findings)]
        for title, severity in (("Found healthy", HEALTHY), ("Not checked", UNCHECKED)):
            found = [wrapped(f"  {f.rule:26}", f.verdict, width, 28) for f in self._of(severity)]
            parts += ["\n".join([title, *found])] if found else []
        parts += ["\n".join(wrapped("Note: ", note, width, 6) for note in self.notes)] if self.notes else []
        return "\n\n".join(parts)

    def __str__(self) -> str:
        return self.text()

    __repr__ = __str__


def examine(evidence: Evidence, notes: Sequence[str] = ()) -> Diagnosis:
    """Apply every rule."""
    return Diagnosis(tuple(rule.examine(evidence) for rule in RULES), tuple(notes))
