"""Which kernels go through the same units together: what reads and writes the weights of layers with few rows.

A layer's weights are rows, one for each unit that they lead from. Who goes through some units computes them from the
sums of the layer before, multiplies them by their rows of weights, carries the error back to them, and updates those
rows: weights and an optimiser's state stay in that thread's cache. All that threads tell each other are sums and
errors, which are small beside weights. Of two wide layers, the first one's columns belong to the same units as the
second one's rows, and threads tell each other only what goes into the first and comes out of the second (Shoeybi et
al., 2019, "Megatron-LM", section 3, cut layers between devices like that).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ..core.lowering import Layout
from .cutting import kernel_time
from .grouping import Touched, changed, grouped
from .kernels import SUMS, Access, Buffer, Contraction, Kernel, Loop, may_fail
from .nest import accesses
from .several import Parted
from .sums import in_parts
from .target import Target

SHORTEST, TALLEST = 4, 64  # rows of a mini-batch
GRAIN = 64  # bytes of a row's units that stay together: a cache line
WIDE = 512  # units, at least, whose columns are kept apart: in narrow rows threads meet where memory is read ahead
PAYING = 4  # times as many weights are to stay as numbers that threads tell each other, at least
LONGEST = 100.0  # microseconds of a kernel, at most
WORTH = 2.5  # microseconds of all kernels, at least
PART = 12.0  # microseconds of a part, about
MOST = 8  # parts


def unit_by_unit(target: Target, kernels: Sequence[Kernel]) -> list[Kernel]:
    """Bring together what goes through the same units; nothing if that pays for none."""
    order = list(kernels)
    layers = {k.inputs[1].buffer: k for k in kernels if isinstance(k, Contraction) and _layer(k)}
    for layer in layers.values():
        for columns in (True, False):
            if layer in order:
                order = _together(target, order, layer, columns, () if columns else layers) or order
    return order if any(isinstance(kernel, Parted) for kernel in order) else []


def _layer(kernel: Contraction) -> bool:
    """Whether a product is a layer's, of few rows."""
    shape, weights = kernel.output.layout.shape, kernel.inputs[1]
    plain = kernel.tiled and len(shape) == 2 and weights.layout.strides[1] == 1
    return plain and weights.buffer.home == "input" and SHORTEST <= shape[0] <= TALLEST


def _together(
    target: Target, kernels: Sequence[Kernel], layer: Contraction, columns: bool, whole: Iterable[Buffer]
) -> list[Kernel] | None:
    """Return kernels with those together that go through units a layer leads to, or from; None if that does not pay."""
    a, b = layer.inputs
    (rows, terms), width = a.layout.shape, b.layout.shape[1]
    units, grain = width if columns else terms, GRAIN // b.buffer.type.dtype.itemsize
    if units < max(2 * grain, WIDE if columns else PAYING * rows):
        return None
    seeds = dict.fromkeys(whole, 0)
    seeds |= {b.buffer: 1} if columns else {a.buffer: a.layout.strides[1], b.buffer: b.layout.strides[0]}
    there = _Units(target, units, seeds)
    before, forward, rest = grouped(kernels, there.joins)
    last = next((k for k, axis in zip(forward, there.axes, strict=True) if axis == SUMS), None)
    if layer not in forward or not isinstance(last, Contraction) or columns == (last is layer):
        return None
    back = _Units(target, units, there.pitches)
    between, backward, after = grouped(rest, back.joins)
    weights = {b.buffer, last.inputs[1].buffer}
    told = rows * (terms + 2 * last.inputs[1].layout.shape[1]) if columns else rows * width
    time = sum(kernel_time(target, kernel) for kernel in (*forward, *backward))
    pays = weights <= {buffer for kernel in backward for buffer in changed(kernel)} and time >= WORTH
    if SUMS in back.axes or not pays or sum(w.type.size for w in weights) < PAYING * told:
        return None
    parts = 2 * min(math.ceil(time / (4 * PART)), MOST // 2, units // (2 * grain))
    made, sums = there.made(forward, parts)
    return [*before, made, *sums, *between, back.made(backward, parts)[0], *after]


class _Units:
    """Kernels over so many units, and how far apart units are in what they read and write."""

    def __init__(self, target: Target, units: int, pitches: Mapping[Buffer, int]) -> None:
        self.target, self.units = target, units
        self.pitches = dict(pitches)  # 0 where all units are the same array
        self.axes: list[int] = []
        self.mixed: set[Buffer] = set()  # of which units share elements

    def joins(self, kernel: Kernel, reads: set[Buffer], writes: set[Buffer], touched: Touched) -> bool:
        """Whether a kernel goes along; if so it is counted in."""
        if not isinstance(kernel, (Loop, Contraction)) or may_fail(kernel):
            return False
        if kernel_time(self.target, kernel) >= LONGEST or SUMS in self.axes:
            return False
        written = touched.written | writes
        for axis, walked in _ways(kernel, self.units):
            pitches = {**self.pitches}
            known = any(pitches.get(access.buffer) for access, _ in walked)
            fits = all(pitches.setdefault(access.buffer, pitch) == pitch for access, pitch in walked)
            mixed = {a.buffer for a, pitch in walked if not _apart(a.layout, pitch, self.units)}
            if known and fits and written.isdisjoint(self.mixed | mixed):
                self.pitches, self.mixed = pitches, self.mixed | mixed
                self.axes.append(axis)
                return True
        return False

    def made(self, kernels: Sequence[Kernel], parts: int) -> tuple[Parted, list[Kernel]]:
        """Return them as one kernel, and what adds up the sums of parts."""
        inside, after, partial = list[Kernel](), list[Kernel](), dict[Buffer, Buffer]()
        itemsize = next(iter(self.pitches)).type.dtype.itemsize
        for kernel, axis in zip(kernels, self.axes, strict=True):
            if axis == SUMS:
                assert isinstance(kernel, Contraction)
                kernel, loop, sums = in_parts(kernel, parts)
                partial[sums] = sums
                after.append(loop)
            inside.append(kernel)
        moving = {b: pitch for b, pitch in self.pitches.items() if pitch}
        grain = GRAIN // itemsize
        return Parted(inside, "units", self.units, parts, grain, self.axes, moving, partial), after


def _ways(kernel: Loop | Contraction, units: int) -> Iterator[tuple[int, list[tuple[Access, int]]]]:
    """Return along which axes a kernel may go through units, and then the elements from unit to unit of its arrays."""
    if isinstance(kernel, Loop):
        for axis, length in enumerate(kernel.shape):
            if length == units and not any(axis in fold.axes for fold in kernel.folds):
                yield axis, [(a, a.layout.strides[axis]) for a in accesses(kernel)]
        return
    if not kernel.tiled or len(kernel.output.layout.shape) != 2:
        return
    (a, b), shape = kernel.inputs, kernel.output.layout.shape
    if a.layout.shape[1] == units:
        yield SUMS, [(a, a.layout.strides[1]), (b, b.layout.strides[0])]
    for axis, walked in ((0, [(a, a.layout.strides[0]), (b, 0)]), (1, [(a, 0), (b, b.layout.strides[1])])):
        if shape[axis] != units:
            continue
        if kernel.loop is None:
            yield axis, [*walked, (kernel.output, kernel.output.layout.strides[axis])]
        elif not any(axis in fold.axes for fold in kernel.loop.folds):
            others = [(a, a.layout.strides[axis]) for a in accesses(kernel.loop, kernel.sums)]
            yield axis, [*walked, *others]


def _apart(layout: Layout, pitch: int, units: int) -> bool:
    """Whether units share no memory: the steps of all other axes stay within a unit, or lead to the same one again."""
    if layout.offset or not pitch:
        return False
    steps = [(abs(s), n) for s, n in zip(layout.strides, layout.shape, strict=True) if n > 1]
    within = sum(s * (n - 1) for s, n in steps if s < pitch)
    return within < pitch and all(s == pitch or s >= pitch * units for s, _ in steps if s >= pitch)
