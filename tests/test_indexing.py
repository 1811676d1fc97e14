"""Random indices, einsums and products give NumPy's results, and gradients that go back to where they came from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, mutually_broadcastable_shapes

import clearprop as cp
from cases import draw
from clearprop.core.interpret import interpret

# ---- indices


@st.composite
def axis_indices(draw: Any, n: int, picked: tuple[int, ...]) -> Any:
    """An index of one axis of length n; integer arrays broadcast to the shape picked."""
    kind = draw(st.sampled_from(["array", "number", "slice"] if n else ["slice"]))
    if kind == "slice":
        return draw(st.one_of(st.just(slice(None)), st.slices(n)))
    number = st.integers(-n, n - 1)
    if kind == "number":
        return draw(number)
    shape = picked[draw(st.integers(0, len(picked))) :]
    size = int(np.prod(shape))
    return np.array(draw(st.lists(number, min_size=size, max_size=size)), int).reshape(shape)


@st.composite
def indices(draw: Any) -> tuple[tuple[int, ...], Any]:
    """A shape, and an index that NumPy takes for it."""
    shape = draw(array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4))
    picked = draw(array_shapes(min_dims=0, max_dims=2, min_side=1, max_side=3))
    n = draw(st.sampled_from([len(shape), *range(len(shape))]))
    from_end = draw(st.integers(0, n))
    lengths = [*shape[: n - from_end], *shape[len(shape) - from_end :]]
    parts = [draw(axis_indices(length, picked)) for length in lengths]
    if n < len(shape) or draw(st.booleans()):
        parts.insert(n - from_end, Ellipsis)
    for _ in range(draw(st.integers(0, 2))):
        parts.insert(draw(st.integers(0, len(parts))), None)
    return shape, parts[0] if len(parts) == 1 and draw(st.booleans()) else tuple(parts)


@st.composite
def masks(draw: Any) -> tuple[tuple[int, ...], Any]:
    """A shape, and an index with a mask of some of its axes."""
    shape = draw(array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=3))
    first = draw(st.integers(0, len(shape) - 1))
    last = draw(st.integers(first + 1, len(shape)))
    size = int(np.prod(shape[first:last]))
    mask = np.array(draw(st.lists(st.booleans(), min_size=size, max_size=size))).reshape(shape[first:last])
    return shape, (*[slice(None)] * first, mask, *draw(st.sampled_from([(), (Ellipsis,), (None,)])))


@settings(max_examples=300)
@given(st.one_of(indices(), masks()))
def test_index(shape_and_index: tuple[tuple[int, ...], Any]) -> None:
    shape, index = shape_and_index
    x = np.arange(np.prod(shape), dtype=float).reshape(shape)
    try:
        expected = x[index]
    except IndexError:
        with pytest.raises(IndexError):
            cp.make_graph(lambda x: x[index])(x)
        return
    assert_called_and_recorded(lambda x: x[index], [x], expected)
    error = np.arange(1.0, 1 + expected.size).reshape(expected.shape)
    scattered = np.zeros(shape)
    np.add.at(scattered, index, error)
    np.testing.assert_array_equal(cp.vjp(lambda x: x[index], x)[1](error)[0], scattered)


@settings(max_examples=300)
@given(indices())
def test_traced_indices(shape_and_index: tuple[tuple[int, ...], Any]) -> None:
    shape, index = shape_and_index
    parts = index if isinstance(index, tuple) else (index,)
    arrays = [p for p in parts if isinstance(p, np.ndarray)]

    def pick(x: Any, *arrays: Any) -> Any:
        rest = iter(arrays)
        return x[tuple(next(rest) if isinstance(p, np.ndarray) else p for p in parts)]

    x = np.arange(np.prod(shape), dtype=float).reshape(shape)
    try:
        expected = x[parts]
    except IndexError:
        return
    assert_called_and_recorded(pick, [x, *arrays], expected)


@given(array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4), st.data())
def test_take_and_scatter(shape: tuple[int, ...], data: Any) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    numbers = data.draw(st.lists(st.integers(-shape[axis], shape[axis] - 1), max_size=5))
    x = np.arange(np.prod(shape), dtype=float).reshape(shape)
    picked = np.array(numbers, int)
    assert_called_and_recorded(lambda x: np.take(x, picked, axis), [x], np.take(x, picked, axis))
    first = np.array([n % shape[0] for n in numbers], int)
    updates = np.arange(1.0, 1 + first.size * x[0].size).reshape(first.size, *shape[1:])
    expected = x.copy()
    np.add.at(expected, first, updates)
    assert_called_and_recorded(cp.scatter_add, [x, first, updates], expected)


def assert_called_and_recorded(function: Any, args: list[Any], expected: Any) -> None:
    (result,) = interpret(cp.make_graph(lambda *xs: function(*xs))(*args), args)
    assert np.shape(result) == np.shape(expected)
    np.testing.assert_allclose(result, expected, rtol=1e-12, atol=1e-12)


# ---- products


def assert_product(function: Any, args: list[Any]) -> None:
    assert_called_and_recorded(function, args, function(*args))
    if all(a.size for a in args):
        cp.check_grads(function, args, order=1)


@given(st.data())
def test_einsum(data: Any) -> None:
    letters = data.draw(st.lists(st.text("abcd", max_size=3), min_size=1, max_size=3))
    size = {c: data.draw(st.integers(1, 3)) for c in "abcd"}
    dots = data.draw(st.lists(st.booleans(), min_size=len(letters), max_size=len(letters)))
    leading = data.draw(array_shapes(min_dims=0, max_dims=2, max_side=2))
    present = sorted(set("".join(letters)))
    output = "".join(data.draw(st.permutations(present)))[: data.draw(st.integers(0, len(present)))]
    inputs = ",".join("..." * dotted + word for word, dotted in zip(letters, dots, strict=True))
    subscripts = data.draw(st.sampled_from([inputs, f"{inputs}->{'...' * any(dots)}{output}"]))
    shapes = [
        (*leading * dotted, *(size[c] for c in word)) for word, dotted in zip(letters, dots, strict=True)
    ]
    args = draw(" ".join(f"f[{','.join(map(str, shape))}]" for shape in shapes), seed=subscripts)
    assert_product(lambda *xs: np.einsum(subscripts, *xs), args)


@given(array_shapes(min_dims=1, max_dims=3, max_side=3), st.data())
def test_tensordot(shape: tuple[int, ...], data: Any) -> None:
    over = data.draw(st.lists(st.integers(0, len(shape) - 1), unique=True))
    free = data.draw(array_shapes(min_dims=0, max_dims=2, max_side=3))
    order = data.draw(st.permutations(range(len(over) + len(free))))
    sizes = (*(shape[i] for i in over), *free)
    places = [order.index(i) for i in range(len(over))]
    rng = np.random.default_rng(0)
    args = [rng.normal(size=shape), rng.normal(size=[sizes[i] for i in order])]
    assert_product(lambda a, b: np.tensordot(a, b, (over, places)), args)


@given(mutually_broadcastable_shapes(signature="(n?,k),(k,m?)->(n?,m?)", max_dims=2, max_side=3))
def test_matmul(shapes: Any) -> None:
    rng = np.random.default_rng(0)
    assert_product(np.matmul, [rng.normal(size=shape) for shape in shapes.input_shapes])
    assert_product(lambda a, b: a @ b, [rng.normal(size=shape) for shape in shapes.input_shapes])
