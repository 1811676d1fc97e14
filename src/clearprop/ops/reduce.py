"""Reductions: many elements to one, along axes.

The functions take NumPy's arguments; the operations beneath take normalised axes. At ties ``max`` and
``min`` share their derivative equally among the elements that attain the extreme.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.errors import ShapeError
from ..core.lowering import Fold, Scan
from ..core.types import Array, Axis, Type, normalize_axes, normalize_axis, type_of
from .compare import argmax_along, argmin_along, argsort_along
from .declare import by_hand, constant, fit, implements, linear
from .pointwise import chain


def _reduced(x: Type, axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n for i, n in enumerate(x.shape) if i not in axes)


def spread(y: Array, x: Array, axes: tuple[int, ...]) -> Array:
    """Return y, a reduction of x along axes, repeated to the shape of x."""
    kept = tuple(1 if i in axes else n for i, n in enumerate(x.shape))
    return np.broadcast_to(np.reshape(y, kept), x.shape)


def _sum_type(x: Type, *, axes: tuple[int, ...]) -> Type:
    dtype = np.add.reduce(np.zeros(1, x.dtype)).dtype
    return Type(_reduced(x, axes), dtype)


@linear(lambda ct, x, *, axes: spread(ct, x, axes), typed=_sum_type, lowering=Fold("add"), name="sum")
def sum_along(x: Array, *, axes: tuple[int, ...]) -> Array:
    """Σ x along axes; every element has the slope 1."""
    return np.sum(x, axis=axes)


def _winners(y: Array, x: Array, axes: tuple[int, ...]) -> Array:
    """1/k for each of the k elements that attain the extreme, else 0."""
    hit = (x == spread(y, x, axes)).astype(x.dtype)
    return hit / spread(sum_along(hit, axes=axes), x, axes)


def _extreme_vjp(ct: Array, y: Array, x: Array, *, axes: tuple[int, ...]) -> Array:
    return chain(spread(ct, x, axes), _winners(y, x, axes))


def _extreme_jvp(t: Array, y: Array, x: Array, *, axes: tuple[int, ...]) -> Array:
    return sum_along(chain(t, _winners(y, x, axes)), axes=axes)


def _extreme_type(x: Type, *, axes: tuple[int, ...]) -> Type:
    if 0 in (x.shape[a] for a in axes):
        raise ShapeError(f"max and min of {x} along axes {axes}: an empty axis has no extreme")
    return Type(_reduced(x, axes), x.dtype)


@by_hand(_extreme_vjp, _extreme_jvp, typed=_extreme_type, lowering=Fold("maximum"), name="max")
def max_along(x: Array, *, axes: tuple[int, ...]) -> Array:
    """The largest element; slope 1 to it, 1/k to each of k equal ones."""
    return np.max(x, axis=axes)


@by_hand(_extreme_vjp, _extreme_jvp, typed=_extreme_type, lowering=Fold("minimum"), name="min")
def min_along(x: Array, *, axes: tuple[int, ...]) -> Array:
    """The smallest element; slope 1 to it, 1/k to each of k equal ones."""
    return np.min(x, axis=axes)


@constant(typed=lambda x, *, axes: Type(_reduced(x, axes), np.bool_), lowering=Fold("logical_or"), name="any")
def any_along(x: Array, *, axes: tuple[int, ...]) -> Array:
    """Whether some element is not 0."""
    return np.any(x, axis=axes)


@constant(
    typed=lambda x, *, axes: Type(_reduced(x, axes), np.bool_), lowering=Fold("logical_and"), name="all"
)
def all_along(x: Array, *, axes: tuple[int, ...]) -> Array:
    """Whether every element is not 0."""
    return np.all(x, axis=axes)


def _reversed_cumsum(ct: Array, x: Array, *, axis: int) -> Array:
    return np.flip(cumsum_along(np.flip(ct, axis), axis=axis), axis)


@linear(
    _reversed_cumsum,
    typed=lambda x, *, axis: Type(x.shape, _sum_type(x, axes=(axis,)).dtype),
    lowering=Scan("add"),
    name="cumsum",
)
def cumsum_along(x: Array, *, axis: int) -> Array:
    """The running sum x₁, x₁ + x₂, ...; its transpose runs from the end."""
    return np.cumsum(x, axis=axis)


# ---- with NumPy's arguments


def _reduce(operation: Any, x: Array, axis: Axis, keepdims: bool, dtype: Any = None) -> Array:
    if dtype is not None:
        x = np.astype(x, np.dtype(dtype))
    axes = normalize_axes(axis, x.ndim, operation.name)
    y = operation(x, axes=axes)
    if keepdims:
        y = np.reshape(y, tuple(1 if i in axes else n for i, n in enumerate(x.shape)))
    return y if dtype is None else np.astype(y, np.dtype(dtype))


@implements(np.sum, (np.add, "reduce"))
def sum(a: Array, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Array:
    """Sum along axes."""
    return _reduce(sum_along, a, axis, keepdims, dtype)


@implements(np.max, np.amax, (np.maximum, "reduce"))
def max(a: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Largest element along axes."""
    return _reduce(max_along, a, axis, keepdims)


@implements(np.min, np.amin, (np.minimum, "reduce"))
def min(a: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Smallest element along axes."""
    return _reduce(min_along, a, axis, keepdims)


@implements(np.any, (np.logical_or, "reduce"))
def any(a: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Whether some element is true along axes."""
    return _reduce(any_along, a, axis, keepdims)


@implements(np.all, (np.logical_and, "reduce"))
def all(a: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Whether every element is true along axes."""
    return _reduce(all_along, a, axis, keepdims)


@implements(np.prod, (np.multiply, "reduce"))
def prod(a: Array, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Array:
    """Product along axes, of halves multiplied pairwise: so its derivatives are right at zeros too."""
    axes = normalize_axes(axis, a.ndim, "prod")
    kept = [i for i in range(a.ndim) if i not in axes]
    x = a.astype(np.dtype(dtype) if dtype else np.multiply.reduce(np.zeros(1, a.dtype)).dtype)
    shape = tuple(x.shape[i] for i in kept)
    x = np.reshape(np.transpose(x, (*kept, *axes)), (*shape, math.prod(x.shape[i] for i in axes)))
    n = x.shape[-1]
    if n == 0:
        x, n = fit(1, x.dtype, (*shape, 1)), 1
    while n > 1:
        half = n // 2
        pairs = x[..., :half] * x[..., half : 2 * half]
        x = pairs if n % 2 == 0 else np.concatenate([pairs, x[..., 2 * half :]], axis=-1)
        n = x.shape[-1]
    return np.reshape(x, tuple(1 if i in axes else m for i, m in enumerate(a.shape)) if keepdims else shape)


def _along(operation: Any, a: Array, axis: int | None, keepdims: bool) -> Array:
    x = np.reshape(a, -1) if axis is None else a
    at = 0 if axis is None else normalize_axis(axis, x.ndim, operation.name)
    if x.shape[at] == 0:
        raise ShapeError(f"{operation.name} of {type_of(a)}: an empty axis has no extreme")
    y = operation(x, axis=at)
    if keepdims:
        y = np.reshape(y, (1,) * a.ndim if axis is None else (*a.shape[:at], 1, *a.shape[at + 1 :]))
    return y


@implements(np.argmax)
def argmax(a: Array, axis: int | None = None, keepdims: bool = False) -> Array:
    """Index of the largest element, the first at a tie; an integer, through which no path leads."""
    return _along(argmax_along, a, axis, keepdims)


@implements(np.argmin)
def argmin(a: Array, axis: int | None = None, keepdims: bool = False) -> Array:
    """Index of the smallest element, the first at a tie; an integer, through which no path leads."""
    return _along(argmin_along, a, axis, keepdims)


@implements(np.argsort)
def argsort(a: Array, axis: int | None = -1, kind: str | None = None, stable: bool | None = None) -> Array:
    """Indices that sort, equal elements in their order."""
    x = np.reshape(a, -1) if axis is None else a
    return argsort_along(x, axis=normalize_axis(0 if axis is None else axis, x.ndim, "argsort"))


@implements(np.sort)
def sort(a: Array, axis: int | None = -1, kind: str | None = None, stable: bool | None = None) -> Array:
    """Sorted along an axis; each element keeps the slope 1 to where it came from."""
    x = np.reshape(a, -1) if axis is None else a
    at = 0 if axis is None else axis
    return np.take_along_axis(x, argsort(x, at), at)


@implements(np.cumsum, (np.add, "accumulate"))
def cumsum(a: Array, axis: int | None = None, dtype: Any = None) -> Array:
    """Running sum along an axis; of all elements in order without one."""
    x = np.reshape(a, -1) if axis is None else a
    if dtype is not None:
        x = x.astype(np.dtype(dtype))
    return cumsum_along(x, axis=normalize_axis(0 if axis is None else axis, x.ndim, "cumsum"))
