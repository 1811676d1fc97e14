"""What is trained: networks, and data made from a seed. NumPy is all that is needed here.

The arrays are made once and written to a folder, from which every contestant reads the same rows, initial
weights and order of mini-batches.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

MOMENTUM, BETA1, BETA2, EPS = 0.9, 0.9, 0.999, 1e-8
RECTIFIERS = ("relu", "gelu")
HIDDEN_TRUTH = 16  # directions in which the data differ


@dataclass(frozen=True)
class Workload:
    """A network, and how it is trained.

    Attributes
    ----------
    name : str
    sizes : tuple of int
        Inputs, neurons of each layer.
    activation : {"relu", "sigmoid", "tanh", "gelu"}
        Of hidden layers; gelu by erf.
    loss : {"cross_entropy", "mean_squared", "half_squared", "hinge"}
        Softmax and cross-entropy of labels; the mean of squares; half the sum of squares over one-hot
        outputs; the mean over all classes of max(0, 1 + s_j − s_y), j ≠ y. Means over the samples.
    optimizer : {"sgd", "momentum", "adam"}
    rate : float
    batch, rows : int
        Samples in a mini-batch and in all.
    output : {"identity", "sigmoid"}
    pixels : bool
        Whether inputs lie in [0, 1], half of them 0.
    seed : int
    """

    name: str
    sizes: tuple[int, ...]
    activation: str
    loss: str
    optimizer: str
    rate: float
    batch: int
    rows: int
    output: str = "identity"
    pixels: bool = False
    seed: int = 0

    @property
    def labelled(self) -> bool:
        """Whether targets are the numbers of classes."""
        return self.loss in ("cross_entropy", "hinge")

    @property
    def operations(self) -> int:
        """Floating-point operations of a step's matrix products; inputs need no gradient."""
        layers = [a * b for a, b in pairwise(self.sizes)]
        return 2 * self.batch * (3 * sum(layers) - layers[0])

    @property
    def title(self) -> str:
        """The network in a line."""
        sizes = "-".join(map(str, self.sizes))
        hidden = f" {self.activation}" if len(self.sizes) > 2 else ""
        return f"{sizes}{hidden}, {self.loss}, {self.optimizer}, batch {self.batch}"


@dataclass(frozen=True, eq=False)
class Task:
    """A workload with its arrays.

    Attributes
    ----------
    x : float32[rows, inputs]
    y : int32[rows] or float32[rows, outputs]
    weights, biases : lists of float32[n_in, n_out] and float32[n_out]
    order : int32[steps, batch]
        The rows of each mini-batch.
    """

    workload: Workload
    x: Array
    y: Array
    weights: list[Array]
    biases: list[Array]
    order: Array

    def save(self, folder: Path) -> None:
        """Write files into an empty folder."""
        (folder / "workload.json").write_text(json.dumps(asdict(self.workload)))
        for name, array in {"x": self.x, "y": self.y, "order": self.order}.items():
            np.save(folder / f"{name}.npy", array)
        for i, (w, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            np.save(folder / f"weight{i}.npy", w)
            np.save(folder / f"bias{i}.npy", b)


def load(folder: Path) -> Task:
    """Read what `Task.save` has written."""
    facts = json.loads((folder / "workload.json").read_text())
    workload = Workload(**{**facts, "sizes": tuple(facts["sizes"])})
    layers = range(len(workload.sizes) - 1)
    x, y, order = (np.load(folder / f"{name}.npy") for name in ("x", "y", "order"))
    weights, biases = ([np.load(folder / f"{name}{i}.npy") for i in layers] for name in ("weight", "bias"))
    return Task(workload, x, y, weights, biases, order)


def make(workload: Workload, steps: int) -> Task:
    """Make the arrays of a workload, with the order of so many steps."""
    rng = np.random.default_rng(workload.seed)
    x, y = _samples(workload, rng)
    gain = 2.0 if workload.activation in RECTIFIERS else 1.0
    weights = [
        rng.standard_normal((a, b), np.float32) * np.float32(np.sqrt(gain / a))
        for a, b in pairwise(workload.sizes)
    ]
    biases = [np.zeros(b, np.float32) for b in workload.sizes[1:]]
    return Task(workload, x, y, weights, biases, _order(workload, steps, rng))


def _samples(w: Workload, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return inputs, and targets that depend on them, with so much noise that no loss goes to 0."""
    n_in, n_out = w.sizes[0], w.sizes[-1]
    x = rng.standard_normal((w.rows, n_in), np.float32)
    if w.pixels:
        np.clip(x, 0, 1, out=x)
    inward = rng.standard_normal((n_in, HIDDEN_TRUTH), np.float32) * np.float32(2 / np.sqrt(n_in))
    outward = rng.standard_normal((HIDDEN_TRUTH, n_out), np.float32) / np.float32(np.sqrt(HIDDEN_TRUTH))
    truth = np.tanh(x @ inward) @ outward
    truth += np.float32(0.3) * rng.standard_normal(truth.shape, np.float32)
    if w.loss == "mean_squared":
        return x, truth
    labels = truth.argmax(axis=1).astype(np.int32)
    wrong = rng.random(w.rows) < 0.1
    labels[wrong] = rng.integers(0, n_out, wrong.sum())
    return x, labels if w.labelled else np.eye(n_out, dtype=np.float32)[labels]


def _order(w: Workload, steps: int, rng: np.random.Generator) -> Array:
    whole = w.rows // w.batch * w.batch  # an epoch of full mini-batches
    epochs = -(-steps * w.batch // whole)
    rows = np.concatenate([rng.permutation(w.rows)[:whole] for _ in range(epochs)])
    return rows[: steps * w.batch].reshape(steps, w.batch).astype(np.int32)


WORKLOADS = {
    w.name: w
    for w in (
        Workload("digits", (64, 32, 10), "sigmoid", "cross_entropy", "sgd", 0.5, 32, 1797, pixels=True),
        Workload(
            "book", (784, 30, 10), "sigmoid", "half_squared", "sgd", 1.0, 10, 50000, "sigmoid", pixels=True
        ),
        Workload("mnist", (784, 100, 10), "relu", "cross_entropy", "adam", 1e-3, 200, 60000, pixels=True),
        Workload(
            "deeper", (784, 512, 512, 10), "relu", "cross_entropy", "adam", 3e-4, 128, 60000, pixels=True
        ),
        Workload("regression", (20, 64, 64, 1), "relu", "mean_squared", "adam", 1e-3, 256, 100000),
        Workload("wide", (2048,) * 5, "relu", "mean_squared", "sgd", 0.1, 512, 4096),
        Workload("online", (2, 2, 2), "sigmoid", "half_squared", "sgd", 0.5, 1, 1000, "sigmoid"),
    )
}
"""What `make bench` trains: tables, pictures, quantities, wide layers, one sample at a time."""
