"""One contestant in a process of its own: commands come in as lines of JSON, answers go out as such.

python benchmarks/worker.py NAME THREADS        started by contest.py
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from workloads import Task, load


class Desk:
    """What a contestant can be asked."""

    def __init__(self, entry: Any, threads: int) -> None:
        self.entry, self.threads = entry, threads
        self.now: Any = None
        self.task: Task | None = None
        self.checked = 0

    def build(self, folder: str, checked: int) -> dict[str, Any]:
        """Take a task, do its first steps; say their mean loss, and the seconds with all that comes first."""
        self.now = self.task = None
        task = load(Path(folder))
        if reason := self.entry.refusal(task.workload):
            return {"refused": reason}
        begin = time.perf_counter()
        now = self.entry(task, self.threads)
        recorded = now.run(task.order[:checked])
        seconds = time.perf_counter() - begin
        self.now, self.task, self.checked = now, task, checked
        losses = now.losses(recorded)
        return {"loss": float(losses.mean()), "last": float(losses[-1]), "seconds": seconds}

    def turn(self, steps: int) -> dict[str, Any]:
        """Do the first steps of the order; say the seconds and how many they were.

        Before, do a few: threads that slept start on one processor, and the system spreads them only then.
        """
        assert self.task is not None
        order = self.task.order[:steps]
        self.now.run(order[: self.checked])  # a length for which a library has compiled
        begin = time.perf_counter()
        self.now.run(order)
        return {"seconds": time.perf_counter() - begin, "steps": len(order)}

    def drop(self) -> dict[str, Any]:
        """Forget the task."""
        self.now = self.task = None
        return {}


def confine(threads: int) -> None:
    """Keep to as many processors as threads: some libraries ask the system alone."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])


def version(package: str) -> str:
    """Return the version of a distribution, or of a package that is imported from its source."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return str(getattr(sys.modules.get(package), "__version__", "?"))


def main(name: str, threads: int) -> None:
    """Answer until there are no more commands."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer

    def answer(content: dict[str, Any]) -> None:
        answers.write(json.dumps(content) + "\n")
        answers.flush()

    confine(threads)
    try:
        entry = importlib.import_module(f"contestants.{name}").Entry
    except ImportError as error:
        answer({"missing": str(error)})
        return
    answer({"versions": {package: version(package) for package in entry.packages}})
    desk = Desk(entry, threads)
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer(getattr(desk, command.pop("do"))(**command))
        except Exception as error:
            answer({"failed": f"{type(error).__name__}: {error}"})


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
