"""Donated arrays: results written where an input stood, and never where that would change a number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import clearprop as cp
from clearprop.api import compiled
from clearprop.compile.in_place import in_place
from clearprop.compile.kernels import Access, Apply, Buffer, Folded, Kernel, Load, Loop, Special, Store
from clearprop.compile.program import Program
from clearprop.compile.schedule import Schedule
from clearprop.core.errors import SettingError
from clearprop.core.interpret import interpret
from clearprop.core.lowering import Gather, Layout, contiguous
from clearprop.core.types import Type
from clearprop.transform.simplify import simplify
from test_random_graphs import composed, inputs, programs

pytest.importorskip("llvmlite")

# ---- the proof, on planted kernels

MATRIX = Type((3, 3), np.float64)
ROWS = contiguous((3, 3))
COLUMNS, ONE_ROW, REVERSED = Layout((3, 3), (1, 3)), Layout((3, 3), (0, 1)), Layout((3, 3), (-3, 1), 6)


def loop(reads: list[tuple[Buffer, Layout]], writes: list[tuple[Buffer, Layout]], folded: Any = None) -> Loop:
    loads = [Load(Access(b, layout)) for b, layout in reads]
    total = Apply("add", tuple(loads[:2]), {}, np.dtype(float))
    made = Loop((3, 3), [*loads, total], [Store(total, Access(b, layout)) for b, layout in writes])
    if folded is not None:
        made.folds.append(Folded(total, "add", (0,), Access(folded, ONE_ROW)))
    return made


def planted(kind: str) -> Schedule:
    """An input and an output, and kernels of this kind between them."""
    x, y, other = Buffer(MATRIX, "input"), Buffer(MATRIX, "output"), Buffer(MATRIX)
    here, there = (x, ROWS), (y, ROWS)
    kernels: dict[str, list[Kernel]] = {
        "read, then written": [loop([here], [(other, ROWS)]), loop([(other, ROWS)], [there])],
        "read where it is written": [loop([here], [there])],
        "read twice where it is written": [loop([here, here], [there])],
        "read again later": [loop([here], [there]), loop([here], [(other, ROWS)])],
        "written, then read": [loop([(other, ROWS)], [there]), loop([here], [(other, ROWS)])],
        "read transposed": [loop([(x, COLUMNS)], [there])],
        "read twice, once transposed": [loop([here, (x, COLUMNS)], [there])],
        "read backwards": [loop([(x, REVERSED)], [there])],
        "one row read": [loop([(x, ONE_ROW)], [there])],
        "both transposed": [loop([(x, COLUMNS)], [(y, COLUMNS)])],
        "written twice": [loop([here], [there]), loop([(other, ROWS)], [there])],
        "folded": [loop([here], [], y)],
        "gathered": [Special(Gather(), [Access(x, ROWS), Access(other, ROWS)], Access(y, ROWS), {})],
        "never written": [loop([here], [(other, ROWS)])],
        "never read": [loop([(other, ROWS)], [there])],
    }
    return Schedule(tuple(kernels[kind]), (x,), (y,), ())


@pytest.mark.parametrize(
    ("kind", "safe"),
    [
        ("read, then written", True), ("read where it is written", True),
        ("read twice where it is written", True), ("read again later", False), ("written, then read", False),
        ("read transposed", False), ("read twice, once transposed", False), ("read backwards", False),
        ("one row read", False), ("both transposed", False), ("written twice", False), ("folded", False),
        ("gathered", False), ("never written", False), ("never read", True),
    ],
)  # fmt: skip
def test_what_is_safe(kind: str, safe: bool) -> None:
    assert in_place(planted(kind), [(0, 0)]) == (((0, 0),) if safe else ())


def test_types_must_be_the_same_and_each_is_used_once() -> None:
    x, z = Buffer(MATRIX, "input"), Buffer(Type((3, 3), np.float32), "input", 1)
    outputs = tuple(Buffer(MATRIX, "output", j) for j in range(2))
    made = Schedule(tuple(loop([(x, ROWS)], [(y, ROWS)]) for y in outputs), (x, z), outputs, ())
    # the first output is written before x is read again
    assert in_place(made, [(1, 0), (0, 0), (0, 1), (1, 1)]) == ((0, 1),)
    same = Schedule((loop([(x, ROWS)], [(y, ROWS) for y in outputs]),), (x, z), outputs, ())
    assert in_place(same, [(0, 0), (0, 1)]) == ((0, 0),)


@given(programs)
@settings(max_examples=40)
def test_donating_everything_changes_no_number(program: list[Any]) -> None:
    f, xs = composed(program), inputs()
    ys = f(*xs)
    graph = simplify(
        cp.make_graph(lambda xs, ws: (f(*xs), cp.vjp(f, *xs)[1](ws)))(xs, [np.ones_like(y) for y in ys])
    )
    args = [np.array(x) for x in [*xs, *(np.ones_like(y) for y in ys)]]
    expected = Program(graph)([a.copy() for a in args])
    for y, e in zip(Program(graph, donated=range(len(args)))(args), expected, strict=True):
        np.testing.assert_array_equal(y, e)


# ---- cp.jit

X = np.arange(12.0).reshape(3, 4)


def step(w: Any, x: Any) -> Any:
    return w - 0.1 * cp.grad(lambda w: np.sum(np.tanh(x @ w) ** 2))(w)


def test_the_result_is_the_donated_array() -> None:
    plain, donating = cp.jit(step), cp.jit(step, donate_argnums=0)
    w, x = np.ones((4, 2)), X / 12
    expected = plain(w, x)
    np.testing.assert_array_equal(w, 1)
    result = donating(w, x)
    assert result is w
    np.testing.assert_array_equal(result, expected)
    np.testing.assert_array_equal(x, X / 12)


def test_structures_are_donated_leaf_by_leaf() -> None:
    f = cp.jit(lambda p, q: {k: v + q for k, v in p.items()}, donate_argnums=(0,))
    p = {"a": np.ones(3), "b": np.ones((2, 3)), "c": np.ones(3, np.float32)}
    made = f(p, np.arange(3.0))
    assert made["a"] is p["a"]
    assert made["b"] is p["b"]
    assert made["c"] is not p["c"]  # another dtype: no result fits
    np.testing.assert_array_equal(p["c"], 1)


@pytest.mark.parametrize(
    ("function", "reused"),
    [
        (lambda x: x * 2, True), (lambda x: x + x[::-1], False), (lambda x: x.T @ x, False),
        (lambda x: np.cumsum(x, axis=0), False), (lambda x: x - x.mean(axis=0), True), (lambda x: x[:2] + 1, False),
        (lambda x: np.concatenate([x[1:], x[:1]]), False), (lambda x: np.sort(x), False),
        (lambda x: (x + 1, x * 2), True), (lambda x: x, True),
    ],
)  # fmt: skip
def test_what_is_not_safe_is_an_ordinary_call(function: Any, reused: bool) -> None:
    x = X * np.array([1, -1, 1, -1])
    given, expected = x.copy(), cp.tree.leaves(function(x))
    results = cp.tree.leaves(cp.jit(function, donate_argnums=0)(given))
    for y, e in zip(results, expected, strict=True):
        np.testing.assert_array_equal(y, e)
    assert (
        (given in [y for y in results if y is given]) == reused
        if reused
        else all(y is not given for y in results)
    )
    if not reused:
        np.testing.assert_array_equal(given, x)


def read_only(x: Any) -> Any:
    x = x.copy()
    x.flags.writeable = False
    return x


@pytest.mark.parametrize(
    "given",
    [read_only(X), X.copy()[:], np.asfortranarray(X), X.copy().astype(">f8"), np.repeat(X, 2, 0)[::2]],
)
def test_what_cannot_be_written_is_left_alone(given: Any) -> None:
    before = np.array(given)
    y = cp.jit(lambda x: x * 2, donate_argnums=0)(given)
    np.testing.assert_array_equal(given, before)
    np.testing.assert_array_equal(y, 2 * X)
    assert not np.may_share_memory(y, given)


@pytest.mark.parametrize("backend", ["native", "interpreted"])
def test_shared_memory_is_refused(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if backend == "interpreted":
        monkeypatch.setattr(compiled, "native_code", lambda: False)
    f = cp.jit(lambda x, y: x + y, donate_argnums=0)
    x = X.copy()
    for other in (x, x[::-1], x[:1]):
        with pytest.raises(SettingError, match="the donated 'x' shares memory with 'y'"):
            f(x, other)
    np.testing.assert_array_equal(f(x, X), 2 * X)
    with pytest.raises(SettingError, match=r"'x\.0' shares memory with 'x\.1'"):
        cp.jit(lambda x: x, donate_argnums=0)([x, x])


def test_settings_cannot_be_donated() -> None:
    with pytest.raises(SettingError, match=r"arguments \[1\] are settings"):
        cp.jit(lambda x, n: x * n, static_argnums=1, donate_argnums=-1)(X, 2)
    with pytest.raises(SettingError, match="donate_argnums='x'"):
        cp.jit(lambda x: x, donate_argnums="x")(X)


def test_inside_another_function_nothing_is_donated() -> None:
    inner = cp.jit(lambda x: x * 2, donate_argnums=0)
    np.testing.assert_array_equal(cp.jit(lambda x: inner(x) + x)(X), 3 * X)


def test_the_same_numbers_for_many_steps() -> None:
    w, x = np.ones((4, 2)), X / 12
    other, plain, donating = w.copy(), cp.jit(step), cp.jit(step, donate_argnums=0)
    for _ in range(20):
        w, other = donating(w, x), plain(other, x)
    np.testing.assert_array_equal(w, other)


def test_interpreted_donation_means_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "native_code", lambda: False)
    x = X.copy()
    np.testing.assert_array_equal(cp.jit(lambda x: x * 2, donate_argnums=0)(x), 2 * X)
    np.testing.assert_array_equal(interpret(cp.make_graph(lambda x: x * 2)(x), [x])[0], 2 * X)
