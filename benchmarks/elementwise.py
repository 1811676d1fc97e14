"""Elementwise work: ns an element in the cache, and beyond it the share of the memory's pace.

    python benchmarks/elementwise.py [--threads 1,2] [--elements 16777216]

In the cache: 4096 float32, one thread, without Python. Beyond: calls of `jit` on arrays of 64 MiB each, against that of
the triad a = b + 3c, in turn by the same threads. Bytes are those of the arrays read and written, nothing else.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from often import filled, often
from report import FOLDER, number, table, write
from timing import awake, clock, rounds

import clearprop as cp

IN_CACHE, TURN = 4096, 2e7  # elements, and of one turn
FUNCTIONS: dict[str, tuple[Callable[[Any], Any], float, float]] = {  # and the range of their arguments
    "exp": (np.exp, -10, 10),
    "log": (np.log, 0.01, 10),
    "tanh": (np.tanh, -4, 4),
    "sigmoid": (cp.sigmoid, -8, 8),
    "erf": (cp.erf, -3, 3),
    "sqrt": (np.sqrt, 0.01, 10),
    "gelu": (cp.gelu, -4, 4),
    "multiply": (lambda x: x * 3, -1, 1),
}


def adam(p: Any, g: Any, m: Any, s: Any) -> Any:
    m, s = 0.9 * m + 0.1 * g, 0.999 * s + 0.001 * g * g
    return p - 1e-3 * m / (np.sqrt(s) + 1e-8), m, s


def momentum(p: Any, g: Any, v: Any) -> Any:
    v = 0.9 * v + g
    return p - 0.01 * v, v


CHAINS: dict[str, Callable[..., Any]] = {
    "triad": lambda b, c: b + 3 * c,
    "2x": lambda x: 2 * x,
    "relu(x + y) z": lambda x, y, z: cp.relu(x + y) * z,
    "tanh(xy) + z": lambda x, y, z: np.tanh(x * y) + z,
    "sigmoid(x) tanh(y)": lambda x, y: cp.sigmoid(x) * np.tanh(y),
    "gelu(x + y)": lambda x, y: cp.gelu(x + y),
    "momentum": momentum,
    "Adam": adam,
}


def in_cache(least: int, seconds: float) -> dict[str, list[float]]:
    """Return ns an element in each round."""
    cp.set_threads(1)
    count, turns = int(TURN / IN_CACHE), {}
    for name, (function, low, high) in FUNCTIONS.items():
        run, _ = often(function, filled(np.linspace(low, high, IN_CACHE, dtype=np.float32)))
        turns[name] = lambda run=run: clock(run, count) / (count * IN_CACHE) * 1e9
    return rounds(turns, least=least, seconds=seconds)


def beyond(elements: int, threads: int, least: int, seconds: float) -> dict[str, list[float]]:
    """Return GB/s of the arrays of each chain in each round."""
    cp.set_threads(threads)
    rng, turns = np.random.default_rng(0), {}
    arrays = [filled(rng.random(elements, np.float32)) for _ in range(4)]
    for name, function in CHAINS.items():
        inputs = arrays[: function.__code__.co_argcount]
        compiled = cp.jit(function)
        size = sum(a.nbytes for a in (*inputs, *cp.tree.leaves(compiled(*inputs))))

        def run(_: int, compiled: Callable[..., Any] = compiled, inputs: list[Any] = inputs) -> None:
            compiled(*inputs)

        def turn(run: Callable[[int], None] = run, size: int = size) -> float:
            awake(run, 1)
            return size / clock(run, 1) / 1e9

        turns[name] = turn
    return rounds(turns, least=least, seconds=seconds)


def main(arguments: list[str] | None = None) -> None:
    """Print both tables."""
    about = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=about)
    parser.add_argument("--threads", default="1,2", help="numbers of threads beyond the cache")
    parser.add_argument("--elements", type=int, default=2**24, help="of an array beyond the cache")
    parser.add_argument("--rounds", type=int, default=7, help="at least")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each part, about")
    parser.add_argument("--output", type=Path, default=FOLDER / "elementwise.json")
    given = parser.parse_args(arguments)
    cached = in_cache(given.rounds, given.seconds)
    head = [f"{IN_CACHE} float32 in the cache", "ns an element", "least"]
    print(table(head, [[n, f"{statistics.median(s):.3f}", f"{min(s):.3f}"] for n, s in cached.items()]))
    chains = {}
    for threads in map(int, given.threads.split(",")):
        chains[threads] = beyond(given.elements, threads, given.rounds, given.seconds)
        triad = statistics.median(chains[threads]["triad"])
        rows = []
        for name, samples in chains[threads].items():
            median = statistics.median(samples)
            rows.append([name, number(median), f"{100 * median / triad:.0f} %"])
        print("\n" + table([f"beyond the cache, {threads} threads", "GB/s", "of the triad"], rows))
    write(given.output, {"ns_an_element": cached, "gigabytes_a_second": chains, "elements": given.elements})


if __name__ == "__main__":
    main()
