"""Layers one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..core.errors import StructureError
from ..core.tree import Module
from ..core.types import Array
from ..ops.activations import identity, relu
from ..ops.random import as_key, fold_in
from .context import INFERENCE, Context, apply
from .dense import Activation, Dense
from .initializers import zeros
from .widths import raise_placed, require_fitting


class Sequential(Module):
    """Layers, or any functions of an array, each applied to the result of the one before.

    An error inside of a layer says which one it is and what it was given.

    Raises
    ------
    ShapeError
        If a layer takes another number of columns than the one before is known to give.

    Examples
    --------
    >>> import numpy as np, clearprop as cp
    >>> model = Sequential((Dense(4, 8, rng=0), cp.nn.LayerNorm(8), cp.relu, Dense(8, 2, rng=1)))
    >>> model(np.ones((3, 4))).shape
    (3, 2)
    """

    layers: tuple[Callable[..., Array], ...]

    def __init__(self, layers: Sequence[Callable[..., Array]]) -> None:
        layers = tuple(layers)
        if type(self).__call__ is Sequential.__call__:
            require_fitting(layers)
        super().__init__(layers=layers)

    def __call__(self, x: Array, context: Context = INFERENCE) -> Array:
        """Apply the layers in order."""
        for index, layer in enumerate(self.layers):
            try:
                x = apply(layer, x, context)
            except Exception as error:
                raise_placed(error, self.layers, index, x)
                raise
        return x

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Callable[..., Array]]:
        return iter(self.layers)

    def __getitem__(self, index: int) -> Callable[..., Array]:
        return self.layers[index]


class MLP(Sequential):
    """A multilayer perceptron: Dense layers of given widths.

    Parameters
    ----------
    n_in : int
        Number of inputs.
    hidden : sequence of int
        Numbers of neurons of the hidden layers; empty for a linear model.
    n_out : int
        Number of outputs.
    activation : callable, or one for each hidden layer
        By default relu.
    output_activation : callable
        By default the identity: cross_entropy, log_loss and hinge take raw outputs.
    weight, bias : as for Dense, or a list with one for each layer
    dtype, rng
        As for Dense.

    Examples
    --------
    >>> import numpy as np, clearprop as cp
    >>> model = MLP(64, (32,), 10, activation=cp.sigmoid, rng=0)
    >>> model
    MLP(
      layers=(
        Dense(weight=f32[64,32], bias=f32[32], activation=sigmoid),
        Dense(weight=f32[32,10], bias=f32[10], activation=identity),
      ),
    )
    >>> model(np.zeros((5, 64))).shape
    (5, 10)
    """

    def __init__(
        self,
        n_in: int,
        hidden: Sequence[int],
        n_out: int,
        activation: Activation | Sequence[Activation] = relu,
        output_activation: Activation = identity,
        *,
        weight: Any = None,
        bias: Any = zeros,
        dtype: Any = None,
        rng: Any = 0,
    ) -> None:
        sizes = (n_in, *hidden, n_out)
        n = len(sizes) - 1
        activations = (*_each(activation, n - 1, "activation"), output_activation)
        key = as_key(rng)
        super().__init__(
            [
                Dense(a, b, f, weight=w, bias=c, dtype=dtype, rng=fold_in(key, i))
                for i, (a, b, f, w, c) in enumerate(
                    zip(
                        sizes[:-1],
                        sizes[1:],
                        activations,
                        _each(weight, n, "weight"),
                        _each(bias, n, "bias"),
                        strict=True,
                    )
                )
            ]
        )


def _each(value: Any, n: int, name: str) -> list[Any]:
    """Return a list with one value for each of n layers."""
    if not isinstance(value, (list, tuple)):
        return [value] * n
    if len(value) != n:
        raise StructureError(
            f"MLP({name}=...) lists {len(value)} values for {n} layers; give one, or one for each"
        )
    return list(value)
