"""What is kept while training: the figures of each epoch, and the model to return."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from ..core import tree
from .journal import all_finite
from .metrics import Metric
from .steps import Step
from .stopping import EarlyStopping


class Tally:
    """Losses and predictions of one epoch."""

    def __init__(self, measures: dict[str, Metric]) -> None:
        self.measures, self.rows = measures, 0
        self.totals: list[
            Any
        ] = []  # of each mini-batch: how many come at once must not change how they are added
        self.predictions: list[Any] = []
        self.targets: list[Any] = []
        self.start = time.perf_counter()

    def add(self, step: Step) -> None:
        """Take in a step."""
        losses = np.atleast_1d(np.asarray(step.loss if step.losses is None else step.losses, np.float64))
        self.totals.append(losses * (step.rows // len(losses)))
        self.rows += step.rows
        if self.measures:
            self.predictions.append(step.prediction)
            self.targets.append(step.target)

    def row(self, step: Step) -> dict[str, float]:
        """Return the epoch's row of the history, at its last step."""
        row = {"epoch": step.epoch, "loss": float(np.sum(np.concatenate(self.totals)) / self.rows)}
        if self.measures:
            predictions, targets = np.concatenate(self.predictions), np.concatenate(self.targets)
            row |= {name: measure(predictions, targets) for name, measure in self.measures.items()}
        return row | {"rate": step.rate, "seconds": time.perf_counter() - self.start}


class Keeper:
    """The history so far, and the model to return: the last one, or the best if early stopping looks for it.

    Nothing is copied unless early stopping asks for it. If the training fails, the last good model is made again.
    """

    def __init__(self, model: Any, stopping: EarlyStopping | None) -> None:
        self.start, self.stopping = model, stopping
        self.finite = all_finite(model)  # else what is not finite belongs to it
        self.history: dict[str, list[float]] = {}
        self.best: float | None = None
        self.best_model: Any = None
        self.waited = 0
        self.good = 0  # updates done at the end of the last epoch

    def epoch(self, row: dict[str, float], step: Step) -> bool:
        """Take in an epoch, at its last step; return whether to stop."""
        for name, value in row.items():
            self.history.setdefault(name, []).append(value)
        self.good = step.number
        if self.stopping is None:
            return False
        value = self.stopping.read(row)
        if self.stopping.better(value, self.best):
            self.best_model = None  # its memory is free for the next
            self.best, self.best_model, self.waited = value, step.model, 0
        else:
            self.waited += 1
        return self.waited >= self.stopping.patience

    def model(self, step: Step | None, stopped: str) -> Any:
        """Return the model to keep of a training that ended with this step."""
        if step is None:
            return self.start
        if self.best_model is not None:
            return self.best_model
        if stopped == "not finite":
            return step.earlier(self.good) if self.good else self.start
        from ..compile.memory import closed_up

        return tree.map(closed_up, step.view())
