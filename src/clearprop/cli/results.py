"""How good predictions are, beside those of somebody who knows the targets' distribution alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..data import TableMapping
from ..train.metrics import accuracy, mean_absolute_error, r2_score
from .output import figures, number, percent

Scores = dict[str, float]

_HEADERS = {
    "samples": "samples",
    "loss": "loss",
    "accuracy": "accuracy",
    "r2": "R²",
    "mae": "MAE",
    "rmse": "RMSE",
}


def scores(mapping: TableMapping, loss: Callable[..., Any] | None, outputs: Any, targets: Any) -> Scores:
    """Return the number of samples, the loss, and the accuracy or R², MAE and RMSE in the target's unit."""
    found: Scores = {"samples": len(targets)}
    if loss is not None:
        found["loss"] = float(loss(outputs, targets))
    if mapping.output is None:
        return found | {"accuracy": accuracy(outputs, targets)}
    predicted, true = mapping.output.inverse(outputs), mapping.output.inverse(targets)
    return found | {
        "r2": r2_score(predicted, true),
        "mae": mean_absolute_error(predicted, true),
        "rmse": float(np.sqrt(np.mean((predicted - true) ** 2))),
    }


def baseline(mapping: TableMapping, known: Any, targets: Any) -> tuple[str, Scores]:
    """Return what can be had without inputs: the most frequent class, or the mean, of known targets."""
    if mapping.output is None:
        top = int(np.argmax(np.bincount(known, minlength=len(mapping.classes))))
        outputs = np.tile(np.eye(len(mapping.classes))[top], (len(targets), 1))
        return f"always {mapping.classes[top]!r}", scores(mapping, None, outputs, targets)
    mean = float(mapping.output.inverse(known).mean())
    return f"always {number(mean)}", scores(
        mapping, None, mapping.output(np.full((len(targets), 1), mean)), targets
    )


def _figure(column: str, value: float) -> str:
    if column == "accuracy":
        return percent(value)
    return f"{value:.3f}" if column == "r2" else number(value)


def score_table(rows: Mapping[str, Scores]) -> Any:
    """Return the scores as a table for people."""
    columns = [c for c in _HEADERS if any(c in row for row in rows.values())]

    def cell(row: Scores, column: str) -> str:
        if column not in row:
            return ""
        if column == "samples":
            return f"{row[column]:,}"
        return _figure(column, row[column])

    lines = [[name, *(cell(row, c) for c in columns)] for name, row in rows.items()]
    return figures(["", *(_HEADERS[c] for c in columns)], lines)


def words(row: Scores) -> str:
    """Return scores in words.

    >>> words({"samples": 1200, "accuracy": 0.95})
    'accuracy 95.0 % on 1,200 rows'
    """
    shown = (f"{_HEADERS[name]} {_figure(name, value)}" for name, value in row.items() if name != "samples")
    return f"{', '.join(shown)} on {row['samples']:,} rows"
