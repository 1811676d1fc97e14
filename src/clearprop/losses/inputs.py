"""What a loss is given: arrays of one dtype, with their shapes and values checked.

Shapes and dtypes are known of every value, so they are always checked. Numbers are checked where there
are any: a traced value has none yet, unless it is said which ones it stands for, as training says of targets.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.errors import DataError, DTypeError, SettingError, ShapeError
from ..core.trace import numbers_of, stand_for
from ..core.traced import Traced
from ..core.types import Array, is_float, require_supported, type_of


def as_array(value: Any, whose: str) -> Array:
    """Return a value as an array or a traced value, or raise DTypeError."""
    if isinstance(value, Traced):
        return value
    array = np.asarray(value)
    require_supported(array.dtype, whose)
    return array


def as_float(value: Any, whose: str) -> Array:
    """Return a value as an array of floats; integers and booleans become float64."""
    array = as_array(value, whose)
    return array if is_float(array.dtype) else array.astype(np.float64)


def like(array: Array, prediction: Array) -> Array:
    """Return an array in the prediction's dtype; what stands for numbers still does."""
    converted = array.astype(prediction.dtype, copy=False)
    if isinstance(converted, Traced):
        stand_for(converted, numbers_of(array))
    return converted


def matched(loss: str, prediction: Any, target: Any) -> tuple[Array, Array]:
    """Return prediction and target in the prediction's dtype, or raise ShapeError if their shapes differ."""
    prediction = as_float(prediction, f"{loss}: the prediction")
    target = as_array(target, f"{loss}: the target")
    require_same_shape(loss, prediction, target)
    return prediction, like(target, prediction)


def require_same_shape(whose: str, prediction: Array, target: Array) -> None:
    """Raise ShapeError if the shapes differ; the message says how to make them equal."""
    if prediction.shape != target.shape:
        raise ShapeError(
            f"{whose}({type_of(prediction)}, {type_of(target)}): prediction and target must have the same "
            f"shape: {_way_to_match(prediction.shape, target.shape)}"
        )


def _way_to_match(prediction: tuple[int, ...], target: tuple[int, ...]) -> str:
    if prediction == (*target, 1):
        return "use prediction[..., 0] or target[..., None]"
    if target == (*prediction, 1):
        return "use target[..., 0] or prediction[..., None]"
    if prediction[:-1] == target:
        return (
            f"of class labels use cp.losses.cross_entropy, cp.losses.hinge with kind='weston-watkins', or "
            f"cp.one_hot(target, {prediction[-1]})"
        )
    if len(target) > 1 and target[:-1] in (prediction, prediction[:-1]):
        return (
            f"of {target[-1]} numbers a sample make a model of {target[-1]} outputs; of one-hot rows that, with "
            f"cp.losses.cross_entropy, or take the labels, np.argmax(target, axis=-1)"
        )
    return "reshape one of them, or np.broadcast_to it on purpose"


def as_labels(loss: str, target: Array, n_classes: int) -> Array:
    """Return class labels as int64, or raise DTypeError for floats and DataError for no such class."""
    if is_float(target.dtype):
        raise DTypeError(
            f"{loss}: the target is {type_of(target)}, but class labels are integers from 0 to "
            f"{n_classes - 1}: use target.astype(int); to predict numbers, use cp.losses.mean_squared_error"
        )
    numbers = numbers_of(target)
    if (
        numbers is None
    ):  # what is negative would count from the end; so it is out of range, as what is too large
        return _index(
            np.where(target < 0, target - n_classes, target) if target.dtype.kind == "i" else target
        )
    wrong = (numbers < 0) | (numbers >= n_classes)
    if wrong.any():
        place = list(map(int, np.argwhere(wrong)[0]))
        raise DataError(
            f"{loss}: the target holds the label {numbers[tuple(place)]} at {place}, but the prediction has "
            f"{n_classes} classes, numbered from 0 to {n_classes - 1}; number the classes from 0, and give samples to "
            f"leave out any of these labels and the weight 0"
        )
    return _index(target)


def _index(labels: Array) -> Array:
    return labels.astype(np.int64, copy=False)


def require_classes(loss: str, prediction: Array) -> int:
    """Return the number of classes, the length of the last of two or more axes, or raise ShapeError."""
    if prediction.ndim < 2 or prediction.shape[-1] < 2:
        raise ShapeError(
            f"{loss}: the prediction is {type_of(prediction)}, but it needs one row a sample and one column "
            f"a class, two or more: of two classes with one number a sample use cp.losses.log_loss, of one "
            f"sample prediction[None]"
        )
    return int(prediction.shape[-1])


def holds_labels(loss: str, prediction: Array, target: Array) -> bool:
    """Tell labels (one a sample) from probabilities (one a class) by shape, or raise ShapeError."""
    p, t = prediction.shape, target.shape
    if t in (p, p[:-1]):
        return bool(t != p)
    if t == (*p[:-1], 1):
        way = "use target[..., 0]"
    elif t[:-1] == p[:-1]:
        way = f"the target has {t[-1]} classes, the prediction {p[-1]}"
    elif t in (p[:1] + p[2:], p[:1] + p[2:] + p[1:2]):
        way = "classes are the last axis: use np.moveaxis(prediction, 1, -1)"
    else:
        way = "give one of them for each row of the prediction"
    raise ShapeError(
        f"{loss}({type_of(prediction)}, {type_of(target)}): the target must be labels of shape "
        f"{_show(p[:-1])} or probabilities of shape {_show(p)}: {way}"
    )


def _show(shape: tuple[int, ...]) -> str:
    return str(list(shape)).replace(" ", "")


def require_between(low: float, high: float, array: Array, whose: str, way: str) -> None:
    """Raise DataError if a number lies outside [low, high]; NaN, which shows in the loss, passes."""
    numbers = numbers_of(array)
    if numbers is None or not numbers.size or (numbers.min() >= low and numbers.max() <= high):
        return
    wrong = numbers[(numbers < low) | (numbers > high)]
    if wrong.size:
        raise DataError(f"{whose} holds {wrong[0]}, which does not lie in [{low:g}, {high:g}]: {way}")


def require_distribution(array: Array, whose: str, way: str) -> None:
    """Raise DataError unless the last axis holds probabilities with the sum 1, to within 0.01."""
    numbers = numbers_of(array)
    if numbers is None:
        return
    require_between(0, 1, numbers, whose, way)
    sums = np.asarray(np.sum(numbers, axis=-1, dtype=np.float64))
    wrong = sums[np.abs(sums - 1) > 0.01]
    if wrong.size:
        raise DataError(f"{whose} has a row with the sum {wrong[0]:g}, where it must be 1: {way}")


def require_choice(loss: str, name: str, value: str, allowed: tuple[str, ...]) -> None:
    """Raise ClearpropError if an option is none of those allowed."""
    if value not in allowed:
        raise SettingError(f"{loss}({name}={value!r}): must be one of {', '.join(map(repr, allowed))}")


def positive(loss: str, name: str, value: float) -> float:
    """Return a number above 0 as Python's float, which promotes no dtype, or raise SettingError."""
    number = float(value)
    if not number > 0:
        raise SettingError(f"{loss}({name}={value!r}): must be greater than 0")
    return number
