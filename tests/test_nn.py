"""Layers and networks: a row for each, and the laws that every module keeps."""

import math

import numpy as np
import pytest

import clearprop as cp
from clearprop import nn
from clearprop.core.errors import DTypeError, SettingError, ShapeError, StructureError

RNG = np.random.default_rng(0)
X = RNG.standard_normal((5, 4))
IMAGES = RNG.standard_normal((3, 2, 2))
IDS = np.array([[0, 2], [1, 1]])
F64 = {"dtype": np.float64}

# name, how it is made from a dtype, input, what it computes in NumPy
ROWS = [
    ("dense", lambda d: nn.Dense(4, 3, dtype=d), X, lambda m, x: x @ m.weight + m.bias),
    (
        "dense relu",
        lambda d: nn.Dense(4, 3, cp.relu, dtype=d),
        X,
        lambda m, x: np.maximum(x @ m.weight + m.bias, 0),
    ),
    ("dense without bias", lambda d: nn.Dense(4, 3, bias=None, dtype=d), X, lambda m, x: x @ m.weight),
    ("dense on one sample", lambda d: nn.Dense(4, 3, dtype=d), X[0], lambda m, x: x @ m.weight + m.bias),
    (
        "dense on a batch of sequences",
        lambda d: nn.Dense(2, 3, dtype=d),
        IMAGES,
        lambda m, x: x @ m.weight + m.bias,
    ),
    (
        "maxout",
        lambda d: nn.Maxout(4, 3, 3, bias=nn.constant(0.1), dtype=d),
        X,
        lambda m, x: np.max(np.einsum("ni,kij->nkj", x, m.weight) + m.bias, axis=1),
    ),
    ("dropout at rest", lambda d: nn.Dropout(0.5), X, lambda m, x: x),
    (
        "layer norm",
        lambda d: nn.LayerNorm(4, dtype=d),
        X,
        lambda m, x: (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5),
    ),
    ("embedding", lambda d: nn.Embedding(3, 4, dtype=d), IDS, lambda m, x: m.weight[x]),
    ("flatten", lambda d: nn.Flatten(), IMAGES, lambda m, x: x.reshape(3, 4)),
    (
        "sequential",
        lambda d: nn.Sequential((nn.Dense(4, 3, dtype=d), np.tanh, nn.Dense(3, 2, dtype=d, rng=1))),
        X,
        lambda m, x: np.tanh(x @ m[0].weight) @ m[1 + 1].weight,
    ),
    (
        "mlp",
        lambda d: nn.MLP(4, (3, 3), 2, [cp.tanh, cp.sigmoid], np.sin, dtype=d),
        X,
        lambda m, x: np.sin(1 / (1 + np.exp(-np.tanh(x @ m[0].weight) @ m[1].weight)) @ m[2].weight),
    ),
    ("linear mlp", lambda d: nn.MLP(4, (), 2, dtype=d), X, lambda m, x: x @ m[0].weight),
]
each = pytest.mark.parametrize(("name", "make", "x", "formula"), ROWS, ids=[r[0] for r in ROWS])


@each
def test_computes_its_formula(name, make, x, formula):
    model = make(np.float64)
    np.testing.assert_allclose(model(x), formula(model, x), rtol=1e-12, atol=1e-14)


@each
def test_computes_in_the_dtype_of_its_parameters(name, make, x, formula):
    model = make(np.float32)
    if cp.tree.leaves(model):
        assert model(x).dtype == np.float32
        assert cp.make_graph(lambda m: m(x))(model).outputs[0].type.dtype == np.float32


@each
def test_gradients_to_parameters_and_inputs(name, make, x, formula):
    model = make(np.float64)
    if cp.tree.leaves(model):
        cp.check_grads(lambda m: m(x), (model,), order=1)
    if x.dtype.kind == "f":
        cp.check_grads(lambda x: model(x), (x,), order=1)


@each
def test_can_be_taken_apart_and_shown(name, make, x, formula):
    model = make(np.float32)
    leaves, structure = cp.tree.flatten(model)
    np.testing.assert_array_equal(cp.tree.unflatten(structure, leaves)(x), model(x))
    assert type(model).__name__ in repr(model)
    with pytest.raises(AttributeError):
        model.anything = 1


def test_paths_of_parameters():
    assert cp.tree.paths(nn.MLP(2, (3,), 1)) == [
        "layers.0.weight",
        "layers.0.bias",
        "layers.1.weight",
        "layers.1.bias",
    ]


def test_same_rng_same_bits_and_layers_differ():
    a, b, c = (nn.MLP(8, (8,), 8, rng=seed) for seed in (0, 0, 1))
    for x, y in zip(cp.tree.leaves(a), cp.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(x, y)
    assert not np.array_equal(a[0].weight, c[0].weight)
    assert not np.array_equal(a[0].weight, a[1].weight)
    assert not np.array_equal(
        nn.Dense(2, 2, rng=np.random.default_rng(1)).weight, nn.Dense(2, 2, rng=cp.random.key(1)).weight
    )


# ---- dropout


def test_dropout_drops_its_share_and_keeps_the_mean():
    x = np.ones((200, 200), np.float32)
    y = nn.Dropout(0.25)(x, nn.Context(training=True, rng=3))
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / 0.75)}
    assert np.mean(y == 0) == pytest.approx(0.25, abs=0.01)
    assert y.dtype == np.float32


def test_dropout_layers_of_one_call_draw_different_masks():
    model = nn.Sequential((nn.Dropout(0.5), nn.Dropout(0.5)))
    y = model(np.ones((100, 100)), nn.Context(training=True, rng=0))
    assert np.mean(y != 0) == pytest.approx(0.25, abs=0.02)


def test_context_without_random_numbers_says_so():
    with pytest.raises(SettingError, match="rng=0"):
        nn.Dropout(0.5)(X, nn.Context(training=True))


# ---- maxout


def test_maxout_shares_the_error_of_a_tie():
    layer = nn.Maxout(1, 1, 2, weight=[[[1.0]], [[1.0]]], bias=None)
    gradient = cp.grad(lambda m: m(np.array([[3.0]])).sum())(layer)
    np.testing.assert_array_equal(gradient.weight.ravel(), [1.5, 1.5])


# ---- initialisers

VARIANCES = [
    (nn.glorot_uniform, 2 / (300 + 200)),
    (nn.glorot_normal, 2 / (300 + 200)),
    (nn.he_uniform, 2 / 300),
    (nn.he_normal, 2 / 300),
    (nn.lecun_uniform, 1 / 300),
    (nn.lecun_normal, 1 / 300),
]


@pytest.mark.parametrize(("initializer", "variance"), VARIANCES, ids=lambda v: getattr(v, "__name__", ""))
def test_initialisers_have_their_variance(initializer, variance):
    w = initializer(cp.random.key(0), (300, 200), np.float64)
    assert w.shape == (300, 200)
    assert np.var(w) == pytest.approx(variance, rel=0.02)
    assert abs(np.mean(w)) < 3 * math.sqrt(variance / w.size)
    if "uniform" in initializer.__name__:
        assert np.abs(w).max() <= math.sqrt(3 * variance)


@pytest.mark.parametrize("shape", [(5, 5), (3, 7), (7, 3), (2, 4, 4)])
def test_orthogonal(shape):
    w = nn.orthogonal(cp.random.key(0), shape, np.float64)
    small = np.minimum(*shape[-2:])
    gram = w @ w.mT if shape[-2] <= shape[-1] else w.mT @ w
    np.testing.assert_allclose(gram, np.broadcast_to(np.eye(small), gram.shape), atol=1e-12)


def test_rectifiers_start_with_he_and_the_rest_with_glorot():
    key = cp.random.split(cp.random.key(0))[0]
    np.testing.assert_array_equal(nn.Dense(4, 3, cp.relu).weight, nn.he_normal(key, (4, 3)))
    np.testing.assert_array_equal(nn.Dense(4, 3, cp.tanh).weight, nn.glorot_uniform(key, (4, 3)))


def test_given_weights_keep_their_dtype():
    layer = nn.Dense(2, 1, weight=[[1.0], [2.0]], bias=[0.5])
    assert (layer.weight.dtype, layer.bias.dtype) == (np.float64, np.float64)
    assert nn.Dense(2, 1, weight=np.ones((2, 1), np.float32)).bias.dtype == np.float32
    assert nn.Dense(2, 1, weight=[[1], [2]], dtype=np.float32).weight.dtype == np.float32


def test_given_weights_are_copied():
    w = np.ones((2, 1))
    layer = nn.Dense(2, 1, weight=w)
    w[:] = 7
    np.testing.assert_array_equal(layer.weight, np.ones((2, 1)))


# ---- errors

ERRORS = [
    (lambda: nn.Dense(3, 2)(np.ones((4, 2))), ShapeError, "n_in=3; the input, f32.4,2., has 2 columns"),
    (lambda: nn.Dense(3, 2)(1.0), ShapeError, "single number"),
    (lambda: nn.Maxout(3, 2)(np.ones((4, 2))), ShapeError, "Maxout was built with n_in=3"),
    (lambda: nn.Maxout(3, 2, pieces=0), ShapeError, "at least one piece"),
    (
        lambda: nn.Dense(3, 2, weight=np.ones((2, 3))),
        ShapeError,
        r"\[2, 3\]; the layer's sizes ask for \[3, 2\]",
    ),
    (lambda: nn.Dropout(1.0), SettingError, "less than 1"),
    (lambda: nn.Embedding(3, 2)(np.ones(2)), DTypeError, "looks up integers"),
    (lambda: nn.MLP(2, (3,), 1, [cp.relu, cp.relu]), StructureError, "2 values for 1 layers"),
    (lambda: nn.Dense(2, 1, bias=nn.he_normal), ShapeError, "n_in, n_out"),
    (lambda: nn.Dense(2, 1).replace(size=1), TypeError, "no field"),
]


@pytest.mark.parametrize(("call", "error", "message"), ERRORS, ids=[m for _, _, m in ERRORS])
def test_errors_say_what_is_wrong(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_an_error_inside_a_traced_model_names_the_layer():
    with pytest.raises(ShapeError, match="Dense was built with n_in=3"):
        cp.grad(lambda m: m(np.ones((4, 2))).sum())(nn.Dense(3, 2))


def test_a_module_of_ones_own():
    class Scaled(nn.Module):
        inner: nn.Dense
        factor: float

        def __call__(self, x):
            return self.factor * self.inner(x)

    model = Scaled(nn.Dense(2, 1, dtype=np.float64), 3.0)
    gradient = cp.grad(lambda m: m(np.ones((1, 2))).sum())(model)
    assert gradient.factor == 3.0
    np.testing.assert_array_equal(gradient.inner.weight, [[3.0], [3.0]])
