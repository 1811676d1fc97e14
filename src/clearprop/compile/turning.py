"""Rows of a table to vectors of its columns, and back: within registers, by exchanging blocks of lanes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

from .text import Function, Value

FENCED = 2  # exchanges after which stands a fence


def turned(f: Function, vectors: Sequence[Value | None], count: int) -> list[Value]:
    """Transpose squares: of P vectors, each P lanes are a row of a square. Return the first `count` vectors.

    Blocks of half of the lanes change places first, then halves of these, and so on; what is None does not matter,
    and what nobody asks for is not computed. After two exchanges stands a fence: LLVM would look for shorter ways
    through all of them, for as long as for all else of a function, and find none.
    """
    stages = len(vectors).bit_length() - 1

    @functools.cache
    def after(stage: int, i: int) -> Value | None:
        if stage == 0:
            return vectors[i]
        block = len(vectors) >> stage
        a, b = after(stage - 1, i & ~block), after(stage - 1, i | block)
        exchanged = _exchanged(f, a, b, block, bool(i & block))
        return f.fence(exchanged) if exchanged and stage == FENCED < stages else exchanged

    known = next(v for v in vectors if v is not None)
    return [after(stages, i) or _nothing(known) for i in range(count)]


def folded(f: Function, vectors: Sequence[Value], combine: Callable[[Value, Value], Value]) -> Value:
    """Combine the lanes of each vector; return the results as the first lanes of one, a power of two of them.

    It is what combining the vectors of a transposed square gives; but each exchange has half as many to go on with.
    """
    side = power_of_two(len(vectors))
    left: list[Value | None] = [*vectors, *[None] * (side - len(vectors))]
    while len(left) > 1:
        block = len(left) // 2
        pairs = [
            [_exchanged(f, a, b, block, upper) for upper in (False, True)]
            for a, b in zip(left[:block], left[block:], strict=True)
        ]
        left = [None if a is None or b is None else combine(a, b) for a, b in pairs]
    total = left[0]
    assert total is not None
    while total.lanes > side:
        total = combine(*f.halves(total))
    return total


def power_of_two(count: int) -> int:
    """Return the least that is not below a count."""
    return 1 << (count - 1).bit_length()


def _exchanged(f: Function, a: Value | None, b: Value | None, block: int, upper: bool) -> Value | None:
    """Return two vectors' lower blocks of lanes, or their upper ones, in turn; None if both are."""
    known = a or b
    if known is None:
        return None
    lanes = known.lanes
    picked = [
        (lanes + lane - block * (not upper)) if lane & block else (lane + block * upper)
        for lane in range(lanes)
    ]
    return f.shuffle(a or _nothing(known), b or _nothing(known), picked)


def _nothing(like: Value) -> Value:
    return Value("poison", like.element, like.lanes)


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
