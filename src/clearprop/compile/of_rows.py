"""Kernels of which only the first rows are wanted: a part of the rows, for who moves the arrays to where it begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from .kernels import Access, Buffer, Contraction, Kernel, Loop, Special, Strips


def of_rows(kernel: Kernel, rows: int, partial: Mapping[Buffer, Buffer]) -> Kernel:
    """Return a kernel that goes through the first so many rows only, and folds them into a buffer of their own."""
    if isinstance(kernel, Strips):
        parts = [_single(part, rows, partial) for part in kernel.parts]
        return Strips(parts, rows, kernel.columns, [partial.get(b, b) for b in kernel.kept])
    assert isinstance(kernel, (Loop, Special))
    return _single(kernel, rows, partial)


def _single(kernel: Loop | Special, rows: int, partial: Mapping[Buffer, Buffer]) -> Loop | Special:
    if isinstance(kernel, Loop):
        return _loop(kernel, rows, partial)
    first, *others = kernel.inputs
    output = _shorter(kernel.output, rows)
    if isinstance(kernel, Contraction):
        loop = _loop(kernel.loop, rows, partial) if kernel.loop else None
        return replace(kernel, inputs=[_shorter(first, rows), *others], output=output, loop=loop)
    return replace(kernel, inputs=[first, *(_shorter(index, rows) for index in others)], output=output)


def _loop(loop: Loop, rows: int, partial: Mapping[Buffer, Buffer]) -> Loop:
    folds = [
        replace(
            f, access=_shorter(Access(partial.get(f.access.buffer, f.access.buffer), f.access.layout), rows)
        )
        for f in loop.folds
    ]
    return replace(loop, shape=(rows, *loop.shape[1:]), folds=folds)


def _shorter(access: Access, rows: int) -> Access:
    layout = access.layout
    return Access(access.buffer, replace(layout, shape=(rows, *layout.shape[1:])))
