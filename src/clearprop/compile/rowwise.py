"""Which kernels go through the same rows together: from a mini-batch's first layer to the last and back.

A part of the rows then goes through all of them on one thread, which reads what it has written itself. What is folded
down the rows is folded in each part, and the parts then by kernels of their own.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence

from ..core.lowering import Gather, Layout, contiguous
from ..core.types import Type
from .cutting import kernel_time
from .grouping import LONG, NEAR, Touched, changed, grouped
from .kernels import Access, Buffer, Contraction, Folded, Kernel, Load, Loop, Parted, Special, Strips
from .nest import accesses
from .target import Target

SHORTEST = 4  # rows of a part, at least,
FULL = 8  # or of one of more than two: each part copies the weights that it reads turned
WORTH = 2.5  # microseconds of all kernels, at least
PART = 12.0  # microseconds of a part, about
MOST = 8  # parts


def row_by_row(
    target: Target, kernels: Sequence[Kernel], counting: Collection[Buffer], kept: Collection[Buffer]
) -> list[Kernel]:
    """Bring together what goes row by row; arrays ``counting`` are 0, 1, 2 ..., ``kept`` stay with their threads."""
    done: list[Kernel] = []
    rest, tried = list(kernels), set[int]()
    while rest:
        rows = _rows(rest[0])
        if rows >= 2 * SHORTEST and rows not in tried:
            group = _Rows(target, rows, counting, kept)
            before, inside, after = grouped(rest, group.joins)
            if group.worth(inside):
                made = group.made(inside)
                done += [*before, made, *_finishing(made)]
                rest = after
                continue
            tried.add(rows)
        done.append(rest.pop(0))
    return done


def _rows(kernel: Kernel) -> int:
    """Return how many rows a kernel goes through, whatever they are; 0 if it is none that does."""
    if isinstance(kernel, Strips):
        shapes = {part.shape[0] for part in kernel.loops}
        return kernel.rows if shapes == {kernel.rows} else 0
    shape = kernel.shape if isinstance(kernel, Loop) else ()
    if isinstance(kernel, Contraction):
        shape = kernel.output.layout.shape if kernel.tiled and len(kernel.output.layout.shape) == 2 else ()
    elif isinstance(kernel, Special) and isinstance(kernel.lowering, Gather):
        shape = kernel.output.layout.shape
    return shape[0] if shape else 0


class _Rows:
    """Kernels over so many rows, and how far apart rows are in what they read and write."""

    def __init__(
        self, target: Target, rows: int, counting: Collection[Buffer], kept: Collection[Buffer]
    ) -> None:
        self.target, self.rows, self.counting, self.kept = target, rows, counting, kept
        self.pitches: dict[Buffer, int] = {}  # 0 where all rows are the same array
        self.folded: dict[Buffer, Folded] = {}

    def joins(self, kernel: Kernel, reads: set[Buffer], writes: set[Buffer], touched: Touched) -> bool:
        """Whether a kernel goes along; if so it is counted in."""
        if _rows(kernel) != self.rows or changed(kernel) or kernel_time(self.target, kernel) >= LONG:
            return False
        if isinstance(kernel, Contraction) and kernel.inputs[1].buffer in self.kept:
            return False
        folded = {f.access.buffer: f for f in _folds(kernel) if 0 in f.axes}
        if not touched.read.isdisjoint(writes) or self.folded.keys() & (reads | writes):
            return False
        pitches = dict(self.pitches)
        for access, pitch in self._walked(kernel):
            if access.buffer in folded:
                continue
            if pitches.setdefault(access.buffer, pitch) != pitch:
                return False
            if access.buffer in touched.written | writes and not _apart(access.layout):
                return False
        self.pitches = pitches
        self.folded |= folded
        return True

    def _walked(self, kernel: Kernel) -> Iterator[tuple[Access, int]]:
        """Return what a kernel reads and writes, each with the elements from row to row; 0 for what it reads whole."""
        if isinstance(kernel, Strips):
            for part in kernel.parts:
                yield from self._walked(part)
        elif isinstance(kernel, Loop):
            for access in accesses(kernel):
                yield access, access.layout.strides[0]
        elif isinstance(kernel, Contraction):
            a, b = kernel.inputs
            yield from ((a, a.layout.strides[0]), (b, 0))
            if kernel.loop is None:
                yield kernel.output, kernel.output.layout.strides[0]
                return
            yield from ((access, access.layout.strides[0]) for access in accesses(kernel.loop, kernel.sums))
        elif isinstance(kernel, Special):
            picks = self._picks(kernel)
            table, *indices = kernel.inputs
            yield table, table.layout.strides[0] if picks else 0
            for i, index in enumerate(indices):
                yield index, 0 if picks and i == 0 else index.layout.strides[0]
            yield kernel.output, kernel.output.layout.strides[0]

    def _picks(self, kernel: Special) -> bool:
        """Whether a gather takes something of each row."""
        table, first = kernel.inputs[:2]
        return first.buffer in self.counting and table.layout.shape[0] == self.rows

    def worth(self, kernels: Sequence[Kernel]) -> bool:
        """Whether it is worth it to share them out together."""
        time = sum(kernel_time(self.target, kernel) for kernel in kernels)
        read = sum(b.bytes for b, pitch in self.pitches.items() if not pitch)
        written = {b for kernel in kernels for b in kernel.writes()}
        return len(kernels) > 1 and time >= WORTH and max(read, sum(b.bytes for b in written)) <= NEAR

    def made(self, kernels: list[Kernel]) -> Parted:
        """Return them as one kernel."""
        time = sum(kernel_time(self.target, kernel) for kernel in kernels)
        parts = 2 * max(min(math.ceil(time / (2 * PART)), MOST // 2, self.rows // (2 * FULL)), 1)
        partial = {
            buffer: Buffer(Type((parts, *_result(fold)), buffer.type.dtype))
            for buffer, fold in self.folded.items()
        }
        moving = {b: pitch for b, pitch in self.pitches.items() if pitch}
        return Parted(kernels, "rows", self.rows, parts, 1, [0] * len(kernels), moving, partial)


def _apart(layout: Layout) -> bool:
    """Whether no two rows share memory."""
    pitch, *steps = layout.strides
    lengths = layout.shape[1:]
    return layout.offset + sum(abs(s) * (n - 1) for s, n in zip(steps, lengths, strict=True)) < pitch


def _folds(kernel: Kernel) -> list[Folded]:
    if isinstance(kernel, Contraction):
        return _folds(kernel.loop) if kernel.loop else []
    loops = kernel.loops if isinstance(kernel, Strips) else [kernel] if isinstance(kernel, Loop) else []
    return [fold for loop in loops for fold in loop.folds]


def _result(fold: Folded) -> tuple[int, ...]:
    """Return the shape of what a fold gives."""
    return tuple(n for axis, n in enumerate(fold.access.layout.shape) if axis not in fold.axes)


def _finishing(group: Parted) -> list[Kernel]:
    """Return what folds the parts of what is folded down the rows."""
    folds = {fold.access.buffer: fold for kernel in group.kernels for fold in _folds(kernel)}
    return [_finished(folds[whole], parts) for whole, parts in group.partial.items()]


def _finished(fold: Folded, parts: Buffer) -> Loop:
    shape, layout = parts.type.shape, fold.access.layout
    strides = (s for axis, s in enumerate(layout.strides) if axis not in fold.axes)
    node = Load(Access(parts, contiguous(shape)))
    to = Access(fold.access.buffer, Layout(shape, (0, *strides), layout.offset))
    return Loop(shape, [node], [], [Folded(node, fold.combine, (0,), to)])
