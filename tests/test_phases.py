"""Brief kernels that are shared out together: which ones are, and that no number depends on it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import clearprop as cp
from clearprop.compile import abreast, gradients, phases, rowwise, units
from clearprop.compile.grouping import changed, grouped
from clearprop.compile.kernels import SUMS, Buffer, Kernel
from clearprop.compile.program import Program
from clearprop.compile.repeat import Repeat
from clearprop.compile.several import Abreast, Parted
from clearprop.compile.target import TARGETS
from clearprop.core.trace import trace
from clearprop.core.tree import leaves
from clearprop.core.types import Type, type_of
from test_memory import ADAM, CE, MOMENTUM, MSE, SGD, prepared

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(0)
F32 = np.dtype(np.float32)


@pytest.fixture(autouse=True)
def threads_as_before() -> Iterator[None]:
    yield
    cp.set_threads(None)


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing be too little to be shared out."""
    monkeypatch.setenv("CLEARPROP_CACHE", "off")
    for module, name in (
        (rowwise, "WORTH"), (rowwise, "PART"), (phases, "WORTH_OWNING"), (phases, "BESIDE"), (abreast, "WORTH_OWNING"),
        (units, "WORTH"), (units, "PAYING"), (gradients, "PAYING"),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, 1e-6)
    for module, name in ((rowwise, "SHORTEST"), (rowwise, "FULL"), (units, "SHORTEST")):
        monkeypatch.setattr(module, name, 1)
    monkeypatch.setattr(rowwise, "GAIN", 2**40)
    monkeypatch.setattr(gradients.Halves, "pay", lambda *_: True)
    monkeypatch.setattr(units, "TALLEST", 2**40)
    monkeypatch.setattr(phases, "MORE", 2**40)


def normal(*shape: int) -> Array:
    return RNG.standard_normal(shape).astype(np.float32)


def groups(function: Callable[..., Any], *args: Array) -> list[Kernel]:
    graph, _ = trace(function, [type_of(a) for a in args])
    return list(Program(graph, TARGETS["avx512"]).schedule.kernels)


def same_for_all_threads(function: Callable[..., Any], *args: Array) -> list[Array]:
    found = []
    for threads in (1, 2, 3):
        cp.set_threads(threads)
        result = cp.jit(function)(*args)
        found.append(list(result) if isinstance(result, tuple) else [result])
    for others in found[1:]:
        for one, other in zip(found[0], others, strict=True):
            np.testing.assert_array_equal(one, other)
    return found[0]


# ---- training

ROWS, UNITS = ("rows", 2), ("units", 2)
CLIPPED = cp.optim.SGD(0.1, clip_norm=1.0)
TRAININGS: list[tuple[tuple[int, ...], int, Any, Any, list[tuple[str, int]], int, bool]] = [
    # what goes together and in how many parts, how many gradients go along, whether updates are abreast
    ((34, 57, 21, 112), 37, ADAM, CE, [ROWS], 2, False),
    ((20, 64, 64, 1), 256, ADAM, MSE, [("rows", 4)], 3, False),
    ((12, 96, 4), 96, ADAM, CE, [ROWS], 2, False),  # layers sum over as many terms as gradients
    ((308, 9, 15), 39, CLIPPED, CE, [ROWS], 2, False),  # narrow ones, which updates read later
    ((30, 90, 90, 40), 30, ADAM, CE, [ROWS], 0, True),  # too many weights for that
    ((63, 144, 60, 10), 14, ADAM, CE, [UNITS] * 4, 0, False),  # two layers, forward and back
    ((40, 600, 10), 16, ADAM, CE, [UNITS] * 2, 0, False),  # two layers by the units between them
    ((300, 60, 10), 12, MOMENTUM, CE, [UNITS] * 2, 0, False),
    ((64, 32, 10), 32, SGD, CE, [], 0, False),  # too little
    ((2048, 2048, 2048), 512, SGD, MSE, [], 0, False),  # each product is worth it by itself
]


@pytest.mark.parametrize(("sizes", "batch", "optimizer", "loss", "parts", "along", "abreast"), TRAININGS)
def test_what_of_a_training_goes_together(
    sizes: tuple[int, ...],
    batch: int,
    optimizer: Any,
    loss: Any,
    parts: list[tuple[str, int]],
    along: int,
    abreast: bool,
) -> None:
    made = prepared((sizes, batch, cp.relu, optimizer, loss)).step
    step = Repeat(made.graph, made.roles, TARGETS["avx512"])  # how long kernels take depends on the target
    found = step.schedule.kernels
    together = [k for k in found if isinstance(k, Parted)]
    assert [(k.what, k.parts) for k in together] == parts
    assert sum(k.axes.count(SUMS) for k in together if k.what == "rows") == along
    assert any(isinstance(k, Abreast) for k in found) == abreast
    assert not step.swapped  # what is updated is changed in place


@pytest.mark.parametrize(("sizes", "batch", "optimizer"), [(t[0], t[1], t[2]) for t in TRAININGS[:-1]])
def test_the_same_training_as_interpreted(sizes: tuple[int, ...], batch: int, optimizer: Any) -> None:
    x, y = normal(3 * batch + 5, sizes[0]), RNG.integers(0, max(sizes[-1], 2), 3 * batch + 5)
    target = y if sizes[-1] > 1 else normal(len(y), 1)
    found = []
    for backend, threads in (("numpy", 1), (None, 1), (None, 2)):
        cp.set_threads(threads)
        model = cp.nn.MLP(sizes[0], sizes[1:-1], sizes[-1], rng=0)
        loss = cp.losses.cross_entropy if sizes[-1] > 1 else cp.losses.mean_squared_error
        options = {"backend": backend} if backend else {}
        result = cp.fit(
            model,
            (x, target),
            loss=loss,
            optimizer=optimizer,
            batch_size=batch,
            epochs=2,
            progress=False,
            **options,
        )
        found.append(leaves(result.model))
    for interpreted, one, two in zip(*found, strict=True):
        np.testing.assert_allclose(one, interpreted, rtol=1e-3, atol=1e-5)
        np.testing.assert_array_equal(one, two)


# ---- functions


def shared_rows(x: Any, w: Any, v: Any) -> Any:
    h = np.tanh(x @ w)
    return h, h.sum(axis=0), (h @ v).max(), np.maximum(h, 0).sum(axis=1), (h > 0).all(axis=0)


def kept_rows(x: Any, w: Any, v: Any) -> Any:
    h = x @ w  # whose sums are a result, and go on
    return h, np.tanh(np.tanh(h) @ v)


def crossed_rows(x: Any, w: Any, v: Any) -> Any:
    h = np.exp(x @ w)
    return h[::-1] + h, h.T @ h, h @ h.T, h - h.mean(axis=0)


def narrow_sums(x: Any, w: Any, v: Any) -> Any:
    h = np.tanh(x @ w)
    kept, only, twice = h.T @ (h @ v), h.T @ np.tanh(h @ v), h.T @ np.exp(h @ v)
    return kept, v - kept, v * only, v - twice, v * twice.sum()


def flat(x: Any, w: Any, v: Any) -> Any:
    h = x @ w
    later = np.concatenate([h, h * 2], axis=0)[1 : len(h) + 1]  # row by row, but of other parts
    return (
        np.cumsum(h, axis=0),
        np.concatenate([h, h * 2], axis=1),
        later * 3,
        h.reshape(-1)[:7],
        h[2:] - h[:-2],
    )


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("rows", [2, 7, 16, 33, 150])
@pytest.mark.parametrize("function", [shared_rows, kept_rows, crossed_rows, narrow_sums, flat])
def test_functions_equal_numpys(function: Callable[..., Any], rows: int) -> None:
    args = (normal(rows, 20) / 4, normal(20, 30) / 4, normal(30, 5))
    for found, wanted in zip(same_for_all_threads(function, *args), function(*args), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=2e-4, atol=2e-4)


@pytest.mark.usefixtures("always")
def test_a_sum_down_the_rows_may_be_as_long_as_there_are_rows() -> None:
    def centred(x: Any, w: Any) -> Any:
        square = np.tanh(x @ w)
        return square - square.sum(axis=0)[:, None]

    x, w = normal(33, 20), normal(20, 33)
    np.testing.assert_allclose(same_for_all_threads(centred, x, w)[0], centred(x, w), rtol=1e-4, atol=1e-4)


def test_a_function_that_goes_row_by_row_is_one_kernel() -> None:
    x, w, v = normal(60, 40), normal(40, 100), normal(100, 100)
    kernels = groups(lambda x, w, v: [np.tanh(np.tanh(x @ w) @ v)], x, w, v)
    assert [type(k) for k in kernels] == [Parted]
    assert not any(
        isinstance(k, Parted) for k in groups(lambda x, w: [x @ w], x, w)
    )  # it is worth it by itself


@pytest.mark.usefixtures("always")
def test_what_reads_all_rows_comes_after() -> None:
    x, w = normal(64, 40), normal(40, 64)
    found = groups(lambda x, w: [np.tanh(x @ w) @ np.tanh(x @ w)], x, w)
    group = next(k for k in found if isinstance(k, Parted) or len(found) > 1)
    assert group.writes()[0] in found[-1].reads()


# ---- units of layers


def plain(x: Any, weights: Any) -> Any:
    first, second, third = weights
    return (np.tanh(np.maximum(x @ first, 0) @ second) @ third).sum()


def all_decayed(x: Any, weights: Any) -> Any:
    return plain(x, weights) + sum((w * w).sum() for w in weights)


def tied(x: Any, weights: Any) -> Any:
    first, second, _ = weights
    return ((np.tanh(np.tanh(x @ first) @ second) @ second.T) @ first.T).sum()


def used_twice(x: Any, weights: Any) -> Any:
    first, second, _ = weights
    h = np.tanh(x @ first)
    return np.tanh(h @ second).sum() + (h[::-1] * (h @ second).sum()).sum() + (h[:, ::-1] * h).sum()


def square(x: Any, weights: Any) -> Any:
    first, _, _ = weights
    h = np.tanh(x @ first[: x.shape[1]])
    return (h @ first.T @ first[:, : len(first)].T).sum() if first.shape[0] <= first.shape[1] else h.sum()


def normed(x: Any, weights: Any) -> Any:
    first, second, third = weights
    h = np.tanh(x @ first)
    return (np.tanh((h - h.mean(axis=1, keepdims=True)) @ second) @ third).max()


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("wide", [1, 2**40], ids=["two layers", "each layer"])
@pytest.mark.parametrize(
    "shape", [(5, 40, 70, 33, 3), (3, 64, 64, 64, 64), (9, 33, 160, 35, 40), (1, 96, 48, 100, 2)]
)
@pytest.mark.parametrize("function", [plain, all_decayed, tied, used_twice, square, normed])
def test_updates_of_layers_equal_interpreted_ones(
    function: Callable[..., Any], shape: tuple[int, ...], wide: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(units, "WIDE", wide)
    rows, *widths = shape
    x = normal(rows, widths[0])
    weights = [normal(a, b) / 8 for a, b in itertools.pairwise(widths)]

    def step(x: Any, *weights: Any) -> Any:
        slopes = cp.grad(function, 1)(x, list(weights))
        return tuple(w - 0.01 * s for w, s in zip(weights, slopes, strict=True))

    wanted = step(x, *weights)
    for found, right in zip(same_for_all_threads(step, x, *weights), wanted, strict=True):
        np.testing.assert_allclose(found, right, rtol=2e-4, atol=2e-5)


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("function", [plain, tied])
def test_layers_go_by_units(function: Callable[..., Any]) -> None:
    def step(x: Any, *weights: Any) -> Any:
        slopes = cp.grad(function, 1)(x, list(weights))
        return [w - 0.01 * s for w, s in zip(weights, slopes, strict=True)]

    found = groups(step, normal(5, 40), normal(40, 70), normal(70, 33), normal(33, 3))
    assert any(isinstance(k, Parted) and k.what == "units" for k in found) == (function is plain)


# ---- what fails


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("wrong", [(3,), (30,), (3, 30), (39, 38), (0, 21)])
@pytest.mark.parametrize("columns", [5, 300])
def test_the_first_index_that_does_not_fit_is_told(wrong: tuple[int, ...], columns: int) -> None:
    x, w, y = normal(40, 20), normal(20, columns), RNG.integers(0, columns, 40)
    y[list(wrong)] = columns + np.array(wrong)

    def picked(x: Any, w: Any, y: Any) -> Any:
        h = np.tanh(x @ w)
        return (h - h.max(axis=1, keepdims=True))[np.arange(40), y]

    for threads in (1, 2, 3):
        cp.set_threads(threads)
        with pytest.raises(IndexError, match=f"index {columns + min(wrong)} is out of range"):
            cp.jit(picked)(x, w, y)
    y[list(wrong)] = 0
    np.testing.assert_allclose(cp.jit(picked)(x, w, y), picked(x, w, y), rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("always")
def test_what_comes_first_in_the_graph_is_told() -> None:
    base, exponent, y = np.full((40, 3), 2), np.ones((40, 3), int), np.zeros(40, int)
    exponent[30], y[2] = -1, 7

    def both(base: Any, exponent: Any, y: Any) -> Any:
        powers = base**exponent
        return powers[np.arange(40), y], powers.max(axis=1)

    for threads in (1, 2):
        cp.set_threads(threads)
        with pytest.raises(ValueError, match="negative"):
            cp.jit(both)(base, exponent, y)


# ---- grouping


class Step(Kernel):
    def __init__(self, reads: Sequence[Buffer], writes: Sequence[Buffer], inside: bool) -> None:
        self._reads, self._writes, self.inside = list(reads), list(writes), inside

    def reads(self) -> list[Buffer]:
        return self._reads

    def writes(self) -> list[Buffer]:
        return self._writes

    def in_step(self, source: Buffer, target: Buffer) -> bool:
        return True


def test_kernels_side_by_side_change_an_array_in_place_if_nobody_else_reads_it() -> None:
    source, target, other = (Buffer(Type((2,), F32), home) for home in ("input", "output", "output"))
    update, reader = Step([source], [target], True), Step([source], [other], True)
    assert Abreast([update]).in_step(source, target)
    assert not Abreast([update, reader]).in_step(source, target)


@settings(max_examples=400)
@given(st.data())
def test_grouping_keeps_the_order_of_what_depends(data: st.DataObject) -> None:
    buffers = [
        Buffer(Type((2,), F32), home)
        for home in ("input", "input", "work", "work", "work", "output", "output")
    ]
    some = st.lists(st.sampled_from(buffers), max_size=3)
    written = st.lists(st.sampled_from(buffers[2:]), min_size=1, max_size=2)
    kernels = [
        Step(*data.draw(st.tuples(some, written, st.booleans()))) for _ in range(data.draw(st.integers(1, 9)))
    ]
    before, inside, after = grouped(kernels, lambda kernel, *_: kernel.inside)
    order = [*before, *inside, *after]
    assert sorted(map(id, order)) == sorted(map(id, kernels))
    assert all(kernel.inside for kernel in inside)
    for i, first in enumerate(kernels):
        for second in kernels[i + 1 :]:
            writes = (set(first.writes()), set(second.writes()))
            overwrites = (writes[1] | changed(second)) & set(first.reads())
            depends = writes[0] & (set(second.reads()) | writes[1]) or overwrites
            assert not depends or order.index(first) < order.index(second)


# ---- any layers


@st.composite
def layered(draw: st.DrawFn) -> tuple[int, list[int], list[tuple[int, int, int]], list[int]]:
    """Rows, widths, instructions (what, and two picks of operands) and picks of results."""
    rows = draw(st.sampled_from([1, 2, 5, 8, 17, 40]))
    widths = draw(st.lists(st.sampled_from([3, 16, 33, 48, 64, 70, 96]), min_size=2, max_size=3, unique=True))
    pick = st.integers(0, 60)
    steps = draw(st.lists(st.tuples(st.integers(0, 13), pick, pick), min_size=3, max_size=12))
    return rows, widths, steps, draw(st.lists(pick, min_size=1, max_size=4))


def layers_of(widths: Sequence[int], steps: Sequence[tuple[int, int, int]], picks: Sequence[int]) -> Any:
    """A function of a mini-batch and weights between all widths: what is asked for, and all weights, updated."""

    def function(x: Any, *weights: Any) -> Any:
        between = dict(zip(itertools.product(widths, widths), weights, strict=False))
        values, updated = [x], dict(enumerate(weights))
        for what, one, other in steps:
            h = values[one % len(values)]
            same = [v for v in values if v.shape == h.shape]
            g = same[other % len(same)]
            target = widths[other % len(widths)]
            if what in (0, 1, 2):
                h = h @ between[h.shape[1], target]
            elif what == 3:
                h = h @ between[target, h.shape[1]].T
            elif what in (4, 5):
                number = list(between).index((h.shape[1], target))
                wide = [v for v in values if v.shape[1] == target]
                if wide:
                    updated[number] = updated[number] - 0.01 * (h.T @ wide[one % len(wide)]) / len(x)
                continue
            elif what == 6:
                h = np.tanh(h)
            elif what == 7:
                h = np.maximum(h, 0) * (g > 0)
            elif what == 8:
                h = h * g
            elif what == 9:
                h = h - h.mean(axis=1, keepdims=True)
            elif what == 10:
                h = h + g.sum(axis=0) / len(x)
            elif what == 11:
                h = h[::-1] + g
            elif what == 12:
                h = h[:, ::-1] + g
            else:
                h = h + g[:, :1]
            values.append(h / 2)
        return (*(values[pick % len(values)] for pick in picks), *updated.values())

    return function


@pytest.mark.usefixtures("always")
@settings(max_examples=25)
@given(layered(), st.sampled_from([1, 40, 2**40]))
def test_any_layers_equal_numpys(
    asked: tuple[int, list[int], list[tuple[int, int, int]], list[int]], wide: int
) -> None:
    rows, widths, steps, picks = asked
    function, rng = layers_of(widths, steps, picks), np.random.default_rng(1)

    def some(*shape: int) -> Array:
        return rng.standard_normal(shape).astype(np.float32)

    weights = [some(a, b) / 4 for a, b in itertools.product(widths, widths)]
    args = [some(rows, widths[0]), *weights]
    before, units.WIDE = units.WIDE, wide
    try:
        found = same_for_all_threads(function, *args)
    finally:
        units.WIDE = before
    for one, wanted in zip(found, function(*args), strict=True):
        scale = max(float(np.abs(wanted).max()), 1.0)
        np.testing.assert_allclose(one / scale, wanted / scale, rtol=0, atol=2e-5)
