"""The sigmoid family and the error function: elementwise operations that NumPy lacks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.types import Array
from .declare import elementwise


@elementwise(lambda y, x: y * (1 - y), name="sigmoid")
def sigmoid_of(x: Array) -> Array:
    """1/(1 + e⁻ˣ), without overflow; slope y·(1 − y)."""
    e = np.exp(-np.abs(x))
    return np.where(np.greater_equal(x, 0), np.ones_like(e), e) / (1 + e)


@elementwise(lambda y, x: sigmoid_of(x), name="softplus")
def softplus_of(x: Array) -> Array:
    """log(1 + eˣ), without overflow; slope sigmoid x."""
    return np.logaddexp(x, np.zeros_like(x))


@elementwise(lambda y, x: (y > 0).astype(y.dtype), like=np.positive, name="relu")
def relu_of(x: Array) -> Array:
    """max(x, 0), never −0; slope 1 for y > 0, which is x > 0, else 0, so 0 at 0."""
    y: Any = np.maximum(x, 0)
    y += 0  # which of 0 and −0 is the larger depends on the dtype and the processor; −0 + 0 is 0
    return y


@elementwise(
    lambda y, x, *, negative_slope: np.where(x > 0, np.ones_like(y), negative_slope), name="leaky_relu"
)
def leaky_relu_of(x: Array, *, negative_slope: float) -> Array:
    """x for x > 0, else negative_slope·x; that slope at 0 too."""
    return np.where(np.greater(x, 0), x, np.multiply(x, negative_slope))


@elementwise(lambda y, x, *, alpha: np.where(x > 0, np.ones_like(y), y + alpha), name="elu")
def elu_of(x: Array, *, alpha: float) -> Array:
    """x for x > 0, else α(eˣ − 1); slope y + α there."""
    return np.where(np.greater(x, 0), x, alpha * np.expm1(np.where(np.greater(x, 0), 0, x)))


# Rational approximations of erf: W. J. Cody, "Rational Chebyshev approximations for the error function",
# Math. Comp. 23 (1969) 631-637. Highest power first; |x| <= 0.5, 0.5 < |x| <= 4, |x| > 4.
_SMALL = (
    (
        1.85777706184603153e-1,
        3.16112374387056560e0,
        1.13864154151050156e2,
        3.77485237685302021e2,
        3.20937758913846947e3,
    ),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3),
)
_MIDDLE = (
    (
        2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594e0, 6.61191906371416295e1,
        2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3,
        1.23033935479799725e3,
    ),
    (
        1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3,
        3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3,
    ),
)  # fmt: skip
_LARGE = (
    (
        1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1,
        1.60837851487422766e-2, 6.58749161529837803e-4,
    ),
    (
        1.0, 2.56852019228982242e0, 1.87295284992346725e0, 5.27905102951428412e-1, 6.05183413124413191e-2,
        2.33520497626869185e-3,
    ),
)  # fmt: skip


def _ratio(coefficients: tuple[tuple[float, ...], tuple[float, ...]], x: Array) -> Array:
    above, below = coefficients
    return np.polyval(np.array(above), x) / np.polyval(np.array(below), x)


@elementwise(lambda y, x: 2 / math.sqrt(math.pi) * np.exp(-x * x), name="erf")
def erf_of(x: Array) -> Array:
    """2/√π ∫₀ˣ e^(−t²) dt; slope 2/√π · e^(−x²). Within 2 ulp of double precision."""
    given = np.asarray(x)
    wide = np.asarray(given, np.float64)
    size = np.minimum(np.abs(wide), 6.0)  # erf(6) is 1 in double precision; NaN stays NaN
    squared = np.square(size)
    inner = np.maximum(size, 0.5)
    outer = 1 / np.square(np.maximum(size, 4.0))
    tail = np.where(
        size <= 4,
        np.exp(-np.square(inner)) * _ratio(_MIDDLE, inner),
        np.exp(-squared) / np.maximum(size, 4.0) * (1 / math.sqrt(math.pi) - outer * _ratio(_LARGE, outer)),
    )
    y = np.where(size <= 0.5, size * _ratio(_SMALL, squared), 1 - tail)
    result: Any = np.copysign(y, wide).astype(given.dtype if given.dtype.kind == "f" else np.float64)
    return result[()]
