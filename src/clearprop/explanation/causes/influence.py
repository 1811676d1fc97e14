"""Which elements of an operation's inputs an element of its result is computed from, and the other way.

Both are said by the kind of its lowering alone. Elements are marked by arrays of booleans.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from ...core.graph import Eqn
from ...core.lowering import Contract, Fold, Gather, Map, Pick, Place, Scan, Scatter, Sort, View

Marks: TypeAlias = np.ndarray[Any, Any]
"""Booleans."""

Arrays: TypeAlias = Sequence[np.ndarray[Any, Any]]


def read_by(eqn: Eqn, xs: Arrays, marked: Marks) -> list[Marks]:
    """Return for each input the elements that the marked elements of the result are computed from."""
    params = eqn.params
    match eqn.primitive.lowering:
        case Map():
            return [marked] * len(xs)
        case View() | Gather():
            taken = _positions(xs[0], 0)
            return [_at(eqn.primitive.compute(taken, *xs[1:], **params)[marked], xs[0])] + [
                _lead(marked, x) for x in xs[1:]
            ]
        case Place():
            return [_placed(eqn, xs, i, marked) for i in range(len(xs))]
        case Scatter():
            return [marked[tuple(xs[1:])]] + [_lead(marked[tuple(xs[1:])], x) for x in xs[1:]]
        case Fold():
            return [np.broadcast_to(np.expand_dims(marked, params["axes"]), xs[0].shape)]
        case Pick():
            return [np.broadcast_to(np.expand_dims(marked, params["axis"]), xs[0].shape)]
        case Scan():
            axis = params["axis"]
            return [np.flip(np.logical_or.accumulate(np.flip(marked, axis), axis), axis)]
        case Sort():
            return [np.broadcast_to(marked.any(axis=params["axis"], keepdims=True), xs[0].shape)]
        case Contract():
            left, right = marked.any(axis=-1, keepdims=True), marked.any(axis=-2, keepdims=True)
            return [np.broadcast_to(left, xs[0].shape), np.broadcast_to(right, xs[1].shape)]
        case _:  # each number drawn depends on the whole key
            return [np.full(x.shape, marked.any()) for x in xs]


def reached_by(eqn: Eqn, xs: Arrays, marked: Sequence[Marks]) -> Marks:
    """Return the elements of a float result that are computed from any marked element of the inputs."""
    match eqn.primitive.lowering:
        case Map():
            result = np.logical_or.reduce(marked)
        case Fold():
            result = np.any(marked[0], axis=eqn.params["axes"])
        case Scan():
            result = np.logical_or.accumulate(marked[0], eqn.params["axis"])
        case Contract():
            left, right = marked[0].any(axis=-1, keepdims=True), marked[1].any(axis=-2, keepdims=True)
            result = np.logical_or(left, right)
        case _:  # what only moves elements moves the marks
            moved = [
                m.astype(np.float64) if x.dtype.kind == "f" else x for m, x in zip(marked, xs, strict=True)
            ]
            result = np.not_equal(eqn.primitive.compute(*moved, **eqn.params), 0)
    return np.asarray(result)


def _positions(x: np.ndarray[Any, Any], first: int) -> np.ndarray[Any, Any]:
    return np.arange(first, first + x.size, dtype=np.int64).reshape(x.shape)


def _at(positions: np.ndarray[Any, Any], x: np.ndarray[Any, Any]) -> Marks:
    marks = np.zeros(x.size, np.bool_)
    marks[positions] = True
    return marks.reshape(x.shape)


def _placed(eqn: Eqn, xs: Arrays, i: int, marked: Marks) -> Marks:
    numbers = [_positions(x, 1) if j == i else np.zeros(x.shape, np.int64) for j, x in enumerate(xs)]
    found = eqn.primitive.compute(*numbers, **eqn.params)[marked]
    return _at(found[found > 0] - 1, xs[i])


def _lead(marked: Marks, index: np.ndarray[Any, Any]) -> Marks:
    """Return the marks of indices: of their leading axes, any of what each of them takes."""
    rest = math.prod(marked.shape[index.ndim :])
    return np.asarray(marked.reshape(*index.shape, rest).any(axis=-1))
