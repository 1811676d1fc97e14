"""Products of matrices and tensors: all through one operation, matmul."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.errors import ShapeError
from ..core.lowering import Contract
from ..core.types import Array, Type, broadcast_shapes, normalize_axis, shape_of, type_of
from .declare import as_array, as_float, fit, implements, loop, multilinear, weak_dtype
from .index import diagonal
from .shape import broadcast_to, reshape, transpose


def _matmul_type(a: Type, b: Type) -> Type:
    return Type((*a.shape[:-1], b.shape[-1]), loop(np.matmul, a.dtype, b.dtype)[-1])


def _promote(args: tuple[Any, ...]) -> tuple[Any, ...]:
    a, b = args
    dtypes = loop(np.matmul, weak_dtype(a), weak_dtype(b))
    return fit(a, dtypes[0], shape_of(a)), fit(b, dtypes[1], shape_of(b))


def _to_left(ct: Array, a: Array, b: Array) -> Array:
    return matmul_batch(ct, np.swapaxes(b, -1, -2))


def _to_right(ct: Array, a: Array, b: Array) -> Array:
    return matmul_batch(np.swapaxes(a, -1, -2), ct)


@multilinear(
    _to_left,
    _to_right,
    typed=_matmul_type,
    lowering=Contract(),
    name="matmul",
    prepare=_promote,
)
def matmul_batch(a: Array, b: Array) -> Array:
    """ab, matrix by matrix; the transposes are ct·bᵀ and aᵀ·ct."""
    return np.matmul(a, b)


@implements(np.matmul)
def matmul(x1: Array, x2: Array) -> Array:
    """The matrix product of all of NumPy's ranks; vectors as rows or columns, batches broadcast."""
    a, b = as_array(x1), as_array(x2)
    if a.ndim == 0 or b.ndim == 0:
        raise ShapeError(f"matmul({type_of(a)}, {type_of(b)}): needs at least one axis; use * for scalars")
    left = reshape(a, (1, -1)) if a.ndim == 1 else a
    right = reshape(b, (-1, 1)) if b.ndim == 1 else b
    if left.shape[-1] != right.shape[-2]:
        raise ShapeError(
            f"matmul({type_of(a)}, {type_of(b)}): inner sizes differ ({left.shape[-1]} ≠ {right.shape[-2]})"
        )
    y = _batched(left, right)
    if a.ndim == 1 or b.ndim == 1:
        keep = [*y.shape[:-2]] + ([y.shape[-2]] if a.ndim > 1 else []) + ([y.shape[-1]] if b.ndim > 1 else [])
        y = reshape(y, tuple(keep))
    return y


def _batched(a: Array, b: Array) -> Array:
    if b.ndim == 2 and a.ndim > 2:  # one matrix for all: one product of tall rows
        rows = math.prod(a.shape[:-1])
        return reshape(matmul_batch(reshape(a, (rows, a.shape[-1])), b), (*a.shape[:-1], b.shape[-1]))
    batch = broadcast_shapes([a.shape[:-2], b.shape[:-2]], "matmul")
    return matmul_batch(broadcast_to(a, batch + a.shape[-2:]), broadcast_to(b, batch + b.shape[-2:]))


@implements(np.dot)
def dot(a: Array, b: Array) -> Array:
    """NumPy's dot: a product with a scalar, or the last axis of a with the last but one of b."""
    a, b = as_array(a), as_array(b)
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    if b.ndim <= 2:
        return matmul(a, b)
    return tensordot(a, b, axes=([a.ndim - 1], [b.ndim - 2]))


@implements(np.vecdot)
def vecdot(x1: Array, x2: Array, axis: int = -1) -> Array:
    """Inner products along an axis."""
    products = np.multiply(x1, x2)
    return np.sum(products, axis=axis).astype(products.dtype)


@implements(np.inner)
def inner(a: Array, b: Array) -> Array:
    """Sum of products over the last axes."""
    a, b = as_array(a), as_array(b)
    return a * b if a.ndim == 0 or b.ndim == 0 else tensordot(a, b, axes=([a.ndim - 1], [b.ndim - 1]))


@implements(np.outer)
def outer(a: Array, b: Array) -> Array:
    """aᵢ·bⱼ for all i and j."""
    a, b = as_array(a), as_array(b)
    return reshape(a, (-1, 1)) * reshape(b, (1, -1))


@implements(np.tensordot)
def tensordot(a: Array, b: Array, axes: Any = 2) -> Array:
    """Sum of products over the given axes of both."""
    a, b = as_array(a), as_array(b)
    if np.ndim(axes) == 0:
        n = operator.index(axes)
        if n > min(a.ndim, b.ndim):
            raise ShapeError(f"tensordot({type_of(a)}, {type_of(b)}) over {n} axes: there are not so many")
        pairs: Any = (range(a.ndim - n, a.ndim), range(n))
    else:
        pairs = tuple((x,) if np.ndim(x) == 0 else x for x in axes)
    over_a = [normalize_axis(i, a.ndim, "tensordot") for i in pairs[0]]
    over_b = [normalize_axis(i, b.ndim, "tensordot") for i in pairs[1]]
    if [a.shape[i] for i in over_a] != [b.shape[i] for i in over_b]:
        raise ShapeError(
            f"tensordot({type_of(a)}, {type_of(b)}) over axes {over_a} and {over_b}: sizes differ"
        )
    free_a = [i for i in range(a.ndim) if i not in over_a]
    free_b = [i for i in range(b.ndim) if i not in over_b]
    shape = tuple(a.shape[i] for i in free_a) + tuple(b.shape[i] for i in free_b)
    n = math.prod(a.shape[i] for i in over_a)
    left = reshape(transpose(a, (*free_a, *over_a)), (math.prod(a.shape[i] for i in free_a), n))
    right = reshape(transpose(b, (*over_b, *free_b)), (n, math.prod(b.shape[i] for i in free_b)))
    return reshape(matmul_batch(left, right), shape)


# ---- einsum


@implements(np.einsum)
def einsum(subscripts: str, *operands: Array, optimize: Any = True) -> Array:
    """Einstein's sum convention, two operands at a time in the order that NumPy's path search gives."""
    if not isinstance(subscripts, str):
        raise ShapeError("einsum: write the axes as a string, such as 'ij,jk->ik', before the arrays")
    arrays = [as_array(x) for x in operands]
    inputs, output = _parse(subscripts, arrays)
    shapes = [np.broadcast_to(0.0, x.shape) for x in arrays]
    path: list[Any] = []
    if len(arrays) > 1:
        path = np.einsum_path(f"{','.join(inputs)}->{output}", *shapes, optimize="greedy")[0][1:]
    terms = list(zip(inputs, arrays, strict=True))
    for contraction in path:
        picked = [terms[int(i)] for i in contraction]
        terms = [t for i, t in enumerate(terms) if i not in contraction]
        result = picked[0]
        for n, other in enumerate(picked[1:], start=2):
            outside = set(output).union(*(t[0] for t in terms), *(t[0] for t in picked[n:]))
            result = _contract(result, other, outside)
        terms.append(result)
    return _arrange(*_reduce_one(*terms[0], output), output).astype(
        np.result_type(*(x.dtype for x in arrays))
    )


def _parse(subscripts: str, operands: Sequence[Array]) -> tuple[list[str], str]:
    """Return one string of letters an operand, with the ellipsis spelled out, and the output's."""
    text = subscripts.replace(" ", "")
    left, arrow, right = text.partition("->")
    inputs = left.split(",")
    if len(inputs) != len(operands):
        raise ShapeError(f"einsum {subscripts!r} names {len(inputs)} operands; {len(operands)} were given")
    free = [c for c in "ZYXWVUTSRQPONMLKJIHGFEDCBA" if c not in text]
    hidden = [
        x.ndim - len(s.replace("...", "")) if "..." in s else 0 for s, x in zip(inputs, operands, strict=True)
    ]
    dots = "".join(free[: max(hidden)])
    inputs = [s.replace("...", dots[len(dots) - h :]) for s, h in zip(inputs, hidden, strict=True)]
    for letters, x in zip(inputs, operands, strict=True):
        if len(letters) != x.ndim:
            raise ShapeError(f"einsum {subscripts!r}: {letters!r} names {len(letters)} axes of {type_of(x)}")
    _require_sizes(subscripts, inputs, operands)
    counted = "".join(inputs)
    if not arrow:
        return inputs, dots + "".join(c for c in sorted(set(counted) - set(dots)) if counted.count(c) == 1)
    output = right.replace("...", dots)
    if len(set(output)) < len(output) or not set(dots) <= set(output) <= set(counted):
        raise ShapeError(
            f"einsum {subscripts!r}: each letter of the result must come once, and among the operands; "
            "'...' among the operands stays in the result"
        )
    return inputs, output


def _require_sizes(subscripts: str, inputs: Sequence[str], operands: Sequence[Array]) -> None:
    """Raise ShapeError unless each letter stands for one size; between operands, for 1 also."""
    sizes: dict[str, int] = {}
    for letters, x in zip(inputs, operands, strict=True):
        own: dict[str, int] = {}
        for c, n in zip(letters, x.shape, strict=True):
            known = sizes.get(c, n)
            if own.setdefault(c, n) != n or (n != known and 1 not in (n, known)):
                types = ", ".join(str(type_of(x)) for x in operands)
                raise ShapeError(f"einsum {subscripts!r} of {types}: an axis is both {known} and {n} long")
            sizes[c] = known if n == 1 else n


def _reduce_one(letters: str, x: Array, keep: str | set[str]) -> tuple[str, Array]:
    """Take diagonals of repeated letters and sum over those that are not kept."""
    for c in sorted(set(letters)):
        while letters.count(c) > 1:
            i = letters.index(c)
            j = letters.index(c, i + 1)
            x = diagonal(x, 0, i, j)
            letters = letters[:i] + letters[i + 1 : j] + letters[j + 1 :] + c
    gone = tuple(i for i, c in enumerate(letters) if c not in keep)
    if gone:
        x = np.sum(x, axis=gone)
    return "".join(c for c in letters if c in keep), x


def _arrange(letters: str, x: Array, output: str) -> Array:
    return transpose(x, tuple(letters.index(c) for c in output)) if letters != output else x


def _contract(a: tuple[str, Array], b: tuple[str, Array], outside: set[str]) -> tuple[str, Array]:
    """Multiply two terms and sum over the letters that nothing outside needs: one batched matmul."""
    la, x = _reduce_one(*a, set(b[0]) | outside)
    lb, y = _reduce_one(*b, set(la) | outside)
    la, x, lb, y = _squeeze_ones(la, x, lb, y)
    shared = [c for c in la if c in lb]
    batch = [c for c in shared if c in outside]
    summed = [c for c in shared if c not in outside]
    rows = [c for c in la if c not in lb]
    columns = [c for c in lb if c not in la]
    size = {**dict(zip(la, x.shape, strict=True)), **dict(zip(lb, y.shape, strict=True))}

    def sizes(letters: list[str]) -> tuple[int, ...]:
        return tuple(size[c] for c in letters)

    left = transpose(x, tuple(la.index(c) for c in (*batch, *rows, *summed)))
    right = transpose(y, tuple(lb.index(c) for c in (*batch, *summed, *columns)))
    k = math.prod(sizes(summed))
    z = matmul_batch(
        reshape(left, (*sizes(batch), math.prod(sizes(rows)), k)),
        reshape(right, (*sizes(batch), k, math.prod(sizes(columns)))),
    )
    return "".join((*batch, *rows, *columns)), reshape(z, sizes([*batch, *rows, *columns]))


def _squeeze_ones(la: str, x: Array, lb: str, y: Array) -> tuple[str, Array, str, Array]:
    """Drop an axis of length 1 that broadcasts against a longer one of the same letter."""
    for c in sorted(set(la) & set(lb)):
        n, m = x.shape[la.index(c)], y.shape[lb.index(c)]
        if n == m:
            continue
        if n == 1:
            x, la = np.sum(x, axis=la.index(c)), la.replace(c, "")
        else:
            y, lb = np.sum(y, axis=lb.index(c)), lb.replace(c, "")
    return la, x, lb, y


# ---- norms


@implements(np.linalg.norm)
def norm(x: Array, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Array:
    """Length of vectors, or the Frobenius norm of matrices; its slope at 0 is taken as 0.

    Vector norms take ord None, 2, 1, ±np.inf, 0 or any number p; matrix norms None or "fro".
    """
    x = as_float(x)
    if axis is None and ord is None:
        return _p_norm(x, 2, None, keepdims)
    axes = tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    if len(axes) == 2 and ord in (None, "fro"):
        return _p_norm(x, 2, axes, keepdims)
    if len(axes) == 1 and not isinstance(ord, str):
        return _p_norm(x, 2 if ord is None else ord, axes, keepdims)
    raise ShapeError(
        f"norm of {type_of(x)} with ord={ord!r} and axis={axis!r}: not covered; use ord=None or one axis"
    )


@implements(np.linalg.vector_norm)
def vector_norm(x: Array, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Array:
    """Length of vectors; over all elements without an axis."""
    return _p_norm(as_float(x), ord, axis, keepdims)


def _p_norm(x: Array, p: Any, axis: Any, keepdims: bool) -> Array:
    if p in (np.inf, -np.inf):
        return (np.max if p > 0 else np.min)(np.abs(x), axis=axis, keepdims=keepdims)
    if p == 0:
        return np.sum((x != 0).astype(x.dtype), axis=axis, keepdims=keepdims)
    if p == 1:
        return np.sum(np.abs(x), axis=axis, keepdims=keepdims)
    total = np.sum(np.square(x) if p == 2 else np.abs(x) ** p, axis=axis, keepdims=keepdims)
    nonzero = np.where(total == 0, 1, total)
    return np.where(total == 0, 0, np.sqrt(nonzero) if p == 2 else nonzero ** (1 / p))
