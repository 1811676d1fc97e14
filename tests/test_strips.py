"""Loops over the rows of narrow tables: one kernel, whose results are the interpreter's wherever the rows end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import clearprop as cp
from clearprop.compile.kernels import Kernel, Loop, Special, Strips
from clearprop.compile.program import Program
from clearprop.compile.schedule import schedule
from clearprop.compile.target import TARGETS
from clearprop.transform.simplify import simplify
from test_compiled import RUNNABLE, assert_as_interpreted

targets = pytest.mark.parametrize("target", RUNNABLE)

# rows that fill strips, and that do not; columns that fill squares of lanes, and that do not
SIZES = [(8, 2), (9, 4), (13, 5), (16, 16), (17, 3), (24, 10), (32, 10), (37, 12), (40, 7), (100, 9), (65, 2)]


def softmax(x: Any) -> Any:
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def normalised(x: Any) -> Any:
    centred = x - np.mean(x, axis=-1, keepdims=True)
    return centred / np.sqrt(np.mean(centred * centred, axis=-1, keepdims=True) + 1e-3)


FUNCTIONS = {
    "softmax": softmax,
    "normalised, and how columns add up": lambda x: (normalised(x), np.sum(normalised(x), axis=0)),
    "all rows and columns": lambda x: np.sum(np.sum(x, axis=1) ** 2) + np.max(softmax(x)),
    "the largest, and where": lambda x: (np.max(x, axis=1), x == np.max(x, axis=1, keepdims=True)),
    "whether any, of the row and of the column": lambda x: (
        np.any(x > 1, axis=1),
        np.all(softmax(x) > 0, axis=0),
    ),
    "a bias and a row's own number": lambda x: softmax(x * x[:1] + x[:, :1]),
    "turned": lambda x: softmax(x).T * 2.0,
    "from columns": lambda x: softmax(np.reshape(x, x.shape[::-1]).T),
    "in reverse": lambda x: softmax(x[::-1, ::-1]),
    "side by side": lambda x: np.concatenate([softmax(x), x, normalised(x)], axis=1),
    "one above the other": lambda x: np.concatenate([softmax(x), normalised(x)], axis=0),
    "some columns of wider rows": lambda x: softmax(np.concatenate([x, x], axis=1)[:, 1 : 1 + x.shape[1]]),
    "every other column": lambda x: softmax(np.concatenate([x, x], axis=1)[:, ::2]),
    "a sum to integers": lambda x: np.sum(x > 0, axis=1) + np.argmax(x, axis=1),
    "a slope": lambda x: cp.grad(lambda z: np.sum(softmax(z)[:, 0] * normalised(z)[:, 1]))(x),
}


def strips(kernels: Any) -> list[Strips]:
    return [kernel for kernel in kernels if isinstance(kernel, Strips)]


def agree(f: Any, *args: np.ndarray[Any, Any], target: str = "") -> Program:
    graph = simplify(cp.make_graph(f)(*args))
    program = Program(graph, TARGETS[target] if target else None)
    assert_as_interpreted(program(args), graph, list(args), single=False, rtol=2e-3 * (args[0].itemsize == 2))
    return program


@targets
@pytest.mark.parametrize("name", FUNCTIONS)
def test_rows_of_every_size_and_dtype(name: str, target: str) -> None:
    rng, made = np.random.default_rng(3), 0
    for i, shape in enumerate(SIZES):
        for dtype in (np.float32, (np.float64, np.float16)[i % 2]):
            x = rng.uniform(-2, 2, shape).astype(dtype)
            made += len(strips(agree(FUNCTIONS[name], x, target=target).schedule.kernels))
    assert made >= len(SIZES)


@targets
@pytest.mark.parametrize("rows", [8, 21, 32, 64])
def test_one_element_of_each_row(rows: int, target: str) -> None:
    rng = np.random.default_rng(rows)
    x, t = rng.standard_normal((rows, 6)).astype(np.float32), rng.integers(-6, 6, rows)
    w = rng.standard_normal(rows).astype(np.float32)

    def loss(x: Any, t: Any, w: Any) -> Any:
        return np.sum(w * np.log(softmax(x))[np.arange(rows), t])

    made = agree(lambda x, t, w: (loss(x, t, w), cp.grad(loss)(x, t, w)), x, t, w, target=target)
    (one,) = strips(made.schedule.kernels)
    kinds = [type(part.lowering).__name__ for part in one.parts if isinstance(part, Special)]
    assert kinds == ["Gather"]
    for at, wrong in ((0, 6), (rows - 1, -7), (rows // 2, 2**40)):
        bad = t.copy()
        bad[at:] = wrong
        with pytest.raises(
            IndexError, match=rf"index {wrong} is out of range for axis 1 of length 6\n.*softmax"
        ):
            made([x, bad, w])
        assert made([x, t, w])[0].dtype == np.float32  # the status is that of one call


def test_what_only_strips_use_is_not_in_memory() -> None:
    made = schedule(simplify(cp.make_graph(softmax)(np.ones((32, 10), np.float32))))
    (one,) = made.kernels
    assert isinstance(one, Strips)
    assert one.writes() == list(made.outputs)
    assert len({b for part in one.parts for b in part.writes()}) > 1


@pytest.mark.parametrize(
    ("shape", "narrow"),
    [
        ((32, 10), 1),
        ((4, 8, 10), 1),
        ((16, 16), 1),
        ((16, 17), 0),
        ((10, 10), 0),
        ((7, 2), 0),
        ((32, 1), 0),
        ((1000, 64), 0),
    ],
)
def test_narrow_tables_are_those_with_more_rows_than_vectors_of_columns(
    shape: tuple[int, ...], narrow: int
) -> None:
    made = schedule(simplify(cp.make_graph(softmax)(np.ones(shape, np.float32))))
    assert len(strips(made.kernels)) == narrow


def test_elementwise_functions_alone_stay_a_flat_loop() -> None:
    made = schedule(simplify(cp.make_graph(lambda x: np.exp(x) * x + 1.0)(np.ones((32, 10), np.float32))))
    assert [type(k) for k in made.kernels] == [Loop]


def test_a_long_function_is_not_written_out_for_every_column() -> None:
    def deep(x: Any) -> Any:
        for _ in range(40):
            x = np.exp(softmax(x))
        return x

    kernels: tuple[Kernel, ...] = schedule(
        simplify(cp.make_graph(deep)(np.ones((32, 10), np.float32)))
    ).kernels
    assert len(strips(kernels)) > 4
    agree(deep, np.random.default_rng(0).standard_normal((32, 10)))


@pytest.mark.parametrize(
    "f", [softmax, lambda x: (softmax(x), np.sum(normalised(x), axis=0))], ids=["rows", "sums"]
)
def test_many_rows_are_shared_out_into_the_same_bits(f: Any) -> None:
    x = np.random.default_rng(5).standard_normal((20_011, 7)).astype(np.float32)
    program = agree(f, x)
    program.module  # noqa: B018  # how work is shared out is known when it is written
    assert any(
        isinstance(k, Strips) and s for k, s in zip(program.schedule.kernels, program.shared, strict=True)
    )
    found = []
    threads = cp.get_threads()
    for n in (1, 2, 3):
        cp.set_threads(n)
        found.append([r.tobytes() for r in program([x])])
    cp.set_threads(threads)
    assert found[0] == found[1] == found[2]
