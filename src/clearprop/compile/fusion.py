"""Loops that become a part of the product whose result they read, so that its sums need not reach memory."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .kernels import Apply, Buffer, Contraction, Folded, Kernel, Load, Loop, Store
from .memory import worth_writing_over
from .order import takes_the_place
from .vocabulary import weight

NARROW = 16  # columns of a result below which a loop over all of it is faster than one over rows
SHARED = 4  # cycles of a vector at most that may be computed twice where a loop is split
WIDE = 128  # columns of a product that can be shared out without cutting rows, which folds go along
ROOM = (
    1.5  # times as large as a result is an array whose place another can take if the result is kept for later
)
SMALL = 2e6  # multiply-adds of a product that one thread does anyway


def fused(kernels: Sequence[Kernel]) -> list[Kernel]:
    """Return the kernels, where each product's sums go through the first loop that reads them, if they can.

    Of the loop, only what depends on the sums goes along.
    """
    order = list(kernels)
    for kernel in kernels:
        if isinstance(kernel, Contraction) and kernel.tiled and kernel.output.layout.shape[-1] >= NARROW:
            _fuse(order, kernel)
    return order


def _fuse(order: list[Kernel], product: Contraction) -> None:
    start, result = order.index(product), product.output.buffer
    readers = [i for i in range(start + 1, len(order)) if result in order[i].reads()]
    loop = order[readers[0]] if readers else None
    source = sums_read(loop, product) if isinstance(loop, Loop) else None
    if not isinstance(loop, Loop) or source is None:
        return
    if _updated(loop) and _in_the_way(order, start, product):
        return
    part, rest = _split(loop, source)
    fits = all(_goes_along(fold, product) for fold in part.folds)
    if not part.stores or not fits or any(isinstance(n, Apply) and n.failure for n in part.nodes):
        return
    if len(readers) > 1 or (rest and result in rest.reads()) or result.home != "work":
        part.stores.append(Store(source, product.output))
    product.loop, product.sums = part, source
    end = readers[0]
    order[end : end + 1] = [rest] if rest else []
    order.insert(_earliest(order, start, end, product), product)
    del order[start]


def _in_the_way(order: Sequence[Kernel], start: int, product: Contraction) -> bool:
    """Tell whether an array could be written over before, if the product did not update what is read there.

    Of a large mini-batch, the error then takes the place of its activation, which is larger than a gradient.
    """
    size = ROOM * product.output.buffer.bytes
    return any(
        worth_writing_over(a.buffer)
        and a.buffer.bytes >= size
        and any(takes_the_place(kernel, a.buffer) for kernel in order[:start])
        and not any(a.buffer in kernel.reads() for kernel in order[start + 1 :])
        for a in product.inputs
    )


def sums_read(loop: Loop, product: Contraction) -> Load | None:
    """Return the node of a loop that stands for a product's sums, if all it reads of them is what it is at."""
    result = product.output
    loads = [n for n in loop.nodes if isinstance(n, Load) and n.access.buffer is result.buffer]
    same = loop.shape == result.layout.shape and all(n.access.layout == result.layout for n in loads)
    return loads[0] if same and len(loads) == 1 else None


def _goes_along(fold: Folded, product: Contraction) -> bool:
    """Whether a product can fold its rows into one while it is shared out."""
    m, n = product.output.layout.shape[-2:]
    k = product.inputs[0].layout.shape[-1]
    return len(product.output.layout.shape) == 2 and fold.axes == (0,) and (n >= WIDE or m * n * k <= SMALL)


def _split(loop: Loop, source: Load) -> tuple[Loop, Loop | None]:
    """Return what depends on a node, and the rest, if it is worth a loop of its own."""
    ends: tuple[list[Store | Folded], list[Store | Folded]] = ([], [])
    depending = loop.depending([source])
    for end in loop.ends:
        ends[id(end.node) not in depending].append(end)
    needed = [loop.needed(some) for some in ends]
    twice = [n for n in needed[0] if isinstance(n, Apply) and n in needed[1]]
    if not ends[1] or sum(weight(n.function) for n in twice) > SHARED:
        return loop, None
    part, rest = (
        Loop(
            loop.shape,
            nodes,
            [e for e in some if isinstance(e, Store)],
            [e for e in some if isinstance(e, Folded)],
        )
        for nodes, some in zip(needed, ends, strict=True)
    )
    return part, rest


def _earliest(order: Sequence[Kernel], start: int, end: int, product: Contraction) -> int:
    """Return before which kernel a product can run with its loop, at the earliest.

    What it reads is written before; and it does not overwrite what others still read, if it is later decided
    that an update takes the place of what it updates.
    """
    loop = product.loop
    assert loop is not None
    touched = {b for b in (*loop.reads(), *loop.writes()) if b is not product.output.buffer}
    updated = _updated(loop)
    place = start
    for i in range(start + 1, end):
        if touched.intersection(order[i].writes()) or updated.intersection(order[i].reads()):
            place = i
    return place + 1


def _updated(loop: Loop) -> set[Buffer]:
    """Return the inputs of the same size as what the loop writes."""
    size = math.prod(loop.shape)
    return {b for b in loop.reads() if b.home == "input" and b.type.size == size}
