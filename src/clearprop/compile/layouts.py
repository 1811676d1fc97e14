"""How far apart rows stand in arrays that nobody else sees: what a training carries on, and what it computes between.

Reads and writes of whole vectors are fastest where no vector lies on two cache lines, and where rows are not so far
apart that all of them fall into the same few sets of a cache.
"""

from __future__ import annotations

from ..core.lowering import Layout, contiguous
from ..core.types import Type

LINE = 64  # bytes of a cache line
SETS = 1024  # bytes after which lines fall into the same sets of a cache, or a quarter of that
MOST = 1.125  # times the memory that rows take anyway, at most, so that all of them begin with cache lines


def in_lines(type: Type) -> Layout:
    """Return a layout in row order in which rows begin with cache lines, if that takes little more memory.

    Rows are no multiple of `SETS` apart, where few of them would have room in the first cache.
    """
    if len(type.shape) != 2 or type.dtype.kind != "f" or 0 in type.shape:
        return contiguous(type.shape)
    line, columns = LINE // type.dtype.itemsize, type.shape[1]
    lines = -(-columns // line)
    lines += lines * LINE % SETS == 0
    return Layout(type.shape, (lines * line, 1)) if lines * line <= MOST * columns else contiguous(type.shape)


def apart(type: Type) -> Layout:
    """Return a layout in row order without gaps, unless rows were a multiple of 2 `SETS` apart."""
    clash = type.shape and type.shape[-1] * type.dtype.itemsize % (2 * SETS) == 0
    return in_lines(type) if clash else contiguous(type.shape)
