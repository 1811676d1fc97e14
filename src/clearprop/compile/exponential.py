"""Exponentials, and what is made of them: hyperbolic functions, the sigmoid.

x = n·log 2 + r with |r| <= log(2)/2, and eˣ = 2ⁿ·eʳ. The polynomials were fitted by Remez exchange in 60
digits. Errors, in units in the last place, are the largest measured on any target, against 80-bit arithmetic.
"""

from __future__ import annotations

from .lanes import Lanes, at_least, at_most, copysign, exact_sum, fma, magnitude, polynomial, two_sum, where

# (eʳ − 1 − r)/r² on |r| <= log(2)/2, within 2^-30.9 and 2^-60.1 of eʳ − 1
_SERIES = (
    (0.5, 0.1666666567325592, 0.04166649281978607, 0.008333544246852398, 0.0013932284200564027, 0.0001976378116523847),
    (
        0.5, 0.16666666666666677, 0.041666666666666685, 0.00833333333332179, 0.0013888888888893424,
        0.00019841269885564214, 2.4801587289734424e-05, 2.7557244785939744e-06, 2.7557305398439923e-07,
        2.510885325983378e-08, 2.0906756624841476e-09,
    ),
)  # fmt: skip
_LOG2E = 1.4426950408889634
LN2 = ((0.693359375, -2.12194440054690581e-4), (6.93147180369123816490e-01, 1.90821492927058770002e-10))
"""log 2 in two parts; products of the first with n are exact."""


def _reduce(x: Lanes) -> tuple[Lanes, Lanes, Lanes]:
    """n, as the last bits of a float, and r as the sum of two."""
    magic = x.format.magic
    high, low = x.pick(*LN2)
    turns = fma(x, _LOG2E, magic)
    n = turns - magic
    rough = fma(n, -high, x)
    r = fma(n, -low, rough)
    return turns, r, fma(n, -low, rough - r)


def _power_of_two(turns: Lanes, shift: int = 0) -> Lanes:
    """2ⁿ⁺ˢʰⁱᶠᵗ, a normal number."""
    f = turns.format
    return ((turns.bits() << f.mantissa) + ((f.bias + shift) << f.mantissa)).floats()


def scaled(y: Lanes, turns: Lanes, negative: Lanes) -> Lanes:
    """y·2ⁿ in two steps, since 2ⁿ itself may be no normal number; rounded once."""
    f, half = y.format, y.pick(64, 512)
    low, high = (f.bias + half) << f.mantissa, (f.bias - 1) << f.mantissa
    bits = turns.bits() << f.mantissa
    first = (bits + where(negative, bits.like(low), high)).floats()
    return y * first * where(negative, y.like(2.0**-half), 2.0)


def series(r: Lanes) -> Lanes:
    """(eʳ − 1 − r)/r²."""
    return polynomial(r, r.pick(*_SERIES))


def exp(x: Lanes) -> Lanes:
    """eˣ; within 1.1 ulp."""
    x = at_least(at_most(x, x.pick(89.0, 710.0)), x.pick(-104.0, -746.0))
    turns, r, _ = _reduce(x)
    return scaled(fma(r * r, series(r), r) + 1.0, turns, x < 0.0)


def exp2(x: Lanes) -> Lanes:
    """2ˣ; within 1.1 ulp."""
    x = at_least(at_most(x, x.pick(128.0, 1024.0)), x.pick(-150.0, -1075.0))
    turns = x + x.format.magic
    r = (x - (turns - x.format.magic)) * 0.6931471805599453
    return scaled(fma(r * r, series(r), r) + 1.0, turns, x < 0.0)


def _quarter_of_expm1(x: Lanes) -> Lanes:
    """(eˣ − 1)/4, which does not overflow where sinh x does not."""
    x = at_least(at_most(x, x.pick(89.5, 710.6)), x.pick(-18.0, -40.0))
    turns, r, low = _reduce(x)
    quarter = _power_of_two(turns, -2)
    return fma(quarter, fma(r * r, series(r), low), fma(quarter, r, quarter - 0.25))


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
    quarter = _power_of_two(turns, -2) * (fma(r * r, series(r), r) + 1.0)
    return 2.0 * (quarter + 0.0625 / quarter)


def tanh(x: Lanes) -> Lanes:
    """sinh x / cosh x = m/(m + 2) with m = e^(2|x|) − 1; within 1.7 ulp."""
    twice = at_most(2.0 * magnitude(x), x.pick(18.5, 40.0))
    turns, r, low = _reduce(twice)
    scale = _power_of_two(turns)
    m, less = two_sum(fma(scale, r, scale - 1.0), scale * fma(r * r, series(r), low))
    below, lost = exact_sum(m, 2.0)
    y = m / below
    off = fma(-y, lost + less, less)  # what rounding dropped, over m + 2 = 2/(1 - y)
    return copysign(fma(off, fma(y, -0.5, 0.5), y), x)


def sigmoid(x: Lanes) -> Lanes:
    """1/(1 + e⁻ˣ) = e/(1 + e) or 1/(1 + e) with e = e^−|x|; within 2 ulp."""
    turns, r, _ = _reduce(at_least(-magnitude(x), x.pick(-104.0, -746.0)))
    half = x.pick(64, 512)
    e = _power_of_two(turns, half) * (fma(r * r, series(r), r) + 1.0) * 2.0**-half
    below, lost = two_sum(e.like(1.0), e)
    y = where(x < 0.0, e, 1.0) / below
    return fma(y * -lost, where(x < 0.0, 1.0 - y, y), y)


def elu(x: Lanes, *, alpha: float) -> Lanes:
    """x for x > 0, else α(eˣ − 1); within 2.3 ulp."""
    return where(x > 0.0, x, alpha * expm1(at_most(x, 0.0)))
