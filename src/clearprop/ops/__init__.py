"""What can be computed: each operation with its meaning and its derivative, in one place."""

from . import (
    activations,
    compare,
    composite,
    index,
    joins,
    linalg,
    operators,
    pointwise,
    random,
    reduce,
    rules,
    shape,
    special,
)
from .declare import PRIMITIVES

__all__ = [
    "PRIMITIVES",
    "activations",
    "compare",
    "composite",
    "index",
    "joins",
    "linalg",
    "operators",
    "pointwise",
    "random",
    "reduce",
    "rules",
    "shape",
    "special",
]
