"""The laws that every operation keeps, tried on each row of the table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import special

import clearprop as cp
from cases import CASES, DOMAINS, ELEMENTWISE, MOVED, Case, draw
from clearprop.core import traced
from clearprop.core.graph import Graph
from clearprop.core.interpret import interpret
from clearprop.core.tree import leaves
from clearprop.core.types import type_of
from clearprop.ops import PRIMITIVES
from clearprop.transform.simplify import simplify

each_case = pytest.mark.parametrize("case", CASES, ids=repr)
DIFFERENTIABLE = [c for c in CASES if any(word[0] in MOVED for word in c.inputs.split())]
each_differentiable = pytest.mark.parametrize("case", DIFFERENTIABLE, ids=repr)
each_elementwise = pytest.mark.parametrize("case", ELEMENTWISE, ids=repr)
FLOATS = (np.float32, np.float64)
SPECIAL = [1.0, 0.0, -0.0, -1.0, 0.5, np.inf, -np.inf, np.nan, 1e4, -1e4]


def specials(dtype: Any) -> np.ndarray[Any, Any]:
    limits = np.finfo(dtype)
    return np.array([*SPECIAL, limits.smallest_subnormal, -limits.tiny, limits.max, limits.min], dtype)


def at_specials(case: Case, dtype: Any) -> list[np.ndarray[Any, Any]]:
    """Arguments of special values: every combination of them, if the operation is elementwise."""
    values, words, args = specials(dtype), case.inputs.split(), draw(case.inputs, dtype)
    floats = [i for i, word in enumerate(words) if word[0] in DOMAINS]
    for place, i in enumerate(floats):
        if case in ELEMENTWISE and len(floats) == len(words):
            args[i] = values.reshape([-1 if place == axis else 1 for axis in range(len(floats))])
        else:
            args[i] = np.resize(np.roll(values, 7 * place), args[i].shape)
    return args


class Differentiable:
    """A row as a function of its differentiated arguments alone, to its float results."""

    def __init__(self, case: Case, args: list[Any]) -> None:
        self.case, self.args = case, args
        letters = [word[0] for word in case.inputs.split()]
        self.places = [i for i, letter in enumerate(letters) if letter in MOVED]
        self.xs = [args[i] for i in self.places]
        self.ys = self(*self.xs)
        rng = np.random.default_rng(0)
        self.ts, self.ws = (
            [rng.standard_normal(a.shape).astype(a.dtype) for a in b] for b in (self.xs, self.ys)
        )

    def __call__(self, *xs: Any) -> list[Any]:
        args = list(self.args)
        for i, x in zip(self.places, xs, strict=True):
            args[i] = x
        with np.errstate(all="ignore"):
            results = leaves(self.case.function(*args))
        return [y if hasattr(y, "dtype") else np.asarray(y) for y in results if type_of(y).dtype.kind == "f"]

    def pulled(self) -> Any:
        return cp.vjp(self, *self.xs)[1](self.ws)

    def backward(self) -> tuple[Graph, list[Any]]:
        """The graph of the value and the gradients, and the arguments for it."""
        graph = cp.make_graph(lambda xs, ws: (self(*xs), cp.vjp(self, *xs)[1](ws)))(self.xs, self.ws)
        return graph, [*self.xs, *self.ws]


def drawn(case: Case, dtype: Any = np.float64) -> list[Any]:
    return draw(case.inputs, dtype, case.name)


def dot(us: Any, vs: Any) -> float:
    return float(sum(np.sum(np.asarray(u, float) * v) for u, v in zip(us, vs, strict=True)))


def recorded(function: Callable[..., Any], args: list[Any]) -> list[Any]:
    return interpret(cp.make_graph(lambda *xs: function(*xs))(*args), args)


def assert_same(actual: Any, expected: Any, **tolerance: float) -> None:
    tolerance = tolerance or {"rtol": 2e-6 if type_of(expected).dtype == np.float32 else 1e-13}
    assert type_of(actual) == type_of(expected)
    if type_of(actual).dtype.kind in "biu":
        np.testing.assert_array_equal(actual, expected)
    else:
        np.testing.assert_allclose(actual, expected, equal_nan=True, **tolerance)


# ---- 1. types are NumPy's


@each_case
def test_types_are_those_of_numpy(case: Case) -> None:
    for dtype in (np.float32, np.float64, np.int64, np.int8, np.bool_):
        args = drawn(case, dtype)
        try:
            with np.errstate(all="ignore"):
                expected = leaves(case.function(*args))
        except (TypeError, ValueError):  # NumPy has no such operation on integers
            continue
        graph = cp.make_graph(lambda *xs: case.function(*xs))(*args)
        assert [a.type for a in graph.outputs] == [type_of(y) for y in expected], dtype


@each_elementwise
def test_shapes_of_numbers_and_empty_arrays(case: Case) -> None:
    words = [word.split("[")[0] for word in case.inputs.split()]
    for first, others in (("", ""), ("0,3", "3"), ("2,1", "1,3"), ("1", "")):
        inputs = " ".join(f"{w}[{others if i else first}]" for i, w in enumerate(words))
        args = drawn(replace(case, inputs=inputs))
        for actual, expected in zip(recorded(case.function, args), leaves(case.function(*args)), strict=True):
            assert_same(actual, expected)


SCALARS = (
    2,
    1.5,
    True,
    np.float32(1.5),
    np.float64(1.5),
    np.int64(2),
    np.uint8(2),
    np.array(1.5),
    np.array(2),
)


@pytest.mark.parametrize("case", [c for c in ELEMENTWISE if len(c.inputs.split()) == 2], ids=repr)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.int8, np.bool_])
def test_numbers_on_either_side(case: Case, dtype: Any) -> None:
    x = draw("p[3]", dtype)[0]
    for scalar in SCALARS:
        for function in (lambda a, s=scalar: case.function(a, s), lambda a, s=scalar: case.function(s, a)):
            try:
                with np.errstate(all="ignore"):
                    expected = function(x)
            except TypeError:
                with pytest.raises(TypeError):
                    cp.make_graph(function)(x)
                continue
            assert cp.make_graph(function)(x).outputs[0].type == type_of(expected), repr(scalar)


# ---- 2, 3, 4. derivatives


@each_differentiable
def test_forward_derivative_is_the_limit_of_differences(case: Case) -> None:
    f = Differentiable(case, drawn(case))
    h = 1e-5
    ahead, behind = (f(*(x + step * t for x, t in zip(f.xs, f.ts, strict=True))) for step in (h, -h))
    for y, a, b, t in zip(f.ys, ahead, behind, cp.jvp(f, f.xs, f.ts)[1], strict=True):
        scale = 1 + np.max(np.abs(y), initial=0)
        np.testing.assert_allclose(t, (a - b) / (2 * h), rtol=1e-6, atol=1e-8 * scale)


@each_differentiable
def test_reverse_derivative_is_the_transpose_of_the_forward_one(case: Case) -> None:
    f = Differentiable(case, drawn(case))
    moved, pulled = cp.jvp(f, f.xs, f.ts)[1], f.pulled()
    assert [type_of(t) for t in moved] == [type_of(y) for y in f.ys]
    assert [type_of(g) for g in pulled] == [type_of(x) for x in f.xs]
    assert dot(f.ws, moved) == pytest.approx(dot(pulled, f.ts), rel=1e-10, abs=1e-10)


@each_differentiable
def test_second_derivative(case: Case) -> None:
    f = Differentiable(case, drawn(case))
    cp.check_grads(f, f.xs, order=2)


# ---- 5, 6. what is recorded gives what NumPy gives


@each_case
@pytest.mark.parametrize("dtype", FLOATS)
def test_recorded_is_called(case: Case, dtype: Any) -> None:
    args = drawn(case, dtype)
    for actual, expected in zip(recorded(case.function, args), leaves(case.function(*args)), strict=True):
        assert_same(actual, expected)


@each_differentiable
@pytest.mark.parametrize("dtype", FLOATS)
def test_recorded_gradient_is_the_called_one(case: Case, dtype: Any) -> None:
    f = Differentiable(case, drawn(case, dtype))
    graph, args = f.backward()
    for actual, expected in zip(interpret(graph, args), [*f.ys, *f.pulled()], strict=True):
        assert_same(actual, expected)
    assert all(g.dtype == dtype for g in f.pulled())


@each_differentiable
def test_gradients_in_both_precisions_agree(case: Case) -> None:
    args = drawn(case, np.float32)
    single = Differentiable(case, args)
    double = Differentiable(case, [a.astype(np.float64) if a.dtype.kind == "f" else a for a in args])
    double.ws = [w.astype(y.dtype) for w, y in zip(single.ws, double.ys, strict=True)]
    for g, exact in zip(single.pulled(), double.pulled(), strict=True):
        np.testing.assert_allclose(g, exact, rtol=2e-5, atol=2e-5 * np.max(np.abs(exact), initial=0))


@each_case
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_special_values(case: Case, dtype: Any) -> None:
    args = at_specials(case, dtype)
    for actual, expected in zip(recorded(case.function, args), leaves(case.function(*args)), strict=True):
        assert_same(actual, expected)
        if case in ELEMENTWISE and "clip" not in case.name and expected.dtype.kind == "f":
            np.testing.assert_array_equal(
                np.signbit(actual) & ~np.isnan(actual), np.signbit(expected) & ~np.isnan(actual)
            )


@each_differentiable
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_gradients_at_special_values(case: Case, dtype: Any) -> None:
    f = Differentiable(case, at_specials(case, dtype))
    graph, inputs = f.backward()
    for actual, expected in zip(interpret(graph, inputs), [*f.ys, *f.pulled()], strict=True):
        assert_same(actual, expected)


@pytest.mark.parametrize("case", [c for c in ELEMENTWISE if c in DIFFERENTIABLE], ids=repr)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_slopes_overflow_no_earlier_in_single_precision(case: Case) -> None:
    args = at_specials(case, np.float32)
    single = Differentiable(case, args)
    double = Differentiable(case, [a.astype(np.float64) if a.dtype.kind == "f" else a for a in args])
    single.ws = [np.ones_like(y) for y in single.ys]
    double.ws = [np.ones_like(y) for y in double.ys]
    for g, exact in zip(single.pulled(), double.pulled(), strict=True):
        np.testing.assert_allclose(g, exact.astype(np.float32), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("ours", "scipys"),
    [
        (cp.erf, special.erf),
        (cp.sigmoid, special.expit),
        (cp.log_sigmoid, special.log_expit),
        (cp.logsumexp, special.logsumexp),
        (cp.softmax, lambda x: special.softmax(x, axis=-1)),
        (cp.log_softmax, lambda x: special.log_softmax(x, axis=-1)),
    ],
)
def test_special_functions_are_those_of_scipy(ours: Any, scipys: Any) -> None:
    x = np.concatenate([np.linspace(-9, 9, 2001), [-1e4, 1e4, 1e-300, -1e-8, 30, -30, 700, -700]])
    for dtype, rtol in ((np.float64, 1e-14), (np.float32, 1e-6)):
        y = ours(x.astype(dtype))
        assert y.dtype == dtype
        np.testing.assert_allclose(
            y, scipys(x.astype(dtype).astype(float)), rtol=rtol, atol=np.finfo(dtype).tiny
        )


# ---- 7. simplifying keeps the meaning


@each_differentiable
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_simplifying_keeps_bits_and_never_lengthens(case: Case) -> None:
    for args in (drawn(case), at_specials(case, np.float32)):
        graph, inputs = Differentiable(case, args).backward()
        simpler = simplify(graph)
        assert len(simpler.eqns) <= len(graph.eqns)
        for actual, expected in zip(interpret(simpler, inputs), interpret(graph, inputs), strict=True):
            assert type_of(actual) == type_of(expected)
            np.testing.assert_array_equal(actual, expected)
            np.testing.assert_array_equal(np.signbit(actual)[actual == 0], np.signbit(expected)[actual == 0])
    graph, inputs = Differentiable(case, drawn(case)).backward()
    for actual, expected in zip(
        interpret(simplify(graph, inexact=True), inputs), interpret(graph, inputs), strict=True
    ):
        assert_same(actual, expected, rtol=1e-9, atol=1e-12)


# ---- 8. points


@pytest.mark.parametrize("case", [c for c in CASES if c.points], ids=repr)
def test_points(case: Case) -> None:
    for point in case.points:
        args = [np.asarray(a) for a in point.args]
        with np.errstate(all="ignore"):
            value = case.function(*args)
        if point.value is not None:
            np.testing.assert_allclose(
                recorded(case.function, args)[0], value, rtol=1e-12, err_msg=f"{point}"
            )
            np.testing.assert_allclose(value, point.value, rtol=1e-12, err_msg=f"{point}")
        if point.slopes:
            assert_slopes(case, point.slopes, args)


def assert_slopes(case: Case, slopes: Any, args: list[Any]) -> None:
    letters = [word[0] for word in case.inputs.split()]
    f = Differentiable(case, args)
    f.places = [i for i, letter in enumerate(letters) if letter in DOMAINS]
    f.xs = [args[i] for i in f.places]
    reverse = cp.vjp(f, *f.xs)[1]([np.ones_like(y) for y in f.ys])
    forward = [np.zeros_like(x) for x in f.xs]
    for n, x in enumerate(f.xs):
        for index in np.ndindex(x.shape):
            units = [np.zeros_like(x) for x in f.xs]
            units[n][index] = 1
            forward[n][index] = dot(cp.jvp(f, f.xs, units)[1], [np.ones_like(y) for y in f.ys])
    for mode in (reverse, forward):
        for g, slope in zip(mode, slopes, strict=True):
            np.testing.assert_allclose(g, slope, rtol=1e-12, atol=1e-300, err_msg=f"{case} at {args}")


# ---- 0. the table is complete


def test_every_primitive_has_a_row() -> None:
    reached = set()
    for case in CASES:
        args = drawn(case)
        graphs = [cp.make_graph(lambda *xs, f=case.function: f(*xs))(*args)]
        if case in DIFFERENTIABLE:
            graphs.append(Differentiable(case, args).backward()[0])
        reached |= {eqn.primitive.name for graph in graphs for eqn in graph.eqns}
    assert not set(PRIMITIVES) - reached


def test_every_numpy_function_has_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = set()

    class Listening(dict[Any, Any]):
        def __getitem__(self, key: Any) -> Any:
            asked.add(key)
            return super().__getitem__(key)

    monkeypatch.setattr(traced, "NUMPY", Listening(traced.NUMPY))
    for case in CASES:
        cp.make_graph(lambda *xs, f=case.function: f(*xs))(*drawn(case))
    assert not [function for function in traced.NUMPY if function not in asked]
