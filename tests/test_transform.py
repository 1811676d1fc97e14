"""Backpropagation on numbers and on symbols, forward mode, and simplification."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import clearprop as cp
from clearprop.core.graph import Const, Eqn, Graph
from clearprop.core.interpret import evaluate, interpret
from clearprop.core.types import type_of
from clearprop.ops import PRIMITIVES
from clearprop.transform.forward import pushforward
from clearprop.transform.reverse import pullback, sweep
from clearprop.transform.simplify import REWRITES, Rewrite, simplify


def names(graph: Graph) -> list[str]:
    return [eqn.primitive.name for eqn in graph.eqns]


# ---- the sweep

X, Y = np.array([0.5, -1.5]), np.array([2.0, 3.0])


def swept(
    function: Any, args: list[Any], wanted: slice = slice(None)
) -> tuple[Graph, list[Any], dict[Any, Any]]:
    graph = cp.make_graph(function)(*args)
    errors: dict[Any, Any] = {}
    seeds = [np.ones(a.type.shape) for a in graph.outputs]
    steps = list(sweep(graph, evaluate(graph, args), seeds, graph.inputs[wanted], errors))
    return graph, steps, errors


def test_steps_go_from_the_last_equation_to_the_first() -> None:
    graph, steps, _ = swept(lambda x, y: np.sum(np.tanh(x * y) + x), [X, Y])
    assert [step.eqn for step in steps] == list(reversed(graph.eqns))


def test_error_of_a_variable_is_the_sum_of_the_shares_it_gets() -> None:
    graph, steps, errors = swept(lambda x, y: np.sum(x * np.exp(x) + np.sin(x) * y), [X, Y])
    for var, error in errors.items():
        shares = [
            share
            for step in steps
            for atom, share in zip(step.eqn.inputs, step.shares, strict=True)
            if atom is var and share is not None
        ]
        np.testing.assert_allclose(error, sum(shares) if shares else 1.0)
    assert graph.inputs[0] in errors
    assert len(errors) == len(graph.inputs) + len(graph.eqns)


def test_step_shows_the_complete_error_and_the_shares() -> None:
    graph, steps, errors = swept(lambda x: x * x, [np.float64(3.0)])
    (step,) = steps
    assert (step.eqn, step.ct, step.shares) == (graph.eqns[0], 1.0, (3.0, 3.0))
    assert errors[graph.inputs[0]] == 6.0


def test_what_is_not_wanted_is_passed_by() -> None:
    _, steps, errors = swept(lambda x, y: np.sum(np.exp(x) * np.sin(y)), [X, Y], slice(0, 1))
    assert [step.eqn.primitive.name for step in steps] == ["sum", "multiply", "exp"]
    assert steps[1].shares[1] is None
    assert len(errors) == 4  # x, exp, the product, the sum


def test_no_path_is_none() -> None:
    graph = cp.make_graph(lambda x, n: np.sum(np.floor(x)) + np.sum(x[:1]) * 0 + np.sum(n))(X, np.arange(2))
    values = evaluate(graph, [X, np.arange(2)])
    assert pullback(graph, values, [None], graph.inputs) == [None, None]
    assert pullback(graph, values, [np.ones(())], graph.inputs)[1] is None
    assert pushforward(graph, values, {}) == [None]


def test_symbols_give_the_same_as_numbers() -> None:
    def function(x: Any) -> Any:
        return np.sum(np.tanh(x) ** 3 / (1 + x * x))

    def gradient(x: Any) -> Any:
        graph = cp.make_graph(function)(X)
        return pullback(graph, evaluate(graph, [x]), [1.0], graph.inputs)[0]

    recorded = cp.make_graph(gradient)(X)
    np.testing.assert_array_equal(interpret(recorded, [X])[0], gradient(X))


# ---- simplification: the engine


def test_dead_code_goes() -> None:
    def function(x: Any) -> Any:
        np.exp(x)
        return np.sin(x)

    graph = cp.make_graph(function)(X)
    assert names(graph) == ["exp", "sin"]
    assert names(simplify(graph)) == ["sin"]


def test_what_is_computed_twice_is_computed_once() -> None:
    graph = simplify(cp.make_graph(lambda x: np.exp(x) * np.exp(x) + np.sum(x, 0) - np.sum(x))(X))
    assert names(graph) == ["exp", "multiply", "sum", "broadcast_to", "add", "subtract"]


def test_what_differs_in_parameters_or_constants_is_kept_apart() -> None:
    def function(x: Any) -> Any:
        return [
            *(cp.leaky_relu(x, slope) for slope in (0.1, 0.2)),
            *(x.astype(dtype) for dtype in (np.float32, np.float16)),
            *(x + c for c in (0.0, -0.0, np.nan)),
            x + np.array([1.0, 2.0]),
            x + np.array([1.0, 2.5]),
        ]

    graph = cp.make_graph(function)(X)
    assert names(simplify(graph)) == names(graph)


def test_constants_are_computed_now_if_they_are_small() -> None:
    small, large = np.arange(3.0), np.arange(100.0)
    exp = PRIMITIVES["exp"]

    def folded(constant: Any) -> Graph:
        graph = cp.make_graph(lambda x: x + constant)(constant)
        (add,) = graph.eqns
        inner = Eqn(exp, (Const(constant),), {}, out := type(add.out)(add.out.type))
        outer = Eqn(add.primitive, (add.inputs[0], out), {}, add.out)
        return simplify(Graph(graph.inputs, (inner, outer), graph.outputs))

    assert names(folded(small)) == ["add"]
    np.testing.assert_array_equal(interpret(folded(small), [small])[0], small + np.exp(small))
    assert names(folded(large)) == ["exp", "add"]


def test_simplifying_twice_changes_nothing() -> None:
    graph = simplify(cp.make_graph(cp.grad(lambda x: np.sum(np.tanh(x * 1) ** 2)))(X))
    assert str(simplify(graph)) == str(graph)


def test_outputs_may_be_inputs_constants_and_equal() -> None:
    graph = simplify(cp.make_graph(lambda x: [x, 2.0, x * 1, x.T])(X))
    assert str(graph) == "graph(x: f64[2]) -> (f64[2], f64[], f64[2], f64[2])\n  return x, 2.0, x, x"


def test_equations_keep_their_lines() -> None:
    graph = cp.make_graph(lambda x: np.exp(x) * 1)(X)
    assert [eqn.where.file for eqn in simplify(graph).eqns if eqn.where] == [__file__]


# ---- simplification: each rewrite, where it applies and where it must not

P = PRIMITIVES
SPECIAL = np.array([0.0, -0.0, 1.5, -2.0, np.inf, -np.inf, np.nan, 5e-324, 1e308])

APPLIES = {  # the rewrite's name: functions of SPECIAL that it makes shorter
    "times_one": [
        lambda x: x * 1,
        lambda x: 1 * x,
        lambda x: x / 1,
        lambda x: x**1,
        lambda x: P["chain"](x, 1),
        lambda x: P["chain"](1, x),
        lambda x: (x > 0) * True,
    ],
    "minus_zero": [lambda x: x - 0.0, lambda x: x.astype(int) - 0],
    "plus_zero": [lambda x: x + 0.0, lambda x: 0.0 + x],
    "slope_given": [lambda x: cp.silu(x), lambda x: cp.gelu(x)],
    "double_negative": [lambda x: np.negative(np.negative(x))],
    "add_negative": [lambda x: x[::-1] + -x],
    "times_minus_one": [lambda x: -(x * -1)],
    "reshape_of_reshape": [
        lambda x: x.reshape(3, 3).reshape(9, 1),
        lambda x: x.reshape(3, 3).reshape(9),
        lambda x: P["reshape"](x, shape=(9,)),
    ],
    "transpose_of_transpose": [
        lambda x: x.reshape(1, 3, 3).transpose(1, 2, 0).transpose(1, 0, 2),
        lambda x: x.reshape(3, 3).T.T,
        lambda x: P["transpose"](x, axes=(0,)),
    ],
    "broadcast_of_broadcast": [
        lambda x: np.broadcast_to(np.broadcast_to(x, (2, 9)), (3, 2, 9)),
        lambda x: P["broadcast_to"](x, shape=(9,)),
    ],
    "whole_slice": [lambda x: P["slice"](x, ranges=((0, 1, 9),))],
    "convert_to_same": [lambda x: P["astype"](x, dtype=np.dtype(float))],
    "sum_over_nothing": [lambda x: np.sum(x, axis=())],
    "no_choice": [lambda x: np.where(x > 0, x, x), lambda x: np.where(True, x, 1), lambda x: np.where(False, 1, x)],
}  # fmt: skip

NEVER = [  # what looks like a rewrite's case and is none
    lambda x: x - -0.0,
    lambda x: x + 0.0,
    lambda x: x.astype(np.float32) + np.float64(0),
    lambda x: 1 / x,
    lambda x: 0.0 - x,
    lambda x: x * 0.0,
    lambda x: 1**x,
    lambda x: x**0,
    lambda x: np.log(np.exp(x)),
    lambda x: np.broadcast_to(np.broadcast_to(x[:1], (9,)).reshape(9, 1), (9, 9)),
    lambda x: np.where(x > 0, x, -x),
]


@pytest.mark.parametrize(("name", "function"), [(n, f) for n, fs in APPLIES.items() for f in fs])
def test_rewrite_applies(name: str, function: Any) -> None:
    graph = cp.make_graph(function)(SPECIAL)
    simpler = simplify(graph, inexact=not REWRITES[name].exact)
    assert len(simpler.eqns) < len(graph.eqns)
    before, after = interpret(graph, [SPECIAL])[0], interpret(simpler, [SPECIAL])[0]
    assert type_of(before) == type_of(after)
    np.testing.assert_array_equal(before, after)
    if REWRITES[name].exact:
        np.testing.assert_array_equal(np.signbit(before)[before == 0], np.signbit(after)[before == 0])


@pytest.mark.parametrize("function", NEVER)
def test_rewrite_does_not_apply(function: Any) -> None:
    graph = cp.make_graph(function)(SPECIAL)
    assert names(simplify(graph)) == names(graph)


def test_every_rewrite_has_a_case_and_a_formula() -> None:
    assert set(APPLIES) == set(REWRITES)
    assert all(rule.says for rule in REWRITES.values())


def test_only_exact_rewrites_run_unless_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = cp.make_graph(lambda x: x + 0.0)(SPECIAL)
    assert names(simplify(graph)) == ["add"]
    assert names(simplify(graph, inexact=True)) == []
    wrong = Rewrite("plus_zero", REWRITES["plus_zero"].apply, exact=True, says="")
    monkeypatch.setitem(REWRITES, "plus_zero", wrong)  # a rewrite that calls itself exact and is not
    with pytest.raises(AssertionError):
        test_rewrite_applies("plus_zero", lambda x: x + 0.0)
