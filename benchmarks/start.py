"""From the start of a process to a trained network: 64-32-10, 20 epochs of 1797 rows, batch 32.

    python benchmarks/start.py --peers PYTHON

All do the same steps from the same files, without and with their caches of compiled code on disk. "fit" is
clearprop's ``fit``, with an order of its own.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import workloads
from contest import SETTINGS, VARIABLES
from report import FOLDER, table, write
from timing import clock, rounds
from workloads import WORKLOADS

HERE = Path(__file__).parent
EPOCHS, NETWORK = 20, WORKLOADS["digits"]
OURS = ("fit", "clearprop", "interpreter")
USUAL = (*OURS, "jax_scan", "jax_step", "torch_eager", "scikit_learn")
CACHES: dict[str, Callable[[str], dict[str, str]]] = {
    "clearprop": lambda folder: {"CLEARPROP_CACHE": folder},
    "jax": lambda folder: {
        "JAX_COMPILATION_CACHE_DIR": folder,
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    },
}
CACHE_OF = {"fit": "clearprop", "clearprop": "clearprop", "jax_scan": "jax", "jax_step": "jax"}


def lasting(name: str, python: str, folder: str, threads: int, settings: dict[str, str]) -> dict[str, float]:
    """Return the seconds of a process, and its loss."""
    command = [python, str(HERE / "once.py"), name, folder, str(threads), str(EPOCHS)]
    environment = {**os.environ, **SETTINGS, **dict.fromkeys(VARIABLES, str(threads)), **settings}
    done: list[subprocess.CompletedProcess[str]] = []
    seconds = clock(
        lambda: done.append(
            subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        )
    )
    if done[0].returncode:
        last = done[0].stderr.strip().splitlines()[-1:]
        raise SystemExit(f"{name} failed: {' '.join(last)}; leave it out with --contestants")
    return {"seconds": seconds, "loss": float(done[0].stdout.split()[-1])}


def installed(name: str, python: str) -> bool:
    """Tell whether a contestant's library is there."""
    code = f"import contestants.{name}"
    command = [python, "-c", code]
    return not subprocess.run(command, cwd=HERE, capture_output=True, check=False).returncode


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    about = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=about)
    parser.add_argument("--peers", default=sys.executable, metavar="PYTHON")
    parser.add_argument("--contestants", default=",".join(USUAL))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=FOLDER / "start.json")
    given = parser.parse_args(arguments)
    turns, steps = {}, EPOCHS * (NETWORK.rows // NETWORK.batch)
    with tempfile.TemporaryDirectory() as place:
        data = Path(place, "data")
        data.mkdir()
        workloads.make(NETWORK, steps).save(data)
        for name in given.contestants.split(","):
            python = sys.executable if name in OURS else given.peers
            if name != "fit" and not installed(name, python):
                print(f"without {name}: it is not installed")
                continue
            here = (name, python, str(data), given.threads)
            turns[f"{name}, cold"] = lambda here=here: lasting(*here, {})
            if name in CACHE_OF:
                kept = CACHES[CACHE_OF[name]](str(Path(place, name)))
                lasting(*here, kept)  # fills it
                turns[f"{name}, cached"] = lambda here=here, kept=kept: lasting(*here, kept)
        samples = rounds(turns, least=given.rounds)
    rows = []
    for name, found in samples.items():
        seconds = sorted(s["seconds"] for s in found)
        median = statistics.median(seconds)
        rows.append([name, f"{median:.3f}", f"{seconds[0]:.3f}", f"{found[-1]['loss']:.5f}"])
    rows.sort(key=lambda row: float(row[1]))
    print(table(["from start to trained", "median s", "least s", "loss of the last epoch"], rows))
    write(given.output, {"threads": given.threads, "samples": samples})


if __name__ == "__main__":
    main()
