"""Rows of a table to vectors of its columns, and back: within registers, by exchanging blocks of lanes."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from .text import Function, Value


def turned(f: Function, vectors: Sequence[Value | None], count: int) -> list[Value]:
    """Transpose squares: of P vectors, each P lanes are a row of a square. Return the first `count` vectors.

    Blocks of half of the lanes change places first, then halves of these, and so on; what is None does not matter,
    and what nobody asks for is not computed.
    """
    known = next(v for v in vectors if v is not None)
    nothing = Value("poison", known.element, known.lanes)
    stages = len(vectors).bit_length() - 1

    @functools.cache
    def after(stage: int, i: int) -> Value | None:
        if stage == 0:
            return vectors[i]
        block = len(vectors) >> stage
        a, b = after(stage - 1, i & ~block), after(stage - 1, i | block)
        if a is None and b is None:
            return None
        lanes, upper = known.lanes, bool(i & block)
        picked = [
            (lanes + lane - block * (not upper)) if lane & block else (lane + block * upper)
            for lane in range(lanes)
        ]
        return f.shuffle(a or nothing, b or nothing, picked)

    return [after(stages, i) or nothing for i in range(count)]


def joined(f: Function, parts: Sequence[Value]) -> Value:
    """Return vectors, a power of two of them, as one; single lanes too."""
    if parts[0].lanes == 1:
        return f.gathered(parts)
    while len(parts) > 1:
        lanes = range(2 * parts[0].lanes)
        parts = [f.shuffle(a, b, lanes) for a, b in zip(parts[::2], parts[1::2], strict=True)]
    return parts[0]


def part(f: Function, value: Value, first: int, lanes: int) -> Value:
    """Return some lanes of a vector that follow each other."""
    if lanes == value.lanes:
        return value
    return f.lane(value, first) if lanes == 1 else f.shuffle(value, value, range(first, first + lanes))
