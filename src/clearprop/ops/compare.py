"""Comparisons, logic, bits and choice: through a condition no path leads, through a choice one does."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.errors import DTypeError
from ..core.lowering import Map, Pick, Sort
from ..core.types import Array, Type, broadcast_shapes, shape_of
from .declare import constant, elementwise, fit, linear, loop, weak_dtype


@elementwise(None, None)
def equal(a: Array, b: Array) -> Array:
    """a = b."""
    return np.equal(a, b)


@elementwise(None, None)
def not_equal(a: Array, b: Array) -> Array:
    """a ≠ b."""
    return np.not_equal(a, b)


@elementwise(None, None)
def less(a: Array, b: Array) -> Array:
    """a < b."""
    return np.less(a, b)


@elementwise(None, None)
def less_equal(a: Array, b: Array) -> Array:
    """a ≤ b."""
    return np.less_equal(a, b)


@elementwise(None, None)
def greater(a: Array, b: Array) -> Array:
    """a > b."""
    return np.greater(a, b)


@elementwise(None, None)
def greater_equal(a: Array, b: Array) -> Array:
    """a ≥ b."""
    return np.greater_equal(a, b)


@elementwise(None, None)
def logical_and(a: Array, b: Array) -> Array:
    """Both are not 0."""
    return np.logical_and(a, b)


@elementwise(None, None)
def logical_or(a: Array, b: Array) -> Array:
    """At least one is not 0."""
    return np.logical_or(a, b)


@elementwise(None, None)
def logical_xor(a: Array, b: Array) -> Array:
    """Exactly one is not 0."""
    return np.logical_xor(a, b)


@elementwise(None)
def logical_not(x: Array) -> Array:
    """x is 0."""
    return np.logical_not(x)


@elementwise(None, None)
def bitwise_and(a: Array, b: Array) -> Array:
    """a & b, bit by bit; of booleans, both."""
    return np.bitwise_and(a, b)


@elementwise(None, None)
def bitwise_or(a: Array, b: Array) -> Array:
    """a | b, bit by bit; of booleans, at least one."""
    return np.bitwise_or(a, b)


@elementwise(None, None)
def bitwise_xor(a: Array, b: Array) -> Array:
    """a ^ b, bit by bit; of booleans, exactly one."""
    return np.bitwise_xor(a, b)


@elementwise(None)
def invert(x: Array) -> Array:
    """~x, bit by bit; of booleans, not."""
    return np.invert(x)


@elementwise(None)
def isnan(x: Array) -> Array:
    """x is not a number."""
    return np.isnan(x)


@elementwise(None)
def isinf(x: Array) -> Array:
    """x is ∞ or −∞."""
    return np.isinf(x)


@elementwise(None)
def isfinite(x: Array) -> Array:
    """x is neither infinite nor NaN."""
    return np.isfinite(x)


# ---- choice


def _prepare_where(args: tuple[Any, ...]) -> tuple[Any, ...]:
    condition, x, y = args
    dtypes = loop(np.add, weak_dtype(x), weak_dtype(y))
    shape = broadcast_shapes([shape_of(a) for a in args], "where")
    if np.result_type(weak_dtype(condition)) != np.bool_:
        condition = condition != 0
    return fit(condition, np.dtype(bool), shape), fit(x, dtypes[0], shape), fit(y, dtypes[1], shape)


def _where_true(ct: Array, condition: Array, x: Array, y: Array) -> Array:
    return where(condition, ct, 0)


def _where_false(ct: Array, condition: Array, x: Array, y: Array) -> Array:
    return where(condition, 0, ct)


@linear(
    None,
    _where_true,
    _where_false,
    typed=lambda condition, x, y: x,
    lowering=Map("where"),
    prepare=_prepare_where,
)
def where(condition: Array, x: Array, y: Array) -> Array:
    """x where the condition holds, else y; each path is open just there."""
    return np.where(condition, x, y)


# ---- indices of the extremes, and of an order


def _index_type(x: Type, *, axis: int) -> Type:
    return Type(x.shape[:axis] + x.shape[axis + 1 :], np.int64)


@constant(typed=_index_type, lowering=Pick("greater"), name="argmax")
def argmax_along(x: Array, *, axis: int) -> Array:
    """The index of the largest element, the first at a tie."""
    return np.argmax(x, axis=axis)


@constant(typed=_index_type, lowering=Pick("less"), name="argmin")
def argmin_along(x: Array, *, axis: int) -> Array:
    """The index of the smallest element, the first at a tie."""
    return np.argmin(x, axis=axis)


@constant(typed=lambda x, *, axis: Type(x.shape, np.int64), lowering=Sort(), name="argsort")
def argsort_along(x: Array, *, axis: int) -> Array:
    """The indices that sort x, equal elements in their order."""
    if x.dtype == object:
        raise DTypeError("argsort of objects")
    return np.argsort(x, axis=axis, stable=True)
