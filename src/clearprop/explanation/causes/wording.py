"""An operation with its numbers at one element, as one writes it: "log(0) = -inf"."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.graph import Eqn
from ...core.lowering import Contract, Map
from ...core.types import dtype_name
from .influence import Arrays, read_by
from .remedies import Kind

_BETWEEN = {
    "add": "+",
    "subtract": "-",
    "multiply": "×",
    "chain": "×",
    "divide": "/",
    "power": "**",
    "remainder": "mod",
}


def operands(eqn: Eqn, xs: Arrays, index: tuple[int, ...]) -> tuple[float, ...]:
    """Return what an element is computed from; of many terms, the largest."""
    if isinstance(eqn.primitive.lowering, Map):
        return tuple(float(x[index]) for x in xs)
    if isinstance(eqn.primitive.lowering, Contract):
        *batch, i, j = index
        row = xs[0][(*batch, i)].astype(np.float64)
        column = np.swapaxes(xs[1], -1, -2)[(*batch, j)].astype(np.float64)
        if not row.size:
            return ()
        with np.errstate(all="ignore"):
            largest = int(np.argmax(np.abs(row * column)))
        return float(row[largest]), float(column[largest])
    terms = xs[0][read_by(eqn, xs, one(eqn.out.type.shape, index))[0]].astype(np.float64)
    return (float(terms[np.argmax(np.abs(terms))]),) if terms.size else ()


def one(shape: tuple[int, ...], index: tuple[int, ...]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return marks of one element."""
    marks = np.zeros(shape, np.bool_)
    marks[index] = True
    return marks


def kind_of(eqn: Eqn, xs: Arrays, index: tuple[int, ...], value: float) -> Kind:
    """Return what is the matter: it is an overflow if more digits of the exponent would have held the result."""
    if not isinstance(eqn.primitive.lowering, Map):
        return "overflow"
    if np.isnan(value):
        return "undefined"
    if eqn.primitive.lowering.function == "convert":
        return "overflow"
    try:
        wide = [x[index].astype(np.longdouble) if x.dtype.kind == "f" else x[index] for x in xs]
        with np.errstate(all="ignore"):
            return "overflow" if np.isfinite(eqn.primitive.compute(*wide, **eqn.params)) else "pole"
    except (TypeError, ValueError):  # not every function is there for long doubles
        return "pole"


def applied(eqn: Eqn, numbers: tuple[float, ...]) -> str:
    """Return the operation applied to numbers."""
    name = eqn.primitive.name
    written = [f"{x:.6g}" for x in numbers]
    if name in _BETWEEN and len(written) == 2:
        return f"{written[0]} {_BETWEEN[name]} {written[1]}"
    if isinstance(eqn.primitive.lowering, Map):
        return f"{name}({', '.join(written)})"
    if isinstance(eqn.primitive.lowering, Contract):
        return f"a sum of products in {name}, the largest {' × '.join(written)},"
    return f"{name}, the largest term {', '.join(written)},"


def formula(eqn: Eqn, numbers: tuple[float, ...], value: float, kind: Kind) -> str:
    """Return the same with its result, and what the dtype holds if that is the matter."""
    dtype = eqn.out.type.dtype
    return f"{applied(eqn, numbers)} = {value:g}{limit(dtype) if kind == 'overflow' else ''}"


def limit(dtype: np.dtype[Any]) -> str:
    """Return words on what the dtype holds."""
    return f" in {dtype_name(dtype)} (largest {float(np.finfo(dtype).max):.3g})"
