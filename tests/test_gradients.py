"""What users call on functions: gradients, pullbacks, directional derivatives, Hessians, graphs, the checker."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import clearprop as cp
from clearprop.core.errors import (
    DTypeError,
    GradientError,
    SettingError,
    ShapeError,
    StructureError,
    TraceError,
)
from clearprop.core.tree import Module
from clearprop.ops import PRIMITIVES
from clearprop.ops.declare import Elementwise

X = np.array([0.5, -1.5, 2.0])


class Line(Module):
    slope: Any
    offset: Any
    power: int = 2

    def __call__(self, x: Any) -> Any:
        return self.slope * x**self.power + self.offset


class Pair(NamedTuple):
    first: Any
    second: Any


# ---- structures


@pytest.mark.parametrize(
    ("params", "loss", "gradient"),
    [
        (2.0, lambda p: p**3, 12.0),
        ({"w": 2.0, "b": {"c": 5.0}}, lambda p: p["w"] * p["b"]["c"], {"w": 5.0, "b": {"c": 2.0}}),
        ([2.0, (3.0, None)], lambda p: p[0] * p[1][0], [3.0, (2.0, None)]),
        (Pair(2.0, 3.0), lambda p: p.first * p.second, Pair(3.0, 2.0)),
        ({"f": "name", "w": 2.0, "unused": 1.0}, lambda p: p["w"], {"f": "name", "w": 1.0, "unused": 0.0}),
    ],
)
def test_gradient_has_the_structure_of_the_argument(params: Any, loss: Any, gradient: Any) -> None:
    result = cp.grad(loss)(params)
    assert result == gradient
    assert type(result) in (type(gradient), np.float64)


def test_gradient_of_a_module_is_a_module() -> None:
    line = Line(slope=np.array([1.0, 2.0, 3.0]), offset=np.float32(1))
    g = cp.grad(lambda m: np.sum(m(X)))(line)
    assert isinstance(g, Line)
    assert g.power == 2
    np.testing.assert_allclose(g.slope, X**2)
    assert g.offset == 3
    assert g.offset.dtype == np.float32
    assert str(g) == "Line(slope=f64[3], offset=f32[], power=2)"


def test_argnums() -> None:
    def f(a: Any, b: Any, c: Any) -> Any:
        return a * b**2 * c**3

    assert cp.grad(f)(2.0, 3.0, 1.0) == 9.0
    assert cp.grad(f, 1)(2.0, 3.0, 1.0) == 12.0
    assert cp.grad(f, -1)(2.0, 3.0, 1.0) == 54.0
    assert cp.grad(f, (2, 0))(2.0, 3.0, 1.0) == (54.0, 9.0)
    assert cp.grad(f, [np.int64(1)])(2.0, 3.0, 1.0) == (12.0,)
    for wrong, message in ((3, "names argument 3"), ("w", "names argument w"), ((0, -3), "twice")):
        with pytest.raises(SettingError, match=message):
            cp.grad(f, wrong)(2.0, 3.0, 1.0)
    with pytest.raises(SettingError, match=r"called with\n? ?1 positional"):
        cp.grad(f, 1)(2.0, b=3.0, c=1.0)


def test_other_arguments_are_what_they_are() -> None:
    def f(x: Any, power: Any, *, times: Any) -> Any:
        assert type(power) is int
        return np.sum(x**power) * times if times > 1 else np.sum(x)

    np.testing.assert_allclose(cp.grad(f)(X, 2, times=3.0), 6 * X)


def test_has_aux() -> None:
    def f(x: Any) -> Any:
        h = np.tanh(x)
        return np.sum(h), {"h": h, "n": 3, "name": "tanh", "x": x}

    (value, aux), g = cp.value_and_grad(f, has_aux=True)(X)
    np.testing.assert_allclose(aux["h"], np.tanh(X))
    assert (aux["n"], aux["name"]) == (3, "tanh")
    assert value == np.tanh(X).sum()
    g2, aux2 = cp.grad(f, has_aux=True)(X)
    np.testing.assert_array_equal(g, g2)
    np.testing.assert_array_equal(aux["h"], aux2["h"])
    with pytest.raises(StructureError, match=r"must return \(value, aux\), not Traced"):
        cp.grad(np.sum, has_aux=True)(X)


def test_functions_of_all_kinds() -> None:
    class Doubler:
        def __call__(self, x: Any) -> Any:
            return 2 * x

    assert cp.grad(np.tanh)(0.0) == 1.0
    assert cp.grad(Doubler())(1.0) == 2.0
    assert cp.grad(functools.partial(lambda a, x: a * x, 3.0))(1.0) == 3.0
    assert functools.reduce(lambda f, _: cp.grad(f), range(3), lambda x: x**4)(2.0) == 48.0
    assert cp.grad(lambda x: functools.reduce(np.multiply, [x, x, x]))(2.0) == 12.0


def test_recursion_and_loops_and_branches_on_shapes() -> None:
    def power(x: Any, n: int) -> Any:
        return x * power(x, n - 1) if n else 1.0

    assert cp.grad(lambda x: power(x, 5))(2.0) == 80.0
    assert cp.grad(lambda x: sum(v for v in x) if x.ndim == 1 else x.sum() * 0)(X).tolist() == [1, 1, 1]


# ---- errors


def test_integers_have_no_gradient() -> None:
    with pytest.raises(DTypeError, match=r"argument 'p\.layers\.0' is i64\[2\].*\.astype\(np\.float64\)"):
        cp.grad(lambda p: np.sum(p["layers"][0]))({"layers": [np.array([1, 2])]})
    with pytest.raises(DTypeError, match=r"argument 'x' is bool\[\]"):
        cp.grad(lambda x: x)(True)
    for derivative in (
        lambda: cp.hessian(np.sum)(1),
        lambda: cp.vjp(np.sum, 1),
        lambda: cp.jvp(np.sum, (1,), (1,)),
    ):
        with pytest.raises(DTypeError, match=r"i64\[\]"):
            derivative()


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda x: x, ShapeError, r"returned f64\[3\], where one number is needed; reduce it with \.sum\(\)"),
        (lambda x: [x.sum()], DTypeError, "returned list.*has_aux"),
        (lambda x: None, DTypeError, "returned NoneType"),
        (lambda x: np.argmax(x), DTypeError, r"returned i64\[\], which is no float"),
        (lambda x: x.sum() > 0, DTypeError, r"returned bool\[\]"),
        (lambda x: 1, DTypeError, "no float"),
    ],
)
def test_what_is_no_scalar_float(function: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        cp.grad(function)(X)


def test_arguments_without_arrays_and_of_strange_types() -> None:
    with pytest.raises(DTypeError, match="holds no array"):
        cp.grad(lambda p: 1.0)({})
    with pytest.raises(DTypeError, match=r"argument 'x'.*complex128.*real and imaginary"):
        cp.grad(lambda x: x)(1j)
    with pytest.raises(DTypeError, match=r"argument 'x'.*object"):
        cp.grad(lambda x: x)(np.array([None]))


def test_error_inside_the_function_passes_through_and_leaves_no_trace() -> None:
    def fails(x: Any) -> Any:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        cp.grad(fails)(1.0)
    assert cp.grad(lambda x: x)(1.0) == 1.0


# ---- derivatives inside derivatives


def test_closures_over_values_of_an_outer_function() -> None:
    def f(x: Any) -> Any:
        return cp.grad(lambda y: x * y**2 + x**2 * y)(3.0) * x  # (6x + x²) x

    assert cp.grad(f)(2.0) == 12 * 2 + 3 * 4
    assert cp.grad(cp.grad(f))(2.0) == 12 + 6 * 2
    assert cp.grad(lambda x: cp.grad(lambda y: x**2)(1.0) + x)(5.0) == 1.0


def test_three_levels_share_a_value() -> None:
    def f(x: Any) -> Any:
        return cp.grad(lambda y: cp.grad(lambda z: x * y * z**2)(y))(x)  # ∂/∂y (2xy²) = 4xy = 4x²

    assert cp.grad(f)(3.0) == 24.0


def test_vjp_and_jvp_inside_grad() -> None:
    def through_vjp(x: Any) -> Any:
        value, back = cp.vjp(lambda y: np.sin(y) * x, x)
        return np.sum(back(np.ones_like(value))[0])  # Σ x cos x

    def through_jvp(x: Any) -> Any:
        return np.sum(cp.jvp(lambda y: np.sin(y) * x, (x,), (np.ones_like(x),))[1])

    for f in (through_vjp, through_jvp):
        np.testing.assert_allclose(f(X), np.sum(X * np.cos(X)))
        np.testing.assert_allclose(cp.grad(f)(X), np.cos(X) - X * np.sin(X))


def test_hessian_inside_grad_and_graph_inside_grad() -> None:
    np.testing.assert_allclose(
        cp.grad(lambda x: np.trace(cp.hessian(lambda y: np.sum(y**3))(x)))(X), [6.0] * 3
    )
    with pytest.raises(TraceError, match="pass them as arguments"):
        cp.grad(lambda x: len(cp.make_graph(lambda y: x * y)(1.0).eqns) * x)(1.0)


# ---- vjp, jvp, hvp, hessian


def test_vjp_with_several_arguments_and_results() -> None:
    value, back = cp.vjp(lambda a, b: {"sum": a + b, "rest": [a * b, 3]}, 2.0, 5.0)
    assert value == {"sum": 7.0, "rest": [10.0, 3]}
    assert back({"sum": 1.0, "rest": [10.0, 0]}) == (51.0, 21.0)
    assert back({"sum": 0.0, "rest": [1.0, 0]}) == (5.0, 2.0)


def test_vjp_remembers_the_moment_of_its_call() -> None:
    x = X.copy()
    y, back = cp.vjp(lambda x: x * x, x)
    x[:] = y[:] = 0
    np.testing.assert_allclose(back(np.ones(3))[0], 2 * X)


@pytest.mark.parametrize(
    ("direction", "error", "message"),
    [
        (np.ones(2), ShapeError, r"the cotangent has shape \[2\], but the value has \[3\]"),
        (1.0, ShapeError, r"shape \[\]"),
        ([np.ones(3)], StructureError, "same paths"),
        (None, StructureError, "same paths"),
    ],
)
def test_directions_must_fit(direction: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        cp.vjp(lambda x: x * x, X)[1](direction)
    with pytest.raises(error):
        cp.jvp(lambda x: x * x, (X,), (direction,))


def test_shape_of_a_direction_is_named_by_its_path() -> None:
    with pytest.raises(ShapeError, match=r"at '0\.w'"):
        cp.jvp(lambda p: p["w"], ({"w": X},), ({"w": np.ones(2)},))


def test_directions_take_the_dtype_of_the_argument() -> None:
    x = X.astype(np.float32)
    assert cp.vjp(lambda x: x * x, x)[1](np.ones(3))[0].dtype == np.float32
    assert cp.jvp(lambda x: x * x, (x,), (np.ones(3, int),))[1].dtype == np.float32


def test_jvp_of_grad_is_hvp_is_hessian_times_v() -> None:
    def f(x: Any) -> Any:
        return np.sum(np.sin(x[:-1]) * x[1:] ** 2) + np.prod(x)

    v = np.array([1.0, -2.0, 0.5])
    dense = cp.hessian(f)(X) @ v
    np.testing.assert_allclose(cp.hvp(f, (X,), (v,)), dense)
    np.testing.assert_allclose(cp.jvp(cp.grad(f), (X,), (v,))[1], dense)
    np.testing.assert_allclose(cp.grad(lambda x: np.sum(cp.grad(f)(x) * v))(X), dense)
    np.testing.assert_allclose(cp.hessian(f)(X), cp.hessian(f)(X).T)


def test_hvp_of_several_arguments() -> None:
    result = cp.hvp(lambda a, b: a**2 * b["w"], (2.0, {"w": 3.0}), (1.0, {"w": 1.0}))
    assert result == (2 * 3.0 + 2 * 2.0, {"w": 2 * 2.0})


def test_hessian_of_a_tree() -> None:
    def f(p: Any) -> Any:
        return np.sum(p["w"] ** 2) * p["b"]

    h = cp.hessian(f)({"w": np.array([1.0, 2.0]), "b": 3.0})
    np.testing.assert_allclose(h["w"]["w"], 6 * np.eye(2))
    np.testing.assert_allclose(h["w"]["b"], [2.0, 4.0])
    np.testing.assert_allclose(h["b"]["w"], [2.0, 4.0])
    assert h["b"]["b"] == 0.0


def test_hessian_of_matrices_and_of_another_argument() -> None:
    a = np.arange(6.0).reshape(2, 3)
    assert cp.hessian(lambda m: np.sum(m**3))(a).shape == (2, 3, 2, 3)
    assert cp.hessian(lambda x, m: np.sum(m**3) * x, 1)(2.0, a).shape == (2, 3, 2, 3)
    assert cp.hessian(lambda m: np.sum(m))(np.zeros((0, 2))).shape == (0, 2, 0, 2)
    assert cp.hessian(lambda x: x**3)(np.float32(2)).dtype == np.float32


# ---- results


@pytest.mark.parametrize(
    "function",
    [
        lambda a, b: np.sum(a),
        lambda a, b: np.sum(a + b),
        lambda a, b: np.sum((a + b) ** 2),
        lambda a, b: np.sum(a.reshape(3, 1) * b),
        lambda a, b: np.sum(np.broadcast_to(a, (2, 3))) + np.sum(b[::-1]),
    ],
)
def test_results_are_writable_and_share_no_memory(function: Any) -> None:
    a, b = X.copy(), X.copy()
    both = cp.grad(function, (0, 1))(a, b)
    both += cp.vjp(lambda a, b: (a, a.reshape(3), a + b, 2 * b), a, b)[0]
    both += cp.jvp(lambda a, b: (a, a + b), (a, b), (a, b))[1]
    both += cp.vjp(lambda a, b: a, a, b)[1](b)
    arrays = [a, b, *both]
    for i, array in enumerate(arrays):
        assert array.flags.writeable
        assert not any(np.shares_memory(array, other) for other in arrays[i + 1 :])


def test_scalars_come_as_numpy_scalars() -> None:
    value, g = cp.value_and_grad(lambda x: x * x)(np.float32(3))
    assert (type(value), type(g)) == (np.float32, np.float32)
    assert type(cp.grad(lambda x: x * x)(3.0)) is np.float64
    assert type(cp.grad(lambda x: x * x)(np.array(3.0))) is np.float64


def test_float32_stays() -> None:
    x = X.astype(np.float32)

    def f(x: Any) -> Any:
        return np.mean(cp.gelu(x) * 2 + np.log1p(np.abs(x)) / 3) + np.std(x) + cp.logsumexp(x) * np.float32(2)

    assert f(x).dtype == np.float32
    for derivative in (cp.grad(f)(x), cp.hessian(f)(x), cp.hvp(f, (x,), (x,)), cp.jvp(f, (x,), (x,))[1]):
        assert derivative.dtype == np.float32
    np.testing.assert_allclose(cp.grad(f)(x), cp.grad(f)(X), rtol=1e-5)


def test_float16_and_mixed_dtypes() -> None:
    half = X.astype(np.float16)
    assert cp.grad(lambda x: np.sum(x * x))(half).dtype == np.float16
    assert cp.value_and_grad(np.mean)(np.full(70_000, 4.0, np.float16))[0] == 4.0
    g32, g64 = cp.grad(lambda a, b: np.sum(a * b), (0, 1))(X.astype(np.float32), X)
    assert (g32.dtype, g64.dtype) == (np.float32, np.float64)
    np.testing.assert_allclose(cp.grad(lambda x, n: np.sum(x * n))(X, np.arange(3)), np.arange(3))
    np.testing.assert_allclose(cp.grad(lambda x, m: np.sum(x * m))(X, X > 0), X > 0)


def test_numpy_on_the_left() -> None:
    w = np.arange(6.0).reshape(2, 3)
    np.testing.assert_allclose(cp.grad(lambda x: np.float64(2) * x @ np.ones(3))(X), [2.0] * 3)
    np.testing.assert_allclose(cp.grad(lambda x: np.sum(w @ x + np.ones(2) - np.float32(1)))(X), w.sum(0))
    np.testing.assert_allclose(cp.grad(lambda x: np.sum(w / x))(X), -w.sum(0) / X**2)
    np.testing.assert_allclose(cp.grad(lambda x: np.sum(np.where(w > x, w, x)))(X), (w <= X).sum(0))


def test_empty_arrays() -> None:
    assert cp.grad(np.sum)(np.zeros((0, 3))).shape == (0, 3)
    assert cp.grad(lambda x: np.sum(x @ np.ones((3, 2))))(np.zeros((0, 3))).shape == (0, 3)
    np.testing.assert_allclose(
        cp.grad(lambda w: np.sum(np.zeros((0, 3)) @ w))(np.ones((3, 2))), np.zeros((3, 2))
    )


# ---- graphs


def test_make_graph_names_inputs_by_their_paths() -> None:
    graph = cp.make_graph(lambda p, x: p["layers"][0] @ x)({"layers": [np.ones((2, 3))]}, X)
    assert str(graph) == (
        "graph(p.layers.0: f64[2,3], x: f64[3]) -> f64[2]\n"
        "  a: f64[3,1] = reshape x shape=(3, 1)\n"
        "  b: f64[2,1] = matmul p.layers.0 a\n"
        "  c: f64[2] = reshape b shape=(2,)\n"
        "  return c"
    )


def test_make_graph_passes_settings_on_and_copies_what_it_reads() -> None:
    data = X.copy()
    graph = cp.make_graph(lambda x, n: np.tile(x, n) * data[0] + data.sum(), static_argnums=[1])(X, 2)
    assert graph.outputs[0].type.shape == (6,)
    before = str(graph)
    data[:] = 0
    assert str(graph) == before
    graph = cp.make_graph(lambda x: x * data)(X)
    data[:] = 1
    assert not graph.eqns[0].inputs[1].value.any()


def test_gradients_keep_the_lines_of_the_function() -> None:
    def loss(x: Any) -> Any:
        return np.sum(np.tanh(x))

    first = loss.__code__.co_firstlineno
    graph = cp.make_graph(cp.grad(loss))(X)
    assert {(eqn.where.file, eqn.where.line) for eqn in graph.eqns if eqn.where} == {(__file__, first + 1)}
    assert all(eqn.where for eqn in graph.eqns)


# ---- the checker


def test_check_grads_passes_what_is_right() -> None:
    def f(p: Any, x: Any) -> Any:
        return {"y": np.tanh(x @ p["w"]), "argmax": np.argmax(x), "n": 2}

    cp.check_grads(f, ({"w": np.ones((3, 2))}, X), order=3)
    cp.check_grads(f, ({"w": np.ones((3, 2), np.float32)}, X.astype(np.float32)), order=1)
    cp.check_grads(lambda x: x, (X,), modes=["fwd"])


@pytest.mark.parametrize("mode", ["rev", "fwd"])
def test_check_grads_catches_a_wrong_rule_and_names_the_element(mode: str) -> None:
    def slope(y: Any, x: Any) -> Any:
        return np.cos(x) * np.where(x == X[1], 3, 1)

    with wrong_rule("sin", Elementwise((slope,))):
        with pytest.raises(GradientError, match=r"argument 'p\.w', f64\[3\].*p\.w\[1\].*\n.*kink") as raised:
            cp.check_grads(lambda p, b: np.sin(p["w"]) * b, ({"w": X}, 2.0), modes=[mode], order=1)
        assert {"rev": "reverse", "fwd": "forward"}[mode] + " mode gives" in str(raised.value)


def test_check_grads_catches_a_wrong_second_derivative() -> None:
    def slope(y: Any, x: Any) -> Any:
        return cp.stop_gradient(np.cos(x))

    with wrong_rule("sin", Elementwise((slope,))):
        cp.check_grads(np.sin, (X,), order=1)
        with pytest.raises(GradientError, match="the gradient of sin"):
            cp.check_grads(np.sin, (X,), order=2)


def test_check_grads_catches_a_kink_and_nan() -> None:
    with pytest.raises(GradientError, match="At a kink"):
        cp.check_grads(cp.relu, (np.array([1.0, 0.0]),))
    with pytest.raises(GradientError, match="gives nan"):
        cp.check_grads(lambda x: np.sqrt(np.abs(x)), (np.array([0.0]),))
    with pytest.raises(GradientError, match="differences give nan"):
        cp.check_grads(lambda x: x * np.nan, (X,))


def test_check_grads_settings() -> None:
    with pytest.raises(ValueError, match="'rev' or 'fwd'"):
        cp.check_grads(np.sin, (X,), modes=["back"])
    with pytest.raises(DTypeError, match=r"check_grads of sin.*i64\[\]"):
        cp.check_grads(np.sin, (1,))


class wrong_rule:
    """Another derivative for an operation, for a while."""

    def __init__(self, name: str, derivative: Any) -> None:
        self.primitive, self.derivative = PRIMITIVES[name], derivative

    def __enter__(self) -> None:
        self.right: Callable[..., Any] = self.primitive.derivative
        object.__setattr__(self.primitive, "derivative", self.derivative)

    def __exit__(self, *error: object) -> None:
        object.__setattr__(self.primitive, "derivative", self.right)
