"""Gradients kept small: each element for itself, or all of them together."""

from __future__ import annotations

import numpy as np

from ..core import tree
from ..core.types import Array, is_float
from .matching import array


def global_norm(gradients: tree.Tree) -> Array:
    """Return √Σ g², the 2-norm of all leaves taken as one vector.

    Parameters
    ----------
    gradients : nested structure of float arrays
        Leaves that hold no floats do not count.

    Returns
    -------
    float64[]
        Summed in float64, so large float32 gradients do not overflow.

    Examples
    --------
    >>> import numpy as np
    >>> global_norm({"w": np.array([3.0, 0.0]), "b": np.array(4.0)})
    np.float64(5.0)
    """
    floats = [g for g in map(array, tree.leaves(gradients)) if is_float(g.dtype)]
    return np.sqrt(sum((np.sum(np.square(g.astype(np.float64))) for g in floats), np.float64(0)))


def clip_by_value(gradients: tree.Tree, limit: float) -> tree.Tree:
    """Return the gradients with every element clipped to [−limit, limit]; NaN stays NaN.

    Parameters
    ----------
    gradients : nested structure of float arrays
    limit : float
        In units of the gradient.

    Examples
    --------
    >>> import numpy as np
    >>> clip_by_value({"w": np.array([-3.0, 0.5])}, 1.0)
    {'w': array([-1. ,  0.5])}
    """

    def clip(leaf: Array) -> Array:
        g = array(leaf)
        return np.clip(g, -limit, limit) if is_float(g.dtype) else leaf

    return tree.map(clip, gradients)


def clip_by_norm(gradients: tree.Tree, limit: float) -> tree.Tree:
    """Return g · limit / max(‖g‖, limit): one factor for all leaves, so the direction stays.

    Gradients of a joint norm of at most limit are returned to the bit. An infinite element makes the
    factor 0, so it becomes NaN.

    Parameters
    ----------
    gradients : nested structure of float arrays
    limit : float
        Of the joint 2-norm, see `global_norm`.

    Notes
    -----
    Pascanu, Mikolov, Bengio: "On the difficulty of training recurrent neural networks" (2013), algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> clip_by_norm({"w": np.array([3.0, 0.0]), "b": np.array([4.0])}, 1.0)
    {'w': array([0.6, 0. ]), 'b': array([0.8])}
    """
    scale = limit / np.maximum(global_norm(gradients), limit)

    def shrink(leaf: Array) -> Array:
        g = array(leaf)
        return g * scale.astype(g.dtype) if is_float(g.dtype) else leaf

    return tree.map(shrink, gradients)
