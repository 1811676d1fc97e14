"""Small experiments for the doctor: a network as it was before training, some hundred steps at other rates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from ..api.compiled import native_code
from ..core import tree
from ..explanation.doctor.evidence import Memorised
from ..nn.context import INFERENCE, apply
from ..nn.dense import Dense, Maxout, default_weight
from ..nn.initializers import glorot_uniform
from ..ops.random import fold_in, key
from ..optim import LBFGS, Optimizer
from .data import Samples
from .stepper import Interpreted, Native, Stepper
from .steps import Loss

_WORK = 4e9  # multiplications and additions of one experiment, at most, as long as it has _FEWEST steps
_FEWEST, _MOST, _EPOCHS = 50, 300, 10
_BEFORE, _MEASURED = 10, 10  # steps, and those after them whose updates are measured
_RATES = (1.0, 10.0, 0.1, 100.0, 0.01, 1e3, 1e4)


class Experiments:
    """Experiments that begin with a model, all with the same step, recorded and compiled once.

    Parameters
    ----------
    start : Module
        Before training.
    data : Samples
    loss, optimizer
        As for `fit`; not L-BFGS.
    batch_size : int
    updates : int
        Of the training that is examined: an experiment has no more.
    rate : float, optional
        The learning rate, where it was not the same throughout: the largest.
    """

    def __init__(
        self,
        start: Any,
        data: Samples,
        loss: Loss,
        optimizer: Optimizer,
        batch_size: int,
        updates: int,
        rate: float | None,
    ) -> None:
        self.start, self.data, self.loss = start, data, loss
        self.optimizer = optimizer if rate is None else replace(optimizer, learning_rate=rate)
        self.size = min(max(batch_size, 8), len(data), 512)
        self.parameters = sum(leaf.size for leaf in tree.leaves(start))
        self.done = updates
        work = 6 * self.parameters * self.size
        self.most = int(np.clip(_WORK / work, _FEWEST, _MOST))

    @cached_property
    def stepper(self) -> Stepper:
        """The step."""
        kind = Native if native_code() else Interpreted
        noise = fold_in(key(0), 1)
        made = kind(self.start, self.data, self.data.weighted(self.loss), self.optimizer, noise, False)
        made.prepare([self.size])
        return made

    @cached_property
    def shuffled(self) -> np.ndarray[Any, Any]:
        """Rows of the data in random order, for as many steps as an experiment may have."""
        random = np.random.Generator(np.random.PCG64(0))
        each = len(self.data) // self.size * self.size
        epochs = -(-self.most * self.size // each)
        return self.data.numbers(
            np.concatenate([random.permutation(len(self.data))[:each] for _ in range(epochs)])
        )

    def again(self, factor: float = 1.0) -> Stepper:
        """Return the same steps from the start, with the rate times a factor."""
        stepper = self.stepper.again(self.stepper.first())
        stepper.rate_factor = factor
        return stepper

    def run(self, rows: np.ndarray[Any, Any], factor: float) -> Any:
        """Return the model after steps on these rows at the rate times a factor; None if it diverged."""
        stepper = self.again(factor)
        with np.errstate(all="ignore"):
            losses, _ = stepper.run(rows, self.size)
        model = stepper.model()
        finite = np.isfinite(losses).all() and all(np.isfinite(leaf).all() for leaf in tree.leaves(model))
        return model if finite else None

    def updates(self) -> Mapping[str, float]:
        """Return ‖ΔW‖/‖W₀‖ of a step, the median over the 11th to 20th, for each matrix of weights W₀."""
        stepper = self.again()
        lengths = {name: float(np.linalg.norm(w)) for name, w in _matrices(self.start).items()}
        rows = np.resize(self.shuffled, (_BEFORE + _MEASURED) * self.size)
        found: dict[str, list[float]] = {}
        with np.errstate(all="ignore"):
            stepper.run(rows[: _BEFORE * self.size], self.size)
            before = _matrices(stepper.model())
            for step in range(_BEFORE, _BEFORE + _MEASURED):
                stepper.run(rows[step * self.size : (step + 1) * self.size], self.size)
                after = _matrices(stepper.model())
                for name, length in lengths.items():
                    if length:
                        change = float(np.linalg.norm(after[name] - before[name]))
                        found.setdefault(name, []).append(change / length)
                before = after
        return {name: float(np.median(ratios)) for name, ratios in found.items()}

    def at_rates(self, factors: Sequence[float]) -> tuple[int, Mapping[float, Any]]:
        """Return how many steps were done, and the model after so many at the rate times each factor."""
        steps = min(self.most, self.done, max(_FEWEST, _EPOCHS * len(self.data) // self.size))
        rows = self.shuffled[: steps * self.size]
        return steps, {factor: self.run(rows, factor) for factor in factors}

    def memorise(self, good: Callable[[Any, Any], bool]) -> Memorised:
        """Train on a few samples until it is good, at several rates."""
        few = self._few()
        rows = np.tile(np.resize(few, self.size), self.most)
        x, y = self.data.x[few], self.data.y[few]
        tried: list[float] = []
        best = np.asarray(apply(self.start, x, INFERENCE))
        for factor in _RATES:
            model = self.run(rows, factor)
            tried.append(factor)
            if model is None:
                continue
            prediction = np.asarray(apply(model, x, INFERENCE))
            if not float(self.loss(prediction, y)) > float(self.loss(best, y)):
                best = prediction
            if good(prediction, y):
                break
        return Memorised(best, y, self.most, tried)

    def _few(self) -> np.ndarray[Any, Any]:
        """Return samples that differ in x, with targets that differ: so many that the parameters suffice for them."""
        wanted = int(np.clip(self.parameters // 4, 2, 8))
        rows = self.data.numbers(np.arange(min(len(self.data), 4096)))
        if self.data.weight is not None:
            rows = rows[self.data.weight[rows] > 0]
        x, y = (a[rows].reshape(len(rows), -1) for a in (self.data.x, self.data.y))
        _, first = np.unique(x, axis=0, return_index=True)
        y = y[first]
        order = np.lexsort(y.T)
        if y.dtype.kind in "iu" or y.shape[1] > 1:  # one of each class, then another of each
            _, kind = np.unique(y, axis=0, return_inverse=True)
            kind = kind.reshape(-1)[order]
            turn = np.arange(len(kind)) - np.searchsorted(kind, kind)
            order = order[np.lexsort((kind, turn))]
            chosen = np.arange(min(wanted, len(order)))
        else:
            chosen = np.linspace(0, len(order) - 1, min(wanted, len(order))).astype(int)
        return np.asarray(rows[first[order[chosen]]])


def _matrices(model: Any) -> dict[str, np.ndarray[Any, Any]]:
    """Return copies of the matrices of a model."""
    return {name: np.array(leaf) for name, leaf in tree.named_leaves(model) if np.ndim(leaf) > 1}


def fresh(part: Any, rng: Any) -> Any:
    """Return a model with the weights of its Dense and Maxout layers drawn anew, as where training begins.

    >>> import numpy as np
    >>> layer = Dense(2, 3, weight=np.full((2, 3), 7.0), bias=np.ones(3))
    >>> bool((fresh(layer, key(0)).weight != 7).all()), fresh(layer, key(0)).bias
    (True, array([0., 0., 0.]))
    """
    if isinstance(part, (Dense, Maxout)):
        return _drawn(part, rng)
    items = tree.contents(part)
    if items is None:
        return part
    made = {k: fresh(v, fold_in(rng, i)) for i, (k, v) in enumerate(items)}
    if isinstance(part, tree.Module):
        return part.replace(**made)
    return type(part)(made) if isinstance(part, dict) else type(part)(made.values())


def _drawn(layer: Any, rng: Any) -> Any:
    w = layer.weight
    initial = default_weight(layer.activation) if isinstance(layer, Dense) else glorot_uniform
    bias = None if layer.bias is None else np.zeros_like(layer.bias)
    return layer.replace(weight=np.asarray(initial(rng, w.shape, w.dtype)), bias=bias)


def trials(
    start: Any,
    data: Samples,
    loss: Loss,
    optimizer: Optimizer | LBFGS | None,
    batch_size: int,
    history: Mapping[str, Sequence[float]],
) -> Experiments | None:
    """Return the experiments that can be made, or None."""
    if optimizer is None or isinstance(optimizer, LBFGS):
        return None
    rates = [r for r in history.get("rate", ()) if r > 0]
    epochs = len(history.get("loss", ())) or 1
    rate = max(rates, default=None) if callable(optimizer.learning_rate) else None
    updates = epochs * -(-len(data) // batch_size)
    return Experiments(start, data, loss, optimizer, batch_size, updates, rate)
