"""What kernels read and write, where temporary memory stands, and machine code on shapes of every kind."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import as_strided

import clearprop as cp
from cases import CASES
from clearprop.compile import calls
from clearprop.compile.kernels import Access, Buffer, Folded, Load, Loop, Special, Strips
from clearprop.compile.memory import plan
from clearprop.compile.program import Program
from clearprop.compile.schedule import Schedule, schedule
from clearprop.compile.target import TARGETS
from clearprop.core import own_memory
from clearprop.core.errors import DTypeError, ShapeError
from clearprop.core.graph import Graph
from clearprop.core.interpret import interpret
from clearprop.core.lowering import Layout, contiguous
from clearprop.core.own_memory import ALIGNMENT
from clearprop.core.types import type_of
from clearprop.transform.simplify import simplify
from test_compiled import RUNNABLE
from test_operations import DIFFERENTIABLE, Differentiable, drawn
from test_random_graphs import composed, inputs, programs

RNG = np.random.default_rng(0)


# ---- layouts


def layout_of(view: np.ndarray[Any, Any], base: np.ndarray[Any, Any]) -> Layout:
    first, start = (a.__array_interface__["data"][0] for a in (view, base))
    size = base.itemsize
    return Layout(view.shape, tuple(s // size for s in view.strides), (first - start) // size)


def seen(layout: Layout, base: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The array that a layout describes, index by index."""
    found = np.empty(layout.shape, base.dtype)
    for index in np.ndindex(*layout.shape):
        found[index] = base.reshape(-1)[
            layout.offset + sum(i * s for i, s in zip(index, layout.strides, strict=True))
        ]
    return found


@st.composite
def chains(draw: Any) -> tuple[np.ndarray[Any, Any], list[tuple[Layout | None, np.ndarray[Any, Any]]]]:
    """An array, and views of views of it: as layouts, and as NumPy sees them."""
    shape = tuple(draw(st.lists(st.integers(0, 4), max_size=3)))
    base = np.arange(math.prod(shape), dtype=np.int64).reshape(shape)
    layout, view, steps = contiguous(shape), base, []
    for kind in draw(st.lists(st.sampled_from(["permute", "slice", "broadcast", "reshape"]), max_size=5)):
        if kind == "permute":
            axes = draw(st.permutations(range(view.ndim)))
            view, made = view.transpose(axes), layout.permuted(axes)
        elif kind == "slice":
            cuts = [draw(st.slices(n)) for n in view.shape]
            ranges = [
                (r.start, r.step, len(r))
                for r in (range(n)[c] for c, n in zip(cuts, view.shape, strict=True))
            ]
            view, made = view[tuple(cuts)], layout.sliced(ranges)
        elif kind == "broadcast" and view.size < 200:
            wanted = tuple(draw(st.integers(1, 3)) if n == 1 else n for n in (1, *view.shape))
            view, made = np.broadcast_to(view, wanted), layout.broadcast(wanted)
        else:
            factors = draw(st.permutations([n for n in view.shape for n in factored(n)] + [1]))
            view, made = np.reshape(view, factors), layout.reshaped(tuple(factors))
        steps.append((made, view))
        if made is None:  # its elements have to move
            made, base = contiguous(view.shape), np.ascontiguousarray(view)
            break
        layout = made
    return base, steps


def factored(n: int) -> tuple[int, ...]:
    return (2, 2) if n == 4 else (n,)


@given(chains())
def test_layouts_are_views(chain: Any) -> None:
    base, steps = chain
    for layout, view in steps:
        if layout is not None:
            np.testing.assert_array_equal(seen(layout, base), view)


@given(chains())
def test_elements_move_only_where_numpy_would_copy(chain: Any) -> None:
    _, steps = chain
    if steps and steps[-1][0] is None:
        before, shape = steps[-2][1] if len(steps) > 1 else None, steps[-1][1].shape
        assert before is not None, "a whole array can have any shape"
        with pytest.raises(ValueError, match="copy"):
            np.reshape(before, shape, copy=False)


# ---- schedules


def elements(layout: Layout, marks: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The marks of a buffer's elements, as an access sees them; an access outside of the buffer fails."""
    ends = [(n - 1) * s for n, s in zip(layout.shape, layout.strides, strict=True)]
    if 0 not in layout.shape:
        assert layout.offset + sum(min(e, 0) for e in ends) >= 0
        assert layout.offset + sum(max(e, 0) for e in ends) < marks.size
    start = marks[layout.offset :] if marks.size else marks
    return as_strided(start, layout.shape, [s * marks.itemsize for s in layout.strides])


def kept(fold: Folded) -> Access:
    """Where a fold writes, once for each result."""
    axes = [a for a in range(len(fold.access.layout.shape)) if a not in fold.axes]
    return Access(fold.access.buffer, fold.access.layout.permuted(axes))


def assert_in_order(made: Schedule) -> None:
    """Every element that a kernel reads was written before it, by another one; every output is written."""
    marks: dict[Buffer, Any] = {
        b: np.ones(b.type.size, bool) for b in (*made.inputs, *(b for b, _ in made.constants))
    }

    def read(access: Access) -> None:
        assert access.buffer in marks
        assert elements(access.layout, marks[access.buffer]).all()

    def write(access: Access) -> None:
        assert access.buffer.home in ("work", "output")
        elements(access.layout, marks.setdefault(access.buffer, np.zeros(access.buffer.type.size, bool)))[
            ...
        ] = True

    parts = [(k, part) for k in made.kernels for part in (k.parts if isinstance(k, Strips) else [k])]
    for whole, kernel in parts:
        assert not set(whole.reads()) & set(whole.writes())
        loop = kernel if isinstance(kernel, Loop) else getattr(kernel, "loop", None)
        reads: list[Access] = []
        writes: list[Access] = []
        if isinstance(kernel, Special):
            reads, writes = list(kernel.inputs), [] if loop else [kernel.output]
        if loop:
            known = set()
            for node in loop.nodes:
                for arg in getattr(node, "args", ()):
                    assert id(arg) in known or not hasattr(arg, "args")
                known.add(id(node))
            sums = getattr(kernel, "sums", None)
            reads += [n.access for n in loop.nodes if isinstance(n, Load) and n is not sums]
            writes += [s.access for s in loop.stores] + [kept(f) for f in loop.folds]
        for access in reads:
            read(access)
        for access in writes:
            write(access)
    for buffer in made.outputs:
        assert marks.get(buffer, np.zeros(1)).all()


def written_over(kernel: Any, old: Buffer, new: Buffer) -> bool:
    """Whether a loop reads each element of one only where it stores the same of the other."""
    if not isinstance(kernel, Loop) or old.type != new.type or new in [f.access.buffer for f in kernel.folds]:
        return False
    used = [n.access for n in kernel.nodes if isinstance(n, Load)] + [s.access for s in kernel.stores]
    return all(a.layout == contiguous(new.type.shape) for a in used if a.buffer in (old, new))


def assert_apart(made: Schedule) -> None:
    """Buffers that are needed at the same time do not share memory, but for one that is written over another."""
    offsets, tops = plan(made.kernels)
    lives: dict[Buffer, list[int]] = {}
    for when, kernel in enumerate(made.kernels):
        for buffer in {*kernel.reads(), *kernel.writes()}:
            if buffer.home == "work":
                lives.setdefault(buffer, []).append(when)
    assert set(lives) == set(offsets)
    for buffer, offset in offsets.items():
        assert offset % ALIGNMENT == 0
        assert 0 <= offset <= offset + buffer.bytes <= min(tops[lives[buffer][0] : lives[buffer][-1] + 1])
    for a, b in itertools.combinations(offsets, 2):
        first, second = (a, b) if lives[a][-1] <= lives[b][-1] else (b, a)
        meet = lives[second][0]
        over = lives[first][-1] == meet and written_over(made.kernels[meet], first, second)
        if over and offsets[a] == offsets[b]:
            continue
        if lives[a][0] <= lives[b][-1] and lives[b][0] <= lives[a][-1]:
            assert offsets[a] + a.bytes <= offsets[b] or offsets[b] + b.bytes <= offsets[a]


def assert_sound(graph: Graph) -> None:
    for g in (graph, simplify(graph)):
        made = schedule(g)
        assert_in_order(made)
        assert_apart(made)


@pytest.mark.parametrize("number", range(4))
def test_schedules_of_rows(number: int) -> None:
    for case in CASES[number::4]:
        assert_sound(cp.make_graph(lambda *xs, f=case.function: f(*xs))(*drawn(case)))
        if case in DIFFERENTIABLE:
            assert_sound(Differentiable(case, drawn(case)).backward()[0])


@given(programs)
@settings(max_examples=40)
def test_schedules_of_random_graphs(program: Any) -> None:
    f, xs = composed(program), inputs()
    ys = f(*xs)
    assert_sound(
        cp.make_graph(lambda xs, ws: (f(*xs), cp.vjp(f, *xs)[1](ws)))(xs, [np.ones_like(y) for y in ys])
    )


# ---- machine code between guards

GUARD = 512  # bytes


class Guards:
    """NumPy, but empty arrays begin full of rubbish, between bands that nobody may write."""

    def __init__(self, rubbish: int) -> None:
        self.rubbish = rubbish
        self.blocks: list[tuple[np.ndarray[Any, Any], int, int]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    def empty(self, shape: Any, dtype: Any) -> np.ndarray[Any, Any]:
        size = math.prod(shape if isinstance(shape, tuple) else (shape,)) * np.dtype(dtype).itemsize
        block = np.full(size + 2 * GUARD + ALIGNMENT, 0xA5, np.uint8)
        start = GUARD + -(block.__array_interface__["data"][0] + GUARD) % ALIGNMENT
        block[start : start + size] = self.rubbish
        self.blocks.append((block, start, start + size))
        return block[start : start + size].view(dtype).reshape(shape)

    def copy(self, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        made = self.empty(array.shape, array.dtype)
        made[...] = array
        return made

    def intact(self) -> bool:
        return all((b[:start] == 0xA5).all() and (b[stop:] == 0xA5).all() for b, start, stop in self.blocks)


def guarded(graph: Graph, args: list[Any], target: Any, rubbish: int) -> list[np.ndarray[Any, Any]]:
    """Compute in guarded memory full of rubbish."""
    guards = Guards(rubbish)
    made = Program(graph, target)
    copies = [guards.copy(np.asarray(a)) for a in args]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(own_memory, "np", guards)
        patch.setattr(calls, "np", guards)
        results = made(copies)
    assert len(guards.blocks) > len(args) + len(results), "temporary memory is guarded too"
    assert guards.intact(), "a write outside of an array"
    for copy, a in zip(copies, args, strict=True):
        np.testing.assert_array_equal(copy, a, "an input was changed")
    return results


def assert_right(
    function: Callable[..., Any], args: list[Any], target: str = "", rtol: float = 1e-12
) -> None:
    """Compiled as interpreted, whatever is in memory before, and nothing written beside it."""
    graph = simplify(cp.make_graph(function)(*args))
    assert_in_order(schedule(graph))
    machine = TARGETS[target] if target else None
    results = Program(graph, machine)(args)
    for again in (guarded(graph, args, machine, 0), guarded(graph, args, machine, 0xFF)):
        for a, b in zip(again, results, strict=True):
            assert a.tobytes() == b.tobytes(), "the result depends on what was in memory"
    for actual, expected in zip(results, interpret(graph, args), strict=True):
        assert type_of(actual) == type_of(expected)
        np.testing.assert_allclose(actual, expected, rtol=rtol, atol=rtol)
        assert not any(np.shares_memory(actual, a) for a in args)
        assert actual.flags.owndata
        assert actual.flags.writeable


def floats(*shape: int, dtype: Any = np.float64) -> np.ndarray[Any, Any]:
    return RNG.standard_normal(shape).astype(dtype)


def of(first: Callable[[Any], Any], then: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: then(first(x))


X, V = floats(3, 4), floats(4)
SIDE = np.arange(12.0).reshape(3, 4)  # a constant
GRAPHS: dict[str, tuple[Callable[..., Any], list[Any]]] = {
    "an input": (lambda x: x, [X]),
    "an input twice": (lambda x: [x, x], [X]),
    "a result twice": (of(np.exp, lambda y: [y, y, y]), [X]),
    "a result and views of it": (of(np.exp, lambda y: [y, y.T, y[::-1, 1:], y.reshape(2, 6), y.sum(0)]), [X]),
    "views of an input": (
        lambda x: [x.T, x[1:], x[::-1], x.reshape(-1), np.broadcast_to(x, (2, 3, 4)), x],
        [X],
    ),
    "a reshape that moves": (lambda x: [x.T.reshape(2, 6), x.T.reshape(-1) * 2, x[:, ::2].reshape(6)], [X]),
    "reshape of a transposed sum": (lambda x: (x + x).T.reshape(-1)[::5], [X]),
    "constants": (lambda x: [SIDE, np.float32(2), np.zeros((2, 2)), SIDE.T, x], [X]),
    "a constant in views": (lambda x: x + SIDE[::-1] + SIDE.T.reshape(3, 4) + SIDE[:, 1:2], [X]),
    "unused inputs": (lambda x, y, z: y * 2, [X, V, floats(2)]),
    "no results": (lambda x: [], [X]),
    "no inputs of use": (lambda x: [np.arange(3), 1.5, True], [X]),
    "numbers": (
        lambda a, b: [a + b, a.sum(), a.reshape(1, 1), np.stack([a, b]), a > b, a],
        [floats(), floats()],
    ),
    "empty": (
        lambda x: [x + 1, x.sum(0), x.sum(), x.T, x.reshape(3, 0), np.concatenate([x, x]), x @ x.T],
        [floats(0, 3)],
    ),
    "empty products": (lambda x: [x @ x.T, x.T @ x, (x @ x.T).sum()], [floats(3, 0)]),
    "empty inside": (
        lambda x: [x.cumsum(1), np.argsort(x, 0), x.any(0), x.max(0), x[:, :0].sum(1)],
        [floats(2, 0)],
    ),
    "padded": (lambda x: [np.pad(x, 1), np.pad(x * 2, ((0, 3), (2, 0))).T, np.pad(x, 1).sum(0)], [X]),
    "a slice's gradient": (lambda x: cp.grad(lambda z: (z[1:, ::-2] ** 2).sum() + z[0].sum())(x), [X]),
    "nested joins": (
        lambda x, v: np.concatenate(
            [
                np.concatenate([x, x * 2], 1),
                np.concatenate([x.T.reshape(3, 4), x - 1], 1),
                np.tile(v, 2)[None],
            ]
        ),
        [X, V],
    ),
    "a join and its parts": (
        of(np.exp, lambda y: [np.concatenate([y, y]), y, y.sum(1), np.stack([y, y], -1)]),
        [X],
    ),
    "late reader, early loop": (
        of(np.tanh, lambda y: [y, y - y.sum(1, keepdims=True), y / y.sum(), y * y.max(0)]),
        [X],
    ),
    "folds of folds": (lambda x: [x.sum(0).sum(), x.sum(1).max(), (x - x.mean(0)).sum(1), x.min()], [X]),
    "folds of one loop": (
        of(
            np.tanh,
            lambda y: [
                *(y.sum(a) for a in (0, 1, 2, (0, 1), (0, 2), (1, 2), None)),
                *(y.max(1), y.min((0, 2)), (y > 0).any(2), (y > 0).all(0)),
            ],
        ),
        [floats(5, 7, 19)],
    ),
    "folds of constants": (
        lambda x: [
            np.ones((3, 5)).sum(0) + x[0, 0],
            (x * 0 + 2).sum(),
            np.broadcast_to(x[0, 0], (7, 9)).sum(1),
        ],
        [X],
    ),
    "products of views": (
        lambda x, y: [
            x[::2, ::-1] @ y[:, ::3],
            x[::2, 1:] @ y[1:, ::3],
            x.T @ y.T[::-1, :5],
            np.broadcast_to(y[:1], (6, 8)) @ x[:, :2],
            x[:, :1] @ y[:1],
            x[:, 1] @ y,
        ],
        [floats(8, 9)[:, :8], floats(8, 8)],
    ),
    "batches of products": (
        lambda x, y: [x @ y, x.swapaxes(0, 1) @ y[0], (x @ y).T, x[::-1] @ np.broadcast_to(y[:1], (3, 5, 4))],
        [floats(3, 3, 5), floats(3, 5, 4)],
    ),
    "mixed widths": (
        lambda x, i, b: [
            x.astype(np.float32) + i,
            np.where(b, i, x),
            (b & (i > 3)).sum(0),
            i.astype(np.int8) + b,
            (x * b).sum(),
            i.max(1),
        ],
        [floats(3, 37), RNG.integers(-9, 9, (3, 37)).astype(np.int32), RNG.random((3, 37)) < 0.5],
    ),
    "many axes": (
        lambda x: [x.transpose(4, 2, 0, 3, 1) * 2, x.sum((1, 3)), x[:, ::-1, 0].max(-1)],
        [floats(2, 3, 1, 4, 5)],
    ),
    "gathers of views": (
        lambda x, i: [x.T[i], x[::-1][i, i], np.take(x + 1, i, axis=1), cp.scatter_add(x.T * 0, i, x.T[i])],
        [X, np.array([0, 2, 2])],
    ),
    "sorts of views": (
        lambda x: [
            np.argsort(x.T, 0),
            np.sort(x[:, ::-1], 1),
            np.cumsum(x.T, 1),
            np.argmax(x.T[::-1], 1),
            np.argmin(x, 0),
        ],
        [floats(5, 33)],
    ),
}


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("target", RUNNABLE)
def test_graphs(name: str, target: str) -> None:
    assert_right(*GRAPHS[name], target)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.int8, np.bool_])
def test_every_length(dtype: Any) -> None:
    for n in (*range(0, 36, 1 if dtype == np.float32 else 5), 63, 64, 65, 127, 131):
        x = (RNG.standard_normal((3, n)) * 3).astype(dtype)
        assert_right(
            lambda x: [x + x, x.sum(1), x.any(0), (x + x).T.sum(1), x[:, ::-1] * x],
            [x],
            rtol={np.float16: 2e-2, np.float32: 1e-5}.get(dtype, 1e-12),
        )


@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2), ()])
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_folds_of_any_axes_in_any_order(axes: Any, order: Any) -> None:
    x = floats(3, 18, 5)

    def folds(x: Any) -> list[Any]:
        moved = x.transpose(order)
        return [moved.sum(axes), np.exp(moved).max(axes), (x + moved.reshape(x.shape)).min(axes)]

    assert_right(folds, [x])


def test_large() -> None:
    x = floats(1_000_003, dtype=np.float32)
    assert_right(lambda x: [np.exp(x).sum(), x.max(), x[::-1] * 2, (x > 0).sum()], [x], rtol=1e-4)
    x = floats(1009, 997)
    assert_right(lambda x: [x.sum(0), x.sum(1), x.T + 1, (x - x.mean(0)).var(1), x.argmax(0)], [x], rtol=1e-9)


def test_inputs_of_any_order() -> None:
    base = floats(6, 8)
    locked = base.copy()
    locked.flags.writeable = False
    odd = np.frombuffer(b"?" + base.tobytes(), np.float64, offset=1).reshape(6, 8)
    repeated = np.broadcast_to(base[:1], (5, 8))
    for x in (base.T, base[::-1, ::2], np.asfortranarray(base), locked, odd, repeated, base[2:2]):
        graph = cp.make_graph(lambda x: [x * 2, x.sum(0), x @ x.T, x])(x)
        for actual, expected in zip(Program(graph)([x]), interpret(graph, [x]), strict=True):
            np.testing.assert_allclose(actual, expected, rtol=1e-12)
            assert not np.shares_memory(actual, x)
            assert actual.flags.writeable


# ---- what a program is called with

X = np.arange(6.0).reshape(2, 3)
BYTES = np.zeros(8 * 6 + 1, np.uint8)
UNALIGNED = BYTES[1:].view(np.float64).reshape(2, 3)
UNALIGNED[...] = X


@pytest.mark.parametrize(
    "given", [X, X[:], np.asfortranarray(X), X[::-1][::-1], UNALIGNED, X.tolist(), X + 0, X.astype(">f8")]
)
def test_arrays_of_the_right_type_are_taken(given: Any) -> None:
    (y,) = Program(cp.make_graph(lambda x: x + x)(X))([given])
    np.testing.assert_array_equal(y, 2 * X)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (X[:1], ShapeError), (X.T, ShapeError), (X[None], ShapeError), (1.0, ShapeError), (X[:, :0], ShapeError),
        (X[0].astype(np.float32), DTypeError), (X.astype(int), DTypeError),
        (X.astype(object), DTypeError),
    ],
)  # fmt: skip
def test_others_are_refused(given: Any, error: Any) -> None:
    add = Program(cp.make_graph(lambda x: x + x)(X))
    with pytest.raises(error, match=r"input 'x' was given .* but the code was made for f64\[2,3\]"):
        add([given])
    with pytest.raises(ValueError, match="argument"):
        add([X, X])
