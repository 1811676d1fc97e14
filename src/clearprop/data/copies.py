"""Inputs that are the target under another name: what is to be learned stands among what it is learned from.

Equality by chance is ruled out by counting: a column that takes the most common value of the target at random, row
by row, would be equal with a probability below one in a million.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Numbers = np.ndarray[Any, Any]

FEWEST_ROWS = 20
_FIRST_LOOK, _SECOND_LOOK = 8, 256  # rows
_MOST_CLASSES = 1000
_CHANCE = 1e-6


def target_columns(x: Numbers, y: Numbers) -> list[int]:
    """Return the columns of x that together are the target y; none if y is not among them, or is all of x.

    A target of one number is one column. A class is one column too, or one for each class that is 1 in its rows
    and 0 elsewhere, whichever way y itself is given.

    >>> x = np.random.default_rng(0).normal(size=(30, 3))
    >>> target_columns(x, x[:, 1]), target_columns(x, x), target_columns(x, x[:, 1] ** 2)
    ([1], [], [])
    """
    if x.ndim != 2 or x.shape[1] < 2 or len(x) < FEWEST_ROWS or y.ndim not in (1, 2):
        return []
    values = y if y.ndim == 1 else y[:, 0]
    ends = [int(values.argmin()), int(values.argmax())]
    if values[ends[0]] == values[ends[1]]:
        return []
    if y.ndim == 1 or y.shape[1] == 1:
        found = _column(x, values, ends)
        return [found] if found is not None else _one_hot_of(x, values, ends)
    if y.shape[1] >= x.shape[1] or not _is_one_hot(y):
        return []
    return _all_columns(x, (y[:, c] for c in range(y.shape[1])), ends)


def _one_hot_of(x: Numbers, labels: Numbers, ends: list[int]) -> list[int]:
    low, high = (int(labels[end]) for end in ends)
    if labels.dtype.kind not in "iu" or low != 0 or not 1 < high < min(_MOST_CLASSES, x.shape[1]):
        return []
    return _all_columns(x, (labels == c for c in range(high + 1)), ends)


def _all_columns(x: Numbers, wanted: Any, ends: list[int]) -> list[int]:
    """Return a column for each of the vectors, or none at all if one is missing."""
    found: list[int] = []
    for vector in wanted:
        column = _column(x, vector, ends)
        if column is None:
            return []
        found.append(column)
    return found


def _is_one_hot(y: Numbers) -> bool:
    few = y[:_FIRST_LOOK]
    if not (np.isin(few, (0, 1)).all() and (few.sum(axis=1) == 1).all()):
        return False  # nearly always, and at once
    return bool(np.isin(y, (0, 1)).all() and (y.sum(axis=1) == 1).all())


def _column(x: Numbers, values: Numbers, ends: list[int]) -> int | None:
    """Return the first column that equals the values, as numbers in its own precision."""
    if x.dtype.kind == "f":
        values = values.astype(x.dtype, copy=False)
    candidates = np.arange(x.shape[1])
    for count in (_FIRST_LOOK, _SECOND_LOOK):
        rows = np.array([*ends, *np.linspace(0, len(x) - 1, min(count, len(x))).astype(int)])
        candidates = candidates[(x[np.ix_(rows, candidates)] == values[rows, None]).all(axis=0)]
        if not len(candidates):
            return None
    equal = (int(c) for c in candidates if np.array_equal(x[:, c], values))
    found = next(equal, None)
    return found if found is not None and no_chance(values, x.shape[1]) else None


def no_chance(values: Numbers, n_columns: int) -> bool:
    """Tell whether one of so many unrelated columns would hardly ever be equal to these values in every row."""
    counts = np.unique(values, return_counts=True)[1]
    common = int(counts.max()) / len(values)
    return len(counts) > 1 and len(values) * math.log(common) + math.log(n_columns) < math.log(_CHANCE)


def renames(column: Numbers, labels: Numbers) -> bool:
    """Tell whether each class has one number of its own in the column, as 10, 20, 30 for the classes 0, 1, 2.

    >>> renames(np.array([10.0, 20.0, 10.0]), np.array([1, 0, 1])), renames(np.array([1.0, 2.0]), np.array([0, 0]))
    (True, False)
    """
    numbers, codes = np.unique(column, return_inverse=True)
    if len(numbers) > _MOST_CLASSES:
        return False
    pairs = np.unique(np.stack([codes.ravel(), labels]), axis=1).shape[1]
    return bool(pairs == len(numbers) == len(np.unique(labels)))


def copies_in_table(inputs: Numbers, target: Numbers, is_classes: bool) -> list[int]:
    """Return the columns that equal the target, or of classes name them in another way; beyond chance.

    >>> y = np.arange(40) % 3
    >>> copies_in_table(np.stack([y ** 2, y * 0.5 + 1, y // 2], axis=1), y, True)
    [0, 1]
    """
    if len(target) < FEWEST_ROWS or not no_chance(target, inputs.shape[1]):
        return []
    same = renames if is_classes else np.array_equal
    few = np.linspace(0, len(target) - 1, min(_SECOND_LOOK, len(target))).astype(int)
    likely = [i for i in range(inputs.shape[1]) if same(inputs[few, i], target[few])]
    return [i for i in likely if same(inputs[:, i], target)]


def lines_through(inputs: Numbers, target: Numbers) -> list[int]:
    """Return the columns of which the target is a + b·column, to nine digits: the same in another unit, perhaps.

    >>> x = np.random.default_rng(0).normal(size=(30, 2))
    >>> lines_through(x, 32 + 1.8 * x[:, 1])
    [1]
    """
    centred, goal = inputs - inputs.mean(axis=0), target - target.mean()
    size, length = np.sqrt(np.sum(centred**2, axis=0)), np.sqrt(np.sum(goal**2))
    if len(target) < FEWEST_ROWS or not length:
        return []
    unit = centred / np.where(size == 0, 1, size)
    slopes = goal @ unit
    rest = np.sqrt(np.sum((goal[:, None] - unit * slopes) ** 2, axis=0))
    return [int(i) for i in np.flatnonzero(rest <= 1e-9 * length)]
