"""``fit``: train a model on data and keep what was learned."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..api.inside import Inside, says_inside
from ..ops.random import fold_in, key
from ..optim import Optimizer
from .data import Samples, hold_out, samples
from .evaluation import evaluate, require_measurable
from .history import Keeper, Tally
from .metrics import Metric, named_metrics
from .mistakes import require_no_target_among_inputs, require_sound
from .progress import Progress, progress_on
from .run import Run, Setup
from .steps import SPLIT, Loss, Step, loop
from .stopping import EarlyStopping

if TYPE_CHECKING:
    from ..explanation.causes.cause import Cause
    from ..optim import LBFGS, ReduceOnPlateau

_PAUSE = 0.05  # seconds between two looks at what native code does: at progress, at Ctrl-C


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
    backend: str = "native",
    allow_target_in_x: bool = False,
) -> Run:
    """Train a model and return the run: the model, its history, how it was made.

    Parameters
    ----------
    model : Module
        Called with a batch of inputs; its arrays are trained. It is not changed: run.model is another.
    data : (x, y) or (x, y, sample_weight)
        Samples on the first axis. They are read where they are, a mini-batch at a time, and never copied as a
        whole; it is fastest if each row stands in one piece, as in NumPy's own order.
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
    backend : {"native", "numpy"}
        Native code, made for this model when the training begins; or NumPy, the same run to rounding, slower.
    allow_target_in_x : bool
        Train even though columns of x, beside others, are y itself (or one column for each class of y).

    Returns
    -------
    Run
        Ctrl-C ends the training and returns what was learned so far. So does a loss that becomes NaN or infinite, at
        once, with a RuntimeWarning: the model is that of the last good epoch, and ``run.cause`` the first cause.

    Raises
    ------
    DataError
        If the data cannot be trained on; if a target is none that the loss takes, in whichever row it stands; or if
        y is among the columns of x, in 20 rows or more and beyond chance.
    ShapeError
        If shapes do not fit, naming the layer; or if a loss of one's own takes all predictions against all targets,
        as predictions [n,1] less targets [n] does.
    SettingError
        If the model ends in a softmax or a sigmoid that the loss takes once more, or ``optimizer`` is not an optimizer.

    Examples
    --------
    >>> import numpy as np, clearprop as cp
    >>> x = np.linspace(-1, 1, 64)[:, None]
    >>> model = cp.nn.MLP(1, (16,), 1, activation=cp.tanh)
    >>> loss, adam = cp.losses.mean_squared_error, cp.optim.Adam(0.03)
    >>> run = cp.fit(model, (x, x ** 2), loss=loss, optimizer=adam, epochs=100, progress=False)
    >>> run.history["loss"][0] > 0.1 > 0.01 > run.history["loss"][-1]
    True
    """
    if optimizer is None:
        from ..optim import Adam

        optimizer = Adam(1e-3)
    given = samples(data, sample_weight)
    if not allow_target_in_x:
        require_no_target_among_inputs(given)
    train, held = hold_out(given, validation, fold_in(key(seed), SPLIT))
    measures = named_metrics(metrics)
    each = loop(model, train, loss, optimizer, epochs, batch_size, seed, bool(measures), backend, _PAUSE)
    require_measurable(model, train, measures)
    if held is not None and not isinstance(validation, (int, float)):  # samples of their own
        require_sound(model, held, held.weighted(loss), batch_size, "the validation data")
    keeper = Keeper(model, early_stopping)
    with progress_on(progress, epochs) as show:
        stopped, last = _consume(each, train, held, loss, measures, plateau, keeper, show)
    cause = _cause(last) if stopped == "not finite" else None
    settings = {
        "loss": getattr(loss, "__name__", repr(loss)),
        "optimizer": repr(optimizer),
        "epochs": epochs,
        "batch_size": batch_size,
        "rows": len(train),
        "validation_rows": len(held) if held is not None else 0,
        "kept": "last epoch" if keeper.stopping is None else "best epoch",
    }
    setup = Setup(model, train, loss, optimizer, batch_size)
    made = (settings, stopped, preprocessing, cause, setup)
    return Run(keeper.model(last, stopped), keeper.history, int(seed), *made)


def _consume(
    each: Any,
    train: Samples,
    held: Samples | None,
    loss: Loss,
    measures: dict[str, Metric],
    plateau: ReduceOnPlateau | None,
    keeper: Keeper,
    show: Progress,
) -> tuple[str, Step | None]:
    """Go through the steps; return why they ended, and the last one."""
    tally, waiting = Tally(measures), {} if plateau is None else plateau.init()
    stopped, step = "epochs", None
    try:
        for step in each:
            if not step.sound or (keeper.finite and not step.finite):
                stopped = "not finite"
                break
            tally.add(step)
            show.step(step)
            if step.done < 1:
                continue
            row = tally.row(step)
            if held is not None:
                row |= evaluate(step.view(), held, loss, measures, "val_")
            show.epoch(row)
            if keeper.epoch(row, step):
                stopped = "early stopping"
                break
            if plateau is not None:
                waiting, factor = plateau.observe(waiting, row[plateau.metric])
                step.state["rate_factor"] = step.state["rate_factor"] * factor
            tally = Tally(measures)
    except KeyboardInterrupt:
        stopped = "interrupted"
    finally:
        each.close()
    return stopped, step


def _cause(step: Step | None) -> Cause | None:
    """Find and tell what made the last step's loss, or the model after it, NaN or infinite."""
    if step is None:
        return None
    begun = time.perf_counter()
    try:
        cause = step.cause
    except KeyboardInterrupt:
        cause = None
    found = f"\n{cause}\n  (Found in {time.perf_counter() - begun:.1f} s.)" if cause else ""
    bad = step.loss if step.losses is None else np.ravel(step.losses)[-1]
    became = "a parameter is no longer finite" if np.isfinite(bad) else f"the loss became {bad:g}"
    warnings.warn(
        f"{became} in epoch {step.epoch} at rate {step.rate:g}; the training ended, and the last good model was "
        f"kept.{found}",
        RuntimeWarning,
        stacklevel=3,
    )
    return cause


def _inside(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Inside:
    from .inside import of_fit

    return of_fit(args, kwargs)


says_inside(fit, _inside)
