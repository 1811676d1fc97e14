"""Do shares of samples and neurons, updates, Jacobians and attributions add up? Random networks, and their times.

    python benchmarks/blame_adds_up.py [--networks 1000] [--seed 1]

Networks are those of `paths_add_up.py`. An error is relative to the sum of the magnitudes of what is added.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from paths_add_up import explained
from report import FOLDER, table, write

import clearprop as cp
from clearprop import optim

OPTIMIZERS = (
    optim.SGD(0.1),
    optim.SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    optim.SGD(0.1, momentum=0.9, clip_norm=0.1),
    optim.Adam(0.01, weight_decay=0.1, amsgrad=True),
    optim.AdamW(0.01, clip_value=0.01),
    optim.RMSProp(0.01, centered=True, momentum=0.5),
    optim.Lion(0.01, weight_decay=0.1),
)


def answers(e: Any, rng: np.random.Generator) -> dict[str, float]:
    """Return the error of each sum of one explanation."""
    name = e.record.parameters[rng.integers(len(e.record.parameters))]
    gradient = e.gradient(name).value
    index = tuple(int(i) for i in rng.integers(0, gradient.shape))
    optimizer = OPTIMIZERS[rng.integers(len(OPTIMIZERS))]
    state = e.update(optimizer).state if rng.random() < 0.5 else None
    shares = e.samples(name, index, optimizer=optimizer, state=state)
    update = e.update(optimizer, name, index, state=state)
    every = e.sample_gradients(name).value
    of_element = np.max(np.abs(every[(slice(None), *index)] - shares.each)) / (np.abs(shares.each).sum() or 1)
    room = np.abs(every).sum(axis=0)
    whole = np.max(np.abs(every.sum(axis=0) - gradient) / np.where(room == 0, 1, room))
    found = e.integrated_gradients(steps=1024)
    return {
        "Σ samples = gradient, one weight (forward sweep)": shares.error,
        "Σ samples = gradient, whole parameters (backward sweep)": float(whole),
        "the two, sample by sample": float(of_element),
        "memory + decay + Σ samples = change of the weight": shares.moved.error,
        "retold formula = update (SGD, Adam, AdamW)": update.error or 0.0,
        "Σ neurons = forward sweeps, Σ samples = L": e.blame().error,
        "Jacobian·v = forward sweep": e.jacobian(sample=None).error,
        "Σ integrated gradients = f(x) − f(baseline)": found.error,
        "  of them within 1e-5": float(found.closes),
    }


def close(networks: int, seed: int) -> dict[str, float]:
    """Return the worst error of each sum; of what closes, the share."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(networks):
        found.append(answers(explained(rng), rng))
    return {k: (statistics.mean if k.startswith(" ") else max)(row[k] for row in found) for k in found[0]}


def times(n: int = 1000, rounds: int = 3) -> list[list[str]]:
    """Return rows of milliseconds for 784-100-10 with so many samples."""
    rng = np.random.default_rng(0)
    model = cp.nn.MLP(784, (100,), 10, cp.relu, rng=0)
    x, y = rng.normal(size=(n, 784)), rng.integers(0, 10, n)
    adam = optim.Adam(0.01)
    e: Any = cp.explain(model, cp.losses.cross_entropy, x, y)
    asked: dict[str, Callable[[], Any]] = {
        "explain": lambda: cp.explain(model, cp.losses.cross_entropy, x, y).blame,
        "explain and samples of one weight": lambda: cp.explain(model, cp.losses.cross_entropy, x, y).samples(
            "layers.0.weight", (300, 4)
        ),
        "samples of one more weight, with an update by Adam": lambda: e.samples(
            "layers.0.weight", (300, 5), optimizer=adam
        ),
        "sample_gradients, 784×100": lambda: e.sample_gradients("layers.0.weight"),
        "sample_gradients, biases": lambda: e.sample_gradients("layers.0.bias"),
        "blame": e.blame,
        "update of a weight": lambda: e.update(adam, "layers.0.weight", (300, 4)),
        "update of all": lambda: e.update(adam),
        "sensitivity, 784 inputs nudged twice": e.sensitivity,
        "jacobian of one sample": e.jacobian,
        "jacobian of all samples": lambda: e.jacobian(sample=None),
        "integrated_gradients, all samples, 64 points": lambda: e.integrated_gradients(steps=64),
    }
    rows = []
    for what, ask in asked.items():
        taken = []
        for _ in range(rounds):
            start = time.perf_counter()
            ask()
            taken.append(time.perf_counter() - start)
        rows.append([what, f"{1e3 * statistics.median(taken):.0f}"])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, default=FOLDER / "blame_adds_up.json")
    options = parser.parse_args()
    facts = close(options.networks, options.seed)
    print(table(["sum", "worst relative error"], [[k, f"{v:.2g}"] for k, v in facts.items()]))
    head = ["784-100-10, 1000 samples", "ms"]
    rows = times()
    print("", table(head, rows), sep="\n")
    write(options.output, {"adding_up": facts, "times": [dict(zip(head, row, strict=True)) for row in rows]})


if __name__ == "__main__":
    main()
