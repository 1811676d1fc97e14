"""Which kernels are worth cutting into chunks, and where: by their shapes alone, never by how many threads there are.

What a kernel takes is estimated from its arithmetic and the memory that it walks, for one thread in microseconds.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

from ..core.frozen import frozen
from .gemm import Product
from .kernels import Apply, Contraction, Kernel, Loop, Special, Strips
from .nest import Axis, accesses, nest
from .strips import in_order
from .target import Target
from .vocabulary import weight

WORTH = 5.0  # microseconds: below, one thread does it
BRIEF = (
    2 * WORTH
)  # microseconds of a product, at most, that copies rows itself or is cut where they are owned
GRAIN = 5.0  # microseconds of a chunk at least
MOST = 48  # chunks
SINGLE = 2e-3  # microseconds of an element that is found by its index
CLOCK = 3.5e3  # cycles in a microsecond
ROOT = 5  # cycles of a vector of square roots
BANDWIDTH = 1.2e5  # bytes in a microsecond, from the second cache
WIDE = 8  # times as wide as tall are blocks of a product that copy their rows
STREAM = 2.4e5  # bytes in a microsecond of what is walked from its beginning to its end
WORTH_COPYING = 1.5  # microseconds of copies that all threads then read
WORTH_OWNING = 1.2  # microseconds of an update beside others whose rows threads then own,
OWNED = 0.2  # and of a product that reads those rows
SHALLOW = 16  # rows, at most, of a product whose sum is cut so that each thread reads a part of B,
CACHED = 2 * 1024 * 1024  # bytes of B, at most, so that second caches keep what threads own,
DEEPEST = 4  # and pairs of parts
NARROW = 256  # columns, at most, for which rows are owned however brief it is: parts of long rows are as good
THIN = 48  # results side by side, or one above the other, at most, of a product whose sum is cut,
SHORT = 56  # and so many along them are too few tiles to share out evenly;
EACH = 400_000  # multiply-adds of a part, at least,
PARTS = 16  # parts, at most,
PAYING = 16  # and times as many elements as partial results are read, at least
TALL = 256  # rows, at least, of a part of a product that copies its panels
EVEN = 32  # panels of all parts, or more: threads come out even without cutting rows
ENDS = 3 / 8  # of a product that are large groups of panels, at either end
MANY = 24  # blocks of a product, about, at most: the first panel of each is not at hand
FEW = 16  # such blocks: each is tall enough to be worth the panels that it reads
LINE = 64  # elements of the innermost axis that stay together

Owned = Literal[
    "rows", "parts"
]  # weights that threads own: always whole rows, or where these are long, parts of them


@frozen
class Ranges:
    """A loop's axis in ranges of `step`: the axis at this depth of the nest, of this length."""

    depth: int
    length: int
    step: int

    @property
    def chunks(self) -> int:
        """How many there are."""
        return -(-self.length // self.step)


@frozen
class Rows:
    """Rows of a product in parts of `step`, of which the last has what is left."""

    step: int
    chunks: int


@frozen
class Blocks:
    """A product in blocks of about as many tiles and panels each, so many down and across.

    They are numbered row by row, or `by_panels`: then who has copied panels mostly meets them again, which is worth
    more than to walk along C if copies are not small beside it; or who has updated columns of weights reads them.
    """

    down: int
    across: int
    by_panels: bool = False

    @property
    def chunks(self) -> int:
        """How many there are."""
        return self.down * self.across


@frozen
class Groups:
    """A product in groups of panels of all rows, or of one part of them after the other: large ones at both ends.

    The ends are claimed first, so large groups cost no time at which one thread waits for another. Panels are
    counted on from part to part. No group is of two parts.
    """

    tiles: int  # of a part
    parts: int
    panels: int  # of each part
    large: int  # panels of a large group
    small: int
    ends: int  # large groups at either end

    @property
    def between(self) -> tuple[int, int]:
        """The first panel after the large groups, and the first of those at the other end."""
        return self.ends * self.large, self.parts * self.panels - self.ends * self.large

    @property
    def chunks(self) -> int:
        """How many groups there are."""
        start, stop = self.between
        return 2 * self.ends + -(-(stop - start) // self.small)


def wanted(time: float) -> int:
    """Return how many chunks work of this many microseconds should have; 1 if it is not worth it."""
    return 1 if time < WORTH else min(MOST, math.ceil(time / GRAIN))


def kernel_time(target: Target, kernel: Kernel) -> float:
    """Return about how long a kernel takes."""
    if isinstance(kernel, Loop):
        return loop_time(target, kernel)
    if isinstance(kernel, Strips):
        return sum(loop_time(target, loop) for loop in kernel.loops)
    assert isinstance(kernel, Special)
    size = math.prod(kernel.output.layout.shape)
    if not isinstance(kernel, Contraction):
        return size * SINGLE
    itemsize, terms = kernel.output.buffer.type.dtype.itemsize, kernel.inputs[0].layout.shape[-1]
    time = product_time(target, itemsize, size, 1, terms)
    return time + loop_time(target, kernel.loop) if kernel.loop else time


# ---- loops


def loop_time(target: Target, loop: Loop) -> float:
    """Return about how long a loop takes."""
    size = math.prod(loop.shape)
    inner = nest(loop)[-1]
    steps, moved = 0.0, 0
    for node in loop.nodes:
        if isinstance(node, Apply):
            cycles = ROOT if node.function == "sqrt" else weight(node.function)
            steps += cycles / target.lanes(max(node.dtype.itemsize, 4))
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


def sum_cut(target: Target, kernel: Contraction, owned: Owned | None = None) -> int:
    """Return into how many parts to cut the sum of a product; 1 if it stays whole. Threads may own B's rows."""
    if not kernel.tiled or len(kernel.output.layout.shape) != 2:
        return 1
    parts = _few_results(kernel)
    return parts if parts > 1 else _few_rows(target, kernel, owned)


def _few_rows(target: Target, kernel: Contraction, owned: Owned | None) -> int:
    """Return into how many parts to cut a product, an even number or 1, so that each thread reads a part of B's rows.

    Where threads own B's rows, even little is worth it: nobody then reads what others have just written.
    """
    (m, n), (a, b) = kernel.output.layout.shape, kernel.inputs
    if m > SHALLOW or (kernel.loop and kernel.loop.folds) or b.layout.strides[1] != 1:
        return 1
    k, itemsize = a.layout.shape[1], kernel.output.buffer.type.dtype.itemsize
    size = n * k * itemsize
    time = max(product_time(target, itemsize, m, n, k), size / BANDWIDTH)
    shortest = target.lanes(itemsize) if n <= NARROW or owned == "rows" else LINE
    parts = 2 * min(math.ceil(time / GRAIN), DEEPEST, k // (2 * shortest))
    return parts if size <= CACHED and time >= (OWNED if owned else WORTH) and parts else 1


def part_size(terms: int, parts: int, lanes: int) -> int:
    """Return how many terms each part but the last has: whole vectors, so many that the longest part is short.

    >>> part_size(784, 2, 16), part_size(249, 2, 16), part_size(1000, 8, 16)
    (384, 128, 128)
    """
    less = terms // parts // lanes * lanes
    more = less + lanes
    last = terms - (parts - 1) * less
    return more if more < last and (parts - 1) * more < terms else less


def _few_results(kernel: Contraction) -> int:
    """Return into how many parts to cut a product, so that there are enough for threads.

    It stays whole where rows of the larger operand can be shared out as they stand in memory.
    """
    a, b = (access.layout for access in kernel.inputs)
    (m, k), n = a.shape, b.shape[1]
    across, along = (a if m >= n else b.permuted((1, 0))).strides
    if min(m, n) > THIN or (across > along and max(m, n) > SHORT):
        return 1
    count, work = 1, m * n * k
    while count < PARTS and 2 * count * EACH <= work and 2 * count * PAYING * m * n <= k * (m + n):
        count *= 2
    return count if work <= 4 * EACH * count else 1  # what is larger has blocks enough to share out


def outer_time(target: Target, kernel: Contraction) -> float:
    """Return about how long a product of few terms takes.

    Each thread finds its rows in its second cache, from which they come faster than other loops' memory does.
    """
    (rows, columns), terms = kernel.output.layout.shape, kernel.inputs[0].layout.shape[1]
    time = product_time(target, kernel.output.buffer.type.dtype.itemsize, rows, columns, terms)
    return time + loop_time(target, kernel.loop) * BANDWIDTH / STREAM if kernel.loop else time


def outer_cut(target: Target, kernel: Contraction, period: int, owned: bool) -> Rows | None:
    """Return how to cut a product of few terms, between rows: each but the last part has a multiple of `period`.

    Half of the parts have half of the rows, as of those that a sum is over (`part_size`).
    """
    rows, lanes = kernel.output.layout.shape[0], target.lanes(kernel.output.buffer.type.dtype.itemsize)
    time = outer_time(target, kernel)
    if time < WORTH and not owned:
        return None
    pairs = min(math.ceil(time / (2 * GRAIN)), MOST // 2)
    half = part_size(rows, 2, lanes) if rows >= 2 * lanes else math.ceil(rows / 2)
    step = math.ceil(half / pairs / period) * period
    parts = min(2 * pairs, -(-rows // step))
    return Rows(step, parts) if parts > 1 else None


def product_time(target: Target, itemsize: int, m: int, n: int, k: int) -> float:
    """Return about how long a product takes: two multiply-adds of vectors in a cycle."""
    return m * n * k / (2 * target.lanes(itemsize) * CLOCK)


def arrives_within(time: float, copying: float) -> bool:
    """Whether rows are copied where a product reads them: that is one piece of work to share out instead of two.

    A long product is better off with rows that are all there.
    """
    return time < BRIEF and (time < WORTH or copying >= WORTH)


def copy_time(product: Product) -> float:
    """Return about how long it takes to copy a product's panels."""
    return 2 * product.work_bytes / BANDWIDTH


def panel_cut(product: Product) -> Ranges | None:
    """Return how to cut the copying of a round's panels."""
    time = copy_time(product)
    chunks = max(wanted(time), 2 if time >= WORTH_COPYING else 1)
    cut = Ranges(0, product.pieces, math.ceil(product.pieces / chunks))
    return cut if cut.chunks > 1 else None


def product_cut(
    product: Product,
    time: float,
    rows: bool = True,
    least: int = 1,
    owned: bool = False,
    columns: bool = False,
) -> Blocks | Groups | None:
    """Return how to cut a product that takes so long; its rows only if they may be; into so many blocks at least.

    A brief and narrow one whose rows threads own is cut between rows. Others are numbered so that threads meet the
    same ``columns`` of C again, if asked for.

    Blocks are about square, since each reads all of k for its rows and for its columns; but wide where each
    copies its rows. Where each copies its panels, it does so for as many rows as may be.
    """
    if product.group:
        return _groups(product, max(least, wanted(time)), rows)
    wide = WIDE if product.copies else 1
    chunks = max(least, min(wanted(time), FEW if product.copies else MANY))
    narrow = product.panels * product.width <= NARROW and not product.turned
    if owned and narrow and rows and time < BRIEF and product.tiles > 1:
        return Blocks(min(chunks, product.tiles), 1)
    tiles, panels, cut = product.tiles, product.together, Blocks(1, 1)
    while cut.chunks < chunks:
        flat = tiles == 1 or not (rows or product.turned)  # tiles are columns of what is turned
        thin = panels == 1 or (product.turned and not rows)
        if flat and thin:
            break
        if thin or not (flat or wide * tiles * product.height < panels * product.width):
            tiles = math.ceil(tiles / 2)
        else:
            panels = math.ceil(panels / 2)
        cut = Blocks(math.ceil(product.tiles / tiles), math.ceil(product.together / panels))
    if cut.chunks > 1 and cut.chunks % 2:  # an even number leaves no thread of two with one block less
        if 1 < cut.down < product.tiles:
            cut = Blocks(cut.down + 1, cut.across)
        elif 1 < cut.across < product.together:
            cut = Blocks(cut.down, cut.across + 1)
    results = product.tiles * product.height * product.together * product.width
    by_panels = product.work_bytes >= results or (columns and not product.turned)
    return replace(cut, by_panels=by_panels) if cut.chunks > 1 else None


def _groups(product: Product, chunks: int, rows: bool) -> Groups | None:
    """Return groups of panels, about so many or fewer."""
    parts = 1
    while (
        rows
        and parts * product.panels < min(chunks, EVEN)
        and product.tiles * product.height >= 2 * parts * TALL
    ):
        parts *= 2
    tiles = math.ceil(product.tiles / parts)
    parts = math.ceil(product.tiles / tiles)
    panels = parts * product.panels
    small = max(1, panels // chunks)
    large = max(product.group, small)
    ends = min(int(ENDS * panels), product.panels) // large if large > small else 0
    cut = Groups(tiles, parts, product.panels, large, small, ends)
    return cut if cut.chunks > 1 else None
