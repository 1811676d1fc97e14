"""Small networks with round numbers, to be calculated by hand."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ... import losses
from ...core.errors import SettingError
from ...nn.sequential import MLP
from ...ops.activations import relu, sigmoid
from ...ops.random import fold_in, key, uniform
from ..explain import Explanation, explain
from .exercise import MOST, after
from .worksheet import Worksheet

_TENTHS = tuple(round(0.1 * n, 1) for n in range(-9, 10) if n)
_HALVES = (-2.0, -1.0, -0.5, 0.5, 1.0, 2.0)
_TRIES = 200


def worksheet(
    network: str = "2-2-2",
    *,
    activation: Callable[..., Any] | None = None,
    loss: Callable[..., Any] = losses.half_squared_error,
    rate: float = 0.5,
    seed: int = 0,
    exact: bool = False,
    digits: int = 4,
) -> Worksheet:
    """Return one step of backpropagation with round numbers, for a class to do by hand.

    Parameters
    ----------
    network : str
        Numbers of inputs, of neurons of each hidden layer, and of outputs: ``"2-2-2"``.
    activation : callable, optional
        Of each hidden layer and, unless the loss is cross_entropy, of the outputs. By default sigmoid; if exact,
        relu, with linear outputs.
    loss : callable
        half_squared_error, mean_squared_error or cross_entropy.
    rate : float
        η, the learning rate.
    seed : int
        Another one gives other numbers.
    exact : bool
        Halves and integers, and fractions in the key, in place of decimals.
    digits : int
        Significant ones.

    Raises
    ------
    SettingError
        If the network is too large, or the functions are not of those that can be printed, or not rational.

    Examples
    --------
    >>> import clearprop as cp
    >>> print(cp.worksheet("1-1", exact=True).write(blanks=True, key=False))
    One step of backpropagation by hand: a 1-1 network
    ==================================================
    ...
    """
    return worksheet_pass(network, activation, loss, rate, seed, exact).worksheet(rate, digits=digits)


def worksheet_pass(
    network: str,
    activation: Callable[..., Any] | None,
    loss: Callable[..., Any],
    rate: float,
    seed: int,
    exact: bool,
) -> Explanation:
    """Return an explanation of such a network: of several tries the first in which each layer learns and C falls."""
    sizes = _sizes(network)
    for number in range(_TRIES):
        model, x, y = _problem(sizes, activation, loss, fold_in(key(seed), number), exact)
        e = explain(model, loss, x, y)
        learns = all(np.any(np.abs(layer.delta.value) > 1e-3) for layer in e.layers)
        if learns and after(e.record, rate) < e.loss:
            break
    return explain(model, loss, x, y, exact=True) if exact else e


def _sizes(network: str) -> list[int]:
    parts = network.split("-")
    if len(parts) < 2 or not all(p.isascii() and p.isdigit() and int(p[:9]) > 0 for p in parts):
        raise SettingError(
            f"worksheet: network {network!r} must list numbers of neurons, such as 2-2-2 or 3-1"
        )
    sizes = [int(p) for p in parts]
    count = sum((a + 1) * b for a, b in itertools.pairwise(sizes))
    if count > MOST:
        raise SettingError(f"worksheet: {network} has {count:,} weights; take a network of at most {MOST}")
    return sizes


def _problem(sizes: Sequence[int], activation: Any, loss: Any, rng: Any, exact: bool) -> tuple[Any, Any, Any]:
    """Return a model and a sample with numbers that are easy to calculate with."""
    choices, drawn = (_HALVES if exact else _TENTHS), iter(range(1000))

    def pick(*shape: int, among: Sequence[float] = choices) -> np.ndarray[Any, Any]:
        place = uniform(fold_in(rng, next(drawn)), shape, dtype=np.float64)
        return np.asarray(np.array(among)[np.asarray(place * len(among)).astype(int)])

    hidden = activation or (relu if exact else sigmoid)
    linear = loss is losses.cross_entropy or (activation is None and exact)
    pairs = list(itertools.pairwise(sizes))
    output = {} if linear else {"output_activation": hidden}
    model = MLP(
        sizes[0],
        sizes[1:-1],
        sizes[-1],
        hidden,
        **output,
        weight=[pick(*pair) for pair in pairs],
        bias=[pick(n) for _, n in pairs],
    )
    x = pick(1, sizes[0], among=(1.0, 2.0, -1.0) if exact else (0.1, 0.2, 0.5, 0.8, 1.0))
    if loss is losses.cross_entropy:
        return model, x, pick(1, among=range(sizes[-1])).astype(np.int64)
    return model, x, pick(1, sizes[-1], among=(0.0, 1.0, 2.0) if exact else (0.0, 1.0))
