"""A trained model on samples: its outputs, its loss, its metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..nn.context import INFERENCE, apply
from .data import Samples
from .metrics import METRICS, Metric
from .steps import Loss

_ROWS = 4096  # predicted at a time


def predict(model: Callable[..., Any], x: Any) -> Any:
    """Return the model's outputs for all rows, computed in pieces that fit into memory."""
    with np.errstate(over="ignore", under="ignore"):
        parts = [np.asarray(apply(model, x[i : i + _ROWS], INFERENCE)) for i in range(0, len(x), _ROWS)]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def evaluate(
    model: Any, data: Samples, loss: Loss, measures: dict[str, Metric], prefix: str = ""
) -> dict[str, float]:
    """Return the loss and the metrics of a model on samples."""
    prediction = predict(model, data.x)
    row = {f"{prefix}loss": float(data.weighted(loss)(prediction, data.y, data.weight))}
    return row | {f"{prefix}{name}": measure(prediction, data.y) for name, measure in measures.items()}


def require_measurable(model: Callable[..., Any], data: Samples, measures: dict[str, Metric]) -> None:
    """Raise what is wrong with clearprop's own metrics for this model and these targets, before any training."""
    ours = [measure for measure in measures.values() if measure in METRICS.values()]
    if ours:
        few = data.take(slice(0, 2))
        prediction = predict(model, few.x)
        for measure in ours:
            measure(prediction, few.y)
