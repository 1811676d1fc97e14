"""What a kernel consists of, whatever its kind, and what of it counts as work."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from ..core.graph import Eqn
from ..core.lowering import Contract, Gather, Place, Scan, Scatter, View
from .kernels import Access, Apply, Buffer, Folded, Kernel, Loop, Special, Store, Strips
from .several import Parted, Several

FREE = {"identity", "positive", "stop_gradient", "convert"}  # functions that compute nothing


def kind(kernel: Kernel) -> str:
    """Return what people call a kernel: "loop", "strips", "product", ...; "rows", "units", "abreast" for several."""
    if isinstance(kernel, Several):
        return kernel.what if isinstance(kernel, Parted) else "abreast"
    if not isinstance(kernel, Special):
        return "strips" if isinstance(kernel, Strips) else "loop"
    return "product" if isinstance(kernel.lowering, Contract) else type(kernel.lowering).__name__.lower()


def shapes(kernel: Kernel) -> list[tuple[int, ...]]:
    """Return the index space of a loop, the shape of a result; of a product also those of its operands."""
    if isinstance(kernel, Loop):
        return [kernel.shape]
    if isinstance(kernel, Strips):
        return [(kernel.rows, kernel.columns)]
    if isinstance(kernel, Parted):
        return [(kernel.length,)]
    if isinstance(kernel, Several):
        return [(len(kernel.kernels),)]
    assert isinstance(kernel, Special)
    operands = kernel.inputs if isinstance(kernel.lowering, Contract) else ()
    return [kernel.output.layout.shape, *(a.layout.shape for a in operands)]


def contents(kernel: Kernel) -> list[Any]:
    """Return the nodes, stores, folds and accesses that a kernel holds, and itself; each once, in their order."""
    found: dict[int, Any] = {}

    def walk(value: Any) -> None:
        if isinstance(value, (list, tuple)):
            for part in value:
                walk(part)
        elif is_dataclass(value) and id(value) not in found:
            found[id(value)] = value
            for field in fields(value):
                walk(getattr(value, field.name))

    walk(kernel)
    return list(found.values())


def brings(part: object, eqn: Eqn) -> bool:
    """Tell whether a part of a kernel only brings a value into row order for an equation of another kernel."""
    return isinstance(part, Store) and not isinstance(eqn.primitive.lowering, (Place, View))


def accesses(kernel: Kernel, buffers: Sequence[Buffer]) -> list[Access]:
    """Return how a kernel walks these buffers, each way once."""
    wanted = set(buffers)
    found = (part for part in contents(kernel) if isinstance(part, Access) and part.buffer in wanted)
    return list(dict.fromkeys(found))


def flops(kernel: Kernel) -> int:
    """Return how many operations on floats a kernel does.

    A product of [m, k] and [k, n] counts 2mnk. Elsewhere each elementary function with a float result counts
    one for each element, a tanh no more than a sum, and so does each element that a fold, a scan or a scatter
    adds; comparisons, conversions, integers, picks, sorting and random bits count nothing.
    """
    if isinstance(kernel, Strips):
        return sum(map(flops, kernel.parts))
    if isinstance(kernel, Several):
        return sum(map(flops, kernel.kernels))
    size, total = math.prod(shapes(kernel)[0]), 0
    for part in contents(kernel):
        if isinstance(part, Apply):
            total += size * (part.dtype.kind == "f" and part.function not in FREE)
        elif isinstance(part, Folded):
            total += size * (part.access.buffer.type.dtype.kind == "f")
        elif isinstance(part, Special) and part.output.buffer.type.dtype.kind == "f":
            total += _special_flops(part)
    return total


def _special_flops(kernel: Special) -> int:
    size = math.prod(kernel.output.layout.shape)
    if isinstance(kernel.lowering, Contract):
        return 2 * size * kernel.inputs[0].layout.shape[-1]
    if isinstance(kernel.lowering, Scatter):
        return math.prod(kernel.inputs[0].layout.shape)
    return size if isinstance(kernel.lowering, Scan) else 0


def moved(kernel: Kernel) -> int:
    """Return how many bytes a kernel must move at least: in each way in which it walks an array, each element once."""
    total = 0
    for access in accesses(kernel, [*kernel.reads(), *kernel.writes()]):
        lengths = (n for n, s in zip(access.layout.shape, access.layout.strides, strict=True) if s or not n)
        elements = math.prod(lengths)
        if isinstance(kernel, Special) and isinstance(kernel.lowering, Gather):
            elements = min(elements, math.prod(kernel.output.layout.shape))
        total += elements * access.buffer.type.dtype.itemsize
    return total
