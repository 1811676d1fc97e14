"""Networks: modules whose arrays are their parameters, layers, initialisers."""

from ..core.tree import Module
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
