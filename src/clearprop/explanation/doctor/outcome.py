"""What a prediction means beside its target: one of several classes, yes or no, or numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core.errors import ClearpropError
from ...ops.activations import sigmoid
from ...ops.composite import softmax

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Outcome:
    """Predictions and targets on one scale.

    Attributes
    ----------
    task : {"classes", "yes or no", "numbers"}
    prediction, target : float[n, k]
        Probabilities of the classes and 0 or 1; or numbers.
    predicted, true : int[n] or None
        The classes.
    """

    task: str
    prediction: Array
    target: Array
    predicted: Array | None = None
    true: Array | None = None

    @property
    def spread(self) -> float:
        """The deviation of the predictions in units of the targets'; NaN if all targets are the same."""
        varied = float(np.sum(np.var(self.target, axis=0)))
        return float(np.sqrt(np.sum(np.var(self.prediction, axis=0)) / varied)) if varied else float("nan")


def outcome(prediction: Any, target: Any, loss: Callable[..., Any]) -> Outcome:
    """Return what a model's outputs mean.

    Integers beside rows of k > 1 outputs are classes, and so are rows of k that are zeros and a one. Targets of
    one column that are all 0 or 1, or all ±1, are yes or no. All else is numbers.

    >>> from clearprop import losses
    >>> outcome(np.zeros((2, 3)), np.array([0, 2]), losses.cross_entropy).task
    'classes'
    """
    p, t = np.asarray(prediction, np.float64), np.asarray(target)
    if p.ndim == 2 and p.shape[1] > 1:
        if t.ndim == 1 and t.dtype.kind in "iu":
            return _classes(p, t)
        if t.shape == p.shape and _one_hot(t):
            return _classes(p, t.argmax(axis=1))
    values = np.unique(t[:10_000])
    if p.size == t.size == len(p) and len(values) == 2 and values.tolist() in ([0, 1], [-1, 1]):
        return _yes_or_no(p.reshape(-1), t.reshape(-1), values, loss)
    n = len(p)
    return Outcome("numbers", p.reshape(n, -1), np.asarray(t, np.float64).reshape(n, -1))


def _one_hot(t: Array) -> bool:
    return bool(np.isin(t, (0, 1)).all() and (t.sum(axis=1) == 1).all())


def _classes(scores: Array, true: Array) -> Outcome:
    sums = scores.sum(axis=1)
    probabilities = scores.min() >= 0 and np.allclose(sums, 1, atol=1e-4)
    p = scores if probabilities else np.asarray(softmax(scores))
    return Outcome("classes", p, np.eye(scores.shape[1])[true], scores.argmax(axis=1), true)


def _yes_or_no(score: Array, target: Array, values: Array, loss: Callable[..., Any]) -> Outcome:
    middle = _middle(values, loss)
    p = score if middle else np.asarray(sigmoid(score))
    true = (target == values[1]).astype(int)
    return Outcome("yes or no", p[:, None], true[:, None].astype(float), (score > middle).astype(int), true)


def _middle(values: Array, loss: Callable[..., Any]) -> float:
    """Return the output that lies between no and yes: 0 if no and yes cost the same there, else ½."""
    if values[0] < 0:
        return 0.0
    try:
        no, yes = (float(loss(np.zeros(1), np.array([v]))) for v in values)
    except ClearpropError:
        return 0.5
    return 0.0 if np.isclose(no, yes) else 0.5
