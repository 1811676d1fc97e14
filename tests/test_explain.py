"""Explanations: numbers are those of the graph, gradients those of `grad`, and each array says what it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import clearprop as cp
from clearprop import nn
from clearprop.core.errors import ClearpropError, DataError, DTypeError, SettingError, ShapeError
from clearprop.explanation.observe import Call, observed

RNG = np.random.default_rng(7)
X, LABELS, NUMBERS = RNG.normal(size=(6, 3)), np.arange(6) % 2, RNG.normal(size=(6, 2))


def two_layers(activation: Any = cp.tanh) -> nn.MLP:
    return nn.MLP(3, (4,), 2, activation, rng=0, dtype=np.float64)


class Twice(nn.Module):
    """The same layer called two times, and a parameter of its own."""

    inner: nn.Dense
    scale: Any

    def __call__(self, x: Any) -> Any:
        return self.inner(self.inner(x)) * self.scale


MODELS: dict[str, tuple[Any, Callable[..., Any], Any]] = {
    "MLP": (two_layers(), cp.losses.cross_entropy, LABELS),
    "MLP, squares": (two_layers(cp.relu), cp.losses.mean_squared_error, NUMBERS),
    "Maxout, layer norm": (
        nn.Sequential((nn.Maxout(3, 4, 2, rng=1), nn.LayerNorm(4), nn.Dense(4, 2, bias=None, rng=2))),
        cp.losses.half_squared_error,
        NUMBERS,
    ),
    "shared": (
        Twice(inner=nn.Dense(3, 3, cp.sigmoid, rng=3), scale=np.ones(3)),
        cp.losses.cross_entropy,
        LABELS,
    ),
    "own loss": (two_layers(), lambda p, y: np.sum(np.abs(p - y)), NUMBERS),
}


@pytest.mark.parametrize("name", MODELS)
def test_gradients_are_those_of_grad(name: str) -> None:
    model, loss, y = MODELS[name]
    e = cp.explain(model, loss, X, y)
    double = cp.tree.map(lambda leaf: leaf.astype(np.float64), model)
    assert e.loss == pytest.approx(float(loss(double(X), y)), rel=1e-14)
    for path, gradient in cp.tree.named_leaves(cp.grad(lambda m: loss(m(X), y))(double)):
        np.testing.assert_allclose(e.gradient(path).value, gradient, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(
        e.gradient("x"), cp.grad(lambda x: loss(double(x), y))(X), rtol=1e-12, atol=1e-14
    )


def test_layers_hold_what_the_textbook_says() -> None:
    model = two_layers(cp.sigmoid)
    e = cp.explain(model, cp.losses.cross_entropy, X, LABELS)
    one, two = e.layers
    w1, w2 = (layer.weight for layer in model)
    np.testing.assert_allclose(one.z, X @ w1 + model[0].bias)
    np.testing.assert_allclose(one.a, cp.sigmoid(one.z))
    np.testing.assert_allclose(two.delta, (cp.softmax(two.z.value) - np.eye(2)[LABELS]) / 6)  # (p − y)/n
    np.testing.assert_allclose(one.da, two.delta @ w2.T)
    np.testing.assert_allclose(one.delta, one.da * one.a * (1 - one.a))  # δˡ = (Wˡ⁺¹ᵀδˡ⁺¹) ⊙ σ′(zˡ)
    np.testing.assert_allclose(one.gradients["weight"], X.T @ one.delta)
    np.testing.assert_allclose(one.gradients["bias"], one.delta.value.sum(axis=0))
    np.testing.assert_allclose(one.dinputs, one.delta @ w1.T)
    assert (one.z.symbol, one.delta.symbol, two.gradients["weight"].symbol) == ("z¹", "δ¹", "∂L/∂W²")
    assert e["layers.0.delta"].value is one.delta.value
    assert e["layers.1.dweight"].value is two.gradients["weight"].value


def test_layers_are_named_by_their_paths_and_repeated_calls_counted() -> None:
    model = nn.Sequential(
        (nn.Dense(3, 3), cp.relu, Twice(inner=nn.Dense(3, 3), scale=np.ones(3)), nn.Dropout(0.5))
    )
    e = cp.explain(model, cp.losses.cross_entropy, X, LABELS)
    assert [layer.name for layer in e.layers] == [
        "layers.0",
        "layers.1",
        "layers.2.inner",
        "layers.2.inner:2",
        "layers.3",
    ]
    assert [layer.kind for layer in e.layers] == ["Dense", "relu", "Dense", "Dense", "Dropout"]
    assert e["layers.2.scale"].shape == (3,)


def test_a_model_without_parts_is_one_layer() -> None:
    dense = cp.explain(nn.Dense(3, 2, cp.tanh), cp.losses.cross_entropy, X, LABELS)
    assert [(layer.name, layer.kind) for layer in dense.layers] == [("", "Dense")]
    function = cp.explain(lambda x: np.tanh(x), cp.losses.mean_squared_error, X, X + 1)
    np.testing.assert_allclose(
        function.gradient("x"), 2 * (np.tanh(X) - X - 1) * (1 - np.tanh(X) ** 2) / X.size
    )


def test_z_is_where_the_last_parameter_enters() -> None:
    class Scaled(nn.Module):
        w: Any
        gain: Any

        def __call__(self, x: Any) -> Any:
            return np.exp(np.tanh(x @ self.w) * self.gain)

    model = Scaled(w=RNG.normal(size=(3, 2)), gain=np.array([2.0, 3.0]))
    layer = cp.explain(model, cp.losses.mean_squared_error, X, NUMBERS).layers[0]
    np.testing.assert_allclose(layer.z, np.tanh(X @ model.w) * model.gain)
    maxout = cp.explain(nn.Maxout(3, 2, 4, bias=None), cp.losses.mean_squared_error, X, NUMBERS).layers[0]
    assert maxout.z.shape == (6, 4, 2)
    np.testing.assert_array_equal(maxout.z.value.max(axis=1), maxout.a)


# ---- what arrays say


WEIGHT = np.array([1.0, 2.0, 0.0, 1.0, 1.0, 1.0])

REDUCTIONS: list[tuple[Callable[..., Any], Any, Any, str, np.ndarray[Any, Any]]] = [
    (cp.losses.mean_squared_error, NUMBERS, None, "mean", np.full(6, 1 / 6)),
    (lambda p, y: np.mean(np.square(p - y)), NUMBERS, None, "mean", np.full(6, 1 / 6)),
    (lambda p, y: cp.losses.cross_entropy(p, y, reduction="sum"), LABELS, None, "sum", np.ones(6)),
    (cp.losses.cross_entropy, LABELS, WEIGHT, "weighted mean", WEIGHT / 6),
    (lambda p, y: np.mean(np.square(p - y)) ** 2, NUMBERS, None, "other", np.empty(0)),
]


@pytest.mark.parametrize(("loss", "y", "weight", "reduction", "shares"), REDUCTIONS)
def test_how_samples_make_the_loss(loss: Any, y: Any, weight: Any, reduction: str, shares: Any) -> None:
    e = cp.explain(two_layers(), loss, X, y, sample_weight=weight)
    assert e.record.reduction == reduction
    assert reduction in e.gradient("layers.0.weight").says or reduction == "other"
    each = [float(loss(e.prediction[i : i + 1], y[i : i + 1])) for i in range(6)]
    np.testing.assert_allclose(e.terms, each)
    if reduction == "other":
        assert e.record.shares is None
    else:
        np.testing.assert_allclose(e.record.shares, shares)
        assert e.loss == pytest.approx(np.sum(e.record.shares * e.terms))


def test_quantities_say_what_they_are() -> None:
    e = cp.explain(two_layers(), cp.losses.cross_entropy, X, LABELS)
    assert e["layers.0.z"].says == "a row for each sample"
    assert (
        e["layers.0.delta"].says
        == "a row for each sample; L is the mean over 6, so this is 1/6 of the sample's own"
    )
    assert e["layers.0.weight"].says == "shared by all samples"
    assert e.gradient("layers.0.weight").says == "the mean over 6 samples of their own gradients"
    assert e["layers.0.z"].axes == ("sample", "neuron")
    assert repr(e["layers.0.z"]).startswith(
        "z¹ layers.0.z: f64[6,4] (sample, neuron), a row for each sample\n"
    )
    assert type(e["layers.0.z"] + 1) is np.ndarray
    assert np.max(e["layers.0.z"]) == e["layers.0.z"].value.max()
    assert "L = " in repr(e)
    assert "<layer 2 layers.1: Dense" in repr(e)


# ---- circumstances


def test_dropout_drops_as_in_training_with_the_same_seed() -> None:
    model = nn.Sequential((nn.Dense(3, 8, rng=0), nn.Dropout(0.5), nn.Dense(8, 2, rng=1)))
    for seed in (1, 2):
        e = cp.explain(model, cp.losses.cross_entropy, X, LABELS, training=True, seed=seed)
        context = nn.Context(training=True, rng=seed)
        double = cp.tree.map(lambda leaf: leaf.astype(np.float64), model)
        np.testing.assert_allclose(e.prediction, double(X, context=context), rtol=1e-12)
    assert (cp.explain(model, cp.losses.cross_entropy, X, LABELS)["layers.1"].a.value != 0).all()


def test_dtype_none_computes_as_training_does() -> None:
    model = nn.MLP(3, (4,), 2, rng=0)
    x = X.astype(np.float32)
    e = cp.explain(model, cp.losses.cross_entropy, x, LABELS, dtype=None)
    gradient = cp.grad(lambda m: cp.losses.cross_entropy(m(x), LABELS))(model)
    np.testing.assert_array_equal(e.gradient("layers.0.weight").value, gradient.layers[0].weight)
    assert e["layers.0.z"].dtype == np.float32


def test_explaining_changes_nothing() -> None:
    model = two_layers()
    before = [leaf.tobytes() for leaf in cp.tree.leaves(model)]
    e = cp.explain(model, cp.losses.cross_entropy, X, LABELS)
    e.paths("layers.0.weight", (0, 0))
    assert [leaf.tobytes() for leaf in cp.tree.leaves(model)] == before
    how: dict[str, Any] = {
        "loss": cp.losses.cross_entropy,
        "epochs": 2,
        "progress": False,
        "backend": "numpy",
    }
    plain = cp.fit(model, (X, LABELS), **how)
    cp.explain(plain.model, cp.losses.cross_entropy, X, LABELS)
    again = cp.fit(model, (X, LABELS), **how)
    for one, two in zip(cp.tree.leaves(plain.model), cp.tree.leaves(again.model), strict=True):
        np.testing.assert_array_equal(one, two)


def test_integers_are_numbers_where_layers_convert_them_and_symbols_where_not() -> None:
    numbers = np.array([[0, 1, 2], [3, 1, 0]])
    e = cp.explain(two_layers(), cp.losses.cross_entropy, numbers, np.array([0, 1]))
    assert e.gradient("x").shape == (2, 3)
    symbols = nn.Sequential((nn.Embedding(4, 3, rng=0), nn.Dense(3, 2, rng=1)))
    tokens = cp.explain(symbols, cp.losses.cross_entropy, np.array([0, 3]), np.array([0, 1]))
    assert tokens.gradient("layers.0.weight").shape == (4, 3)
    assert not tokens.gradient("x").value.any()


def test_one_sample_without_its_axis() -> None:
    e = cp.explain(two_layers(), lambda p, y: np.sum((p - y) ** 2), X[0], NUMBERS[0])
    assert e.record.samples is None
    assert e["layers.0.z"].axes == ("neuron",)


def explained(loss: Any = cp.losses.cross_entropy, y: Any = LABELS) -> Any:
    return cp.explain(two_layers(), loss, X, y)


MISTAKES: dict[str, tuple[Callable[[], Any], type[ClearpropError], str]] = {
    "lengths": (lambda: explained(y=LABELS[:1]), DataError, "as many targets"),
    "no number": (lambda: explained(lambda p, y: p - y, NUMBERS), ShapeError, "one number; average it"),
    "an integer loss": (lambda: explained(lambda p, y: np.sum(p.astype(int))), DTypeError, "no derivative"),
    "unknown layer": (lambda: explained()["nothing"], SettingError, "layers.0"),
    "unknown part": (lambda: explained()["layers.0.nothing"], SettingError, "delta"),
    "unknown parameter": (lambda: explained().gradient("w"), SettingError, "layers.0.weight"),
    "labels": (lambda: explained(y=LABELS + 1), DataError, "class"),
    "traced": (
        lambda: cp.grad(lambda x: cp.explain(two_layers(), cp.losses.cross_entropy, x, LABELS).loss)(X),
        SettingError, "numbers",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name: str) -> None:
    ask, error, words = MISTAKES[name]
    with pytest.raises(error, match=words):
        ask()


# ---- the copy that tells


def test_an_observed_model_computes_the_same_and_is_known_to_nobody() -> None:
    model, calls = Twice(inner=nn.Dense(3, 3, rng=0), scale=np.ones(3)), []
    modules = dict(cp.tree.MODULES)
    copy = observed(model, calls)
    np.testing.assert_array_equal(copy(X), model(X))
    assert calls == []  # nothing is traced
    assert isinstance(copy, Twice)
    graph, plain = cp.make_graph(lambda x: copy(x))(X), cp.make_graph(lambda x: model(x))(X)
    assert str(graph) == str(plain)
    assert [(call.name, call.innermost) for call in calls] == [
        ("inner", True),
        ("inner:2", True),
        ("", False),
    ]
    assert all(isinstance(call, Call) and call.stop > call.start for call in calls)
    assert modules == cp.tree.MODULES


def test_containers_of_all_kinds_are_observed() -> None:
    class Parts(nn.Module):
        parts: Any

        def __call__(self, x: Any) -> Any:
            return self.parts["last"](self.parts["first"][0](x))

    calls: list[Call] = []
    model = Parts(parts={"first": [nn.Dense(3, 4)], "last": np.tanh, "unused": (cp.relu, 3)})
    cp.make_graph(lambda x: observed(model, calls)(x))(X)
    assert [call.name for call in calls] == ["parts.first.0", "parts.last", ""]
