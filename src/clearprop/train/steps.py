"""The generator of training steps: gather a mini-batch, forward, loss, backward, update.

One step is one graph, recorded once for each size of batch and simplified: the model's forward pass, the
loss, backpropagation and the optimiser's update together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..api import value_and_grad
from ..core import tree
from ..core.errors import DataError
from ..core.graph import Graph
from ..core.interpret import interpret
from ..core.trace import trace
from ..core.types import Array, Type, type_of
from ..nn.context import INFERENCE, Context, apply
from ..ops.random import fold_in, key, permutation
from ..optim import LBFGS, Optimizer
from ..transform.simplify import simplify
from .data import Samples, samples

Loss = Callable[..., Any]

ORDER, NOISE, SPLIT = 0, 1, 2  # what the seed's random numbers are for


@dataclass(frozen=True, eq=False)
class Step:
    """What one step has done.

    Attributes
    ----------
    epoch : int
        Counted from 1.
    number : int
        Updates so far, counted from 1.
    done : float
        Which part of the epoch is done after it: 1.0 after the last step.
    rows : int
        Samples in its mini-batch.
    loss : float
        Of the mini-batch, before the update.
    rate : float
        Learning rate of the update.
    model : Module
        After the update.
    state : dict
        Of the optimiser, after the update.
    prediction, target : array or None
        Of the mini-batch, before the update; kept if asked for.
    """

    epoch: int
    number: int
    done: float
    rows: int
    loss: float
    rate: float
    model: Any
    state: Any
    prediction: Any = None
    target: Any = None


def steps(
    model: Any,
    data: Any,
    *,
    loss: Loss,
    optimizer: Optimizer | LBFGS,
    epochs: int = 10,
    batch_size: int = 32,
    sample_weight: Any = None,
    seed: int = 0,
    keep_predictions: bool = False,
) -> Iterator[Step]:
    """Train step by step: the loop beneath `fit`, for those who write their own around it.

    Parameters
    ----------
    model : Module or callable in a nested structure
        Called with a batch of inputs. Its float arrays are trained.
    data : (x, y) or (x, y, sample_weight)
        Samples on the first axis.
    loss, optimizer, epochs, batch_size, sample_weight, seed
        As for `fit`.
    keep_predictions : bool
        Whether steps carry the predictions that they made.

    Yields
    ------
    Step
        After each update; whoever stops consuming stops the training.

    Examples
    --------
    >>> import numpy as np, clearprop as cp
    >>> x = np.linspace(-1, 1, 8)[:, None]
    >>> line = cp.nn.Dense(1, 1, weight=[[0.0]], bias=[0.0])
    >>> loop = cp.steps(line, (x, 3 * x), loss=cp.losses.mean_squared_error, optimizer=cp.optim.SGD(0.5), batch_size=8)
    >>> [round(step.loss, 3) for step in loop][:3]
    [3.857, 1.259, 0.411]
    """
    return loop(
        model, samples(data, sample_weight), loss, optimizer, epochs, batch_size, seed, keep_predictions
    )


def loop(
    model: Any,
    data: Samples,
    loss: Loss,
    optimizer: Optimizer | LBFGS,
    epochs: int,
    batch_size: int,
    seed: int,
    keep_predictions: bool,
) -> Iterator[Step]:
    """Return the generator for an optimiser, after checking the counts.

    Raises
    ------
    DataError
        If there is no epoch to do, or no sample in a batch.
    """
    if epochs < 1 or batch_size < 1:
        raise DataError(f"epochs={epochs}, batch_size={batch_size}: both must be at least 1")
    weighted = data.weighted(loss)
    try_loss(model, data, weighted)
    noise = fold_in(key(seed), NOISE)
    if isinstance(optimizer, LBFGS):
        return full_batch(model, data, weighted, optimizer, epochs, noise, keep_predictions)
    update = Update(weighted, optimizer, noise, keep_predictions)
    return mini_batches(model, data, update, epochs, batch_size, fold_in(key(seed), ORDER))


def mini_batches(
    model: Any, data: Samples, update: Update, epochs: int, batch_size: int, order: Array
) -> Iterator[Step]:
    """Yield a step for each mini-batch of each epoch, shuffled anew for each epoch."""
    state, number, n = update.optimizer.init(model), 0, len(data)
    for epoch in range(1, epochs + 1):
        rows = permutation(fold_in(order, epoch), n)
        for start in range(0, n, batch_size):
            batch = data.take(rows[start : start + batch_size])
            rate = float(update.optimizer.rate(state))
            model, state, value, prediction = update(model, state, batch)
            number += 1
            done = (start + len(batch)) / n
            yield Step(epoch, number, done, len(batch), value, rate, model, state, prediction, batch.y)


class Update:
    """One step as a graph: from a model, an optimiser's state and a batch to the new ones and the loss."""

    def __init__(self, loss: Loss, optimizer: Optimizer, noise: Array, keep_predictions: bool) -> None:
        self.loss, self.optimizer, self.noise = loss, optimizer, noise
        self.keep = keep_predictions
        self.graphs: dict[tuple[Type, ...], Graph] = {}

    def __call__(self, model: Any, state: Any, batch: Samples) -> tuple[Any, Any, float, Any]:
        """Return the model and the state after the step, the loss, and the prediction if it is kept."""
        leaves, form = tree.flatten((model, state))
        inputs = [*leaves, batch.x, batch.y] + ([] if batch.weight is None else [batch.weight])
        types = tuple(map(type_of, inputs))
        if types not in self.graphs:
            names = [*tree.paths(model), *(f"state.{p}" for p in tree.paths(state)), "x", "y", "weight"]
            self.graphs[types] = self._record(form, types, names[: len(types)], len(leaves))
        results = interpret(self.graphs[types], inputs)
        model, state = tree.unflatten(form, results[: len(leaves)])
        return model, state, float(results[-1]), results[-2] if self.keep else None

    def _record(self, form: tree.Structure, types: tuple[Type, ...], names: list[str], carried: int) -> Graph:
        def flat(*leaves: Array) -> list[Array]:
            model, state = tree.unflatten(form, leaves[:carried])
            x, y, weight = (*leaves[carried:], None)[:3]
            context = Context(training=True, rng=fold_in(self.noise, state["step"]))

            def cost(model: Any) -> tuple[Array, Array]:
                prediction = apply(model, x, context)
                return self.loss(prediction, y, weight), prediction

            (value, prediction), gradient = value_and_grad(cost, has_aux=True)(model)
            updated = self.optimizer.update(model, gradient, state)
            return [*tree.leaves(updated), *([prediction] if self.keep else []), value]

        graph, _ = trace(flat, types, names)
        return simplify(graph.owning_constants())


def try_loss(model: Any, data: Samples, loss: Loss) -> None:
    """Compute the loss once, on the rows with the extreme labels, so that what is wrong is said in numbers."""
    y = data.y.reshape(len(data), -1)
    rows = np.unique([0, len(data) - 1, *y.argmin(axis=0)[:1], *y.argmax(axis=0)[:1]])
    few = data.take(rows)
    weight = None if few.weight is None else np.ones_like(few.weight)
    with np.errstate(all="ignore"):
        loss(apply(model, few.x, INFERENCE), few.y, weight)


def full_batch(
    model: Any, data: Samples, loss: Loss, optimizer: LBFGS, epochs: int, noise: Array, keep_predictions: bool
) -> Iterator[Step]:
    """Yield a step for each iteration of L-BFGS on all samples; each counts as an epoch."""

    def cost(model: Any) -> Array:
        context = Context(training=True, rng=noise)  # the same noise each time: the function must not change
        return loss(apply(model, data.x, context), data.y, data.weight)

    for number, (new, value) in enumerate(optimizer.iterate(value_and_grad(cost), model), start=1):
        prediction = apply(new, data.x, INFERENCE) if keep_predictions else None
        yield Step(number, number, 1.0, len(data), float(value), 1.0, new, {}, prediction, data.y)
        if number == epochs:
            return
