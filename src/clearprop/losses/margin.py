"""Losses that ask for a margin: hinge losses of two and of more classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.errors import DataError, ShapeError
from ..core.trace import numbers_of
from ..core.types import Array, type_of
from ..ops.activations import relu
from ..ops.index import gather, one_hot
from .inputs import as_array, as_float, as_labels, holds_labels, matched, require_choice, require_classes
from .reduction import reduce

KINDS = ("binary", "weston-watkins", "crammer-singer")


def hinge(
    prediction: Array,
    target: Any,
    *,
    kind: str = "binary",
    margin: float = 1.0,
    squared: bool = False,
    sample_weight: Any = None,
    reduction: str = "mean",
) -> Array:
    """Return the mean of max(0, m − y·s) for labels y = ±1: no loss, and no slope, beyond the margin m.

    For k classes, with the scores s and the label y of a sample, either of

    - "weston-watkins": Σ_{j≠y} max(0, m + s_j − s_y), a sum over the wrong classes (Weston and Watkins,
      1999; the multiclass SVM loss of Stanford's course CS231n);
    - "crammer-singer": max(0, m + max_{j≠y} s_j − s_y), the worst class alone (Crammer and Singer, 2001).

    Exactly at the margin the slope is 0. Wrong classes that tie for the worst share the slope equally.

    Parameters
    ----------
    prediction : float[n, ...] or float[n, ..., k]
        Scores: one for each target if kind is "binary", else k ≥ 2 on the last axis. The loss is computed in
        its dtype.
    target : array[n, ...]
        "binary": labels of the prediction's shape, either −1 and 1 or 0 and 1: what is above 0 counts as 1,
        all else as −1. Else integer labels from 0 to k − 1, one for each row of the prediction.
    kind : {"binary", "weston-watkins", "crammer-singer"}
    margin : float
        m.
    squared : bool
        Square each max(0, ·): smooth at the margin.
    sample_weight : array[n], optional
        w ≥ 0, one a sample, or one a label.
    reduction : {"mean", "sum", "none"}
        Over the labels' losses l: "mean" Σ w l / Σ w, 0 if all weights are 0; "sum" Σ w l; "none" w l, shaped
        like target.

    Raises
    ------
    ShapeError
        If target is not labels for this prediction.
    DTypeError
        If labels of k classes are floats.
    DataError
        If binary labels are not −1 and 1 or 0 and 1, or a label names no class.

    Examples
    --------
    >>> import numpy as np, clearprop as cp
    >>> cp.losses.hinge(np.array([0.5, 2.0, 2.0]), np.array([1, 1, -1]), reduction="none")
    array([0.5, 0. , 3. ])
    >>> s = np.array([[3.2, 5.1, -1.7]])
    >>> cp.losses.hinge(s, np.array([0]), kind="weston-watkins").round(4)
    np.float64(2.9)
    """
    require_choice("hinge", "kind", kind, KINDS)
    margin = float(margin)
    if kind == "binary":
        prediction, target = matched("hinge", prediction, target)
        _require_two_labels(target)
        losses = _excess(margin - np.where(target > 0, prediction, -prediction), squared)
        return reduce("hinge", losses, sample_weight, reduction)
    scores = as_float(prediction, "hinge: the prediction")
    labels = _labels(scores, as_array(target, "hinge: the target"), kind)
    right = gather(scores, *np.indices(labels.shape, sparse=True), labels)
    is_right = one_hot(labels, scores.shape[-1], bool)
    if kind == "weston-watkins":
        excess = _excess(margin + (scores - np.expand_dims(right, -1)), squared)
        losses = np.sum(np.where(is_right, 0, excess), axis=-1)
    else:
        worst = np.max(np.where(is_right, -np.inf, scores), axis=-1)
        losses = _excess(margin + (worst - right), squared)
    return reduce("hinge", losses, sample_weight, reduction)


def _excess(x: Array, squared: bool) -> Array:
    """Return max(0, x), squared if asked."""
    return np.square(relu(x)) if squared else relu(x)


def _require_two_labels(target: Array) -> None:
    """Raise DataError unless all labels are −1 or 1, or all are 0 or 1."""
    numbers = numbers_of(target)
    if numbers is None:
        return
    if not (np.isin(numbers, (-1, 1)).all() or np.isin(numbers, (0, 1)).all()):
        found = ", ".join(f"{label:g}" for label in np.unique(numbers)[:5])
        raise DataError(
            f"hinge: binary labels are −1 and 1, or 0 and 1, but the target holds {found}; of more classes "
            f"give one score a class and kind='weston-watkins' or 'crammer-singer'"
        )


def _labels(scores: Array, target: Array, kind: str) -> Array:
    n_classes = require_classes("hinge", scores)
    if not holds_labels("hinge", scores, target):
        raise ShapeError(
            f"hinge({type_of(scores)}, {type_of(target)}, kind={kind!r}): the target must be integer labels, "
            f"one a row; of one-hot rows use np.argmax(target, axis=-1)"
        )
    return as_labels("hinge", target, n_classes)
