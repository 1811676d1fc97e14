"""Exponentials, and what is made of them: hyperbolic functions, the sigmoid.

x = n·log 2 + r with |r| <= log(2)/2, and eˣ = 2ⁿ·eʳ. The polynomials were fitted by Remez exchange in 60
digits. Errors, in units in the last place, are the largest measured on any target, against 80-bit arithmetic.
"""

from __future__ import annotations

import math

from .lanes import Lanes, at_least, at_most, copysign, exact_sum, fma, magnitude, polynomial, where

# (eʳ − 1 − r)/r² on |r| <= log(2)/2, within 2^-27.9 and 2^-60.1 of eʳ − 1, 2^-25.9 of its own size
_SERIES = (
    (0.5, 0.16666531562805176, 0.0416664183139801, 0.008367680944502354, 0.0013939383206889033),
    (
        0.5, 0.16666666666666677, 0.041666666666666685, 0.00833333333332179, 0.0013888888888893424,
        0.00019841269885564214, 2.4801587289734424e-05, 2.7557244785939744e-06, 2.7557305398439923e-07,
        2.510885325983378e-08, 2.0906756624841476e-09,
    ),
)  # fmt: skip
_LOG2E = 1.4426950408889634
LN2 = ((0.693359375, -2.12194440054690581e-4), (6.93147180369123816490e-01, 1.90821492927058770002e-10))
"""log 2 in two parts; products of the first with n are exact."""


def _turns(x: Lanes) -> tuple[Lanes, Lanes]:
    """n = x/log 2 rounded, as the last bits of a float, and as a float."""
    turns = fma(x, _LOG2E, x.format.magic)
    return turns, turns - x.format.magic


def _reduce(x: Lanes) -> tuple[Lanes, Lanes, Lanes]:
    """n, as the last bits of a float, and r as the sum of two."""
    turns, n = _turns(x)
    high, low = x.pick(*LN2)
    rough = fma(n, -high, x)
    r = fma(n, -low, rough)
    return turns, r, fma(n, -low, rough - r)


def _reduce_little(x: Lanes) -> tuple[Lanes, Lanes]:
    """n, as the last bits of a float, and r, off by a small part of n's last place: for |x| below 40."""
    if not x.target.fma:
        return _reduce(x)[:2]
    turns, n = _turns(x)
    return turns, fma(n, -math.log(2), x)


def _power_of_two(turns: Lanes, shift: int = 0) -> Lanes:
    """2ⁿ⁺ˢʰⁱᶠᵗ, a normal number."""
    f = turns.format
    return ((turns.bits() << f.mantissa) + ((f.bias + shift) << f.mantissa)).floats()


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


def one_less_exp(x: Lanes) -> Lanes:
    """1 − eˣ of x <= 0 whose power is a normal number; within an ulp of 1."""
    turns, r = _reduce_little(x)
    power = _power_of_two(turns)
    return fma(-power, _grown(r), 1.0 - power)


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
    turns, r, low = _reduce(x)
    return _less(_power_of_two(turns, -2), r, low, 0.25)


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
    turns, r, _ = _reduce(at_most(magnitude(x), x.pick(89.5, 710.6)))
    quarter = _power_of_two(turns, -2) * (_grown(r) + 1.0)
    return 2.0 * (quarter + 0.0625 / quarter)


def _over_sum(a: Lanes, b: Lanes, c: float) -> Lanes:
    """a/(b + c), with what rounding the sum dropped put back; of positive numbers."""
    part = 1.0 / (b + c)
    if not a.target.fma:
        total, lost = exact_sum(b, c)
        y = a / total
        return y - y * part * lost
    y = a * part
    return fma(part, fma(-y, b, fma(y, -c, a)), y)


def tanh(x: Lanes) -> Lanes:
    """sinh x / cosh x = m/(m + 2) with m = e^(2|x|) − 1; within 1.6 ulp, 2 without fused products."""
    turns, r = _reduce_little(at_most(2.0 * magnitude(x), x.pick(18.5, 40.0)))
    power = _power_of_two(turns)
    m = fma(power, _grown(r), power - 1.0)
    return copysign(_over_sum(m, m, 2.0), x)


def sigmoid(x: Lanes) -> Lanes:
    """1/(1 + e) with e = e⁻ˣ; within 2 ulp."""
    x = at_least(at_most(x, 40.0), x.pick(-104.0, -746.0))
    turns, r, _ = _reduce(-x)
    shift = x.pick(-64, -512)  # with which neither e nor 1/e overflows
    power = _power_of_two(turns, shift)
    one = power.like(2.0**shift)
    # the smaller of the two terms goes into the product's rounding
    return one / (fma(power, _grown(r), at_most(power, 2.0**shift)) + at_least(power, 2.0**shift))


def elu(x: Lanes, *, alpha: float) -> Lanes:
    """x for x > 0, else α(eˣ − 1); within 2.3 ulp."""
    return where(x > 0.0, x, alpha * expm1(at_most(x, 0.0)))
