"""One training step as a graph, and the two that run it: native code and the interpreter.

The graph takes the model, the optimiser's state and a mini-batch, and gives the new model, the new state, the
loss, and the prediction if it is wanted: forward pass, loss, backpropagation and update together.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..api import value_and_grad
from ..core import tree
from ..core.graph import Graph
from ..core.interpret import interpret
from ..core.trace import stand_for, trace
from ..core.types import Array, Type, type_of
from ..nn.context import Context, apply
from ..ops.random import fold_in
from ..optim import Optimizer
from ..transform.simplify import simplify
from .data import Samples

if TYPE_CHECKING:
    from ..compile.repeat import Repeating, Roles

FEW = 10  # one in so many rows of an epoch
COUNTED = (
    64  # mini-batches in the data; of more, as of those between powers of two, machine code knows nothing
)


class Stepper(ABC):
    """A model being trained: its values now, and steps on rows of the data."""

    def __init__(
        self,
        model: Any,
        data: Samples,
        loss: Callable[..., Any],
        optimizer: Optimizer,
        noise: Array,
        keep_predictions: bool,
    ) -> None:
        self.loss, self.optimizer, self.noise, self.keep = loss, optimizer, noise, keep_predictions
        self.data = [data.x, data.y] + ([] if data.weight is None else [data.weight])
        self.given, state = model, optimizer.init(model)
        parameters = tree.paths(model)
        self.names = [*parameters, *(f"state.{p}" for p in tree.paths(state))]
        self.parameters = len(parameters)
        leaves, self.form = tree.flatten((model, state))
        del state
        self.leaves = self._own(leaves)
        self.factor = self.names.index("state.rate_factor")

    def _own(self, leaves: list[Any]) -> list[np.ndarray[Any, Any]]:
        """Return arrays that nobody else has, of what is trained."""
        return [np.array(leaf, order="C") for leaf in leaves]

    @abstractmethod
    def prepare(self, sizes: Iterable[int]) -> None:
        """Make ready for mini-batches of these sizes; any other is made ready when it comes."""

    @abstractmethod
    def run(self, rows: np.ndarray[Any, Any], size: int) -> tuple[Any, Any]:
        """Do steps of ``size`` rows each; return the loss of each step, and all predictions if they are kept.

        The first loss that is not finite is the last one: no step is done after it.
        """

    @abstractmethod
    def again(self, leaves: Sequence[np.ndarray[Any, Any]]) -> Stepper:
        """Return another stepper of the same steps, which goes on from these values."""

    def first(self) -> list[np.ndarray[Any, Any]]:
        """Return the values before the first step."""
        return [np.asarray(leaf) for leaf in tree.leaves((self.given, self.optimizer.init(self.given)))]

    def model(self) -> Any:
        """Return the model as it is now; steps change its arrays."""
        return tree.unflatten(self.form, self.leaves)[0]

    def state(self) -> Any:
        """Return the optimiser's state now, a copy."""
        return tree.map(np.array, tree.unflatten(self.form, self.leaves)[1])

    @property
    def rate(self) -> float:
        """The learning rate of the next step."""
        return float(self.optimizer.rate(tree.unflatten(self.form, self.leaves)[1]))

    @property
    def rate_factor(self) -> Any:
        """What the learning rate is multiplied by."""
        return self.leaves[self.factor]

    @rate_factor.setter
    def rate_factor(self, value: Any) -> None:
        self.leaves[self.factor][...] = value

    def graph(self, size: int) -> Graph:
        """Return the graph of a step of so many rows."""
        types = [type_of(leaf) for leaf in self.leaves]
        types += [Type((size, *d.shape[1:]), d.dtype) for d in self.data]
        names = [*self.names, "x", "y", "weight"][: len(types)]
        graph, _ = trace(self._flat, types, names)
        return simplify(graph.owning_constants())

    def _flat(self, *leaves: Array) -> list[Array]:
        n = len(self.leaves)
        model, state = tree.unflatten(self.form, leaves[:n])
        x, y, weight = (*leaves[n:], None)[:3]
        stand_for(y, self.data[1][:0])  # all targets have been checked before
        context = Context(training=True, rng=fold_in(self.noise, state["step"]))

        def cost(model: Any) -> tuple[Array, Array]:
            prediction = apply(model, x, context)
            return self.loss(prediction, y, weight), prediction

        (value, prediction), gradient = value_and_grad(cost, has_aux=True)(model)
        updated = self.optimizer.update(model, gradient, state)
        return [*tree.leaves(updated), value, *([prediction] if self.keep else [])]


class Interpreted(Stepper):
    """Steps with NumPy, equation by equation: the reference."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.graphs: dict[int, Graph] = {}

    def prepare(self, sizes: Iterable[int]) -> None:
        """Record the graphs."""
        self.graphs |= {size: self.graph(size) for size in sizes}

    def run(self, rows: np.ndarray[Any, Any], size: int) -> tuple[Any, Any]:
        """Interpret the graph for each mini-batch."""
        if size not in self.graphs:
            self.prepare([size])
        n, losses, predictions = len(self.leaves), [], []
        for start in range(0, len(rows), size):
            taken = rows[start : start + size]
            results = interpret(self.graphs[size], [*self.leaves, *(d[taken] for d in self.data)])
            self.leaves = [np.asarray(r) for r in results[:n]]
            losses.append(results[n])
            predictions += results[n + 1 :]
            if not np.isfinite(results[n]):
                break
        return np.array(losses), np.concatenate(predictions) if self.keep else None

    def again(self, leaves: Sequence[np.ndarray[Any, Any]]) -> Interpreted:
        """Return the same graphs with other values."""
        other = copy.copy(self)
        other.leaves = [leaf.copy() for leaf in leaves]
        return other


class Native(Stepper):
    """Steps in native code, any number of them in one call."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.runs: dict[int, Repeating] = {}

    def _own(self, leaves: list[Any]) -> list[np.ndarray[Any, Any]]:
        from ..compile.repeat import Carried

        self.carried = Carried([np.asarray(leaf) for leaf in leaves])
        return self.carried.now

    def roles(self, size: int) -> Roles:
        """Return what the inputs and outputs of the graph are for mini-batches of this size."""
        from ..compile.repeat import Roles

        n, batches = len(self.leaves), min(max(len(self.data[0]) // size, 1), COUNTED)
        at_least = 1 << batches.bit_length() - 1  # so that a few rows more find the same machine code
        return Roles(n, (n, n + 1) if self.keep else (n,), watched=n, batches=at_least)

    def prepare(self, sizes: Iterable[int]) -> None:
        """Make the machine code for these sizes of batches, side by side.

        All but the largest are the last of an epoch; of few of its rows, they hardly matter to how long it takes.
        """
        from ..compile.program import make, without_collecting
        from ..compile.repeat import Repeat
        from ..compile.target import chosen

        made: dict[int, Repeat] = {}
        target = chosen()
        few = len(self.data[0]) / FEW

        def repeats() -> Iterator[Repeat]:
            for size in sorted(sizes, reverse=True):
                seldom = bool(made) and size < few
                made[size] = Repeat(self.graph(size), self.roles(size), target, seldom)
                yield made[size]

        with without_collecting():
            make(repeats(), target)
        for size, repeat in made.items():
            self.runs[size] = repeat.begin(self.carried, self.data)

    def _writable(self) -> list[Any]:
        self.leaves = self.carried.now
        return self.leaves

    def run(self, rows: np.ndarray[Any, Any], size: int) -> tuple[Any, Any]:
        """Run the machine code for this size of batch."""
        if size not in self.runs:
            self.prepare([size])
        records = self.runs[size].run(rows, len(rows) // size)
        self.leaves = self.carried.now
        return records[0], records[1].reshape(-1, *records[1].shape[2:]) if self.keep else None

    def again(self, leaves: Sequence[np.ndarray[Any, Any]]) -> Native:
        """Return the same machine code with other values."""
        from ..compile.repeat import Carried

        other = copy.copy(self)
        other.carried = Carried(leaves)
        other.runs = {size: run.step.begin(other.carried, run.data) for size, run in self.runs.items()}
        other.leaves = other.carried.now
        return other
