"""x − n·π/2 with |rest| <= π/4, for angles of any size, in double precision.

Up to 2^20 by parts of π/2 whose products with n are exact (W. J. Cody and W. Waite, 1980); above, where some
lane is that large, from the bits of 2/π that matter (M. H. Payne and R. N. Hanek, 1983).
"""

from __future__ import annotations

import itertools
import math

from .lanes import Lanes, fma, magnitude, rare, two_product, two_sum, where
from .text import Value

_HALF_PI = (1.5707963267341256, 6.077100506303966e-11, 2.0222662487959506e-21)
_LARGE = 2.0**20
_TWO_PI = (6.283185307179586, 2.4492935982947064e-16)

_WORDS = "two_over_pi"
_TWO_OVER_PI = (
    0xA2F9836E, 0x4E441529, 0xFC2757D1, 0xF534DDC0, 0xDB629599, 0x3C439041, 0xFE5163AB, 0xDEBBC561,
    0xB7246E3A, 0x424DD2E0, 0x06492EEA, 0x09D1921C, 0xFE1DEB1C, 0xB129A73E, 0xE88235F5, 0x2EBB4484,
    0xE99C7026, 0xB45F7E41, 0x3991D639, 0x835339F4, 0x9C845F8B, 0xBDF9283B, 0x1FF897FF, 0xDE05980F,
    0xEF2F118B, 0x5A0A6D1F, 0x6D367ECF, 0x27CB09B7, 0x4F463F66, 0x9E5FEA2D, 0x7527BAC7, 0xEBE5F17B,
    0x3D0739F7, 0x8A5292EA, 0x6BFB5FB1, 0x1F8D5D08, 0x56033046, 0xFC7B6BAB, 0xF0CFBC20, 0x9AF4361D,
)  # fmt: skip
"""The first 1280 bits of 2/π."""


def reduce(x: Lanes) -> tuple[Lanes, Lanes, Lanes]:
    """n, in the last bits of an integer, and x − n·π/2 as the sum of two, for doubles."""
    magic = x.format.magic
    turns = fma(x, 2.0 / math.pi, magic)
    n = turns - magic
    near = fma(n, -_HALF_PI[0], x)
    second = n * _HALF_PI[1]
    rough = near - second
    third = fma(n, _HALF_PI[2], second - (near - rough))
    r = rough - third
    common = [turns.bits(), r, (rough - r) - third]
    size = magnitude(x)
    large = (size > _LARGE) & (size < math.inf)
    bits, r, low = rare(large, common, lambda: _reduce_large(where(large, x, _LARGE)))
    return bits, r, low


def _reduce_large(x: Lanes) -> list[Lanes]:
    """The same for 2^20 < |x| < ∞: with x = m·2^k, m times those bits of 2/π that do not give whole turns."""
    bits = magnitude(x).bits()
    m = (bits & ((1 << 52) - 1)) | (1 << 52)
    skipped = (bits >> 52) - (1023 + 52 - 62)  # bits before the window, with 64 zeros ahead of those of 2/π
    words = _window(skipped >> 5, skipped & 31)
    ahead, rest = [m & 0xFFFFFFFF, m >> 32], [m.like(0)] * 6
    for i in (0, 1):  # schoolbook product modulo 2^192, most significant word first
        carry = m.like(0)
        for j in range(5, -1, -1):
            place = j - i
            if place < 0:
                break
            total = ahead[i] * words[j] + rest[place] + carry
            rest[place], carry = total & 0xFFFFFFFF, total >> 32
    quarter = rest[0] + (1 << 29)
    parts = [_double(word, i) for i, word in enumerate([quarter & 0x3FFFFFFF, *rest[1:4]])]
    high, low = two_sum(parts[0] - 0.125, parts[1])  # of a turn, between -1/8 and 1/8
    high, more = two_sum(high, parts[2])
    high, low = two_sum(high, low + (more + parts[3]))
    r, error = two_product(high, high.like(_TWO_PI[0]))
    r, low = two_sum(r, error + fma(high, _TWO_PI[1], low * _TWO_PI[0]))
    negative = x < 0.0
    n = quarter >> 30
    return [where(negative, 0 - n, n), where(negative, -r, r), where(negative, -low, low)]


def _double(word: Lanes, place: int) -> Lanes:
    """A word of 32 bits as a double, worth 2^(−32·(place + 1))."""
    return ((word | (0x433 << 52)).floats() - 2.0**52) * 2.0 ** (-32 * (place + 1))


def _window(index: Lanes, shift: Lanes) -> list[Lanes]:
    """Six words of 32 bits of 2/π in integers of 64, from a bit on."""
    raw = [_word(index, i) for i in range(7)]
    return [((((a << 32) | b) << shift) >> 32) & 0xFFFFFFFF for a, b in itertools.pairwise(raw)]


def _word(index: Lanes, ahead: int) -> Lanes:
    """The word at an index of the table, lane by lane."""
    function, module = index.function, index.function.module
    words = (0, 0, *_TWO_OVER_PI)
    listed = ", ".join(f"i64 {word}" for word in words)
    module.globals[_WORDS] = f"@{_WORDS} = internal constant [{len(words)} x i64] [{listed}]"
    at = (index + ahead).value
    place = function.make(f"getelementptr i64, ptr @{_WORDS}, {at}", "ptr", at.lanes)
    if at.lanes == 1:
        read = function.load(place, index.dtype)
    else:
        read = function.gather(place, Value("splat (i1 1)", "i1", at.lanes), index.dtype)
    return Lanes(function, index.target, read, index.dtype)
