"""The few kinds of lowering: what a compiler must know of an operation, instead of its name.

| kind       | result                                                              |
|------------|---------------------------------------------------------------------|
| Map        | each element from the elements at the same place                      |
| View       | the same memory, read in another order: nothing is copied             |
| Place      | each input written to its part of the result                          |
| Fold       | elements along axes combined into one                                 |
| Scan       | the same, keeping every partial result                                |
| Pick       | the index of the largest or smallest element along an axis            |
| Sort       | the indices that sort an axis                                         |
| Contract   | products of matrices                                                  |
| Gather     | elements picked by integers; Scatter adds them where they came from   |
| Draw       | random bits from counters                                             |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from .frozen import frozen
from .types import Type


@frozen(slots=True)
class Layout:
    """Where the elements of an array stand in memory, counted in elements.

    The element at index i is at ``offset + Σ i[a]·strides[a]``.
    """

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0

    def permuted(self, axes: Sequence[int]) -> Layout:
        """Return the layout with its axes in another order."""
        return Layout(tuple(self.shape[a] for a in axes), tuple(self.strides[a] for a in axes), self.offset)

    def broadcast(self, shape: tuple[int, ...]) -> Layout:
        """Return the layout repeated to a shape."""
        lead = len(shape) - len(self.shape)
        strides = [0 if n == 1 else s for n, s in zip(self.shape, self.strides, strict=True)]
        return Layout(shape, (*[0] * lead, *strides), self.offset)

    def sliced(self, ranges: Sequence[tuple[int, int, int]]) -> Layout:
        """Return the layout of (start, step, length) along each axis."""
        offset = self.offset + sum(start * s for (start, _, _), s in zip(ranges, self.strides, strict=True))
        strides = tuple(step * s for (_, step, _), s in zip(ranges, self.strides, strict=True))
        return Layout(tuple(n for _, _, n in ranges), strides, offset)

    def reshaped(self, shape: tuple[int, ...]) -> Layout | None:
        """Return the layout of the elements, in row order, in another shape; None if they would have to move."""
        if 0 in shape:
            return contiguous(shape)
        runs: list[
            tuple[int, int]
        ] = []  # (length, stride) of stretches that are walked evenly, outermost first
        for n, s in zip(self.shape, self.strides, strict=True):
            if n == 1:
                continue
            if runs and runs[-1][1] == n * s:
                runs[-1] = (runs[-1][0] * n, s)
            else:
                runs.append((n, s))
        strides: list[int] = []
        for length in reversed(shape):
            if length == 1:
                strides.append(0)
                continue
            n, s = runs.pop()
            if n % length:
                return None
            strides.append(s)
            if n > length:
                runs.append((n // length, s * length))
        return Layout(shape, tuple(reversed(strides)), self.offset)


def contiguous(shape: Sequence[int], offset: int = 0) -> Layout:
    """Return the layout in row order without gaps."""
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= n
    return Layout(tuple(shape), tuple(reversed(strides)), offset)


@frozen
class Map:
    """Element by element: the compiler's elementary function of this name, with the operation's parameters."""

    function: str


@frozen
class View:
    """``rule(layout, **params)``: the result's layout over the input's memory, or None if it must be copied."""

    rule: Callable[..., Layout | None]


@frozen
class Place:
    """``parts(result layout, types, **params)``: for each input, the layout of its place in the result."""

    parts: Callable[..., list[Layout]]
    zeros: bool  # whether the result holds zeros elsewhere


@frozen
class Fold:
    """Along the parameter ``axes``: "add", "maximum", "minimum", "logical_or" or "logical_and"."""

    combine: str


@frozen
class Scan:
    """Partial results of a Fold along the parameter ``axis``."""

    combine: str


@frozen
class Pick:
    """Index of the element for which ``better`` ("greater" or "less") holds, along the parameter ``axis``."""

    better: str


@frozen
class Sort:
    """The indices that sort along the parameter ``axis``, equal elements in their order, NaN last."""


@frozen
class Contract:
    """The matrix product over the last two axes, for each index of those before."""


@frozen
class Gather:
    """Elements of the first input at the indices that the others give of its leading axes."""


@frozen
class Scatter:
    """Zeros of the parameter ``shape``, with the first input added at the indices that the others give."""


@frozen
class Draw:
    """Philox bits of the key and the word that are the inputs, in the parameter ``domain``."""


Lowering: TypeAlias = Map | View | Place | Fold | Scan | Pick | Sort | Contract | Gather | Scatter | Draw


def result_layouts(result: Layout, types: Sequence[Type], axis: int) -> list[Layout]:
    """Return the layouts of parts that stand one after the other along an axis of a result."""
    layouts, start = [], 0
    for type in types:
        ranges: list[tuple[int, int, int]] = [(0, 1, n) for n in type.shape]
        ranges[axis] = (start, 1, type.shape[axis])
        layouts.append(result.sliced(ranges))
        start += type.shape[axis]
    return layouts
