"""Rounding to integers. Targets without fused products have no instruction for it either: sums round there."""

from __future__ import annotations

from collections.abc import Callable

from .lanes import Lanes, copysign, magnitude, where


def _rounding(intrinsic: str, by_sums: Callable[[Lanes, Lanes], Lanes]) -> Callable[[Lanes], Lanes]:
    def rounded(x: Lanes) -> Lanes:
        if x.target.fma:
            return x.call(intrinsic)
        a, whole = magnitude(x), 2.0**x.format.mantissa
        nearest = where(a < whole, copysign((a + whole) - whole, x), x)
        return copysign(by_sums(x, nearest), x)

    return rounded


rint = _rounding("llvm.rint", lambda x, nearest: nearest)
floor = _rounding("llvm.floor", lambda x, nearest: where(nearest > x, nearest - 1.0, nearest))
ceil = _rounding("llvm.ceil", lambda x, nearest: where(nearest < x, nearest + 1.0, nearest))
trunc = _rounding(
    "llvm.trunc", lambda x, n: where(magnitude(n) > magnitude(x), n - copysign(x.like(1.0), x), n)
)
