"""Layers of neurons: a weighted sum, a bias, an activation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.errors import ShapeError
from ..core.tree import Module
from ..core.types import Array, type_of
from ..ops.activations import elu, gelu, identity, leaky_relu, relu, silu
from ..ops.random import as_key, split
from .initializers import Initializer, glorot_uniform, he_normal, made, zeros

Activation = Callable[[Array], Array]

_RECTIFIERS = (relu, leaky_relu, elu, gelu, silu)


def default_weight(activation: Activation) -> Initializer:
    """Return he_normal for rectifiers, which halve the variance, and glorot_uniform for the rest."""
    return he_normal if activation in _RECTIFIERS else glorot_uniform


def require_columns(layer: str, x: Array, n_in: int) -> None:
    """Raise ShapeError unless the last axis has n_in elements."""
    if not x.shape or x.shape[-1] != n_in:
        has = f"has {x.shape[-1]} columns" if x.shape else "is a single number"
        raise ShapeError(f"{layer} was built with n_in={n_in}; the input, {type_of(x)}, {has}")


def as_input(x: Array, like: Array) -> Array:
    """Return x in a parameter's dtype: a layer computes in the dtype of its parameters."""
    x = x if hasattr(x, "dtype") else np.asarray(x)
    return x if x.dtype == like.dtype else np.astype(x, like.dtype)


class Dense(Module):
    """A fully connected layer, y = activation(x W + b).

    Parameters
    ----------
    n_in, n_out : int
        Numbers of inputs and of neurons.
    activation : callable
        Any function of an array, by default the identity.
    weight : initialiser or float[n_in, n_out], optional
        By default he_normal for rectifiers and glorot_uniform otherwise. Column j holds the weights of
        neuron j; the textbooks' W is its transpose.
    bias : initialiser, float[n_out], or None
        By default zeros; None for a layer without.
    dtype : dtype, optional
        float32 by default; arrays that are given keep theirs.
    rng : int, key or numpy Generator
        Layers of equal shape and equal rng start equal.

    Examples
    --------
    >>> layer = Dense(2, 1, activation=relu, weight=[[1.0], [-2.0]], bias=[0.5])
    >>> layer(np.array([[3.0, 1.0], [0.0, 1.0]]))
    array([[1.5],
           [0. ]])
    """

    weight: Array
    bias: Array | None
    activation: Activation

    def __init__(
        self,
        n_in: int,
        n_out: int,
        activation: Activation = identity,
        *,
        weight: Any = None,
        bias: Any = zeros,
        dtype: Any = None,
        rng: Any = 0,
    ) -> None:
        keys = split(as_key(rng))
        w = made(
            default_weight(activation) if weight is None else weight, keys[0], (n_in, n_out), dtype, "weight"
        )
        b = None if bias is None else made(bias, keys[1], (n_out,), w.dtype, "bias")
        super().__init__(weight=w, bias=b, activation=activation)

    @property
    def n_in(self) -> int:
        """Number of inputs."""
        return int(self.weight.shape[0])

    @property
    def n_out(self) -> int:
        """Number of neurons."""
        return int(self.weight.shape[1])

    def __call__(self, x: Array) -> Array:
        """Return activation(x W + b): float[..., n_in] to float[..., n_out]."""
        x = as_input(x, self.weight)
        require_columns("Dense", x, self.n_in)
        z = x @ self.weight
        return self.activation(z if self.bias is None else z + self.bias)


class Maxout(Module):
    """A layer of neurons that each take the largest of k linear pieces, maxₖ(x Wₖ + bₖ).

    Goodfellow, Warde-Farley, Mirza, Courville, Bengio: "Maxout networks" (2013), eq. 1. Where several
    pieces attain the maximum, the error is shared equally among them.

    Parameters
    ----------
    n_in, n_out : int
        Numbers of inputs and of neurons.
    pieces : int
        k, at least 1.
    weight : initialiser or float[pieces, n_in, n_out]
    bias : initialiser, float[pieces, n_out], or None
    dtype, rng
        As for Dense.

    Examples
    --------
    >>> absolute = Maxout(1, 1, pieces=2, weight=[[[1.0]], [[-1.0]]], bias=None)
    >>> absolute(np.array([[-3.0], [2.0]]))
    array([[3.],
           [2.]])
    """

    weight: Array
    bias: Array | None

    def __init__(
        self,
        n_in: int,
        n_out: int,
        pieces: int = 2,
        *,
        weight: Any = glorot_uniform,
        bias: Any = zeros,
        dtype: Any = None,
        rng: Any = 0,
    ) -> None:
        if pieces < 1:
            raise ShapeError(f"Maxout(pieces={pieces}): at least one piece is needed")
        keys = split(as_key(rng))
        w = made(weight, keys[0], (pieces, n_in, n_out), dtype, "weight")
        b = None if bias is None else made(bias, keys[1], (pieces, n_out), w.dtype, "bias")
        super().__init__(weight=w, bias=b)

    def __call__(self, x: Array) -> Array:
        """Return maxₖ(x Wₖ + bₖ): float[..., n_in] to float[..., n_out]."""
        x = as_input(x, self.weight)
        pieces, n_in, n_out = self.weight.shape
        require_columns("Maxout", x, n_in)
        columns = np.reshape(np.moveaxis(self.weight, 0, 1), (n_in, pieces * n_out))
        z = np.reshape(x @ columns, (*x.shape[:-1], pieces, n_out))
        return np.max(z if self.bias is None else z + self.bias, axis=-2)
