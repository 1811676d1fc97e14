"""Training steps of clearprop beside JAX, PyTorch and scikit-learn, in microseconds; `make bench` runs this.

python benchmarks/train.py --peers PYTHON [--quick] [--only digits,mnist]
"""

from __future__ import annotations

import sys
from dataclasses import replace

from contest import Result, contest, options, verdict
from contestants import OURS, PEERS
from report import FOLDER, number, table, write
from workloads import WORKLOADS, Workload

QUICK_ROWS = 2000


def main(arguments: list[str] | None = None) -> int:
    """Compare; return 1 if losses differ."""
    parser = options(__doc__)
    parser.add_argument("--only", help=f"of {', '.join(WORKLOADS)}")
    parser.add_argument("--quick", action="store_true", help="fewer rows and rounds: does everything run?")
    parser.add_argument("--seconds", type=float, default=6.0, help="of measuring a workload, about")
    given = parser.parse_args(arguments)
    chosen = [WORKLOADS[name] for name in given.only.split(",")] if given.only else list(WORKLOADS.values())
    if given.quick:
        given.turn, given.rounds, given.seconds = min(given.turn, 0.03), min(given.rounds, 2), 0.0
        chosen = [replace(w, rows=max(min(w.rows, QUICK_ROWS), w.batch)) for w in chosen]
    results = []
    with contest(given, (*OURS, *PEERS)) as match:
        for workload in chosen:
            results.append(
                match.compare(workload, turn=given.turn, least=given.rounds, seconds=given.seconds)
            )
            print(shown(workload, results[-1]), flush=True)
    agreed = verdict(results, given.tolerance)
    write(
        given.output or FOLDER / "train.json",
        {
            "threads": given.threads,
            "tolerance": given.tolerance,
            "versions": match.versions,
            "missing": match.missing,
            "workloads": [r.facts(given.tolerance) for r in results],
        },
    )
    return 0 if agreed else 1


def shown(workload: Workload, result: Result) -> str:
    """Return a workload's part of the output."""
    fastest, rows = result.fastest_peer, []
    for name, median in sorted(result.medians.items(), key=lambda item: item[1]):
        samples, times = sorted(result.samples[name]), result.ratio(name)
        spread = f"{number(samples[0])} to {number(samples[-1])}"
        rows.append(
            [
                name + " *" * (name == fastest),
                number(median),
                spread,
                len(samples),
                "" if times is None else f"{times:.2f}",
                f"{result.losses[name]:.5f}",
                f"{result.first[name]:.2f}",
            ]
        )
    head = ["", "µs a step", "range", "rounds", "times clearprop's", "loss", "s of the first steps"]
    lines = [f"{workload.name}: {workload.title}", table(head, rows)]
    lines += [f"without {name}: {reason}" for name, reason in result.absent.items()]
    times = result.ratio(fastest)
    if times is not None:
        lines.append(f"* is the fastest peer; clearprop is {times:.2f} times as fast")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
