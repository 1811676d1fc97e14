"""Which kernels go through the same rows together: from a mini-batch's first layer to the last and back.

A part of the rows then goes through all of them on one thread, which reads what it has written itself. What is folded
down the rows is folded in each part, and the parts then by kernels of their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial

from ..core.lowering import Gather, Layout, contiguous
from ..core.types import Type
from .cutting import kernel_time
from .gain import by_rows, one_by_one
from .gradients import Halves
from .grouping import NEAR, Touched, changed, grouped
from .kernels import SUMS, Access, Buffer, Contraction, Folded, Kernel, Load, Loop, Special, Strips
from .nest import accesses
from .several import Parted
from .target import Target

SHORTEST = 4  # rows of a part, at least,
FULL = 64  # or of one of more than two: each part copies the weights that it reads turned
WORTH = 2.5  # microseconds of all kernels, at least
LONG = 60.0  # of one of them, at most
GAIN = 0.95  # of the time without, at most
PART = 12.0  # microseconds of a part, about
MOST = 8  # parts


def row_by_row(
    target: Target,
    kernels: Sequence[Kernel],
    counting: Collection[Buffer],
    kept: Collection[Buffer],
    gradients: bool,
) -> list[Kernel]:
    """Bring together what goes row by row, gradients too if asked for.

    Arrays ``counting`` are 0, 1, 2 ..., those ``kept`` stay with their threads.
    """
    done: list[Kernel] = []
    rest, tried = list(kernels), set[int]()
    while rest:
        rows = _rows(rest[0])
        if rows >= 2 * SHORTEST and rows not in tried:
            begin = partial(_Rows, target, rows, counting, kept)
            found = (gradients and _with_gradients(begin, rest)) or _together(begin, rest)
            if found:
                before, made, after = found
                done += [*before, made, *_finishing(made)]
                rest = after
                continue
            tried.add(rows)
        done.append(rest.pop(0))
    return done


Found = tuple[list[Kernel], Parted, list[Kernel]] | None
"""What runs before a group, the group as one kernel, and what runs after it; None if it is not worth it."""


def _together(begin: Callable[[], _Rows], kernels: Sequence[Kernel]) -> Found:
    group = begin()
    before, inside, after = grouped(kernels, group.joins)
    if group.worth(inside) and by_rows(group.target, inside) < GAIN * one_by_one(group.target, inside):
        return before, group.made(inside, group.parts(inside)), after
    return None


def _with_gradients(begin: Callable[[Collection[Kernel]], _Rows], kernels: Sequence[Kernel]) -> Found:
    """Bring together what goes row by row, and the sums over the rows of gradients."""
    halves = Halves(kernels, begin(()).rows)
    while halves.of:
        group = begin(halves.sums)
        before, inside, after = grouped(halves.apart(kernels), group.joins)
        if halves.left(inside):
            continue
        parts = group.parts(inside)
        if not group.worth(inside) or not halves.pay(group.target, inside, parts):
            return None
        written, rest, sums = halves.parted(inside, after, parts)
        return before, group.made(written, parts, sums), rest
    return None


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
        self,
        target: Target,
        rows: int,
        counting: Collection[Buffer],
        kept: Collection[Buffer],
        sums: Collection[Kernel] = (),
    ) -> None:
        self.target, self.rows, self.counting, self.kept = target, rows, counting, kept
        self.sums = sums  # over the rows
        self.summed = {buffer for kernel in sums for buffer in kernel.writes()}
        self.pitches: dict[Buffer, int] = {}  # 0 where all rows are the same array
        self.folded: dict[Buffer, Folded] = {}

    def joins(self, kernel: Kernel, reads: set[Buffer], writes: set[Buffer], touched: Touched) -> bool:
        """Whether a kernel goes along; if so it is counted in."""
        along = kernel in self.sums or (_rows(kernel) == self.rows and not changed(kernel))
        if not along or kernel_time(self.target, kernel) >= LONG:
            return False
        if isinstance(kernel, Contraction) and kernel.inputs[1].buffer in self.kept:
            return False
        folded = {f.access.buffer: f for f in _folds(kernel) if 0 in f.axes}
        if (
            not touched.read.isdisjoint(writes)
            or self.folded.keys() & (reads | writes)
            or self.summed & reads
        ):
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
            if kernel in self.sums:
                turned = replace(a, layout=a.layout.permuted((1, 0)))
                yield from ((each, each.layout.strides[0]) for each in (turned, b))
                return
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
        """Whether there is enough to share out, and what parts read whole is near."""
        read = sum(b.bytes for b, pitch in self.pitches.items() if not pitch)
        time = sum(kernel_time(self.target, kernel) for kernel in kernels)
        return len(kernels) > 1 and time >= WORTH and read <= NEAR

    def parts(self, kernels: Sequence[Kernel]) -> int:
        """Return in how many parts kernels should be."""
        time = sum(kernel_time(self.target, kernel) for kernel in kernels)
        return 2 * max(min(math.ceil(time / (2 * PART)), MOST // 2, self.rows // (2 * FULL)), 1)

    def made(self, kernels: list[Kernel], parts: int, sums: Collection[Buffer] = frozenset()) -> Parted:
        """Return kernels as one, sums in parts."""
        parted = {
            buffer: Buffer(Type((parts, *_result(fold)), buffer.type.dtype))
            for buffer, fold in self.folded.items()
        }
        parted |= {buffer: buffer for buffer in sums}
        axes = [0 if set(sums).isdisjoint(kernel.writes()) else SUMS for kernel in kernels]
        moving = {b: pitch for b, pitch in self.pitches.items() if pitch}
        return Parted(kernels, "rows", self.rows, parts, 1, axes, moving, parted)


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
    return [_finished(folds[whole], parts) for whole, parts in group.partial.items() if whole in folds]


def _finished(fold: Folded, parts: Buffer) -> Loop:
    shape, layout = parts.type.shape, fold.access.layout
    strides = (s for axis, s in enumerate(layout.strides) if axis not in fold.axes)
    node = Load(Access(parts, contiguous(shape)))
    to = Access(fold.access.buffer, Layout(shape, (0, *strides), layout.offset))
    return Loop(shape, [node], [], [Folded(node, fold.combine, (0,), to)])
