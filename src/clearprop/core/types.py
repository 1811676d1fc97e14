"""Types of values: a shape and a dtype, printed as ``f32[8,3]``."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from .errors import DTypeError, ShapeError
from .frozen import frozen

Array: TypeAlias = Any
"""A NumPy array, or a traced value that stands for one: code between tracing and NumPy takes both."""

Axis: TypeAlias = int | Sequence[int] | None
"""What NumPy takes as ``axis``; None means all."""

_LETTERS = {"b": "bool", "i": "i", "u": "u", "f": "f"}


def dtype_name(dtype: np.dtype[Any]) -> str:
    """Return the short name of a dtype: ``f32``, ``i64``, ``bool``.

    >>> dtype_name(np.dtype(np.float32))
    'f32'
    """
    if dtype.kind in "bO":
        return "bool" if dtype.kind == "b" else "object"
    return f"{_LETTERS.get(dtype.kind, dtype.kind)}{8 * dtype.itemsize}"


def is_float(dtype: np.dtype[Any]) -> bool:
    """Tell whether values of this dtype have derivatives."""
    return dtype.kind == "f"


@frozen(slots=True)
class Type:
    """Shape and dtype of an array.

    >>> Type((8, 3), np.float32)
    f32[8,3]
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __init__(self, shape: Sequence[int], dtype: Any) -> None:
        object.__setattr__(self, "shape", tuple(map(int, shape)))
        object.__setattr__(self, "dtype", np.dtype(dtype))

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        n = 1
        for length in self.shape:
            n *= length
        return n

    def __repr__(self) -> str:
        return f"{dtype_name(self.dtype)}[{','.join(map(str, self.shape))}]"


def type_of(value: Array) -> Type:
    """Return the Type of an array, a NumPy scalar, a Python number or a traced value."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return Type(value.shape, value.dtype)
    array = np.asarray(value)
    return Type(array.shape, array.dtype)


def shape_of(value: Array) -> tuple[int, ...]:
    """Return the shape of an array, a number or a traced value."""
    if type(value) in (int, float):
        return ()
    return value.shape if hasattr(value, "shape") else np.shape(value)


def require_supported(dtype: np.dtype[Any], what: str) -> None:
    """Raise DTypeError unless the dtype is boolean, integer or floating point of at most 64 bits."""
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        hint = (
            "split it into real and imaginary parts"
            if dtype.kind == "c"
            else "convert it with .astype(np.float64), or map categories to integers"
        )
        raise DTypeError(
            f"{what} has dtype {dtype}; clearprop computes with bool, integers, float16, float32 and "
            f"float64: {hint}"
        )


def native(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the array in this machine's byte order."""
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def broadcast_shapes(shapes: Sequence[tuple[int, ...]], what: str) -> tuple[int, ...]:
    """Return the shape that NumPy's broadcasting gives, or raise ShapeError."""
    if len(unlike := set(shapes) - {()}) <= 1:  # numbers fit everything
        return unlike.pop() if unlike else ()
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        listed = " and ".join(str(list(s)).replace(" ", "") for s in shapes)
        raise ShapeError(
            f"{what}: shapes {listed} cannot be broadcast together; sizes must be equal or 1, aligned at "
            f"the last axis"
        ) from None


def normalize_axis(axis: int, ndim: int, what: str) -> int:
    """Return the axis counted from the front, or raise ShapeError."""
    index = operator.index(axis)
    if not -ndim <= index < ndim:
        raise ShapeError(f"{what}: axis {index} does not exist in an array of {ndim} axes")
    return index % ndim


def normalize_axes(axis: int | Sequence[int] | None, ndim: int, what: str) -> tuple[int, ...]:
    """Return the axes as a sorted tuple counted from the front; None means all of them."""
    if axis is None:
        return tuple(range(ndim))
    given = tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)
    axes = tuple(normalize_axis(a, ndim, what) for a in given)
    if len(set(axes)) != len(axes):
        raise ShapeError(f"{what}: axis {axis} names an axis twice")
    return tuple(sorted(axes))
