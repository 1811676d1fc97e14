"""Bring what users give to fit into arrays, and say early what cannot be trained on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.errors import DataError
from ..core.frozen import frozen
from ..core.types import native, require_supported, type_of
from ..ops.random import permutation


@frozen(eq=False)
class Samples:
    """Inputs and targets with the samples on the first axis, and perhaps a weight for each.

    Where ``rows`` are given, the samples are those rows of the arrays: nothing is copied to set some aside.
    """

    x: np.ndarray[Any, Any]
    y: np.ndarray[Any, Any]
    weight: np.ndarray[Any, Any] | None = None
    rows: np.ndarray[Any, Any] | None = None

    def __len__(self) -> int:
        return len(self.x if self.rows is None else self.rows)

    def numbers(self, samples: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Return in which rows of the arrays samples are."""
        return samples if self.rows is None else self.rows[samples]

    def only(self) -> Samples:
        """Return the samples with arrays that hold no others."""
        return self if self.rows is None else self.take(self.rows)

    def take(self, rows: Any) -> Samples:
        """Return a copy of some rows."""
        return Samples(self.x[rows], self.y[rows], None if self.weight is None else self.weight[rows])

    def weighted(self, loss: Callable[..., Any]) -> Callable[..., Any]:
        """Return a loss of (prediction, target, weight), whether or not there are weights."""
        if self.weight is None:
            return lambda prediction, target, weight: loss(prediction, target)
        return lambda prediction, target, weight: loss(prediction, target, sample_weight=weight)


def samples(data: Any, sample_weight: Any = None, what: str = "the training data") -> Samples:
    """Return data as Samples.

    Parameters
    ----------
    data : (x, y) or (x, y, sample_weight)
        Arrays, or what NumPy makes arrays of.

    Raises
    ------
    DataError
        If it is no such tuple, empty, of unequal lengths, or holds NaN or infinities; it names the place.
    """
    if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
        raise DataError(f"{what} must be a tuple (x, y) or (x, y, sample_weight), not {type(data).__name__}")
    if len(data) == 3 and sample_weight is not None:
        raise DataError(f"{what} has sample weights, and sample_weight was given beside it")
    weight = data[2] if len(data) == 3 else sample_weight
    x, y = _array(data[0], f"x of {what}"), _array(data[1], f"y of {what}")
    if len(x) != len(y):
        raise DataError(f"{what} has {len(x)} rows in x, {type_of(x)}, but {len(y)} in y, {type_of(y)}")
    if not len(x):
        raise DataError(f"{what} has no rows")
    if weight is None:
        return Samples(x, y)
    w = _array(weight, f"the sample weights of {what}")
    if w.shape != (len(x),) or (w < 0).any() or not w.any():
        raise DataError(
            f"the sample weights of {what}, {type_of(w)}, must be one number for each of the {len(x)} rows, none "
            f"negative and not all zero"
        )
    return Samples(x, y, w)


def _array(value: Any, what: str) -> np.ndarray[Any, Any]:
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise DataError(f"{what} is no array: {error}") from None
    require_supported(array.dtype, what)
    if not array.ndim:
        raise DataError(f"{what} is the single number {array}; the first axis must be the samples")
    if array.dtype.kind == "f" and not np.isfinite(np.sum(array, dtype=np.float64)):
        bad = np.argwhere(~np.isfinite(array))
        if len(bad):
            place = tuple(map(int, bad[0]))
            raise DataError(
                f"{what} holds {array[place]} at {list(place)}, and {len(bad)} values in all that are not finite; "
                f"drop those rows, or fill the values in"
            )
    return native(array)


def hold_out(data: Samples, validation: Any, key: Any) -> tuple[Samples, Samples | None]:
    """Return training and validation samples: given ones, or a random fraction set aside.

    Raises
    ------
    DataError
        If the fraction leaves no sample to one side.
    """
    if validation is None:
        return data, None
    if not isinstance(validation, (int, float)):
        return data, samples(validation, what="the validation data")
    count = round(len(data) * validation)
    if not 0 < validation < 1 or not 0 < count < len(data):
        raise DataError(
            f"validation={validation!r} of {len(data)} rows leaves {len(data) - count} to train on and {count} to "
            f"validate on; give a fraction between 0 and 1, or a tuple (x, y)"
        )
    order = permutation(key, len(data))
    train = Samples(data.x, data.y, data.weight, np.sort(order[count:]))
    return train, data.take(np.sort(order[:count]))
