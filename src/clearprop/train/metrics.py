"""Metrics: what people read beside the loss. Functions of predictions and targets, as NumPy arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from ..core.errors import DataError, ShapeError
from ..core.types import type_of
from ..losses.inputs import require_same_shape

Metric: TypeAlias = Callable[[Any, Any], float]


def accuracy(prediction: Any, target: Any) -> float:
    """Return the fraction of samples whose class is predicted.

    Parameters
    ----------
    prediction : float[n, k], float[n, 1] or float[n]
        Scores of k classes, of which the largest counts; or raw outputs of one neuron, positive for class 1.
    target : int[n], float[n, k] or float[n, 1]
        Classes, or one-hot or other probabilities; for one neuron, above 0 counts as class 1.

    >>> accuracy(np.array([[0.1, 0.9], [0.8, 0.2]]), np.array([1, 1]))
    0.5
    """
    p, t = np.asarray(prediction), np.asarray(target)
    several = p.ndim == 2 and p.shape[1] > 1
    fits = t.shape in (p.shape[:1], p.shape) if several else t.shape[:1] == p.shape[:1] and t.size == p.size
    if not fits:
        ways = f"[{len(p)}] or one-hot rows [{len(p)},{p.shape[1]}]" if several else "as many as predictions"
        column = ": use target[:, 0]" if t.shape == (*p.shape[:1], 1) else ""
        raise ShapeError(f"accuracy({type_of(p)}, {type_of(t)}): the target must be labels, {ways}{column}")
    if several:
        classes = t if t.ndim == 1 else t.argmax(axis=1)
        return float(np.mean(p.argmax(axis=1) == classes))
    return float(np.mean((p.reshape(-1) > 0) == (t.reshape(-1) > 0)))


def mean_absolute_error(prediction: Any, target: Any) -> float:
    """Return the mean of |prediction − target|, in the target's unit.

    >>> mean_absolute_error(np.array([1.0, 3.0]), np.array([2.0, 2.0]))
    1.0
    """
    p, t = np.asarray(prediction), np.asarray(target)
    require_same_shape("mean_absolute_error", p, t)
    return float(np.mean(np.abs(p - t)))


def r2_score(prediction: Any, target: Any) -> float:
    """Return the share of the target's variance that is explained: 1 is perfect, 0 is the mean's.

    >>> r2_score(np.array([2.0, 2.0]), np.array([1.0, 3.0]))
    0.0
    """
    p, t = np.asarray(prediction, np.float64), np.asarray(target, np.float64)
    require_same_shape("r2_score", p, t)
    residual, spread = np.sum((t - p) ** 2), np.sum((t - t.mean(axis=0)) ** 2)
    return float(1 - residual / spread) if spread else float(residual == 0)


METRICS: dict[str, Metric] = {f.__name__: f for f in (accuracy, mean_absolute_error, r2_score)}
"""Metrics that can be asked for by name."""


def named_metrics(metrics: Sequence[str | Metric]) -> dict[str, Metric]:
    """Return metrics by name.

    Raises
    ------
    DataError
        If a name is unknown.
    """
    found: dict[str, Metric] = {}
    for metric in metrics:
        if isinstance(metric, str) and metric not in METRICS:
            raise DataError(
                f"no metric is named {metric!r}; there are {', '.join(METRICS)}, or give a function"
            )
        function = METRICS[metric] if isinstance(metric, str) else metric
        found[metric if isinstance(metric, str) else getattr(metric, "__name__", "metric")] = function
    return found
