"""What another program's work on one processor costs: quiet, hogged, and one thread alone.

    python benchmarks/hog.py [--only digits,mnist] [--threads 2]

The hog counts in a process of its own on one of the processors; it is stopped while it is not its turn.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from contestants.clearprop import Entry
from report import FOLDER, number, table, write
from timing import awake, clock, rounds
from workloads import WORKLOADS, Task, Workload, make

import clearprop as cp

USUAL = "digits,book,mnist,deeper"
STEPS = 5000
HOG = "while True: pass"
SETTLED = 0.01  # seconds after which the hog is at work


@contextmanager
def stopped_hog() -> Iterator[subprocess.Popen[bytes]]:
    """Start a process that computes for nothing, on the last processor, and stop it."""
    hog = subprocess.Popen([sys.executable, "-c", HOG])
    try:
        os.sched_setaffinity(hog.pid, {max(os.sched_getaffinity(0))})
        hog.send_signal(signal.SIGSTOP)
        yield hog
    finally:
        hog.kill()
        hog.wait()


def states(
    task: Task, hog: subprocess.Popen[bytes], threads: int, turn: float
) -> dict[str, Callable[[], float]]:
    """Return what measures microseconds a step in each state."""
    entry = Entry(task, threads)
    entry.run(task.order[:2])
    each = clock(entry.run, task.order[:10]) / 10
    order = task.order[: max(1, min(int(turn / each), STEPS))]

    def measured(count: int) -> float:
        cp.set_threads(count)
        awake(entry.run, task.order[:10])
        return clock(entry.run, order) / len(order) * 1e6

    def hogged() -> float:
        hog.send_signal(signal.SIGCONT)
        try:
            time.sleep(SETTLED)
            return measured(threads)
        finally:
            hog.send_signal(signal.SIGSTOP)

    return {"quiet": lambda: measured(threads), "hogged": hogged, "alone": lambda: measured(1)}


def small(workload: Workload) -> Workload:
    """Return it with fewer rows, which change nothing here."""
    return replace(workload, rows=min(workload.rows, 10_000))


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    about = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=about)
    parser.add_argument("--only", default=USUAL, help=f"of {', '.join(WORKLOADS)}")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--turn", type=float, default=0.15, help="seconds of a turn, about")
    parser.add_argument("--rounds", type=int, default=9, help="at least")
    parser.add_argument("--output", type=Path, default=FOLDER / "hog.json")
    given = parser.parse_args(arguments)
    if not hasattr(os, "sched_setaffinity"):
        raise SystemExit("this system cannot bind a process to a processor")
    samples = {}
    with stopped_hog() as hog:
        for name in given.only.split(","):
            turns = states(make(small(WORKLOADS[name]), STEPS), hog, given.threads, given.turn)
            samples[name] = rounds(turns, least=given.rounds)
    rows = []
    for name, found in samples.items():
        quiet, hogged, alone = (statistics.median(found[s]) for s in ("quiet", "hogged", "alone"))
        times = [number(x) for x in (quiet, hogged, alone)]
        rows.append([name, *times, f"{hogged / quiet:.2f}", f"{hogged / alone:.2f}"])
    two = f"{given.threads} threads"
    head = [
        "µs a step",
        f"{two}, quiet",
        f"{two}, hogged",
        "1 thread, quiet",
        "hogged / quiet",
        "hogged / 1 thread",
    ]
    print(table(head, rows))
    write(given.output, {"threads": given.threads, "microseconds_a_step": samples})


if __name__ == "__main__":
    main()
