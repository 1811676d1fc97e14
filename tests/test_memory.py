"""What training needs of memory: the data where they are, the parameters, the optimiser's state, the activations."""

from __future__ import annotations

import itertools
import subprocess
import sys
import textwrap
from typing import Any

import numpy as np
import pytest

import clearprop as cp
from clearprop.compile.repeat import Repeating
from clearprop.core.errors import DTypeError, ShapeError
from clearprop.train.data import samples
from clearprop.train.stepper import Native

pytest.importorskip("llvmlite")

BOUND = 1.3
NETWORKS = [
    # widths, size of a mini-batch, activation, optimiser
    ((64, 32, 10), 32, cp.sigmoid, cp.optim.SGD(0.1)),
    ((784, 512, 512, 10), 128, cp.relu, cp.optim.Adam(1e-3)),
    ((256, 256, 256, 256, 256, 10), 1024, cp.tanh, cp.optim.Adam(1e-3)),
    ((256, 256, 256, 256, 256, 10), 1024, cp.relu, cp.optim.SGD(0.1, momentum=0.9)),
]


def training(widths: tuple[int, ...], batch: int, activation: Any, optimizer: Any) -> Repeating:
    """One step, done."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2 * batch, widths[0]), np.float32), rng.integers(0, widths[-1], 2 * batch)
    model = cp.nn.MLP(widths[0], widths[1:-1], widths[-1], activation=activation, rng=0)
    data = samples((x, y))
    loss = data.weighted(cp.losses.cross_entropy)
    stepper = Native(model, data, loss, optimizer, cp.random.key(0), False)
    stepper.run(np.arange(batch), batch)
    return stepper.runs[batch]


def held(run: Repeating) -> int:
    """Bytes of all that a training has, but for the data."""
    carried = [*run.carried.now, *run.carried.room.values()]
    arrays = [*carried, *run.batch, *run.rest, *run.constants]
    return sum(a.nbytes for a in arrays) + run.step.scratch


@pytest.mark.parametrize(("widths", "batch", "activation", "optimizer"), NETWORKS)
def test_training_holds_little_more_than_it_must(
    widths: tuple[int, ...], batch: int, activation: Any, optimizer: Any
) -> None:
    run = training(widths, batch, activation, optimizer)
    state = sum(a.nbytes for a in run.carried.now)
    gradients = 4 * sum((a + 1) * b for a, b in itertools.pairwise(widths))
    activations = 4 * batch * sum(widths)
    assert held(run) <= BOUND * (state + gradients + activations)
    assert not run.carried.room  # parameters and state are changed in place


def test_what_carries_over_is_changed_in_place_by_every_optimizer() -> None:
    for optimizer in (
        cp.optim.SGD(0.1), cp.optim.SGD(0.1, momentum=0.9, nesterov=True), cp.optim.Adam(1e-3), cp.optim.Lion(1e-4),
        cp.optim.RMSProp(1e-3), cp.optim.Adam(1e-3, clip_norm=1.0),
    ):  # fmt: skip
        assert not training((8, 8, 8, 3), 4, cp.relu, optimizer).step.swapped, optimizer


# ---- data are read where they are


def layouts(x: np.ndarray[Any, Any]) -> dict[str, np.ndarray[Any, Any]]:
    """The same numbers, elsewhere in memory."""
    wide = np.repeat(np.repeat(x, 2, axis=0), 2, axis=-1)
    unaligned = np.zeros(x.nbytes + 1, np.uint8)[1:].view(x.dtype).reshape(x.shape)
    unaligned[...] = x
    return {
        "columns first": np.asfortranarray(x),
        "rows of a larger array": np.concatenate([x, x], axis=-1)[..., : x.shape[-1]],
        "every other row": np.repeat(x, 2, axis=0)[1::2],
        "every other row and column": wide[::2, ..., ::2],
        "backwards": np.ascontiguousarray(x[::-1, ..., ::-1])[::-1, ..., ::-1],
        "unaligned": unaligned,
        "another byte order": x.astype(x.dtype.newbyteorder(">")),
    }


class Flat(cp.nn.Module):
    layer: Any

    def __call__(self, x: Any) -> Any:
        return self.layer(np.reshape(x, (x.shape[0], -1)) / 8)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8, np.int64, np.float16])
@pytest.mark.parametrize("shape", [(40, 6), (40, 3, 4)])
def test_layout_and_dtype_change_no_bit(dtype: Any, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 9, shape).astype(dtype), rng.integers(0, 3, shape[0])
    model = Flat(layer=cp.nn.Dense(int(np.prod(shape[1:])), 3, rng=0))
    options: Any = {"loss": cp.losses.cross_entropy, "epochs": 2, "batch_size": 16, "progress": False}
    expected = cp.fit(model, (x, y), **options).model
    for name, given in layouts(x).items():
        np.testing.assert_array_equal(given, x)
        trained = cp.fit(model, (given, y[:, None][:, 0]), **options).model
        for a, b in zip(cp.tree.leaves(trained), cp.tree.leaves(expected), strict=True):
            np.testing.assert_array_equal(a, b, err_msg=name)


def test_other_rows_are_refused() -> None:
    run = training((8, 8, 3), 4, cp.relu, cp.optim.SGD(0.1))
    x, y = run.data
    for wrong, error in (((x[:, 1:], y), ShapeError), ((x.astype(float), y), DTypeError)):
        with pytest.raises(error, match="but the code was made for"):
            run.step.begin(run.carried, wrong)


LARGE = """
    import resource
    import numpy as np, clearprop as cp

    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    rows, columns = 20_000, 1_000
    x = np.zeros((rows, 2 * columns), {dtype!r})[:, {columns}]
    x += np.arange(columns).astype(x.dtype)
    y = np.arange(rows) % 10
    model = cp.nn.MLP(columns, (16,), 10, rng=0)
    options = dict(loss=cp.losses.cross_entropy, optimizer=cp.optim.SGD(1e-6), batch_size=100, progress=False)
    cp.fit(model, (x[:1000], y[:1000]), epochs=1, **options)  # what is needed whatever the data
    before = peak()
    cp.fit(model, (x, y), epochs=1, validation={validation}, **options)
    print((peak() - before) / x.nbytes)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has other units elsewhere")
@pytest.mark.parametrize(
    ("dtype", "columns", "validation", "most"),
    [("f4", ":1000", None, 0.2), ("u1", "::2", None, 0.5), ("f8", "::2", None, 0.2), ("f4", "::2", 0.1, 0.4)],
)
def test_a_large_data_set_is_not_copied(dtype: str, columns: str, validation: Any, most: float) -> None:
    code = textwrap.dedent(LARGE).format(dtype=dtype, columns=columns, validation=validation)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < most
