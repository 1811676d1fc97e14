"""The products of gemm.py, measured in this process, with one number of threads.

python benchmarks/products.py JSON        started by gemm.py
"""

from __future__ import annotations

import ctypes
import json
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from often import Array, Often, aligned, filled
from report import write
from timing import awake, clock, rounds

import clearprop as cp
from clearprop.compile.engine import Native
from clearprop.compile.microkernel import multiply_add
from clearprop.compile.module import Module
from clearprop.compile.target import Target, chosen
from clearprop.compile.text import Function, Value

FLOAT = np.dtype(np.float32)
PEAK_WORK = 1e9  # floating-point operations of one turn of the peak loop in each thread
TURN_WORK = 2e9  # of one turn of a product in each thread, at least: far more than it takes to begin one
DROWSY = 0.005  # seconds in which threads of BLAS fall asleep

Peak = tuple[Callable[[], None], float]


def bind(processors: set[int]) -> None:
    """Keep this thread to some processors, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, processors)


def peak(target: Target, threads: int) -> Peak:
    """Return a function that computes at the peak, and how many operations it does."""
    module, lanes, chains = Module(), target.lanes(4), 12
    f = Function(module, "peak", [("ptr", "to"), ("i64", "rounds")], internal=False)
    half = f.load(Value("%to", "ptr"), FLOAT, lanes)

    def body(_: Value, sums: list[Value]) -> list[Value]:
        return [multiply_add(f, target, half, half, s) for s in sums]

    sums = f.loop(0, Value("%rounds", "i64"), 1, [half] * chains, body)
    for i, s in enumerate(sums):
        f.store(s, f.at(Value("%to", "ptr"), i * lanes, FLOAT), FLOAT)
    f.finish()
    run = Native(module.text(), target).function("peak", ctypes.c_void_p, ctypes.c_int64)
    places = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
    memory = [aligned((chains * lanes,)) for _ in range(threads)]
    count = int(PEAK_WORK / (2 * chains * lanes))

    def one(who: int) -> None:
        bind({places[who % len(places)]})
        run(memory[who].ctypes.data, count)

    def all_threads() -> None:
        others = [threading.Thread(target=one, args=(who,)) for who in range(1, threads)]
        for other in others:
            other.start()
        one(0)
        for other in others:
            other.join()
        bind(set(places))

    return all_threads, 2.0 * count * chains * lanes * threads


def matrix(rows: int, columns: int, order: str) -> Array:
    """Return random numbers, stored as a matrix or as its transpose."""
    stored = (rows, columns) if order == "N" else (columns, rows)
    return filled(np.random.default_rng(rows).standard_normal(stored, np.float32))


def turned(x: Any, order: str) -> Any:
    return x if order == "N" else x.T


def measure(
    shape: tuple[int, int, int], orders: str, threads: int, seconds: float, top: Peak
) -> dict[str, Any]:
    """Return the samples of a product, in operations a second."""
    m, k, n = shape
    a, b, work = matrix(m, k, orders[0]), matrix(k, n, orders[1]), 2.0 * m * k * n
    other = np.empty((m, n), np.float32)
    graph = cp.make_graph(lambda a, b: turned(a, orders[0]) @ turned(b, orders[1]))(a, b)
    program = Often(graph)
    writing = clock(lambda: program.text)
    making = clock(lambda: program.native("often", ctypes.c_void_p, ctypes.c_int64))
    ours, (result,) = program.bound([a, b])
    left, right, count = turned(a, orders[0]), turned(b, orders[1]), max(1, int(threads * TURN_WORK / work))

    def blas() -> None:
        for _ in range(max(1, count // 4)):
            np.matmul(left, right, out=other)

    # of one thread, other programs' turns do not count
    timer = time.thread_time if threads == 1 else time.perf_counter

    def pace(operations: float, function: Callable[..., Any], *args: Any) -> float:
        if threads > 1:
            awake(function, *args)
        return operations / clock(function, *args, timer=timer)

    def theirs() -> float:
        found = pace(max(1, count // 4) * work, blas)
        awake(time.perf_counter, seconds=DROWSY if threads > 1 else 0.0)
        return found

    ours(1)
    samples = rounds(
        {
            "peak": lambda: pace(top[1], top[0]),
            "clearprop": lambda: pace(count * work, ours, count),
            "numpy": theirs,
        },
        least=7,
        seconds=seconds,
    )
    np.testing.assert_allclose(result, other, rtol=1e-3, atol=1e-4 * np.sqrt(k) + 1e-5)
    return {"shape": shape, "orders": orders, "text_s": writing, "code_s": making, "samples": samples}


def main(threads: int, shapes: list[list[int]], orders: list[str], seconds: float, output: str) -> None:
    """Print the table of this number of threads."""
    top, found = peak(chosen(), threads), []
    print(f"{chosen().name}, float32, {threads} thread{'s' * (threads > 1)}")
    print(
        "m x k x n      orders        µs  GFLOP/s  of the peak   NumPy's     peak  ms of text  of code",
        flush=True,
    )
    for m, k, n in shapes:
        for order in orders:
            found.append(measure((m, k, n), order, threads, seconds, top))
            print(row(found[-1]), flush=True)
    middle = sorted(share(facts, "clearprop") for facts in found)
    print(f"share of the peak: median {statistics.median(middle):.1f} %, least {middle[0]:.1f} %")
    content = {"target": chosen().name, "threads": threads, "products": found}
    write(Path(output), content)


def share(facts: dict[str, Any], name: str) -> float:
    """Return the percentage of the peak."""
    samples = facts["samples"]
    return float(100 * statistics.median(samples[name]) / statistics.median(samples["peak"]))


def row(facts: dict[str, Any]) -> str:
    """Return a row of the table."""
    m, k, n = facts["shape"]
    pace, top = (statistics.median(facts["samples"][name]) for name in ("clearprop", "peak"))
    return (
        f"{f'{m}x{k}x{n}':<14} {facts['orders']:>6} {2e6 * m * k * n / pace:9.2f} {pace / 1e9:8.1f} "
        f"{share(facts, 'clearprop'):10.1f} % {share(facts, 'numpy'):7.1f} % {top / 1e9:8.1f} "
        f"{1e3 * facts['text_s']:11.1f} {1e3 * facts['code_s']:8.1f}"
    )


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
