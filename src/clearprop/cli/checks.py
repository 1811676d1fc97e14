"""Where each operation is checked: a function of float arrays, and points at which it is smooth."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..api import jvp, vjp
from ..ops.declare import PRIMITIVES
from ..ops.random import fold_in, key, normal, permutation

Arrays = list[np.ndarray[Any, Any]]

TOLERANCE = 1e-6
_STEP = 1e-3


@dataclass(frozen=True)
class Case:
    """Arguments for an operation: their shapes, the range of their numbers, and what else it is called with."""

    shapes: tuple[tuple[int, ...], ...]
    ranges: tuple[tuple[float, float], ...]
    call: Callable[..., Any]


REAL, POSITIVE, UNIT = (-2.0, 2.0), (0.3, 3.0), (-0.9, 0.9)

_ON_REALS = (
    "sigmoid softplus relu erf negative absolute square exp exp2 expm1 sin cos arctan sinh cosh tanh arcsinh"
)
_ON_POSITIVES = "reciprocal sqrt cbrt log log2 log10"
_ON_UNIT = "log1p arcsin arccos arctanh tan"
_ON_PAIRS = "add subtract multiply maximum minimum logaddexp arctan2 hypot chain"

_ELEMENTWISE: dict[str, tuple[tuple[float, float], ...]] = {
    **dict.fromkeys(_ON_REALS.split(), (REAL,)),
    **dict.fromkeys(_ON_POSITIVES.split(), (POSITIVE,)),
    **dict.fromkeys(_ON_UNIT.split(), (UNIT,)),
    **dict.fromkeys(_ON_PAIRS.split(), (REAL, REAL)),
    "arccosh": ((1.2, 3.0),),
    "divide": (REAL, POSITIVE),
    "power": (POSITIVE, REAL),
    "remainder": ((5.0, 7.0), (3.7, 4.8)),  # the quotient stays between 1 and 2
}

_MATRIX = (4, 6)
_ROWS, _PLACES = np.array([2, 0, 2]), np.array([5, 1, 1])


def _case(name: str, *shapes: tuple[int, ...], **params: Any) -> Case:
    return Case(shapes, (REAL,) * len(shapes), lambda *xs: PRIMITIVES[name](*xs, **params))


def _choice(x: Any, y: Any) -> Any:
    return PRIMITIVES["where"](np.arange(24).reshape(_MATRIX) % 3 == 0, x, y)


CASES: dict[str, Case] = {
    **{n: Case((_MATRIX,) * len(r), r, PRIMITIVES[n]) for n, r in _ELEMENTWISE.items()},
    "leaky_relu": _case("leaky_relu", _MATRIX, negative_slope=0.1),
    "with_slope": Case((_MATRIX,), (REAL,), lambda x: PRIMITIVES["with_slope"](x * x, x, 2 * x)),
    "elu": _case("elu", _MATRIX, alpha=1.5),
    "where": Case((_MATRIX, _MATRIX), (REAL, REAL), _choice),
    "astype": _case("astype", _MATRIX, dtype=np.dtype(np.float64)),
    "reshape": _case("reshape", _MATRIX, shape=(8, 3)),
    "transpose": _case("transpose", (2, 3, 4), axes=(2, 0, 1)),
    "broadcast_to": _case("broadcast_to", (4, 1), shape=(3, 4, 2)),
    "slice": _case("slice", _MATRIX, ranges=((3, -2, 2), (1, 2, 3))),
    "unslice": _case("unslice", (2, 3), ranges=((3, -2, 2), (1, 2, 3)), shape=_MATRIX),
    "concatenate": _case("concatenate", (4, 2), (4, 4), axis=1),
    "gather": Case((_MATRIX,), (REAL,), lambda x: PRIMITIVES["gather"](x, _ROWS, _PLACES)),
    "scatter_add": Case(
        ((3,),), (REAL,), lambda x: PRIMITIVES["scatter_add"](x, _ROWS, _PLACES, shape=_MATRIX)
    ),
    "matmul": _case("matmul", (2, 3, 4), (2, 4, 5)),
    "sum": _case("sum", (2, 3, 4), axes=(0, 2)),
    "max": _case("max", (2, 3, 4), axes=(0, 2)),
    "min": _case("min", (2, 3, 4), axes=(0, 2)),
    "cumsum": _case("cumsum", _MATRIX, axis=1),
}
"""One for each operation that has a derivative, by name."""


@dataclass(frozen=True)
class Result:
    """What the checks of one operation found.

    Attributes
    ----------
    name, kind : str
        Of the operation, and of its derivative.
    errors : dict of str to float
        The relative error of each check; empty if there is no case to check.
    seconds : float
        What the checks took.
    problem : str
        The exception that ended them, or "".
    """

    name: str
    kind: str
    errors: dict[str, float]
    seconds: float
    problem: str = ""

    @property
    def worst(self) -> float:
        """The largest relative error; infinite if there was an exception or nothing to check."""
        return max(self.errors.values(), default=np.inf) if not self.problem else np.inf

    @property
    def passed(self) -> bool:
        """Whether all checks were made and are within the tolerance."""
        return self.worst <= TOLERANCE


def run_checks() -> Iterator[Result]:
    """Check every operation that has a derivative, one after the other."""
    for name, primitive in PRIMITIVES.items():
        kind = primitive.derivative.kind
        if kind != "constant":
            yield _checked(name, kind)


def _checked(name: str, kind: str) -> Result:
    start, errors, problem = time.perf_counter(), {}, ""
    try:
        if name in CASES:
            errors = compare(CASES[name])
        else:
            problem = "has no case to check it on"
    except Exception as error:  # one faulty operation must not hide the results of the others
        problem = f"{type(error).__name__}: {error}"
    return Result(name, kind, errors, time.perf_counter() - start, problem)


def compare(case: Case) -> dict[str, float]:
    """Return the relative errors of three derivatives, against finite differences in a random direction.

    ``forward`` is J t; ``reverse`` is wᵀJ t by way of Jᵀw; ``second`` is tᵀ∇²(wᵀf) t, the derivative of the
    gradient.
    """
    points, ways = points_of(case), [_normal(shape, i) for i, shape in enumerate(case.shapes)]
    w = _normal(np.shape(case.call(*points)), len(points))

    def weighted(*xs: Any) -> Any:
        return np.sum(case.call(*xs) * w)

    def gradient(*xs: Any) -> Any:
        return vjp(weighted, *xs)[1](np.float64(1.0))

    def slope(*xs: Any) -> Any:
        return _inner(gradient(*xs), ways)

    numeric = _difference(case.call, points, ways)
    return {
        "forward": _error(jvp(case.call, points, ways)[1], numeric),
        "reverse": _error(slope(*points), np.sum(numeric * w)),
        "second": _error(_inner(jvp(gradient, points, ways)[1], ways), _difference(slope, points, ways)),
    }


def points_of(case: Case) -> Arrays:
    """Return arguments within the ranges, no two numbers of one range near each other: far from ties and kinks."""
    sizes = [int(np.prod(shape)) for shape in case.shapes]
    place = (permutation(key(0), sum(sizes)) + 0.5) / sum(sizes)
    parts = np.split(place, np.cumsum(sizes)[:-1])
    return [
        low + (high - low) * part.reshape(shape)
        for part, shape, (low, high) in zip(parts, case.shapes, case.ranges, strict=True)
    ]


def _normal(shape: tuple[int, ...], number: int) -> Any:
    return normal(fold_in(key(1), number), shape, dtype=np.float64)


def _inner(xs: Sequence[Any], ys: Sequence[Any]) -> Any:
    return sum(np.sum(x * y) for x, y in zip(xs, ys, strict=True))


def _difference(function: Callable[..., Any], points: Arrays, ways: Arrays) -> Any:
    """Return the derivative of a function along a direction, right to the fourth power of the step."""

    def at(h: float) -> Any:
        return function(*(x + h * t for x, t in zip(points, ways, strict=True)))

    h = _STEP
    return (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)


def _error(analytic: Any, numeric: Any) -> float:
    """Return the largest difference, relative to the largest number; NaN counts as infinite."""
    scale = max(1.0, float(np.max(np.abs(numeric))))
    error = float(np.max(np.abs(analytic - numeric))) / scale
    return error if np.isfinite(error) else np.inf
