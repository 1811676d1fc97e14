"""Machine code gives what the interpreter gives: each row of the table, its derivatives, and compositions of rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import clearprop as cp
from cases import CASES, ELEMENTWISE, Case
from clearprop.compile.engine import assemble
from clearprop.compile.program import Program
from clearprop.compile.target import TARGETS, detect
from clearprop.core.graph import Graph
from clearprop.core.interpret import interpret
from clearprop.core.lowering import Contract
from clearprop.core.tree import leaves
from clearprop.core.types import type_of
from clearprop.transform.simplify import simplify
from test_operations import (
    DIFFERENTIABLE,
    FLOATS,
    Differentiable,
    at_specials,
    drawn,
    each_case,
    each_differentiable,
    specials,
)
from test_random_graphs import composed, inputs, programs

llvm = pytest.importorskip("llvmlite.binding")
RUNNABLE = {"avx512": ("avx512", "avx2", "sse2"), "avx2": ("avx2", "sse2")}.get(
    detect().name, (detect().name,)
)
TOLERANCE = {np.float16: 2e-3, np.float32: 3e-6, np.float64: 1e-13}
OTHERS = (np.float16, np.int64, np.bool_, np.int8, np.uint16, np.int32)  # one of them for each row
PARTS = 8  # a test of many rows, in pieces that run side by side


def greatest(arrays: list[Any]) -> float:
    """The largest finite magnitude among floats."""
    parts = [np.extract(np.isfinite(a), a).astype(float) for a in arrays if a.dtype.kind == "f"]
    return float(np.max(np.abs(np.concatenate([np.zeros(1), *parts]))))


def assert_agrees(graph: Graph, args: Any, target: str = "", single: bool = False, rtol: float = 0) -> None:
    """Compiled and interpreted, the graph gives the same for these arguments."""
    args = [np.asarray(a) for a in leaves(args)]
    results = Program(simplify(graph), TARGETS[target] if target else None)(args)
    assert_as_interpreted(results, graph, args, single, rtol)


def assert_as_interpreted(
    results: list[Any], graph: Graph, args: list[Any], single: bool, rtol: float = 0, zeros: bool = True
) -> None:
    """The results are those of the interpreter.

    The error counts against the largest number about, or, if single, against each result itself. Zeros have the
    same sign, but for matrix products: there it is BLAS' choice what a sum begins with.
    """
    signed = zeros and not any(isinstance(eqn.primitive.lowering, Contract) for eqn in graph.eqns)
    for actual, expected in zip(results, interpret(graph, args), strict=True):
        assert type_of(actual) == type_of(expected)
        if actual.dtype.kind != "f":
            np.testing.assert_array_equal(actual, expected)
            continue
        zero = (expected == 0) & (actual == 0) & signed
        np.testing.assert_array_equal(np.signbit(actual[zero]), np.signbit(expected[zero]))
        near = rtol or TOLERANCE[actual.dtype.type]
        atol = float(np.finfo(actual.dtype).tiny) if single else near * greatest([*args, expected])
        np.testing.assert_allclose(actual, expected, rtol=near, atol=atol, equal_nan=True)


def moderate(case: Case, dtype: Any) -> list[Any]:
    """Special values; where several are combined, none so large that the order of a sum matters."""
    args, values = at_specials(case, dtype), specials(dtype)
    if case in ELEMENTWISE:
        return args
    values = np.roll(values[np.isnan(values) | np.isinf(values) | (np.abs(values) < 1e30)], 7)
    floats = [a.dtype.kind == "f" for a in args]
    return [
        np.resize(np.roll(values, 5 * i), a.shape) if f else a
        for i, (a, f) in enumerate(zip(args, floats, strict=True))
    ]


def values(case: Case, args: list[Any]) -> Graph:
    return cp.make_graph(lambda *xs: case.function(*xs))(*args)


def second(case: Case, dtype: Any) -> tuple[Graph, list[Any]]:
    """The graph of the derivative of the gradients in one direction."""
    f = Differentiable(case, drawn(case, dtype))
    graph = cp.make_graph(lambda xs, ts: cp.jvp(lambda *ys: cp.vjp(f, *ys)[1](f.ws), xs, ts)[1])
    return graph(f.xs, f.ts), [f.xs, f.ts]


# ---- each row


@each_case
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_values(case: Case) -> None:
    for dtype in (*FLOATS, OTHERS[CASES.index(case) % len(OTHERS)]):
        args = drawn(case, dtype)
        try:
            graph = values(case, args)
            interpret(graph, args)
        except (TypeError, ValueError):  # NumPy has no such operation on these integers
            assert dtype not in FLOATS
            continue
        assert_agrees(graph, args)


@pytest.mark.parametrize("target", RUNNABLE)
@pytest.mark.parametrize(
    "function", [np.argmax, np.argmin, np.argsort, np.sort, np.cumsum], ids=lambda f: f.__name__
)
def test_halves_are_compared_on_every_processor(function: Any, target: str) -> None:
    x = np.array([[3, np.nan, -2, 0.5, 3], [1, 4, -0.0, 0, np.inf]], np.float16)
    for axis in (0, 1, None):
        assert_agrees(cp.make_graph(lambda x, axis=axis: function(x, axis=axis))(x), [x], target)


@each_differentiable
def test_gradients(case: Case) -> None:
    for dtype in FLOATS:
        assert_agrees(*Differentiable(case, drawn(case, dtype)).backward())


@pytest.mark.parametrize("case", DIFFERENTIABLE[::3], ids=repr)
def test_second_derivatives(case: Case) -> None:
    assert_agrees(*second(case, np.float64))


@each_case
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_special_values(case: Case) -> None:
    for dtype in (*FLOATS, *[np.float16][: case in ELEMENTWISE]):
        args = moderate(case, dtype)
        assert_agrees(values(case, args), args, single=case in ELEMENTWISE)


@each_differentiable
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_gradients_at_special_values(case: Case) -> None:
    for dtype in FLOATS[len(case.name) % 2 :][:1]:
        graph, args = Differentiable(case, moderate(case, dtype)).backward()
        assert_agrees(graph, args, single=case in ELEMENTWISE and len(case.inputs.split()) == 1)


# ---- other processors


def part(rows: list[Any], number: int) -> list[Any]:
    return rows[number::PARTS]


@pytest.mark.parametrize("number", range(PARTS))
@pytest.mark.parametrize("target", RUNNABLE[1:])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_targets(target: str, number: int) -> None:
    for case in part(CASES, number):
        args = moderate(case, FLOATS[1 - number % 2])
        assert_agrees(values(case, args), args, target, single=case in ELEMENTWISE)
    for case in part(DIFFERENTIABLE, number):
        graph, args = Differentiable(case, moderate(case, FLOATS[number % 2])).backward()
        single = case in ELEMENTWISE and len(case.inputs.split()) == 1
        assert_agrees(graph, args, target, single=single)


@pytest.mark.parametrize("number", range(0, PARTS, 2))
def test_neon_is_written_and_assembled(number: int) -> None:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    for case in part(CASES, number):
        for dtype in FLOATS:
            graph = values(case, drawn(case, dtype))
            (code,) = assemble([Program(simplify(graph), TARGETS["neon"])._parts()], TARGETS["neon"])
            assert code[8:][18:20] == b"\xb7\x00"  # AArch64, says the ELF header after the object's length


# ---- compositions


@given(programs)
@hypothesis_settings(max_examples=25)
def test_random_graphs(program: list[Any]) -> None:
    f = composed(program)
    for dtype, rtol in ((np.float32, 2e-4), (np.float64, 1e-10)):
        xs = inputs(dtype)
        ws = [np.ones_like(y) for y in f(*xs)]
        graph = cp.make_graph(lambda xs, ws: (f(*xs), cp.vjp(f, *xs)[1](ws)))(xs, ws)
        assert_agrees(graph, [xs, ws], rtol=rtol)


@given(programs, st.sampled_from(RUNNABLE))
@hypothesis_settings(max_examples=20)
def test_random_graphs_of_values_on_every_target(program: list[Any], target: str) -> None:
    f, xs = composed(program), inputs()
    assert_agrees(cp.make_graph(lambda *xs: f(*xs))(*xs), xs, target, rtol=1e-10)
