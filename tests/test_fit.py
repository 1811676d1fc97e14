"""Training: the generator of steps, fit around it, and the run that it returns."""

import os
import signal
import sys
import warnings

import numpy as np
import pytest

import clearprop as cp
from clearprop.core.errors import DataError, FileError, SettingError, ShapeError

RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, (50, 2))
LABELS = (X[:, 0] * X[:, 1] > 0).astype(int)
VALUES = X[:, :1] - 2 * X[:, 1:] + 0.5
MSE, CE = cp.losses.mean_squared_error, cp.losses.cross_entropy


def classifier(**kwargs):
    return cp.nn.MLP(2, (16,), 2, activation=cp.tanh, **kwargs)


def fit(model, data, **kwargs):
    return cp.fit(model, data, **{"progress": False, **kwargs})


def same_bits(a, b):
    return all(np.array_equal(x, y) for x, y in zip(cp.tree.leaves(a), cp.tree.leaves(b), strict=True))


# ---- one step is what the formula says


def test_a_step_is_w_minus_rate_times_gradient():
    model = classifier(dtype=np.float64)
    step = next(cp.steps(model, (X, LABELS), loss=CE, optimizer=cp.optim.SGD(0.5), batch_size=50))
    value, gradient = cp.value_and_grad(lambda m: CE(m(X), LABELS))(model)
    assert step.loss == pytest.approx(value)
    by_hand = cp.tree.map(lambda w, g: w - 0.5 * g, model, gradient)
    for got, want in zip(cp.tree.leaves(step.model), cp.tree.leaves(by_hand), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12)


def test_the_last_smaller_batch_is_trained_on_too():
    steps = list(
        cp.steps(classifier(), (X, LABELS), loss=CE, optimizer=cp.optim.SGD(0.1), epochs=2, batch_size=20)
    )
    assert [s.rows for s in steps] == [20, 20, 10] * 2
    assert [s.done for s in steps] == [0.4, 0.8, 1.0] * 2
    assert [s.number for s in steps] == [1, 2, 3, 4, 5, 6]
    assert not same_bits(steps[1].model, steps[2].model)


@pytest.mark.parametrize("wrong", ["adam", cp.optim.Adam, 0.1])
def test_what_is_no_optimizer_is_refused(wrong):
    with pytest.raises(
        SettingError, match=r"optimizer=.*must be an optimizer, such as cp\.optim\.Adam\(1e-3\)"
    ):
        fit(classifier(), (X, LABELS), loss=CE, optimizer=wrong)


def test_every_sample_once_an_epoch_in_another_order():
    data = np.arange(10.0)[:, None]
    seen = [
        s.target.ravel()
        for s in cp.steps(
            cp.nn.Dense(1, 1), (data, data), loss=MSE, optimizer=cp.optim.SGD(0), epochs=2, batch_size=5
        )
    ]
    first, second = np.concatenate(seen[:2]), np.concatenate(seen[2:])
    assert sorted(first) == sorted(second) == list(range(10))
    assert list(first) != list(second) != list(range(10))


def test_the_model_given_is_not_changed():
    model = classifier()
    before = [w.copy() for w in cp.tree.leaves(model)]
    fit(model, (X, LABELS), loss=CE, epochs=2)
    assert all(np.array_equal(a, b) for a, b in zip(before, cp.tree.leaves(model), strict=True))


# ---- the same seed, the same bits


def test_same_seed_same_bits_with_dropout():
    def run(seed):
        model = cp.nn.Sequential((cp.nn.Dense(2, 16, cp.relu), cp.nn.Dropout(0.3), cp.nn.Dense(16, 2)))
        return fit(model, (X, LABELS), loss=CE, epochs=3, batch_size=16, seed=seed, validation=0.2)

    a, b, c = run(1), run(1), run(2)
    assert same_bits(a.model, b.model)
    assert a.history["loss"] == b.history["loss"]
    assert not same_bits(a.model, c.model)


def test_dropout_draws_anew_at_each_step():
    x = np.ones((64, 8))
    model = cp.nn.Sequential((cp.nn.Dropout(0.5), cp.nn.Dense(8, 1, weight=np.ones((8, 1)))))
    loop = cp.steps(
        model, (x, np.zeros((64, 1))), loss=MSE, optimizer=cp.optim.SGD(0), epochs=3, batch_size=64
    )
    assert len({step.loss for step in loop}) == 3


# ---- what comes out


def test_fit_learns_and_keeps_a_history():
    run = fit(
        classifier(),
        (X, LABELS),
        loss=CE,
        optimizer=cp.optim.Adam(0.05),
        epochs=60,
        batch_size=16,
        validation=(X, LABELS),
        metrics=["accuracy"],
    )
    assert run.stopped == "epochs"
    assert list(run.history) == ["epoch", "loss", "accuracy", "rate", "seconds", "val_loss", "val_accuracy"]
    assert all(len(column) == 60 for column in run.history.values())
    assert run.history["val_accuracy"][-1] > 0.95 > 0.7 > run.history["accuracy"][0]
    assert run.history["val_loss"][-1] == pytest.approx(CE(run.model(X), LABELS))
    assert "val_loss" in repr(run)


def test_float64_data_keep_a_float32_model():
    run = fit(classifier(), (X, LABELS), loss=CE, epochs=1)
    assert {w.dtype for w in cp.tree.leaves(run.model)} == {np.dtype(np.float32)}
    assert {
        w.dtype for w in cp.tree.leaves(fit(classifier(dtype=np.float64), (X, LABELS), loss=CE).model)
    } == {np.dtype(np.float64)}


def test_lists_and_images_and_integers_are_data():
    run = fit(cp.nn.MLP(2, (), 1), ([[0, 1], [1, 0]], [[0], [1]]), loss=MSE, epochs=1)
    assert len(run.history["loss"]) == 1
    images = RNG.integers(0, 255, (6, 4, 4)).astype(np.uint8)
    model = cp.nn.Sequential((cp.nn.Flatten(), cp.nn.Dense(16, 3)))
    assert np.isfinite(fit(model, (images, np.arange(6) % 3), loss=CE, epochs=2).history["loss"]).all()


def test_a_model_and_a_loss_of_ones_own():
    class Line(cp.nn.Module):
        slope: np.ndarray
        shift: np.ndarray

        def __call__(self, x):
            return x @ self.slope + self.shift

    run = fit(
        Line(np.zeros((2, 1)), np.zeros(1)),
        (X, VALUES),
        loss=lambda prediction, target: np.mean(np.abs(prediction - target) ** 1.5),
        optimizer=cp.optim.Adam(0.05),
        epochs=200,
    )
    np.testing.assert_allclose(run.model.slope.ravel(), [1, -2], atol=0.02)
    assert run.settings["loss"] == "<lambda>"


def test_weights_of_samples_count_as_repetitions():
    weight = RNG.integers(1, 4, 50).astype(float)
    repeated = np.repeat(np.arange(50), weight.astype(int))
    a = fit(classifier(dtype=np.float64), (X, LABELS), loss=CE, sample_weight=weight, epochs=3, batch_size=50)
    b = fit(
        classifier(dtype=np.float64),
        (X[repeated], LABELS[repeated]),
        loss=CE,
        epochs=3,
        batch_size=len(repeated),
    )
    for u, v in zip(cp.tree.leaves(a.model), cp.tree.leaves(b.model), strict=True):
        np.testing.assert_allclose(u, v, rtol=1e-9, atol=1e-12)


def test_full_batch_lbfgs():
    pytest.importorskip("scipy")
    run = fit(
        cp.nn.MLP(2, (), 1, dtype=np.float64),
        (X, VALUES),
        loss=MSE,
        optimizer=cp.optim.LBFGS(),
        epochs=50,
        metrics=["r2_score"],
    )
    assert run.history["loss"][-1] < 1e-10
    assert run.history["r2_score"][-1] > 0.999999


# ---- validation, stopping, plateau


def test_a_fraction_is_held_out_and_not_trained_on():
    run = fit(classifier(), (X, LABELS), loss=CE, validation=0.2, epochs=1)
    assert (run.settings["rows"], run.settings["validation_rows"]) == (40, 10)


def test_early_stopping_keeps_the_best_weights():
    noise = RNG.integers(0, 2, 50)
    run = fit(
        classifier(),
        (X[:20], noise[:20]),
        loss=CE,
        optimizer=cp.optim.Adam(0.1),
        epochs=500,
        validation=(X[20:], noise[20:]),
        early_stopping=cp.EarlyStopping("val_loss", patience=5),
    )
    losses = run.history["val_loss"]
    assert run.stopped == "early stopping"
    assert len(losses) == int(np.argmin(losses)) + 1 + 5
    assert CE(run.model(X[20:]), noise[20:]) == pytest.approx(min(losses))


def test_plateau_lowers_the_rate():
    run = fit(
        classifier(),
        (X, LABELS),
        loss=lambda p, t: CE(p, t) * 0.0,
        optimizer=cp.optim.SGD(1.0),
        epochs=8,
        plateau=cp.optim.ReduceOnPlateau(factor=0.5, patience=1, metric="loss"),
    )
    assert run.history["rate"][0] == 1.0
    assert run.history["rate"][-1] < 0.5


def test_a_schedule_is_followed_step_by_step():
    schedule = cp.optim.ExponentialDecay(0.1, 0.9)
    steps = list(
        cp.steps(
            classifier(), (X, LABELS), loss=CE, optimizer=cp.optim.SGD(schedule), epochs=1, batch_size=10
        )
    )
    assert [s.rate for s in steps] == pytest.approx([float(schedule(n)) for n in range(5)])


def test_a_loss_that_becomes_nan_ends_the_training_and_keeps_the_model_before():
    with pytest.warns(RuntimeWarning, match="smaller learning rate"):
        run = fit(
            cp.nn.MLP(2, (), 1),
            (X * 1e3, VALUES),
            loss=MSE,
            optimizer=cp.optim.SGD(1e3),
            epochs=50,
            batch_size=10,
        )
    assert run.stopped == "not finite"
    assert all(np.isfinite(w).all() for w in cp.tree.leaves(run.model))


# ---- interruption and progress


@pytest.mark.skipif(sys.platform == "win32", reason="os.kill sends SIGINT to the process on POSIX only")
def test_ctrl_c_returns_what_was_learned():
    asked = []

    def interrupting(prediction, target):
        asked.append(len(prediction))
        if len(asked) == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return 0.0

    run = fit(classifier(), (X, LABELS), loss=CE, epochs=10**7, metrics=[interrupting])
    assert run.stopped == "interrupted"
    assert 3 <= len(run.history["loss"]) <= len(asked) < 10
    assert run.history["loss"][-1] < run.history["loss"][0]


def test_plain_lines_where_there_is_no_terminal(capsys):
    fit(classifier(), (X, LABELS), loss=CE, epochs=100, validation=0.2, metrics=["accuracy"], progress=True)
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert 20 <= len(lines) <= 22
    assert lines[-1].startswith("epoch 100/100  loss ")
    assert all(word in lines[0] for word in ("accuracy", "rate 0.001", "val loss", "s left"))


def test_a_bar_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("FORCE_COLOR", "1")
    fit(classifier(), (X, LABELS), loss=CE, epochs=3, validation=0.2, metrics=["accuracy"], progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert all(word in err for word in ("epoch 1/3", "loss", "val accuracy", "rate 0.001", "0:00:00"))


# ---- errors, early and in numbers

ERRORS = [
    ({"data": (X, LABELS[:-1])}, DataError, "50 rows in x, .* 49 in y"),
    ({"data": (X[:0], LABELS[:0])}, DataError, "has no rows"),
    ({"data": X}, DataError, "must be a tuple"),
    ({"data": (np.where(np.equal(X, X[3, 1]), np.nan, X), LABELS)}, DataError, r"holds nan at \[3, 1\]"),
    ({"data": (X, np.where(LABELS == 1, np.inf, 0.0))}, DataError, "y of the training data holds inf"),
    ({"data": (X, LABELS), "sample_weight": np.zeros(50)}, DataError, "not all zero"),
    ({"data": (X, LABELS), "sample_weight": -np.ones(50)}, DataError, "none negative"),
    ({"data": (X, LABELS), "validation": 1.5}, DataError, "between 0 and 1"),
    ({"data": (X, LABELS), "validation": 0.001}, DataError, "50 to train on and 0"),
    ({"data": (X, LABELS), "epochs": 0}, DataError, "at least 1"),
    ({"data": (X, LABELS), "batch_size": 0}, DataError, "at least 1"),
    ({"data": (X, LABELS), "metrics": ["acuracy"]}, DataError, "no metric is named 'acuracy'"),
    ({"data": (X, LABELS), "early_stopping": cp.EarlyStopping()}, DataError, "need validation"),
    ({"data": (X, LABELS + 1)}, Exception, "2"),
    ({"data": (X[:, :1], LABELS)}, ShapeError, "n_in=2"),
]


@pytest.mark.parametrize(("arguments", "error", "message"), ERRORS, ids=[m for _, _, m in ERRORS])
def test_bad_input_gets_a_clear_error(arguments, error, message):
    with pytest.raises(error, match=message):
        fit(classifier(), **{"loss": CE, **arguments})


def test_a_loss_that_takes_no_weights_says_so():
    with pytest.raises(TypeError, match="sample_weight"):
        fit(classifier(), (X, LABELS, np.ones(50)), loss=lambda p, t: CE(p, t))


# ---- files


def test_save_and_load(tmp_path):
    model = cp.nn.Sequential(
        (
            cp.nn.Dense(2, 8, np.tanh),
            cp.nn.Dropout(0.1),
            cp.nn.Maxout(8, 4),
            cp.nn.LayerNorm(4),
            cp.nn.Dense(4, 2),
        )
    )
    run = fit(model, (X, LABELS), loss=CE, epochs=2, metrics=["accuracy"], preprocessing=cp.nn.Dense(1, 1))
    run.save(tmp_path / "run.safetensors")
    back = cp.load(tmp_path / "run.safetensors")
    assert same_bits(run.model, back.model)
    np.testing.assert_array_equal(run.model(X), back.model(X))
    assert (back.history, back.seed, back.settings, back.stopped) == (
        run.history,
        run.seed,
        run.settings,
        run.stopped,
    )
    assert repr(back.model) == repr(run.model)
    assert same_bits(run.preprocessing, back.preprocessing)


def test_the_same_run_gives_the_same_file(tmp_path):
    for name in ("a", "b"):
        cp.Run(classifier(), {"loss": [1.0]}).save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_what_cannot_be_named_needs_a_model_to_load(tmp_path):
    model = cp.nn.Dense(2, 1, activation=lambda x: x * x)
    cp.Run(model).save(tmp_path / "run.safetensors")
    with pytest.raises(FileError, match="model="):
        cp.load(tmp_path / "run.safetensors")
    assert cp.load(tmp_path / "run.safetensors", model=model).model(np.ones((1, 2))) == model(np.ones((1, 2)))
    with pytest.raises(FileError, match=r"no array 'model\.layers\.0\.weight'"):
        cp.load(tmp_path / "run.safetensors", model=cp.nn.MLP(2, (), 1))


def _damaged(content):
    import json

    def header(text):
        return len(text).to_bytes(8, "little") + text

    yield "empty", b"", "no safetensors file"
    yield "text", b"hello, world", "no safetensors file"
    yield "cut off", content[:-5], "no safetensors file"
    yield "cut in the header", content[:40], "no safetensors file"
    yield (
        "not ours",
        header(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}  ') + b"\0" * 4,
        "not written by",
    )

    def meta(**about):
        return header(json.dumps({"__metadata__": {"clearprop": json.dumps(about)}}).encode())

    yield "newer", meta(format=99, version="9.0"), "clearprop 9.0 in format 99"
    yield "no format", meta(version="9.0"), "damaged"
    yield "no parts", meta(format=1), "damaged"
    yield (
        "no arrays",
        meta(format=1, parts={"model": {"array": True}, "preprocessing": None}),
        "no array 'model'",
    )
    evil = {"model": {"module": "os.system", "fields": {}}, "preprocessing": None}
    yield "foreign class", meta(format=1, parts=evil), "has not defined"
    evil = {"model": {"function": "os.system"}, "preprocessing": None}
    yield "foreign function", meta(format=1, parts=evil), "neither clearprop's nor"
    evil = {"model": {"function": "numpy.loadtxt"}, "preprocessing": None}
    yield "numpy function that is no ufunc", meta(format=1, parts=evil), "neither clearprop's nor"


def test_damaged_and_foreign_files(tmp_path):
    cp.Run(classifier()).save(tmp_path / "good")
    for name, content, message in _damaged((tmp_path / "good").read_bytes()):
        (tmp_path / "bad").write_bytes(content)
        with pytest.raises(FileError, match=message):
            cp.load(tmp_path / "bad")
        assert name
    with pytest.raises(FileError, match="no file"):
        cp.load(tmp_path / "absent")
    with pytest.raises(FileError, match="folder"):
        cp.load(tmp_path)


def test_a_failed_save_leaves_what_was_there(tmp_path):
    path = tmp_path / "run.safetensors"
    path.write_bytes(b"old")
    broken = cp.Run(classifier(), settings={"loss": object()})
    with pytest.raises(TypeError):
        broken.save(path)
    with pytest.raises(FileError, match="cannot write"):
        cp.Run(classifier()).save(tmp_path / "absent" / "run.safetensors")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["run.safetensors"]


def test_training_warns_of_nothing_when_all_is_well():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(classifier(), (X, LABELS), loss=CE, epochs=3)


def test_how_many_steps_come_at_once_changes_no_bit_of_the_history(monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules["clearprop.train.fit"]
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((997, 5)), rng.standard_normal((997, 1))
    histories = []
    for pause in (1e-9, 1e-3, 10.0):
        monkeypatch.setattr(module, "_PAUSE", pause)
        model = cp.nn.MLP(5, (7,), 1, rng=0)
        run = cp.fit(
            model, (x, y), loss=cp.losses.mean_squared_error, epochs=4, batch_size=10, progress=False
        )
        histories.append(run.history["loss"])
    assert histories[0] == histories[1] == histories[2]
