"""Matrix products: share of the measured peak, beside NumPy's BLAS, with one and more threads.

    python benchmarks/gemm.py [--sizes 128,512 | --shapes 32x64x32,200x784x100 | --random 20 --seed 1 --smallest 100]
                              [--threads 1,2] [--target avx2] [--orders NN,NT,TN]

Shapes are m x k x n. The peak is that of a loop of multiply-adds in registers, in as many threads. All take turns;
medians count. Each number of threads has a process of its own, as BLAS asks for it once.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from report import FOLDER

SQUARES = "128,256,512,1024,2048"
LAYERS = (
    "32x64x32,32x32x10,10x784x30,10x30x10,200x784x100,200x100x10,256x64x64,256x64x1,256x64x2,256x64x4,"
    "256x64x8,256x64x16,128x784x512,128x512x512"
)
LARGEST = 3000  # side of a random product
MOST_WORK = 2e11  # operations of a random product


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    """Return the options."""
    about = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=about)
    parser.add_argument("--sizes", help="of square matrices")
    parser.add_argument("--shapes", help="such as 32x64x32")
    parser.add_argument("--random", type=int, metavar="N", help="products with sides up to 3000, log-uniform")
    parser.add_argument("--smallest", type=int, default=1, help="side of a random product")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", default="1")
    parser.add_argument("--orders", default="NN,NT,TN", help="T: that matrix is stored transposed")
    parser.add_argument("--target", help="avx512, avx2, sse2 or neon")
    parser.add_argument("--seconds", type=float, default=0.4, help="of a row, about")
    parser.add_argument(
        "--output",
        type=Path,
        default=FOLDER / "gemm.json",
        help="JSON; named by the threads too",
    )
    return parser.parse_args(arguments)


def shapes(given: argparse.Namespace) -> Iterator[tuple[int, int, int]]:
    """Yield (m, k, n)."""
    if given.random:
        rng = np.random.default_rng(given.seed)
        found = 0
        while found < given.random:
            m, k, n = (
                int(np.exp(rng.uniform(np.log(given.smallest), np.log(LARGEST + 1)))) for _ in range(3)
            )
            if 2.0 * m * k * n <= MOST_WORK:
                found += 1
                yield m, k, n
    asked = given.sizes or given.shapes or given.random
    for size in (given.sizes or ("" if asked else SQUARES)).split(","):
        if size:
            yield (int(size),) * 3
    for shape in (given.shapes or ("" if asked else LAYERS)).split(","):
        if shape:
            m, k, n = map(int, shape.split("x"))
            yield m, k, n


def main(arguments: list[str] | None = None) -> None:
    """Measure in a process for each number of threads."""
    given = parsed(arguments)
    chosen = {"CLEARPROP_TARGET": given.target} if given.target else {}
    for threads in given.threads.split(","):
        counts = dict.fromkeys(("OPENBLAS_NUM_THREADS", "CLEARPROP_THREADS"), threads)
        counts["OPENBLAS_THREAD_TIMEOUT"] = "20"  # its threads spin for 2²⁰ cycles, not into the next turn
        settings = {
            "threads": int(threads),
            "shapes": list(shapes(given)),
            "orders": given.orders.split(","),
            "seconds": given.seconds,
            "output": str(given.output.with_stem(f"{given.output.stem}-{threads}")),
        }
        command = [sys.executable, str(Path(__file__).with_name("products.py")), json.dumps(settings)]
        subprocess.run(command, env={**os.environ, "CLEARPROP_CACHE": "off", **counts, **chosen}, check=True)


if __name__ == "__main__":
    main()
