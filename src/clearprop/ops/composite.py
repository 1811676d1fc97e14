"""Operations made of others: plain functions, whose derivatives follow from their parts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.errors import ShapeError
from ..core.traced import Traced
from ..core.types import Array, Axis, normalize_axes, type_of
from .declare import as_array, as_float, implements
from .index import gather
from .pointwise import stop_gradient as stop_gradient_of


def stop_gradient(x: Array) -> Array:
    """Return x, with every path through it cut: its derivative counts as 0.

    >>> import clearprop as cp
    >>> cp.grad(lambda x: x * cp.stop_gradient(x))(3.0)
    np.float64(3.0)
    """
    return stop_gradient_of(x) if isinstance(x, Traced) else x


def _peak(x: Array, axis: Axis) -> Array:
    """Return the largest element along axes, kept, as a constant; 0 where it is infinite."""
    peak = stop_gradient(np.max(x, axis=axis, keepdims=True))
    return np.where(np.isfinite(peak), peak, np.zeros_like(peak))


def logsumexp(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Return log Σ eˣ along axes, without overflow: with slope softmax(x).

    Parameters
    ----------
    x : float[...]
    axis : int, tuple of int or None
        Along which to sum; None means all.
    keepdims : bool
        Keep the summed axes, with length 1.

    >>> logsumexp(np.array([1000.0, 1000.0]))
    np.float64(1000.6931471805599)
    """
    x = as_float(x)
    peak = _peak(x, axis)
    y = np.log(np.sum(np.exp(x - peak), axis=axis, keepdims=True)) + peak
    return y if keepdims else np.squeeze(y, axis=normalize_axes(axis, x.ndim, "logsumexp"))[()]


def softmax(x: Array, axis: Axis = -1) -> Array:
    """Return eˣ / Σ eˣ along axes, without overflow: positive, with sum 1.

    >>> softmax(np.array([0.0, 1e4]))
    array([0., 1.])
    """
    x = as_float(x)
    e = np.exp(x - _peak(x, axis))
    return e / np.sum(e, axis=axis, keepdims=True)


def log_softmax(x: Array, axis: Axis = -1) -> Array:
    """Return x − log Σ eˣ along axes: the logarithm of softmax, exact where softmax underflows.

    >>> log_softmax(np.array([0.0, 1e4]))
    array([-10000.,      0.])
    """
    x = as_float(x)
    shifted = x - _peak(x, axis)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


def log_softmax_at(x: Array, labels: Array) -> Array:
    """Return log_softmax(x)[..., y] for the one label y of each row, to the same bits, without the others."""
    right = gather(
        x, *np.indices(labels.shape, sparse=True), labels
    )  # first: then nobody needs x after the others
    peak = _peak(x, -1)
    total = np.sum(np.exp(x - peak), axis=-1)
    return (right - np.squeeze(peak, -1)) - np.log(total)


# ---- NumPy's composites


def _count(x: Array, axis: Axis) -> int:
    return math.prod(x.shape[i] for i in normalize_axes(axis, x.ndim, "mean"))


@implements(np.mean)
def mean(a: Array, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Array:
    """Sum divided by the number of elements."""
    n = _count(a, axis)
    if n == 0:
        raise ShapeError(f"mean of {type_of(a)} along {axis}: there is no element")
    if a.dtype == np.float16 and dtype is None:  # as NumPy: a sum of halves overflows early
        return mean(a, axis, np.float32, keepdims).astype(a.dtype)
    return np.sum(a, axis=axis, dtype=dtype, keepdims=keepdims) / n


@implements(np.average)
def average(a: Array, axis: Any = None, weights: Array | None = None, keepdims: bool = False) -> Array:
    """Mean, weighted if weights of a's shape, or of its one axis, are given."""
    if weights is None:
        return mean(a, axis=axis, keepdims=keepdims)
    a, weights = as_array(a), as_array(weights)
    if weights.shape != a.shape:
        if not isinstance(axis, int) or weights.shape != (a.shape[axis],):
            raise ShapeError(
                f"average of {type_of(a)} with weights {type_of(weights)} along {axis}: sizes differ"
            )
        weights = np.reshape(weights, [-1 if i == axis % a.ndim else 1 for i in range(a.ndim)])
        weights = np.broadcast_to(weights, a.shape)
    return np.sum(a * weights, axis=axis, keepdims=keepdims) / np.sum(weights, axis=axis, keepdims=keepdims)


@implements(np.var)
def var(a: Array, axis: Axis = None, dtype: Any = None, ddof: float = 0, keepdims: bool = False) -> Array:
    """Mean squared distance from the mean; divided by n − ddof."""
    centred = a - mean(a, axis=axis, dtype=dtype, keepdims=True)
    return np.sum(np.square(centred), axis=axis, keepdims=keepdims) / (_count(a, axis) - ddof)


@implements(np.std)
def std(a: Array, axis: Axis = None, dtype: Any = None, ddof: float = 0, keepdims: bool = False) -> Array:
    """Root of the variance; its slope is taken as 0 where all elements are equal."""
    variance = var(a, axis=axis, dtype=dtype, ddof=ddof, keepdims=keepdims)
    return np.where(variance == 0, 0, np.sqrt(np.where(variance == 0, 1, variance)))


@implements(np.clip)
def clip(a: Array, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Array:
    """a, but at least a_min and at most a_max; slope 1 within and at both bounds, which get the rest."""
    low, high = (min if a_min is None else a_min), (max if a_max is None else a_max)
    if low is not None:
        a = np.where(_or_nan(np.less(a, low), low), low, a)
    if high is not None:
        a = np.where(_or_nan(np.greater(a, high), high), high, a)
    return a


def _or_nan(beyond: Array, bound: Array) -> Array:
    """Whether a bound was passed, or is NaN, which NumPy passes on."""
    if not isinstance(bound, Traced) and not np.any(np.isnan(bound)):
        return beyond
    return np.logical_or(beyond, np.isnan(bound))


@implements(np.round, np.around)
def round(a: Array, decimals: int = 0) -> Array:
    """Rounded to decimals, halves to even: flat between jumps."""
    if a.dtype.kind in "iu":
        return a if decimals >= 0 else (np.rint(a / 10**-decimals) * 10**-decimals).astype(a.dtype)
    if decimals < 0:
        return np.rint(a / 10.0**-decimals) * 10.0**-decimals
    return np.rint(a) if decimals == 0 else np.rint(a * 10.0**decimals) / 10.0**decimals


@implements(np.nan_to_num)
def nan_to_num(
    x: Array, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None
) -> Array:
    """NaN and infinities replaced by numbers, through which no path leads."""
    if x.dtype.kind != "f":
        return x
    limits = np.finfo(x.dtype)
    x = np.where(np.isnan(x), nan, x)
    x = np.where(np.equal(x, np.inf), limits.max if posinf is None else posinf, x)
    return np.where(np.equal(x, -np.inf), limits.min if neginf is None else neginf, x)
