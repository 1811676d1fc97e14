"""``diagnose``: gather the evidence on a network and its training, and let the doctor examine it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..core.errors import SettingError
from ..data import TableMapping
from ..explanation.doctor.diagnosis import Diagnosis, examine
from ..explanation.doctor.evidence import Evidence
from ..ops.random import key
from .data import Samples, samples
from .run import Run, Setup
from .steps import Loss
from .trial import fresh, trials

_MOST = 4096  # samples that are predicted


def diagnose(
    model: Any,
    data: Any,
    *,
    loss: Loss,
    optimizer: Any = None,
    batch_size: int = 32,
    history: Mapping[str, Sequence[float]] | None = None,
    start: Any = None,
    stopped: str = "epochs",
    kept_best: bool = False,
) -> Diagnosis:
    """Examine a network and its training: the verdict first, then evidence, threshold and what to try.

    Twelve rules: unscaled inputs, dead and saturated units, vanishing and exploding gradients, the
    update-to-weight ratio, a rate too high or too low, one batch that cannot be learned by heart, a constant
    prediction, classes that are never predicted, overfitting.

    Parameters
    ----------
    model : Module
        After training; or before it, to see whether it can be trained.
    data : (x, y) or (x, y, sample_weight)
        What it is trained on. At most 4,096 samples are predicted, and 512 explained number by number.
    loss : callable
        As for `fit`.
    optimizer : Optimizer, optional
        To try out the learning rate, and whether a few samples can be learned by heart: some hundred steps each,
        together about a second. Its state begins anew.
    batch_size : int
    history : dict, optional
        As in a Run: ``loss``, ``val_loss`` and ``rate``, an entry an epoch.
    start : Module, optional
        The model before training, from which experiments begin. By default one like it with Dense and Maxout
        layers drawn anew.
    stopped : str
        Why the training ended, as in a Run.
    kept_best : bool
        Whether the model is that of the best epoch, as with early stopping, and not of the last.

    Returns
    -------
    Diagnosis

    Raises
    ------
    DataError
        If the data cannot be trained on.

    Examples
    --------
    >>> import numpy as np, clearprop as cp
    >>> x = np.linspace(-1, 1, 64)[:, None]
    >>> zeros = cp.nn.MLP(1, (16,), 1, weight=cp.nn.zeros)
    >>> found = cp.diagnose(zeros, (x, x), loss=cp.losses.mean_squared_error)
    >>> found.verdict
    'SICK: ...'
    """
    given = Setup(start, samples(data), loss, optimizer, batch_size)
    return _examined(model, given, history or {}, stopped, kept_best)


def _examined(
    model: Any,
    setup: Setup,
    history: Mapping[str, Sequence[float]],
    stopped: str,
    kept_best: bool,
    mapping: Any = None,
) -> Diagnosis:
    data, known = setup.data, setup.model is not None
    start = setup.model if known else fresh(model, key(0))
    experiments = trials(start, data, setup.loss, setup.optimizer, setup.batch_size, history)
    few = _some(data)
    evidence = Evidence(
        model,
        few.x,
        few.y,
        setup.loss,
        history,
        stopped,
        experiments,
        setup.model,
        kept_best,
        *((mapping.columns, mapping.classes) if isinstance(mapping, TableMapping) else ()),
    )
    notes = [f"{len(few):,} of {len(data):,} samples were predicted"] if len(few) < len(data) else []
    if experiments is not None and not known:
        notes.append("the network before training is not known; experiments began with one drawn anew")
    with np.errstate(all="ignore"):  # what is sick may overflow
        return examine(evidence, notes)


def _some(data: Samples) -> Samples:
    """Return samples in random order, so that the first ones are like all."""
    order = np.random.Generator(np.random.PCG64(0)).permutation(len(data))[:_MOST]
    return data.take(data.numbers(order))


def diagnose_run(run: Run, data: Any, loss: Any, optimizer: Any, batch_size: int | None) -> Diagnosis:
    """Examine a run, with what it knows of its training where nothing else is given."""
    known = run.setup
    if known is None and (data is None or loss is None):
        raise SettingError(
            "a run that was read from a file knows neither its data nor its loss: give them, as in "
            "run.diagnose((x, y), loss=cp.losses.cross_entropy, optimizer=cp.optim.Adam(1e-3))"
        )
    if known is None:
        known = Setup(None, samples(data), loss, optimizer, int(run.settings.get("batch_size", 32)))
    setup = Setup(
        known.model,
        known.data if data is None else samples(data),
        known.loss if loss is None else loss,
        known.optimizer if optimizer is None else optimizer,
        known.batch_size if batch_size is None else batch_size,
    )
    kept_best = run.settings.get("kept") == "best epoch"
    return _examined(run.model, setup, run.history, run.stopped, kept_best, run.preprocessing)
