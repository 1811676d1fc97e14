"""Blame that adds up: the gradient and the update by samples, the error by neurons, against brute force."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pytest

import clearprop as cp
from clearprop import losses, nn, optim
from clearprop.core.errors import SettingError
from clearprop.explanation.answers import by_sample
from clearprop.nn.context import Context, apply
from clearprop.ops.random import fold_in, key, permutation
from clearprop.train.steps import ORDER

EPS = 1e-13


class Attention(nn.Module):
    """A sequence for each sample, its rows mixed within the sample."""

    query: Any
    out: nn.Dense

    def __call__(self, x: Any) -> Any:
        scores = cp.softmax(x @ self.query @ np.swapaxes(x, 1, 2), axis=-1)
        return np.mean(self.out(scores @ x), axis=1)


class Columns(nn.Module):
    """Samples on the second axis, in the middle of the network."""

    weight: Any
    bias: Any

    def __call__(self, x: Any) -> Any:
        return np.tanh((self.weight @ x.T).T + self.bias) * np.sum(self.weight)


class Outer(nn.Module):
    """Parameters that are reshaped, repeated and squared before they meet the samples."""

    weight: Any
    scale: Any

    def __call__(self, x: Any) -> Any:
        square = np.reshape(np.square(self.weight), (3, -1))
        return np.maximum(x @ np.concatenate([square, square], axis=1), 0.1) * np.exp(self.scale)


class Twice(nn.Module):
    """The same layer two times."""

    inner: nn.Dense

    def __call__(self, x: Any) -> Any:
        return self.inner(self.inner(x))


def mlp(activation: Any, *sizes: int) -> Callable[[int], Any]:
    return lambda seed: nn.MLP(3, sizes[:-1], sizes[-1], activation, rng=seed)


def filled(model: Any, seed: int) -> Any:
    """The same model with every parameter drawn at random: no bias stays 0."""
    rng = np.random.default_rng(seed)
    return cp.tree.map(lambda leaf: rng.normal(size=np.shape(leaf)), model)


@dataclass(frozen=True)
class Problem:
    """How a network, its loss and its data are made."""

    model: Callable[[int], Any]
    loss: Any = losses.cross_entropy
    n: int = 6
    inputs: Any = (3,)
    targets: str = "labels"
    outputs: int = 2
    weighted: bool = False
    training: bool = False

    def made(self, seed: int, **kwargs: Any) -> tuple[Any, Any, Any, dict[str, Any]]:
        rng = np.random.default_rng(100 + seed)
        model = filled(self.model(seed), seed)
        x = (
            rng.integers(0, 5, (self.n, 2))
            if self.inputs == "symbols"
            else rng.normal(size=(self.n, *self.inputs))
        )
        y = {
            "labels": lambda: rng.integers(0, self.outputs, self.n),
            "numbers": lambda: rng.normal(size=(self.n, self.outputs)),
            "signs": lambda: rng.choice([-1, 1], (self.n, self.outputs)),
            "counts": lambda: rng.integers(0, 4, (self.n, self.outputs)),
        }[self.targets]()
        if self.weighted:
            kwargs["sample_weight"] = np.where(np.arange(self.n) == 1, 0.0, rng.uniform(0.1, 3, self.n))
        return model, x, y, kwargs | {"training": self.training, "seed": seed}

    def explained(self, seed: int, **kwargs: Any) -> Any:
        model, x, y, kwargs = self.made(seed, **kwargs)
        return cp.explain(model, self.loss, x, y, **kwargs)


def sequence(*layers: Any) -> Callable[[int], Any]:
    return lambda seed: nn.Sequential(layers)


DENSE = nn.Dense(4, 2, rng=1)
PROBLEMS = {
    "tanh": Problem(mlp(cp.tanh, 4, 2)),
    "relu, deep": Problem(mlp(cp.relu, 5, 4, 3), outputs=3),
    "sigmoid, sum": Problem(
        mlp(cp.sigmoid, 4, 2), partial(losses.half_squared_error, reduction="sum"), targets="numbers"
    ),
    "gelu, hinge": Problem(mlp(cp.gelu, 4, 2), losses.hinge, targets="signs"),
    "silu, Poisson": Problem(mlp(cp.silu, 4, 2), losses.poisson, targets="counts"),
    "leaky, Huber": Problem(mlp(cp.leaky_relu, 4, 2), losses.huber, targets="numbers"),
    "Maxout": Problem(sequence(nn.Maxout(3, 4, 3), DENSE)),
    "layer norm": Problem(sequence(nn.Dense(3, 4, cp.tanh), nn.LayerNorm(4), DENSE)),
    "dropout": Problem(sequence(nn.Dense(3, 4, cp.tanh), nn.Dropout(0.4), DENSE), training=True),
    "weights": Problem(mlp(cp.tanh, 4, 2), weighted=True),
    "one sample": Problem(mlp(cp.tanh, 4, 2), n=1),
    "all sizes equal": Problem(mlp(cp.tanh, 3, 3), n=3, outputs=3),
    "pieces like samples": Problem(sequence(nn.Maxout(3, 4, 4), DENSE), n=4),
    "embedding": Problem(
        sequence(nn.Embedding(5, 3), nn.Flatten(), nn.Dense(6, 2, cp.tanh)), inputs="symbols"
    ),
    "sequences": Problem(
        lambda seed: Attention(query=np.ones((3, 3)), out=nn.Dense(3, 2, cp.tanh)), inputs=(4, 3)
    ),
    "columns": Problem(lambda seed: Columns(weight=np.ones((2, 3)), bias=np.ones(2))),
    "reshaped": Problem(lambda seed: Outer(weight=np.ones((3, 1)), scale=np.ones(2))),
    "shared": Problem(lambda seed: Twice(inner=nn.Dense(3, 3, cp.tanh)), outputs=3),
    "root": Problem(mlp(cp.tanh, 4, 2), lambda p, y: np.sqrt(np.mean(np.square(p - y))), targets="numbers"),
}
SUMS = [name for name in PROBLEMS if name != "root"]  # losses that are sums over samples


@pytest.mark.parametrize("name", SUMS)
def test_gradients_by_sample_are_those_of_one_sample_at_a_time(name: str) -> None:
    problem = PROBLEMS[name]
    model, x, y, kwargs = problem.made(3)
    e = cp.explain(model, problem.loss, x, y, **kwargs)
    shares = e.record.shares
    for i in range(problem.n):

        def cost(model: Any, i: int = i) -> Any:
            rows = slice(i, i + 1)
            if not problem.training:
                return problem.loss(model(x[rows]), y[rows]) * float(shares[i])
            context = Context(training=True, rng=kwargs["seed"])  # what is dropped belongs to the whole batch
            return problem.loss(apply(model, x, context)[rows], y[rows]) * float(shares[i])

        for path, alone in cp.tree.named_leaves(cp.grad(cost)(model)):
            found = e.sample_gradients(path)
            np.testing.assert_allclose(found[i], alone, rtol=1e-11, atol=1e-14, err_msg=path)
            for index in [(0,) * alone.ndim, tuple(n - 1 for n in alone.shape)]:
                assert e.samples(path, index).each[i] == pytest.approx(alone[index], rel=1e-11, abs=1e-14)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", PROBLEMS)
def test_sums_close(name: str, seed: int) -> None:
    e = PROBLEMS[name].explained(seed)
    for path in e.record.parameters:
        each, gradient = e.sample_gradients(path), e.gradient(path)
        room = np.abs(each).sum(axis=0)
        assert (np.abs(np.sum(each, axis=0) - gradient) <= EPS * room + 1e-300).all(), path
        index = tuple(np.random.default_rng(seed).integers(0, gradient.shape))
        shares = e.samples(path, index, k=2, optimizer=optim.Adam(0.1))
        assert shares.error <= EPS
        assert shares.moved.error <= EPS
        assert shares.each[shares.largest].sum() + shares.rest == pytest.approx(shares.each.sum(), abs=1e-14)
    blame = e.blame()
    assert blame.error <= EPS
    for layer in blame.layers:
        assert layer.shares.sum() == pytest.approx(1) or not layer.magnitude.any()


def test_a_split_is_used_where_it_holds_and_sweeps_elsewhere() -> None:
    for name, splits in [("tanh", True), ("Maxout", True), ("sequences", True), ("columns", False)]:
        e = PROBLEMS[name].explained(0)
        record, path = e.record, e.record.parameters[0]
        var, seed = record.inputs[path], record.error(record.graph.outputs[1])
        found = by_sample._Split(record, var, seed).result()
        holds = found is not None and by_sample._holds(record, var, seed, found)
        assert holds is splits, name


def test_a_wrong_split_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    e = PROBLEMS["tanh"].explained(0)
    right = e.sample_gradients("layers.0.weight").value
    result = by_sample._Split.result
    monkeypatch.setattr(by_sample._Split, "result", lambda self: np.roll(result(self), 1, axis=0))
    np.testing.assert_allclose(e.sample_gradients("layers.0.weight"), right, rtol=1e-12, atol=1e-15)
    monkeypatch.setattr(by_sample, "_holds", lambda *args: True)
    wrong = e.sample_gradients("layers.0.weight").value
    assert not np.allclose(wrong, right)
    np.testing.assert_allclose(wrong.sum(axis=0), right.sum(axis=0))  # the sum alone would not have told


# ---- samples that are not independent


def centred(x: Any) -> Any:
    return x - np.mean(x, axis=0)


def ranked(x: Any) -> Any:
    return x * (x > np.sort(x, axis=0)[2])


def feels(one: int, other: int) -> Callable[[Any], Any]:
    """Return a layer in which one sample alone feels one other."""
    where = np.zeros((6, 6))
    where[one, other] = 1
    return lambda x: x + where @ x


MIXERS = {"centred": centred, "ranked": ranked, "5 feels 3": feels(5, 3), "1 feels 3": feels(1, 3)}


@pytest.mark.parametrize("name", MIXERS)
@pytest.mark.parametrize("asked", ["samples", "sample_gradients", "integrated_gradients", "jacobian"])
def test_samples_that_depend_on_each_other_are_refused(name: str, asked: str) -> None:
    e = Problem(sequence(nn.Dense(3, 4, cp.tanh), MIXERS[name], DENSE)).explained(0)
    calls: dict[str, Callable[[], Any]] = {
        "samples": lambda: e.samples("layers.0.weight", (0, 0)),
        "sample_gradients": lambda: e.sample_gradients("layers.0.weight"),
        "integrated_gradients": e.integrated_gradients,
        "jacobian": lambda: e.jacobian(sample=None),
    }
    with pytest.raises(SettingError, match="not independent: the prediction for sample") as caught:
        calls[asked]()
    if "feels" in name:
        assert f"sample {name[0]} changes" in str(caught.value)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (lambda e: e.samples("layers.9.weight", (0, 0)), "parameters are layers.0.weight, layers.0.bias"),
        (lambda e: e.samples("layers.0.weight", (3, 0)), r"f64\[3,4\], and \(3, 0\) is no element"),
        (lambda e: e.samples("layers.0.weight", 1), "one number for each of its 2 axes"),
        (lambda e: e.sample_gradients("x"), "no parameter 'x'"),
        (lambda e: e.update("SGD"), "an optimiser such as"),
        (lambda e: e.update(optim.Adam(0.1), state={"step": 0}), "lacks"),
        (lambda e: e.update(optim.SGD(0.1), "layers.0.bias", 9), "no element"),
    ],
)
def test_refusals(asked: Callable[[Any], Any], says: str) -> None:
    with pytest.raises(SettingError, match=says):
        asked(PROBLEMS["tanh"].explained(0))


def test_what_would_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_sample, "_MOST_BYTES", 100)
    with pytest.raises(SettingError, match="ask for one weight"):
        PROBLEMS["tanh"].explained(0).sample_gradients("layers.0.weight")


# ---- neurons


def test_errors_of_neurons_are_gradients_of_biases() -> None:
    for name in ("tanh", "Maxout", "layer norm", "weights"):
        e = PROBLEMS[name].explained(1)
        for layer, blame in zip(e.layers, e.blame().layers, strict=True):
            bias = np.atleast_2d(layer.gradients["bias"]).sum(axis=0)
            np.testing.assert_allclose(blame.delta.sum(axis=0), bias, atol=1e-15)


def test_credit_is_the_weights_times_their_gradients_of_the_layer_above() -> None:
    e = PROBLEMS["relu, deep"].explained(2)
    for below, above in zip(e.blame().layers, e.layers[1:], strict=False):
        products = above.parameters["weight"] * above.gradients["weight"]
        np.testing.assert_allclose(below.credit.sum(axis=0), products.sum(axis=1), atol=1e-14)


# ---- updates

OPTIMIZERS = [
    optim.SGD(0.1),
    optim.SGD(optim.CosineDecay(0.1, decay_steps=5), momentum=0.9, weight_decay=0.1),
    optim.SGD(0.1, momentum=0.9, nesterov=True, clip_norm=0.05),
    optim.Adam(0.01, clip_value=0.01),
    optim.Adam(0.01, amsgrad=True, weight_decay=0.1, clip_norm=0.05),
    optim.AdamW(0.01, weight_decay=0.2),
    optim.Adamax(0.01, weight_decay=0.1),
    optim.NAdam(0.01),
    optim.Adagrad(0.01, weight_decay=0.1),
    optim.RMSProp(0.01, centered=True, momentum=0.5),
    optim.Adadelta(),
    optim.Lion(0.01, weight_decay=0.1),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: type(o).__name__)
def test_an_update_is_a_step_of_training_to_the_bit(optimizer: Any, dtype: Any) -> None:
    rng = np.random.default_rng(0)
    model = cp.tree.map(lambda leaf: leaf.astype(dtype), filled(mlp(cp.tanh, 4, 2)(0), 1))
    x, y = rng.normal(size=(8, 3)).astype(dtype), rng.integers(0, 2, 8)
    loop = cp.steps(
        model, (x, y), loss=losses.cross_entropy, optimizer=optimizer, epochs=3, batch_size=8, backend="numpy"
    )
    state = None
    for epoch, step in enumerate(loop, start=1):
        rows = permutation(fold_in(fold_in(key(0), ORDER), epoch), 8)
        e = cp.explain(model, losses.cross_entropy, x[rows], y[rows], dtype=None)
        whole = e.update(optimizer, state=state)
        for path, trained in cp.tree.named_leaves(step.model):
            found = dict(cp.tree.named_leaves(whole.model))[path]
            assert found.dtype == dtype
            np.testing.assert_array_equal(found, trained, err_msg=path)
        one = e.update(optimizer, "layers.0.weight", (2, 1), state=state)
        assert one.new == step.model.layers[0].weight[2, 1]
        for path, slot in cp.tree.named_leaves(step.state):
            np.testing.assert_array_equal(dict(cp.tree.named_leaves(whole.state))[path], slot)
        model, state = step.model, step.state
    assert epoch == 3


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: type(o).__name__)
@pytest.mark.parametrize("steps", [0, 2])
def test_parts_of_an_update_add_up_and_the_formula_is_the_update(optimizer: Any, steps: int) -> None:
    e, state = PROBLEMS["tanh"].explained(4), None
    for _ in range(steps):
        state = e.update(optimizer, state=state).state
    for index in [(0, 0), (2, 3)]:
        moved = e.samples("layers.0.weight", index, optimizer=optimizer, state=state).moved
        update = e.update(optimizer, "layers.0.weight", index, state=state)
        assert moved.error <= EPS
        assert (moved.memory, moved.decay) == (update.memory, update.decay)
        assert moved.memory + moved.decay + moved.fresh == pytest.approx(update.change, rel=1e-12)
        assert (moved.memory == 0) or steps
        assert (moved.decay == 0) or optimizer.weight_decay
        told = isinstance(optimizer, (optim.SGD, optim.Adam))
        assert (update.error is not None) is told
        assert not told or update.error <= EPS


def test_shares_of_plain_descent_are_the_steps_of_the_samples() -> None:
    e = PROBLEMS["tanh"].explained(4)
    shares = e.samples("layers.0.weight", (1, 1), optimizer=optim.SGD(0.3))
    np.testing.assert_allclose(shares.moved.shares, -0.3 * shares.each, rtol=1e-12)
    assert shares.moved.memory == shares.moved.decay == 0


def test_samples_that_cancel_have_shares_that_cancel() -> None:
    model = nn.Dense(1, 1, weight=[[0.0]], bias=None)
    e = cp.explain(model, losses.half_squared_error, np.ones((2, 1)), np.array([[1.0], [-1.0]]))
    moved = e.samples("weight", (0, 0), optimizer=optim.SGD(0.1)).moved
    np.testing.assert_allclose(moved.shares, [0.05, -0.05])
    assert moved.change == 0


PLAIN, DECAYING, STRONG = optim.SGD(0.1), optim.SGD(0.1, weight_decay=0.1), optim.SGD(0.1, weight_decay=1.0)
LARGER = "slope is negative (-0.5): a larger weight makes the loss smaller, so the weight "
SMALLER = "slope is positive (1): a smaller weight makes the loss smaller, so the weight "
FLAT = "slope is 0: at this point the loss does not depend on the weight, "


@pytest.mark.parametrize(
    ("weight", "target", "optimizer", "says"),
    [
        (0.5, 1.0, PLAIN, f"{LARGER}grows by 0.05, from 0.5 to 0.55."),
        (1.0, 0.0, PLAIN, f"{SMALLER}falls by 0.1, from 1 to 0.9."),
        (1.0, 1.0, PLAIN, f"{FLAT}so the weight stays."),
        (1.0, 1.0, DECAYING, f"{FLAT}but the weight falls by 0.01, from 1 to 0.99: weight decay decides."),
        (1.0, 1.1, STRONG, "but the weight falls by 0.09, from 1 to 0.91: weight decay outweighs the slope."),
        (1.0, 2.0, optim.SGD(0.0), "but the weight stays: the step is too small."),
    ],
)
def test_what_a_teacher_would_say(weight: float, target: float, optimizer: Any, says: str) -> None:
    model = nn.Dense(1, 1, weight=[[weight]], bias=None)
    e = cp.explain(model, losses.half_squared_error, np.ones((1, 1)), np.array([[target]]))
    assert e.update(optimizer, "weight", (0, 0)).sentence.endswith(says)


def test_a_memory_that_outweighs_the_slope_is_named() -> None:
    model, optimizer = nn.Dense(1, 1, weight=[[1.0]], bias=None), optim.SGD(0.1, momentum=0.9)
    e = cp.explain(model, losses.half_squared_error, np.ones((1, 1)), np.array([[0.9]]))
    state = optimizer.init(model)
    state["velocity"] = model.replace(weight=np.array([[-1.0]]))
    assert (
        "remembers of earlier gradients outweighs the slope"
        in e.update(optimizer, "weight", (0, 0), state).sentence
    )


def test_a_whole_update_foretells_the_loss() -> None:
    e = PROBLEMS["tanh"].explained(4)
    whole = e.update(optim.SGD(1e-4))
    assert whole.after - whole.before == pytest.approx(whole.predicted, rel=1e-2)
    double = cp.tree.map(lambda leaf: leaf, whole.model)
    assert whole.after == pytest.approx(
        float(losses.cross_entropy(double(e.record.x), e.record.y)), rel=1e-14
    )
    sizes = {s.name: s for s in whole.sizes}["layers.0.weight"]
    assert sizes.ratio == pytest.approx(1e-4 * sizes.gradient / sizes.parameter, rel=1e-6)
    assert sizes.gradient == pytest.approx(np.linalg.norm(e.gradient("layers.0.weight")))


# ---- what is printed


def test_what_does_not_add_up_shows() -> None:
    e = PROBLEMS["tanh"].explained(4)
    shares = e.samples("layers.0.weight", (0, 0), optimizer=optim.Adam(0.1))
    assert replace(shares, each=shares.each * 1.001).error > 1e-5
    assert replace(shares.moved, memory=shares.moved.memory + 0.001).error > 1e-5
    blame = e.blame()
    assert replace(blame, samples=blame.samples * 1.001).error > 1e-5
    layer = blame["layers.0"]
    assert replace(layer, delta=layer.delta * 1.001).error > 1e-5
    assert replace(layer, credit=layer.credit * 1.001).error > 1e-5
    update = e.update(optim.Adam(0.1), "layers.0.weight", (0, 0))
    assert replace(update, new=update.new + 1e-3).error > 1e-5


@pytest.mark.parametrize("name", PROBLEMS)
def test_everything_prints_within_100_columns_and_closes(name: str) -> None:
    e = PROBLEMS[name].explained(1)
    path = e.record.parameters[0]
    index = (0,) * e.gradient(path).value.ndim
    optimizer = optim.AdamW(
        optim.CosineDecay(0.1, decay_steps=10, warmup_steps=3), weight_decay=0.1, clip_norm=1.0
    )
    answers = [
        e.blame(3),
        e.samples(path, index, 3, optimizer),
        e.update(optimizer),
        e.update(optimizer, path, index),
    ]
    for answer in answers:
        lines = str(answer).splitlines()
        assert max(map(len, lines)) <= 100
        assert repr(answer) == str(answer)
        assert "nan" not in str(answer)
    assert "3 others" in str(answers[1]) or e.record.samples < 6
    assert "no sum over samples" in str(answers[1]) or name != "root"
