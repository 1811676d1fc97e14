"""Indexing: elements picked by integers, and added back where they came from.

Gather and scatter-add are each other's transpose. An index out of range is NumPy's IndexError.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ..core.errors import ShapeError
from ..core.traced import Traced, refuse
from ..core.types import Array, Type, broadcast_shapes, normalize_axis, type_of
from .declare import fit, implements, linear
from .shape import concatenate, moveaxis, reshape, take_ranges, transpose

# ---- the operations


def _gather_type(x: Type, *indices: Type) -> Type:
    return Type(indices[0].shape + x.shape[len(indices) :], x.dtype)


def _prepare_gather(args: tuple[Any, ...]) -> tuple[Any, ...]:
    shape = broadcast_shapes([np.shape(i) for i in args[1:]], "indexing")
    return args[0], *(_index(i, shape) for i in args[1:])


def _index(index: Array, shape: tuple[int, ...]) -> Array:
    kind = index.dtype.kind if hasattr(index, "dtype") else np.asarray(index).dtype.kind
    if kind not in "iu":
        raise ShapeError(f"an array can be indexed by integers, not by {type_of(index)}")
    return fit(index, np.dtype(np.int64), shape)


def _gather_transpose(i: int, ct: Array, x: Array, *indices: Array) -> Array | None:
    return scatter_zeros(ct, *indices, shape=x.shape) if i == 0 else None


def _scatter_transpose(i: int, ct: Array, x: Array, *indices: Array, shape: tuple[int, ...]) -> Array | None:
    return gather_leading(ct, *indices) if i == 0 else None


@linear(_gather_transpose, typed=_gather_type, name="gather", prepare=_prepare_gather)
def gather_leading(x: Array, *indices: Array) -> Array:
    """x[i, j, ...]: the elements at integer indices of the leading axes."""
    return x[indices]


@linear(
    _scatter_transpose,
    typed=lambda x, *indices, shape: Type(shape, x.dtype),
    name="scatter_add",
    prepare=_prepare_gather,
)
def scatter_zeros(x: Array, *indices: Array, shape: tuple[int, ...]) -> Array:
    """Zeros, with each element of x added at its indices: what meets in one place is summed."""
    y = np.zeros(shape, x.dtype)
    np.add.at(y, indices, x)
    return y


def gather(x: Array, *indices: Array) -> Array:
    """Return the elements of x at integer indices of its leading axes.

    Parameters
    ----------
    x : array[n0, n1, ...]
    *indices : integer arrays
        One for each leading axis, broadcast together to a shape s.

    Returns
    -------
    array[s..., rest of x's axes]

    Examples
    --------
    >>> gather(np.array([[1., 2.], [3., 4.]]), np.array([0, 1]), np.array([1, 1]))
    array([2., 4.])
    """
    return getitem(x, indices) if _is_traced(x, *indices) else np.asarray(x)[indices]


def scatter_add(x: Array, indices: Array | tuple[Array, ...], updates: Array) -> Array:
    """Return x with updates added at integer indices of its leading axes; equal indices add up.

    Parameters
    ----------
    x : array[n0, n1, ...]
    indices : integer array of shape s, or a tuple of them, one for each leading axis
    updates : array[s..., rest of x's axes]

    Examples
    --------
    >>> scatter_add(np.zeros(3), np.array([0, 2, 2]), np.array([1., 2., 3.]))
    array([1., 0., 5.])
    """
    where = indices if isinstance(indices, tuple) else (indices,)
    shape = broadcast_shapes([np.shape(i) for i in where], "scatter_add")
    updates = np.broadcast_to(updates, shape + x.shape[len(where) :])
    return x + scatter_zeros(updates, *where, shape=x.shape)


def _is_traced(*values: Any) -> bool:
    return any(isinstance(v, Traced) for v in values)


# ---- x[...]


@implements("getitem")
def getitem(x: Array, index: Any) -> Array:
    """x[index] with NumPy's rules for integers, slices, None, ... and integer arrays."""
    parts = _expand(index if isinstance(index, tuple) else (index,), x)
    advanced = [i for i, p in enumerate(parts) if _is_array(p)]
    if advanced:  # beside arrays, an integer is an array too
        parts = [np.asarray(p) if isinstance(p, int) else p for p in parts]
        advanced = [i for i, p in enumerate(parts) if _is_array(p)]
    ranges, axis = [], 0
    for part in parts:
        if part is not None:
            ranges.append(_range(part, x.shape[axis], axis))
            axis += 1
    y = (
        x
        if all(r == (0, 1, n) for r, n in zip(ranges, x.shape, strict=True))
        else take_ranges(x, ranges=tuple(ranges))
    )
    if not advanced:
        lengths = iter(y.shape)
        kept = [(1 if p is None else next(lengths), isinstance(p, int)) for p in parts]
        return reshape(y, tuple(n for n, dropped in kept if not dropped))
    return _gather_parts(y, parts, advanced)


def _is_array(part: Any) -> bool:
    return isinstance(part, (np.ndarray, Traced))


def _expand(index: tuple[Any, ...], x: Array) -> list[Any]:
    """Return one slice, int, integer array or None for each axis of x and each new one."""
    parts: list[Any] = []
    for part in index:
        if isinstance(part, (list, bool, np.bool_)):
            part = np.asarray(part)
        if isinstance(part, Traced) and part.dtype.kind == "b":
            refuse(
                f"x[mask] with a traced mask {part.type} would have a shape that depends on its values.",
                "Keep the shape: np.where(mask, x, 0), or a mask computed outside the traced function.",
            )
        if isinstance(part, np.ndarray) and part.dtype.kind == "b":
            parts.extend(part.nonzero())
        elif part is None or part is Ellipsis or isinstance(part, slice) or _is_array(part):
            parts.append(part)
        else:
            parts.append(operator.index(part))
    used = sum(p is not None and p is not Ellipsis for p in parts)
    if used > x.ndim:
        raise IndexError(f"too many indices: {used} for {type_of(x)}")
    fill = [slice(None)] * (x.ndim - used)
    dots = [i for i, p in enumerate(parts) if p is Ellipsis]
    if len(dots) > 1:
        raise IndexError("an index can hold one ellipsis ('...') only")
    at = dots[0] if dots else len(parts)
    return parts[:at] + fill + parts[at + 1 :]


def _range(part: Any, length: int, axis: int) -> tuple[int, int, int]:
    if isinstance(part, slice):
        start, stop, step = part.indices(length)
        count = len(range(start, stop, step))
        return (start, step, count) if count else (0, 1, 0)
    if isinstance(part, int):
        if not -length <= part < length:
            raise IndexError(f"index {part} is out of range for axis {axis} of length {length}")
        return part % length, 1, 1
    return 0, 1, length


def _gather_parts(y: Array, parts: list[Any], advanced: list[int]) -> Array:
    axes = [i for i, p in enumerate(p for p in parts if p is not None) if _is_array(p)]
    rest = [i for i in range(y.ndim) if i not in axes]
    indices = [parts[i] for i in advanced]
    result = gather_leading(transpose(y, (*axes, *rest)), *indices)
    picked = result.ndim - len(rest)
    together = advanced[-1] - advanced[0] + 1 == len(advanced)
    before = [p for p in parts[: advanced[0]] if p is not None] if together else []
    n = len(before)
    order = (*range(picked, picked + n), *range(picked), *range(picked + n, result.ndim))
    result = transpose(result, order)
    first = advanced[0] if together else 0
    lengths = iter(result.shape)
    shape: list[int] = []
    for i, part in enumerate(parts):
        if i == first and together:
            shape += [next(lengths) for _ in range(picked)]
        if not _is_array(part):
            shape.append(1 if part is None else next(lengths))
    if not together:
        lengths = iter(result.shape)
        shape = [next(lengths) for _ in range(picked)]
        shape += [1 if p is None else next(lengths) for p in parts if not _is_array(p)]
    return reshape(result, tuple(shape))


# ---- with NumPy's arguments


@implements(np.take)
def take(a: Array, indices: Array, axis: int | None = None, mode: str = "raise") -> Array:
    """Elements at integer indices along an axis; of all elements in order without one."""
    x = reshape(a, -1) if axis is None else a
    at = 0 if axis is None else normalize_axis(axis, x.ndim, "take")
    if mode != "raise":
        n = x.shape[at]
        indices = np.remainder(indices, n) if mode == "wrap" else np.clip(indices, 0, n - 1)
    return getitem(x, (*[slice(None)] * at, indices if isinstance(indices, Traced) else np.asarray(indices)))


@implements(np.take_along_axis)
def take_along_axis(arr: Array, indices: Array, axis: int | None = -1) -> Array:
    """For each line along an axis, the elements at its own integer indices."""
    x = reshape(arr, -1) if axis is None else arr
    at = normalize_axis(0 if axis is None else axis, x.ndim, "take_along_axis")
    grid: list[Array] = [
        np.arange(n).reshape([-1 if i == a else 1 for i in range(x.ndim)]) for a, n in enumerate(x.shape)
    ]
    grid[at] = indices
    return gather_leading(x, *grid)


def one_hot(labels: Array, num_classes: int, dtype: Any = np.float32) -> Array:
    """Return 1 at each label's place and 0 elsewhere.

    Parameters
    ----------
    labels : integer array of shape s, values 0 to num_classes − 1; another value gives zeros
    num_classes : int
    dtype : dtype, default float32

    Returns
    -------
    array[s..., num_classes]

    Examples
    --------
    >>> one_hot(np.array([2, 0]), 3)
    array([[0., 0., 1.],
           [1., 0., 0.]], dtype=float32)
    """
    labels = labels if isinstance(labels, Traced) else np.asarray(labels)
    hits = np.equal(np.expand_dims(labels, -1), np.arange(num_classes))
    return np.astype(hits, np.dtype(dtype))


def _grid(n: int, m: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    return np.arange(n)[:, None], np.arange(m)[None, :]


@implements(np.diagonal)
def diagonal(a: Array, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    """The diagonal of two axes, as the last axis."""
    x = moveaxis(a, (axis1, axis2), (0, 1))
    n, m = x.shape[:2]
    length = max(0, min(n + min(offset, 0), m - max(offset, 0)))
    i = np.arange(length)
    return moveaxis(gather_leading(x, i - min(offset, 0), i + max(offset, 0)), 0, -1)


@implements(np.diag)
def diag(v: Array, k: int = 0) -> Array:
    """The diagonal of a matrix, or the matrix with this diagonal."""
    if v.ndim != 1:
        return diagonal(v, k)
    n = v.shape[0] + abs(k)
    i = np.arange(v.shape[0])
    return scatter_zeros(v, i - min(k, 0), i + max(k, 0), shape=(n, n))


@implements(np.trace)
def trace(a: Array, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    """The sum of the diagonal of two axes."""
    return np.sum(diagonal(a, offset, axis1, axis2), axis=-1)


@implements(np.tril)
def tril(m: Array, k: int = 0) -> Array:
    """The lower triangle of the last two axes, zeros above diagonal k."""
    i, j = _grid(*m.shape[-2:])
    return np.where(j <= i + k, m, m.dtype.type(0))


@implements(np.triu)
def triu(m: Array, k: int = 0) -> Array:
    """The upper triangle of the last two axes, zeros below diagonal k."""
    i, j = _grid(*m.shape[-2:])
    return np.where(j >= i + k, m, m.dtype.type(0))


@implements(np.append)
def append(arr: Array, values: Array, axis: int | None = None) -> Array:
    """Values after an array along an axis; all elements in order without one."""
    return concatenate([arr, values], axis)


@implements(np.diff)
def diff(a: Array, n: int = 1, axis: int = -1) -> Array:
    """Differences of neighbours along an axis, n times."""
    before = (slice(None),) * normalize_axis(axis, a.ndim, "diff")
    difference = np.not_equal if a.dtype.kind == "b" else np.subtract
    for _ in range(n):
        a = difference(a[(*before, slice(1, None))], a[(*before, slice(None, -1))])
    return a
