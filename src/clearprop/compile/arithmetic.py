"""What is one instruction or a few: arithmetic, comparisons, logic, bits, choice."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable

from .lanes import Lanes, magnitude, where

Binary = Callable[[Lanes, Lanes], Lanes]


def add(a: Lanes, b: Lanes) -> Lanes:
    """a + b; of booleans, at least one."""
    return a | b if a.dtype.kind == "b" else a + b


def subtract(a: Lanes, b: Lanes) -> Lanes:
    """a − b."""
    return a - b


def multiply(a: Lanes, b: Lanes) -> Lanes:
    """a·b; of booleans, both."""
    return a & b if a.dtype.kind == "b" else a * b


def divide(a: Lanes, b: Lanes) -> Lanes:
    """a/b of floats."""
    return a / b


def negative(x: Lanes) -> Lanes:
    """−x."""
    return -x


def identity(x: Lanes) -> Lanes:
    """x."""
    return x


def first(x: Lanes, *others: Lanes) -> Lanes:
    """x, whatever the others are."""
    return x


def square(x: Lanes) -> Lanes:
    """x²."""
    return x * x


def absolute(x: Lanes) -> Lanes:
    """|x|; the smallest integer stays, as in NumPy."""
    if x.dtype.kind == "f":
        return magnitude(x)
    return where(x < 0, -x, x) if x.dtype.kind == "i" else x


def sign(x: Lanes) -> Lanes:
    """-1, 0 or 1; NaN stays."""
    rest = x + 0.0 if x.dtype.kind == "f" else x
    if x.dtype.kind != "u":
        rest = where(x < 0, -1, rest)
    return where(x > 0, 1, rest)


def whole(function: Callable[[Lanes], Lanes]) -> Callable[[Lanes], Lanes]:
    """Return a function of floats that leaves integers and booleans alone."""
    return lambda x: function(x) if x.dtype.kind == "f" else x


# ---- the larger and the smaller


def _second(better: Binary) -> Binary:
    """Return the better of two floats, NaN if either is; of 0 and −0 the second."""

    def extreme(a: Lanes, b: Lanes) -> Lanes:
        known = b.number
        if known == 0 and math.copysign(1, known) > 0:
            return where(better(b, a), b, a) + 0.0  # −0 + 0 is 0, and all else stays
        if known:
            return where(better(b, a), b, a)  # one instruction, from which a NaN in a comes out
        best = where(better(a, b), a, b)  # one instruction, from which a NaN in b comes out
        return best if a.number is not None else where(a.differs(a), a, best)

    return extreme


def _extreme(better: Binary, of_booleans: Binary, ordered: str) -> Binary:
    """Return the better of two; of 0 and −0 the one that NumPy takes on a processor of this kind."""
    second = _second(better)

    def extreme(a: Lanes, b: Lanes) -> Lanes:
        if a.dtype.kind == "b":
            return of_booleans(a, b)
        if a.dtype.kind != "f":
            return where(better(b, a), b, a)
        return a.call(ordered, b) if a.target.orders_zeros else second(a, b)

    return extreme


maximum = _extreme(operator.gt, lambda a, b: a | b, "llvm.maximum")
minimum = _extreme(operator.lt, lambda a, b: a & b, "llvm.minimum")


def maximum_of_halves(a: Lanes, b: Lanes) -> Lanes:
    """The larger one; of 0 and −0 the first, as NumPy's of 16 bits on every processor."""
    return _second(operator.gt)(b, a)


def minimum_of_halves(a: Lanes, b: Lanes) -> Lanes:
    """The smaller one; of 0 and −0 the first."""
    return _second(operator.lt)(b, a)


def relu(x: Lanes) -> Lanes:
    """max(x, 0), never −0; NaN stays."""
    return maximum(x, x.like(0))


def leaky_relu(x: Lanes, *, negative_slope: float) -> Lanes:
    """x for x > 0, else negative_slope·x."""
    return where(x > 0, x, x * negative_slope)


def chain(ct: Lanes, slope: Lanes) -> Lanes:
    """ct·slope, but ct where that is 0."""
    return where(ct.equals(0), ct, ct * slope)


# ---- comparisons


def compare(relation: Binary, of_numbers: Callable[[int, int], bool]) -> Binary:
    """Return a comparison; signed integers are compared with unsigned ones by value."""

    def compared(a: Lanes, b: Lanes) -> Lanes:
        if a.dtype.kind == b.dtype.kind:
            return relation(a, b)
        if a.dtype.kind == "i":
            return where(a < 0, of_numbers(-1, 0), relation(a.of(a.value, b.dtype), b))
        return where(b < 0, of_numbers(0, -1), relation(a, b.of(b.value, a.dtype)))

    return compared


equal = compare(lambda a, b: a.equals(b), operator.eq)
not_equal = compare(lambda a, b: a.differs(b), operator.ne)
less = compare(operator.lt, operator.lt)
less_equal = compare(operator.le, operator.le)
greater = compare(operator.gt, operator.gt)
greater_equal = compare(operator.ge, operator.ge)


def isnan(x: Lanes) -> Lanes:
    """x is not a number."""
    return x.differs(x)


def isinf(x: Lanes) -> Lanes:
    """x is ∞ or −∞."""
    return magnitude(x).equals(math.inf) if x.dtype.kind == "f" else x.differs(x)


def isfinite(x: Lanes) -> Lanes:
    """x is neither infinite nor NaN."""
    return magnitude(x) < math.inf if x.dtype.kind == "f" else x.equals(x)


# ---- logic: a number is true if it is not 0


def truth(x: Lanes) -> Lanes:
    """x ≠ 0."""
    return x if x.dtype.kind == "b" else x.differs(0)


def logical_and(a: Lanes, b: Lanes) -> Lanes:
    """Both are true."""
    return truth(a) & truth(b)


def logical_or(a: Lanes, b: Lanes) -> Lanes:
    """At least one is true."""
    return truth(a) | truth(b)


def logical_xor(a: Lanes, b: Lanes) -> Lanes:
    """Exactly one is true."""
    return truth(a) ^ truth(b)


def logical_not(x: Lanes) -> Lanes:
    """x is not true."""
    return ~truth(x)
