"""Layers beside the neurons: dropout, normalisation, embedding, flattening."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.errors import DTypeError, SettingError
from ..core.tree import Module
from ..core.types import Array, type_of
from ..ops.random import as_key, bernoulli, normal
from .context import INFERENCE, Context
from .dense import as_input, require_columns
from .initializers import made


class Dropout(Module):
    """While training, each element becomes 0 with probability ``rate`` and the rest grow by 1/(1 − rate).

    Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov: "Dropout" (2014). Otherwise the identity.

    Examples
    --------
    >>> Dropout(0.2)(np.ones(3))
    array([1., 1., 1.])
    """

    rate: float

    def __init__(self, rate: float = 0.5) -> None:
        if not 0 <= rate < 1:
            raise SettingError(f"Dropout(rate={rate!r}): must be at least 0 and less than 1")
        super().__init__(rate=float(rate))

    def __call__(self, x: Array, context: Context = INFERENCE) -> Array:
        """Return x with elements dropped, if the context is training."""
        if not context.training or self.rate == 0:
            return x
        kept = bernoulli(context.next_key(), 1 - self.rate, np.shape(x))
        return np.where(kept, x / (1 - self.rate), 0)


class LayerNorm(Module):
    """Each sample's features brought to mean 0 and variance 1, then scaled and shifted.

    y = weight · (x − mean)/√(var + eps) + bias over the last axis (Ba, Kiros, Hinton 2016, eq. 4).

    Parameters
    ----------
    size : int
        Number of features.
    eps : float
        Added to the variance, 1e-5 by default.
    dtype : dtype
        Of the parameters, float32 by default.

    Examples
    --------
    >>> LayerNorm(2, eps=0.0)(np.array([[1.0, 3.0]]))
    array([[-1.,  1.]], dtype=float32)
    """

    weight: Array
    bias: Array
    eps: float

    def __init__(self, size: int, eps: float = 1e-5, *, dtype: Any = np.float32) -> None:
        super().__init__(weight=np.ones(size, dtype), bias=np.zeros(size, dtype), eps=float(eps))

    def __call__(self, x: Array) -> Array:
        """Normalise the last axis: float[..., size] to the same."""
        x = as_input(x, self.weight)
        require_columns("LayerNorm", x, self.weight.shape[0])
        centred = x - np.mean(x, axis=-1, keepdims=True)
        variance = np.mean(np.square(centred), axis=-1, keepdims=True)
        return self.weight * (centred / np.sqrt(variance + self.eps)) + self.bias


class Embedding(Module):
    """A table with one row of numbers for each of ``n`` symbols.

    Parameters
    ----------
    n, size : int
        Number of symbols, and of numbers for each.
    weight : initialiser or float[n, size]
        By default normal with standard deviation 1.
    dtype, rng
        As for Dense.

    Examples
    --------
    >>> Embedding(3, 2, weight=[[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])(np.array([2, 0]))
    array([[4., 5.],
           [0., 1.]])
    """

    weight: Array

    def __init__(self, n: int, size: int, *, weight: Any = None, dtype: Any = None, rng: Any = 0) -> None:
        def standard(key: Any, shape: tuple[int, ...], dtype: Any) -> Any:
            return normal(key, shape, dtype=dtype)

        super().__init__(
            weight=made(standard if weight is None else weight, as_key(rng), (n, size), dtype, "weight")
        )

    def __call__(self, x: Array) -> Array:
        """Look up: integers of shape s, 0 to n − 1, to float[s..., size]."""
        x = x if hasattr(x, "dtype") else np.asarray(x)
        if x.dtype.kind not in "iu":
            raise DTypeError(
                f"Embedding looks up integers, and the input is {type_of(x)}; convert with .astype(int)"
            )
        return self.weight[x]


class Flatten(Module):
    """Each sample's numbers on one axis: [n, a, b, ...] to [n, a·b·...].

    Examples
    --------
    >>> Flatten()(np.zeros((5, 8, 8))).shape
    (5, 64)
    """

    def __call__(self, x: Array) -> Array:
        """Return x with all axes but the first made one."""
        return np.reshape(x, (x.shape[0], int(np.prod(x.shape[1:]))))
