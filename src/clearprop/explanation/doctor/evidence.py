"""What the rules look at: an explanation of a sample, predictions, the history, small experiments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from ...nn.context import INFERENCE, apply
from ..explain import Explanation, explain
from ..layers import Layer
from .outcome import Outcome, outcome
from .scale import Scale, scale

Array = np.ndarray[Any, Any]

EXPLAINED = 512
"""So many samples are looked at number by number."""


@dataclass(frozen=True, eq=False)
class Memorised:
    """How far a network came that was shown nothing but a few samples.

    Attributes
    ----------
    prediction, target : array
        Of those samples, after the experiment.
    steps : int
        Of one attempt.
    rates : sequence of float
        What the learning rate was multiplied by, attempt after attempt.
    """

    prediction: Array
    target: Array
    steps: int
    rates: Sequence[float]


class Trials(Protocol):
    """Small experiments with a network as it was before training, bounded to about a second together."""

    def updates(self) -> Mapping[str, float]:
        """Return ‖ΔW‖/‖W₀‖ of a step, the median over some of the first, for each weight matrix."""

    def at_rates(self, factors: Sequence[float]) -> tuple[int, Mapping[float, Any]]:
        """Return how many steps were done, and the model after so many at the rate times each factor."""

    def memorise(self, good: Callable[[Any, Any], bool]) -> Memorised:
        """Train on a few samples until it is good, at several rates."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What the rules look at.

    Attributes
    ----------
    model : Module
        After the training.
    x, y : array
        Samples of the training data, at most some thousands, in random order.
    loss : callable
    history : mapping of str to sequence of float
        As a Run has it; may be empty.
    stopped : str
        Why the training ended, as a Run says.
    trials : Trials or None
        None where nothing can be tried: without optimiser.
    start : Module or None
        The model before the training, if it is known.
    kept_best : bool
        Whether the model is that of the best epoch, not of the last.
    columns, classes : sequence of str
        The names of the inputs and of the classes, where they have any.
    """

    model: Any
    x: Array
    y: Array
    loss: Callable[..., Any]
    history: Mapping[str, Sequence[float]] = field(default_factory=dict)
    stopped: str = "epochs"
    trials: Trials | None = None
    start: Any = None
    kept_best: bool = False
    columns: Sequence[str] = ()
    classes: Sequence[str] = ()

    @cached_property
    def explanation(self) -> Explanation:
        """One forward and backward pass on the first samples."""
        return explain(self.model, self.loss, self.x[:EXPLAINED], self.y[:EXPLAINED])

    @cached_property
    def beginning(self) -> Explanation | None:
        """The same before the training, if that is known."""
        if self.start is None:
            return None
        return explain(self.start, self.loss, self.x[:EXPLAINED], self.y[:EXPLAINED])

    @cached_property
    def active(self) -> Sequence[Layer]:
        """The layers that apply a function to their weighted sums; those of the output, the last, may be among them."""
        return [
            layer for layer in self.explanation.layers if layer.variables["z"] is not layer.variables["a"]
        ]

    def predict(self, model: Any) -> Array:
        """Return what a model gives for the samples."""
        with np.errstate(all="ignore"):
            return np.asarray(apply(model, self.x, INFERENCE))

    def outcome_of(self, prediction: Array, target: Array | None = None) -> Outcome:
        """Return what predictions mean."""
        return outcome(prediction, self.y if target is None else target, self.loss)

    def cost(self, prediction: Array) -> float:
        """Return the loss of predictions of all samples."""
        with np.errstate(all="ignore"):
            return float(self.loss(prediction, self.y))

    @cached_property
    def prediction(self) -> Array:
        """What the model gives for the samples."""
        return self.predict(self.model)

    @cached_property
    def outcome(self) -> Outcome:
        """What that means."""
        return self.outcome_of(self.prediction)

    @cached_property
    def scale(self) -> Scale:
        """What a constant costs, and what perfection would."""
        return scale(self.loss, self.outcome, self.prediction.shape, self.y)

    @cached_property
    def learned(self) -> float:
        """How much of what can be learned was: 0 is no better than a constant, 1 perfect."""
        return self.scale.learned(self.cost(self.prediction))


def weighted(explanation: Explanation) -> Sequence[Layer]:
    """Return the layers that have a matrix of weights."""
    return [layer for layer in explanation.layers if any(p.value.ndim > 1 for p in layer.parameters.values())]
