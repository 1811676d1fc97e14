"""Networks: modules whose arrays are their parameters, layers, initialisers."""

from typing import TYPE_CHECKING

from .._on_demand import on_demand
from ..core.tree import Module

if TYPE_CHECKING:
    from .context import INFERENCE, Context
    from .dense import Dense, Maxout
    from .initializers import (
        constant,
        glorot_normal,
        glorot_uniform,
        he_normal,
        he_uniform,
        lecun_normal,
        lecun_uniform,
        orthogonal,
        zeros,
    )
    from .layers import Dropout, Embedding, Flatten, LayerNorm
    from .sequential import MLP, Sequential
else:
    __getattr__, __dir__ = on_demand(
        __name__,
        {
            "context": "INFERENCE Context",
            "dense": "Dense Maxout",
            "initializers": "constant glorot_normal glorot_uniform he_normal he_uniform "
            "lecun_normal lecun_uniform orthogonal zeros",
            "layers": "Dropout Embedding Flatten LayerNorm",
            "sequential": "MLP Sequential",
        },
    )

__all__ = [
    "INFERENCE",
    "MLP",
    "Context",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "LayerNorm",
    "Maxout",
    "Module",
    "Sequential",
    "constant",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "lecun_normal",
    "lecun_uniform",
    "orthogonal",
    "zeros",
]
