"""Mistakes that NumPy would compute with: each is an error however it is met, and what only looks like one is not."""

import re
from functools import partial

import numpy as np
import pytest

import clearprop as cp
from clearprop import losses, nn
from clearprop.core.errors import DataError, DTypeError, SettingError, ShapeError
from clearprop.data import TableMapping
from clearprop.data.csv_file import parse_csv
from clearprop.train.metrics import METRICS

RNG = np.random.default_rng(0)
N = 60
X = RNG.normal(size=(N, 3))
LABELS = RNG.integers(0, 3, N)
BITS = RNG.integers(0, 2, N)
NUMBERS = RNG.normal(size=N)
ONE_HOT = np.eye(3)[LABELS]
MSE, CE = losses.mean_squared_error, losses.cross_entropy
WESTON = partial(losses.hinge, kind="weston-watkins")


def late(array, value):
    """Return a copy with one value changed in a row that no first batch and no extreme shows."""
    changed = array.copy()
    changed[47] = value
    return changed


class Scale(nn.Module):
    """A model whose predictions are its inputs."""

    factor: np.ndarray

    def __call__(self, x):
        return x * self.factor


def one():
    return Scale(np.ones(()))


def fit(model, data, loss, **settings):
    given = {"epochs": 1, "batch_size": 8, "progress": False, "backend": "numpy", **settings}
    return cp.fit(model, data, loss=loss, **given)


def steps(model, data, loss, **settings):
    return list(
        cp.steps(model, data, loss=loss, optimizer=cp.optim.SGD(0.1), epochs=1, batch_size=8, **settings)
    )


WAYS = {
    "called": lambda loss, p, y: loss(p, y),
    "grad": lambda loss, p, y: cp.grad(lambda p: loss(p, y))(p),
    "jit": lambda loss, p, y: cp.jit(loss)(p, y),
    "fit": lambda loss, p, y: fit(one(), (p, y), loss),
    "fit, native": lambda loss, p, y: fit(one(), (p, y), loss, backend="native"),
    "fit, L-BFGS": lambda loss, p, y: fit(one(), (p, y), loss, optimizer=cp.optim.LBFGS()),
    "fit, validation": lambda loss, p, y: fit(one(), (p, y), loss, validation=0.2),
    "steps": lambda loss, p, y: steps(one(), (p, y), loss),
    "show": lambda loss, p, y: cp.show(cp.fit, one(), (p, y), loss=loss, batch_size=8),
}
ALL, FITTED = set(WAYS), {way for way in WAYS if way.startswith(("fit", "steps", "show"))}
WITH_NUMBERS = ALL - {"jit"}  # where a target is traced, its numbers are not known

SAME_SHAPE = [MSE, losses.half_squared_error, losses.mean_absolute_error, losses.huber, losses.poisson]
SAME_SHAPE += [losses.log_loss, losses.hinge]

# the loss, the prediction, the target; the error, its words; the ways in which it is met
LOSSES = [
    *[
        (loss, X[:, :1], BITS, ShapeError, rf"{loss.__name__}\(f64\[.*,1\], i64.*prediction\[\.\.\., 0\]", ALL)
        for loss in SAME_SHAPE
    ],
    *[(loss, X[:, 0], BITS[:, None], ShapeError, r"use target\[\.\.\., 0\] or pred", ALL) for loss in SAME_SHAPE],
    (CE, X, LABELS[:, None], ShapeError, r"use target\[\.\.\., 0\]", ALL),
    (WESTON, X, LABELS[:, None], ShapeError, r"use target\[\.\.\., 0\]", ALL),
    (WESTON, X, ONE_HOT, ShapeError, r"np\.argmax\(target, axis=-1\)", ALL),
    (WESTON, X, ONE_HOT.astype(int), ShapeError, r"np\.argmax\(target, axis=-1\)", ALL),
    (CE, X[:, :2], ONE_HOT, ShapeError, "the target has 3 classes, the prediction 2", ALL),
    (CE, X[:, 0], BITS, ShapeError, "log_loss", ALL),
    (MSE, X, LABELS, ShapeError, r"cp\.one_hot\(target, 3\)", ALL),
    (MSE, X[:, :1], ONE_HOT, ShapeError, r"a model of 3 outputs.*np\.argmax\(target, axis=-1\)", ALL),
    (losses.log_loss, X[:, 0], ONE_HOT, ShapeError, r"3 outputs.*np\.argmax\(target, axis=-1\)", ALL),
    (CE, X, LABELS.astype(float), DTypeError, r"f64\[\d+\], but class labels are integers.*astype\(int\)", ALL),
    (CE, X, late(LABELS, 3), DataError, r"label 3 at \[47\].*3 classes, numbered from 0 to 2", WITH_NUMBERS),
    (CE, X, late(LABELS, -1), DataError, r"label -1 at \[47\]", WITH_NUMBERS),
    (WESTON, X, late(LABELS, 3), DataError, r"label 3 at \[47\]", WITH_NUMBERS),
    (WESTON, X, late(LABELS, -1), DataError, r"label -1 at \[47\]", WITH_NUMBERS),
    (CE, X, late(LABELS, 3), IndexError, "index 3 is out of range", {"jit"}),
    (CE, X, late(LABELS, -1), IndexError, "out of range", {"jit"}),
    (WESTON, X, late(LABELS, -1), IndexError, "out of range", {"jit"}),
    (CE, X, late(ONE_HOT, 0), DataError, "a row with the sum 0, where it must be 1", WITH_NUMBERS),
    (CE, X, late(ONE_HOT, [2, -1, 0]), DataError, "does not lie in", WITH_NUMBERS),
    (losses.kl_divergence, X, late(ONE_HOT, 1), DataError, "a row with the sum 3", WITH_NUMBERS),
    (losses.log_loss, X[:, 0], late(BITS, 2), DataError, "holds 2.*cross_entropy", WITH_NUMBERS),
    (losses.hinge, X[:, 0], late(2 * BITS - 1, 0), DataError, "the target holds -1, 0, 1", WITH_NUMBERS),
    (losses.poisson, X[:, 0], late(BITS, -1), DataError, "counts are not negative", WITH_NUMBERS),
]  # fmt: skip


@pytest.mark.parametrize(
    ("loss", "p", "y", "error", "words", "way"),
    [(*row, way) for *row, ways in LOSSES for way in sorted(ways)],
)
def test_a_target_that_does_not_fit(loss, p, y, error, words, way):
    with pytest.raises(error, match=f"(?s){words}"):
        WAYS[way](loss, p, y)


# ---- a loss of one's own that takes all pairs


def squared(p, y):
    return np.mean((p - y) ** 2)


def bernoulli(p, y):
    return -np.mean(y * np.log(cp.sigmoid(p)) + (1 - y) * np.log(cp.sigmoid(-p)))


def chosen(p, y):
    return np.mean(np.where(y > 0, p, -p))


PAIRS = [
    (
        squared,
        (X[:, :1], NUMBERS),
        r"subtract of f64\[8,1\] \(prediction\) and f64\[8\] \(target\).*prediction\[:, 0\]",
    ),
    (
        squared,
        (X[:, 0], NUMBERS[:, None]),
        r"f64\[8,1\] \(target\) and f64\[8\] \(prediction\).*target\[:, 0\]",
    ),
    (
        bernoulli,
        (X[:, :1], BITS),
        r"multiply of f64\[8,1\] \(prediction\) and f64\[8\] \(target\) gives f64\[8,8\]",
    ),
    (
        lambda p, y: squared(p.max(axis=1, keepdims=True), y),
        (X, NUMBERS),
        r"f64\[8,1\] \(prediction\) and f64\[8\] \(target\)",
    ),
    (chosen, (X[:, :1], BITS), r"\(prediction\) and bool\[8\] \(target\)"),
]


@pytest.mark.parametrize("way", sorted(FITTED))
@pytest.mark.parametrize(("loss", "data", "words"), PAIRS)
def test_all_pairs_by_broadcasting(loss, data, words, way):
    with pytest.raises(ShapeError, match=rf"(?s){words}.*\n  at {__file__}:\d+"):
        WAYS[way](loss, *data)


def test_all_pairs_of_weights():
    def weighted(p, y, sample_weight):
        return np.mean(sample_weight * (p - y) ** 2)

    with pytest.raises(ShapeError, match=r"\(prediction and target\) and f64\[8\] \(sample weights\)"):
        fit(one(), (X[:, :1], NUMBERS[:, None], np.ones(N)), weighted)


def test_a_batch_as_long_as_a_row_hides_nothing():
    with pytest.raises(ShapeError, match="cannot be broadcast"):
        fit(nn.Dense(3, 8), (X, NUMBERS), squared)  # batches of 8 rows, 8 columns


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    ("p", "y"), [(X[:, :2], BITS[:, None]), (X[:, 0], np.eye(2)[BITS]), (X[:, 0], BITS[1:])]
)
def test_metrics_are_of_equal_shapes(metric, p, y):
    with pytest.raises(ShapeError, match=rf"^{metric}\(f64\["):
        METRICS[metric](p, y)


@pytest.mark.parametrize("metric", sorted(set(METRICS) - {"accuracy"}))
def test_metrics_take_no_column_against_a_row(metric):
    with pytest.raises(ShapeError, match=r"prediction\[\.\.\., 0\]"):
        METRICS[metric](X[:, :1], NUMBERS)
    seen = []

    def loss(p, y):
        seen.append(len(p))
        return MSE(p[:, 0], y)

    with pytest.raises(ShapeError, match=r"prediction\[\.\.\., 0\]"):
        fit(one(), (X[:, :1], NUMBERS), loss, metrics=[metric])
    assert len(seen) == 2, "before the first step is recorded"


# ---- softmax and sigmoid once too often


def own_softmax(z):
    return np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)


def own_sigmoid(z):
    return 1 / (1 + np.exp(-z))


def net(k, output):
    return nn.MLP(3, (4,), k, activation=cp.tanh, output_activation=output)


def clipped(z):
    return np.clip(cp.sigmoid(z), 1e-7, 1 - 1e-7)


TWICE = [
    (CE, net(3, cp.softmax), LABELS, "softmax"),
    (CE, net(3, own_softmax), LABELS, "softmax"),
    (CE, nn.Sequential((nn.Dense(3, 3), cp.softmax)), ONE_HOT, "softmax"),
    (lambda p, y: CE(p, y), net(3, cp.softmax), LABELS, "softmax"),
    (losses.kl_divergence, net(3, cp.softmax), ONE_HOT, "softmax"),
    (losses.log_loss, net(1, cp.sigmoid), BITS[:, None], "sigmoid"),
    (losses.log_loss, net(1, own_sigmoid), BITS[:, None], "sigmoid"),
    (losses.log_loss, net(1, clipped), BITS[:, None], "sigmoid"),
    (CE, net(3, lambda z: np.clip(cp.softmax(z), 1e-7, 1)), LABELS, "softmax"),
    (lambda p, y: losses.log_loss(p[:, 0], y), net(1, cp.sigmoid), BITS, "sigmoid"),
    (lambda p, y: losses.log_loss(p[:, 1], y), net(2, cp.softmax), BITS, "softmax"),
]
MODEL_WAYS = {
    "fit": lambda loss, model, y: fit(model, (X, y), loss),
    "fit, native": lambda loss, model, y: fit(model, (X, y), loss, backend="native"),
    "fit, L-BFGS": lambda loss, model, y: fit(model, (X, y), loss, optimizer=cp.optim.LBFGS()),
    "steps": lambda loss, model, y: steps(model, (X, y), loss),
    "grad": lambda loss, model, y: cp.grad(lambda m: loss(m(X), y))(model),
    "jit": lambda loss, model, y: cp.jit(lambda m, x, y: loss(m(x), y))(model, X, y),
}


@pytest.mark.parametrize("way", MODEL_WAYS)
@pytest.mark.parametrize(("loss", "model", "y", "function"), TWICE)
def test_a_function_that_the_loss_takes_itself(loss, model, y, function, way):
    words = (
        f"the result of a {function}.*leave the {function} out.*from_logits=False.*from_logits='unchecked'"
    )
    with pytest.raises(SettingError, match=words):
        MODEL_WAYS[way](loss, model, y)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("loss", [CE, losses.kl_divergence])
def test_numbers_that_are_a_softmax(loss, dtype):
    for scale in (0.1, 1, 10):
        p = cp.softmax((scale * X).astype(dtype))
        with pytest.raises(SettingError, match="the result of a softmax"):
            loss(p, ONE_HOT)
    assert loss(p, ONE_HOT, from_logits=False) != loss(p, ONE_HOT, from_logits="unchecked")


def test_logits_between_0_and_1_are_no_softmax_by_chance():
    for seed in range(2000):
        rng = np.random.default_rng(seed)
        logits = rng.uniform(size=(rng.integers(1, 6), 2)).astype(rng.choice([np.float16, np.float32]))
        CE(logits, np.zeros(len(logits), int))


def test_from_logits_has_three_choices():
    with pytest.raises(SettingError, match="True, False or 'unchecked'"):
        CE(X, LABELS, from_logits="no")


# ---- the target among the inputs

WITH_NUMBERS_TOO = np.column_stack([X, NUMBERS])
AMONG = [
    (WITH_NUMBERS_TOO, NUMBERS[:, None], "column 3 of x, f64.60,4., is y, f64.60,1."),
    (WITH_NUMBERS_TOO.astype(np.float32), NUMBERS[:, None], "column 3 of x"),
    (np.column_stack([X, BITS]), BITS[:, None], r"np\.delete\(x, 3, axis=1\).*allow_target_in_x=True"),
    (
        np.column_stack([ONE_HOT, X]),
        LABELS,
        r"the columns 0, 1, 2 of x.*np\.delete\(x, \[0, 1, 2\], axis=1\)",
    ),
    (np.column_stack([X, LABELS]), LABELS, "column 3"),
    (np.column_stack([ONE_HOT, X]), ONE_HOT, "the columns 0, 1, 2 of x"),
]


@pytest.mark.parametrize(("x", "y", "words"), AMONG)
def test_the_target_among_the_inputs(x, y, words):
    k = 3 if y.ndim == 1 else y.shape[1]
    model, loss = nn.Dense(x.shape[1], k), CE if k == 3 else MSE
    for train in (fit, steps):
        with pytest.raises(DataError, match=words):
            train(model, (x, y), loss)
        assert train(model, (x, y), loss, allow_target_in_x=True)


KINDS = np.array(["cat", "dog", "eel"])[LABELS]
COPIES = [
    ({"a": X[:, 0], "b": NUMBERS, "y": NUMBERS}, "the column 'b' is the same as 'y' in all 60 rows"),
    (
        {"a": X[:, 0], "code": 10 * LABELS + 5, "y": KINDS},
        "the column 'code' holds one number for each class of 'y'",
    ),
    ({"code": BITS, "other": 1 - BITS, "a": X[:, 0], "y": BITS}, "'code', 'other' each hold one number"),
]


def table(columns):
    rows = zip(*([str(v) for v in values] for values in columns.values()), strict=True)
    return "\n".join([",".join(columns), *(",".join(row) for row in rows)])


@pytest.mark.parametrize(("columns", "words"), COPIES)
def test_the_target_under_another_name(columns, words, tmp_path, monkeypatch, capsys):
    from clearprop.cli.main import main

    given = parse_csv(table(columns), "t.csv")
    with pytest.raises(DataError, match=words):
        TableMapping.of(given, "y")
    assert TableMapping.of(given, "y", allow_copies=True).columns == tuple(columns)[:-1]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text(table(columns))
    train = ["train", "t.csv", "--target", "y", "--epochs", "1", "--quiet"]
    assert main(train) == 2
    said = capsys.readouterr().err
    assert words in said
    assert "--allow-copies" in said
    assert main([*train, "--allow-copies"]) == 0


def test_the_target_in_another_unit_is_worth_a_note(tmp_path, monkeypatch, capsys):
    from clearprop.cli.main import main

    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text(table({"a": X[:, 0], "b": 32 + 1.8 * NUMBERS, "y": NUMBERS}))
    assert main(["train", "t.csv", "--target", "y", "--epochs", "1"]) == 0
    assert "'y' follows from 'b' by a straight line" in capsys.readouterr().err


# ---- shapes, and where


class Mine(nn.Module):
    w: np.ndarray

    def __call__(self, x):
        return np.tanh(x @ self.w)


class Net(nn.Module):
    first: nn.Dense
    rest: nn.Module

    def __call__(self, x):
        return self.rest(self.first(x))


WIDE = Mine(np.ones((3, 16)))
CHAIN = nn.Sequential((np.tanh, nn.Dense(5, 2)))
SHAPES = [
    (nn.MLP(4, (5,), 1), r"n_in=4; the input, f32\[8,3\], has 3 columns\n  in layers\.0 \(Dense\)"),
    (
        nn.Sequential((Mine(np.ones((3, 2))), nn.Dense(4, 1))),
        r"n_in=4; .*\n  in layers\.1 \(Dense\), .* by the Mine",
    ),
    (
        nn.Sequential((nn.Dense(3, 2), WIDE)),
        r"matmul\(f32\[8,2\], f64\[3,16\]\): .*\(2 ≠ 3\)\n  at .*\n  in layers\.1 \(M",
    ),
    (
        nn.Sequential((nn.Dense(3, 2), nn.Sequential((np.tanh, WIDE)))),
        r"\n  in layers\.1\.layers\.1 \(Mine\)",
    ),
    (nn.Sequential((nn.Dense(3, 2), lambda x: x @ np.ones((3, 1)))), r"\n  in layers\.1 \(<lambda>\)"),
    (Net(nn.Dense(3, 2), WIDE), r"inner sizes differ \(2 ≠ 3\)\n  at .*\n  in rest \(Mine\)"),
    (
        Net(nn.Dense(3, 2), CHAIN),
        r"n_in=5; .* has 2 columns\n  in rest\.layers\.1 \(Dense\), which was given f32\[8,2\]",
    ),
]


@pytest.mark.parametrize(("model", "words"), SHAPES)
def test_an_error_of_shapes_names_the_layer_and_both_sizes(model, words):
    for train in (fit, steps):
        with pytest.raises(ShapeError, match=words):
            train(model, (X, NUMBERS[:, None]), MSE)


def test_an_error_that_is_numpy_s_own_gets_a_note():
    with pytest.raises(ValueError, match="mismatch") as raised:
        nn.Sequential((nn.Dense(3, 2), nn.Sequential((np.tanh, WIDE))))(X)
    assert raised.value.__notes__ == [
        "\n  in layers.1.layers.1 (Mine), which was given f32[60,2] by the tanh before it"
    ]


MISFITS = [
    (
        (nn.Dense(4, 8), nn.Dense(9, 2)),
        r"layers\.1 \(Dense\) takes n_in=9 columns, but layers\.0 \(Dense\) .* gives 8",
    ),
    (
        (nn.Dense(4, 8, cp.relu), nn.Dropout(0.1), np.tanh, cp.softmax, nn.Dense(9, 2)),
        r"layers\.4 .* layers\.0",
    ),
    ((nn.Maxout(4, 8), nn.LayerNorm(7)), r"layers\.1 \(LayerNorm\) takes n_in=7 .* gives 8"),
    ((nn.Embedding(4, 8), nn.Maxout(7, 2)), r"layers\.1 \(Maxout\) takes n_in=7"),
]


@pytest.mark.parametrize(("layers", "words"), MISFITS)
def test_widths_that_cannot_fit_are_known_before_any_data(layers, words):
    with pytest.raises(ShapeError, match=words):
        nn.Sequential(layers)


# ---- what only looks like a mistake


class Joined(nn.Sequential):
    def __call__(self, x, context=None):
        return self.layers[1](np.concatenate([x, self.layers[0](x)], axis=1))


def halved(z):
    return z[:, :4]


def ranked(p, y):
    """Compare all pairs on purpose."""
    wrong = np.maximum(0, 1 - (p[:, :1] - p[:, 0][None, :]) * np.sign(y[:, None] - y[None, :]))
    return np.mean(wrong)


PROBABILITIES = cp.softmax(X)
CORNERS = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])


def of_one_output(loss, y=NUMBERS):
    return fit(net(1, cp.identity), (X, y), loss)


HEALTHY = {
    "logits of which a row has the sum 1": lambda: CE(late(X, [0.2, 0.3, 0.5]), LABELS),
    "one row of logits with the sum 1": lambda: CE(PROBABILITIES[:1], LABELS[:1]),
    "equal rows with the sum 1": lambda: CE(np.full((4, 4), 0.25), np.arange(4)),
    "one-hot logits": lambda: CE(np.eye(3), np.arange(3)),
    "positive logits": lambda: CE(np.abs(X), LABELS),
    "log-probabilities": lambda: CE(np.log(PROBABILITIES), LABELS),
    "a softmax, and said so": lambda: fit(net(3, cp.softmax), (X, LABELS), partial(CE, from_logits=False)),
    "a softmax, and meant": lambda: fit(net(3, cp.softmax), (X, LABELS), partial(CE, from_logits="unchecked")),
    "a softmax before squares": lambda: fit(net(3, cp.softmax), (X, ONE_HOT), MSE),
    "a softmax along samples": lambda: fit(net(3, partial(cp.softmax, axis=0)), (X, LABELS), CE),
    "a scaled softmax": lambda: fit(net(3, lambda z: 9 * cp.softmax(z)), (X, LABELS), CE),
    "log-softmax": lambda: fit(net(3, cp.log_softmax), (X, LABELS), CE),
    "softmax within": lambda: fit(nn.MLP(3, (4,), 3, activation=cp.softmax), (X, LABELS), CE),
    "sigmoid within": lambda: fit(nn.MLP(3, (4,), 1, activation=cp.sigmoid), (X, BITS[:, None]), losses.log_loss),
    "a sigmoid, and said so": lambda: fit(
        net(1, cp.sigmoid), (X, BITS[:, None]), partial(losses.log_loss, from_logits=False)
    ),
    "logits between 0 and 1": lambda: losses.log_loss(np.linspace(0, 1, N), BITS),
    "tanh before log-loss": lambda: fit(net(1, cp.tanh), (X, BITS[:, None]), losses.log_loss),
    "all pairs on purpose": lambda: of_one_output(ranked),
    "pairs of predictions alone": lambda: of_one_output(lambda p, y: np.mean((p - p[:, 0]) ** 2)),
    "a row made a column": lambda: fit(Scale(np.ones(3)), (X, NUMBERS), lambda p, y: squared(p[:, 0][:, None], y)),
    "rows in groups": lambda: fit(
        nn.Dense(3, 8), (X, NUMBERS), lambda p, y: np.mean((p[::2] - p[1::2]) ** 2), batch_size=4
    ),
    "as many columns as rows": lambda: fit(nn.Dense(3, 8), (X, np.tile(X, 3)[:, :8]), squared),
    "one row": lambda: fit(net(1, cp.identity), (X[:1], NUMBERS[:1]), lambda p, y: squared(p[:, 0], y)),
    "integers, one-hot": lambda: fit(net(3, cp.identity), (X, ONE_HOT.astype(int)), CE),
    "small labels": lambda: fit(net(3, cp.identity), (X, LABELS.astype(np.uint8)), CE),
    "labels of which not all occur": lambda: fit(net(5, cp.identity), (X, LABELS), CE),
    "labels of no weight": lambda: fit(net(3, cp.identity), (X, LABELS, 1.0 * (LABELS > 0)), CE),
    "a target that is a function of an input": lambda: fit(net(1, cp.identity), (X, 2 * X[:, :1]), MSE),
    "the identity": lambda: fit(nn.Dense(1, 1), (X[:, :1], X[:, :1]), MSE),
    "an autoencoder": lambda: fit(nn.Dense(3, 3), (X, X), MSE),
    "an autoencoder of one-hot rows": lambda: fit(nn.Dense(3, 3), (ONE_HOT, ONE_HOT), MSE),
    "a part of the inputs again": lambda: fit(nn.Dense(3, 2), (X, X[:, :2]), MSE),
    "few rows": lambda: fit(nn.Dense(2, 1), (CORNERS, CORNERS[:, :1]), MSE),
    "equal by chance": lambda: fit(nn.Dense(2, 1), (np.eye(60)[:, :2], np.eye(60)[:, :1]), MSE),
    "the same number everywhere": lambda: fit(nn.Dense(2, 1), (np.ones((60, 2)), np.ones((60, 1))), MSE),
    "equal but for one row": lambda: fit(nn.Dense(4, 1), (WITH_NUMBERS_TOO, late(NUMBERS, 0.0)[:, None]), MSE),
    "layers joined in another way": lambda: Joined((nn.Dense(3, 8), nn.Dense(11, 2)))(X),
    "an activation that halves": lambda: nn.Sequential((nn.Dense(3, 8, halved), nn.Dense(4, 2)))(X),
    "a function that halves": lambda: nn.Sequential((nn.Dense(3, 8), halved, nn.Dense(4, 2)))(X),
    "flattened": lambda: nn.Sequential((nn.LayerNorm(3), nn.Flatten(), nn.Dense(6, 1)))(X.reshape(30, 2, 3)),
    "accuracy of labels of their own": lambda: METRICS["accuracy"](X.reshape(30, 2, 3), X.reshape(30, 2, 3)),
    "accuracy of one column": lambda: METRICS["accuracy"](X[:, :1], BITS),
    "L-BFGS on what cannot be recorded": lambda: fit(
        Net(lambda x: x / float(x.max()), nn.Dense(3, 1)), (X, NUMBERS[:, None]), MSE, optimizer=cp.optim.LBFGS()
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HEALTHY)
def test_what_only_looks_like_a_mistake(name):
    HEALTHY[name]()


def test_a_table_without_copies():
    columns = {"a": LABELS // 2, "b": X[:, 0] > 0, "y": KINDS}
    assert TableMapping.of(parse_csv(table({**columns, "b": X[:, 0]})), "y").columns == ("a", "b")
    tiny = parse_csv("a,b,y\n0,0,0\n0,1,0\n1,0,1\n1,1,1")
    assert TableMapping.of(tiny, "y").columns == ("a", "b")
    twelfth = {"a": np.arange(60) == 7, "b": X[:, 0], "y": np.arange(60) == 7}
    rare = {name: values.astype(float) for name, values in twelfth.items()}
    assert TableMapping.of(parse_csv(table(rare)), "y").columns == ("a", "b")


def test_a_step_computes_no_more_than_before():
    """What is looked for before the training is no part of a step."""
    graph = str(cp.show(cp.fit, net(3, cp.identity), (X, LABELS), loss=CE, level="graph"))
    assert "gather" in graph
    assert " = where " in str(cp.make_graph(CE)(X, LABELS))  # of labels that may be negative
    assert not re.search(r"i64\[\d+\] = where ", graph)
