"""Initial weights: functions of a random key, a shape [..., n_in, n_out] and a dtype.

The variance is chosen so that signals, or errors, neither grow nor fade from layer to layer.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from ..core.errors import ShapeError
from ..ops.random import normal, uniform

Initializer: TypeAlias = Callable[[Any, tuple[int, ...], Any], Any]


def _fans(shape: tuple[int, ...]) -> tuple[int, int]:
    if len(shape) < 2:
        raise ShapeError(
            f"this initialiser needs a weight of shape [n_in, n_out], not {list(shape)}; use zeros or constant"
        )
    return max(shape[-2], 1), max(shape[-1], 1)


def glorot_uniform(key: Any, shape: tuple[int, ...], dtype: Any = np.float32) -> Any:
    """Uniform in ±√(6/(n_in + n_out)): for sigmoid, tanh and linear layers (Glorot, Bengio 2010, eq. 16).

    >>> from clearprop import random
    >>> bool((abs(glorot_uniform(random.key(0), (3, 3))) <= 1).all())
    True
    """
    n_in, n_out = _fans(shape)
    limit = math.sqrt(6 / (n_in + n_out))
    return uniform(key, shape, -limit, limit, dtype)


def glorot_normal(key: Any, shape: tuple[int, ...], dtype: Any = np.float32) -> Any:
    """Normal with standard deviation √(2/(n_in + n_out)) (Glorot, Bengio 2010, eq. 12)."""
    n_in, n_out = _fans(shape)
    return normal(key, shape, 0.0, math.sqrt(2 / (n_in + n_out)), dtype)


def he_uniform(key: Any, shape: tuple[int, ...], dtype: Any = np.float32) -> Any:
    """Uniform in ±√(6/n_in): for ReLU and its kin (He, Zhang, Ren, Sun 2015)."""
    limit = math.sqrt(6 / _fans(shape)[0])
    return uniform(key, shape, -limit, limit, dtype)


def he_normal(key: Any, shape: tuple[int, ...], dtype: Any = np.float32) -> Any:
    """Normal with standard deviation √(2/n_in): for ReLU and its kin (He, Zhang, Ren, Sun 2015, eq. 10)."""
    return normal(key, shape, 0.0, math.sqrt(2 / _fans(shape)[0]), dtype)


def lecun_uniform(key: Any, shape: tuple[int, ...], dtype: Any = np.float32) -> Any:
    """Uniform in ±√(3/n_in) (LeCun, Bottou, Orr, Müller 1998, section 4.6)."""
    limit = math.sqrt(3 / _fans(shape)[0])
    return uniform(key, shape, -limit, limit, dtype)


def lecun_normal(key: Any, shape: tuple[int, ...], dtype: Any = np.float32) -> Any:
    """Normal with standard deviation √(1/n_in) (LeCun, Bottou, Orr, Müller 1998, eq. 16)."""
    return normal(key, shape, 0.0, math.sqrt(1 / _fans(shape)[0]), dtype)


def orthogonal(key: Any, shape: tuple[int, ...], dtype: Any = np.float32) -> Any:
    """Orthonormal rows or columns, drawn evenly: lengths are kept (Saxe, McClelland, Ganguli 2014).

    >>> from clearprop import random
    >>> w = orthogonal(random.key(0), (4, 4), np.float64)
    >>> bool(np.allclose(w @ w.T, np.eye(4)))
    True
    """
    n_in, n_out = _fans(shape)
    q, r = np.linalg.qr(normal(key, (*shape[:-2], max(n_in, n_out), min(n_in, n_out)), dtype=np.float64))
    q = q * np.sign(np.diagonal(r, axis1=-2, axis2=-1))[..., None, :]  # else QR favours some directions
    return np.asarray(q if n_in >= n_out else np.swapaxes(q, -1, -2), dtype)


def zeros(key: Any, shape: tuple[int, ...], dtype: Any = np.float32) -> Any:
    """Zeros: for biases. Weights of zero never learn to differ from each other."""
    return np.zeros(shape, dtype)


def constant(value: float) -> Initializer:
    """Return an initialiser that gives one value everywhere.

    >>> constant(0.5)(None, (2,), np.float32)
    array([0.5, 0.5], dtype=float32)
    """

    def fill(key: Any, shape: tuple[int, ...], dtype: Any = np.float32) -> Any:
        return np.full(shape, value, dtype)

    return fill


def made(what: Any, key: Any, shape: tuple[int, ...], dtype: Any, name: str) -> Any:
    """Return an array of this shape: from an initialiser, or the array given in its place.

    Raises
    ------
    ShapeError
        If a given array has another shape.
    """
    if callable(what):
        return what(key, shape, np.float32 if dtype is None else dtype)
    array = np.array(what)
    if array.dtype.kind != "f" or dtype is not None:
        array = array.astype(np.float64 if dtype is None else dtype)
    if array.shape != shape:
        raise ShapeError(
            f"{name} was given with shape {list(array.shape)}; the layer's sizes ask for {list(shape)}"
        )
    return array
