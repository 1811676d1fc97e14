"""``fit``: train a model on data and keep what was learned."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.types import type_of
from ..nn.context import INFERENCE, apply
from ..ops.random import fold_in, key
from ..optim import LBFGS, Adam, Optimizer, ReduceOnPlateau
from .data import Samples, hold_out, samples
from .metrics import Metric, named_metrics
from .progress import Progress, progress_on
from .run import Run
from .steps import SPLIT, Loss, Step, loop
from .stopping import EarlyStopping

_CHUNK = 4096  # rows predicted at a time


def fit(
    model: Any,
    data: Any,
    *,
    loss: Loss,
    optimizer: Optimizer | LBFGS | None = None,
    epochs: int = 10,
    batch_size: int = 32,
    validation: Any = None,
    sample_weight: Any = None,
    metrics: Sequence[str | Metric] = (),
    early_stopping: EarlyStopping | None = None,
    plateau: ReduceOnPlateau | None = None,
    seed: int = 0,
    progress: bool = True,
    preprocessing: Any = None,
) -> Run:
    """Train a model and return the run: the model, its history, how it was made.

    Parameters
    ----------
    model : Module
        Called with a batch of inputs; its arrays are trained. It is not changed: run.model is another.
    data : (x, y) or (x, y, sample_weight)
        Samples on the first axis.
    loss : callable
        ``loss(prediction, target)``, to one number; also ``sample_weight=`` if there are weights.
    optimizer : Optimizer or LBFGS
        By default Adam(1e-3). With LBFGS an epoch is one iteration on all samples.
    epochs : int
        How many times to go through the data.
    batch_size : int
        Samples of a mini-batch. The last one of an epoch may be smaller; it is trained on too.
    validation : float, (x, y) or (x, y, sample_weight), optional
        A random fraction to set aside, or samples of their own.
    sample_weight : float[n], optional
        What each sample counts in the loss.
    metrics : sequence of str or callable
        Of ``accuracy``, ``mean_absolute_error``, ``r2_score``, or functions of (prediction, target). For the
        training data, of the predictions made while training.
    early_stopping : EarlyStopping, optional
        Stop without progress, and keep the weights of the best epoch.
    plateau : ReduceOnPlateau, optional
        Lower the learning rate without progress.
    seed : int
        Of the order of samples, of dropout and of the validation split. The same seed gives the same bits.
    progress : bool
        Show a bar on a terminal, and plain lines elsewhere, on standard error.
    preprocessing : Module, optional
        Kept in the run, and in its file, beside the model.

    Returns
    -------
    Run
        Ctrl-C ends the training and returns what was learned so far.

    Raises
    ------
    DataError
        If the data cannot be trained on.

    Examples
    --------
    >>> import numpy as np, clearprop as cp
    >>> x = np.linspace(-1, 1, 64)[:, None]
    >>> model = cp.nn.MLP(1, (16,), 1, activation=cp.tanh)
    >>> run = cp.fit(model, (x, x ** 2), loss=cp.losses.mean_squared_error, epochs=100, progress=False)
    >>> run.history["loss"][0] > 0.1 > 0.01 > run.history["loss"][-1]
    True
    """
    optimizer = Adam(1e-3) if optimizer is None else optimizer
    train, held = hold_out(samples(data, sample_weight), validation, fold_in(key(seed), SPLIT))
    measures = named_metrics(metrics)
    each = loop(model, train, loss, optimizer, epochs, batch_size, seed, bool(measures))
    keeper = _Keeper(model, early_stopping)
    with progress_on(progress, epochs) as show:
        stopped = _consume(each, train, held, loss, measures, plateau, keeper, show)
    settings = {
        "loss": getattr(loss, "__name__", repr(loss)),
        "optimizer": repr(optimizer),
        "epochs": epochs,
        "batch_size": batch_size,
        "rows": len(train),
        "validation_rows": len(held) if held is not None else 0,
    }
    return Run(keeper.model, keeper.history, int(seed), settings, stopped, preprocessing)


class _Keeper:
    """What is kept while training: the history, and the model to return."""

    def __init__(self, model: Any, stopping: EarlyStopping | None) -> None:
        self.model, self.stopping = model, stopping
        self.history: dict[str, list[float]] = {}
        self.best: float | None = None
        self.best_model: Any = None
        self.waited = 0

    def epoch(self, row: dict[str, float], model: Any) -> bool:
        """Take in an epoch; return whether to stop."""
        for name, value in row.items():
            self.history.setdefault(name, []).append(value)
        self.model = model
        if self.stopping is None:
            return False
        value = self.stopping.read(row)
        if self.stopping.better(value, self.best):
            self.best, self.best_model, self.waited = value, model, 0
        else:
            self.waited += 1
        return self.waited >= self.stopping.patience

    def finish(self) -> None:
        """Go back to the best model, if one was looked for."""
        if self.best_model is not None:
            self.model = self.best_model


def _consume(
    each: Any,
    train: Samples,
    held: Samples | None,
    loss: Loss,
    measures: dict[str, Metric],
    plateau: ReduceOnPlateau | None,
    keeper: _Keeper,
    show: Progress,
) -> str:
    """Go through the steps; return why they ended."""
    tally, waiting = _Tally(measures), {} if plateau is None else plateau.init()
    stopped, step = "epochs", None
    try:
        for step in each:
            tally.add(step)
            show.step(step)
            if step.done < 1:
                continue
            row = tally.row(step)
            if not np.isfinite(row["loss"]):
                _warn_diverged(step)
                stopped = "not finite"
                break
            if held is not None:
                row |= evaluate(step.model, held, loss, measures, "val_")
            show.epoch(row)
            if keeper.epoch(row, step.model):
                stopped = "early stopping"
                break
            if plateau is not None:
                waiting, factor = plateau.observe(waiting, row[plateau.metric])
                step.state["rate_factor"] = step.state["rate_factor"] * factor
            tally = _Tally(measures)
    except KeyboardInterrupt:
        stopped = "interrupted"
        if step is not None and keeper.stopping is None:
            keeper.model = step.model
    finally:
        each.close()
    keeper.finish()
    return stopped


class _Tally:
    """Losses and predictions of one epoch."""

    def __init__(self, measures: dict[str, Metric]) -> None:
        self.measures, self.total, self.rows = measures, 0.0, 0
        self.predictions: list[Any] = []
        self.targets: list[Any] = []
        self.start = time.perf_counter()

    def add(self, step: Step) -> None:
        self.total += step.loss * step.rows
        self.rows += step.rows
        if self.measures:
            self.predictions.append(step.prediction)
            self.targets.append(step.target)

    def row(self, step: Step) -> dict[str, float]:
        row = {"epoch": step.epoch, "loss": self.total / self.rows}
        if self.measures:
            predictions, targets = np.concatenate(self.predictions), np.concatenate(self.targets)
            row |= {name: measure(predictions, targets) for name, measure in self.measures.items()}
        return row | {"rate": step.rate, "seconds": time.perf_counter() - self.start}


def predict(model: Callable[..., Any], x: Any) -> Any:
    """Return the model's outputs for all rows, computed in pieces that fit into memory."""
    with np.errstate(over="ignore", under="ignore"):
        parts = [np.asarray(apply(model, x[i : i + _CHUNK], INFERENCE)) for i in range(0, len(x), _CHUNK)]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def evaluate(
    model: Any, data: Samples, loss: Loss, measures: dict[str, Metric], prefix: str = ""
) -> dict[str, float]:
    """Return the loss and the metrics of a model on samples."""
    prediction = predict(model, data.x)
    row = {f"{prefix}loss": float(data.weighted(loss)(prediction, data.y, data.weight))}
    return row | {f"{prefix}{name}": measure(prediction, data.y) for name, measure in measures.items()}


def _warn_diverged(step: Step) -> None:
    warnings.warn(
        f"the loss became {step.loss} in epoch {step.epoch} (rate {step.rate:g}, inputs of {type_of(step.target)} "
        f"targets); training ended and the model of the epoch before was kept. Try a smaller learning rate, "
        f"scaled inputs, or clip_norm=1.0 in the optimiser",
        RuntimeWarning,
        stacklevel=4,
    )
