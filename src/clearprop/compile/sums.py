"""What parts of a product's sums go through once they are there: they are added up, in their order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from ..core.lowering import contiguous
from ..core.types import Type
from .kernels import Access, Apply, Buffer, Contraction, Load, Loop, Node, Store


def in_parts(kernel: Contraction, parts: int) -> tuple[Contraction, Loop, Buffer]:
    """Return a product that gives its sums for a part of its terms, what adds them up, and where they are."""
    shape, dtype = kernel.output.layout.shape, kernel.output.buffer.type.dtype
    size = math.prod(shape)
    sums = Buffer(Type((parts, *shape), dtype))
    each = [Access(sums, replace(contiguous(shape), offset=size * n)) for n in range(parts)]
    return replace(kernel, output=each[0], loop=None, sums=None), added_up(kernel, each), sums


def added_up(kernel: Contraction, parts: Sequence[Access]) -> Loop:
    """Return the loop that adds up parts of a product's sums, and does what the product's own loop does with them."""
    dtype = kernel.output.buffer.type.dtype
    loads = [Load(part) for part in parts]
    nodes: list[Node] = list(loads)
    total: Node = loads[0]
    for load in loads[1:]:
        total = Apply("add", (total, load), {}, dtype)
        nodes.append(total)
    new: dict[int, Node] = {id(kernel.sums): total}
    through = kernel.loop or Loop(kernel.output.layout.shape, [total], [Store(total, kernel.output)])
    for node in through.nodes:
        if isinstance(node, Apply) and node is not total:
            args = tuple(new.get(id(a), a) for a in node.args)
            new[id(node)] = replace(node, args=args)
        if node is not kernel.sums and node is not total:
            nodes.append(new.get(id(node), node))
    stores = [replace(s, node=new.get(id(s.node), s.node)) for s in through.stores]
    folds = [replace(s, node=new.get(id(s.node), s.node)) for s in through.folds]
    return Loop(kernel.output.layout.shape, nodes, stores, folds)
