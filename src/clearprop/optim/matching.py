"""Which gradient belongs to which parameter."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..core import tree
from ..core.errors import ShapeError, StructureError
from ..core.traced import Traced
from ..core.types import Array, is_float, type_of


def array(leaf: Array) -> Array:
    """Return a leaf as an array or a traced value; a Python number becomes an array without axes."""
    return leaf if isinstance(leaf, (Traced, np.ndarray, np.generic)) else np.asarray(leaf)


class Pair(NamedTuple):
    """A parameter and its gradient in the same dtype; None if the parameter stays as it is."""

    path: str
    parameter: Array
    gradient: Array | None


def paired(params: tree.Tree, gradients: tree.Tree) -> list[Pair]:
    """Return each leaf of params with its gradient.

    A leaf stays as it is if it holds no floats, or if the gradient has no leaf at its path (such as None).

    Raises
    ------
    StructureError
        If the gradient has a leaf where params has none.
    ShapeError
        If a gradient is not shaped like its parameter.
    """
    waiting = tree.named_leaves(gradients)[::-1]
    pairs = []
    for path, leaf in tree.named_leaves(params):
        p = array(leaf)
        g = waiting.pop()[1] if waiting and waiting[-1][0] == path else None
        if g is None or not is_float(p.dtype):
            pairs.append(Pair(path, leaf, None))
            continue
        require_shape(path, "gradient", array(g), p)
        pairs.append(Pair(path, p, array(g).astype(p.dtype, copy=False)))
    if waiting:
        raise StructureError(
            f"the gradient has a leaf at {waiting[-1][0]!r} that belongs to no parameter; the parameters "
            f"are, in this order, {tree.paths(params)}. Give a gradient structured like the parameters"
        )
    return pairs


def require_shape(path: str, what: str, value: Array, parameter: Array) -> None:
    """Raise ShapeError unless the value is shaped like the parameter."""
    if np.shape(value) != np.shape(parameter):
        at = f" at {path!r}" if path else ""
        raise ShapeError(f"the {what}{at} is {type_of(value)}, but its parameter is {type_of(parameter)}")
