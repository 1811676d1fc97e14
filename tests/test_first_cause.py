"""Who made a NaN or an infinity: planted at each operation of a small network, forward and backward, it is named."""

import inspect
import itertools
import warnings
from dataclasses import dataclass

import numpy as np
import pytest

import clearprop as cp
from cases import DISCARDED
from clearprop import random
from clearprop.core.lowering import Map
from clearprop.ops.declare import PRIMITIVES
from clearprop.train.data import samples
from clearprop.train.stepper import Interpreted, Native
from clearprop.train.steps import ORDER
from not_finite_cases import ERRORS, FORWARD, NEVER_BACKWARD, NEVER_FORWARD, SLOPES

ROWS, COLUMN, HUGE = 40, 1, 3.2e38
EYE = np.eye(3, dtype=np.float32)
ORDERED = random.permutation(
    random.fold_in(random.fold_in(random.key(0), ORDER), 1), ROWS
)  # of the first epoch
BACKENDS = ["native", "numpy"]


def cost(prediction, target):
    return np.mean(np.abs(prediction - target))


def flat_cost(prediction, target):
    """Always 0, with the slope `target`."""
    return np.sum((prediction - cp.stop_gradient(prediction)) * target)


def network(*layers):
    return cp.nn.Sequential([cp.nn.Dense(3, 3, weight=EYE, bias=np.zeros(3, np.float32)), *layers])


def planted(function, safe, bad, row):
    """Return a network with the function as its second layer, and data with one bad number."""
    x = np.full((ROWS, 3), safe, np.float32)
    x[row, COLUMN] = bad
    return network(function, cp.nn.Dense(3, 1, rng=0)), (x, np.zeros((ROWS, 1), np.float32))


def planted_error(function, at, row):
    """Return a network that ends with the function, and data with a huge error in one sample."""
    target = np.ones((ROWS, 3), np.float32)
    target[row] = HUGE
    return network(function), (np.full((ROWS, 3), at, np.float32), target)


def train(model, data, loss=cost, optimizer=None, **settings):
    optimizer = cp.optim.SGD(0.0) if optimizer is None else optimizer  # at rate 0 all steps are alike
    settings = {"batch_size": 8, "epochs": 2, "progress": False, "backend": "numpy", **settings}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return cp.fit(model, data, loss=loss, optimizer=optimizer, **settings)


def step_of(row):
    return int(np.flatnonzero(row == ORDERED)[0]) // 8 + 1


# ---- every operation


def test_the_tables_speak_of_every_operation():
    assert {name for name, *_ in FORWARD} | NEVER_FORWARD == set(PRIMITIVES)
    assert {name for name, *_ in [*SLOPES, *ERRORS]} | NEVER_BACKWARD == set(PRIMITIVES)


EXTREMES = np.float32([0, 1, -1, 2.5, -2.5, 1e-30, -1e-30, 3.4e38, -3.4e38])


@pytest.mark.parametrize("name", sorted(n for n in NEVER_FORWARD if isinstance(PRIMITIVES[n].lowering, Map)))
def test_the_others_stay_finite_at_the_extremes(name):
    primitive = PRIMITIVES[name]
    if name in ("where", "chain") or name.startswith(("bitwise", "invert")):
        return  # of booleans and integers, or of the derivative
    count = sum(p.kind is not p.KEYWORD_ONLY for p in _parameters(primitive))
    params = {"alpha": 1.5} if name == "elu" else {}
    for xs in itertools.product(EXTREMES, repeat=count):
        with np.errstate(all="ignore"):
            assert np.isfinite(primitive.compute(*xs, **params)), xs


def _parameters(primitive):
    return inspect.signature(primitive.compute).parameters.values()


@pytest.mark.parametrize(("name", "function", "safe", "bad"), FORWARD, ids=[row[0] for row in FORWARD])
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_value_is_laid_to_the_operation_that_made_it(backend, name, function, safe, bad):
    row = 17
    model, data = planted(function, safe, bad, row)
    run = train(model, data, backend=backend)
    cause = run.cause
    assert run.stopped == "not finite"
    assert (cause.operation, cause.phase, cause.layer, cause.sample) == (name, "forward", "layers.1", row)
    assert (cause.step, cause.epoch, cause.count) == (step_of(row), 1, 1)
    assert not np.isfinite(cause.value)
    assert np.isfinite(cause.operands).all()
    assert COLUMN in cause.index
    assert "matmul (layers.2)" in cause.passed_on
    assert cause.where.file == function.__code__.co_filename if hasattr(function, "__code__") else True


@pytest.mark.parametrize(("name", "function", "safe", "bad"), SLOPES, ids=[row[0] for row in SLOPES])
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_slope_is_laid_to_the_operation_whose_slope_it_is(backend, name, function, safe, bad):
    row = 23
    model, data = planted(function, safe, bad, row)
    run = train(model, data, backend=backend)
    cause = run.cause
    assert (cause.operation, cause.phase, cause.layer, cause.sample) == (name, "backward", "layers.1", row)
    assert (cause.step, cause.epoch, cause.count) == (step_of(row), 1, 1)
    assert cause.index == (step_row(row), COLUMN)
    assert cause.what.startswith(f"the slope of {'' if name in ('divide', 'power', 'remainder') else name}")
    assert "the gradient of matmul (layers.0)" in cause.passed_on


def step_row(row):
    return int(np.flatnonzero(row == ORDERED)[0]) % 8


@pytest.mark.parametrize(("name", "function", "at"), ERRORS, ids=[row[0] for row in ERRORS])
@pytest.mark.parametrize("backend", BACKENDS)
def test_an_error_that_overflows_is_laid_to_the_operation_it_went_through(backend, name, function, at):
    row = 5
    model, data = planted_error(function, at, row)
    run = train(model, data, flat_cost, backend=backend)
    cause = run.cause
    assert (cause.operation, cause.phase, cause.layer, cause.sample) == (name, "backward", "layers.1", row)
    assert cause.step == step_of(row)
    assert "largest 3.4e+38" in cause.what
    assert "the gradient has grown too large" in cause.advice


# ---- when and where


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("place", [0, ROWS // 2, ROWS - 1])
@pytest.mark.parametrize("batch_size", [7, 8, ROWS])
@pytest.mark.parametrize(("function", "phase"), [(np.log, "forward"), (np.sqrt, "backward")])
def test_the_batch_is_found(backend, place, batch_size, function, phase):
    row = int(ORDERED[place])
    model, data = planted(function, 1.0, 0.0, row)
    run = train(model, data, backend=backend, batch_size=batch_size)
    cause = run.cause
    assert (cause.phase, cause.sample, cause.step) == (phase, row, place // batch_size + 1)
    assert all(np.isfinite(leaf).all() for leaf in cp.tree.leaves(run.model))
    assert run.stopped == "not finite"


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_later_epoch_with_a_schedule_a_plateau_and_validation(backend):
    """The weight grows until exp overflows: the state before that step must come back to the bit."""
    x = np.linspace(0.1, 1, 30, dtype=np.float32)[:, None]
    model = network_of_one(np.exp)
    optimizer = cp.optim.Lion(cp.optim.ExponentialDecay(1.0, 0.999))
    settings = {
        "epochs": 200,
        "validation": 0.2,
        "plateau": cp.optim.ReduceOnPlateau(patience=3),
        "backend": backend,
    }
    run = train(model, (x, -x), lambda p, t: np.mean(p * t), optimizer, **settings)
    cause = run.cause
    assert (cause.operation, cause.phase, cause.layer) == ("exp", "forward", "layers.1")
    assert cause.epoch == len(run.history["loss"]) + 1 > 5
    assert "f32 (largest 3.4e+38)" in cause.what
    assert cause.operands[0] > 88.7


def network_of_one(function):
    return cp.nn.Sequential(
        [cp.nn.Dense(1, 1, weight=np.ones((1, 1), np.float32), bias=np.zeros(1, np.float32)), function]
    )


class Gated(cp.tree.Module):
    """The weight is read for some rows only, so that nobody notices what became of it."""

    w: np.ndarray

    def __call__(self, x):
        return np.where(x < -5, np.sqrt(self.w), 0) + np.where(x > 5, self.w * x, 0)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_weight_that_was_spoiled_many_steps_ago(backend):
    spoils, shows = int(ORDERED[4]), int(ORDERED[33])
    x = np.zeros((ROWS, 1), np.float32)
    x[spoils], x[shows] = -6, 6
    run = train(Gated(w=np.zeros(1, np.float32)), (x, x), backend=backend, batch_size=1)
    cause = run.cause
    assert (cause.operation, cause.phase, cause.sample, cause.step) == ("sqrt", "backward", None, 5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_last_step_of_all(backend):
    """Its loss is finite, and no step comes that would show what it made of the model."""
    model, data = planted(np.sqrt, 1.0, 0.0, int(ORDERED[-1]))
    run = train(model, data, backend=backend, epochs=1)
    assert run.stopped == "not finite"
    assert run.cause.what == "the slope of sqrt(0) is inf"
    assert all(np.isfinite(leaf).all() for leaf in cp.tree.leaves(run.model))


def test_rows_of_the_users_data_with_a_validation_fraction():
    seen = set()
    for row in range(0, ROWS, 3):
        model, data = planted(np.log, 1.0, 0.0, row)
        run = train(model, data, validation=0.3)
        if run.cause:
            seen.add(run.cause.sample == row)
    assert seen == {True}


@dataclass(frozen=True)
class Flipping(cp.optim.SGD):
    """Reads parameters in another order than it writes them, so native code cannot change them in place."""

    def rule(self, p, g, *, rate, **slots):
        return np.flip(p, -1) - rate * g, slots


@pytest.mark.parametrize("kind", [Native, Interpreted])
@pytest.mark.parametrize("place", [9, 20])  # the second step, the third
@pytest.mark.parametrize("optimizer", [cp.optim.Adam(0.0), Flipping(0.0)])
def test_the_loop_stops_there(kind, place, optimizer):
    model, (x, y) = planted(np.log, 1.0, 0.0, int(ORDERED[place]))
    weighted = samples((x, y)).weighted(cost)
    stepper = kind(model, samples((x, y)), weighted, optimizer, random.key(0), False)
    losses, _ = stepper.run(ORDERED, 8)
    assert list(np.isfinite(losses)) == [True] * (place // 8) + [False]
    exactly = kind(model, samples((x, y)), weighted, optimizer, random.key(0), False)
    exactly.run(ORDERED[: len(losses) * 8], 8)
    for a, b in zip(stepper.leaves, exactly.leaves, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_state_comes_back_to_the_bit(backend):
    rng = np.random.default_rng(0)
    data = rng.normal(size=(30, 3)).astype(np.float32), rng.normal(size=(30, 1)).astype(np.float32)
    model = network(np.tanh, cp.nn.Dropout(0.5), cp.nn.Dense(3, 1, rng=0))
    states, journal = [], None
    for step in cp.steps(
        model, data, loss=cost, optimizer=cp.optim.Adam(0.1), epochs=3, batch_size=8, backend=backend
    ):
        if step.number in (6, 9):
            step.state["rate_factor"] = step.state["rate_factor"] * 0.5
        states.append(cp.tree.leaves((step.model, step.state)))
        journal = step.examine.args[0]
    for number in (1, 4, 5, 7, 8, 10, 12):
        for got, want in zip(journal.state(number).leaves, states[number - 1], strict=True):
            np.testing.assert_array_equal(got, want)


# ---- the optimiser


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("optimizer", "operation", "what"),
    [
        (cp.optim.Adam(0.1, eps=0.0), "divide", "0 / 0 = nan"),
        (cp.optim.SGD(1e30, weight_decay=1e30), "multiply", "largest 3.4e+38"),
    ],
)
def test_an_update_is_blamed_with_its_parameter(backend, optimizer, operation, what):
    x = np.full((ROWS, 3), 2.0, np.float32)
    x[:, 2] = 0  # so the slope of the weights from there is 0
    model = network(cp.nn.Dense(3, 1, rng=0))
    run = train(model, (x, np.zeros((ROWS, 1), np.float32)), optimizer=optimizer, backend=backend)
    cause = run.cause
    assert (cause.operation, cause.phase, cause.step) == (operation, "update", 1)
    assert cause.layer.startswith("layers.")
    assert what in cause.what


class Masked(cp.tree.Module):
    w: np.ndarray
    mask: np.ndarray

    def __call__(self, x):
        return x @ self.w + np.exp(self.mask)


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_infinity_that_belongs_to_the_model(backend):
    model = Masked(w=np.ones((3, 1), np.float32), mask=np.float32([-np.inf]))
    data = np.ones((ROWS, 3), np.float32), np.zeros((ROWS, 1), np.float32)
    run = train(model, data, optimizer=cp.optim.SGD(0.1), backend=backend)
    assert (run.stopped, run.cause) == ("epochs", None)
    steps = cp.steps(model, data, loss=cost, optimizer=cp.optim.SGD(0.1), epochs=1, backend=backend)
    assert next(steps).cause is None


@pytest.mark.parametrize(("function", "phase"), [(np.log, "forward"), (np.sqrt, "backward")])
def test_lbfgs_that_cannot_begin(function, phase):
    model, data = planted(function, 1.0, 0.0, 17)
    run = train(model, data, optimizer=cp.optim.LBFGS())
    assert (run.stopped, run.history) == ("not finite", {})
    cause = run.cause
    assert (cause.operation, cause.phase, cause.layer, cause.sample) == (
        function.__name__,
        phase,
        "layers.1",
        17,
    )


# ---- what users see


def test_the_warning_and_the_paragraph():
    model, data = planted(np.log, 1.0, 0.0, 17)
    with pytest.warns(
        RuntimeWarning, match=r"the loss became (inf|nan) in epoch 1(.|\n)*log\(0\) = -inf"
    ) as warned:
        run = cp.fit(model, data, loss=cost, optimizer=cp.optim.SGD(0.0), batch_size=8, progress=False)
    assert warned[0].filename == __file__
    lines = str(run.cause).splitlines()
    assert lines[0] == (
        f"The first number that is not finite arose in the forward pass of step {step_of(17)} (epoch 1): "
        f"log(0) = -inf, in layers.1, at [{step_row(17)}, 1] of f32[8,3], sample 17 of the data."
    )
    assert (
        "Only passed on by: matmul (layers.2), add (layers.2), subtract, absolute, sum, divide." in lines[1]
    )
    assert "from_logits=True" in lines[2]
    assert run.cause.where is None  # no line of ours wrote it


def test_steps_show_it_and_raise_nothing():
    row = int(ORDERED[20])
    model, data = planted(np.log, 1.0, 0.0, row)
    steps = list(
        cp.steps(model, data, loss=cost, optimizer=cp.optim.SGD(0.0), epochs=1, batch_size=8, backend="numpy")
    )
    assert len(steps) == 5
    assert [s.cause is None for s in steps] == [True, True, False, False, False]
    assert {(s.cause.what, s.cause.step, s.cause.sample) for s in steps[2:]} == {("log(0) = -inf", 3, row)}
    assert steps[2].cause is steps[2].cause


def test_a_healthy_run_has_no_cause():
    model, data = planted(np.tanh, 1.0, 0.0, 3)
    run = train(model, data, optimizer=cp.optim.Adam(0.01))
    assert (run.stopped, run.cause) == ("epochs", None)
    assert cp.first_cause(lambda m, x, y: cost(m(x), y), model, *data) is None


# ---- of any function


@pytest.mark.parametrize(("name", "function", "safe", "bad"), FORWARD, ids=[row[0] for row in FORWARD])
def test_first_cause_of_a_function(name, function, safe, bad):
    model, (x, y) = planted(function, safe, bad, 11)
    cause = cp.first_cause(lambda m, x, y: cost(m(x), y), model, x, y)
    assert (cause.operation, cause.phase, cause.layer, cause.sample) == (name, "forward", "layers.1", 11)
    assert cause.step is None


@pytest.mark.parametrize("case", DISCARDED, ids=repr)
def test_what_is_discarded_is_no_cause(case):
    for point in case.points:
        assert cp.first_cause(case.function, *map(np.asarray, point.args)) is None


HARMLESS = [
    lambda x: np.exp(np.log(x * 0)).sum() + x.sum(),  # exp(-inf) = 0
    lambda x: np.maximum(np.log(x * 0), x).sum(),
    lambda x: np.max(np.stack([np.log(x * 0), x])),
    lambda x: np.tanh(np.exp(1000 * x)).sum(),
    lambda x: (1 / np.exp(1000 * x)).sum() + x.sum(),
    lambda x: np.nan_to_num(np.log(x * 0)).max(),
    lambda x: cp.softmax(np.where(np.arange(3) > 1, -np.inf, x)).max(),
    lambda x: cp.logsumexp(np.where(np.arange(3) > 1, -np.inf, x)),
]


@pytest.mark.parametrize("function", HARMLESS)
def test_an_infinity_that_does_no_harm_is_no_cause(function):
    x = np.array([1.0, 2.0, 3.0])
    value, gradient = cp.value_and_grad(function)(x)
    cause = cp.first_cause(function, x)
    assert (cause is None) == bool(np.isfinite(value) and np.isfinite(gradient).all())
    assert cause is None or cause.phase == "backward"


def passing_on(x):
    spoiled = np.log(x)  # the one
    shaped = np.concatenate([np.reshape(spoiled, (2, 2)), np.ones((1, 2))])
    moved = np.take(np.transpose(shaped), [1, 0, 1], axis=0)[::-1]
    less = moved - np.max(moved, axis=0, keepdims=True)  # -inf − 0 and -inf − -inf
    return np.sum(np.cumsum(np.sort(less @ np.ones((3, 2)), axis=0), axis=0) * 0)


def test_passing_on_is_not_blamed():
    cause = cp.first_cause(passing_on, np.array([1.0, 2.0, 0.0, 3.0]))
    assert (cause.operation, cause.index, cause.what) == ("log", (2,), "log(0) = -inf")
    assert cause.where.line == passing_on.__code__.co_firstlineno + 1
    assert {"reshape", "concatenate", "transpose", "subtract", "matmul", "cumsum", "sum"} <= set(
        cause.passed_on
    )
    assert "log" not in cause.passed_on


def not_chosen(x):
    unread, read = np.log(x), np.sqrt(x - 1)
    return np.sum(np.where(x == 0, read, unread))


def later_in_the_sum(x):
    last = np.sqrt(x)
    return np.cumsum(np.where(np.arange(4) == 3, last, np.log(x)))[2]


def test_what_is_not_read_is_not_blamed():
    cause = cp.first_cause(not_chosen, np.array([0.0, 2.0]))
    assert (cause.operation, cause.index, cause.count) == ("sqrt", (0,), 1)
    cause = cp.first_cause(later_in_the_sum, np.array([1.0, 2.0, 0.0, -1.0]))
    assert (cause.operation, cause.index, cause.count) == ("log", (2,), 1)


def test_the_first_of_several():
    def f(x):
        return np.sum(np.sqrt(x) + 1 / x)

    cause = cp.first_cause(f, np.array([[1.0, 0.0], [-1.0, 2.0], [0.0, -1.0]]))
    assert (cause.operation, cause.index, cause.count) == ("sqrt", (1, 0), 2)


def test_a_constant_and_an_input_are_named_as_such():
    cause = cp.first_cause(lambda x: np.sum(x * np.array([1.0, np.nan])), np.ones(2))
    assert (cause.operation, cause.index) == ("multiply", (1,))
    assert "constant" in cause.advice
    cause = cp.first_cause(lambda w, x: np.sum(x @ w), np.ones(2), np.array([[1.0, 2.0], [np.nan, 3.0]]))
    assert (cause.operation, cause.what, cause.sample, cause.index) == ("input", "x holds nan", 1, (1, 0))
    cause = cp.first_cause(lambda w, x: np.sum(x @ w), {"a": np.array([np.inf])}["a"], np.ones((1, 1)))
    assert cause.what == "w holds inf"


@pytest.mark.parametrize(
    ("function", "args", "what"),
    [
        (np.exp, [np.float16(12)], "exp(12) = inf in f16 (largest 6.55e+04)"),
        (np.exp, [np.float32(89.4)], "exp(89.4) = inf in f32 (largest 3.4e+38)"),
        (np.exp, [1000.0], "exp(1000) = inf in f64 (largest 1.8e+308)"),
        (np.log, [0.0], "log(0) = -inf"),
        (np.sqrt, [-1e-9], "sqrt(-1e-09) = nan"),
        (np.divide, [0.0, 0.0], "0 / 0 = nan"),
        (np.multiply, [np.float32(1e30), np.float32(1e30)], "1e+30 × 1e+30 = inf in f32 (largest 3.4e+38)"),
        (np.sqrt, [0.0], "the slope of sqrt(0) is inf"),
        (
            lambda a, b: a @ b,
            [np.array([1e200, 1.0]), np.array([1e200, 1.0])],
            "a sum of products in matmul, the largest 1e+200 × 1e+200, = inf in f64 (largest 1.8e+308)",
        ),
        (
            np.sum,
            [np.array([1e308, 1.0, 1e308])],
            "sum, the largest term 1e+308, = inf in f64 (largest 1.8e+308)",
        ),
    ],
)
def test_what_it_says(function, args, what):
    assert cp.first_cause(function, *args).what == what


def test_arguments_that_are_settings():
    assert (
        cp.first_cause(
            lambda x, axis, name: np.log(np.sum(x, axis=axis)).sum(), np.zeros((2, 2)), 1, "n"
        ).count
        == 2
    )
    assert cp.first_cause(lambda n: n, 3) is None
