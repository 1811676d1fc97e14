"""What a benchmark leaves behind: a table to read, and a JSON file with every sample and the machine."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "build" / "benchmarks"


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a Markdown table whose columns are aligned; all but the first to the right.

    >>> print(table(["network", "us"], [["digits", 5.9], ["wide", 262]]))
    | network |  us |
    |---------|----:|
    | digits  | 5.9 |
    | wide    | 262 |
    """
    cells = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "| "
        + " | ".join(
            c.rjust(w) if i else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
        )
        + " |"
        for row in cells
    ]
    rule = "|" + "|".join("-" * (w + 1) + (":" if i else "-") for i, w in enumerate(widths)) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def number(value: float) -> str:
    """Return three digits or more, without an exponent.

    >>> number(0.01234), number(5.921), number(42.31), number(1234.5)
    ('0.0123', '5.92', '42.3', '1234')
    """
    for limit, digits in ((0.1, 4), (10, 2), (1000, 1)):
        if abs(value) < limit:
            return f"{value:.{digits}f}"
    return f"{value:.0f}"


def machine() -> dict[str, Any]:
    """Return what the figures depend on beside the software."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": _processor(),
        "processors_usable": usable,
        "system": platform.platform(),
        "python": platform.python_version(),
        "load": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
        "when": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    facts = dict(tuple(map(str.strip, line.split(":", 1))) for line in lines if ":" in line)
    return facts.get("model name", platform.processor())


def write(path: str | Path, content: dict[str, Any]) -> None:
    """Write a file, with the machine first."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"machine": machine(), **content}, indent=1) + "\n")
    print(f"\nEvery sample is in {path}")
