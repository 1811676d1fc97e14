"""The nest of loops for a kernel: which axes can be walked as one, and which one is innermost."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.frozen import frozen
from .kernels import Access, Load, Loop


@frozen
class Axis:
    """An axis of the nest.

    Attributes
    ----------
    length : int
    strides : tuple of int
        Of each access, in elements.
    folded : tuple of bool
        For each fold, whether it combines along this axis.
    """

    length: int
    strides: tuple[int, ...]
    folded: tuple[bool, ...]


def accesses(loop: Loop, sums: Load | None = None) -> list[Access]:
    """Return what a loop reads, but for a product's sums, and writes, in a fixed order: loads, stores, folds."""
    loads = [n.access for n in loop.nodes if isinstance(n, Load) and n is not sums]
    return loads + [s.access for s in loop.stores] + [f.access for f in loop.folds]


def nest(loop: Loop) -> list[Axis]:
    """Return the axes of a loop, outermost first, merged where memory allows; at least one."""
    strides = [access.layout.strides for access in accesses(loop)]
    axes = [
        Axis(length, tuple(s[a] for s in strides), tuple(a in f.axes for f in loop.folds))
        for a, length in enumerate(loop.shape)
        if length != 1
    ]
    if not axes:
        return [Axis(1, tuple(0 for _ in strides), tuple(False for _ in loop.folds))]
    return _merged(_innermost_last(axes))


def _innermost_last(axes: Sequence[Axis]) -> list[Axis]:
    """Put the axis along which most memory is walked step by step at the end; the others keep their order."""

    def in_step(axis: Axis) -> tuple[int, int]:
        return sum(s == 1 for s in axis.strides) - sum(s > 1 for s in axis.strides), axis.length

    best = max(range(len(axes)), key=lambda a: (in_step(axes[a])[0], a))
    return [*axes[:best], *axes[best + 1 :], axes[best]]


def _merged(axes: Sequence[Axis]) -> list[Axis]:
    merged = [axes[0]]
    for axis in axes[1:]:
        outer = merged[-1]
        fits = all(o == i * axis.length for o, i in zip(outer.strides, axis.strides, strict=True))
        if fits and outer.folded == axis.folded:
            merged[-1] = Axis(outer.length * axis.length, axis.strides, axis.folded)
        else:
            merged.append(axis)
    return merged
