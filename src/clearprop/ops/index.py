"""Indexing: elements picked by integers, and added back where they came from.

Gather and scatter-add are each other's transpose. An index out of range is NumPy's IndexError.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.errors import SettingError, ShapeError
from ..core.lowering import Gather, Scatter
from ..core.traced import Traced, refuse
from ..core.types import Array, Type, broadcast_shapes, normalize_axis, shape_of, type_of
from .declare import fit, implements, linear
from .joins import concatenate
from .shape import moveaxis, reshape, take_ranges, transpose

# ---- the operations


def _gather_type(x: Type, *indices: Type) -> Type:
    return Type(indices[0].shape + x.shape[len(indices) :], x.dtype)


def _prepare_gather(args: tuple[Any, ...]) -> tuple[Any, ...]:
    shape = broadcast_shapes([shape_of(i) for i in args[1:]], "indexing")
    return args[0], *(_index(i, shape) for i in args[1:])


def _index(index: Array, shape: tuple[int, ...]) -> Array:
    if type_of(index).dtype.kind not in "iu":
        raise IndexError(f"an array can be indexed by integers, not by {type_of(index)}; use .astype(int)")
    return fit(index, np.dtype(np.int64), shape)


def _require_in_range(indices: Sequence[Array], axes: Sequence[int], shape: tuple[int, ...]) -> None:
    """Raise IndexError if a known index does not exist; a traced one is found out when it is computed."""
    for index, axis in zip(indices, axes, strict=True):
        if not isinstance(index, Traced):
            length = shape[axis]
            wrong = np.extract((np.asarray(index) < -length) | (np.asarray(index) >= length), index)
            if wrong.size:
                raise IndexError(f"index {wrong[0]} is out of range for axis {axis} of length {length}")


def _gather_transpose(i: int, ct: Array, x: Array, *indices: Array) -> Array | None:
    if i != 0:
        return None
    if _one_a_row(indices, x.shape):
        return _placed(ct, indices[-1], x.shape)
    return scatter_zeros(ct, *indices, shape=x.shape)


def _one_a_row(indices: Sequence[Array], shape: tuple[int, ...]) -> bool:
    """Tell whether indices pick one element of each row, as the labels of samples do."""
    *rows, last = indices
    if not rows or last.shape != shape[:-1] or len(indices) < len(shape):
        return False
    counted = np.indices(last.shape, sparse=True)
    return all(not isinstance(r, Traced) and bool((r == n).all()) for r, n in zip(rows, counted, strict=True))


def _placed(values: Array, labels: Array, shape: tuple[int, ...]) -> Array:
    """Return zeros with one value in each row: element by element, so that it need not be in memory."""
    numbers = np.arange(shape[-1], dtype=np.int32)
    first = [np.zeros(labels.shape, np.int64)] * (len(shape) - 1)
    places = gather_leading(numbers.reshape([1] * (len(shape) - 1) + [-1]), *first, labels)  # all in range
    return np.where(np.equal(np.expand_dims(places, -1), numbers), np.expand_dims(values, -1), 0)


def _scatter_transpose(i: int, ct: Array, x: Array, *indices: Array, shape: tuple[int, ...]) -> Array | None:
    return gather_leading(ct, *indices) if i == 0 else None


@linear(_gather_transpose, typed=_gather_type, lowering=Gather(), name="gather", prepare=_prepare_gather)
def gather_leading(x: Array, *indices: Array) -> Array:
    """x[i, j, ...]: the elements at integer indices of the leading axes."""
    return x[indices]


@linear(
    _scatter_transpose,
    typed=lambda x, *indices, shape: Type(shape, x.dtype),
    lowering=Scatter(),
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
    if any(isinstance(v, Traced) for v in (x, *indices)):
        return getitem(x if isinstance(x, Traced) else np.asarray(x), indices)
    return np.asarray(x)[indices]


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
    _require_in_range(where, range(len(where)), x.shape)
    shape = broadcast_shapes([shape_of(i) for i in where], "scatter_add")
    updates = np.broadcast_to(updates, shape + x.shape[len(where) :])
    return x + scatter_zeros(updates, *where, shape=x.shape)


# ---- x[...]


@implements("getitem")
def getitem(x: Array, index: Any) -> Array:
    """x[index] with NumPy's rules for integers, slices, None, ..., integer arrays and known masks."""
    given = [_part(p) for p in (index if isinstance(index, tuple) else (index,))]
    parts = _expand(given, x)
    if any(map(_is_array, parts)):  # beside arrays, an integer is an array too
        parts = [np.asarray(p) if isinstance(p, int) else p for p in parts]
    consuming = [p for p in parts if p is not None]
    ranges = tuple(_range(p, n, axis) for axis, (p, n) in enumerate(zip(consuming, x.shape, strict=True)))
    y = x if ranges == tuple((0, 1, n) for n in x.shape) else take_ranges(x, ranges=ranges)
    if any(map(_is_array, parts)):
        return _gather_parts(y, parts, _adjacent(given))
    lengths = iter(y.shape)
    kept = [(1 if p is None else next(lengths), isinstance(p, int)) for p in parts]
    return reshape(y, tuple(n for n, dropped in kept if not dropped))


def _is_array(part: Any) -> bool:
    return isinstance(part, (np.ndarray, Traced))


def _part(part: Any) -> Any:
    """Return a part of an index as an int, a slice, None, ..., or an array of integers or booleans."""
    if part is None or part is Ellipsis or isinstance(part, slice):
        return part
    if isinstance(part, Traced):
        if part.dtype.kind == "b":
            refuse(
                f"x[mask] with a traced mask {part.type} would have a shape that depends on its values.",
                "Keep the shape: np.where(mask, x, 0), or a mask computed outside the traced function.",
            )
        return part
    array = np.asarray(part)
    if array.size == 0 and not isinstance(part, np.ndarray):
        array = array.astype(np.int64)
    if array.dtype.kind not in "iub" or (array.dtype.kind == "b" and array.ndim == 0):
        raise IndexError(
            f"x[{part!r}]: an index is an integer, a slice, None, ..., or an array of integers or booleans"
        )
    return int(array) if array.ndim == 0 else array


def _expand(parts: list[Any], x: Array) -> list[Any]:
    """Return one slice, int, integer array or None for each axis of x and each new one."""
    axes = [0 if p is None or p is Ellipsis else p.ndim if _is_mask(p) else 1 for p in parts]
    if sum(axes) > x.ndim:
        raise IndexError(f"too many indices: {sum(axes)} for {type_of(x)}")
    dots = [i for i, p in enumerate(parts) if p is Ellipsis]
    if len(dots) > 1:
        raise IndexError("an index can hold one ellipsis ('...') only")
    at = dots[0] if dots else len(parts)
    fill = [slice(None)] * (x.ndim - sum(axes))
    expanded: list[Any] = []
    for part in [*parts[:at], *fill, *parts[at + 1 :]]:
        if _is_mask(part):
            first = sum(p is not None for p in expanded)
            covered = x.shape[first : first + part.ndim]
            if part.shape != covered:
                raise IndexError(f"a mask {type_of(part)} cannot pick from axes of lengths {list(covered)}")
            expanded += part.nonzero()
        else:
            expanded.append(part)
    return expanded


def _is_mask(part: Any) -> bool:
    return isinstance(part, np.ndarray) and part.dtype.kind == "b"


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


def _adjacent(parts: list[Any]) -> bool:
    """Whether the arrays, and the integers among them, stand side by side, without even an empty ellipsis."""
    places = [i for i, p in enumerate(parts) if _is_array(p) or isinstance(p, int)]
    return places[-1] - places[0] + 1 == len(places)


def _gather_parts(y: Array, parts: list[Any], adjacent: bool) -> Array:
    """Pick by the arrays among the parts; what they pick takes their place, or the first if they are apart."""
    consuming = [_is_array(p) for p in parts if p is not None]
    rest = [axis for axis, picked in enumerate(consuming) if not picked]
    order = [axis for axis, picked in enumerate(consuming) if picked]
    indices = [p for p in parts if _is_array(p)]
    _require_in_range(indices, order, y.shape)
    result = gather_leading(transpose(y, (*order, *rest)), *indices)
    at = next(i for i, p in enumerate(parts) if _is_array(p)) if adjacent else 0
    picked = result.ndim - len(rest)
    after = picked + sum(p is not None for p in parts[:at])
    lengths = iter(result.shape[picked:])
    shape = [1 if p is None else next(lengths) for p in parts if not _is_array(p)]
    shape[at:at] = result.shape[:picked]
    result = transpose(result, (*range(picked, after), *range(picked), *range(after, result.ndim)))
    return reshape(result, tuple(shape))


# ---- with NumPy's arguments


@implements(np.take)
def take(a: Array, indices: Array, axis: int | None = None, mode: str = "raise") -> Array:
    """Elements at integer indices along an axis; of all elements in order without one."""
    x = reshape(a, -1) if axis is None else a
    at = 0 if axis is None else normalize_axis(axis, x.ndim, "take")
    if mode not in ("raise", "wrap", "clip"):
        raise SettingError(f"take(mode={mode!r}): must be 'raise', 'wrap' or 'clip'")
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


def _grid(m: Array, what: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    if m.ndim < 2:
        raise ShapeError(f"{what} of {type_of(m)}: needs at least two axes")
    return np.arange(m.shape[-2])[:, None], np.arange(m.shape[-1])[None, :]


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
    if v.ndim == 2:
        return diagonal(v, k)
    if v.ndim != 1:
        raise ShapeError(f"diag of {type_of(v)}: needs one or two axes; np.diagonal takes more")
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
    i, j = _grid(m, "tril")
    return np.where(j <= i + k, m, m.dtype.type(0))


@implements(np.triu)
def triu(m: Array, k: int = 0) -> Array:
    """The upper triangle of the last two axes, zeros below diagonal k."""
    i, j = _grid(m, "triu")
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
