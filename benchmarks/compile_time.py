"""How long it takes until a network's training step is machine code: made anew, and from the cache.

    python benchmarks/compile_time.py [--only digits,twelve]

Recording, differentiating, simplifying and scheduling count in both, and so does bringing the code into memory; each
sample is of a fresh process. clearprop and LLVM are loaded before, in the time that stands beside it. Another one is
what the first step takes beyond a later one: the system hands out memory then, and threads start, which have code of
their own to be made or found.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from report import FOLDER, table, write
from timing import clock, rounds
from workloads import WORKLOADS, Workload, make

TWELVE = Workload(
    "twelve",
    (100, 90, 112, 75, 130, 64, 150, 50, 170, 40, 190, 30, 10),  # twelve layers, no two alike
    "relu",
    "cross_entropy",
    "adam",
    1e-3,
    32,
    1000,
)
KNOWN = {**WORKLOADS, TWELVE.name: TWELVE}


def load() -> Any:
    """Import what makes the code."""
    import llvmlite.binding
    from contestants import clearprop

    llvmlite.binding.initialize_native_target()
    return clearprop


def sample(name: str, threads: int) -> dict[str, float]:
    """Return the seconds of loading, of a step's code, of recording in it, and of steps, in this fresh process."""
    workload = KNOWN[name]
    task = make(replace(workload, rows=workload.batch), 1)
    loading = clock(load)
    entry = load().Entry(task, threads)
    recording, graph = [], entry.steps.graph

    def recorded(size: int) -> Any:
        found: list[Any] = []
        recording.append(clock(lambda: found.append(graph(size))))
        return found[0]

    entry.steps.graph = recorded
    compiling = clock(lambda: entry.steps.prepare([workload.batch]))
    first = clock(entry.run, task.order)
    later = statistics.median(clock(entry.run, task.order) for _ in range(5))
    parts = {"loading": loading, "compiling": compiling, "recording": sum(recording)}
    return {**parts, "first": first - later, "step": later}


def fresh(name: str, threads: int, cache: str) -> dict[str, float]:
    """Return a sample of a new process."""
    command = [sys.executable, __file__, "--sample", name, "--threads", str(threads)]
    environment = {**os.environ, "CLEARPROP_CACHE": cache, "OPENBLAS_NUM_THREADS": "1"}
    found = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    facts: dict[str, float] = json.loads(found.stdout)
    return facts


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    about = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=about)
    parser.add_argument("--only", default=",".join(KNOWN), help=f"of {', '.join(KNOWN)}")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=FOLDER / "compile_time.json")
    parser.add_argument("--sample", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.sample:
        print(json.dumps(sample(given.sample, given.threads)))
        return
    names = given.only.split(",")
    with tempfile.TemporaryDirectory() as cache:
        for name in names:
            fresh(name, given.threads, cache)  # fills it
        turns = {
            (name, place): lambda n=name, p=place: fresh(n, given.threads, p)
            for name in names
            for place in ("off", cache)
        }
        labels = {f"{n}, {'cold' if p == 'off' else 'cached'}": turn for (n, p), turn in turns.items()}
        samples = rounds(labels, least=given.rounds)
    rows = []
    for name, found in samples.items():
        parts = {k: 1e3 * statistics.median(s[k] for s in found) for k in found[0]}
        rows.append([name, *(f"{parts[k]:.1f}" for k in ("compiling", "recording", "loading", "first"))])
    columns = ["to machine code", "recording in it", "loading before", "first step beyond a later one"]
    print(table(["ms, medians of fresh processes", *columns], rows))
    write(given.output, {"threads": given.threads, "seconds": samples})


if __name__ == "__main__":
    main()
