"""Dense networks with shapes drawn at random: where is clearprop slower than the fastest peer?

    python benchmarks/random_networks.py --peers PYTHON --networks 20 --seed 1 [--prototype emit.py] [--plain]

1 to 5 layers, widths from 2 to 3000 and batches from 1 to 1000 log-uniform, hidden relu, sigmoid, tanh or gelu,
softmax with cross-entropy, mean squares or hinge, SGD, momentum or Adam. A network is drawn again only if a step
would take longer than --most-seconds at 100 GFLOP/s, which is said.
"""

from __future__ import annotations

import statistics
import sys

import numpy as np
from contest import Result, contest, options, verdict
from report import FOLDER, number, table, write
from workloads import Workload

RATES = {"sgd": (0.1, 1.0), "momentum": (0.02, 0.2), "adam": (1e-3, 0.3)}
"""The largest rate of each optimiser, and that of a layer with one input: wide ones take smaller steps."""
ASSUMED = 1e11  # operations a second
DATA_ELEMENTS = 2**24  # of inputs or of targets, at most: 64 MiB
USUAL = ("clearprop", "jax_scan", "jax_step", "torch_eager")


def log_uniform(rng: np.random.Generator, low: int, high: int) -> int:
    """Return an integer from low to high, each power of two as likely as the next."""
    return min(int(np.exp(rng.uniform(np.log(low), np.log(high + 1)))), high)


def draw(rng: np.random.Generator, name: str, plain: bool = False) -> Workload:
    """Return a network; a plain one of what the prototype knows alone."""
    layers = int(rng.integers(1, 6))
    sizes = tuple(log_uniform(rng, 2, 3000) for _ in range(layers + 1))
    batch = log_uniform(rng, 1, 1000)
    activation, loss, optimizer = (
        str(rng.choice(names))
        for names in (
            ["relu", "sigmoid"] if plain else ["relu", "sigmoid", "tanh", "gelu"],
            ["cross_entropy"] if plain else ["cross_entropy", "mean_squared", "hinge"],
            ["sgd", "adam"] if plain else [*RATES],
        )
    )
    largest, single = RATES[optimizer]
    rate = float(f"{min(largest, single / max(sizes[:-1])):.1e}")
    rows = max(min(DATA_ELEMENTS // max(sizes[0], sizes[-1]), 20_000), batch)
    seed = int(rng.integers(2**31))
    return Workload(name, sizes, activation, loss, optimizer, rate, batch, rows, seed=seed)


def main(arguments: list[str] | None = None) -> int:
    """Compare; return 1 if losses differ."""
    parser = options(__doc__)
    parser.add_argument("--networks", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--most-seconds", type=float, default=0.5, help="of a step, at 100 GFLOP/s")
    parser.add_argument(
        "--plain", action="store_true", help="relu or sigmoid, cross-entropy, SGD or Adam only"
    )
    parser.set_defaults(turn=0.08)
    given = parser.parse_args(arguments)
    rng = np.random.default_rng(given.seed)
    results: list[Result] = []
    with contest(given, USUAL) as match:
        while len(results) < given.networks:
            workload = draw(rng, f"network {len(results) + 1}", given.plain)
            if workload.operations > given.most_seconds * ASSUMED:
                print(f"drawn again, too much work for a step: {workload.title}")
                continue
            results.append(match.compare(workload, turn=given.turn, least=given.rounds, seconds=0.0))
            print(line(results[-1]), flush=True)
    print("\n" + summary(results))
    agreed = verdict(results, given.tolerance)
    write(
        given.output or FOLDER / "random_networks.json",
        {
            "seed": given.seed,
            "plain": given.plain,
            "threads": given.threads,
            "tolerance": given.tolerance,
            "versions": match.versions,
            "missing": match.missing,
            "networks": [r.facts(given.tolerance) for r in results],
        },
    )
    return 0 if agreed else 1


def line(result: Result) -> str:
    """Return what is said while it runs."""
    medians = ", ".join(f"{name} {number(m)}" for name, m in result.medians.items())
    failed = "".join(f"; {n} {why}" for n, why in result.absent.items() if why.startswith("failed"))
    return f"{result.workload.name}: {result.workload.title}: {medians} µs{failed}"


def summary(results: list[Result]) -> str:
    """Return the table, and the median, the minimum and the slower ones of each ratio."""
    names = list(dict.fromkeys(name for r in results for name in r.medians))
    rows = []
    for r in results:
        ratios = [r.ratio(r.fastest_peer), r.ratio("prototype")]
        times = [number(r.medians[name]) if name in r.medians else "" for name in names]
        shown = ["" if x is None else f"{x:.2f}" for x in ratios]
        rows.append([r.workload.title, *times, *shown])
    lines = [table(["network", *(f"{n} µs" for n in names), "fastest peer / clearprop", "prototype"], rows)]
    for rival in ("fastest peer", "prototype"):
        found = [(r.ratio(r.fastest_peer if rival == "fastest peer" else rival), r) for r in results]
        ratios = sorted([(x, r.workload.title) for x, r in found if x is not None])
        if not ratios:
            continue
        values, slower = [x for x, _ in ratios], [f"{t} ({x:.2f})" for x, t in ratios if x < 1]
        lines.append(
            f"{rival}: {len(values)} networks, median {statistics.median(values):.2f}, minimum {values[0]:.2f}; "
            f"clearprop is slower on {'; '.join(slower) or 'none'}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
