"""Rows of a mini-batch that the product which reads them copies: the same training, shared out or not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import clearprop as cp
from clearprop.compile.repeat import Repeat
from clearprop.compile.target import TARGETS
from test_memory import CE, SGD, prepared

Sizes = tuple[int, ...]

# layers, a mini-batch, and whether the first product copies its rows
CASES: list[tuple[Sizes, int, bool]] = [
    ((200, 20, 10), 100, True),  # tiles of rows, of two heights
    ((76, 15, 8), 237, True),
    ((701, 3, 30), 136, True),  # rows are lanes
    ((64, 32, 10), 128, True),
    ((784, 30, 10), 10, True),  # parts of the sum: columns
    ((1003, 50, 5), 3, True),
    ((20, 16, 10), 32, False),  # little work
    ((450, 13, 5), 416, True),  # a part of the rows, for all that goes row by row
    ((784, 100, 10), 200, False),  # a long product
]


@pytest.fixture(autouse=True)
def threads_as_before() -> Any:
    yield
    cp.set_threads(None)


@pytest.mark.parametrize(("sizes", "batch", "copies"), CASES)
def test_who_copies(sizes: Sizes, batch: int, copies: bool) -> None:
    made = prepared((sizes, batch, cp.relu, SGD, CE)).step
    step = Repeat(made.graph, made.roles, TARGETS["avx512"])  # how long products take depends on the target
    assert step.text
    assert step.later == ({step.schedule.inputs[step.roles.carried]} if copies else set())


@pytest.mark.parametrize("strided", [False, True])
@pytest.mark.parametrize(("sizes", "batch", "copies"), [case for case in CASES if case[2]])
def test_training_is_the_same(sizes: Sizes, batch: int, copies: bool, strided: bool) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3 * batch + 7, 2 * sizes[0])).astype(np.float32)
    x, y = x[:, ::2] if strided else x[:, : sizes[0]].copy(), rng.integers(0, sizes[-1], len(x))

    def trained(backend: str) -> list[Any]:
        model = cp.nn.MLP(sizes[0], sizes[1:-1], sizes[-1], cp.relu, rng=0)
        run = cp.fit(model, (x, y), loss=CE, optimizer=SGD, batch_size=batch, epochs=2, backend=backend)
        return cp.tree.leaves(run.model)

    found = []
    for n in (1, 2, 3):
        cp.set_threads(n)
        found.append(trained("native"))
    for other in found[1:]:
        assert [a.tobytes() for a in other] == [a.tobytes() for a in found[0]]
    for a, b in zip(found[0], trained("numpy"), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)
