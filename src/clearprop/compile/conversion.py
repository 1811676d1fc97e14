"""Values in another dtype, as NumPy's astype gives them.

Floats to integers drop the fraction, integers wrap. Without instructions for float16 its bits are worked out
in integers (after F. Giesen, "half to float done quick", 2012).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .arithmetic import truth
from .lanes import FLOAT, Lanes, magnitude, where

HALF = np.dtype(np.float16)
_FLOAT_BITS = np.dtype(np.uint32)
_SHORT = np.dtype(np.uint16)
_INT32, _INT64 = np.dtype(np.int32), np.dtype(np.int64)


def convert(x: Lanes, dtype: np.dtype[Any]) -> Lanes:
    """x in another dtype."""
    if x.dtype == dtype:
        return x
    if x.dtype == HALF:
        return convert(_from_half(x), dtype)
    if dtype == HALF:
        return _to_half(_odd_float(x) if x.dtype.itemsize == 8 and x.dtype.kind == "f" else convert(x, FLOAT))
    if dtype.kind == "b":
        return truth(x)
    if x.dtype.kind == "f":
        return _resized(x, dtype) if dtype.kind == "f" else _whole(x, dtype)
    if dtype.kind == "f":
        return x.cast("sitofp" if x.dtype.kind == "i" else "uitofp", dtype)
    return _resized(x, dtype)


def _resized(x: Lanes, dtype: np.dtype[Any]) -> Lanes:
    """A float as a wider or narrower one, an integer likewise."""
    narrow, wide = (
        ("fptrunc", "fpext") if x.dtype.kind == "f" else ("trunc", "sext" if x.dtype.kind == "i" else "zext")
    )
    narrower = dtype.itemsize < x.dtype.itemsize and x.dtype.kind != "b"
    return x.cast(narrow if narrower else wide, dtype)


def _whole(x: Lanes, dtype: np.dtype[Any]) -> Lanes:
    """A float without its fraction; small integers wrap, those of 64 bits without sign too."""
    if dtype.itemsize < 4 or dtype == _INT32:
        return _resized(x.cast("fptosi", _INT32), dtype)
    if dtype.itemsize < 8 or dtype == _INT64:
        return _resized(x.cast("fptosi", _INT64), dtype)
    half = 2.0**63
    low = x.cast("fptosi", _INT64)
    high = (x - half).cast("fptosi", _INT64) ^ (-(1 << 63))
    return where(x < half, low, high).cast("bitcast", dtype)


# ---- float16


def _from_half(x: Lanes) -> Lanes:
    if x.target.fma:
        return x.cast("fpext", FLOAT)
    bits = x.cast("bitcast", _SHORT).cast("zext", _FLOAT_BITS)
    size = bits & 0x7FFF
    wide = ((size << 13).floats() * 2.0**112).bits()
    wide = where(size < 0x7C00, wide, wide | 0x7F800000)
    return (wide | ((bits & 0x8000) << 16)).floats()


def _to_half(x: Lanes) -> Lanes:
    if x.target.fma:
        return x.cast("fptrunc", HALF)
    bits = x.bits()
    size = bits & 0x7FFFFFFF
    small = (size.floats() + 0.5).bits() - 0x3F000000  # the sum rounds to the spacing of subnormal halves
    regular = (size + 0xC8000FFF + ((size >> 13) & 1)) >> 13
    half = where(size < 0x38800000, small, regular)
    half = where(size < 0x47800000, half, where(size > 0x7F800000, size.like(0x7E00), 0x7C00))
    return (half | ((bits >> 16) & 0x8000)).cast("trunc", _SHORT).cast("bitcast", HALF)


def _odd_float(x: Lanes) -> Lanes:
    """A double as a float, rounded towards 0 and with its last bit set if that dropped anything.

    So rounding again, to float16, gives what rounding once would (S. Boldo and G. Melquiond, 2008).
    """
    near = x.cast("fptrunc", FLOAT)
    back = near.cast("fpext", x.dtype)
    up = magnitude(back) > magnitude(x)
    down = where(up, near.bits() - 1, near.bits())
    inexact = (back < x) | (back > x)
    return where(inexact, down | 1, down).floats()
