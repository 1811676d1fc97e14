"""Random numbers: the published stream, the same when recorded, with the distributions that they claim."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

import clearprop as cp
from clearprop import random
from clearprop.core.errors import DTypeError, ShapeError
from clearprop.core.interpret import interpret
from clearprop.ops.random import as_key, philox

KEY = random.key(42)


@pytest.mark.parametrize(
    ("counter", "key", "words"),  # the known answers of philox4x32-10 in Random123 (Salmon et al., 2011)
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox(counter: Any, key: Any, words: Any) -> None:
    assert tuple(int(w) for w in philox(tuple(np.uint64(c) for c in counter), key)) == words


def test_the_stream_is_the_encryption_of_the_counters() -> None:
    expected = [int(w) for n in range(3) for w in philox((*map(np.uint64, (n, 0, 0, 0)),), (42, 0))]
    assert random.bits(KEY, (10,)).tolist() == expected[:10]
    assert random.bits(KEY, (2, 5)).ravel().tolist() == expected[:10]
    assert random.bits(KEY).tolist() == expected[0]
    assert [int(w) for w in random.fold_in(KEY, 7)] == [
        int(w) for w in philox((*map(np.uint64, (0, 0, 7, 1)),), (42, 0))[:2]
    ]


def test_the_numbers_stay_for_ever() -> None:
    np.testing.assert_array_equal(random.key(2**40 + 3), np.array([3, 256], np.uint32))
    np.testing.assert_array_equal(random.key(-1), np.array([2**32 - 1] * 2, np.uint32))
    assert random.bits(random.key(0), (2,)).tolist() == [0x6627E8D5, 0xE169C58D]
    np.testing.assert_array_equal(random.uniform(random.key(0), (1,)), np.float32((0x6627E8D5 >> 8) / 2**24))
    wide = ((0x6627E8D5 >> 5) * 2**26 + (0xE169C58D >> 6)) / 2**53
    assert random.uniform(random.key(0), dtype=np.float64) == wide
    np.testing.assert_array_equal(random.permutation(random.key(0), 5), [4, 0, 3, 1, 2])


@pytest.mark.parametrize(
    "draw",
    [
        lambda k: random.bits(k, (3, 5)),
        lambda k: random.uniform(k, (3, 5), -1, 2),
        lambda k: random.uniform(k, 5, dtype=np.float64),
        lambda k: random.uniform(k, (), dtype=np.float16),
        lambda k: random.normal(k, (3, 5), 1.0, 2.0),
        lambda k: random.bernoulli(k, 0.3, (3, 5)),
        lambda k: random.permutation(k, 9),
        lambda k: random.split(random.fold_in(k, 3), 3),
    ],
)
def test_recorded_is_called(draw: Any) -> None:
    for actual, expected in zip(
        interpret(cp.make_graph(draw)(KEY), [KEY]), cp.tree.leaves(draw(KEY)), strict=True
    ):
        assert actual.dtype == expected.dtype
        np.testing.assert_array_equal(actual, expected)


def test_a_traced_number_folds_in() -> None:
    graph = cp.make_graph(lambda step: random.uniform(random.fold_in(KEY, step), (4,)))(np.int64(3))
    for step in (0, 3, 2**32 - 1):
        np.testing.assert_array_equal(
            interpret(graph, [np.int64(step)])[0], random.uniform(random.fold_in(KEY, step), (4,))
        )


def test_keys_are_different() -> None:
    keys = [
        KEY,
        *random.split(KEY, 100),
        *(random.fold_in(k, 0) for k in random.split(KEY, 100)),
        random.key(43),
    ]
    assert len({tuple(k.tolist()) for k in keys}) == len(keys)
    streams = np.stack([random.bits(k, (50,)) for k in keys])
    assert len(np.unique(streams)) > 0.999 * streams.size


def test_as_key() -> None:
    np.testing.assert_array_equal(as_key(42), KEY)
    np.testing.assert_array_equal(as_key(np.int64(42)), KEY)
    assert as_key(KEY) is KEY
    a, b = (as_key(np.random.default_rng(0)) for _ in range(2))
    np.testing.assert_array_equal(a, b)
    rng = np.random.default_rng(0)
    assert (as_key(rng) != as_key(rng)).any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_distributions(dtype: Any) -> None:
    n = 100_000
    unit = random.uniform(KEY, (n,), dtype=dtype)
    assert 0 <= unit.min() < 1e-3 < 0.999 < unit.max() < 1
    assert stats.kstest(unit, "uniform").pvalue > 0.01
    assert stats.kstest(random.uniform(KEY, (n,), -2, 3, dtype), "uniform", (-2, 5)).pvalue > 0.01
    normal = random.normal(KEY, (n,), 1, 2, dtype)
    assert normal.dtype == dtype
    assert np.isfinite(normal).all()
    assert stats.kstest(normal, "norm", (1, 2)).pvalue > 0.01
    assert abs(np.corrcoef(normal[:-1], normal[1:])[0, 1]) < 0.01


def test_bits_and_choices() -> None:
    words = random.bits(KEY, (20_000,))
    ones = np.unpackbits(words.view(np.uint8)).reshape(-1, 32).mean(0)
    np.testing.assert_allclose(ones, 0.5, atol=0.02)
    for p in (0.0, 0.1, 0.9, 1.0):
        assert random.bernoulli(KEY, p, (20_000,)).mean() == pytest.approx(p, abs=0.01)
    p = np.array([0.1, 0.9])
    np.testing.assert_allclose(random.bernoulli(KEY, p, (20_000, 2)).mean(0), p, atol=0.01)


def test_permutations_are_fair() -> None:
    drawn = np.stack([random.permutation(k, 4) for k in random.split(KEY, 2000)])
    np.testing.assert_array_equal(np.sort(drawn), np.tile(np.arange(4), (2000, 1)))
    counts = np.unique(drawn @ [64, 16, 4, 1], return_counts=True)[1]
    assert len(counts) == 24
    assert stats.chisquare(counts).pvalue > 0.01
    assert random.permutation(KEY, 0).tolist() == []
    assert random.permutation(KEY, 1).tolist() == [0]


def test_through_random_numbers_no_path_leads() -> None:
    def f(x: Any) -> Any:
        return np.sum(x * random.bernoulli(KEY, 0.5, (3,)) + random.normal(KEY, (3,), dtype=np.float64))

    np.testing.assert_array_equal(cp.grad(f)(np.ones(3)), random.bernoulli(KEY, 0.5, (3,)).astype(float))
    scale = cp.grad(lambda s: np.sum(random.normal(KEY, (3,), 0.0, s, np.float64)))(2.0)
    assert scale == pytest.approx(random.normal(KEY, (3,), dtype=np.float64).sum())


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: random.uniform(np.zeros(2), (3,)), DTypeError),
        (lambda: random.uniform(np.zeros(3, np.uint32), (3,)), DTypeError),
        (lambda: random.uniform(7, (3,)), DTypeError),
        (lambda: random.uniform(KEY, (-1,)), ShapeError),
        (lambda: random.uniform(KEY, (2,), dtype=np.int64), DTypeError),
        (lambda: random.normal(KEY, (2,), dtype=bool), DTypeError),
    ],
)
def test_what_is_no_key_or_no_shape(call: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        call()


def test_empty_shapes() -> None:
    assert random.normal(KEY, (0, 3)).shape == (0, 3)
    assert random.uniform(KEY, ()).shape == ()
    assert random.bernoulli(KEY, 0.5, ()).shape == ()


def test_it_is_a_module_of_the_package() -> None:
    import importlib

    assert importlib.import_module("clearprop.random") is random
    from clearprop.random import normal

    assert normal is cp.random.normal
