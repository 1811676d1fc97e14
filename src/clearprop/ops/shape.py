"""Views: the same elements in another shape or order, or some of them. All are linear."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.errors import ShapeError
from ..core.lowering import Layout, Place, View
from ..core.types import Array, Type, broadcast_shapes, normalize_axes, normalize_axis, type_of
from .declare import as_array, implements, linear

Shape = tuple[int, ...]

# ---- the operations


def _reshape_type(x: Type, *, shape: Shape) -> Type:
    if math.prod(shape) != x.size:
        raise ShapeError(f"reshape of {x} to {list(shape)}: {x.size} elements are not {math.prod(shape)}")
    return Type(shape, x.dtype)


def _reshape_back(ct: Array, x: Array, *, shape: Shape) -> Array:
    return reshape_to(ct, shape=x.shape)


@linear(_reshape_back, typed=_reshape_type, lowering=View(Layout.reshaped), name="reshape")
def reshape_to(x: Array, *, shape: Shape) -> Array:
    """The same elements, in row order, in another shape."""
    return np.reshape(x, shape)


def _inverse(axes: Shape) -> Shape:
    return tuple(int(i) for i in np.argsort(axes))


def _permute_back(ct: Array, x: Array, *, axes: Shape) -> Array:
    return permute(ct, axes=_inverse(axes))


@linear(
    _permute_back,
    typed=lambda x, *, axes: Type(tuple(x.shape[a] for a in axes), x.dtype),
    lowering=View(Layout.permuted),
    name="transpose",
)
def permute(x: Array, *, axes: Shape) -> Array:
    """Axes in another order."""
    return np.transpose(x, axes)


def _sum_to(ct: Array, shape: Shape) -> Array:
    """Sum away what broadcasting from a shape has repeated."""
    lead = ct.ndim - len(shape)
    repeated = [i for i in range(ct.ndim) if i < lead or (shape[i - lead] == 1 and ct.shape[i] != 1)]
    return reshape_to(np.sum(ct, axis=tuple(repeated)), shape=shape)


def _broadcast_type(x: Type, *, shape: Shape) -> Type:
    if broadcast_shapes([x.shape, shape], "broadcast_to") != shape:
        raise ShapeError(f"{x} cannot be broadcast to {list(shape)}")
    return Type(shape, x.dtype)


@linear(
    lambda ct, x, *, shape: _sum_to(ct, x.shape),
    typed=_broadcast_type,
    lowering=View(Layout.broadcast),
    name="broadcast_to",
)
def broadcast(x: Array, *, shape: Shape) -> Array:
    """Repeated along new axes and axes of length 1."""
    return np.broadcast_to(x, shape)


Ranges = tuple[tuple[int, int, int], ...]
"""(start, step, length) for each axis."""


def _slices(ranges: Ranges) -> tuple[slice, ...]:
    def one(start: int, step: int, length: int) -> slice:
        stop = start + step * length
        return slice(start, stop if stop >= 0 else None, step) if length else slice(0, 0)

    return tuple(one(*r) for r in ranges)


def _slice_back(ct: Array, x: Array, *, ranges: Ranges) -> Array:
    return unslice(ct, ranges=ranges, shape=x.shape)


@linear(
    _slice_back,
    typed=lambda x, *, ranges: Type(tuple(n for _, _, n in ranges), x.dtype),
    lowering=View(Layout.sliced),
    name="slice",
)
def take_ranges(x: Array, *, ranges: Ranges) -> Array:
    """The elements start, start + step, ... of each axis."""
    return x[_slices(ranges)]


def _ranges_of(result: Layout, types: Sequence[Type], *, ranges: Ranges, shape: Shape) -> list[Layout]:
    return [result.sliced(ranges)]


@linear(
    lambda ct, x, *, ranges, shape: take_ranges(ct, ranges=ranges),
    typed=lambda x, *, ranges, shape: Type(shape, x.dtype),
    lowering=Place(_ranges_of, zeros=True),
)
def unslice(x: Array, *, ranges: Ranges, shape: Shape) -> Array:
    """Zeros, with x where slice would read."""
    y = np.zeros(shape, x.dtype)
    y[_slices(ranges)] = x
    return y


# ---- with NumPy's arguments


def as_sizes(shape: Any) -> Shape:
    """Return a shape, given as one number or as several."""
    return (
        (operator.index(shape),)
        if not isinstance(shape, (tuple, list))
        else tuple(map(operator.index, shape))
    )


@implements(np.reshape)
def reshape(a: Array, shape: Any, order: str = "C") -> Array:
    """The same elements in another shape; one size may be −1."""
    if order != "C":
        raise ShapeError(f"reshape with order={order!r}: only row order 'C' is covered; transpose first")
    sizes = as_sizes(shape)
    if sizes.count(-1) == 1:
        known = math.prod(n for n in sizes if n != -1)
        if known == 0 or a.size % known:
            raise ShapeError(f"reshape of {type_of(a)} to {list(sizes)}: {a.size} is no multiple of {known}")
        sizes = tuple(a.size // known if n == -1 else n for n in sizes)
    return a if sizes == a.shape else reshape_to(a, shape=sizes)


@implements(np.ravel)
def ravel(a: Array, order: str = "C") -> Array:
    """All elements on one axis."""
    return reshape(a, -1, order) if a.size else reshape(a, (0,))


@implements(np.transpose, np.permute_dims)
def transpose(a: Array, axes: Sequence[int] | None = None) -> Array:
    """Axes in the given order, or reversed."""
    order = (
        tuple(reversed(range(a.ndim)))
        if axes is None
        else tuple(normalize_axis(i, a.ndim, "transpose") for i in axes)
    )
    if sorted(order) != list(range(a.ndim)):
        raise ShapeError(f"transpose of {type_of(a)} with axes {list(order)}: each axis must come once")
    return a if order == tuple(range(a.ndim)) else permute(a, axes=order)


@implements(np.matrix_transpose)
def matrix_transpose(x: Array) -> Array:
    """The last two axes swapped."""
    return swapaxes(x, -1, -2)


@implements(np.swapaxes)
def swapaxes(a: Array, axis1: int, axis2: int) -> Array:
    """Two axes swapped."""
    order = list(range(a.ndim))
    i, j = (normalize_axis(axis, a.ndim, "swapaxes") for axis in (axis1, axis2))
    order[i], order[j] = j, i
    return transpose(a, order)


@implements(np.moveaxis)
def moveaxis(a: Array, source: Any, destination: Any) -> Array:
    """Axes moved to other places, the rest in order."""
    sources = [normalize_axis(i, a.ndim, "moveaxis") for i in as_sizes(source)]
    targets = [normalize_axis(i, a.ndim, "moveaxis") for i in as_sizes(destination)]
    if len(sources) != len(targets):
        raise ShapeError(f"moveaxis: {len(sources)} sources for {len(targets)} destinations")
    order = [i for i in range(a.ndim) if i not in sources]
    for target, source_axis in sorted(zip(targets, sources, strict=True)):
        order.insert(target, source_axis)
    return transpose(a, order)


@implements(np.squeeze)
def squeeze(a: Array, axis: Any = None) -> Array:
    """Axes of length 1 removed."""
    axes = (
        [i for i, n in enumerate(a.shape) if n == 1]
        if axis is None
        else normalize_axes(axis, a.ndim, "squeeze")
    )
    if any(a.shape[i] != 1 for i in axes):
        raise ShapeError(f"squeeze of {type_of(a)} along {axis}: that axis is longer than 1")
    return reshape(a, tuple(n for i, n in enumerate(a.shape) if i not in axes))


@implements(np.expand_dims)
def expand_dims(a: Array, axis: Any) -> Array:
    """New axes of length 1."""
    added = len(as_sizes(axis))
    axes = normalize_axes(axis, a.ndim + added, "expand_dims")
    rest = iter(a.shape)
    return reshape(a, tuple(1 if i in axes else next(rest) for i in range(a.ndim + added)))


@implements(np.atleast_1d)
def atleast_1d(*arys: Array) -> Any:
    """At least one axis."""
    made = tuple(reshape(a, (1,)) if np.ndim(a) == 0 else a for a in arys)
    return made[0] if len(made) == 1 else made


@implements(np.atleast_2d)
def atleast_2d(*arys: Array) -> Any:
    """At least two axes, new ones in front."""
    made = tuple(reshape(a, (1,) * (2 - np.ndim(a)) + np.shape(a)) if np.ndim(a) < 2 else a for a in arys)
    return made[0] if len(made) == 1 else made


@implements(np.broadcast_to)
def broadcast_to(array: Array, shape: Any) -> Array:
    """Repeated to a shape, as arithmetic would."""
    sizes = as_sizes(shape)
    return array if array.shape == sizes else broadcast(array, shape=sizes)


@implements(np.broadcast_arrays)
def broadcast_arrays(*args: Array) -> tuple[Array, ...]:
    """All repeated to their common shape."""
    shape = broadcast_shapes([np.shape(a) for a in args], "broadcast_arrays")
    return tuple(broadcast_to(as_array(a), shape) for a in args)
