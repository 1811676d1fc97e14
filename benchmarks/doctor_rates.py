"""How often the doctor finds a disease, and how often one that is not there.

    python benchmarks/doctor_rates.py --seeds 50

Each network that was made sick in a known way is trained from so many seeds, and so is each healthy one. A hit
is a sick network on which the rule of its disease speaks; a false alarm is a healthy network on which that rule
speaks. The last column counts those healthy twins on which any rule at all does.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from clearprop.explanation.doctor.finding import SICK as ILL
from clearprop.explanation.doctor.finding import UNCHECKED, WATCH
from clearprop.explanation.doctor.rules import RULES
from doctor_cases import HEALTHY, SICK, sick

Seen = dict[str, tuple[str, float]]  # of each rule, severity and figure


def diagnosed(patient, seeds) -> list[Seen]:
    """Train and diagnose from each seed."""
    runs = (patient.run(seed).diagnose() for seed in seeds)
    return [{f.rule: (f.severity, f.figure) for f in found.examined} for found in runs]


def spoke(seen: Seen, rule: str) -> bool:
    """Whether a rule found something."""
    return seen[rule][0] in (ILL, WATCH)


def share(count, of):
    """Return a share as text."""
    return f"{100 * count / of:5.1f} %" if of else "      -"


def spread(figures):
    """Return the quantiles of figures as text."""
    known = np.array([f for f in figures if np.isfinite(f)] or [np.nan])
    return "  ".join(f"{q:.3g}" for q in np.quantile(known, [0, 0.01, 0.05, 0.5, 0.95, 0.99, 1]))


def report(healthy: dict[str, list[Seen]], ill: dict[tuple[str, str], list[Seen]], figures: bool) -> None:
    """Print hits and false alarms by rule, and the healthy networks on which any rule spoke."""
    well = [seen for each in healthy.values() for seen in each]
    print(f"{'rule':26}{'made sick by':32}{'hits':>9}{'false alarms':>16}")
    for rule in (r.name for r in RULES):
        checked = [seen for seen in well if seen[rule][0] != UNCHECKED]
        alarms = f"{share(sum(spoke(seen, rule) for seen in checked), len(checked))} of {len(checked)}"
        for (name, way), found in ill.items():
            if name == rule:
                hits = share(sum(spoke(seen, rule) for seen in found), len(found))
                print(f"{name:26}{way:32}{hits:>9}{alarms:>20}")
                if figures:
                    print(f"    sick  {spread(seen[rule][1] for seen in found)}")
        if figures:
            print(f"    well  {spread(seen[rule][1] for seen in checked)}")
    print(f"\n{'healthy network':32}any finding of any rule")
    alarmed = {name: [{r for r in seen if spoke(seen, r)} for seen in each] for name, each in healthy.items()}
    for name, each in alarmed.items():
        rules = sorted(set().union(*each))
        print(f"{name:32}{share(sum(map(bool, each)), len(each))}  {', '.join(rules)}".rstrip())
    print(
        f"{'all':32}{share(sum(bool(r) for each in alarmed.values() for r in each), len(well))} of {len(well)}"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument(
        "--figures", action="store_true", help="also quantiles of each rule's figure: 0 to 100 %%"
    )
    given = parser.parse_args()
    seeds, start = range(given.seeds), time.perf_counter()
    healthy = {name: diagnosed(patient, seeds) for name, patient in HEALTHY.items()}
    ill = {(rule, way): diagnosed(sick(twin, changes), seeds) for rule, way, twin, changes in SICK}
    report(healthy, ill, given.figures)
    print(f"\n{given.seeds} seeds, {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
