"""What parts of a product's sums go through once they are there: they are added up, in their order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .kernels import Access, Apply, Contraction, Load, Loop, Node, Store


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
            new[id(node)] = Apply(node.function, args, node.params, node.dtype)
        if node is not kernel.sums and node is not total:
            nodes.append(new.get(id(node), node))
    stores = [replace(s, node=new.get(id(s.node), s.node)) for s in through.stores]
    folds = [replace(s, node=new.get(id(s.node), s.node)) for s in through.folds]
    return Loop(kernel.output.layout.shape, nodes, stores, folds)
