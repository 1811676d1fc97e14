"""The scale of a loss: what the best constant prediction costs, and what the targets themselves would."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core.errors import ClearpropError
from .outcome import Outcome

Array = np.ndarray[Any, Any]

_SURE = 60.0  # a logit that leaves no doubt


@dataclass(frozen=True)
class Scale:
    """From a constant prediction to a perfect one.

    Attributes
    ----------
    constant : float
        The loss of the best constant prediction that was found.
    perfect : float
        The loss of the targets themselves, as predictions.
    """

    constant: float
    perfect: float

    def learned(self, loss: float) -> float:
        """Return 0 for the loss of a constant, 1 for that of the targets; negative if a constant is better.

        >>> Scale(2.0, 0.0).learned(0.5)
        0.75
        """
        span = self.constant - self.perfect
        if not np.isfinite(loss):
            return -np.inf
        return (self.constant - loss) / span if span > 0 else np.nan


def scale(loss: Callable[..., Any], outcome: Outcome, shape: tuple[int, ...], target: Any) -> Scale:
    """Return the scale of a loss on some targets, for predictions of this shape."""
    constant = min(_costs(loss, _constants(outcome, shape), target), default=np.nan)
    perfect = min(_costs(loss, _perfect(outcome, shape), target), default=np.nan)
    return Scale(constant, min(perfect, constant))


def _costs(loss: Callable[..., Any], predictions: Iterator[Array], target: Any) -> Iterator[float]:
    for prediction in predictions:
        try:
            with np.errstate(all="ignore"):
                cost = float(loss(prediction, target))
        except (ClearpropError, ValueError, TypeError):
            continue  # a loss that does not take such predictions
        if np.isfinite(cost):
            yield cost


def _constants(outcome: Outcome, shape: tuple[int, ...]) -> Iterator[Array]:
    t = outcome.target
    for row in (np.mean(t, axis=0), np.median(t, axis=0), np.zeros(t.shape[1])):
        yield from _forms(outcome, np.broadcast_to(row, t.shape), shape)


def _perfect(outcome: Outcome, shape: tuple[int, ...]) -> Iterator[Array]:
    yield from _forms(outcome, outcome.target, shape)
    if outcome.task != "numbers":
        yield (_SURE * (2 * outcome.target - 1)).reshape(shape)


def _forms(outcome: Outcome, p: Array, shape: tuple[int, ...]) -> Iterator[Array]:
    """Yield a prediction as it is, and as the logarithms and logits that some losses take."""
    yield p.reshape(shape)
    if outcome.task == "yes or no":
        inside = np.clip(p, 1e-12, 1 - 1e-12)
        yield np.log(inside / (1 - inside)).reshape(shape)
        yield (2 * np.round(p) - 1).reshape(shape)
    elif p.min() >= 0:
        yield np.log(np.maximum(p, 1e-12)).reshape(shape)
