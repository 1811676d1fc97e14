"""Quotients rounded down and what they leave, as NumPy has them."""

from __future__ import annotations

import math

from .lanes import DOUBLE, Lanes, copysign, magnitude, two_product, where
from .rounding import floor, trunc
from .text import Value


def floor_divide(a: Lanes, b: Lanes) -> Lanes:
    """⌊a/b⌋; of integers 0 where b = 0."""
    if a.dtype.kind != "f":
        return _floor_divide_integers(a, b)
    left = _left(a, b)
    quotient = (a - left) / b
    quotient = where(left.differs(0.0) & ((left < 0.0) ^ (b < 0.0)), quotient - 1.0, quotient)
    down = floor(quotient)
    down = where(quotient - down > 0.5, down + 1.0, down)
    down = where(quotient.equals(0.0), copysign(quotient.like(0.0), a / b), down)
    return where(b.equals(0.0), a / b, down)


def remainder(a: Lanes, b: Lanes) -> Lanes:
    """a − b·⌊a/b⌋, with the sign of b; of integers 0 where b = 0."""
    if a.dtype.kind != "f":
        return _remainder_integers(a, b)
    left = _left(a, b)
    signs = (left < 0.0) ^ (b < 0.0)
    return where(left.equals(0.0), copysign(left.like(0.0), b), where(signs, left + b, left))


def _left(a: Lanes, b: Lanes) -> Lanes:
    """a − b·trunc(a/b), exactly, with the sign of a: C's fmod.

    Multiples q·b are taken off with q of 24 bits, whose products are exact as the sum of two; a few rounds
    are enough but for operands of very different size.
    """
    single = a.dtype.itemsize == 4
    wide, divisor = (magnitude(v.cast("fpext", DOUBLE)) for v in (a, b))
    few = ~((1 << (52 - 23)) - 1)

    def round_(carried: list[Value]) -> tuple[Value, list[Value]]:
        rest = wide.of(carried[0])
        ratio = rest / divisor
        step = divisor
        for factor in (
            () if single else (2.0**1000, 2.0**100)
        ):  # where the ratio overflows, multiples of a multiple
            step = where(ratio < math.inf, step, step * factor)
            ratio = rest / step
        q = trunc(((ratio.bits() - 1) & few).floats())
        product, error = two_product(q, step)
        rest = where(ratio < 2.0, rest, (rest - product) - error)
        more = (rest >= 2.0 * divisor) & (divisor > 0.0) & (rest < math.inf)
        return rest.function.any(more.value), [rest.value]

    rest = wide.of(wide.function.repeat([wide.value], round_)[0])
    rest = where(rest >= divisor, rest - divisor, rest)
    rest = where((divisor > 0.0) & (wide < math.inf), rest, math.nan)
    return copysign(rest.cast("fptrunc", a.dtype), a)


# ---- integers


def _safe(a: Lanes, b: Lanes) -> Lanes:
    """b, with 1 in place of what a processor cannot divide by: 0, and -1 where a is the smallest integer."""
    bad = b.equals(0)
    if a.dtype.kind == "i":
        bad = bad | (b.equals(-1) & a.equals(-(1 << (8 * a.dtype.itemsize - 1))))
    return where(bad, 1, b)


def _quotient(a: Lanes, b: Lanes, what: str) -> Lanes:
    sign = "s" if a.dtype.kind == "i" else "u"
    return a.of(a.function.binary(sign + what, a.value, b.value))


def _floor_divide_integers(a: Lanes, b: Lanes) -> Lanes:
    safe = _safe(a, b)
    q = _quotient(a, safe, "div")
    if a.dtype.kind == "i":
        inexact = (a - q * safe).differs(0)
        q = where(inexact & ((a ^ safe) < 0), q - 1, q)
    return where(b.equals(0), 0, q)


def _remainder_integers(a: Lanes, b: Lanes) -> Lanes:
    safe = _safe(a, b)
    left = _quotient(a, safe, "rem")
    if a.dtype.kind == "i":
        left = where(left.differs(0) & ((left ^ safe) < 0), left + safe, left)
    return left


def reciprocal(x: Lanes) -> Lanes:
    """1/x; of the integer 0 what a processor makes of ∞, as in NumPy."""
    if x.dtype.kind == "f":
        return 1.0 / x
    of_zero = -(1 << (8 * x.dtype.itemsize - 1)) if x.dtype.kind == "i" and x.dtype.itemsize >= 4 else 0
    one = where(x.equals(1), x, 0)
    if x.dtype.kind == "i":
        one = where(x.equals(-1), x, one)
    return where(x.equals(0), of_zero, one)
