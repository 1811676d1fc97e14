"""Stores past the caches: where they pay, the numbers stay the same, wherever the arrays begin."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest

import clearprop as cp
from clearprop.compile import far_memory
from clearprop.compile.memory import empty
from clearprop.compile.program import Program
from clearprop.compile.target import TARGETS
from clearprop.core.lowering import contiguous
from clearprop.core.trace import trace
from clearprop.core.types import type_of
from test_compiled import RUNNABLE

pytest.importorskip("llvmlite")

PAST = "!nontemporal"
RNG = np.random.default_rng(0)


def drawn(shape: tuple[int, ...], dtype: Any = np.float32) -> Any:
    return (RNG.uniform(-3, 3, shape) * (1 if np.dtype(dtype).kind == "f" else 30)).astype(dtype)


def program(f: Any, args: Any, **options: Any) -> Program:
    return Program(trace(f, [type_of(a) for a in args])[0].owning_constants(), **options)


def chain(x: Any, y: Any) -> Any:
    return [x * y + x, np.maximum(x, y)]


def run_into(made: Program, args: list[Any], results: list[Any]) -> None:
    """Run a program with this memory for its results."""
    with made.members() as members:
        status, work = np.array([0, members.address, 0, 0], np.int64), made.work(members.size)
        given = [np.require(a, b.type.dtype, "C") for a, b in zip(args, made.inputs, strict=True)]
        arrays = [status, work, *given, *results, *(array for _, array in made.constants)]
        table = (ctypes.c_void_p * len(arrays))(*(a.ctypes.data for a in arrays))
        made.native("run", ctypes.c_void_p)(ctypes.addressof(table))


CASES: dict[str, tuple[Any, list[Any]]] = {
    "a line": (chain, [drawn((16,)), drawn((16,))]),
    "ragged": (chain, [drawn((1237,)), drawn((1237,))]),
    "float64": (chain, [drawn((333,), np.float64)] * 2),
    "float16": (chain, [drawn((333,), np.float16)] * 2),
    "integers": (chain, [drawn((333,), np.int64), drawn((333,), np.int32)]),
    "bytes": (chain, [drawn((333,), np.int8)] * 2),
    "a long function": (lambda x: [np.tanh(x), cp.sigmoid(x)], [drawn((1237,))]),
    "booleans beside": (lambda x, y: [x < y, x + y], [drawn((333,)), drawn((333,))]),
    "rows of lines": (lambda x, y: [x + y], [drawn((9, 64)), drawn((64,))]),
    "rows of no lines": (lambda x, y: [x + y], [drawn((9, 67)), drawn((67,))]),
    "turned": (lambda x, y: [x.T + y], [drawn((64, 48)), drawn((48, 64))]),
    "every other": (lambda x: [cp.grad(lambda x: np.sum(np.exp(x[::2])))(x)], [drawn((512,))]),
    "sums beside": (lambda x: [x * 2, np.sum(x * x, axis=0), np.sum(x, axis=1)], [drawn((40, 64))]),
    "read again": (lambda x: [(h := np.exp(x)), h * 2, np.sum(h)], [drawn((512,))]),
}


@pytest.mark.parametrize("target", RUNNABLE)
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("threads", [1, 3])
def test_the_numbers_are_the_same(
    name: str, target: str, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    f, args = CASES[name]
    before = program(f, args, target=TARGETS[target])
    assert PAST not in before.text
    expected = before(args)
    monkeypatch.setattr(far_memory, "FAR", 1)
    cp.set_threads(threads)
    try:
        found = program(f, args, target=TARGETS[target])
        results = [empty(b.type, contiguous(b.type.shape)) for b in found.outputs]  # which begin a line
        run_into(found, args, results)
    finally:
        cp.set_threads(None)
    assert (PAST in found.text) == (name != "rows of no lines")
    for a, b in zip(results, expected, strict=True):
        assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("first", [0, 4, 32, 64])
@pytest.mark.parametrize("in_place", [False, True])
def test_a_result_may_begin_anywhere(
    first: int, in_place: bool, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(far_memory, "FAR", 1)
    room = np.zeros(2**19 + 128, np.uint8)
    start = -room.ctypes.data % 64 + first
    x, result = drawn((2**17 - 5,)), room[start : start + 2**19 - 20].view(np.float32)
    result[...] = y = drawn(x.shape)
    made = program(lambda x, y: [x * y - x], [x, y])
    assert PAST in made.text
    cp.set_threads(threads)
    try:
        run_into(made, [x, result if in_place else y], [result])
    finally:
        cp.set_threads(None)
    np.testing.assert_allclose(result, x * y - x, rtol=1e-5, atol=1e-5)
    outside = np.r_[room[:start], room[start + result.nbytes :]]
    assert not outside.any()


def test_only_what_no_cache_holds_is_stored_so() -> None:
    half = far_memory.FAR // 8  # float32 numbers; the other half is the result
    long, short = (np.broadcast_to(np.float32(1), (half + n,)) for n in (64, -64))
    assert PAST in program(lambda x: [x + 1], [long]).text
    assert PAST not in program(lambda x: [x + 1], [short]).text


def test_whoever_is_told_finds_what_is_stored_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(far_memory, "FAR", 1)
    text = program(lambda x: [x + 1], [drawn((512,))]).text
    assert text.index(PAST) < text.index("fence seq_cst") < text.index("ret void", text.index(PAST))
