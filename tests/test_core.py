"""Graphs, types, tracing and trees: what a computation is."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from typing import Any, NamedTuple

import numpy as np
import pytest

import clearprop as cp
from clearprop.core import tree
from clearprop.core.check import check
from clearprop.core.errors import GraphError, ShapeError, StructureError, TraceError
from clearprop.core.graph import Const, Eqn, Graph, Var
from clearprop.core.interpret import evaluate, interpret
from clearprop.core.trace import trace
from clearprop.core.tree import Module
from clearprop.core.types import Type, dtype_name, normalize_axes, type_of
from clearprop.ops import PRIMITIVES
from clearprop.transform.simplify import simplify

F3 = Type((3,), np.float64)
X = np.array([0.5, -1.5, 2.0])
EXP, ADD = PRIMITIVES["exp"], PRIMITIVES["add"]

# ---- types


@pytest.mark.parametrize(
    ("dtype", "name"),
    [("f4", "f32"), ("f8", "f64"), ("f2", "f16"), ("?", "bool"), ("i8", "i64"), ("u1", "u8")],
)
def test_dtype_names(dtype: str, name: str) -> None:
    assert dtype_name(np.dtype(dtype)) == name


def test_types_are_compared_by_value_and_printed() -> None:
    assert Type([np.int64(2), 3], "f4") == Type((2, 3), np.float32) != Type((2, 3), np.float64)
    assert {Type((2,), float): 1}[Type((2,), float)] == 1
    assert f"{Type((), bool)} {Type((0, 3), np.int8)}" == "bool[] i8[0,3]"
    assert (Type((2, 0, 3), float).size, Type((), float).size, Type((2, 3), float).ndim) == (0, 1, 2)
    assert [type_of(v) for v in (1, True, 2.0, np.float32(1), [1.0])] == [
        Type((), d) for d in (int, bool, float, np.float32)
    ] + [Type((1,), float)]


def test_axes() -> None:
    assert normalize_axes(None, 2, "f") == (0, 1)
    assert normalize_axes(np.int64(-1), 3, "f") == (2,)
    assert normalize_axes([2, -3], 3, "f") == (0, 2)
    with pytest.raises(ShapeError, match="f: axis 2 does not exist in an array of 2 axes"):
        normalize_axes((0, 2), 2, "f")


# ---- graphs


def test_a_graph_is_printed_in_one_notation() -> None:
    def f(a: Any, params: Any) -> Any:
        h = np.tanh(params["w"] @ a * 2 + np.float64(0.5))
        return h.astype(np.float32), np.sum(h, axis=0), 3, np.array([1.0, 2.0])

    assert str(cp.make_graph(f)(X, {"w": np.ones((2, 3))})) == (
        "graph(a: f64[3], params.w: f64[2,3]) -> (f32[2], f64[], i64[], f64[2])\n"
        "  b: f64[3,1] = reshape a shape=(3, 1)\n"
        "  c: f64[2,1] = matmul params.w b\n"
        "  d: f64[2] = reshape c shape=(2,)\n"
        "  e: f64[2] = multiply d 2.0:f64[2]\n"
        "  f: f64[2] = add e 0.5:f64[2]\n"
        "  g: f64[2] = tanh f\n"
        "  h: f32[2] = astype g dtype=float32\n"
        "  i: f64[] = sum g axes=(0,)\n"
        "  return h, i, 3, const:f64[2]"
    )


def test_names_do_not_run_out_and_do_not_clash() -> None:
    def f(a: Any, z: Any) -> Any:
        for _ in range(60):
            a = np.sin(a)
        return a + z

    text = str(cp.make_graph(f)(1.0, 2.0))
    names = [line.split(":")[0].strip() for line in text.splitlines()[1:-1]]
    assert len(set(names)) == len(names) == 61
    assert not {"a", "z"} & set(names)
    assert names[:2] == ["b", "c"]
    assert "aa" in names
    both = Graph((Var(F3, "x"), Var(F3, "x")), (), ())
    assert str(both) == "graph(x: f64[3], a: f64[3]) -> ()\n  return "


def test_parts_of_graphs_print() -> None:
    assert repr(Var(F3, "x")) == "x: f64[3]"
    assert repr(Var(F3)) == "_: f64[3]"
    assert repr(EXP) == "<operation exp>"
    assert [repr(Const(np.asarray(v))) for v in (2, 2.5, True, [1.0, 2.0])] == [
        "2",
        "2.5",
        "True",
        "const:f64[2]",
    ]
    assert repr(Const(np.broadcast_to(0.5, (2, 3)))) == "0.5:f64[2,3]"
    assert Const(np.zeros((0, 2))).uniform is None


def test_graphs_are_frozen() -> None:
    graph = cp.make_graph(np.exp)(X)
    with pytest.raises(FrozenInstanceError):
        graph.name = "other"
    with pytest.raises(TypeError):
        graph.eqns[0].params["axis"] = 1
    constant = Const(X.copy()).owned()
    assert not constant.value.flags.writeable


def test_check_finds_what_is_wrong() -> None:
    x, y, z = (Var(F3, name) for name in "xyz")
    good = Graph((x,), (Eqn(EXP, (x,), {}, y),), (y,))
    check(good)
    wrong = {
        "exp uses a variable z: f64\\[3\\] that no equation before it": Graph(
            (x,), (Eqn(EXP, (z,), {}, y),), (y,)
        ),
        "the output uses a variable": Graph((x,), (), (z,)),
        "input x is listed twice": Graph((x, x), (), ()),
        "a is assigned twice in\ngraph": Graph((x,), (good.eqns[0], good.eqns[0]), ()),
        r"exp gives f64\[3\], not f32\[3\]": Graph(
            (x,), (Eqn(EXP, (x,), {}, v := Var(Type((3,), np.float32))),), (v,)
        ),
        "x is assigned twice": Graph((x,), (Eqn(EXP, (x,), {}, x),), ()),
        "add uses a variable y": Graph((x,), (Eqn(ADD, (x, y), {}, z), Eqn(EXP, (x,), {}, y)), (z,)),
    }
    for message, graph in wrong.items():
        with pytest.raises(GraphError, match=message):
            check(graph)


# ---- interpreting


def test_interpreting_needs_all_inputs() -> None:
    graph = cp.make_graph(np.add)(1.0, 2.0)
    assert interpret(graph, [1.0, 2.0]) == [3.0]
    with pytest.raises(GraphError, match="2 inputs was given 1"):
        interpret(graph, [1.0])


def test_evaluation_keeps_every_value_and_warns_of_nothing() -> None:
    graph = cp.make_graph(lambda x: np.where(x > 0, np.log(x), 0))(X)
    values = evaluate(graph, [np.zeros(3)])
    assert len(values) == 1 + len(graph.eqns)
    np.testing.assert_array_equal(values[graph.eqns[-1].out], np.zeros(3))


def test_an_error_that_only_numbers_show_names_the_line() -> None:
    graph = cp.make_graph(lambda x, i: np.sum(x[i]))(X, 0)
    assert interpret(graph, [X, 2]) == [X[2]]
    with pytest.raises(IndexError, match="out of bounds") as raised:
        interpret(graph, [X, 3])
    assert "  in gather, at " + __file__ in raised.value.__notes__[0]


def test_interpreting_on_traced_values_inlines() -> None:
    inner = cp.make_graph(lambda x: np.exp(x) * 2)(X)
    outer = cp.make_graph(lambda x: interpret(inner, [np.sin(x)])[0])(X)
    assert [e.primitive.name for e in outer.eqns] == ["sin", "exp", "multiply"]
    assert outer.eqns[1].where == inner.eqns[0].where != outer.eqns[0].where


# ---- tracing


def test_values_of_outer_recordings_are_captured_once_and_in_order() -> None:
    inner: list[Any] = []

    def f(x: Any, y: Any) -> Any:
        graph, captured = trace(lambda z: [y * z + x, y], [F3], ["z"])
        inner.append(graph)
        return interpret(graph, [x, *captured])

    outer = cp.make_graph(f)(X, 2 * X)
    assert str(inner[0]).startswith("graph(z: f64[3], y: f64[3], x: f64[3]) -> (f64[3], f64[3])")
    np.testing.assert_allclose(interpret(outer, [X, 2 * X])[0], 2 * X * X + X)


def test_a_value_that_has_leaked_is_refused() -> None:
    kept: list[Any] = []

    def leak(x: Any) -> Any:
        kept.append(x)
        return np.sum(x)

    cp.grad(leak)(X)
    with pytest.raises(
        TraceError, match=r"used after its function had been recorded.*\n  at .*\n.*Return it"
    ):
        kept[0] + 1
    with pytest.raises(TraceError, match=r"f64\[3\] was kept after.*\n  at .*\n.*Return it"):
        cp.grad(lambda x: np.sum(x + kept[0]))(X)
    with pytest.raises(TraceError):
        cp.grad(lambda x: np.sum(kept[0]))(X)
    with pytest.raises(TraceError):
        cp.make_graph(lambda x: kept[0])(X)
    assert repr(kept[0]) == "<traced f64[3]>"


def test_a_value_of_an_inner_function_leaks_too() -> None:
    kept: list[Any] = []

    def f(x: Any) -> Any:
        cp.grad(lambda y: kept.append(y) or y * x)(1.0)
        return x * kept[0]

    with pytest.raises(TraceError, match="was kept after"):
        cp.grad(f)(1.0)


def test_an_error_closes_the_recording() -> None:
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            cp.grad(lambda x: x + 1 / 0)(1.0)
    assert cp.grad(lambda x: x * x)(3.0) == 6.0
    assert np.exp(np.float64(0)) == EXP(0.0) == 1.0


def test_threads_do_not_mix_their_recordings() -> None:
    n, results = 8, {}
    barrier = threading.Barrier(n)

    def work(i: int) -> None:
        def f(x: Any) -> Any:
            barrier.wait()
            for _ in range(50):
                x = np.sin(x) * (i + 1)
            return cp.grad(lambda y: np.sum(y * x))(x).sum()

        results[i] = str(cp.make_graph(f)(X)), cp.grad(f)(X)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    barrier = threading.Barrier(1)
    together = dict(results)
    for i in range(n):
        work(i)
        assert together[i][0] == results[i][0]
        np.testing.assert_array_equal(together[i][1], results[i][1])


def test_a_traced_value_in_another_thread_is_refused() -> None:
    problems: list[BaseException] = []

    def use(x: Any) -> None:
        try:
            x + 1
        except TraceError as error:
            problems.append(error)

    def f(x: Any) -> Any:
        thread = threading.Thread(target=use, args=(x,))
        thread.start()
        thread.join()
        return x

    cp.grad(f)(1.0)
    assert "another thread" in str(problems[0])


def test_twenty_thousand_operations() -> None:
    def f(x: Any) -> Any:
        for _ in range(10_000):
            x = np.sin(x) + 1.0
        return x

    x, slope = 0.5, 1.0
    for _ in range(10_000):
        x, slope = np.sin(x) + 1.0, slope * np.cos(x)
    value, g = cp.value_and_grad(f)(0.5)
    assert (value, g) == (x, pytest.approx(slope, rel=1e-12))
    graph = cp.make_graph(f)(0.5)
    assert len(graph.eqns) == len(simplify(graph).eqns) == 20_000
    assert str(graph).count("\n") == 20_001


# ---- trees


class Layer(Module):
    weight: Any
    bias: Any = None
    rate: float = 0.5
    activation: Callable[..., Any] = np.tanh


class Net(Module):
    layers: tuple[Any, ...]

    def __init__(self, n: int) -> None:
        super().__init__(layers=tuple(Layer(np.full(i + 1, float(i))) for i in range(n)))


class Pair(NamedTuple):
    a: Any
    b: Any


TREES = [
    (1.0, [""]),
    (X, [""]),
    (None, []),
    ({"w": X, "b": [2, None, "name"]}, ["w", "b.0"]),
    (Pair(X, {"k": 1.0}), ["0", "1.k"]),
    ((X, [], {}, ()), ["0"]),
    ({0: 1.0, (1, 2): 2.0}, ["0", "(1, 2)"]),
    (OrderedDict(z=1.0, a=2.0), ["z", "a"]),
    (Net(2), ["layers.0.weight", "layers.1.weight"]),
    (Layer(1.0, bias=np.float32(2)), ["bias"]),
    ([True, 1, 1.5, 1j], ["0", "1", "2", "3"]),
    ({1, 2}, []),
]


@pytest.mark.parametrize(("given", "paths"), TREES)
def test_flattening_and_back(given: Any, paths: list[str]) -> None:
    assert tree.paths(given) == paths
    leaves, structure = tree.flatten(given)
    assert len(leaves) == len(paths)
    again = tree.unflatten(structure, leaves)
    assert type(again) is type(given)
    assert repr(again) == repr(given)
    assert tree.structure(again) == structure
    assert all(a is b for a, b in zip(tree.leaves(again), leaves, strict=True))


def test_structures_are_compared_and_printed() -> None:
    assert tree.structure({"a": 1, "b": None}) == tree.structure({"a": X, "b": None})
    assert tree.structure({"a": 1}) != tree.structure({"b": 1})
    assert tree.structure([1]) != tree.structure((1,))
    assert tree.structure(Layer(X)) != tree.structure(Layer(X, rate=0.1))
    assert str(tree.structure({"a": [1, None]})) == "dict(a: list(0: *, 1: None))"


def test_map() -> None:
    a, b = {"w": X, "n": (1.0, None)}, {"w": 2 * X, "n": (2.0, None)}
    np.testing.assert_allclose(tree.map(np.add, a, b)["w"], 3 * X)
    assert tree.map(lambda x: np.ndim(x), a) == {"w": 1, "n": (0, None)}
    with pytest.raises(StructureError, match=r"one has 2, the other 1: 'n\.0' is in the first only"):
        tree.map(np.add, a, {"w": X})
    with pytest.raises(StructureError, match="'v' is in the second only"):
        tree.map(np.add, {"w": X}, {"w": X, "v": X})
    with pytest.raises(StructureError, match="the order"):
        tree.map(np.add, {"w": X, "v": X}, {"v": X, "w": X})


def test_unflatten_needs_as_many_leaves() -> None:
    structure = tree.structure([1, 2])
    for leaves in ([1], [1, 2, 3]):
        with pytest.raises(StructureError, match="leaves"):
            tree.unflatten(structure, leaves)


def test_modules() -> None:
    layer = Layer(X, rate=0.1)
    assert str(layer) == "Layer(weight=f64[3], bias=None, rate=0.1, activation=tanh)"
    assert str(Net(1)) == "Net(layers=(Layer(weight=f64[1], bias=None, rate=0.5, activation=tanh),))"
    assert layer.replace(bias=1.0).bias == 1.0
    assert layer.bias is None
    with pytest.raises(FrozenInstanceError):
        layer.bias = X
    with pytest.raises(TypeError, match=r"Layer has no field \['biass'\]"):
        layer.replace(biass=1.0)
    with pytest.raises(TypeError, match="missing"):
        Layer()

    class Forgetful(Module):
        weight: Any

        def __init__(self) -> None:
            super().__init__(wait=1)

    with pytest.raises(TypeError, match=r"unknown: \['wait'\], missing: \['weight'\]"):
        Forgetful()


def test_modules_are_equal_only_to_themselves_and_keep_subclasses() -> None:
    class Wide(Layer):
        width: int = 2

    wide = Wide(X, width=3)
    assert wide != Wide(X, width=3)
    assert wide in {wide}
    assert isinstance(tree.map(np.negative, wide), Wide)
    assert tree.map(np.negative, wide).width == 3
