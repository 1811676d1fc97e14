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
from clearprop.compile.repeat import Repeat, Repeating
from clearprop.core.errors import DTypeError, ShapeError
from clearprop.train.data import samples
from clearprop.train.stepper import Native

pytest.importorskip("llvmlite")

BOUND = 1.3
THREADS = 2
LITTLE = 2**20  # bytes
EPOCH = 20  # mini-batches in the data
ALLOWED = 80 * 1024  # bytes above that, where little is needed: copies that products keep in a thread's cache

Network = tuple[tuple[int, ...], int, Any, Any, Any]
CE, MSE = cp.losses.cross_entropy, cp.losses.mean_squared_error


def hinge(prediction: Any, target: Any) -> Any:
    return cp.losses.hinge(prediction, target, kind="weston-watkins")


SGD, MOMENTUM, ADAM = cp.optim.SGD(0.1), cp.optim.SGD(0.1, momentum=0.9), cp.optim.Adam(1e-3)
NETWORKS: list[Network] = [
    # widths, size of a mini-batch, activation, optimiser, loss
    ((64, 32, 10), 32, cp.sigmoid, SGD, CE),
    ((784, 512, 512, 10), 128, cp.relu, ADAM, CE),
    ((784, 100, 10), 200, cp.relu, ADAM, CE),
    ((20, 64, 64, 1), 256, cp.relu, ADAM, MSE),
    ((2048, 2048, 2048), 512, cp.relu, SGD, MSE),
    ((256, 256, 256, 256, 256, 10), 1024, cp.tanh, ADAM, CE),
    ((256, 256, 256, 256, 256, 10), 1024, cp.relu, MOMENTUM, CE),
    ((256, 256, 256, 10), 1024, cp.gelu, SGD, MSE),
    ((64, 512, 512, 10), 400, cp.silu, SGD, CE),
    ((500, 5000, 500), 3000, cp.sigmoid, SGD, MSE),
    ((13, 6, 655), 771, cp.sigmoid, MOMENTUM, hinge),
    ((10, 1396), 413, cp.relu, SGD, CE),
    ((2, 6, 1656, 5, 30), 712, cp.sigmoid, SGD, hinge),
    ((12, 94, 461), 22, cp.relu, ADAM, hinge),
    ((2, 17, 2770, 3), 17, cp.relu, ADAM, MSE),
    ((5, 24, 195, 631, 39, 57), 59, cp.sigmoid, SGD, CE),
]
SMALL: list[Network] = [
    ((12, 94, 461), 22, cp.relu, SGD, CE),
    ((2, 36, 17, 559), 21, cp.tanh, SGD, hinge),
]


def random_networks(count: int, seed: int) -> list[Network]:
    """Widths from 2 to 3000 and mini-batches from 1 to 1000, each power of two as likely as the next."""
    rng = np.random.default_rng(seed)

    def between(low: int, high: int) -> int:
        return int(np.exp(rng.uniform(np.log(low), np.log(high + 1))))

    def one_of(*choices: Any) -> Any:
        return choices[int(rng.integers(len(choices)))]

    return [
        (
            tuple(between(2, 3000) for _ in range(rng.integers(2, 7))),
            between(1, 1000),
            one_of(cp.relu, cp.sigmoid, cp.tanh, cp.gelu),
            one_of(SGD, MOMENTUM, ADAM),
            one_of(CE, MSE, hinge),
        )
        for _ in range(count)
    ]


def prepared(network: Network, batches: int = EPOCH) -> Repeating:
    """A training that could begin, of which all is known that it will take."""
    widths, batch, activation, optimizer, loss = network
    x, y = np.zeros((batches * batch, widths[0]), np.float32), np.arange(batches * batch) % widths[-1]
    if loss is MSE:
        y = np.zeros((len(x), widths[-1]), np.float32)
    pairs = list(itertools.pairwise(widths))
    zeros = {
        "weight": [np.zeros(p, np.float32) for p in pairs],
        "bias": [np.zeros(b, np.float32) for _, b in pairs],
    }
    model = cp.nn.MLP(widths[0], widths[1:-1], widths[-1], activation=activation, **zeros)
    data = samples((x, y))
    stepper = Native(model, data, data.weighted(loss), optimizer, cp.random.key(0), False)
    step = Repeat(stepper.graph(batch), stepper.roles(batch))
    step.module  # noqa: B018  # writes the text: it tells what kernels need while they run, and nobody has to compile it
    return step.begin(stepper.carried, stepper.data)


def held(run: Repeating) -> int:
    """Bytes of all that a training has: the data, what goes on, the mini-batch, all that is temporary."""
    carried = [*run.carried.now, *run.carried.following(run.step.swapped)]
    arrays = {id(a): _extent(a) for a in [*carried, *run.constants]}
    return data_bytes(run) + sum(arrays.values()) + run.beside + run.step.extent.bytes(THREADS)


def _extent(array: np.ndarray[Any, Any]) -> int:
    """Bytes of an array and of what room there is between its rows."""
    return array.shape[0] * array.strides[0] if array.ndim else array.nbytes


def data_bytes(run: Repeating) -> int:
    """Bytes of all samples and targets."""
    return sum(a.nbytes for a in run.data)


def needed(run: Repeating, network: Network) -> int:
    """Bytes of the data, parameters, the optimiser's state, activations that the backward pass needs, and the targets.

    Activations are the inputs of all layers, the prediction, and where the slope does not follow from those, it.
    """
    widths, batch, activation = network[:3]
    slopes = sum(widths[1:-1]) if activation in (cp.gelu, cp.silu) else 0
    targets = run.step.schedule.inputs[-1].bytes
    activations = 4 * batch * (sum(widths) + slopes)
    return data_bytes(run) + sum(a.nbytes for a in run.carried.now) + activations + targets


@pytest.mark.parametrize("network", NETWORKS, ids=lambda n: "-".join(map(str, n[0])))
def test_training_holds_little_more_than_it_must(network: Network) -> None:
    run = prepared(network)
    assert held(run) <= BOUND * needed(run, network)
    assert not run.step.swapped  # parameters and state are changed in place


def test_networks_of_random_shapes_do_too() -> None:
    ratios = []
    for network in [*SMALL, *random_networks(300, 5)]:
        run = prepared(network)
        must = needed(run, network)
        assert held(run) <= BOUND * must + (ALLOWED if must < LITTLE else 0), network
        ratios.append(held(run) / must)
    assert np.median(ratios) < 1.15


def test_beside_many_rows_of_data_threads_may_take_more() -> None:
    network = ((526, 35, 512, 9), 77, cp.relu, SGD, CE)
    once, often = (prepared(network, batches).step.extent.bytes(THREADS) for batches in (1, EPOCH))
    assert once < often
    assert prepared(network, 64).step.roles == prepared(network, 200).step.roles  # and find the same code


def test_what_carries_over_is_changed_in_place_by_every_optimizer() -> None:
    for optimizer in (
        cp.optim.SGD(0.1), cp.optim.SGD(0.1, momentum=0.9, nesterov=True), cp.optim.Adam(1e-3), cp.optim.Lion(1e-4),
        cp.optim.RMSProp(1e-3), cp.optim.Adam(1e-3, clip_norm=1.0),
    ):  # fmt: skip
        assert not prepared(((8, 8, 8, 3), 4, cp.relu, optimizer, CE)).step.swapped, optimizer


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
    run = prepared(((8, 8, 3), 4, cp.relu, SGD, CE))
    x, y = run.data
    for wrong, error in (((x[:, 1:], y), ShapeError), ((x.astype(float), y), DTypeError)):
        with pytest.raises(error, match="but the code was made for"):
            run.step.begin(run.carried, wrong)


WHOLE = """
    import numpy as np, clearprop as cp
    from clearprop.core import tree

    def of_process(key):
        with open("/proc/self/status") as lines:
            return next(1024 * int(line.split()[1]) for line in lines if line.startswith(key))

    def peak(rows, epochs):
        x = np.random.default_rng(0).standard_normal((rows, 1000), np.float32)
        y = np.arange(rows) % 10
        before = of_process("VmRSS:")
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")  # begins the peak anew
        options = dict(loss=cp.losses.cross_entropy, optimizer=cp.optim.Adam(1e-4), progress=False)
        cp.fit(model, (x, y), epochs=epochs, batch_size=100, **options)
        return of_process("VmHWM:") - before

    model = cp.nn.MLP(1000, (1500, 1500), 10, rng=0)
    peak(150, 1)  # what is made for it once: machine code
    parameters = sum(leaf.nbytes for leaf in tree.leaves(model))
    print(peak(1050, {epochs}) / (3 * parameters + 4 * 100 * (1000 + 2 * 1500 + 10)))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
def test_a_process_grows_by_little_more() -> None:
    """By the state and what one mini-batch needs: no model is kept beside the one that is trained."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(WHOLE).format(epochs=2)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(done.stdout) < BOUND


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
