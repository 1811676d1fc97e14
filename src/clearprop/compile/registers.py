"""A loop over a tile of C while its sums are still in registers: every vector written out, row after row."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .kernels import Access, Apply, Folded, Load, Loop, Node, Number
from .target import Target
from .text import Function, Value, value_type
from .vocabulary import compute, convert, weight

LIGHT = 20  # simple functions of a vector at most: heavier loops are written once, not for every vector

Corner = Callable[[Access], Value]
"""From an access over the index space of C to the address of its element at the tile's first place."""

Known = dict[tuple[int, int, int, int], Value]
"""Values of nodes, by the node's id, row, vector and number of lanes."""


def fits(loop: Loop) -> bool:
    """Whether a loop is light, and reads and writes along the rows of C."""
    heavy = sum(weight(n.function) for n in loop.nodes if isinstance(n, Apply)) > LIGHT
    loads = [n.access.layout.strides[-1] for n in loop.nodes if isinstance(n, Load)]
    written = [e.access.layout.strides[-1] for e in loop.ends]
    return not heavy and {0, 1}.issuperset(loads) and {1}.issuperset(written)


class Registers:
    """Writes a loop over C into a kernel's function, for its tile.

    Parameters
    ----------
    f, target
    loop : Loop
    source : Load
        The loop's node that stands for the sums.
    sums : rows of vectors
    mask : Value or None
        Lanes of a row's last vector that exist; None if all do.
    corner : Corner
    known : mapping
        What `settle` has returned for the same loop, in the same function.
    """

    def __init__(
        self,
        f: Function,
        target: Target,
        loop: Loop,
        source: Load,
        sums: Sequence[Sequence[Value]],
        mask: Value | None,
        corner: Corner,
        known: Known | None = None,
    ) -> None:
        self.f, self.target, self.loop, self.mask = f, target, loop, mask
        self.rows, self.vectors, self.lanes = len(sums), len(sums[0]), sums[0][0].lanes
        self.loads = [n for n in loop.nodes if isinstance(n, Load) and n is not source]
        self.moving = [self._moving(source, axis) for axis in (-2, -1)]
        self.known: Known = {
            (id(source), i, j, self.lanes): value for i, row in enumerate(sums) for j, value in enumerate(row)
        }
        self.known |= known or {}
        accesses = [n.access for n in self.loads] + [e.access for e in loop.ends]
        self.corners = {id(access): corner(access) for access in accesses}

    def _moving(self, source: Load, axis: int) -> set[int]:
        """Return the nodes whose values change along an axis of C."""
        read = [n for n in self.loads if n.access.layout.strides[axis] != 0]
        return self.loop.depending([source, *read])

    def settle(self) -> Known:
        """Compute the nodes whose values are the same everywhere, and return these."""
        moving = set[int].union(*self.moving)
        still = [n for n in self.loop.nodes if id(n) not in moving and not isinstance(n, Number)]
        for node in still:
            self._value(node, 0, 0, self.lanes)
        ids = {id(n) for n in still}
        return {key: value for key, value in self.known.items() if key[0] in ids}

    def write(self) -> None:
        """Write the loop.

        What is read of a row is read before the row above is written: a store of some lanes would hold up
        a load that touches the others.
        """
        self._read(0)
        for i in range(self.rows):
            self._read(i + 1)
            for j in range(self.vectors):
                for store in self.loop.stores:
                    self._store(self._value(store.node, i, j, self.lanes), store.access, i, j)
        for fold in self.loop.folds:
            for j in range(self.vectors):
                self._fold(fold, j)

    def _read(self, i: int) -> None:
        for node in self.loads if i < self.rows else ():
            for j in range(self.vectors):
                self._value(node, i, j, self.lanes)

    def _value(self, node: Node, i: int, j: int, lanes: int) -> Value:
        """Return a node's value in a vector of a row; what is the same in several is computed once."""
        if isinstance(node, Number):
            return self.f.constant(node.value, value_type(node.dtype), lanes)
        down, along = (id(node) in moving for moving in self.moving)
        i, j = i if down else 0, j if along else 0
        if (id(node), i, j, lanes) not in self.known:
            if lanes > 1 and not along:
                found = self.f.spread(self._value(node, i, j, 1), lanes)
            elif isinstance(node, Load):
                found = self._load(node.access, i, j, lanes)
            else:
                args = [self._value(a, i, j, lanes) for a in node.args]
                dtypes = [a.dtype for a in node.args]
                found = compute(self.f, self.target, node.function, args, dtypes, node.dtype, node.params)
            self.known[id(node), i, j, lanes] = found
        return self.known[id(node), i, j, lanes]

    def _place(self, access: Access, i: int, j: int) -> Value:
        down, along = access.layout.strides[-2:]
        return self.f.at(
            self.corners[id(access)], i * down + j * self.lanes * along, access.buffer.type.dtype
        )

    def _masked(self, j: int) -> Value | None:
        return self.mask if j == self.vectors - 1 else None

    def _load(self, access: Access, i: int, j: int, lanes: int) -> Value:
        place, dtype = self._place(access, i, j), access.buffer.type.dtype
        if lanes == 1 or not (mask := self._masked(j)):
            return self.f.load(place, dtype, lanes)
        read = self.f.masked_load(place, mask, dtype)
        return self.f.convert("trunc", read, "i1") if dtype.kind == "b" else read

    def _fold(self, fold: Folded, j: int) -> None:
        """Combine a column of vectors with what is in memory."""
        dtype = fold.access.buffer.type.dtype
        total = self._load(fold.access, 0, j, self.lanes)
        for i in range(self.rows):
            value = self._value(fold.node, i, j, self.lanes)
            value = convert(self.f, self.target, value, fold.node.dtype, dtype)
            total = compute(self.f, self.target, fold.combine, [total, value], [dtype, dtype], dtype, {})
        self._store(total, fold.access, 0, j)

    def _store(self, value: Value, access: Access, i: int, j: int) -> None:
        place, dtype = self._place(access, i, j), access.buffer.type.dtype
        if mask := self._masked(j):
            byte = self.f.convert("zext", value, "i8") if dtype.kind == "b" else value
            self.f.masked_store(byte, place, mask, dtype)
        else:
            self.f.store(value, place, dtype)
