"""What a layer may need to know beside its input: whether it is being trained, and random numbers."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from ..core.errors import SettingError
from ..core.types import Array
from ..ops.random import as_key, fold_in


class Context:
    """The circumstances of one call of a model.

    A module that needs them takes ``context`` as a parameter of ``__call__``: ``Dropout`` does, and
    ``Sequential`` passes its own on. Training makes one for each step; by default a model is not trained.

    Parameters
    ----------
    training : bool
        Whether this call is a step of training.
    rng : int, key or numpy Generator, optional
        Where random numbers come from.

    Examples
    --------
    >>> import numpy as np
    >>> Dropout = __import__("clearprop").nn.Dropout
    >>> Dropout(0.5)(np.ones(4))
    array([1., 1., 1., 1.])
    >>> Dropout(0.5)(np.ones(4), Context(training=True, rng=3))
    array([2., 2., 0., 0.])
    """

    def __init__(self, training: bool = False, rng: Any = None) -> None:
        self.training = training
        self._key = None if rng is None else as_key(rng)
        self._drawn = 0

    def next_key(self) -> Array:
        """Return a random key that this context has not given before.

        Raises
        ------
        ClearpropError
            If the context was made without random numbers.
        """
        if self._key is None:
            raise SettingError(
                "a layer asked for random numbers: make the context with Context(training=True, rng=0)"
            )
        self._drawn += 1
        return fold_in(self._key, self._drawn)


INFERENCE = Context()
"""The circumstances by default: no training, nothing random."""


@lru_cache(maxsize=1024)
def _takes_context(function: Any) -> bool:
    try:
        return "context" in inspect.signature(function).parameters
    except (TypeError, ValueError):  # built-in functions have no signature
        return False


def apply(layer: Callable[..., Array], x: Array, context: Context) -> Array:
    """Call a layer, or any function, with the context if it takes one."""
    function = layer if inspect.isfunction(layer) else type(layer).__call__
    return layer(x, context=context) if _takes_context(function) else layer(x)
