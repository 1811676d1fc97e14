"""Sine, cosine, tangent and their inverses.

The polynomials were fitted by Remez exchange in 60 digits.
"""

from __future__ import annotations

import math
from typing import Any

from .angle_reduction import reduce
from .lanes import DOUBLE, FLOAT, Lanes, copysign, fma, magnitude, polynomial, two_sum, where

# (sin r − r)/r³ and (cos r − 1 + r²/2)/r⁴ as polynomials in r², |r| <= π/4; within 2^-27.9 and 2^-57.8 of sin r / r
_SINE = (
    (-0.16666655242443085, 0.008332188241183758, -0.00019518101180437952),
    (
        -0.1666666666666663, 0.00833333333332184, -0.00019841269829367914, 2.755731354695123e-06,
        -2.5050736502683818e-08, 1.5895594510541323e-10,
    ),
)  # fmt: skip
_COSINE = (
    (0.04166664555668831, -0.0013887309469282627, 2.443230005155783e-05),
    (
        0.041666666666666595, -0.0013888888888873325, 2.4801587288983224e-05, -2.755731420977621e-07,
        2.0875704209908634e-09, -1.1358679341873925e-11,
    ),
)  # fmt: skip
# (arctan t − t)/t³ as a polynomial in t², |t| <= 0.55, within 2^-30 and 2^-58 of arctan(t)/t
_ARCTAN = (
    (
        -0.33333316445350647, 0.19998866319656372, -0.14260315895080566, 0.10845514386892319,
        -0.07635696977376938, 0.034026309847831726,
    ),
    (
        -0.3333333333333315, 0.19999999999950777, -0.14285714281139794, 0.11111110896699229,
        -0.09090903147297846, 0.07692201388683488, -0.06665374674458815, 0.058713460561862545,
        -0.0519631769963683, 0.044709429655606585, -0.034431141453265354, 0.02010495534168351,
        -0.006290128290467905,
    ),
)  # fmt: skip
_PI = ((3.1415927410125732, -8.742278000372485e-08), (3.141592653589793, 1.2246467991473532e-16))


def _turned(x: Lanes) -> tuple[Lanes, Lanes, Lanes]:
    """n, sin r and cos r, for x = n·π/2 + r."""
    single = x.dtype == FLOAT
    n, r, low = reduce(x.cast("fpext", DOUBLE))
    if single:
        n, r = n.cast("trunc", x.format.bits), r.cast("fptrunc", FLOAT)
    z = r * r
    sine, cosine = polynomial(z, r.pick(*_SINE)), polynomial(z, r.pick(*_COSINE))
    half = 0.5 * z
    whole, dropped = two_sum(r.like(1.0), -half)
    if single:
        return n, fma(r * z, sine, r), whole + fma(z * z, cosine, dropped)
    return n, r + fma(r * z, sine, low * whole), whole + (fma(z * z, cosine, dropped) - r * low)


def _odd(n: Lanes) -> Lanes:
    return (n & 1).differs(0)


def _flipped(y: Lanes, n: Lanes) -> Lanes:
    """−y where n is 2 or 3 of four."""
    return (y.bits() ^ ((n & 2) << (8 * y.dtype.itemsize - 2))).floats()


def sin(x: Lanes) -> Lanes:
    """sin x, x in radians; within 1.6 ulp."""
    n, sine, cosine = _turned(x)
    return where(x.equals(0.0), x, _flipped(where(_odd(n), cosine, sine), n))


def cos(x: Lanes) -> Lanes:
    """cos x, x in radians; within 1.6 ulp."""
    n, sine, cosine = _turned(x)
    n = n + 1
    return _flipped(where(_odd(n), cosine, sine), n)


def tan(x: Lanes) -> Lanes:
    """tan x, x in radians; within 2.2 ulp, of float32, by double precision, within 0.51."""
    n, sine, cosine = _turned(x.cast("fpext", DOUBLE))
    odd = _odd(n)
    y = where(odd, cosine, sine) / where(odd, -sine, cosine)
    return where(x.equals(0.0), x, y.cast("fptrunc", x.dtype))


# ---- inverses


def _angle(above: Lanes, below: Lanes) -> tuple[Lanes, Lanes]:
    """arctan(above/below) for 0 <= above <= below: a multiple of π/4, and the rest."""
    wide = above > below * 0.55
    t = where(wide, above - below, above) / where(wide, above + below, below)
    z = t * t
    return where(wide, t.like(1.0), 0.0), fma(t * z, polynomial(z, t.pick(*_ARCTAN)), t)


def _of_point(y: Lanes, x: Any, behind: Lanes | None = None) -> Lanes:
    """The angle in [0, π] of the point (x, y), x, y >= 0, or of (−x, y) where it is behind."""
    swapped = y > x
    base, rest = _angle(where(swapped, x, y), where(swapped, y, x))
    base, rest = where(swapped, 2.0 - base, base), where(swapped, -rest, rest)
    if behind is not None:
        base, rest = where(behind, 4.0 - base, base), where(behind, -rest, rest)
    high, low = y.pick(*_PI)
    return fma(base, high / 4, fma(base, low / 4, rest))


def arctan(x: Lanes) -> Lanes:
    """The angle in [−π/2, π/2] whose tangent is x; within 1.4 ulp."""
    return copysign(_of_point(magnitude(x), 1.0), x)


def arctan2(y: Lanes, x: Lanes) -> Lanes:
    """The angle of the point (x, y) in [−π, π], with the signs of zeros as C has them; within 1.5 ulp."""
    a, b = magnitude(y), magnitude(x)
    larger = where(a > b, a, b)
    scale = where(larger > x.pick(2.0**120, 2.0**1000), x.like(2.0**-4), 1.0)
    scale = where(larger < x.pick(2.0**-100, 2.0**-900), x.like(x.pick(2.0**30, 2.0**60)), scale)
    diagonal = (a + b).equals(math.inf) & a.equals(b)
    a = where(diagonal, 1.0, a * scale)
    b = where(diagonal | larger.equals(0.0), 1.0, b * scale)
    behind = (x.bits() >> (8 * x.dtype.itemsize - 1)).differs(0)
    return copysign(_of_point(a, b, behind), y)


def arcsin(x: Lanes) -> Lanes:
    """The angle in [−π/2, π/2] whose sine is x; NaN for |x| > 1; within 2.5 ulp."""
    a = magnitude(x)
    return copysign(_of_point(a, _other_side(a)), x)


def arccos(x: Lanes) -> Lanes:
    """The angle in [0, π] whose cosine is x; NaN for |x| > 1; within 2.2 ulp."""
    a = magnitude(x)
    return _of_point(_other_side(a), a, x < 0.0)


def _other_side(a: Lanes) -> Lanes:
    """√(1 − a²)."""
    square = fma(a, -a, 1.0) if a.target.fma else (1.0 - a) * (1.0 + a)
    return square.call("llvm.sqrt")
