"""Where an error inside of a chain of layers arose, and chains whose widths cannot fit, found before any data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.errors import ClearpropError, ShapeError
from ..core.types import Array, type_of
from ..ops import activations
from ..ops.composite import log_softmax, softmax
from .dense import Activation, Dense, Maxout
from .layers import Dropout, Embedding, LayerNorm

Layers = Sequence[Callable[..., Array]]

_MARK = "\n  in layers."

_KEEP_WIDTH = {
    softmax,
    log_softmax,
    *(f for f in vars(activations).values() if getattr(f, "__module__", "") == activations.__name__),
}


def raise_placed(error: Exception, layers: Layers, index: int, x: Any) -> None:
    """Raise clearprop's error with the layer that it arose in and its input; give others a note that says so.

    An error that comes out of a chain within the layer gets the longer path.
    """
    longer = f"{_MARK}{index}.layers."
    notes = getattr(error, "__notes__", [])
    if _MARK in str(error):
        raise type(error)(str(error).replace(_MARK, longer, 1)) from None
    if any(_MARK in note for note in notes):
        notes[:] = [note.replace(_MARK, longer, 1) for note in notes]
        return
    source = f"by the {_name(layers[index - 1])} before it" if index else "by the caller"
    said = f"{_MARK}{index} ({_name(layers[index])}), which was given {_shown(x)} {source}"
    if isinstance(error, ClearpropError):
        raise type(error)(str(error) + said) from None
    error.add_note(said)


def _shown(x: Any) -> str:
    return str(type_of(x)) if hasattr(x, "dtype") else f"a {type(x).__name__}"


def _name(layer: Any) -> str:
    return str(getattr(layer, "__name__", type(layer).__name__))


def _called(layers: Layers, index: int) -> str:
    return f"layers.{index} ({_name(layers[index])})"


def require_fitting(layers: Layers) -> None:
    """Raise ShapeError if a layer takes another number of columns than the layers before it are known to give.

    Known are clearprop's own layers and functions. What comes out of any other is not guessed.
    """
    width, giver = None, 0
    for index, layer in enumerate(layers):
        needs, gives = _widths(layer, width)
        if width is not None and needs is not None and needs != width:
            raise ShapeError(
                f"{_called(layers, index)} takes n_in={needs} columns, but {_called(layers, giver)} before it gives "
                f"{width}: make the two numbers equal"
            )
        if gives != width:
            giver = index
        width = gives


def _widths(layer: Any, width: int | None) -> tuple[int | None, int | None]:
    """Return how many columns a layer needs and how many it gives, where that is sure."""
    kind = type(layer)
    if kind is Dense:
        return layer.n_in, _after(layer.activation, layer.n_out)
    if kind is Maxout:
        return int(layer.weight.shape[-2]), int(layer.weight.shape[-1])
    if kind is LayerNorm:
        return int(layer.weight.shape[0]), int(layer.weight.shape[0])
    if kind is Embedding:
        return None, int(layer.weight.shape[1])
    if kind is Dropout:
        return None, width
    return None, _after(layer, width)


def _after(function: Activation, width: int | None) -> int | None:
    """Return the width after a function, if it is known to work element by element or to keep the shape."""
    elementwise = isinstance(function, np.ufunc) and function.nin == 1 and function.signature is None
    return width if elementwise or (callable(function) and _known(function)) else None


def _known(function: Any) -> bool:
    try:
        return function in _KEEP_WIDTH
    except TypeError:  # a callable that cannot be hashed
        return False
