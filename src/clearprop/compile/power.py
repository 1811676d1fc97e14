"""Powers and roots.

xʸ = 2^(y·log₂|x|): of doubles, the logarithm and the product are kept as sums of two, since the exponent
takes ten bits of the result's accuracy; float32 is computed in plain double precision.
"""

from __future__ import annotations

import math

from .exponential import scaled, series
from .lanes import (
    DOUBLE,
    FLOAT,
    Lanes,
    at_least,
    at_most,
    copysign,
    fma,
    magnitude,
    polynomial,
    two_product,
    two_sum,
    where,
)
from .logarithm import LOG2_E, log2, split
from .rounding import trunc
from .text import Value

# 2·artanh(s)/s − 2 − 2/3·s² over s⁴ as a polynomial in s², |s| <= 0.1716, within 2^-73 of 2·artanh(s)/s
_SERIES = (
    0.3999999999999998, 0.28571428571443847, 0.22222222217787585, 0.18181818844321507,
    0.15384558403054444, 0.13336265566663164, 0.11675757673426775, 0.11981954360407786,
)  # fmt: skip
_LN2_REST = 2.3190468138462996e-17  # log 2 less what a double holds of it
_TWO_THIRDS = (0.6666666666666666, 3.700743415417188e-17)

Pair = tuple[Lanes, Lanes]


def power(x: Lanes, y: Lanes) -> Lanes:
    """xʸ: 1 where x = 1 or y = 0, NaN where x < 0 and y is no integer; within 1 ulp, float32 within 0.51."""
    if x.dtype.kind != "f":
        return _power_of_integers(x, y)
    single = x.dtype == FLOAT
    base, exponent = x.cast("fpext", DOUBLE), y.cast("fpext", DOUBLE)
    a = magnitude(base)
    high, low = (log2(a), a.like(0.0)) if single else _log2(a)
    whole, part = two_product(exponent, high)
    part = part + exponent * low
    result = _exp2(whole, where((whole <= 1024.0) & (whole > -2000.0), part, 0.0))
    result = where(a.equals(1.0) & exponent.equals(exponent), 1.0, result)
    result = _signed(result, base, exponent)
    result = where(base.equals(1.0) | exponent.equals(0.0), 1.0, result)
    return result.cast("fptrunc", x.dtype)


def _log2(a: Lanes) -> Pair:
    """log₂ a as the sum of two, with 12 bits more than a double has."""
    e, f, _ = split(a)
    below, lost = two_sum(f.like(2.0), f)
    s = f / below
    product, error = two_product(s, below)
    s_low = ((f - product) - error - s * lost) / below
    z, z_low = two_product(s, s)
    z_low = z_low + 2.0 * s * s_low
    third, third_low = _product((z, z_low), _TWO_THIRDS)
    third, third_low = two_sum(third, third_low + z * z * polynomial(z, _SERIES))
    total, rest = two_sum(s.like(2.0), third)  # of 2·artanh(s)/s
    log, log_low = _product((s, s_low), (total, rest + third_low))
    high, low = _product((log, log_low), LOG2_E[1])
    large, small = two_sum(e, high)
    small = small + low
    regular = (a > 0.0) & (a < math.inf)
    special = where(a.equals(0.0), -math.inf, a)
    return where(regular, large, special), where(regular, small, 0.0)


def _product(a: Pair, b: tuple[Lanes, Lanes] | tuple[float, float]) -> Pair:
    """The product of sums of two, as such a sum."""
    high, low = two_product(a[0], a[0].like(b[0]))
    return two_sum(high, low + (a[0] * b[1] + a[1] * b[0]))


def _exp2(whole: Lanes, part: Lanes) -> Lanes:
    """2^(whole + part), part less than an ulp of whole."""
    x = at_least(at_most(whole, 1024.0), -1076.0)
    turns = x + x.format.magic
    r = (x - (turns - x.format.magic)) + part
    high, low = two_product(r, r.like(math.log(2)))
    low = fma(r, _LN2_REST, low)
    y = 1.0 + (high + (low + high * high * series(high)))
    return scaled(y, turns, x < 0.0)


def _signed(result: Lanes, base: Lanes, exponent: Lanes) -> Lanes:
    """The power of |base| with its sign, or NaN where base < 0 and the exponent is no integer."""
    integer = trunc(exponent).equals(exponent)
    halved = 0.5 * exponent
    odd = integer & trunc(halved).differs(halved) & (magnitude(exponent) < math.inf)
    result = where(odd, copysign(result, base), result)
    undefined = (base < 0.0) & (base > -math.inf) & ~integer
    return where(undefined, math.nan, result)


def _power_of_integers(base: Lanes, exponent: Lanes) -> Lanes:
    """By repeated squaring; overflow wraps. Negative exponents are refused."""
    function = base.function

    def square(carried: list[Value]) -> tuple[Value, list[Value]]:
        result, factor, left = (base.of(v) for v in carried)
        result = where((left & 1).differs(0), result * factor, result)
        left = base.of(function.binary("lshr", left.value, left.like(1).value))
        return function.any(left.differs(0).value), [result.value, (factor * factor).value, left.value]

    return base.of(function.repeat([base.like(1).value, base.value, exponent.value], square)[0])


# ---- roots


def sqrt(x: Lanes) -> Lanes:
    """√x, rounded correctly; NaN for x < 0."""
    return x.call("llvm.sqrt")


def cbrt(x: Lanes) -> Lanes:
    """∛x: a guess of x^(-1/3) from the bits, two steps of Halley's method, one correction of the root; within 1 ulp."""
    a = magnitude(x)
    up, back = x.pick((2.0**24, 2.0**-8), (2.0**54, 2.0**-18))
    small = a < x.format.smallest * 8
    scaled = a * where(small, x.like(up), 0.125)
    z = _guess(scaled)
    for _ in range(2):
        error = 1.0 - scaled * z * z * z
        z = fma(z * error, fma(error, 2.0 / 9, 1.0 / 3), z)
    root = scaled * z * z
    square, lost = two_product(root, root)
    cube, dropped = two_product(square, root)
    off = (scaled - cube) - fma(lost, root, dropped)
    root = fma(off * z * z, 1.0 / 3, root)
    root = root * where(small, x.like(back), 2.0)
    return where((a > 0.0) & (a < math.inf), copysign(root, x), x)


def _guess(x: Lanes) -> Lanes:
    """x^(-1/3) within 4 %: minus a third of the bits, which are almost a logarithm, computed as a float."""
    form = x.format
    unit = 16 if x.dtype.itemsize == 4 else 32
    top = ((x.bits() >> unit) | ((form.bias + form.mantissa) << form.mantissa)).floats() - 2.0**form.mantissa
    one = float(form.bias << (form.mantissa - unit))
    third = fma(top, -1.0 / 3, one * 4 / 3 - 0.068 * 2.0 ** (form.mantissa - unit) + 1.5 * 2.0**form.mantissa)
    return (third.bits() << unit).floats()


def hypot(x: Lanes, y: Lanes) -> Lanes:
    """√(x² + y²), without overflow; ∞ if one is infinite, even if the other is NaN; within 1.2 ulp."""
    a, b = magnitude(x), magnitude(y)
    large = where(a > b, a, b)
    big, up = x.pick((2.0**60, 2.0**90), (2.0**500, 2.0**700))
    scale = where(large > big, x.like(1 / up), where(large < 1 / big, x.like(up), 1.0))
    back = where(large > big, x.like(up), where(large < 1 / big, x.like(1 / up), 1.0))
    c, d = a * scale, b * scale
    return where(a.equals(math.inf) | b.equals(math.inf), math.inf, fma(c, c, d * d).call("llvm.sqrt") * back)
