"""Train for many thousand steps with 1, 2, 3 and 4 threads, and compare every bit of what comes out.

    python benchmarks/threads_same_bits.py [--steps 50000] [--busy]

``--busy`` keeps one processor at work beside it, so that workers are stopped in the middle of chunks. The network is
large enough that its products and its update are cut into chunks. Ends with status 1 if a bit differs.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import multiprocessing
import sys
import time
from collections.abc import Iterator

import numpy as np

import clearprop as cp
from clearprop.compile import repeat

ROWS, BATCH, WIDTHS = 6400, 64, (64, 192, 192, 10)


def trained(threads: int, steps: int) -> tuple[str, float]:
    """Return a digest of the trained parameters and of every epoch's loss, and the seconds that it took."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((ROWS, WIDTHS[0]), np.float32), rng.integers(0, WIDTHS[-1], ROWS)
    model = cp.nn.MLP(WIDTHS[0], WIDTHS[1:-1], WIDTHS[-1], activation=cp.tanh, rng=0)
    cp.set_threads(threads)
    start = time.perf_counter()
    run = cp.fit(
        model, (x, y), loss=cp.losses.cross_entropy, optimizer=cp.optim.Adam(1e-3), batch_size=BATCH,
        epochs=-(-steps * BATCH // ROWS), progress=False,
    )  # fmt: skip
    seconds = time.perf_counter() - start
    parts = [*cp.tree.leaves(run.model), np.array(run.history["loss"])]
    return hashlib.blake2b(b"".join(a.tobytes() for a in parts), digest_size=12).hexdigest(), seconds


@contextlib.contextmanager
def busy_processor(wanted: bool) -> Iterator[None]:
    """Keep a processor at work."""
    hog = multiprocessing.get_context("spawn").Process(target=_work_for_ever, daemon=True)
    if wanted:
        hog.start()
    try:
        yield
    finally:
        if wanted:
            hog.terminate()
            hog.join()


def _work_for_ever() -> None:
    while True:
        pass


def cut_kernels() -> bool:
    """Tell whether the last program made had anything to share out."""
    return any(step._code().cut for step in _made)


_made: list[repeat.Repeat] = []


class _Noted(repeat.Repeat):
    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        _made.append(self)


def main() -> int:
    """Compare, and say what was found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=50_000)
    parser.add_argument("--busy", action="store_true")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2, 3, 4])
    options = parser.parse_args()
    repeat.Repeat = _Noted
    found = {}
    with busy_processor(options.busy):
        for threads in options.threads:
            found[threads], seconds = trained(threads, options.steps)
            each = seconds / options.steps * 1e6
            print(f"{threads} threads: {found[threads]}, {seconds:.1f} s, {each:.0f} us a step", flush=True)
    same = len(set(found.values())) == 1
    print("the same bits" if same else "DIFFERENT BITS", "" if cut_kernels() else "(but nothing was cut)")
    return 0 if same and cut_kernels() else 1


if __name__ == "__main__":
    sys.exit(main())
