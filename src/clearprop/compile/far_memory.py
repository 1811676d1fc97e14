"""What loops do about long arrays: they ask for them ahead, and store past the caches.

An ordinary store reads a cache line before it changes it, and writes it back later. Of what goes to memory and comes
from it while ``z = x + y`` runs over long arrays, that is a quarter.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence

import numpy as np

from .kernels import Access, Load, Loop
from .nest import Axis, accesses
from .text import Function, Value

DISTANT = 2**20  # bytes of an array, at least, beyond the second cache
FAR = 2**25  # bytes of a loop's arrays together, at least, that no cache holds
AHEAD, LINE = 2**12, 64  # bytes of a page, and of a cache line
MANY = 4  # arrays, at least, of which half a page ahead is enough
BYTE = np.dtype(np.uint8)
MARK = "!0 = !{i32 1}"


def ask(
    f: Function, loop: Loop, access: Access, place: Value, lanes: int, long: bool, write: bool = False
) -> None:
    """Ask for an array a page ahead of a place, if functions are long, or no cache has arrays and several are written.

    What a processor asks for by itself ends with a page, and is late where it has much else to do.
    """
    far = _far(loop)
    busy = long or (far and len(loop.stores) > 1)
    ahead = AHEAD // 2 if far and len(accesses(loop)) >= MANY else AHEAD
    if busy and access.buffer.bytes >= DISTANT:
        for line in range(0, lanes * access.buffer.type.dtype.itemsize, LINE):
            f.prefetch(f.at(place, ahead + line, BYTE), write, second=True)


def choosing_stores(
    f: Function,
    loop: Loop,
    axes: Sequence[Axis],
    bases: Sequence[Value],
    write: Callable[[Collection[int]], None],
) -> None:
    """Write a loop; where it may pay to store past the caches, both ways, of which one runs.

    It is the one past the caches if what is stored so begins a cache line and is not read in place.

    Parameters
    ----------
    f : Function
    loop : Loop
    axes : sequence of Axis
        Its nest.
    bases : sequence of Value
        The address of each array in `accesses`.
    write : callable
        ``write(past)`` writes the loop, which stores these arrays, by their numbers, past the caches.
    """
    known = accesses(loop)
    past = [n for n, access in enumerate(known) if _pays(loop, axes, n, access)] if _far(loop) else []
    if not past:
        write(())
        return
    whole = Value("-1", "i1")
    for n in past:
        rest = f.integer("and", f.make(f"ptrtoint {bases[n]} to i64", "i64"), LINE - 1)
        whole = f.binary("and", f.compare("icmp eq", rest, Value("0", "i64")), whole)
        for access, base in zip(known, bases, strict=True):
            if access.buffer.home == "input" and access.buffer.type == known[n].buffer.type:
                whole = f.binary("and", f.compare("icmp ne", bases[n], base), whole)

    def fenced() -> None:
        write(past)
        f.do("fence seq_cst")  # these stores wait for nobody; who is told that all is done has to find them

    f.when(whole, fenced)
    f.when(f.binary("xor", whole, Value("-1", "i1")), lambda: write(()))


def _pays(loop: Loop, axes: Sequence[Axis], n: int, access: Access) -> bool:
    """Whether an array is stored, not read here, and cut into whole lines by every axis but the last."""
    *outer, inner = [axis.strides[n] for axis in axes]
    buffer, dtype = access.buffer, access.buffer.type.dtype
    stored = any(store.access is access for store in loop.stores)
    read = any(isinstance(node, Load) and node.access.buffer is buffer for node in loop.nodes)
    lines = all(stride * dtype.itemsize % LINE == 0 for stride in outer)
    return stored and not read and inner == 1 and lines and dtype.kind != "b"


def _far(loop: Loop) -> bool:
    """Whether the first of what a loop reads and writes is in no cache any longer when the last is."""
    elements = math.prod(loop.shape)
    buffers = {access.buffer for access in accesses(loop)}
    return sum(min(b.bytes, elements * b.type.dtype.itemsize) for b in buffers) >= FAR


def store_past(f: Function, value: Value, place: Value, itemsize: int) -> None:
    """Write a whole vector of such elements to a place that a line begins at, or a vector if that is shorter."""
    f.module.globals["!0"] = MARK
    f.do(f"store {value}, {place}, align {min(value.lanes * itemsize, LINE)}, !nontemporal !0")
