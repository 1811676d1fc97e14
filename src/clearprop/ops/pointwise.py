"""Arithmetic, powers, exponentials and trigonometry, element by element.

Each first line is the formula and the fact that its derivative rests on. Partials are functions of y and
the arguments. At kinks: |·|′(0) = 0, and ``maximum`` and ``minimum`` share a tie half and half.
"""

from __future__ import annotations

import numpy as np

from ..core.lowering import Map
from ..core.types import Array, Type
from .declare import Elementwise, broadcaster, constant, declare, elementwise, linear, multilinear

# ---- the chain rule's own product, and conversions


def _same_type(x: Type, *others: Type) -> Type:
    return x


def _to_error(g: Array, ct: Array, slope: Array) -> Array:
    return chain(g, slope)


def _to_slope(g: Array, ct: Array, slope: Array) -> Array:
    return chain(ct, g)


@multilinear(
    _to_error,
    _to_slope,
    typed=_same_type,
    lowering=Map("chain"),
    prepare=broadcaster(np.multiply, 2),
)
def chain(ct: Array, slope: Array) -> Array:
    """ct · slope, but ct where that is 0: what a path does not reach, its slope cannot spoil.

    So ``np.where(x > 0, np.log(x), 0)`` has the gradient 0 at x = 0, not 0 · ∞ = NaN.
    """
    return np.where(np.equal(ct, 0), ct, np.multiply(ct, slope))


def _convert_back(ct: Array, x: Array, *, dtype: np.dtype[np.generic]) -> Array | None:
    return astype(ct, dtype=x.dtype) if x.dtype.kind == "f" and np.dtype(dtype).kind == "f" else None


@linear(_convert_back, typed=lambda x, *, dtype: Type(x.shape, dtype), lowering=Map("convert"))
def astype(x: Array, *, dtype: np.dtype[np.generic]) -> Array:
    """x in another dtype; a path only from float to float."""
    return np.asarray(x).astype(dtype)


@constant(typed=_same_type, lowering=Map("identity"))
def stop_gradient(x: Array) -> Array:
    """x itself, with no path to it: its derivative is taken as 0."""
    return x


def _known_slope(value: Array, x: Array, slope: Array) -> Array:
    """value, a function of x of which the slope is given too: the error at x is one product, of one array."""
    return value


with_slope = declare(
    _known_slope,
    _same_type,
    Elementwise((None, lambda y, value, x, slope: slope, None)),
    Map("with_slope"),
    name="with_slope",
)


# ---- arithmetic


@elementwise(lambda y, a, b: 1, lambda y, a, b: 1)
def add(a: Array, b: Array) -> Array:
    """a + b; slope 1 to both."""
    return np.add(a, b)


@elementwise(lambda y, a, b: 1, lambda y, a, b: -1)
def subtract(a: Array, b: Array) -> Array:
    """a − b; slopes 1 and −1."""
    return np.subtract(a, b)


@elementwise(lambda y, a, b: b, lambda y, a, b: a)
def multiply(a: Array, b: Array) -> Array:
    """a · b; each is the other's slope."""
    return np.multiply(a, b)


@elementwise(lambda y, a, b: 1 / b, lambda y, a, b: -y / b, numpy=(np.divide, np.true_divide))
def divide(a: Array, b: Array) -> Array:
    """a / b; slopes 1/b and −y/b."""
    return np.divide(a, b)


@elementwise(
    lambda y, a, b: np.where(b == 0, 0, b * np.power(a, b - 1)),
    lambda y, a, b: y * np.log(np.where(a == 0, 1, a)),
)
def power(a: Array, b: Array) -> Array:
    """aᵇ; slopes b·aᵇ⁻¹ and y·log a, which count as 0 at b = 0 and at a = 0."""
    return np.power(a, b)


@elementwise(lambda y, a, b: 1, lambda y, a, b: -np.floor_divide(a, b), numpy=(np.remainder, np.mod))
def remainder(a: Array, b: Array) -> Array:
    """a mod b, with the sign of b: a − b·⌊a/b⌋; slopes 1 and −⌊a/b⌋."""
    return np.remainder(a, b)


@elementwise(None, None)
def floor_divide(a: Array, b: Array) -> Array:
    """⌊a / b⌋: flat between jumps."""
    return np.floor_divide(a, b)


@elementwise(lambda y, x: -1)
def negative(x: Array) -> Array:
    """−x; slope −1."""
    return np.negative(x)


@elementwise(lambda y, x: -y * y)
def reciprocal(x: Array) -> Array:
    """1 / x; slope −y²."""
    return np.reciprocal(x)


@elementwise(lambda y, x: np.sign(x))
def absolute(x: Array) -> Array:
    """|x|; slope sign x, so 0 at 0."""
    return np.absolute(x)


@elementwise(None)
def sign(x: Array) -> Array:
    """−1, 0 or 1: flat but for its jump."""
    return np.sign(x)


@elementwise(lambda y, x: 2 * x)
def square(x: Array) -> Array:
    """x²; slope 2x."""
    return np.square(x)


@elementwise(lambda y, x: 0.5 / y)
def sqrt(x: Array) -> Array:
    """√x; slope 1/(2y), which is ∞ at 0."""
    return np.sqrt(x)


@elementwise(lambda y, x: np.where(y == 0, np.inf, 1 / (3 * y * y)))
def cbrt(x: Array) -> Array:
    """∛x; slope 1/(3y²), which is ∞ at 0."""
    return np.cbrt(x)


# ---- extremes


def _share(winner: Array, loser: Array) -> Array:
    """1 where the winner is ahead, ½ at a tie, else 0, in the winner's dtype."""
    return 0.5 * ((winner >= loser).astype(winner.dtype) + (winner > loser).astype(winner.dtype))


@elementwise(lambda y, a, b: _share(a, b), lambda y, a, b: _share(b, a))
def maximum(a: Array, b: Array) -> Array:
    """The larger one, NaN if either is; slope 1 to the larger, ½ to both at a tie."""
    return np.maximum(a, b)


@elementwise(lambda y, a, b: _share(b, a), lambda y, a, b: _share(a, b))
def minimum(a: Array, b: Array) -> Array:
    """The smaller one, NaN if either is; slope 1 to the smaller, ½ to both at a tie."""
    return np.minimum(a, b)


# ---- rounding: flat between jumps


@elementwise(None)
def floor(x: Array) -> Array:
    """⌊x⌋."""
    return np.floor(x)


@elementwise(None)
def ceil(x: Array) -> Array:
    """⌈x⌉."""
    return np.ceil(x)


@elementwise(None, numpy=(np.trunc, np.fix))
def trunc(x: Array) -> Array:
    """x without its fraction."""
    return np.trunc(x)


@elementwise(None)
def rint(x: Array) -> Array:
    """The nearest integer, halves to even."""
    return np.rint(x)


# ---- exponentials and logarithms


@elementwise(lambda y, x: y)
def exp(x: Array) -> Array:
    """eˣ; its own slope."""
    return np.exp(x)


@elementwise(lambda y, x: y * float(np.log(2)))
def exp2(x: Array) -> Array:
    """2ˣ; slope y·log 2."""
    return np.exp2(x)


@elementwise(lambda y, x: y + 1)
def expm1(x: Array) -> Array:
    """eˣ − 1, exact near 0; slope y + 1."""
    return np.expm1(x)


@elementwise(lambda y, x: 1 / x)
def log(x: Array) -> Array:
    """The natural logarithm; slope 1/x."""
    return np.log(x)


@elementwise(lambda y, x: float(1 / np.log(2)) / x)
def log2(x: Array) -> Array:
    """log₂ x; slope 1/(x·log 2)."""
    return np.log2(x)


@elementwise(lambda y, x: float(1 / np.log(10)) / x)
def log10(x: Array) -> Array:
    """log₁₀ x; slope 1/(x·log 10)."""
    return np.log10(x)


@elementwise(lambda y, x: 1 / (1 + x))
def log1p(x: Array) -> Array:
    """log(1 + x), exact near 0; slope 1/(1 + x)."""
    return np.log1p(x)


@elementwise(lambda y, a, b: np.exp(a - y), lambda y, a, b: np.exp(b - y))
def logaddexp(a: Array, b: Array) -> Array:
    """log(eᵃ + eᵇ) without overflow; slopes eᵃ⁻ʸ and eᵇ⁻ʸ."""
    return np.logaddexp(a, b)


# ---- trigonometry


@elementwise(lambda y, x: np.cos(x))
def sin(x: Array) -> Array:
    """sin x, x in radians; slope cos x."""
    return np.sin(x)


@elementwise(lambda y, x: -np.sin(x))
def cos(x: Array) -> Array:
    """cos x, x in radians; slope −sin x."""
    return np.cos(x)


@elementwise(lambda y, x: 1 + y * y)
def tan(x: Array) -> Array:
    """tan x, x in radians; slope 1 + y²."""
    return np.tan(x)


@elementwise(lambda y, x: 1 / np.sqrt((1 - x) * (1 + x)))
def arcsin(x: Array) -> Array:
    """The angle in [−π/2, π/2] whose sine is x; slope 1/√(1 − x²)."""
    return np.arcsin(x)


@elementwise(lambda y, x: -1 / np.sqrt((1 - x) * (1 + x)))
def arccos(x: Array) -> Array:
    """The angle in [0, π] whose cosine is x; slope −1/√(1 − x²)."""
    return np.arccos(x)


@elementwise(lambda y, x: 1 / (1 + x * x))
def arctan(x: Array) -> Array:
    """The angle in (−π/2, π/2) whose tangent is x; slope 1/(1 + x²)."""
    return np.arctan(x)


def _over_square(x: Array, a: Array, b: Array) -> Array:
    r = np.hypot(a, b)
    r = np.where(r == 0, 1, r)
    return x / r / r


@elementwise(lambda y, a, b: _over_square(b, a, b), lambda y, a, b: -_over_square(a, a, b))
def arctan2(a: Array, b: Array) -> Array:
    """The angle of the point (b, a); slopes b/r² and −a/r², 0 at the origin."""
    return np.arctan2(a, b)


@elementwise(
    lambda y, a, b: np.where(y == 0, 0, a / np.where(y == 0, 1, y)),
    lambda y, a, b: np.where(y == 0, 0, b / np.where(y == 0, 1, y)),
)
def hypot(a: Array, b: Array) -> Array:
    """√(a² + b²) without overflow; slopes a/y and b/y, 0 at the origin."""
    return np.hypot(a, b)


@elementwise(lambda y, x: np.cosh(x))
def sinh(x: Array) -> Array:
    """(eˣ − e⁻ˣ)/2; slope cosh x."""
    return np.sinh(x)


@elementwise(lambda y, x: np.sinh(x))
def cosh(x: Array) -> Array:
    """(eˣ + e⁻ˣ)/2; slope sinh x."""
    return np.cosh(x)


@elementwise(lambda y, x: 1 - y * y)
def tanh(x: Array) -> Array:
    """sinh x / cosh x; slope 1 − y²."""
    return np.tanh(x)


@elementwise(lambda y, x: 1 / np.hypot(x, 1))
def arcsinh(x: Array) -> Array:
    """The inverse of sinh; slope 1/√(x² + 1)."""
    return np.arcsinh(x)


@elementwise(lambda y, x: 1 / np.sqrt((x - 1) * (x + 1)))
def arccosh(x: Array) -> Array:
    """The inverse of cosh on [1, ∞); slope 1/√(x² − 1)."""
    return np.arccosh(x)


@elementwise(lambda y, x: 1 / ((1 - x) * (1 + x)))
def arctanh(x: Array) -> Array:
    """The inverse of tanh on (−1, 1); slope 1/(1 − x²)."""
    return np.arctanh(x)
