"""Numbers in lanes: values of LLVM text that answer Python's operators, so that a formula reads as one.

The same formula writes scalars, vectors of any number of lanes, and every dtype: float or integer
instructions, signed or unsigned ones, follow from the dtype.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

from ..core.frozen import frozen
from .target import Target
from .text import Function, Value, value_type

T = TypeVar("T")

BOOL = np.dtype(np.bool_)
FLOAT = np.dtype(np.float32)
DOUBLE = np.dtype(np.float64)


@frozen
class Format:
    """How the bits of a float are laid out: sign, exponent + bias, mantissa."""

    mantissa: int
    bias: int
    bits: np.dtype[Any]

    @property
    def magic(self) -> float:
        """1.5·2^mantissa: a sum with it has its last bit at 1, so it rounds a small number to an integer."""
        return 1.5 * 2.0**self.mantissa

    @property
    def smallest(self) -> float:
        """The smallest normal number."""
        return 2.0 ** (1 - self.bias)


FORMATS = {
    4: Format(23, 127, np.dtype(np.uint32)),
    8: Format(52, 1023, np.dtype(np.uint64)),
}


@frozen(eq=False)
class Lanes:
    """A value with its dtype, and where it is being written.

    Comparisons are false where an operand is NaN, but for ``differs``; ``>>`` of signed integers keeps the
    sign. A Python number stands for itself in every lane.
    """

    function: Function
    target: Target
    value: Value
    dtype: np.dtype[Any]

    # ---- what it is

    @property
    def format(self) -> Format:
        """How its bits are laid out; for floats of 32 and 64 bits."""
        return FORMATS[self.dtype.itemsize]

    @property
    def number(self) -> float | None:
        """The number that a float is in every lane; None if it is not known, or NaN."""
        name = self.value.name.removeprefix("splat (").rstrip(")").split()[-1]
        if not name.startswith("0x"):
            return None
        known: float = struct.unpack(">d", bytes.fromhex(name[2:]))[0]
        return known if known == known else None

    def pick(self, single: T, double: T) -> T:
        """Return what belongs to this precision."""
        return single if self.dtype.itemsize == 4 else double

    # ---- others of its kind

    def like(self, number: Any) -> Lanes:
        """Return a constant of this dtype; a Lanes is itself."""
        if isinstance(number, Lanes):
            return number
        return self.of(self.function.like(number, self.value))

    def bits(self) -> Lanes:
        """Return the bits of floats as unsigned integers."""
        return self.cast("bitcast", self.format.bits)

    def floats(self) -> Lanes:
        """Return unsigned integers, read as the bits of floats."""
        return self.cast("bitcast", FLOAT if self.dtype.itemsize == 4 else DOUBLE)

    def cast(self, instruction: str, dtype: np.dtype[Any]) -> Lanes:
        """Return the value in another dtype, by this instruction."""
        element = value_type(dtype)
        if element == self.value.element:
            return self.of(self.value, dtype)
        return self.of(self.function.convert(instruction, self.value, element), dtype)

    def call(self, intrinsic: str, *others: Lanes) -> Lanes:
        """Return an intrinsic of it; one that becomes an instruction, never a call."""
        return self.of(self.function.call(intrinsic, self.value, *(o.value for o in others)))

    @property
    def scales(self) -> bool:
        """Whether one instruction multiplies it by powers of two, which it does to whole vectors."""
        return self.target.scales and self.value.lanes >= self.target.lanes(self.dtype.itemsize)

    def scaled(self, n: Lanes) -> Lanes:
        """Return it times 2ⁿ, rounded once, where `scales`; n are whole numbers as floats."""
        f, a = self.function, self.value
        if a.lanes > self.target.lanes(self.dtype.itemsize):
            halves = zip(f.halves(a), f.halves(n.value), strict=True)
            low, high = (self.of(x).scaled(self.of(y)).value for x, y in halves)
            return self.of(f.shuffle(low, high, range(a.lanes)))
        name = f"llvm.x86.avx512.mask.scalef.p{self.pick('s', 'd')}.512"
        f.module.declare(name, f"{a.type} @{name}({a.type}, {a.type}, {a.type}, i{a.lanes}, i32)")
        operands = f"{a}, {n.value}, {a.type} zeroinitializer, i{a.lanes} -1, i32 4"
        return self.of(f.make(f"call {a.type} @{name}({operands})", a.element, a.lanes))

    def of(self, value: Value, dtype: np.dtype[Any] | None = None) -> Lanes:
        """Return another value, of this dtype or the given one."""
        return Lanes(self.function, self.target, value, dtype or self.dtype)

    # ---- operators

    def _binary(self, floats: str, others: str, other: Any, swap: bool = False) -> Lanes:
        a, b = (self.like(other), self) if swap else (self, self.like(other))
        instruction = floats if self.dtype.kind == "f" else others
        return self.of(self.function.binary(instruction, a.value, b.value))

    def _compare(self, floats: str, integers: str, other: Any) -> Lanes:
        if self.dtype.kind == "f":
            instruction = f"fcmp {floats}"
        elif integers in ("eq", "ne"):
            instruction = f"icmp {integers}"
        else:
            instruction = f"icmp {'s' if self.dtype.kind == 'i' else 'u'}{integers}"
        return self.of(self.function.compare(instruction, self.value, self.like(other).value), BOOL)

    def __add__(self, other: Any) -> Lanes:
        return self._binary("fadd", "add", other)

    def __radd__(self, other: Any) -> Lanes:
        return self._binary("fadd", "add", other, swap=True)

    def __sub__(self, other: Any) -> Lanes:
        return self._binary("fsub", "sub", other)

    def __rsub__(self, other: Any) -> Lanes:
        return self._binary("fsub", "sub", other, swap=True)

    def __mul__(self, other: Any) -> Lanes:
        return self._binary("fmul", "mul", other)

    def __rmul__(self, other: Any) -> Lanes:
        return self._binary("fmul", "mul", other, swap=True)

    def __truediv__(self, other: Any) -> Lanes:
        return self._binary("fdiv", "", other)

    def __rtruediv__(self, other: Any) -> Lanes:
        return self._binary("fdiv", "", other, swap=True)

    def __neg__(self) -> Lanes:
        if self.dtype.kind == "f":
            return self.of(self.function.make(f"fneg {self.value}", self.value.element, self.value.lanes))
        return 0 - self

    def __and__(self, other: Any) -> Lanes:
        return self._binary("", "and", other)

    def __or__(self, other: Any) -> Lanes:
        return self._binary("", "or", other)

    def __xor__(self, other: Any) -> Lanes:
        return self._binary("", "xor", other)

    def __invert__(self) -> Lanes:
        return self ^ (1 if self.dtype.kind == "b" else -1)

    def __lshift__(self, count: Any) -> Lanes:
        return self._binary("", "shl", count)

    def __rshift__(self, count: Any) -> Lanes:
        return self._binary("", "ashr" if self.dtype.kind == "i" else "lshr", count)

    def __lt__(self, other: Any) -> Lanes:
        return self._compare("olt", "lt", other)

    def __le__(self, other: Any) -> Lanes:
        return self._compare("ole", "le", other)

    def __gt__(self, other: Any) -> Lanes:
        return self._compare("ogt", "gt", other)

    def __ge__(self, other: Any) -> Lanes:
        return self._compare("oge", "ge", other)

    def equals(self, other: Any) -> Lanes:
        """self = other; Python's own == compares Lanes as things."""
        return self._compare("oeq", "eq", other)

    def differs(self, other: Any) -> Lanes:
        """self ≠ other; a NaN differs from everything."""
        return self._compare("une", "ne", other)


# ---- formulas are made of these too


def where(condition: Lanes, x: Any, y: Any) -> Lanes:
    """x where the condition holds, else y; at least one is Lanes."""
    a, b = (x, x.like(y)) if isinstance(x, Lanes) else (y.like(x), y)
    return a.of(a.function.select(condition.value, a.value, b.value))


def fma(a: Lanes, b: Any, c: Any) -> Lanes:
    """a·b + c, rounded once where the target can."""
    if not a.target.fma:
        return a * a.like(b) + a.like(c)
    return a.call("llvm.fma", a.like(b), a.like(c))


def polynomial(x: Lanes, coefficients: Sequence[float]) -> Lanes:
    """Σ cᵢ·xⁱ by Horner's rule; a long one in shorter chains, side by side."""
    if len(coefficients) == 5:  # four products in three steps
        a, b, c, d, e = coefficients
        square = x * x
        return fma(square, fma(square, e, fma(x, d, c)), fma(x, b, a))
    if len(coefficients) >= 6:
        square = x * x
        return fma(x, _horner(square, coefficients[1::2]), _horner(square, coefficients[::2]))
    return _horner(x, coefficients)


def _horner(x: Lanes, coefficients: Sequence[float]) -> Lanes:
    result = x.like(coefficients[-1])
    for c in reversed(coefficients[:-1]):
        result = fma(result, x, c)
    return result


def magnitude(x: Lanes) -> Lanes:
    """|x| of floats."""
    return x.call("llvm.fabs")


def copysign(x: Lanes, sign: Lanes) -> Lanes:
    """|x| with the sign of another, zeros included."""
    return x.call("llvm.copysign", sign)


def at_most(x: Lanes, limit: float) -> Lanes:
    """min(x, limit); NaN stays."""
    return where(x.like(limit) < x, limit, x)


def at_least(x: Lanes, limit: float) -> Lanes:
    """max(x, limit); NaN stays."""
    return where(x.like(limit) > x, limit, x)


def rare(condition: Lanes, common: Sequence[Lanes], body: Any) -> list[Lanes]:
    """``body()`` in the lanes where the condition holds, which is skipped if it holds in none."""
    function = condition.function

    def chosen() -> list[Value]:
        return [where(condition, new, old).value for new, old in zip(body(), common, strict=True)]

    values = function.replace(function.any(condition.value), [c.value for c in common], chosen)
    return [c.of(v) for c, v in zip(common, values, strict=True)]


# ---- sums and products as two floats: what rounding drops is kept in the second


def two_sum(a: Lanes, b: Any) -> tuple[Lanes, Lanes]:
    """a + b and its rounding error, for |a| >= |b| or a = 0 (T. J. Dekker, 1971)."""
    total = a + b
    return total, b - (total - a)


def two_product(a: Lanes, b: Lanes) -> tuple[Lanes, Lanes]:
    """a·b and its rounding error."""
    product = a * b
    if a.target.fma:
        return product, fma(a, b, -product)
    (ah, al), (bh, bl) = _halves(a), _halves(b)
    return product, ((ah * bh - product) + ah * bl + al * bh) + al * bl


def _halves(x: Lanes) -> tuple[Lanes, Lanes]:
    """Split x in two, each of at most half of the bits (T. J. Dekker, 1971)."""
    mask = (1 << (8 * x.dtype.itemsize)) - (1 << (x.format.mantissa // 2 + 1))
    high = (x.bits() & mask).floats()
    return high, x - high
