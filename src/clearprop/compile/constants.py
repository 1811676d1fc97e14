"""Arrays that a graph itself holds, as they stand in memory; each is named by a number, from which it is made again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..core.graph import Const, Graph
from ..core.types import Type
from .kernels import Buffer

Array = np.ndarray[Any, Any]
Constants = Sequence[tuple[Buffer, Array]]


def in_memory(constant: Const, whole: bool = False) -> Array:
    """Return a constant in row order, with what repeats only once, or whole."""
    number = constant.uniform
    array = constant.value if whole else constant.compact if number is None else np.asarray(number)
    return np.require(array, requirements="C")


def numbered(graph: Graph, constants: Constants) -> list[int] | None:
    """Return a number for each array; None if one is not as `in_memory` makes it of the graph's own."""
    held, numbers = _held(graph), []
    for _, array in constants:
        same = (
            2 * n + whole
            for n, constant in enumerate(held)
            for whole in (False, True)
            if _like(constant, whole, array) and _equal(in_memory(constant, whole), array)
        )
        numbers.append(next(same, -1))
    return None if -1 in numbers else numbers


def made_again(graph: Graph, numbers: Iterable[int]) -> Constants:
    """Return the arrays of these numbers, each with the memory that it is in."""
    held = _held(graph)
    arrays = [in_memory(held[number // 2], bool(number % 2)) for number in numbers]
    return [(Buffer(Type(a.shape, a.dtype), "constant", n), a) for n, a in enumerate(arrays)]


def _held(graph: Graph) -> list[Const]:
    atoms = (atom for eqn in graph.eqns for atom in eqn.inputs)
    return list({id(a): a for a in (*atoms, *graph.outputs) if isinstance(a, Const)}.values())


def _like(constant: Const, whole: bool, array: Array) -> bool:
    shape = constant.type.shape if whole else () if constant.uniform is not None else constant.compact.shape
    return (shape, constant.type.dtype) == (array.shape, array.dtype)


def _equal(a: Array, b: Array) -> bool:
    return a.tobytes() == b.tobytes()
