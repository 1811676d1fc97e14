"""Matrix products: share of one core's measured peak, beside NumPy's BLAS on one thread.

    python benchmarks/gemm.py [target] [shape ...]        such as: avx2 32x64x32 512x512x512 (m x k x n)

The peak is that of a loop of multiply-adds in registers. All three take turns, and the best of each counts.
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read when NumPy is imported

import ctypes
import sys
import time

import numpy as np

from clearprop.compile.engine import Native
from clearprop.compile.gemm import OPERANDS, Layout, product
from clearprop.compile.microkernel import multiply_add
from clearprop.compile.target import TARGETS, Target, chosen
from clearprop.compile.text import Function, Module, Value

DTYPE = np.dtype(np.float32)
SQUARES = [(s, s, s) for s in (128, 256, 512, 1024, 2048)]
LAYERS = [
    *(
        (32, 64, 32),
        (32, 32, 10),
        (10, 784, 30),
        (10, 30, 10),
        (200, 784, 100),
        (200, 100, 10),
        (256, 64, 64),
    ),
    *(
        (256, 64, 1),
        (256, 64, 2),
        (256, 64, 4),
        (256, 64, 8),
        (256, 64, 16),
        (128, 784, 512),
        (128, 512, 512),
    ),
]
SECONDS = 0.4  # of measuring per row
PEAK_WORK = 3e8  # floating-point operations of one turn of the peak loop: about a millisecond
TURN_WORK = 3e7  # of one turn of a product, at least


def peak(target: Target):
    """Return a function that computes at the peak, and how many operations it does."""
    module, lanes, chains = Module(), target.lanes(DTYPE.itemsize), 12
    f = Function(module, "peak", [("ptr", "to"), ("i64", "rounds")], internal=False)
    half = f.load(Value("%to", "ptr"), DTYPE, lanes)

    def body(_: Value, sums: list[Value]) -> list[Value]:
        return [multiply_add(f, target, half, half, s) for s in sums]

    sums = f.loop(0, Value("%rounds", "i64"), 1, [half] * chains, body)
    for i, s in enumerate(sums):
        f.store(s, f.at(Value("%to", "ptr"), i * lanes, DTYPE), DTYPE)
    f.finish()
    native, memory = Native(module.text(), target), np.zeros(chains * lanes, np.float32)
    run = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(native.address("peak"))
    rounds = int(PEAK_WORK / (2 * chains * lanes))
    return lambda: (run(memory.ctypes.data, rounds), native)[0], rounds * 2 * chains * lanes


def matrix(rows: int, columns: int, order: str) -> np.ndarray:
    """Return random numbers; T is stored transposed. They start at a multiple of 64 bytes."""
    flat = np.random.default_rng(rows).standard_normal(rows * columns + 16).astype(DTYPE)
    flat = flat[-flat.ctypes.data % 64 // 4 :][: rows * columns]
    return flat.reshape(rows, columns) if order == "N" else flat.reshape(columns, rows).T


def compiled(target: Target, a: np.ndarray, b: np.ndarray, c: np.ndarray):
    """Return a function of a count that computes the product so often, and the milliseconds of text and of code."""
    module = Module()
    layouts = [Layout(*(s // DTYPE.itemsize for s in x.strides)) for x in (a, b, c)]
    begin = time.perf_counter()
    made = product(module, "p", target, DTYPE, (*c.shape, a.shape[1]), *layouts)
    f = Function(module, "often", [*OPERANDS, ("i64", "count")], internal=False)
    call = "call void @p(ptr %A, ptr %B, ptr %C, ptr %work, ptr %extra)"
    f.loop(0, Value("%count", "i64"), 1, [], lambda *_: f.do(call) or [])
    f.finish()
    text = module.text()
    middle = time.perf_counter()
    native = Native(text, target)
    end = time.perf_counter()
    work = np.zeros(made.work_bytes + made.scratch_bytes + 64, np.uint8)
    start = work.ctypes.data + -work.ctypes.data % 64
    run = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 5, ctypes.c_int64)(native.address("often"))
    places = [x.ctypes.data for x in (a, b, c)]
    return (
        lambda n: (run(*places, start, None, n), work, native)[0],
        (middle - begin) * 1e3,
        (end - middle) * 1e3,
    )


def timed(run, *args) -> float:
    """Return the seconds of this thread's processor time that a call takes: other programs' turns do not count."""
    begin = time.thread_time()
    run(*args)
    return time.thread_time() - begin


def measure(target: Target, m: int, k: int, n: int, orders: str) -> str:
    """Return a row of the table."""
    a, b, c = matrix(m, k, orders[0]), matrix(k, n, orders[1]), matrix(m, n, "N")
    other, work = np.empty_like(c), 2 * m * k * n
    top, top_work = peak(target)
    ours, written, generated = compiled(target, a, b, c)
    count = max(1, int(TURN_WORK / work))
    best, rounds, begin = [np.inf] * 3, 0, time.perf_counter()
    while rounds < 8 or time.perf_counter() - begin < SECONDS:
        turns = (
            timed(top) / top_work,
            timed(ours, count) / count / work,
            timed(lambda: [np.matmul(a, b, out=other) for _ in range(max(1, count // 4))])
            / max(1, count // 4)
            / work,
        )
        best, rounds = [min(x) for x in zip(best, turns, strict=True)], rounds + 1
    np.testing.assert_allclose(c, other, rtol=1e-3, atol=1e-2)
    share = [100 * best[0] / x for x in best]
    return (
        f"{m}x{k}x{n:<6} {orders} {best[1] * work * 1e6:11.2f} us {1e-9 / best[1]:7.1f} {share[1]:6.1f} % "
        f"{share[2]:6.1f} % {1e-9 / best[0]:7.1f} {written:6.1f} {generated:6.1f}"
    )


def main(arguments: list[str]) -> None:
    """Print the table."""
    target = TARGETS[arguments.pop(0)] if arguments and arguments[0] in TARGETS else chosen()
    shapes = [tuple(map(int, x.split("x"))) for x in arguments] or SQUARES + LAYERS
    sys.stdout.write(
        f"{target.name}: m x k x n, time, GFLOP/s, share of peak, NumPy's, peak, ms of text, ms of code\n"
    )
    for m, k, n in shapes:
        for orders in ("NN", "NT", "TN"):
            sys.stdout.write(measure(target, m, k, n, orders) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
