"""The tester is tested: a wrong rule, planted in an operation, must break a law of test_operations.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import pytest

import clearprop as cp
import test_operations as laws
from cases import CASES, ELEMENTWISE, Case
from clearprop.core.types import Type
from clearprop.ops import PRIMITIVES
from clearprop.ops.declare import ByHand, Elementwise, Multilinear
from clearprop.ops.index import scatter_zeros
from clearprop.ops.linalg import matmul_batch
from clearprop.ops.pointwise import chain
from clearprop.ops.reduce import cumsum_along, spread, sum_along
from clearprop.ops.shape import permute, reshape_to, take_ranges, unslice

LAWS: list[tuple[Callable[[Case], None], list[Case]]] = [
    (laws.test_points, [case for case in CASES if case.points]),
    (laws.test_reverse_derivative_is_the_transpose_of_the_forward_one, laws.DIFFERENTIABLE),
    (laws.test_forward_derivative_is_the_limit_of_differences, laws.DIFFERENTIABLE),
    (laws.test_types_are_those_of_numpy, CASES),
    (lambda case: laws.test_recorded_is_called(case, np.float32), CASES),
    (lambda case: laws.test_recorded_gradient_is_the_called_one(case, np.float32), laws.DIFFERENTIABLE),
    (
        laws.test_slopes_overflow_no_earlier_in_single_precision,
        [case for case in ELEMENTWISE if case in laws.DIFFERENTIABLE],
    ),
]


def linear(name: str, *transposes: Any) -> dict[str, Any]:
    primitive = PRIMITIVES[name]
    return {"derivative": type(primitive.derivative)(transposes, primitive)}


def slopes(*partials: Any) -> dict[str, Any]:
    return {"derivative": Elementwise(partials)}


def hit(t: Any, y: Any, x: Any, *, axes: Any) -> Any:
    return (x == spread(y, x, axes)).astype(x.dtype)


def average_back(i: int, ct: Any, x: Any, *indices: Any) -> Any:
    if i:
        return None
    counts = scatter_zeros(np.ones_like(ct), *indices, shape=x.shape)
    return scatter_zeros(ct, *indices, shape=x.shape) / np.maximum(counts, 1)


def part_of_the_other(i: int, ct: Any, *xs: Any, axis: int) -> Any:
    start = sum(x.shape[axis] for x in xs[i + 1 :])
    return take_ranges(ct, ranges=tuple((start if a == axis else 0, 1, n) for a, n in enumerate(xs[i].shape)))


FAULTS = {
    "tanh: 1 + y²": ("tanh", slopes(lambda y, x: 1 + y * y)),
    "sin: wrong sign": ("sin", slopes(lambda y, x: -np.cos(x))),
    "sqrt: without the half": ("sqrt", slopes(lambda y, x: 1 / y)),
    "sigmoid: y": ("sigmoid", slopes(lambda y, x: y)),
    "divide: +y/b": ("divide", slopes(lambda y, a, b: 1 / b, lambda y, a, b: y / b)),
    "multiply: no path to b": ("multiply", slopes(lambda y, a, b: b, None)),
    "exp: a float64 slips in": ("exp", slopes(lambda y, x: y * np.float64(1))),
    "arctan2: a² + b² overflows": (
        "arctan2",
        slopes(lambda y, a, b: b / (a * a + b * b), lambda y, a, b: -a / (a * a + b * b)),
    ),
    "relu′(0) = 1": ("relu", slopes(lambda y, x: (x >= 0).astype(y.dtype))),
    "|0|′ = 1": ("absolute", slopes(lambda y, x: np.where(x >= 0, 1, -1).astype(y.dtype))),
    "maximum: all to the first at a tie": (
        "maximum",
        slopes(lambda y, a, b: (a >= b).astype(y.dtype), lambda y, a, b: (b > a).astype(y.dtype)),
    ),
    "power: log 0": ("power", slopes(lambda y, a, b: b * np.power(a, b - 1), lambda y, a, b: y * np.log(a))),
    "hypot: 0/0 at the origin": ("hypot", slopes(lambda y, a, b: a / y, lambda y, a, b: b / y)),
    "chain: 0 · ∞": ("chain", {"compute": np.multiply}),
    "matmul: factors swapped": (
        "matmul",
        {
            "derivative": Multilinear(
                (lambda ct, a, b: matmul_batch(ct, np.swapaxes(b, -1, -2)),
                 lambda ct, a, b: np.swapaxes(matmul_batch(np.swapaxes(ct, -1, -2), a), -1, -2) * 2),
                matmul_batch,
            )
        },
    ),
    "sum: the mean goes back": ("sum", linear("sum", lambda ct, x, *, axes: spread(ct, x, axes) / x.size)),
    "cumsum: not reversed": ("cumsum", linear("cumsum", lambda ct, x, *, axis: cumsum_along(ct, axis=axis))),
    "where: branches exchanged": (
        "where",
        linear("where", None, lambda ct, c, x, y: np.where(c, 0, ct), lambda ct, c, x, y: np.where(c, ct, 0)),
    ),
    "gather: equal indices averaged": ("gather", linear("gather", average_back)),
    "max: all of a tie get all": (
        "max",
        {
            "derivative": ByHand(
                lambda ct, y, x, *, axes: chain(spread(ct, x, axes), hit(ct, y, x, axes=axes)),
                lambda t, y, x, *, axes: sum_along(chain(t, hit(t, y, x, axes=axes)), axes=axes),
            )
        },
    ),
    "min: forward mode alone is wrong": (
        "min",
        {"derivative": ByHand(PRIMITIVES["min"].derivative.reverse, lambda t, y, x, *, axes: y)},
    ),
    "transpose: not inverted": ("transpose", linear("transpose", lambda ct, x, *, axes: permute(ct, axes=axes))),
    "broadcast_to: not summed": (
        "broadcast_to",
        linear("broadcast_to", lambda ct, x, *, shape: reshape_to(ct.ravel()[: x.size], shape=x.shape)),
    ),
    "concatenate: the other's part": ("concatenate", linear("concatenate", part_of_the_other)),
    "slice: put back at the front": (
        "slice",
        linear(
            "slice",
            lambda ct, x, *, ranges: unslice(ct, ranges=tuple((0, abs(s), n) for _, s, n in ranges), shape=x.shape),
        ),
    ),
    "astype: no path": ("astype", linear("astype", None)),
    "sum: a wrong type": ("sum", {"typed": lambda x, *, axes: Type((), x.dtype)}),
    "floor: rounds": ("floor", {"compute": np.rint}),
    "logaddexp: only one slope": ("logaddexp", slopes(lambda y, a, b: np.exp(a - y), None)),
    "stop_gradient: does not stop": ("stop_gradient", slopes(lambda y, x: 1)),
}  # fmt: skip


@contextmanager
def planted(name: str, changes: dict[str, Any]) -> Iterator[None]:
    primitive = PRIMITIVES[name]
    before = {field: getattr(primitive, field) for field in changes}
    for field, wrong in changes.items():
        object.__setattr__(primitive, field, wrong)
    try:
        yield
    finally:
        for field, right in before.items():
            object.__setattr__(primitive, field, right)


@cache
def users() -> dict[str, list[Case]]:
    """The rows whose own graphs hold an operation."""
    found: dict[str, list[Case]] = {name: [] for name in PRIMITIVES}
    for case in CASES:
        graph = cp.make_graph(lambda *xs, f=case.function: f(*xs))(*laws.drawn(case))
        for name in {eqn.primitive.name for eqn in graph.eqns}:
            found[name].append(case)
    return found


def is_caught(cases: list[Case]) -> bool:
    for case in cases:
        for law, its_cases in LAWS:
            try:
                if case in its_cases:
                    law(case)
            except AssertionError:
                return True
    return False


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_fault_is_caught(fault: str) -> None:
    name, changes = FAULTS[fault]
    cases = users()[name] or CASES
    with planted(name, changes):
        assert is_caught(cases)
    assert not is_caught(cases[:3])
