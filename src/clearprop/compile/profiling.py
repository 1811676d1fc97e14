"""Where the time of compiled code goes: kernel by kernel, beside what this machine can do at most."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.frozen import frozen
from ..core.lowering import Contract
from .claiming import supported
from .contents import brings, contents, flops, kind, moved, shapes
from .kernels import Apply, Kernel, Special
from .peaks import Peaks, peaks
from .threads import get_threads
from .timed import Timed

ROUNDS = 20  # each gives a mean; the medians count, so that a disturbed round does not
FEWEST = 3  # of long runs
WIDTH = 32  # of what is printed of a name


@frozen
class Row:
    """A kernel's share of a run.

    Attributes
    ----------
    name : str
        The operations that it computes.
    kind : str
        "loop", "strips", "product", "gather", ...; "rows" of kernels that go row by row together, "abreast" of
        kernels of which none waits for another.
    shape : tuple of int
        Of its index space; of a product m, n and k, after the axes of a batch.
    threads : int
        That may work on it.
    time : float
        Microseconds.
    share : float
        Of the time of all kernels.
    gflops, peak_share : float
        GFLOP/s, and what part that is of the peak of so many threads.
    gbps, memory_share : float
        GB/s, and what part that is of the memory's bandwidth; above 1 where arrays stay in caches.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    threads: int
    time: float
    share: float
    gflops: float
    peak_share: float
    gbps: float
    memory_share: float


@frozen
class Profile:
    """Where the time of a run goes; prints as a table.

    Attributes
    ----------
    rows : tuple of Row
        In the order in which they run.
    around : float
        Microseconds of a run that are in no kernel: the call from Python, or the gathering of the mini-batch.
    runs : int
        How many were measured.
    peaks : tuple of Peaks
        Of one thread, and of as many as computed, if more.
    """

    rows: tuple[Row, ...]
    around: float
    runs: int
    peaks: tuple[Peaks, ...]

    @property
    def time(self) -> float:
        """Microseconds of a run, with what is around its kernels."""
        return self.around + sum(row.time for row in self.rows)

    def __str__(self) -> str:
        head = (
            "kernel",
            "computes",
            "shape",
            "threads",
            "µs",
            "share",
            "GFLOP/s",
            "of peak",
            "GB/s",
            "of memory",
        )
        lines = [_cells(number, row) for number, row in enumerate(self.rows)]
        lines.append(("", "around the kernels", "", "", f"{self.around:.2f}", *[""] * 5))
        widths = [max(map(len, column)) for column in zip(head, *lines, strict=True)]
        text = [_aligned(line, widths) for line in (head, *lines)]
        return "\n".join([f"{self.time:.1f} µs a run, {self.runs:,} runs", *text, *map(_peaks, self.peaks)])

    __repr__ = __str__


def _cells(number: int, row: Row) -> tuple[str, ...]:
    name = row.name if row.name == row.kind else f"{row.kind}: {row.name}"
    rates = (f"{row.gflops:.1f}", f"{row.peak_share:.0%}") if row.gflops else ("", "")
    return (
        str(number),
        name if len(name) <= WIDTH else name[: WIDTH - 3] + "...",
        "×".join(map(str, row.shape)) or "1",
        str(row.threads),
        f"{row.time:.2f}",
        f"{row.share:.0%}",
        *rates,
        f"{row.gbps:.1f}",
        f"{row.memory_share:.0%}",
    )


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (
        c.ljust(w) if 0 < i < 3 else c.rjust(w) for i, (c, w) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join(padded).rstrip()


def _peaks(found: Peaks) -> str:
    threads = "1 thread" if found.threads == 1 else f"{found.threads} threads"
    return (
        f"peaks of {threads}: {found.float32:.0f} GFLOP/s in float32, {found.float64:.0f} in float64; "
        f"memory {found.memory:.1f} GB/s"
    )


def profiled(program: Timed, run: Callable[[int], Any], seconds: float) -> Profile:
    """Measure a program for about so long: ``run(times)`` runs it."""
    run(1)
    begun = time.perf_counter()
    run(1)
    expected = time.perf_counter() - begun
    rounds = max(FEWEST, min(ROUNDS, int(seconds / max(expected, 1e-9))))
    times = max(1, round(seconds / rounds / max(expected, 1e-9)))
    (_, first), start = program.ticks(), time.perf_counter()
    found, around = [], []
    for _ in range(rounds):
        begun = time.perf_counter()
        run(times)
        wall = time.perf_counter() - begun
        passed, now = program.ticks()
        found.append(passed)
        around.append(wall - (time.perf_counter() - start) / (now - first) * float(passed.sum()))
    tick = (time.perf_counter() - start) / (now - first) * 1e6
    each = np.median(found, axis=0) * tick / times
    team = get_threads() if supported() else 1
    known = {n: peaks(n) for n in sorted({1, team})}
    program.module  # noqa: B018  # which kernels are shared out is known when it is written
    rows = [
        _row(program, number, kernel, float(each[number]), float(each.sum()), known, team)
        for number, kernel in enumerate(program.schedule.kernels)
    ]
    rest = max(0.0, float(np.median(around)) / times * 1e6)
    return Profile(tuple(rows), rest, rounds * times, tuple(known.values()))


def _row(
    program: Timed, number: int, kernel: Kernel, time: float, total: float, known: dict[int, Peaks], team: int
) -> Row:
    threads = team if program.shared[number] else 1
    best, long = known[threads], max(time, 1e-3)
    gflops, gbps = flops(kernel) / long / 1e3, moved(kernel) / long / 1e3
    peak = best.flops(_itemsize(kernel))
    return Row(
        _name(program, kernel),
        kind(kernel),
        _shape(kernel),
        threads,
        time,
        time / total if total else 0.0,
        gflops,
        gflops / peak,
        gbps,
        gbps / best.memory,
    )


def _name(program: Timed, kernel: Kernel) -> str:
    """Return the names of the operations that a kernel computes."""
    names = []
    for part in contents(kernel):
        eqn = program.schedule.origins.get(part)
        if eqn is not None:
            names.append("copy" if brings(part, eqn) else eqn.primitive.name)
        elif isinstance(part, Apply):
            names.append(part.function)
    return ", ".join(dict.fromkeys(names)) or "copy"


def _shape(kernel: Kernel) -> tuple[int, ...]:
    result = shapes(kernel)[0]
    if isinstance(kernel, Special) and isinstance(kernel.lowering, Contract):
        return (*result, kernel.inputs[0].layout.shape[-1])
    return result


def _itemsize(kernel: Kernel) -> int:
    """Return the size of the widest floats that a kernel reads or writes."""
    dtypes = [b.type.dtype for b in (*kernel.reads(), *kernel.writes())]
    return max((d.itemsize for d in dtypes if d.kind == "f"), default=4)
