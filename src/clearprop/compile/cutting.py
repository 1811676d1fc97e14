"""Which kernels are worth cutting into chunks, and where: by their shapes alone, never by how many threads there are.

What a kernel takes is estimated from its arithmetic and the memory that it walks, for one thread in microseconds.
"""

from __future__ import annotations

import math

from ..core.dataclass import dataclass
from .gemm import Product
from .kernels import Apply, Loop, Strips
from .nest import Axis, accesses, nest
from .strips import in_order
from .target import Target
from .vocabulary import weight

WORTH = 5.0  # microseconds: below, one thread does it
GRAIN = 5.0  # microseconds of a chunk at least
MOST = 48  # chunks
CLOCK = 3.5e3  # cycles in a microsecond
BANDWIDTH = 1.2e5  # bytes in a microsecond, from the second cache
WIDE = 8  # times as wide as tall are blocks of a product that copy their rows
TALL = 256  # rows, at least, of a block of a product that copies its panels
FEW = 16  # such blocks: each is tall enough to be worth the panels that it reads
LINE = 64  # elements of the innermost axis that stay together


@dataclass(frozen=True)
class Ranges:
    """A loop's axis in ranges of `step`: the axis at this depth of the nest, of this length."""

    depth: int
    length: int
    step: int

    @property
    def chunks(self) -> int:
        """How many there are."""
        return -(-self.length // self.step)


@dataclass(frozen=True)
class Blocks:
    """A product in blocks of some tiles by some panels, numbered row by row."""

    tiles: int
    panels: int
    down: int
    across: int

    @property
    def chunks(self) -> int:
        """How many there are."""
        return self.down * self.across


def wanted(time: float) -> int:
    """Return how many chunks work of this many microseconds should have; 1 if it is not worth it."""
    return 1 if time < WORTH else min(MOST, math.ceil(time / GRAIN))


# ---- loops


def loop_time(target: Target, loop: Loop) -> float:
    """Return about how long a loop takes."""
    size = math.prod(loop.shape)
    inner = nest(loop)[-1]
    steps, moved = 0.0, 0
    for node in loop.nodes:
        if isinstance(node, Apply):
            steps += weight(node.function) / target.lanes(max(node.dtype.itemsize, 4))
    for access, stride in zip(accesses(loop), inner.strides, strict=True):
        moved += access.buffer.type.dtype.itemsize * (0 if stride == 0 else 1 if stride == 1 else 4)
    return max(size * steps / CLOCK, size * moved / BANDWIDTH)


def loop_cut(target: Target, loop: Loop) -> Ranges | None:
    """Return how to cut a loop, along an axis that no fold combines; None if it is to stay whole."""
    chunks = wanted(loop_time(target, loop))
    if chunks == 1:
        return None
    axes = nest(loop)
    free = [_ranges(depth, axes, chunks) for depth, axis in enumerate(axes) if not any(axis.folded)]
    best = max(free, key=lambda r: (min(r.chunks, chunks // 2), -r.depth), default=None)
    return best if best is not None and best.chunks > 1 else None


def strips_cut(target: Target, strips: Strips) -> Ranges | None:
    """Return how to cut strips, between rows; None if they are to stay whole: so that what is folded down them is."""
    chunks = wanted(sum(loop_time(target, loop) for loop in strips.loops))
    step = -(-math.ceil(strips.rows / chunks) // LINE) * LINE
    cut = Ranges(0, strips.rows, step)
    return (
        None
        if cut.chunks == 1 or any(in_order(p, strips.rows, strips.columns) for p in strips.parts)
        else cut
    )


def _ranges(depth: int, axes: list[Axis], chunks: int) -> Ranges:
    length = axes[depth].length
    step = math.ceil(length / chunks)
    if depth == len(axes) - 1:
        step = -(-step // LINE) * LINE
    return Ranges(depth, length, step)


# ---- products


def product_time(target: Target, itemsize: int, m: int, n: int, k: int) -> float:
    """Return about how long a product takes: two multiply-adds of vectors in a cycle."""
    return m * n * k / (2 * target.lanes(itemsize) * CLOCK)


def copy_time(product: Product) -> float:
    """Return about how long it takes to copy a product's panels."""
    return 2 * product.work_bytes / BANDWIDTH


def panel_cut(product: Product) -> Ranges | None:
    """Return how to cut the copying of a round's panels."""
    chunks = wanted(copy_time(product))
    cut = Ranges(0, product.together, math.ceil(product.together / chunks))
    return cut if cut.chunks > 1 else None


def product_cut(product: Product, time: float, rows: bool = True) -> Blocks | None:
    """Return how to cut a product that takes so long; its rows only if they may be.

    Blocks are about square, since each reads all of k for its rows and for its columns; but wide where each
    copies its rows, and tall where each copies its panels.
    """
    wide = WIDE if product.copies else 1
    tall = TALL if product.near else 1
    chunks = min(wanted(time), FEW if product.copies else MOST)
    tiles, panels, cut = product.tiles, product.together, Blocks(product.tiles, product.together, 1, 1)
    while cut.chunks < chunks:
        flat = not rows or tiles == 1 or tiles * product.height < 2 * tall
        if flat and panels == 1:
            break
        if panels == 1 or not (flat or wide * tiles * product.height < panels * product.width):
            tiles = math.ceil(tiles / 2)
        else:
            panels = math.ceil(panels / 2)
        cut = Blocks(tiles, panels, math.ceil(product.tiles / tiles), math.ceil(product.together / panels))
    return cut if cut.chunks > 1 else None
