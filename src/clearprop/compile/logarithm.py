"""Logarithms, and what is made of them: inverse hyperbolic functions, softplus.

x = 2ᵉ·(1 + f) with 1 + f in [√½, √2), and log(1 + f) = f − f²/2 + s·(f²/2 + R(s²)) with s = f/(2 + f)
(fdlibm, Sun Microsystems, 1993); R was fitted by Remez exchange in 60 digits.
"""

from __future__ import annotations

import math

from .exponential import LN2, exp
from .lanes import Lanes, at_least, copysign, fma, magnitude, polynomial, where

# R(z)/z, where 2·artanh(s) = 2s + s·R(s²), on |s| <= 0.1716, within 2^-30 and 2^-59 of 2·artanh(s)/s
_SERIES = (
    (0.6666677594184875, 0.39977580308914185, 0.2987132966518402),
    (
        0.6666666666666734, 0.39999999999416486, 0.2857142874220708, 0.22222198570584778,
        0.18183565405421304, 0.15314003333427537, 0.14796579666612333,
    ),
)  # fmt: skip

# Numbers in two parts; products of the first with e are exact
_LOG10_2 = (
    (0.30102539062500000, 4.6050389811952e-06),
    (3.01029995663611771306e-01, 3.69423907715893078616e-13),
)
LOG2_E = ((1.4426950216293335, 1.9259629911266175e-08), (1.4426950408889634, 2.0355273740931033e-17))
_LOG10_E = ((0.4342944920063019, -1.0103050118726031e-08), (0.4342944819032518, 1.098319650216765e-17))


def split(x: Lanes) -> tuple[Lanes, Lanes, Lanes]:
    """e as a float, f, and e + bias as an integer, of a positive x."""
    form, boost = x.format, x.pick(24, 54)
    subnormal = x < form.smallest
    x = where(subnormal, x * 2.0**boost, x)
    one, root = form.bias << form.mantissa, x.pick(0x3F3504F3, 0x3FE6A09E667F3BCD)
    bits = x.bits() + (one - root)
    exponent = bits >> form.mantissa
    large = (exponent | ((form.bias + form.mantissa) << form.mantissa)).floats()
    e = large - where(
        subnormal, x.like(2.0**form.mantissa + form.bias + boost), 2.0**form.mantissa + form.bias
    )
    m = ((bits & ((1 << form.mantissa) - 1)) + root).floats()
    return e, m - 1.0, exponent


def _tail(f: Lanes) -> Lanes:
    """log(1 + f) − f."""
    s = f / (f + 2.0)
    z = s * s
    half = f * f * 0.5
    return fma(s, fma(z, polynomial(z, f.pick(*_SERIES)), half), -half)


def _finished(y: Lanes, x: Lanes, pole: float) -> Lanes:
    """y, with −∞ at the pole, NaN left of it, and ∞ and NaN of x kept."""
    y = where(x < math.inf, y, x)
    return where(x <= pole, where(x < pole, y.like(math.nan), -math.inf), y)


def log(x: Lanes) -> Lanes:
    """The natural logarithm; within 0.9 ulp."""
    e, f, _ = split(x)
    high, low = x.pick(*LN2)
    return _finished(fma(e, high, f + fma(e, low, _tail(f))), x, 0.0)


def log2(x: Lanes) -> Lanes:
    """log₂ x; exact for powers of 2; within 1.1 ulp, 1.8 without fused products."""
    e, f, _ = split(x)
    high, low = x.pick(*LOG2_E)
    return _finished(e + fma(f, high, fma(f, low, _tail(f) * high)), x, 0.0)


def log10(x: Lanes) -> Lanes:
    """log₁₀ x; within 1 ulp, 1.8 without fused products."""
    e, f, _ = split(x)
    high, low = x.pick(*_LOG10_E)
    two, rest = x.pick(*_LOG10_2)
    return _finished(fma(e, two, fma(f, high, fma(e, rest, fma(f, low, _tail(f) * high)))), x, 0.0)


def log1p(x: Lanes) -> Lanes:
    """log(1 + x), exact near 0: what 1 + x drops is put back into f; within 1.5 ulp."""
    whole = x + 1.0
    dropped = x - (whole - 1.0)
    e, f, exponent = split(whole)
    down = ((2 * x.format.bias - exponent) << x.format.mantissa).floats()
    f = where(x < x.pick(2.0**25, 2.0**54), fma(dropped, down, f), f)
    high, low = x.pick(*LN2)
    y = fma(e, high, f + fma(e, low, _tail(f)))
    return copysign(_finished(y, x, -1.0), x)


def logaddexp(a: Lanes, b: Lanes) -> Lanes:
    """log(eᵃ + eᵇ), without overflow."""
    largest = where(a > b, a, b)
    y = largest + log1p(exp(-magnitude(a - b)))
    return where(a.equals(b), a + math.log(2), y)


def softplus(x: Lanes) -> Lanes:
    """log(1 + eˣ), without overflow; within 1.7 ulp."""
    return at_least(x, 0.0) + log1p(exp(-magnitude(x)))


def _log_of_large(large: Lanes, x: Lanes, otherwise: Lanes) -> Lanes:
    """log 2x where x is large, else log(1 + otherwise)."""
    return log1p(where(large, x, otherwise)) + where(large, x.like(math.log(2)), 0.0)


def arcsinh(x: Lanes) -> Lanes:
    """log(x + √(x² + 1)); within 1.9 ulp."""
    a = magnitude(x)
    square = a * a
    inner = a + square / ((square + 1.0).call("llvm.sqrt") + 1.0)
    return copysign(_log_of_large(a > x.pick(2.0**26, 2.0**55), a, inner), x)


def arccosh(x: Lanes) -> Lanes:
    """log(x + √(x² − 1)) for x >= 1, else NaN; within 2.5 ulp."""
    t = x - 1.0
    inner = t + (t * (t + 2.0)).call("llvm.sqrt")
    y = _log_of_large(x > x.pick(2.0**26, 2.0**55), x, inner)
    return where(x < 1.0, math.nan, y)


def arctanh(x: Lanes) -> Lanes:
    """log((1 + x)/(1 − x))/2 for |x| <= 1, else NaN; within 2.2 ulp."""
    a = magnitude(x)
    return copysign(0.5 * log1p(2.0 * a / (1.0 - a)), x)
