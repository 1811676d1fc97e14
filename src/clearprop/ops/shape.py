"""Views and joins: the same elements in another arrangement. All are linear."""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.errors import ShapeError
from ..core.types import Array, Axis, Type, broadcast_shapes, normalize_axes, normalize_axis, type_of
from .declare import fit, implements, linear

Shape = tuple[int, ...]

# ---- the operations


def _reshape_type(x: Type, *, shape: Shape) -> Type:
    if math.prod(shape) != x.size:
        raise ShapeError(f"reshape of {x} to {list(shape)}: {x.size} elements are not {math.prod(shape)}")
    return Type(shape, x.dtype)


def _reshape_back(ct: Array, x: Array, *, shape: Shape) -> Array:
    return reshape_to(ct, shape=x.shape)


@linear(_reshape_back, typed=_reshape_type, name="reshape")
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


@linear(lambda ct, x, *, shape: _sum_to(ct, x.shape), typed=_broadcast_type, name="broadcast_to")
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
    name="slice",
)
def take_ranges(x: Array, *, ranges: Ranges) -> Array:
    """The elements start, start + step, ... of each axis."""
    return x[_slices(ranges)]


@linear(
    lambda ct, x, *, ranges, shape: take_ranges(ct, ranges=ranges),
    typed=lambda x, *, ranges, shape: Type(shape, x.dtype),
)
def unslice(x: Array, *, ranges: Ranges, shape: Shape) -> Array:
    """Zeros, with x where slice would read."""
    y = np.zeros(shape, x.dtype)
    y[_slices(ranges)] = x
    return y


def _part(i: int, ct: Array, *xs: Array, axis: int) -> Array:
    start = math.fsum(x.shape[axis] for x in xs[:i])
    ranges = tuple((int(start) if a == axis else 0, 1, xs[i].shape[a]) for a in range(ct.ndim))
    return take_ranges(ct, ranges=ranges)


def _concatenate_type(*xs: Type, axis: int) -> Type:
    first = xs[0]
    for x in xs[1:]:
        if x.ndim != first.ndim or any(
            a != axis and n != m for a, (n, m) in enumerate(zip(x.shape, first.shape, strict=True))
        ):
            raise ShapeError(f"concatenate of {first} and {x} along axis {axis}: other sizes differ")
    shape = list(first.shape)
    shape[axis] = sum(x.shape[axis] for x in xs)
    return Type(shape, first.dtype)


def _promote(xs: tuple[Any, ...]) -> tuple[Any, ...]:
    dtype = np.result_type(*(x.dtype for x in map(_array, xs)))
    return tuple(fit(x, dtype, np.shape(x)) for x in xs)


@linear(_part, typed=_concatenate_type, name="concatenate", prepare=_promote)
def join(*xs: Array, axis: int) -> Array:
    """Arrays one after the other along an axis; each gets back its part."""
    return np.concatenate(xs, axis=axis)


# ---- with NumPy's arguments


def _array(x: Any) -> Array:
    return x if hasattr(x, "dtype") and hasattr(x, "shape") else np.asarray(x)


def _sizes(shape: Any) -> Shape:
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
    sizes = _sizes(shape)
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
    sources = [normalize_axis(i, a.ndim, "moveaxis") for i in _sizes(source)]
    targets = [normalize_axis(i, a.ndim, "moveaxis") for i in _sizes(destination)]
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
    added = len(_sizes(axis))
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
    sizes = _sizes(shape)
    return array if array.shape == sizes else broadcast(array, shape=sizes)


@implements(np.broadcast_arrays)
def broadcast_arrays(*args: Array) -> tuple[Array, ...]:
    """All repeated to their common shape."""
    shape = broadcast_shapes([np.shape(a) for a in args], "broadcast_arrays")
    return tuple(broadcast_to(_array(a), shape) for a in args)


@implements(np.concatenate, np.concat)
def concatenate(arrays: Sequence[Array], axis: int | None = 0, dtype: Any = None) -> Array:
    """Arrays one after the other along an axis."""
    parts = [_array(a) for a in arrays]
    if not parts:
        raise ShapeError("concatenate needs at least one array")
    if dtype is not None:
        parts = [np.astype(p, np.dtype(dtype)) for p in parts]
    if axis is None:
        parts, axis = [np.reshape(p, -1) for p in parts], 0
    ndims = {p.ndim for p in parts}
    if len(ndims) > 1 or ndims == {0}:
        raise ShapeError(
            f"concatenate of {', '.join(str(type_of(p)) for p in parts)}: the numbers of axes "
            "must be equal and not 0; np.stack makes a new axis"
        )
    return join(*parts, axis=normalize_axis(axis, parts[0].ndim, "concatenate"))


@implements(np.stack)
def stack(arrays: Sequence[Array], axis: int = 0) -> Array:
    """Arrays of one shape, side by side along a new axis."""
    parts = [_array(a) for a in arrays]
    if len({p.shape for p in parts}) != 1:
        raise ShapeError(f"stack of {', '.join(str(type_of(p)) for p in parts)}: the shapes must be equal")
    return concatenate(
        [expand_dims(p, axis) for p in parts], normalize_axis(axis, parts[0].ndim + 1, "stack")
    )


@implements(np.vstack)
def vstack(tup: Sequence[Array]) -> Array:
    """Rows under each other."""
    return concatenate([atleast_2d(_array(a)) for a in tup], 0)


@implements(np.hstack)
def hstack(tup: Sequence[Array]) -> Array:
    """Side by side along the second axis; the first, of 1-d arrays."""
    parts = [atleast_1d(_array(a)) for a in tup]
    return concatenate(parts, 0 if parts[0].ndim == 1 else 1)


@implements(np.column_stack)
def column_stack(tup: Sequence[Array]) -> Array:
    """1-d arrays as the columns of a matrix."""
    return concatenate([reshape(a, (-1, 1)) if a.ndim == 1 else a for a in map(_array, tup)], 1)


@implements(np.array_split)
def array_split(ary: Array, indices_or_sections: Any, axis: int = 0) -> list[Array]:
    """Parts along an axis, at indices or in nearly equal number."""
    at = normalize_axis(axis, ary.ndim, "split")
    n = ary.shape[at]
    if np.ndim(indices_or_sections):
        cuts = [operator.index(i) for i in indices_or_sections]
    else:
        sizes = [len(part) for part in np.array_split(np.arange(n), indices_or_sections)]
        cuts = [int(c) for c in np.cumsum(sizes)[:-1]]
    bounds = [0, *cuts, n]
    index: list[Any] = [slice(None)] * ary.ndim
    parts = []
    for start, stop in itertools.pairwise(bounds):
        index[at] = slice(start, stop)
        parts.append(ary[tuple(index)])
    return parts


@implements(np.split)
def split(ary: Array, indices_or_sections: Any, axis: int = 0) -> list[Array]:
    """Parts along an axis, at indices or in equal number."""
    n = ary.shape[normalize_axis(axis, ary.ndim, "split")]
    if not np.ndim(indices_or_sections) and n % indices_or_sections:
        raise ShapeError(
            f"split of {type_of(ary)} along axis {axis}: {n} is no multiple of {indices_or_sections}"
        )
    parts: list[Array] = array_split(ary, indices_or_sections, axis)
    return parts


@implements(np.flip)
def flip(m: Array, axis: Axis = None) -> Array:
    """Order reversed along axes."""
    axes = normalize_axes(axis, m.ndim, "flip")
    ranges = [(n - 1, -1, n) if i in axes else (0, 1, n) for i, n in enumerate(m.shape)]
    return take_ranges(m, ranges=tuple(ranges))


@implements(np.roll)
def roll(a: Array, shift: Any, axis: Axis = None) -> Array:
    """Shifted along axes, what leaves at the end coming in at the front."""
    if axis is None:
        return reshape(roll(ravel(a), shift, 0), a.shape)
    for by, i in np.broadcast(shift, axis):
        at = normalize_axis(i, a.ndim, "roll")
        cut = a.shape[at] - by % a.shape[at] if a.shape[at] else 0
        if cut % (a.shape[at] or 1):
            first, last = array_split(a, [cut], at)
            a = concatenate([last, first], at)
    return a


@implements(np.repeat)
def repeat(a: Array, repeats: Any, axis: int | None = None) -> Array:
    """Each element several times, one after the other."""
    x = ravel(a) if axis is None else a
    at = 0 if axis is None else normalize_axis(axis, x.ndim, "repeat")
    if np.ndim(repeats) == 0:
        n = operator.index(repeats)
        wide = broadcast_to(expand_dims(x, at + 1), (*x.shape[: at + 1], n, *x.shape[at + 1 :]))
        return reshape(wide, (*x.shape[:at], x.shape[at] * n, *x.shape[at + 1 :]))
    return np.take(x, np.repeat(np.arange(x.shape[at]), repeats), at)


@implements(np.tile)
def tile(A: Array, reps: Any) -> Array:
    """The whole array several times along each axis."""
    counts = _sizes(reps)
    ndim = max(A.ndim, len(counts))
    counts = (1,) * (ndim - len(counts)) + counts
    shape = (1,) * (ndim - A.ndim) + A.shape
    pairs = tuple(n for count, length in zip(counts, shape, strict=True) for n in (count, length))
    spread = broadcast_to(reshape(A, tuple(n for length in shape for n in (1, length))), pairs)
    return reshape(spread, tuple(c * n for c, n in zip(counts, shape, strict=True)))


@implements(np.pad)
def pad(array: Array, pad_width: Any, mode: str = "constant", constant_values: Any = 0) -> Array:
    """Wider along each axis: by a constant, or by the array's own edge, reflection or repetition."""
    widths = np.broadcast_to(np.asarray(pad_width), (array.ndim, 2)).tolist()
    if mode != "constant":
        for axis, (before, after) in enumerate(widths):
            source = np.pad(np.arange(array.shape[axis]), (before, after), mode=mode)  # type: ignore[call-overload]
            array = np.take(array, source, axis)
        return array
    shape = tuple(n + b + a for n, (b, a) in zip(array.shape, widths, strict=True))
    ranges = tuple((b, 1, n) for n, (b, _) in zip(array.shape, widths, strict=True))
    y = unslice(array, ranges=ranges, shape=shape)
    if not np.any(constant_values):
        return y
    border = np.pad(np.zeros(array.shape, array.dtype), widths, constant_values=constant_values)
    return y + border
