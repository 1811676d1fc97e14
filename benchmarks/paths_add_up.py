"""Do the paths of the ledger add up to the gradient? Random elements of random networks, and how long a ledger takes.

    python benchmarks/paths_add_up.py [--cases 10000] [--seed 1]

Networks have 1 to 4 layers of width 1 to 24 of every kind that there is, every activation and loss, batches of 1 to
12, dropout dropping, and now and then sample weights. The error of a case is |Σ paths − gradient|, relative to the
gradient and to the sum of the paths' magnitudes, of which rounding is a share: a gradient can be a small
difference of large paths.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
from report import FOLDER, table, write

import clearprop as cp
from clearprop import nn

ACTIVATIONS = (
    cp.sigmoid,
    np.tanh,
    cp.relu,
    cp.leaky_relu,
    cp.elu,
    cp.gelu,
    cp.silu,
    cp.softplus,
    cp.identity,
)
ELEMENTS = 25  # of each network


def layer(rng: np.random.Generator, n_in: int, n_out: int) -> list[Any]:
    """Return a layer of some kind, and what may follow it."""
    key = int(rng.integers(1 << 30))
    activation = ACTIVATIONS[rng.integers(len(ACTIVATIONS))]
    if rng.random() < 0.2:
        parts: list[Any] = [nn.Maxout(n_in, n_out, int(rng.integers(1, 4)), rng=key)]
    else:
        parts = [nn.Dense(n_in, n_out, activation, bias=None if rng.random() < 0.1 else nn.zeros, rng=key)]
    if rng.random() < 0.2:
        parts.append(nn.LayerNorm(n_out))
    if rng.random() < 0.2:
        parts.append(nn.Dropout(0.3))
    return parts


def explained(rng: np.random.Generator) -> Any:
    """Return the explanation of a random network on random samples."""
    sizes = [int(n) for n in rng.integers(1, 25, rng.integers(2, 5))]
    n, k = int(rng.integers(1, 13)), int(rng.integers(2, 6))
    parts = [part for a, b in itertools.pairwise(sizes) for part in layer(rng, a, b)]
    model = nn.Sequential((*parts, nn.Dense(sizes[-1], k, rng=int(rng.integers(1 << 30)))))
    x, labels = rng.normal(size=(n, sizes[0])), rng.integers(0, k, n)
    losses: list[tuple[Any, Any]] = [
        (cp.losses.cross_entropy, labels),
        (cp.losses.mean_squared_error, rng.normal(size=(n, k))),
        (cp.losses.half_squared_error, rng.normal(size=(n, k))),
        (cp.losses.log_loss, rng.integers(0, 2, (n, k))),
        (cp.losses.huber, rng.normal(size=(n, k))),
        (lambda p, y, **w: cp.losses.hinge(p, y, kind="weston-watkins", **w), labels),
        (lambda p, y, **w: cp.losses.hinge(p, y, kind="crammer-singer", **w), labels),
    ]
    loss, y = losses[rng.integers(len(losses))]
    weight = rng.uniform(0.1, 2, n) if rng.random() < 0.2 else None
    return cp.explain(model, loss, x, y, sample_weight=weight, training=True, seed=int(rng.integers(1 << 30)))


def close(cases: int, seed: int) -> dict[str, Any]:
    """Return the worst errors of so many elements."""
    rng = np.random.default_rng(seed)
    found: list[tuple[float, float, str]] = []
    networks = paths = 0
    while len(found) < cases:
        e = explained(rng)
        networks += 1
        for _ in range(min(ELEMENTS, cases - len(found))):
            name = list(e.record.inputs)[rng.integers(len(e.record.inputs))]
            shape = e.record.inputs[name].type.shape
            index = tuple(int(rng.integers(n)) for n in shape)
            detail = ("layers", "operations")[int(rng.random() < 0.3)]
            made = e.paths(name, index, k=3, detail=detail)
            paths += made.count
            error = abs(made.total - made.gradient)
            found.append(
                (error / abs(made.gradient) if error else 0.0, error / (made.magnitude or 1), detail)
            )
    return {
        "cases": len(found),
        "networks": networks,
        "paths": paths,
        "worst_relative_to_gradient": max(row[0] for row in found),
        "worst_relative_to_magnitudes": max(row[1] for row in found),
        "exactly_equal": sum(row[0] == 0 for row in found),
    }


def times(rounds: int = 7) -> list[list[str]]:
    """Return rows of milliseconds for the ten largest paths of a weight in networks of about a million weights."""
    rng, rows = np.random.default_rng(0), []
    for sizes in ((784, 512, 512, 10), (100, 400, 400, 400, 400, 400, 10), (1000, 800, 200, 2)):
        model = nn.MLP(sizes[0], sizes[1:-1], sizes[-1], cp.tanh, rng=0)
        weights = sum(leaf.size for leaf in cp.tree.leaves(model))
        for n in (1, 32):
            x, y = rng.normal(size=(n, sizes[0])), rng.integers(0, sizes[-1], n)
            start = time.perf_counter()
            e = cp.explain(model, cp.losses.cross_entropy, x, y)
            e.paths("layers.0.weight", (3, 4))
            first = time.perf_counter() - start
            taken = []
            for i in range(rounds):
                start = time.perf_counter()
                made = e.paths("layers.0.weight", (5 + i, 4 + i))
                taken.append(time.perf_counter() - start)
            rows.append([
                "-".join(map(str, sizes)), f"{weights:,}", str(n), f"{made.count:,}",
                f"{1e3 * first:.0f}", f"{1e3 * statistics.median(taken):.0f}",
            ])  # fmt: skip
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, default=FOLDER / "paths_add_up.json")
    options = parser.parse_args()
    facts = close(options.cases, options.seed)
    print(*(f"{name.replace('_', ' ')}: {value:,}" for name, value in facts.items()), sep="\n")
    head = ["network", "weights", "samples", "paths", "explain and ledger, ms", "ledger, ms"]
    rows = times()
    print("", table(head, rows), sep="\n")
    write(options.output, {"adding_up": facts, "times": [dict(zip(head, row, strict=True)) for row in rows]})


if __name__ == "__main__":
    main()
