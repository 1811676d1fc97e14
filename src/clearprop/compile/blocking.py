"""How a matrix product is cut: which operand is whose, tiles, panels, blocks of the sum, and what is copied first."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cached_property

import numpy as np

from ..core.frozen import frozen
from .dot import dot_rows
from .heights import Rows, heights
from .microkernel import accumulators
from .strides import Strides
from .target import Target
from .widths import Panels, width

NEAR = 64 * 1024  # bytes of an operand that are read in place whatever their strides
FAR = 12 * 1024  # bytes, for each of a vector, over which columns of A that are read in place spread at most
FIRST = (4096, 5)  # bytes of a way of the first cache, and how many of its ways a tile's rows of A may fill
SECOND = (65536, 6)  # the same of the second cache, for rows of a panel
BLOCK = 512 * 1024  # bytes of A that a pass over the panels keeps in the second cache
MORE = 0.25  # of such a block, which all may be longer by: another one, however short, reads all panels anew
SHARES = 8  # parts, at least, that blocks are of all tiles, and groups of all panels
FEW = 4  # tiles of a block, or more: each reads all panels anew
FIRST_HALF = 16 * 1024  # bytes of all panels for which the first cache has room beside what goes through it
PAIR = 2  # panels of a group, or more: each reads all tiles anew
GROUP = 512 * 1024  # bytes of panels that are copied together
ROUND = 1024  # rows of A, at most, that pass a group of panels
LONG = 64  # terms of a sum, at least, for which kernels ask for memory
LARGE = 512 * 1024  # bytes of C that the second cache holds anyway
FOLLOW = 1024 * 1024  # bytes of panels, or more: the second cache has lost the next one when its turn comes
FEW_ROWS = 400  # of A, at most, for which kernels ask for what is copied next: copies take longer than waiting for them
LINES = 8  # of each column of that, for which a tile asks
PASSING = 4  # tiles, at least, that ask for the next panel: a line of each row of it, or some
MANY = 20  # panels, at least, so that threads come out about even without cutting rows,
FOUR = 4  # or so many, if they are an even number of one width
COMMON, OWN = 2, 4  # parts of the room that copies for all threads have, and for each
SPLIT = 800  # rows of A, or more, for which it takes less to copy B than to read vectors on two cache lines
TALL = 0.8  # of the height that registers allow, at least, if rows of B begin within a cache line and are not near
DEPTH = 4096  # bytes of a row of A that a tile goes through before it is put down
SHALLOW = 128  # terms, at least, of a sum's part if there is little memory for copies of B


@frozen
class Plan:
    """A product C[m, n] = A[m, k] B[k, n] and how it is cut.

    If `turned`, this is the product Cᵀ = Bᵀ Aᵀ that stands for the one asked for. If `dotted`, results are dot
    products of columns of B, read in place, with single rows of A. If `folded`, rows of C are folded, not shared out.
    Copies should take ``room`` bytes or less. Results are sums if `direct`; parts of sums may stand in C if `lent` too.
    """

    target: Target
    dtype: np.dtype[np.floating]
    m: int
    n: int
    k: int
    a: Strides
    b: Strides
    c: Strides
    direct: bool
    turned: bool = False
    dotted: bool = False
    folded: bool = False
    room: float = math.inf
    lent: bool = False

    @property
    def transposed(self) -> Plan:
        """The product of the transposed matrices."""
        return replace(self, m=self.n, n=self.m, a=self.b.T, b=self.a.T, c=self.c.T, turned=not self.turned)

    @property
    def lanes(self) -> int:
        """Elements of a vector."""
        return self.target.lanes(self.dtype.itemsize)

    @property
    def masks(self) -> bool:
        """Whether the target loads and stores some lanes as fast as all."""
        return self.target.vector_bytes >= 64

    @cached_property
    def vectors(self) -> int:
        """Vectors across a tile: two, but more where there are too few rows to keep the processor busy.

        Three where that leaves no single vector over, if registers hold them beside the sums.
        """
        if self.dotted:
            return 1
        count = math.ceil(self.n / self.lanes)
        if self.m < 4:
            return width(self.m, count, self.target.registers)
        return 3 if count % 2 and count % 3 != 1 and self.target.fma else min(2, count)

    @cached_property
    def rows(self) -> tuple[Rows, ...]:
        """All tiles' rows."""
        if self.dotted:
            most = dot_rows(self.target, self.dtype)
            return heights(self.m, math.ceil(most / 2), most)
        most = min(accumulators(self.target) // self.vectors, 16)
        chains = 12 if self.vectors <= 2 else 16  # of multiply-adds, that hide how long each takes
        busy = math.ceil(chains / self.vectors)
        least = max(most // 2 + 1, min(busy, most))
        return heights(self.m, math.ceil(TALL * most) if self.slanting else least, most)

    @property
    def slanting(self) -> bool:
        """Whether B is not near, may be read in place, and its rows begin anywhere in a cache line."""
        offset = self.b.row * self.dtype.itemsize % self.target.vector_bytes
        size = self.k * self.n * self.dtype.itemsize
        return self.b.column == 1 and offset > 0 and size > NEAR

    @cached_property
    def panels(self) -> tuple[Panels, ...]:
        """All panels."""
        wide = self.vectors * self.lanes
        full, rest = divmod(self.n, wide)
        found = []
        if full:
            found.append(Panels(self.vectors, wide, wide, 0, full, 0, self.reads_b))
        if rest:
            vectors = math.ceil(rest / self.lanes)
            whole = self.masks or vectors * self.lanes - rest <= self.b.room
            in_place = self.dotted or (self.reads_b and whole)
            found.append(Panels(vectors, rest, vectors * self.lanes, full, full + 1, full * wide, in_place))
        return tuple(found)

    @property
    def tile_count(self) -> int:
        """Tiles in a column of tiles."""
        return self.rows[-1].stop

    @property
    def panel_count(self) -> int:
        """Panels in all."""
        return self.panels[-1].stop

    # ---- what is copied

    def _lies_well(self, lines: int, distance: int, cache: tuple[int, int] = SECOND) -> bool:
        """Whether lines of an operand lie so that a cache holds them without a copy.

        Those that lie multiples of a power of two apart share few places in a cache.
        """
        step, (way, ways) = distance * self.dtype.itemsize, cache
        return lines * step <= NEAR or lines * math.gcd(step, way) <= ways * way

    @cached_property
    def reads_b(self) -> bool:
        """Whether B can be read in place."""
        if self.dotted:
            return True
        if self.slanting and self.m >= SPLIT and self._fitting(self.k * self.n * self.dtype.itemsize, COMMON):
            return False
        few = self.m <= 2 * self.rows[0].height
        apart = self.reads_a and self.b.row * self.dtype.itemsize % FIRST[0] > 0
        return self.b.column == 1 and (few or apart or self._lies_well(self._deepest, self.b.row))

    @cached_property
    def across(self) -> bool:
        """Whether kernels find A contiguous from row to row."""
        return self.a.column != 1

    @property
    def interleaved(self) -> bool:
        """Whether a copy of A has a tile's rows side by side."""
        return self.across and not self.dotted

    @cached_property
    def reads_a(self) -> bool:
        """Whether A is read in place."""
        if 1 not in (self.a.row, self.a.column) or (self.dotted and self.across):
            return False
        if self.dotted or self.n <= 2 * self.vectors * self.lanes:
            return True
        if self.across:
            spread = self._deepest * self.a.column * self.dtype.itemsize
            return spread <= FAR * self.target.vector_bytes and self._lies_well(self._deepest, self.a.column)
        return self._lies_well(self.rows[0].height, self.a.row, FIRST)

    # ---- blocks

    @cached_property
    def depth(self) -> int:
        """Terms of a sum between one visit to a tile and the next: balanced parts of k."""
        if not self.near:
            return self._deepest
        row = self.panels[0].width * self.dtype.itemsize
        return self._balanced(min(self._deepest, max(self._fitting(row, COMMON), SHALLOW)))

    @cached_property
    def _deepest(self) -> int:
        """The same, whatever memory copies take."""
        return self._balanced(self.k if self.dotted else DEPTH // self.dtype.itemsize)

    def _balanced(self, most: int) -> int:
        parts = math.ceil(self.k / most)
        return self.k if parts <= 1 else math.ceil(self.k / parts / self.lanes) * self.lanes

    @property
    def blocked(self) -> bool:
        """Whether a tile is visited more than once."""
        return self.depth < self.k

    @cached_property
    def block(self) -> int:
        """Tiles whose rows of A are kept at hand while all panels pass."""
        tile = self.depth * self.dtype.itemsize * self.rows[0].height
        if self.reads_a and (not self.blocked or all(self.in_c(p) for p in self.panels)):
            return math.ceil(self.tile_count / max(1, math.ceil(self.tile_count * tile / BLOCK - MORE)))
        wanted = max(FEW, math.ceil(self.tile_count / SHARES))
        return max(1, min(BLOCK // tile, wanted, self._fitting(tile, OWN)))

    @property
    def row_by_row(self) -> bool:
        """Whether a tile meets all panels before the next one does: the first cache has them, and C is far."""
        panels = self.k * self.panels[-1].stop * self.panels[0].width * self.dtype.itemsize
        return panels <= FIRST_HALF and self.m * self.n * self.dtype.itemsize > LARGE

    # ---- groups of panels

    @cached_property
    def near(self) -> bool:
        """Whether panels are copied a part at a time by who needs them: none waits, and they stay in its cache.

        Then rows are hardly cut, so there must be panels enough to share out, or no rows to cut.
        """
        copied = self.m <= self.n and self._fitting(self.m * self.k * self.dtype.itemsize, COMMON) > 0
        alone = self.tile_count == 1 and self.n * self.k * self.dtype.itemsize >= NEAR
        panel = self.panels[0].width * self.long * self.dtype.itemsize
        return (
            not self.dotted
            and not (self.folded and self.turned)  # along panels, which then are not shared out
            and (self.reads_a or copied)
            and not any(p.in_place for p in self.panels)
            and self.m <= ROUND
            and (self.panel_count >= MANY or self.even or alone or self.folded or not self._fitting(panel, 1))
        )

    @property
    def even(self) -> bool:
        """Whether two threads share panels evenly."""
        alike = self.panels[0].vectors == self.panels[-1].vectors
        return alike and self.panel_count >= FOUR and self.panel_count % 2 == 0

    @property
    def packs_a(self) -> bool:
        """Whether A is copied first, all of it: then panels of the larger operand are copied by who needs them."""
        return self.near and not self.reads_a

    @property
    def deep(self) -> int:
        """Rows that a copied part of a panel has room for."""
        return math.ceil(self.depth / self.lanes) * self.lanes

    @property
    def group(self) -> int:
        """Panels that are copied together."""
        panel = self.deep * self.panels[0].width * self.dtype.itemsize
        wanted = max(PAIR, math.ceil(self.panel_count / SHARES))
        most = GROUP // 2 if self.follows(self.panels[0]) else GROUP
        return max(1, min(most // panel, wanted, self._fitting(panel, OWN)))

    # ---- memory, in elements; every part begins at a multiple of 64 bytes

    def _aligned(self, elements: int) -> int:
        unit = 64 // self.dtype.itemsize
        return math.ceil(elements / unit) * unit

    @property
    def long(self) -> int:
        """Rows that a packed panel has room for."""
        return math.ceil(self.k / self.lanes) * self.lanes

    def packed(self, panels: Panels) -> int:
        """Where the first of these panels is in the work memory."""
        return sum(
            p.width * (p.stop - p.first) * self.long
            for p in self.panels
            if p.first < panels.first and not p.in_place
        )

    def _fitting(self, size: int, part: int) -> int:
        """Return how many pieces of so many bytes fit into a part of the room."""
        return int(min(self.room, 1e18)) // (part * size)

    @cached_property
    def together(self) -> int:
        """Panels whose copies are in the work memory at the same time: one round after the other if not all."""
        if self.near or self.panels[0].in_place:
            return self.panel_count
        panel = self.panels[0].width * self.long * self.dtype.itemsize
        part = 1 if self.reads_a else COMMON
        fitting = max(self._fitting(panel, part), FEW if self.folded and not self.turned else 1)
        return math.ceil(self.panel_count / math.ceil(self.panel_count / fitting))

    @property
    def own_b(self) -> int:
        """Elements of scratch memory for a group of panels."""
        return self.group * self.panels[0].width * self.deep if self.near else 0

    @property
    def shared(self) -> int:
        """Elements of work memory for copies of B, or of all of A."""
        if self.packs_a:
            whole = math.ceil(self.k / self.depth) * self.depth
            return self._aligned((whole if self.interleaved else self.stride) * self.m)
        if self.near:
            return 0
        if self.together < self.panel_count:
            return self._aligned(self.together * self.panels[0].width * self.long)
        return self._aligned(
            sum(p.width * (p.stop - p.first) * self.long for p in self.panels if not p.in_place)
        )

    @property
    def stride(self) -> int:
        """Elements from row to row of a copy of A that keeps its order: no power of 2."""
        return self._aligned(self.k if self.packs_a else self.depth) + 64 // self.dtype.itemsize

    @property
    def own_a(self) -> int:
        """Elements of scratch memory for a block of A."""
        if self.reads_a or self.packs_a:
            return 0
        rows = min(self.block * self.rows[0].height, self.m)
        return self._aligned(rows * (self.depth if self.interleaved else self.stride))

    @property
    def spill(self) -> int:
        """Elements from row to row of the sums that are not written straight to C.

        Where a panel is all there is, its rows follow one another, as those of C mostly do.
        """
        last = self.panels[-1]
        if self.blocked and self.near:
            return self.group * self.panels[0].width
        if self.blocked and self.together < self.panel_count:
            return self.together * self.panels[0].width
        if self.blocked:
            return last.start + last.width * (last.stop - last.first)
        return self.panels[0].width if self.panel_count > 1 else last.columns

    @property
    def own_sums(self) -> int:
        """Elements of scratch memory for sums."""
        if all(self.in_c(p) for p in self.panels):
            return 0
        tiles = self.block if self.blocked else 1
        rows = self.m if self.blocked and self.near else min(tiles * self.rows[0].height, self.m)
        return self._aligned(rows * self.spill + self.lanes)  # a last row may be written to a whole vector

    @property
    def asks(self) -> bool:
        """Whether kernels ask for the memory of the next tile: C is not at hand, and they are not too short for it."""
        return self.depth >= LONG and self.m * self.n * self.dtype.itemsize > LARGE

    @property
    def _distant(self) -> bool:
        """Whether no near cache has B, and sums are not too short to ask for it."""
        return not self.dotted and self.n * self.k * self.dtype.itemsize >= FOLLOW and self.depth >= LONG

    def follows(self, panels: Panels) -> int:
        """How many lines kernels ask for at each place of the next of these panels, so that nobody need wait for it."""
        if panels.stop - panels.first == 1:
            return 0
        if self.near:
            few = self.tile_count >= PASSING and self.m <= FEW_ROWS
            return LINES if few and self.b.row == 1 and self._distant else 0
        if panels.in_place:
            return int(self._distant and self.tile_count >= PASSING)
        return int(self.shared * self.dtype.itemsize >= FOLLOW)

    def far(self, panels: Panels) -> bool:
        """Whether kernels ask for rows of B where they stand, apart from each other, before they come to them."""
        return panels.in_place and self._distant and not self.follows(self.panels[0])

    @property
    def onward(self) -> bool:
        """Whether kernels ask for what comes of a copy of A that has a tile's rows side by side, and is not at hand."""
        copied = self.interleaved and not self.reads_a
        return copied and self.depth >= LONG and self.m * self.k * self.dtype.itemsize >= FOLLOW

    def narrow(self, panels: Panels) -> bool:
        """Whether half of a panel's last vector is enough, and takes half the time."""
        last = panels.columns - (panels.vectors - 1) * self.lanes
        return self.target.halves and not self.dotted and 2 * last <= self.lanes

    def in_c(self, panels: Panels) -> bool:
        """Whether kernels put these panels' sums down in C, complete ones or those before."""
        there = self.direct or (self.lent and self.blocked)
        return there and self.c.column == 1 and (self.masks or not panels.ragged)
