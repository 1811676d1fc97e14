"""Functions and their gradients as equations: what is printed, evaluated as it stands, gives the gradient."""

import re

import numpy as np
import pytest

import clearprop as cp

RNG = np.random.default_rng(3)
W, B, X, Y = RNG.normal(size=(3, 2)), RNG.normal(size=2), RNG.normal(size=(4, 3)), RNG.normal(size=(4, 2))
V, T = RNG.normal(size=(2, 2)), np.array([0, 1, 1, 0])


def readme(w, b, x, y):
    z = x @ w + b
    return np.mean((np.tanh(z) - y) ** 2)


def two_layers(w, b, v, x, y):
    h = cp.sigmoid(x @ w + b)
    out = h @ v
    return cp.losses.half_squared_error(out, y)


def by_axes(w, x):
    z = x @ w
    s = np.sum(z, axis=0) / 3 - np.mean(z)
    return np.sum(-s / (1 + s * s)) - np.mean(np.abs(z) * (z > 0))


def chosen(w, x):
    z = x @ w
    return np.sum(np.where(z > 0, z, z * 0.5) - (1 - (2 - z)) ** 2)


def bounded(w, x):
    return np.sum(cp.relu(x @ w) / np.exp(x @ w)) + 1 / np.sum(np.square(w))


CASES = [
    (readme, (W, B, X, Y)),
    (two_layers, (W, B, V, X, Y)),
    (by_axes, (W, X)),
    (chosen, (W, X)),
    (bounded, (W, X)),
]

NAMESPACE = {
    **{
        name: getattr(np, name)
        for name in ("sum", "mean", "exp", "tanh", "where", "sign", "transpose", "log")
    },
    "sigmoid": cp.sigmoid,
    "relu": cp.relu,
    "reshape": lambda a, shape: np.reshape(a, shape),
    "broadcast": lambda a, shape: np.broadcast_to(a, shape),
    "astype": lambda a, dtype: np.asarray(a).astype(float),
    "bool": bool,
    "float64": float,
}


def python(line):
    """Return a line as Python: only signs that Python lacks are replaced. Constants have six digits."""
    line = re.sub(r"∂(\w+)/∂(\w+)", r"d_\2", line)
    line = re.sub(r"\|([^|]*)\|", r"abs(\1)", line)
    return line.replace("·", "*").replace("²", "**2").replace("ᵀ", ".T")


def evaluated(text, given):
    values = dict(given)
    for line in text.splitlines()[1:]:
        if line.startswith("backward"):
            continue
        equation, shape = re.fullmatch(r"  (.*\S)\s+(\[[\d,]*\])", line).groups()
        name, _, expression = python(equation).partition(" = ")
        value = np.asarray(eval(expression, dict(NAMESPACE), values))  # what we printed
        size = tuple(int(n) for n in shape[1:-1].split(",") if n)
        values[name] = np.broadcast_to(value, size)
    return values


@pytest.mark.parametrize(("function", "args"), CASES, ids=lambda v: getattr(v, "__name__", ""))
def test_printed_equations_evaluate_to_the_value_and_the_gradient(function, args):
    names = function.__code__.co_varnames[: len(args)]
    text = cp.show(function, *args, level="equations")
    values = evaluated(text, zip(names, args, strict=True))
    np.testing.assert_allclose(values["L"], function(*args), rtol=1e-12)
    for n, name in enumerate(names):
        gradient = cp.grad(function, argnums=n)(*args)
        np.testing.assert_allclose(values[f"d_{name}"], gradient, rtol=1e-5, atol=1e-12, err_msg=text)


def test_names_are_the_users_and_short_values_are_folded():
    lines = cp.show(readme, W, B, X, Y, level="equations").splitlines()
    assert lines[0] == "readme(w: f64[3,2], b: f64[2], x: f64[4,3], y: f64[4,2])"
    assert re.fullmatch(r"  z = x @ w \+ b +\[4,2\]", lines[1])
    assert any(line.strip().startswith("∂L/∂z = ") for line in lines)
    assert any("∂L/∂w = xᵀ @ ∂L/∂z" in line for line in lines)
    assert max(map(len, lines)) < 80


def test_names_that_come_again_are_numbered():
    def deep(x):
        h = x
        for _ in range(2):
            h = np.tanh(h @ x)
            h = h + 1
        return np.sum(h)

    text = cp.show(deep, X[:3], level="equations")
    assert [name for name in re.findall(r"^  (\w+) = ", text, re.M) if name.startswith("h")] == [
        "h",
        "h2",
        "h3",
        "h4",
    ]


def test_a_vector_output_starts_from_its_error():
    text = cp.show(lambda x: np.exp(x) * 2, X, level="equations")
    assert "backward, from ∂L/∂y: f64[4,3]" in text
    assert "∂L/∂x = ∂L/∂y · 2" in text


def test_several_outputs_and_integers_have_no_backward_pass():
    assert "backward" not in cp.show(lambda x: (x + 1, x * 2), X, level="equations")
    assert "backward" not in cp.show(lambda x: np.argmax(x), X, level="equations")


def test_a_jitted_function_prints_as_the_function():
    assert cp.show(cp.jit(readme), W, B, X, Y, level="equations") == cp.show(
        readme, W, B, X, Y, level="equations"
    )


def test_the_training_step_prints_its_update():
    model = cp.nn.MLP(3, (4,), 1, rng=0)
    data = (X.astype(np.float32), Y[:, :1].astype(np.float32))
    settings = {"loss": cp.losses.mean_squared_error, "optimizer": cp.optim.SGD(0.1), "batch_size": 4}
    text = cp.show(cp.fit, model, data, **settings, level="equations")
    assert "relu(x @ layers.0.weight + layers.0.bias)" in text
    assert "    layers.0.weight - " in text
