"""Kernels of which only a part is wanted: fewer rows or units, for who moves the arrays to where the part begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from .kernels import SUMS, Access, Buffer, Contraction, Kernel, Loop, Special, Strips


def of_part(kernel: Kernel, axis: int, count: int, partial: Mapping[Buffer, Buffer]) -> Kernel:
    """Return a kernel that goes through so many only along an axis of its result, and folds into buffers of a part."""
    if isinstance(kernel, Strips):
        parts = [_single(part, 0, count, partial) for part in kernel.parts]
        return Strips(parts, count, kernel.columns, [partial.get(b, b) for b in kernel.kept])
    assert isinstance(kernel, (Loop, Special))
    return _single(kernel, axis, count, partial)


def _single(
    kernel: Loop | Special, axis: int, count: int, partial: Mapping[Buffer, Buffer]
) -> Loop | Special:
    if isinstance(kernel, Loop):
        return _loop(kernel, axis, count, partial)
    first, *others = kernel.inputs
    if isinstance(kernel, Contraction):
        loop = _loop(kernel.loop, axis, count, partial) if kernel.loop else None
        (second,), output = others, kernel.output
        if axis != 1:
            first = _shorter(first, 1 if axis == SUMS else 0, count)
        if axis != 0:
            second = _shorter(second, 0 if axis == SUMS else 1, count)
        if axis != SUMS:
            output = _shorter(output, axis, count)
        return replace(kernel, inputs=[first, second], output=output, loop=loop)
    others = [_shorter(index, 0, count) for index in others]
    return replace(kernel, inputs=[first, *others], output=_shorter(kernel.output, 0, count))


def _loop(loop: Loop, axis: int, count: int, partial: Mapping[Buffer, Buffer]) -> Loop:
    def folded(access: Access) -> Access:
        return _shorter(replace(access, buffer=partial.get(access.buffer, access.buffer)), axis, count)

    folds = [replace(f, access=folded(f.access)) for f in loop.folds]
    return replace(loop, shape=_with(loop.shape, axis, count), folds=folds)


def _shorter(access: Access, axis: int, count: int) -> Access:
    return Access(access.buffer, replace(access.layout, shape=_with(access.layout.shape, axis, count)))


def _with(shape: tuple[int, ...], axis: int, count: int) -> tuple[int, ...]:
    return (*shape[:axis], count, *shape[axis + 1 :])
