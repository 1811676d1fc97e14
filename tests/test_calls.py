"""Calls of a program: arrays copied in and out or taken where they are, one after the other and at once."""

import threading

import numpy as np
import pytest

from clearprop.compile import calls
from clearprop.compile.program import Program
from clearprop.core.errors import ShapeError
from clearprop.core.trace import trace
from clearprop.core.types import Type

X = np.linspace(-2, 2, 60, dtype=np.float32).reshape(3, 20)
TABLE = np.arange(20.0, dtype=np.float32)[::-1]


def program(function, *arrays):
    return Program(trace(function, [Type(a.shape, a.dtype) for a in arrays])[0].owning_constants())


GIVEN = {
    "in order": X,
    "turned": np.asfortranarray(X),
    "every other": np.repeat(X, 2, axis=1)[:, ::2],
    "backwards": X[::-1, ::-1].copy()[::-1, ::-1],
    "another byte order": X.astype(">f4"),
    "locked": np.frombuffer(X.tobytes(), np.float32).reshape(3, 20),
    "unaligned": np.frombuffer(b"x" + X.tobytes(), np.uint8)[1:].view(np.float32).reshape(3, 20),
}


@pytest.mark.parametrize("limit", [-1, 100, calls.SMALL], ids=["none copied", "some copied", "all copied"])
@pytest.mark.parametrize("given", GIVEN)
def test_any_array_in_new_arrays_out(given, limit, monkeypatch):
    monkeypatch.setattr(calls, "SMALL", limit)
    run = program(lambda x: [x * 2 + TABLE, x.sum(), x[0] > 0, x], X)
    x = GIVEN[given]
    before = x.tobytes()
    first, second = run([x]), run([x])
    for results in (first, second):
        np.testing.assert_allclose(results[0], X * 2 + TABLE, rtol=1e-6)
        np.testing.assert_allclose(results[1], X.sum(), atol=1e-4)
        np.testing.assert_array_equal(results[2], X[0] > 0)
        np.testing.assert_array_equal(results[3], X)
        for array in results:
            assert array.flags.owndata
            assert array.flags.writeable
            array[...] = 0  # the next call must not see it
    assert x.tobytes() == before
    for a in first:
        assert not any(np.shares_memory(a, b) for b in (*second, x))


def test_a_call_that_fails_spoils_no_other():
    run = program(lambda x, i: [x[i]], X[0], np.arange(3))
    for _ in range(3):
        with pytest.raises(IndexError):
            run([X[0], np.array([1, 99, 2])])
        np.testing.assert_array_equal(run([X[0], np.array([1, 19, 2])])[0], X[0, [1, 19, 2]])
    with pytest.raises(ShapeError, match="made for"):
        run([X[0], np.arange(4)])
    np.testing.assert_array_equal(run([X[0], np.array([1, 19, 2])])[0], X[0, [1, 19, 2]])


def test_calls_at_once_have_memory_of_their_own():
    run = program(lambda x: [np.cumsum(x * x, axis=1), x.sum(axis=0)], X)
    wrong = []

    def work(factor):
        x = X * np.float32(factor)
        for _ in range(300):
            squares, sums = run([x])
            if (
                abs(squares - np.cumsum(x * x, axis=1)).max() > 1e-3 * factor**2
                or abs(sums - x.sum(axis=0)).max() > 1e-5 * factor
            ):
                wrong.append(factor)

    threads = [threading.Thread(target=work, args=(2.0**i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert 1 <= len(run._idle) <= len(threads)
