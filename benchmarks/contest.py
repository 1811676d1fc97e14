"""Contestants side by side: each in its own process, which lives on, and only one at work at any time."""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import workloads
from contestants import ON_REQUEST, OURS, PEERS, RIVALS
from timing import rounds
from workloads import Workload

HERE = Path(__file__).parent
TOLERANCE = 5e-4
"""Relative difference that rounding may make: of the mean loss over the first steps, and of the last of them."""
LEAST_CHECKED = 4
PAUSE = 0.02  # seconds in which pools of threads fall asleep
CHECKED_WORK, ORDERED_WORK = 1e10, 3e10  # operations of the steps that are checked, and of all in the order
VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NPROC",  # XLA's
    "CLEARPROP_THREADS",
)
SETTINGS = {
    "CLEARPROP_CACHE": "off",  # code is made anew
    "JAX_PLATFORMS": "cpu",  # nobody has a GPU
    # after their work threads of BLAS and OpenMP spin, in others' turns too if they may: 2²⁰ cycles, 10 ms at most
    "OPENBLAS_THREAD_TIMEOUT": "20",
    "KMP_BLOCKTIME": "10",
}


class Absent(Exception):
    """A contestant that cannot take part: its library is not installed, or its process has ended."""


class Player:
    """A contestant in its process."""

    def __init__(self, name: str, python: str, threads: int, prototype: str = "") -> None:
        self.name, self.errors = name, tempfile.TemporaryFile("w+")  # noqa: SIM115  # open as long as the process
        settings = {**dict.fromkeys(VARIABLES, str(threads)), **SETTINGS, "PROTOTYPE": prototype}
        self.process = subprocess.Popen(
            [python, str(HERE / "worker.py"), name, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env={**os.environ, **settings},
        )

    def hear(self) -> dict[str, Any]:
        """Return the next answer."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.errors.seek(0)
            last = self.errors.read().strip().splitlines()[-1:]
            raise Absent(f"its process ended with status {self.process.wait()}: {' '.join(last)}")
        answer: dict[str, Any] = json.loads(line)
        if "missing" in answer:
            raise Absent(answer["missing"])
        return answer

    def ask(self, do: str, **command: Any) -> dict[str, Any]:
        """Return the answer to a command."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps({"do": do, **command}) + "\n")
            self.process.stdin.flush()
        return self.hear()

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.errors.close()


@dataclass
class Result:
    """What was measured of one workload.

    Attributes
    ----------
    workload : Workload
    checked : int
        Steps whose mean loss is compared.
    losses : dict
        These mean losses.
    last : dict
        Losses of the last of these steps; of who gives a mean alone, that mean.
    first : dict
        Seconds of these steps with all that comes before: recording, compiling.
    samples : dict
        Microseconds a step in each round.
    absent : dict
        Who did not take part, and why.
    """

    workload: Workload
    checked: int
    losses: dict[str, float] = field(default_factory=dict)
    last: dict[str, float] = field(default_factory=dict)
    first: dict[str, float] = field(default_factory=dict)
    samples: dict[str, list[float]] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)

    @property
    def medians(self) -> dict[str, float]:
        """Microseconds a step."""
        return {name: statistics.median(s) for name, s in self.samples.items() if s}

    @property
    def fastest_peer(self) -> str | None:
        """The fastest of other libraries."""
        peers = {name: m for name, m in self.medians.items() if name in RIVALS}
        return min(peers, key=peers.__getitem__) if peers else None

    def ratio(self, name: str | None) -> float | None:
        """Return how many times faster clearprop is than another contestant."""
        medians = self.medians
        if name not in medians or "clearprop" not in medians:
            return None
        return medians[name] / medians["clearprop"]

    def differing(self, tolerance: float) -> dict[str, float]:
        """Return the means, or else the last losses, that are not clearprop's; all of them if its own is no number."""
        found: dict[str, float] = {}
        for losses in (self.losses, {n: x for n, x in self.last.items() if x != self.losses[n]}):
            reference = losses.get("clearprop", next(iter(losses.values()), math.nan))
            bound = tolerance * abs(reference)
            found |= {n: x for n, x in losses.items() if not abs(x - reference) <= bound}
        return found

    def facts(self, tolerance: float) -> dict[str, Any]:
        """Return all of it for a file."""
        fastest = self.fastest_peer
        return {
            **asdict(self),
            "operations_per_step": self.workload.operations,
            "medians": self.medians,
            "fastest_peer": fastest,
            "ratio_to_fastest_peer": self.ratio(fastest),
            "ratio_to_prototype": self.ratio("prototype"),
            "differing_losses": self.differing(tolerance),
        }


class Contest:
    """Players that are compared on one workload after the other."""

    def __init__(self, names: Sequence[str], peers: str, threads: int, prototype: str = "") -> None:
        pythons = {name: sys.executable if name in (*OURS, "prototype") else peers for name in names}
        players = [Player(name, python, threads, prototype) for name, python in pythons.items()]
        self.players: dict[str, Player] = {}
        self.versions: dict[str, dict[str, str]] = {}
        self.missing: dict[str, str] = {}
        for player in players:
            try:
                self.versions[player.name] = player.hear()["versions"]
                self.players[player.name] = player
            except Absent as reason:
                self.missing[player.name] = str(reason)
                player.close()

    def close(self) -> None:
        """End all processes."""
        for player in self.players.values():
            player.close()
        self.players = {}

    def compare(self, workload: Workload, *, turn: float, least: int, seconds: float) -> Result:
        """Train a network in turns of so many seconds, for so many rounds at least and about so long."""
        checked = int(min(max(CHECKED_WORK / workload.operations, LEAST_CHECKED), 100))
        steps = int(min(max(ORDERED_WORK / workload.operations, checked), 20_000))
        result = Result(workload, checked)
        with tempfile.TemporaryDirectory() as folder:
            workloads.make(workload, steps).save(Path(folder))
            ready = {name: p for name, p in self.players.items() if self._check(p, folder, result)}
        counts = {name: self._pace(p, checked, steps, turn) for name, p in ready.items()}
        turns = {name: lambda p=p, n=counts[name]: p.ask("turn", steps=n) for name, p in ready.items()}
        for name, answers in rounds(turns, least=least, seconds=seconds, pause=PAUSE).items():
            result.samples[name] = [1e6 * a["seconds"] / a["steps"] for a in answers]
        for player in ready.values():
            player.ask("drop")
        return result

    def _check(self, player: Player, folder: str, result: Result) -> bool:
        """Have a player do the first steps, and note what comes of it."""
        try:
            answer = player.ask("build", folder=folder, checked=result.checked)
        except Absent as reason:
            answer = {"failed": str(reason)}
            self.players = {n: p for n, p in self.players.items() if p is not player}
            self.missing[player.name] = str(reason)
            player.close()
        if "loss" not in answer:
            result.absent[player.name] = answer.get("refused") or f"failed: {answer['failed']}"
            return False
        name = player.name
        result.losses[name], result.last[name] = answer["loss"], answer["last"]
        result.first[name] = answer["seconds"]
        return True

    def _pace(self, player: Player, checked: int, steps: int, turn: float) -> int:
        """Return how many steps take a turn; do them once, as a library may compile for their number."""
        seconds = player.ask("turn", steps=checked)["seconds"]
        count = int(min(max(turn * checked / max(seconds, 1e-9), 1), steps))
        player.ask("turn", steps=count)
        return count


def options(description: str | None) -> argparse.ArgumentParser:
    """Return the options that all contests have."""
    about = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=description, formatter_class=about)
    add = parser.add_argument
    add(
        "--peers",
        default=sys.executable,
        metavar="PYTHON",
        help="the Python that has JAX, PyTorch, scikit-learn",
    )
    add("--contestants", help=f"of {', '.join((*OURS, *PEERS, *ON_REQUEST))}")
    add("--prototype", default="", metavar="FILE", help="of another emitter, to be compared with")
    add("--threads", type=int, default=2)
    add("--tolerance", type=float, default=TOLERANCE, help="relative difference of losses that passes")
    add("--turn", type=float, default=0.15, help="seconds of a turn, about")
    add("--rounds", type=int, default=5, help="at least")
    add("--output", type=Path, help="the JSON file to write")
    return parser


@contextlib.contextmanager
def contest(arguments: argparse.Namespace, usual: Sequence[str]) -> Iterator[Contest]:
    """Start the contestants that are asked for, or the usual ones; say who is missing; end them afterwards."""
    names = arguments.contestants.split(",") if arguments.contestants else list(usual)
    if arguments.prototype and "prototype" not in names:
        names.append("prototype")
    if unknown := set(names) - {*OURS, *PEERS, *ON_REQUEST}:
        raise SystemExit(f"--contestants: there is no {', '.join(sorted(unknown))}")
    made = Contest(names, arguments.peers, arguments.threads, arguments.prototype)
    try:
        for name, reason in made.missing.items():
            print(f"without {name}: {reason}")
        packages = {p: v for versions in made.versions.values() for p, v in versions.items()}
        print(f"{', '.join(f'{p} {v}' for p, v in packages.items())}; {arguments.threads} threads, float32\n")
        yield made
    finally:
        made.close()


def verdict(results: Sequence[Result], tolerance: float) -> bool:
    """Say whether all who trained the same network reached the same loss; return it too."""
    bad = [(r, r.differing(tolerance)) for r in results if r.differing(tolerance)]
    for result, losses in bad:
        ours, last = result.losses.get("clearprop"), result.last.get("clearprop")
        others = ", ".join(f"{name} {loss}" for name, loss in losses.items())
        print(
            f"!!! LOSSES DIFFER: {result.workload.name} ({result.workload.title}): over {result.checked} steps "
            f"clearprop's mean is {ours}, its last {last}, but there is {others}. "
            f"Times that belong to it compare different work.",
            file=sys.stderr,
        )
    if not bad:
        print(
            f"All reach the same losses: the mean over the first steps, and the last, agree to {tolerance:g}."
        )
    return not bad
