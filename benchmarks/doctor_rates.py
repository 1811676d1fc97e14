"""How often the doctor finds a disease, and how often one that is not there.

    python benchmarks/doctor_rates.py --seeds 50

Each network that was made sick in a known way is trained from so many seeds, and so is each healthy one. A hit
is a sick network on which the rule of its disease speaks; a false alarm is a healthy network on which that rule
speaks. The last column counts those healthy twins on which any rule at all does.
"""

import argparse
import sys
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from clearprop.explanation.doctor.rules import RULES
from doctor_cases import HEALTHY, SICK, sick


def diagnoses(patient, seeds):
    """Return a diagnosis for each seed."""
    return [patient.run(seed).diagnose() for seed in seeds]


def share(count, of):
    """Return a share as text."""
    return f"{100 * count / of:5.1f} %" if of else "      -"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--only", default="", help="rules, or healthy networks, whose name contains this")
    parser.add_argument("--figures", action="store_true", help="print quantiles of each rule's figure")
    given = parser.parse_args()
    seeds, start = range(given.seeds), time.perf_counter()

    alarms, checked, figures, anything = defaultdict(int), defaultdict(int), defaultdict(list), {}
    for name, patient in HEALTHY.items():
        found = diagnoses(patient, seeds)
        anything[name] = [[f.rule for f in each.findings] for each in found]
        for each in found:
            for finding in each.examined:
                checked[finding.rule] += finding.severity != "not checked"
                figures[finding.rule].append(finding.figure)
            for finding in each.findings:
                alarms[finding.rule] += 1
    hits = {
        (rule, way): [d[rule] for d in diagnoses(sick(twin, changes), seeds)]
        for rule, way, twin, changes in SICK
        if given.only in rule
    }

    print(f"{'rule':26}{'made sick by':32}{'hits':>9}{'false alarms':>16}")
    for rule in RULES:
        alarm = f"{share(alarms[rule.name], checked[rule.name])} of {checked[rule.name]}"
        for (name, way), found in hits.items():
            if name == rule.name:
                hit = sum(f.severity in ("sick", "watch") for f in found)
                print(f"{name:26}{way:32}{share(hit, len(found)):>9}{alarm:>20}")
                if given.figures:
                    print("   sick", np.quantile([f.figure for f in found], [0, 0.05, 0.5, 0.95, 1]).round(5))
        if given.figures:
            values = np.array(figures[rule.name])
            print("   well", np.nanquantile(values, [0, 0.01, 0.05, 0.5, 0.95, 0.99, 1]).round(5))
    print(f"\n{'healthy network':32}any finding of any rule")
    for name, found in anything.items():
        wrong = [rules for rules in found if rules]
        print(
            f"{name:32}{share(len(wrong), len(found))}  {sorted({r for rules in wrong for r in rules}) or ''}"
        )
    runs = [rules for found in anything.values() for rules in found]
    print(f"{'all':32}{share(sum(map(bool, runs)), len(runs))} of {len(runs)}")
    print(f"\n{given.seeds} seeds, {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
