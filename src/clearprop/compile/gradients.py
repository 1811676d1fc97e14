"""Gradients of weights among what goes row by row: each part of the rows has sums of its own, which are added up after.

So a thread reads activations and errors that it has just written itself, and threads tell each other gradients alone:
much less, where weights are few beside what goes through them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace

from .fusion import sums_read
from .gain import EXCHANGE, abreast, by_rows, one_by_one
from .kernels import Buffer, Contraction, Kernel, Loop
from .sums import in_parts
from .target import Target

PAYING = 2  # times as much as a product of a mini-batch reads as it gives, at least


class Halves:
    """Products that sum over so many rows, in two halves: the sums, and the loop that these go through."""

    def __init__(self, kernels: Sequence[Kernel], rows: int) -> None:
        self.of = {
            k: in_parts(k, 1)[:2] for k in kernels if isinstance(k, Contraction) and _gradient(k, rows)
        }

    @property
    def sums(self) -> dict[Kernel, Contraction]:
        """The whole product, by its sums."""
        return {half: whole for whole, (half, _) in self.of.items()}

    def apart(self, kernels: Sequence[Kernel]) -> list[Kernel]:
        """Return kernels, halves in place of products."""
        return [half for k in kernels for half in self._halves(k)]

    def _halves(self, kernel: Kernel) -> tuple[Kernel, ...]:
        return self.of.get(kernel, (kernel,)) if isinstance(kernel, Contraction) else (kernel,)

    def left(self, inside: Collection[Kernel]) -> bool:
        """Make those whole again whose sums are not among some kernels; return whether there are any."""
        gone = [whole for half, whole in self.sums.items() if half not in inside]
        for whole in gone:
            del self.of[whole]
        return bool(gone)

    def pay(self, target: Target, inside: Sequence[Kernel], parts: int) -> bool:
        """Whether two threads are faster if gradients go along."""
        rows = [k for k in inside if k not in self.sums]
        loops = [in_parts(whole, parts)[1] for whole in self.of]
        told = sum(parts * whole.output.buffer.bytes / 2 for whole in self.of)
        read = sum(_read(whole) for whole in self.of)
        without = min(one_by_one(target, rows), by_rows(target, rows)) + abreast(target, [*self.of])
        along = by_rows(target, inside) + abreast(target, loops)
        return along + told / EXCHANGE < without + read / EXCHANGE

    def parted(
        self, inside: Sequence[Kernel], after: Sequence[Kernel], parts: int
    ) -> tuple[list[Kernel], list[Kernel], list[Buffer]]:
        """Return kernels of a group and after it, the sums in so many parts, and where these are.

        A loop that alone reads what is added up, as an update of narrow weights does, goes along.
        """
        inside, after, sums = self._early(inside), list(after), list[Buffer]()
        readers = Counter(b for k in after for b in {*k.reads()})
        for whole, (half, rest) in self.of.items():
            last, result = rest, whole.output.buffer
            if whole.loop is None and result.home == "work" and readers[result] == 1:
                reader = next(kernel for kernel in after if result in kernel.reads())
                load = sums_read(reader, whole) if isinstance(reader, Loop) else None
                if load and isinstance(reader, Loop):
                    whole, last = replace(whole, loop=reader, sums=load), reader
                    after.remove(rest)
            inside[inside.index(half)], after[after.index(last)], buffer = in_parts(whole, parts)
            sums.append(buffer)
        return inside, after, sums

    def _early(self, inside: Sequence[Kernel]) -> list[Kernel]:
        """Return kernels with sums as early as can be: errors may then take the place of activations."""
        order: list[Kernel] = []
        waiting = dict.fromkeys(kernel for kernel in inside if kernel in self.sums)
        for kernel in inside:
            if kernel not in self.sums:
                order.append(kernel)
                later = {b for k in inside[inside.index(kernel) + 1 :] for b in k.writes()}
                ready = [k for k in waiting if later.isdisjoint(k.reads())]
                order += ready
                for k in ready:
                    del waiting[k]
        return [*order, *waiting]


def _read(kernel: Contraction) -> float:
    """Return how many bytes each of two threads has from the other if half of the results is each one's."""
    (m, n), rows = kernel.output.layout.shape, kernel.inputs[0].layout.shape[1]
    return rows * (m / 4 + n / 2) * kernel.output.buffer.type.dtype.itemsize


def _gradient(kernel: Contraction, rows: int) -> bool:
    """Whether a product sums over the rows, and gives little beside what it reads.

    A layer as wide as there are rows sums over as many, but along a row.
    """
    shape, a = kernel.output.layout.shape, kernel.inputs[0].layout
    if not kernel.tiled or len(shape) != 2 or a.shape[1] != rows or a.strides[1] < a.strides[0]:
        return False
    m, n = shape
    return PAYING * m * n <= rows * (m + n)
