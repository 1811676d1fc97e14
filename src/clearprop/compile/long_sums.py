"""Products of few results and many terms become several of fewer terms, and a loop that adds their results.

The rows of a mini-batch are such terms where a gradient is summed: each thread then sums over rows that it has
just computed, instead of over all rows for some of the results.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..core.graph import Eqn
from ..core.lowering import Layout, contiguous
from ..core.types import Type
from .kernels import Access, Apply, Buffer, Contraction, Kernel, Load, Loop, Node, Store

EACH = 400_000  # multiply-adds of a part, at least
LARGE = 4 * EACH  # and at most: what is larger has blocks enough to share out
MOST = 16  # parts
FEW = 16  # times as many elements as partial results are read, at least
NARROW = 48  # results side by side, or one above the other, at most
SHORT = 56  # and so many along them are too few tiles to share out evenly


def with_parts(kernels: Sequence[Kernel], origins: dict[object, Eqn]) -> list[Kernel]:
    """Return the kernels with parts of long sums in place of products; what each comes from is noted."""
    found: list[Kernel] = []
    for kernel in kernels:
        count = parts(kernel) if isinstance(kernel, Contraction) else 1
        if not isinstance(kernel, Contraction) or count == 1:
            found.append(kernel)
            continue
        products, loop = _split(kernel, count)
        origins |= dict.fromkeys([*products, *loop.nodes], origins[kernel])
        found += [*products, loop]
    return found


def parts(product: Contraction) -> int:
    """Return into how many parts a product's sums are to be cut; 1 if they stay whole.

    They stay where rows of the larger operand can be shared out as they stand in memory.
    """
    a, b = (access.layout for access in product.inputs)
    if not product.tiled or len(product.output.layout.shape) > 2:
        return 1
    (m, k), n = a.shape, b.shape[1]
    across, along = (a if m >= n else b.permuted((1, 0))).strides
    if min(m, n) > NARROW or (across > along and max(m, n) > SHORT):
        return 1
    count, work, results = 1, m * n * k, m * n
    while count < MOST and 2 * count * EACH <= work and 2 * count * FEW * results <= k * (m + n):
        count *= 2
    return count if work <= LARGE * count else 1


def _split(product: Contraction, count: int) -> tuple[list[Kernel], Loop]:
    """Return a batch of products of equal parts of the terms, one of the terms left over, and the loop."""
    a, b = product.inputs
    (m, k), n = a.layout.shape, b.layout.shape[1]
    each, dtype = k // count, product.output.buffer.type.dtype
    together = Buffer(Type((count, m, n), dtype))
    left, right = a.layout, b.layout
    batch = [
        Access(a.buffer, Layout((count, m, each), (each * left.strides[1], *left.strides), left.offset)),
        Access(b.buffer, Layout((count, each, n), (each * right.strides[0], *right.strides), right.offset)),
    ]
    whole = Access(together, contiguous((count, m, n)))
    made: list[Kernel] = [Contraction(product.lowering, batch, whole, product.params, apart=True)]
    sums = [Access(together, Layout((m, n), (n, 1), i * m * n)) for i in range(count)]
    if rest := k - count * each:
        start = count * each
        further = Access(Buffer(Type((m, n), dtype)), contiguous((m, n)))
        last = [
            Access(a.buffer, Layout((m, rest), left.strides, left.offset + start * left.strides[1])),
            Access(b.buffer, Layout((rest, n), right.strides, right.offset + start * right.strides[0])),
        ]
        made.append(Contraction(product.lowering, last, further, product.params))
        sums.append(further)
    nodes: list[Node] = [Load(access) for access in sums]
    total = nodes[0]
    for node in nodes[1:]:
        total = Apply("add", (total, node), {}, dtype)
        nodes.append(total)
    return made, Loop((m, n), nodes, [Store(total, product.output)])
