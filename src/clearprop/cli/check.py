"""``clearprop check``: compare the derivatives of all operations with finite differences on this machine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Any, TypeAlias

import typer
from rich.text import Text

from .checks import TOLERANCE, Result, run_checks
from .exits import FAILED, FINE
from .output import Output, fail, figures

AsJson: TypeAlias = Annotated[bool, typer.Option("--json", metavar="", help="Print the results as JSON.")]
Quiet: TypeAlias = Annotated[bool, typer.Option("--quiet", metavar="", help="Print errors only.")]


def check(as_json: AsJson = False, quiet: Quiet = False) -> int:
    """Check the derivatives of all operations on this machine.

    Each operation's derivative is taken forwards, backwards and twice, and compared with finite differences
    in double precision. The exit code is 1 if one disagrees.
    """
    out, start = Output(as_json, quiet), time.perf_counter()
    results = list(run_checks())
    seconds = time.perf_counter() - start
    bad = [r for r in results if not r.passed]
    for result in bad:
        fail(_what_is_wrong(result))
    out.document(
        {
            "passed": not bad,
            "operations": len(results),
            "checks": _checks(results),
            "worst_relative_error": max(r.worst for r in results),
            "tolerance": TOLERANCE,
            "seconds": round(seconds, 3),
            "results": [_facts(r) for r in results],
        }
    )
    verdict = Text("all derivatives are right", "green") if not bad else Text(f"{len(bad)} wrong", "bold red")
    out.show(_table(results, seconds), Text(" ").append(verdict).append("\n"))
    return FAILED if bad else FINE


def _what_is_wrong(result: Result) -> str:
    if result.problem:
        return f"{result.name}: {result.problem}"
    return f"{result.name}: " + ", ".join(
        f"the {way} derivative is off by {error:.2g} (tolerance {TOLERANCE:g})"
        for way, error in result.errors.items()
        if not error <= TOLERANCE
    )


def _facts(result: Result) -> dict[str, Any]:
    return {
        "name": result.name,
        "kind": result.kind,
        "passed": result.passed,
        "errors": result.errors,
        "problem": result.problem or None,
        "seconds": round(result.seconds, 4),
    }


def _checks(results: Sequence[Result]) -> int:
    return sum(len(r.errors) for r in results)


def _table(results: Sequence[Result], seconds: float) -> Any:
    kinds = sorted({r.kind for r in results}, key=[r.kind for r in results].count, reverse=True)
    groups = {kind: [r for r in results if r.kind == kind] for kind in kinds} | {"all": results}

    def line(name: str, group: Sequence[Result], took: float) -> list[str]:
        worst = max(group, key=lambda r: r.worst)
        return [name, str(len(group)), str(_checks(group)), f"{worst.worst:.1e}", worst.name, f"{took:.2f} s"]

    lines = [line(name, group, sum(r.seconds for r in group)) for name, group in groups.items()]
    return figures(["derivative", "operations", "checks", "largest error", "in", "time"], lines)
