"""Products of few results and many terms: parts of their sums, which add up to the interpreter's results."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import clearprop as cp
from clearprop.compile.cutting import sum_cut
from clearprop.compile.kernels import Contraction
from clearprop.compile.program import Program
from clearprop.compile.schedule import schedule
from clearprop.compile.target import TARGETS
from test_compiled import RUNNABLE, assert_as_interpreted

targets = pytest.mark.parametrize("target", RUNNABLE)


def product(x: Any, y: Any) -> Any:
    return x @ y


def of_rows(x: Any, y: Any) -> Any:
    return x.T @ y


def normal(*shape: int) -> Any:
    return np.random.default_rng(0).standard_normal(shape)


# function, shapes, and into how many parts its sums are cut
SHAPES = [
    (of_rows, (416, 450), (416, 13), 2),  # a gradient: terms are rows of a mini-batch
    (of_rows, (417, 450), (417, 13), 2),  # one term is left over
    (of_rows, (419, 13), (419, 450), 2),
    (of_rows, (4000, 60), (4000, 7), 4),
    (of_rows, (6001, 260), (6001, 4), 8),
    (product, (41, 1450), (1450, 15), 2),  # few rows
    (product, (41, 1451), (1451, 15), 2),
    (lambda x, y: x @ y.T, (41, 1450), (15, 1450), 2),
    (product, (416, 450), (450, 13), 1),  # rows of the larger operand can be shared out
    (product, (2000, 300), (300, 10), 1),
    (of_rows, (100, 450), (100, 13), 1),  # little work
    (of_rows, (600, 600), (600, 600), 1),  # many results
    (of_rows, (20000, 600), (20000, 40), 1),  # blocks enough
]


def first_product(f: Any, *args: Any) -> Contraction:
    kernels = schedule(cp.make_graph(f)(*args)).kernels
    return next(k for k in kernels if isinstance(k, Contraction))


@pytest.mark.parametrize(("f", "left", "right", "count"), SHAPES)
@targets
def test_which_sums_are_cut(f: Any, left: Any, right: Any, count: int, target: str) -> None:
    first = first_product(f, np.empty(left, np.float32), np.empty(right, np.float32))
    assert sum_cut(TARGETS[target], first) == count


@targets
@pytest.mark.parametrize(("f", "left", "right", "count"), SHAPES[:8])
def test_parts_add_up(f: Any, left: Any, right: Any, count: int, target: str) -> None:
    args = [normal(*left), normal(*right)]
    graph = cp.make_graph(lambda x, y: (np.tanh(f(x, y)), np.sum(f(x, y), 0)))(*args)
    program, found = Program(graph, TARGETS[target]), []
    try:
        for n in (1, 2, 3):
            cp.set_threads(n)
            found.append([a.tobytes() for a in program(args)])
    finally:
        cp.set_threads(None)
    assert all(f == found[0] for f in found)
    assert_as_interpreted(program(args), graph, args, single=False)
