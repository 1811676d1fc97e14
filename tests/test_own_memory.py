"""Memory of long results is used again, once nobody looks at it, and is their own."""

from __future__ import annotations

import threading
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import clearprop as cp
from clearprop.core import own_memory
from clearprop.core.errors import SettingError
from clearprop.core.own_memory import ALIGNMENT, ReusedMemory, is_own
from clearprop.core.types import Type

X = np.linspace(-2, 2, 6000, dtype=np.float32).reshape(60, 100)


@pytest.fixture(autouse=True)
def _nothing_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_memory, "LONG", 0)


def place(array: np.ndarray[Any, Any]) -> int:
    return int(array.__array_interface__["data"][0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.int64, np.uint8, np.bool_])
@pytest.mark.parametrize("shape", [(), (7,), (3, 0, 2), (5, 33)])
def test_an_array_of_the_type_that_begins_a_cache_line(dtype: Any, shape: tuple[int, ...]) -> None:
    array = ReusedMemory(Type(shape, dtype)).empty()
    assert (type(array), array.dtype, array.shape) == (np.ndarray, dtype, shape)
    assert array.flags.c_contiguous
    assert array.flags.writeable
    assert array.size == 0 or place(array) % ALIGNMENT == 0
    assert is_own(array)
    assert not is_own(array[...])


VIEWS: dict[str, Callable[[Any], Any]] = {
    "itself": lambda y: y,
    "some of it": lambda y: y[3:7, ::2],
    "turned": lambda y: y.T[1:],
    "of another type": lambda y: y.view(np.uint8),
    "a view of a view": lambda y: y[3:].reshape(-1)[5:].view(np.int32),
    "broadcast": lambda y: np.broadcast_to(y, (3, *y.shape)),
    "memoryview": memoryview,
    "frombuffer": lambda y: np.frombuffer(y, np.float32),
    "from_dlpack": np.from_dlpack,
    "as_strided": lambda y: np.lib.stride_tricks.as_strided(y, (2, 2), (4, 4)),
}


@pytest.mark.parametrize("name", VIEWS)
def test_memory_is_used_again_once_nobody_sees_it(name: str) -> None:
    f = cp.jit(lambda x: x * 2)
    y = f(X)
    start, seen = place(y), VIEWS[name](y)
    expected = np.array(seen)
    del y
    others = [f(X + n) for n in range(1, 4)]
    np.testing.assert_array_equal(np.array(seen), expected)
    del seen
    again = f(X)
    assert place(again) == start
    assert start not in map(place, [*others, f(X)])


def test_one_result_is_kept_and_no_more() -> None:
    f, x = cp.jit(lambda x: x * 2), np.ones(10**6, np.float32)
    f(x)
    tracemalloc.start()
    try:
        results = [f(x) for _ in range(5)]
        del results
        assert tracemalloc.get_traced_memory()[0] < 1.1 * x.nbytes
        del f
        assert tracemalloc.get_traced_memory()[0] < 0.1 * x.nbytes
    finally:
        tracemalloc.stop()


def test_a_result_may_be_donated() -> None:
    step = cp.jit(lambda w, x: w - 2 * x, donate_argnums=0)
    w = cp.jit(lambda x: x * 4)(X)
    start = place(w)
    w = step(w, X)
    assert place(w) == start
    np.testing.assert_array_equal(w, 2 * X)
    with pytest.raises(SettingError, match="shares memory"):
        step(w, w[...])


def test_what_is_given_back_by_a_call_that_fails_is_used_again() -> None:
    f = cp.jit(lambda x, i: x[i] * 2)
    good, bad = np.arange(60), np.arange(1, 61)
    start = place(f(X, good))
    with pytest.raises(IndexError):
        f(X, bad)
    assert place(f(X, good)) == start


def test_threads_do_not_share_it() -> None:
    f, wrong = cp.jit(lambda x: x * 2), []

    def work(n: int) -> None:
        for turn in range(200):
            x = X + n + turn
            if not (f(x) == x * 2).all():
                wrong.append((n, turn))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
