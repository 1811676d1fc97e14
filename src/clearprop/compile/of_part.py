"""Kernels of which only a part is wanted: fewer rows or units, for who moves the arrays to where the part begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from .kernels import (
    SUMS,
    Access,
    Apply,
    Buffer,
    Contraction,
    Kernel,
    Load,
    Loop,
    Node,
    Special,
    Store,
    Strips,
)


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
        return _loop(kernel, axis, count, partial)[0]
    first, *others = kernel.inputs
    if isinstance(kernel, Contraction):
        (second,), output, loop, sums = others, kernel.output, kernel.loop, kernel.sums
        if loop:
            loop, new = _loop(loop, axis, count, partial)
            sums = new[id(sums)] if sums else None  # type: ignore[assignment]  # a load stays one
        if axis != 1:
            first = _shorter(first, 1 if axis == SUMS else 0, count)
        if axis != 0:
            second = _shorter(second, 0 if axis == SUMS else 1, count)
        if axis != SUMS:
            output = _shorter(output, axis, count)
        return replace(kernel, inputs=[first, second], output=output, loop=loop, sums=sums)
    others = [_shorter(index, 0, count) for index in others]
    return replace(kernel, inputs=[first, *others], output=_shorter(kernel.output, 0, count))


def _loop(
    loop: Loop, axis: int, count: int, partial: Mapping[Buffer, Buffer]
) -> tuple[Loop, dict[int, Node]]:
    """Return a loop over a part, and its nodes by the ids of those that they stand for."""
    new: dict[int, Node] = {}
    for node in loop.nodes:
        if isinstance(node, Load):
            new[id(node)] = Load(_shorter(node.access, axis, count))
        elif isinstance(node, Apply):
            new[id(node)] = replace(node, args=tuple(new.get(id(a), a) for a in node.args))
    stores = [Store(new.get(id(s.node), s.node), _shorter(s.access, axis, count)) for s in loop.stores]
    folds = []
    for fold in loop.folds:
        access = replace(fold.access, buffer=partial.get(fold.access.buffer, fold.access.buffer))
        node = new.get(id(fold.node), fold.node)
        folds.append(replace(fold, node=node, access=_shorter(access, axis, count)))
    nodes = [new.get(id(node), node) for node in loop.nodes]
    return Loop(_with(loop.shape, axis, count), nodes, stores, folds), new


def _shorter(access: Access, axis: int, count: int) -> Access:
    return Access(access.buffer, replace(access.layout, shape=_with(access.layout.shape, axis, count)))


def _with(shape: tuple[int, ...], axis: int, count: int) -> tuple[int, ...]:
    return (*shape[:axis], count, *shape[axis + 1 :])
