"""Random compositions of the table's operations keep the laws that single operations keep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import clearprop as cp
from cases import DOMAINS, MOVED, Case, draw
from clearprop.core.interpret import interpret
from clearprop.core.tree import leaves
from clearprop.core.types import type_of
from clearprop.transform.simplify import simplify
from test_operations import DIFFERENTIABLE, assert_same, dot

Program = list[tuple[Case, list[int]]]
programs = st.lists(
    st.tuples(st.sampled_from(DIFFERENTIABLE), st.lists(st.integers(0, 30), min_size=3, max_size=3)),
    min_size=1,
    max_size=6,
)


def adapted(value: Any, kind: str, shape: tuple[int, ...]) -> Any:
    """Bring any value to the shape and into the domain of an argument."""
    low, high = DOMAINS[kind]
    picked = np.arange(int(np.prod(shape))) % value.size
    return low + (high - low) * cp.sigmoid(np.take(np.ravel(value), picked).reshape(shape))


def composed(program: Program) -> Callable[..., list[Any]]:
    """A function that applies the rows one after the other, each to results of earlier ones."""

    def function(*xs: Any) -> list[Any]:
        pool = list(xs)
        for case, picks in program:
            args = draw(case.inputs, xs[0].dtype, case.name)
            for i, (word, pick) in enumerate(zip(case.inputs.split(), picks, strict=False)):
                if word[0] in MOVED:
                    args[i] = adapted(pool[pick % len(pool)], word[0], args[i].shape)
            results = leaves(case.function(*args))
            pool += [y for y in results if type_of(y).dtype.kind == "f" and type_of(y).size]
        return pool[3:] or pool

    return function


def inputs(dtype: Any = np.float64) -> list[np.ndarray[Any, Any]]:
    return draw("f[2,3] f[3] f[]", dtype)


@given(programs)
def test_recorded_is_called(program: Program) -> None:
    f = composed(program)
    for dtype in (np.float32, np.float64):
        xs = inputs(dtype)
        ys = f(*xs)
        ws = [np.ones_like(y) for y in ys]
        graph = cp.make_graph(lambda xs, ws: (f(*xs), cp.vjp(f, *xs)[1](ws)))(xs, ws)  # called at once
        expected = [*ys, *cp.vjp(f, *xs)[1](ws)]
        for run in (graph, simplify(graph)):
            for actual, called in zip(interpret(run, [*xs, *ws]), expected, strict=True):
                assert_same(actual, called, rtol=1e-4 if dtype == np.float32 else 1e-9, atol=1e-5)
        assert len(simplify(graph).eqns) <= len(graph.eqns)


@given(programs)
def test_derivatives(program: Program) -> None:
    f, xs = composed(program), inputs()
    rng = np.random.default_rng(0)
    ts = [rng.standard_normal(x.shape) for x in xs]
    ys, moved = cp.jvp(f, xs, ts)
    ws = [rng.standard_normal(y.shape) for y in ys]
    forward, reverse = dot(ws, moved), dot(cp.vjp(f, *xs)[1](ws), ts)
    assert forward == pytest.approx(reverse, rel=1e-8, abs=1e-8)
    h = 1e-6
    behind, here, ahead = (dot(ws, f(*(x + s * t for x, t in zip(xs, ts, strict=True)))) for s in (-h, 0, h))
    assume(abs(ahead - 2 * here + behind) / h < 1e-3 * (1 + abs(forward)))  # else there is a kink or a jump
    assert forward == pytest.approx((ahead - behind) / (2 * h), rel=1e-4, abs=1e-4)
