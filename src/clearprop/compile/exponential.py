"""Exponentials, and what is made of them: hyperbolic functions, the sigmoid.

x = n·log 2 + r with |r| <= log(2)/2, and eˣ = 2ⁿ·eʳ. The polynomials were fitted by Remez exchange in 60
digits. Errors, in units in the last place, are the largest measured on any target, against 80-bit arithmetic.
"""

from __future__ import annotations

import math

from .lanes import Lanes, at_least, at_most, copysign, fma, magnitude, polynomial, two_product, where

# (eʳ − 1 − r)/r² on |r| <= log(2)/2, within 2^-27.8 and 2^-60.1 of eʳ − 1, 2^-25.3 of its own size
_SERIES = (
    (0.5000001192092896, 0.16666540503501892, 0.041664086282253265, 0.008366893976926804, 0.0014050921890884638),
    (
        0.5, 0.16666666666666677, 0.041666666666666685, 0.00833333333332179, 0.0013888888888893424,
        0.00019841269885564214, 2.4801587289734424e-05, 2.7557244785939744e-06, 2.7557305398439923e-07,
        2.510885325983378e-08, 2.0906756624841476e-09,
    ),
)  # fmt: skip
_LOG2E = 1.4426950408889634
LN2 = ((0.693359375, -2.12194440054690581e-4), (6.93147180369123816490e-01, 1.90821492927058770002e-10))
"""log 2 in two parts; products of the first with n are exact."""


def _turns(x: Lanes, more: int) -> tuple[Lanes, Lanes]:
    """n = x/log 2 rounded: a float whose last bits are n + more, and n as a float."""
    start = x.format.magic + more
    turns = fma(x, _LOG2E, start)
    return turns, turns - start


def _reduce(x: Lanes, more: int = 0) -> tuple[Lanes, Lanes, Lanes]:
    """A float whose last bits are n + more, and r as the sum of two."""
    turns, n = _turns(x, more)
    high, low = x.pick(*LN2)
    rough = fma(n, -high, x)
    r = fma(n, -low, rough)
    return turns, r, fma(n, -low, rough - r)


def _power_and_rest(x: Lanes, shift: int = 0) -> tuple[Lanes, Lanes, Lanes]:
    """2ⁿ⁺ˢʰⁱᶠᵗ, a normal number, and r as the sum of two."""
    turns, r, low = _reduce(x, x.format.bias + shift)
    return _power_of_two(turns), r, low


def _power_of_two(turns: Lanes) -> Lanes:
    """2 to the power of the last bits, which hold the bias too."""
    return (turns.bits() << turns.format.mantissa).floats()


def scaled(y: Lanes, turns: Lanes, negative: Lanes) -> Lanes:
    """y·2ⁿ, rounded once."""
    f, half = y.format, y.pick(64, 512)
    if y.scales:
        return y.scaled(turns - f.magic)
    # in two steps, since 2ⁿ itself may be no normal number
    low, high = (f.bias + half) << f.mantissa, (f.bias - 1) << f.mantissa
    bits = turns.bits() << f.mantissa
    first = (bits + where(negative, bits.like(low), high)).floats()
    return y * first * where(negative, y.like(2.0**-half), 2.0)


def series(r: Lanes) -> Lanes:
    """(eʳ − 1 − r)/r²."""
    return polynomial(r, r.pick(*_SERIES))


def _grown(r: Lanes) -> Lanes:
    """eʳ − 1."""
    return fma(r * r, series(r), r)


def exp(x: Lanes) -> Lanes:
    """eˣ; within 1.1 ulp."""
    x = at_least(at_most(x, x.pick(89.0, 710.0)), x.pick(-104.0, -746.0))
    turns, r, _ = _reduce(x)
    return scaled(_grown(r) + 1.0, turns, x < 0.0)


def exp2(x: Lanes) -> Lanes:
    """2ˣ; within 1.1 ulp."""
    x = at_least(at_most(x, x.pick(128.0, 1024.0)), x.pick(-150.0, -1075.0))
    turns = x + x.format.magic
    r = (x - (turns - x.format.magic)) * 0.6931471805599453
    return scaled(_grown(r) + 1.0, turns, x < 0.0)


def _less(power: Lanes, r: Lanes, low: Lanes, one: float) -> Lanes:
    """power·eʳ⁺ˡᵒʷ − one."""
    return fma(power, fma(r * r, series(r), low), fma(power, r, power - one))


def _quarter_of_expm1(x: Lanes) -> Lanes:
    """(eˣ − 1)/4, which does not overflow where sinh x does not."""
    x = at_least(at_most(x, x.pick(89.5, 710.6)), x.pick(-18.0, -40.0))
    return _less(*_power_and_rest(x, -2), 0.25)


def little_expm1(x: Lanes) -> Lanes:
    """eˣ − 1 of |x| below 40, within 1.2 ulp where x > 0 and within an ulp of 1 elsewhere."""
    if x.target.fma:
        turns, n = _turns(x, x.format.bias)
        power, r = _power_of_two(turns), fma(n, -math.log(2), x)
    else:
        power, r, _ = _power_and_rest(x)
    return fma(power, _grown(r), power - 1.0)


def _tiny(x: Lanes) -> Lanes:
    """Where an odd function with slope 1 is x itself, -0 and subnormal numbers included."""
    return magnitude(x) < x.pick(2.0**-14, 2.0**-28)


def expm1(x: Lanes) -> Lanes:
    """eˣ − 1, exact near 0; within 1.4 ulp."""
    return where(magnitude(x) < x.pick(2.0**-26, 2.0**-55), x, 4.0 * _quarter_of_expm1(x))


def sinh(x: Lanes) -> Lanes:
    """(eˣ − e⁻ˣ)/2 = (m + m/(m + 1))/2 with m = e^|x| − 1; within 2.1 ulp."""
    quarter = _quarter_of_expm1(magnitude(x))
    ratio = quarter / fma(quarter, 4.0, 1.0)
    y = 2.0 * where(quarter < 0.25, fma(quarter * -4.0, ratio, quarter * 2.0), quarter + ratio)
    return where(_tiny(x), x, copysign(y, x))


def cosh(x: Lanes) -> Lanes:
    """(eˣ + e⁻ˣ)/2; within 1.5 ulp."""
    power, r, _ = _power_and_rest(at_most(magnitude(x), x.pick(89.5, 710.6)), -2)
    quarter = power * (_grown(r) + 1.0)
    return 2.0 * (quarter + 0.0625 / quarter)


def _over_two_more(m: Lanes) -> Lanes:
    """m/(m + 2), with what rounding drops put back before the last."""
    part = 1.0 / (m + 2.0)
    y = m * part
    if m.target.fma:
        return fma(part, fma(-y, m, fma(y, -2.0, m)), y)
    product, dropped = two_product(y, m)
    return y + part * (((m - 2.0 * y) - product) - dropped)


def tanh(x: Lanes) -> Lanes:
    """sinh x / cosh x = m/(m + 2) with m = e^(2|x|) − 1; within 1.8 ulp."""
    return copysign(_over_two_more(little_expm1(at_most(2.0 * magnitude(x), x.pick(18.5, 40.0)))), x)


def sigmoid(x: Lanes) -> Lanes:
    """1/(1 + e) with e = e⁻ˣ; within 2 ulp."""
    x = at_least(at_most(x, 40.0), x.pick(-104.0, -746.0))
    shift = x.pick(-64, -512)  # with which neither e nor 1/e overflows
    power, r, _ = _power_and_rest(-x, shift)
    one = 2.0**shift  # the smaller of the two terms is added first, before anything is rounded
    return one / (fma(power, _grown(r), at_most(power, one)) + at_least(power, one))


def elu(x: Lanes, *, alpha: float) -> Lanes:
    """x for x > 0, else α(eˣ − 1); within 2.3 ulp."""
    return where(x > 0.0, x, alpha * expm1(at_most(x, 0.0)))
