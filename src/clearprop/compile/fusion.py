"""Loops that become a part of the product whose result they read, so that its sums need not reach memory."""

from __future__ import annotations

from collections.abc import Sequence

from .kernels import Contraction, Kernel, Load, Loop, Store


def fused(kernels: Sequence[Kernel]) -> list[Kernel]:
    """Return the kernels, where each product's sums go through the first loop that reads them, if they can.

    The product then runs where the loop did.
    """
    places: list[Kernel | None] = list(kernels)
    for start, kernel in enumerate(kernels):
        if not isinstance(kernel, Contraction) or not kernel.tiled:
            continue
        readers = [i for i in range(start + 1, len(places)) if _reads(places[i], kernel)]
        first = places[readers[0]] if readers else None
        if isinstance(first, Loop) and (source := _sums(first, kernel)):
            if len(readers) > 1 or kernel.output.buffer.home != "work":
                first.stores.append(Store(source, kernel.output))
            kernel.loop, kernel.sums = first, source
            places[start], places[readers[0]] = None, kernel
    return [kernel for kernel in places if kernel is not None]


def _reads(kernel: Kernel | None, product: Contraction) -> bool:
    return kernel is not None and product.output.buffer in kernel.reads()


def _sums(loop: Loop, product: Contraction) -> Load | None:
    """Return the node of a loop that stands for a product's sums, if all it reads of them is what it is at."""
    result = product.output
    loads = [n for n in loop.nodes if isinstance(n, Load) and n.access.buffer is result.buffer]
    same = loop.shape == result.layout.shape and all(n.access.layout == result.layout for n in loads)
    return loads[0] if same and len(loads) == 1 and not loop.folds else None
