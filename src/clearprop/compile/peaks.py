"""What this machine can do at most, measured: multiply-adds in registers, and memory read and written."""

from __future__ import annotations

import ctypes
import functools
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.frozen import frozen
from .engine import Native
from .module import Module
from .target import Target, chosen
from .text import Function, Value, value_type

CHAINS = (
    12  # multiply-adds that do not wait for one another: more than the processor begins before one is done
)
TIMES = 5  # the best counts: whatever else runs can only disturb
SECONDS = 5e-3  # of a measurement of arithmetic
ELEMENTS = 1 << 22  # float64 of each of the triad's three arrays: 32 MiB, more than the caches of most
F32, F64 = np.dtype(np.float32), np.dtype(np.float64)


@frozen
class Peaks:
    """Rates that so many threads reach together.

    Attributes
    ----------
    threads : int
    float32, float64 : float
        GFLOP/s: a multiply-add counts two.
    memory : float
        GB/s of a ← b + s·c, each element counted once, as in STREAM (J. McCalpin, 1995).
    """

    threads: int
    float32: float
    float64: float
    memory: float

    def flops(self, itemsize: int) -> float:
        """Return the rate of floats of this size; of small ones, that of float32."""
        return self.float64 if itemsize == F64.itemsize else self.float32


@functools.cache
def peaks(threads: int) -> Peaks:
    """Return this machine's peaks, measured once a process; takes some tenths of a second."""
    target = chosen()
    code = Native(_text(target), target)
    single, double = (_arithmetic(code, target, dtype, threads) for dtype in (F32, F64))
    return Peaks(threads, single, double, _memory(code, threads))


def _arithmetic(code: Native, target: Target, dtype: np.dtype[Any], threads: int) -> float:
    """Return GFLOP/s."""
    run = code.function(dtype.name, ctypes.c_int64, ctypes.c_void_p)
    places = [np.full(target.vector_bytes, 0.5, dtype) for _ in range(threads)]

    def seconds(rounds: int, threads: int) -> float:
        return _seconds(threads, lambda who: run(rounds, places[who].ctypes.data))

    rounds = 1000
    while seconds(rounds, 1) < SECONDS / 2:
        rounds *= 2
    best = min(seconds(rounds, threads) for _ in range(TIMES))
    return 2 * CHAINS * target.lanes(dtype.itemsize) * rounds * threads / best / 1e9


def _memory(code: Native, threads: int) -> float:
    """Return GB/s."""
    run = code.function("triad", *(ctypes.c_void_p,) * 3, ctypes.c_int64, ctypes.c_int64)
    arrays = [np.ones(ELEMENTS) for _ in range(3)]
    pointers = [a.ctypes.data for a in arrays]
    lanes = 64 // F64.itemsize
    cuts = [ELEMENTS * who // threads // lanes * lanes for who in range(threads + 1)]
    best = min(_seconds(threads, lambda who: run(*pointers, cuts[who], cuts[who + 1])) for _ in range(TIMES))
    return 3 * ELEMENTS * F64.itemsize / best / 1e9


def _seconds(threads: int, work: Callable[[int], None]) -> float:
    """Return how long threads take that do ``work(who)`` at the same time, from the first to the last."""
    gate, spans = threading.Barrier(threads), []

    def one(who: int) -> None:
        gate.wait()
        begun = time.perf_counter()
        work(who)
        spans.append((begun, time.perf_counter()))

    others = [threading.Thread(target=one, args=(who,)) for who in range(1, threads)]
    for thread in others:
        thread.start()
    one(0)
    for thread in others:
        thread.join()
    return max(end for _, end in spans) - min(begun for begun, _ in spans)


def _text(target: Target) -> str:
    module = Module()
    for dtype in (F32, F64):
        _chains(module, target, dtype)
    _triad(module, target)
    return module.text()


def _multiply_add(f: Function, target: Target, a: Value, b: Value, c: Value) -> Value:
    return f.call("llvm.fma", a, b, c) if target.fma else f.binary("fadd", f.binary("fmul", a, b), c)


def _chains(module: Module, target: Target, dtype: np.dtype[Any]) -> None:
    """Write ``void float32(i64 rounds, ptr place)``: a ← a·x + y in every chain, from numbers at the place to there."""
    f, place = (
        Function(module, dtype.name, [("i64", "rounds"), ("ptr", "place")], internal=False),
        Value("%place", "ptr"),
    )
    lanes = target.lanes(dtype.itemsize)
    x, y = (f.load(f.at(place, i * lanes, dtype), dtype, lanes) for i in (0, 1))

    def step(_: Value, chains: list[Value]) -> list[Value]:
        return [_multiply_add(f, target, a, x, y) for a in chains]

    ends = f.loop(
        0, Value("%rounds", "i64"), 1, [f.constant(i, value_type(dtype), lanes) for i in range(CHAINS)], step
    )
    total = functools.reduce(lambda a, b: f.binary("fadd", a, b), ends)
    f.store(total, f.at(place, 2 * lanes, dtype), dtype)
    f.finish()


def _triad(module: Module, target: Target) -> None:
    """Write ``void triad(ptr a, ptr b, ptr c, i64 first, i64 last)``, for whole vectors."""
    names = ("a", "b", "c")
    f = Function(
        module, "triad", [*(("ptr", n) for n in names), ("i64", "first"), ("i64", "last")], internal=False
    )
    a, b, c = (Value(f"%{n}", "ptr") for n in names)
    lanes = target.lanes(F64.itemsize)
    scale = f.constant(0.5, "double", lanes)

    def step(i: Value, _: list[Value]) -> list[Value]:
        read = [f.load(f.at(p, i, F64), F64, lanes) for p in (b, c)]
        f.store(_multiply_add(f, target, scale, read[1], read[0]), f.at(a, i, F64), F64)
        return []

    f.loop(Value("%first", "i64"), Value("%last", "i64"), lanes, [], step)
    f.finish()
