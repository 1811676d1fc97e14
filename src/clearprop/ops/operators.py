"""What remains of NumPy on traced values: conversions, choice, and what is known without computing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.traced import Traced, refuse
from ..core.types import Array, require_supported
from .compare import where
from .declare import implements, loop
from .pointwise import astype as convert


@implements("astype", np.astype)
def astype(x: Array, dtype: Any, copy: bool = True) -> Array:
    """Another dtype; a path leads through only from float to float."""
    target = np.dtype(dtype)
    require_supported(target, "astype's result")
    return x if x.dtype == target else convert(x, dtype=target)


@implements(np.fabs)
def fabs(x: Array) -> Array:
    """|x| as a float."""
    return np.absolute(x.astype(loop(np.fabs, x.dtype)[0]))


@implements(np.float_power)
def float_power(x1: Array, x2: Array) -> Array:
    """x1 to the power x2, in float64."""
    wide = np.dtype(np.float64)
    return np.power(*(x.astype(wide) if hasattr(x, "astype") else np.asarray(x, wide) for x in (x1, x2)))


@implements(np.where)
def choose(condition: Array, *choices: Array) -> Array:
    """x where the condition holds, else y."""
    if len(choices) != 2:
        refuse(
            "np.where(condition) alone gives indices, so many that their shape depends on values.",
            "Choose elements with np.where(condition, a, b).",
        )
    return where(condition, *choices)


@implements(np.positive)
def positive(x: Array) -> Array:
    """x itself; booleans have no sign."""
    return x.astype(loop(np.positive, x.dtype)[-1])


@implements(np.conjugate)
def conjugate(x: Array) -> Array:
    """x itself: it is real."""
    return x.astype(loop(np.conjugate, x.dtype)[-1])


@implements(np.real, np.copy)
def unchanged(x: Array, *args: Any) -> Array:
    """x itself."""
    return x


@implements(np.isclose)
def isclose(a: Array, b: Array, rtol: float = 1e-5, atol: float = 1e-8) -> Array:
    """Whether |a − b| ≤ atol + rtol·|b|."""
    return np.less_equal(np.abs(np.subtract(a, b)), atol + rtol * np.abs(b))


# ---- known without computing


@implements(np.shape)
def shape(a: Array) -> Any:
    """The lengths of the axes."""
    return a.shape


@implements(np.ndim)
def ndim(a: Array) -> Any:
    """The number of axes."""
    return a.ndim


def _known(function: Callable[..., Any]) -> None:
    @implements(function)
    def known(a: Array, *args: Any, **kwargs: Any) -> Any:
        """What NumPy gives for any array of this shape and dtype."""
        return function(np.broadcast_to(np.zeros((), a.dtype), a.shape), *args, **kwargs)


for _function in (np.size, np.zeros_like, np.ones_like, np.empty_like, np.result_type):
    _known(_function)


@implements(np.full_like)
def full_like(a: Array, fill_value: Array, dtype: Any = None) -> Array:
    """One value everywhere, in the shape and dtype of a."""
    value = fill_value if isinstance(fill_value, Traced) else np.asarray(fill_value)
    return np.broadcast_to(value.astype(np.dtype(dtype or a.dtype)), a.shape)
