"""How far apart rows stand in arrays that nobody else sees, and that nobody sees it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import clearprop as cp
from clearprop.compile import memory
from clearprop.compile.layouts import apart, in_lines
from clearprop.compile.memory import closed_up, empty
from clearprop.core.tree import leaves
from clearprop.core.types import Type

F32, F64 = np.dtype(np.float32), np.dtype(np.float64)
PITCHES = [
    # dtype, shape, elements from row to row: what is carried on, what is temporary
    (F32, (784, 100), 112, 100),
    (F32, (90, 90), 96, 90),
    (F32, (7, 64), 64, 64),
    (F32, (7, 33), 33, 33),  # too much room
    (F32, (7, 10), 10, 10),
    (F32, (512, 512), 528, 528),  # all rows in a quarter of the sets
    (F32, (500, 500), 528, 500),
    (F32, (3, 256), 272, 256),
    (F64, (50, 50), 56, 50),
    (F64, (50, 256), 264, 264),
    (np.dtype(np.int64), (50, 500), 500, 500),
]


@pytest.mark.parametrize(("dtype", "shape", "carried", "temporary"), PITCHES)
def test_pitches(dtype: Any, shape: tuple[int, int], carried: int, temporary: int) -> None:
    type = Type(shape, dtype)
    assert (in_lines(type).strides, apart(type).strides) == ((carried, 1), (temporary, 1))


@pytest.mark.parametrize("shape", [(), (100,), (3, 100, 100), (0, 100), (100, 0)])
def test_other_arrays_have_no_room_between_rows(shape: tuple[int, ...]) -> None:
    array = empty(Type(shape, F32), in_lines(Type(shape, F32)))
    assert array.shape == shape
    assert array.flags.c_contiguous


def test_what_is_handed_over_has_none_either() -> None:
    type = Type((30, 100), F32)
    array = empty(type, in_lines(type))
    array[...] = wanted = np.arange(3000, dtype=F32).reshape(30, 100)
    closed = closed_up(array)
    np.testing.assert_array_equal(closed, wanted)
    assert closed.flags.c_contiguous
    assert closed.flags.writeable
    assert np.shares_memory(closed, array)
    assert closed_up(closed) is closed


@pytest.mark.parametrize("widths", [(90, 100, 500, 10), (512, 256, 3)])
def test_a_trained_model_is_as_the_one_given(widths: tuple[int, ...]) -> None:
    x, y = np.random.default_rng(0).standard_normal((100, widths[0]), np.float32), np.arange(100) % 3
    model = cp.nn.MLP(widths[0], widths[1:-1], widths[-1], rng=0)
    options: Any = {"loss": cp.losses.cross_entropy, "optimizer": cp.optim.Adam(1e-3), "batch_size": 30}
    runs = [
        cp.fit(model, (x, y), epochs=2, progress=False, **options, **more)
        for more in ({}, {"backend": "numpy"}, {"early_stopping": cp.EarlyStopping(metric="loss")})
    ]
    for given, *trained in zip(leaves(model), *(leaves(run.model) for run in runs), strict=True):
        for leaf in trained:
            assert (leaf.flags.c_contiguous, leaf.shape, leaf.dtype) == (True, given.shape, given.dtype)
            np.testing.assert_allclose(leaf, trained[1], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("hidden", [100, 250])  # less and more than a vector of room
@pytest.mark.parametrize("batch", [1, 4, 30])
def test_the_room_between_rows_stays_zero(batch: int, hidden: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rooms = []

    def noted(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        if not array.flags.c_contiguous:
            shape = (len(array) - 1, array.strides[0] // array.itemsize)
            rooms.append(
                np.lib.stride_tricks.as_strided(array, shape, array.strides)[:, array.shape[1] :].copy()
            )
        return closed_up(array)

    monkeypatch.setattr(memory, "closed_up", noted)
    x, y = np.random.default_rng(0).standard_normal((60, 90), np.float32), np.arange(60) % 90
    model = cp.nn.MLP(90, (hidden, 90), 90, rng=0)
    cp.fit(
        model, (x, y), loss=cp.losses.cross_entropy, optimizer=cp.optim.Adam(1e-2), batch_size=batch, epochs=2
    )
    assert len(rooms) == 3
    assert not any(room.any() for room in rooms)
