"""Joins, splits, repetitions, shifts and borders: arrays made of parts of others. All are linear."""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.errors import SettingError, ShapeError
from ..core.lowering import Place, result_layouts
from ..core.types import Array, Axis, Type, normalize_axes, normalize_axis, type_of
from .declare import as_array, fit, implements, linear
from .shape import (
    as_sizes,
    atleast_1d,
    atleast_2d,
    broadcast_to,
    expand_dims,
    ravel,
    reshape,
    take_ranges,
    unslice,
)


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
    dtype = np.result_type(*(x.dtype for x in map(as_array, xs)))
    return tuple(fit(x, dtype, np.shape(x)) for x in xs)


@linear(
    _part,
    typed=_concatenate_type,
    lowering=Place(result_layouts, zeros=False),
    name="concatenate",
    prepare=_promote,
)
def join(*xs: Array, axis: int) -> Array:
    """Arrays one after the other along an axis; each gets back its part."""
    return np.concatenate(xs, axis=axis)


# ---- with NumPy's arguments


@implements(np.concatenate, np.concat)
def concatenate(arrays: Sequence[Array], axis: int | None = 0, dtype: Any = None) -> Array:
    """Arrays one after the other along an axis."""
    parts = [as_array(a) for a in arrays]
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
    parts = [as_array(a) for a in arrays]
    if len({p.shape for p in parts}) != 1:
        raise ShapeError(f"stack of {', '.join(str(type_of(p)) for p in parts)}: the shapes must be equal")
    return concatenate(
        [expand_dims(p, axis) for p in parts], normalize_axis(axis, parts[0].ndim + 1, "stack")
    )


@implements(np.vstack)
def vstack(tup: Sequence[Array]) -> Array:
    """Rows under each other."""
    return concatenate([atleast_2d(as_array(a)) for a in tup], 0)


@implements(np.hstack)
def hstack(tup: Sequence[Array]) -> Array:
    """Side by side along the second axis; the first, of 1-d arrays."""
    parts = [atleast_1d(as_array(a)) for a in tup]
    return concatenate(parts, 0 if parts[0].ndim == 1 else 1)


@implements(np.column_stack)
def column_stack(tup: Sequence[Array]) -> Array:
    """1-d arrays as the columns of a matrix."""
    return concatenate([reshape(a, (-1, 1)) if a.ndim == 1 else a for a in map(as_array, tup)], 1)


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
    counts = as_sizes(reps)
    ndim = max(A.ndim, len(counts))
    counts = (1,) * (ndim - len(counts)) + counts
    shape = (1,) * (ndim - A.ndim) + A.shape
    pairs = tuple(n for count, length in zip(counts, shape, strict=True) for n in (count, length))
    spread = broadcast_to(reshape(A, tuple(n for length in shape for n in (1, length))), pairs)
    return reshape(spread, tuple(c * n for c, n in zip(counts, shape, strict=True)))


@implements(np.pad)
def pad(array: Array, pad_width: Any, mode: str = "constant", constant_values: Any = 0) -> Array:
    """Wider along each axis: by a constant, or by the array's own edge, reflection or repetition."""
    if mode not in ("constant", "edge", "reflect", "symmetric", "wrap"):
        raise SettingError(f"pad(mode={mode!r}): covered are constant, edge, reflect, symmetric and wrap")
    try:
        widths = np.broadcast_to(np.asarray(pad_width), (array.ndim, 2)).tolist()
    except ValueError:
        raise ShapeError(
            f"pad of {type_of(array)} by {pad_width}: one (before, after) for each axis"
        ) from None
    if any(width < 0 for pair in widths for width in pair):
        raise ShapeError(f"pad of {type_of(array)} by {pad_width}: cannot be negative; slice to cut off")
    if mode != "constant":
        for axis, (before, after) in enumerate(widths):
            source = np.pad(np.arange(array.shape[axis]), (before, after), mode=mode)  # type: ignore[call-overload]  # checked above
            array = np.take(array, source, axis)
        return array
    shape = tuple(n + b + a for n, (b, a) in zip(array.shape, widths, strict=True))
    ranges = tuple((b, 1, n) for n, (b, _) in zip(array.shape, widths, strict=True))
    y = unslice(array, ranges=ranges, shape=shape)
    if not np.any(constant_values):
        return y
    border = np.pad(np.zeros(array.shape, array.dtype), widths, constant_values=constant_values)
    return y + border
