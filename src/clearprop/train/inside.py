"""What `fit` and `steps` compile: the training step, for those who want to look inside."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..api.inside import Inside
from ..core.errors import DataError, SettingError
from ..core.graph import Graph
from ..ops.random import fold_in, key, permutation
from ..optim import LBFGS, Adam, Optimizer
from .data import Samples, hold_out, samples
from .fit import fit
from .metrics import named_metrics
from .mistakes import require_sound
from .stepper import Native
from .steps import NOISE, ORDER, SPLIT, Loss, steps, try_loss

if TYPE_CHECKING:
    from ..compile.repeat import Repeat
    from ..compile.target import Target
    from ..compile.timed import Timed


class TrainingStep(Inside):
    """A step of a whole mini-batch: forward, loss, backward and update."""

    def __init__(
        self,
        model: Any,
        data: Samples,
        loss: Loss,
        optimizer: Optimizer | LBFGS,
        batch_size: int,
        seed: int,
        keep_predictions: bool,
    ) -> None:
        if isinstance(optimizer, LBFGS):
            raise SettingError(
                "L-BFGS has no step that is compiled; show or profile the loss and its gradient instead"
            )
        if batch_size < 1:
            raise DataError(f"batch_size={batch_size}: must be at least 1")
        weighted = data.weighted(loss)
        require_sound(model, data, weighted, batch_size)
        try_loss(model, data, weighted)
        self.stepper = Native(model, data, weighted, optimizer, fold_in(key(seed), NOISE), keep_predictions)
        self.size = min(batch_size, len(data))
        self.order = data.numbers(permutation(fold_in(key(seed), ORDER), len(data)))
        self.graph: Graph = self.stepper.graph(self.size)

    def program(self, target: Target) -> Repeat:
        """Return the native loop of steps."""
        from ..compile.repeat import Repeat

        return Repeat(self.graph, self.stepper.roles(self.size), target)

    def timed(self) -> tuple[Timed, Callable[[int], Any]]:
        """Return the same with clocks, and what trains for so many steps, epoch after epoch of one order."""
        from ..compile.timed import TimedRepeat

        made = TimedRepeat(self.graph, self.stepper.roles(self.size))
        steps = made.begin(self.stepper.carried, self.stepper.data)
        rows: dict[int, np.ndarray[Any, Any]] = {}

        def run(times: int) -> None:
            if times not in rows:
                rows[times] = np.resize(
                    self.order[: len(self.order) // self.size * self.size], times * self.size
                )
            steps.run(rows[times], times)

        return made, run


def of_fit(args: Sequence[Any], kwargs: Mapping[str, Any]) -> TrainingStep:
    """Return what a call of `fit` compiles."""
    given = _given(fit, args, kwargs)
    optimizer = Adam(1e-3) if given["optimizer"] is None else given["optimizer"]
    data, seed = samples(given["data"], given["sample_weight"]), given["seed"]
    train, _ = hold_out(data, given["validation"], fold_in(key(seed), SPLIT))
    keep = bool(named_metrics(given["metrics"]))
    return TrainingStep(given["model"], train, given["loss"], optimizer, given["batch_size"], seed, keep)


def of_steps(args: Sequence[Any], kwargs: Mapping[str, Any]) -> TrainingStep:
    """Return what `steps` compiles."""
    given = _given(steps, args, kwargs)
    data = samples(given["data"], given["sample_weight"])
    names = ("loss", "optimizer", "batch_size", "seed", "keep_predictions")
    return TrainingStep(given["model"], data, *(given[name] for name in names))


def _given(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call by name; those that are not given by their defaults."""
    bound = inspect.signature(function).bind(*args, **kwargs)
    bound.apply_defaults()
    return bound.arguments
