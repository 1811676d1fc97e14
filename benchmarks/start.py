"""From the start of a process to a trained network: 64-32-10, 20 epochs of 1797 rows, batch 32.

    python benchmarks/start.py --peers PYTHON

All do the same steps from the same files, without and with their caches of compiled code on disk. "fit" is
clearprop's ``fit``, with an order of its own. Beside the time until the network is trained stands that until the
process is over: Python takes leave of all that it has loaded.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import workloads
from contest import SETTINGS, VARIABLES
from report import FOLDER, table, write
from timing import rounds
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
    """Return the seconds until a process has trained, those until it is over, and its loss."""
    command = [python, str(HERE / "once.py"), name, folder, str(threads), str(EPOCHS)]
    environment = {**os.environ, **SETTINGS, **dict.fromkeys(VARIABLES, str(threads)), **settings}
    begun = time.perf_counter()
    with (
        tempfile.TemporaryFile("w+") as said,
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=said, text=True) as process,
    ):
        assert process.stdout is not None
        printed = process.stdout.readline()
        trained = time.perf_counter() - begun
        if process.wait():
            said.seek(0)
            last = said.read().strip().splitlines()[-1:]
            raise SystemExit(f"{name} failed: {' '.join(last)}; leave it out with --contestants")
    return {"trained": trained, "seconds": time.perf_counter() - begun, "loss": float(printed)}


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
        trained, over = (sorted(s[key] for s in found) for key in ("trained", "seconds"))
        seconds = (statistics.median(trained), trained[0], statistics.median(over), over[0])
        rows.append([name, *(f"{s:.3f}" for s in seconds), f"{found[-1]['loss']:.5f}"])
    rows.sort(key=lambda row: float(row[1]))
    columns = ["trained, median s", "least s", "process over, median s", "least s", "loss of the last epoch"]
    print(table(["from the start", *columns], rows))
    write(given.output, {"threads": given.threads, "samples": samples})


if __name__ == "__main__":
    main()
