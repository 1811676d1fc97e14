"""The path ledger: the paths from one element to the loss are all there, and they add up to its gradient."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import clearprop as cp
from cases import CASES, MOVED, Case, draw
from clearprop import nn
from clearprop.core.errors import DataError, SettingError, ShapeError
from clearprop.explanation.paths import edges, ledger

EPS = 1e-10

# ---- every operation


class Called(nn.Module):
    """A model of any function, whose parameters are its arguments."""

    args: tuple[Any, ...]
    function: Callable[..., Any]

    def __call__(self, x: Any) -> Any:
        results = [r for r in cp.tree.leaves(self.function(*self.args)) if r.dtype.kind == "f"]
        weighted = [np.sum(r * np.reshape(np.cos(np.arange(r.size)), r.shape)) for r in results]
        return x * sum(weighted)


def explained(case: Case) -> tuple[Any, list[str]]:
    words = case.inputs.split()
    args = draw(case.inputs)
    moved = [i for i, word in enumerate(words) if word[0] in MOVED]

    def function(*given: Any) -> Any:
        rest = iter(given)
        return case.function(*(next(rest) if i in moved else a for i, a in enumerate(args)))

    model = Called(args=tuple(args[i] for i in moved), function=function)
    e = cp.explain(model, lambda p, y: np.sum(p), np.ones((1, 1)), np.ones(1))
    return e, [f"args.{i}" for i in range(len(moved))]


DIFFERENTIABLE = [case for case in CASES if any(word[0] in MOVED for word in case.inputs.split())]


@pytest.mark.parametrize("detail", ledger.DETAILS)
@pytest.mark.parametrize("case", DIFFERENTIABLE, ids=repr)
def test_paths_through_every_operation_add_up(case: Case, detail: str) -> None:
    e, names = explained(case)
    for name in names:
        value = e.record.value(e.record.inputs[name])
        for index in [(0,) * value.ndim, tuple(n - 1 for n in value.shape)] if value.size else []:
            found = e.paths(name, index, k=5, detail=detail)
            assert abs(found.total - found.gradient) <= EPS * max(1, found.magnitude)
            if found.count - found.cut <= 200 and found.count:
                found = e.paths(name, index, k=None, detail=detail)
                assert found.complete
                assert abs(found.difference) <= EPS * max(1, found.magnitude)


# ---- networks


def classes(n: int, k: int) -> Any:
    return np.arange(n) * 7 % k


NETWORKS: dict[str, tuple[Any, Callable[..., Any], str]] = {
    "tanh, cross-entropy": (nn.MLP(3, (4, 3), 3, cp.tanh, rng=1), cp.losses.cross_entropy, "classes"),
    "relu, squares": (nn.MLP(3, (5,), 2, cp.relu, rng=2), cp.losses.mean_squared_error, "numbers"),
    "Maxout, half squares": (
        nn.Sequential((nn.Maxout(3, 4, 3, rng=3), nn.Dense(4, 2, rng=4))),
        cp.losses.half_squared_error,
        "numbers",
    ),
    "layer norm, gelu": (
        nn.Sequential((nn.Dense(3, 4, rng=5), nn.LayerNorm(4), cp.gelu, nn.Dense(4, 3, rng=6))),
        cp.losses.cross_entropy,
        "classes",
    ),
    "dropout, hinge": (
        nn.Sequential((nn.Dense(3, 6, cp.leaky_relu, rng=7), nn.Dropout(0.4), nn.Dense(6, 3, rng=8))),
        lambda p, y: cp.losses.hinge(p, y, kind="weston-watkins"),
        "classes",
    ),
    "crammer-singer": (
        nn.MLP(3, (4,), 3, cp.silu, rng=9),
        lambda p, y: cp.losses.hinge(p, y, kind="crammer-singer"),
        "classes",
    ),
    "sigmoid, log-loss": (nn.MLP(3, (4,), 1, cp.sigmoid, rng=10), cp.losses.log_loss, "yes or no"),
}


def network(name: str, n: int = 3) -> Any:
    model, loss, kind = NETWORKS[name]
    x = draw(f"f[{n},3]")[0]
    y = {
        "classes": classes(n, 3),
        "numbers": draw(f"f[{n},2]", seed="y")[0],
        "yes or no": classes(n, 2)[:, None],
    }
    return cp.explain(model, loss, x, y[kind], training=True, seed=3)


@pytest.mark.parametrize("detail", ledger.DETAILS)
@pytest.mark.parametrize("name", NETWORKS)
def test_paths_through_networks_add_up(name: str, detail: str) -> None:
    e = network(name)
    for leaf, var in e.record.inputs.items():
        for number in range(0, var.type.size, max(1, var.type.size // 3)):
            index = tuple(int(i) for i in np.unravel_index(number, var.type.shape))
            found = e.paths(leaf, index, k=7, detail=detail)
            assert abs(found.total - found.gradient) <= EPS * max(1e-3, found.magnitude)
            assert abs(found.difference) <= EPS * max(1e-3, found.magnitude)
            if 0 < found.count - found.cut <= 500:
                whole = e.paths(leaf, index, k=None, detail=detail)
                assert whole.complete
                assert len({(path.stops, path.product) for path in whole.paths}) == len(whole.paths)
                assert abs(whole.difference) <= EPS * max(1e-3, whole.magnitude)
                sizes = [abs(path.product) for path in whole.paths]
                assert sizes == sorted(sizes, reverse=True)
                assert [p.product for p in found.paths] == pytest.approx([p.product for p in whole.paths[:7]])
                assert sum(sizes) == pytest.approx(whole.magnitude)


def test_paths_of_a_dense_network_are_those_that_loops_find() -> None:
    e = network("tanh, cross-entropy")
    w = [e.record.value(e.record.inputs[f"layers.{i}.weight"]) for i in range(3)]
    x, one, two, three = e.record.x, *e.layers
    i, j = 1, 2
    products = [
        x[s, i]
        * (1 - one.a[s, j] ** 2)
        * w[1][j, m]
        * (1 - two.a[s, m] ** 2)
        * w[2][m, c]
        * three.delta[s, c]
        for s, m, c in itertools.product(range(3), range(3), range(3))
    ]
    found = e.paths("layers.0.weight", (i, j), k=None)
    assert found.count == len(products)
    expected = sorted(products, key=abs, reverse=True)
    np.testing.assert_allclose([path.product for path in found.paths], expected, rtol=1e-12)
    for path in found.paths:
        assert np.prod([factor.value for factor in path.factors]) == pytest.approx(path.product, rel=1e-12)
    assert found.paths[0].stops[0] == "W¹[1,2]"
    assert found.paths[0].stops[-1] == "L"


def test_an_inactive_unit_cuts_its_paths() -> None:
    model = nn.MLP(1, (2,), 1, weight=[[[1.0, -1.0]], [[2.0], [3.0]]], dtype=np.float64)
    e = cp.explain(model, cp.losses.half_squared_error, np.array([[1.0]]), np.array([[0.0]]))
    alive, dead = e.paths("layers.0.weight", (0, 0)), e.paths("layers.0.weight", (0, 1))
    assert (alive.count, alive.cut, alive.gradient) == (1, 0, 4.0)
    assert (dead.count, dead.cut, dead.gradient, dead.paths) == (1, 1, 0.0, ())
    assert "cut off by a factor of 0" in str(dead)


def test_what_no_path_reaches_has_the_gradient_zero() -> None:
    model = nn.Sequential((nn.Dense(1, 1, rng=0), cp.stop_gradient))
    e = cp.explain(model, cp.losses.half_squared_error, np.array([[1.0]]), np.array([[0.0]]))
    found = e.paths("layers.0.weight", (0, 0))
    assert (found.count, found.gradient, found.difference) == (0, 0.0, 0.0)
    assert "no path leads" in str(found)


def test_two_ways_to_the_same_neuron_are_one_step_in_layers_and_two_in_operations() -> None:
    e = cp.explain(lambda x: x * x, lambda p, y: np.sum(p), np.array([[3.0]]), np.zeros(1))
    assert [path.product for path in e.paths("x", (0, 0)).paths] == [6.0]
    assert [path.product for path in e.paths("x", (0, 0), detail="operations").paths] == [3.0, 3.0]


# ---- published figures, text, errors


def test_the_worked_example_of_two_by_two_by_two() -> None:
    examples = json.loads((Path(__file__).parent / "worked_examples.json").read_text())["examples"]
    example = next(e for e in examples if e["id"] == "mazur")
    given, published = example["inputs"], {c["name"]: c["derived"] for c in example["checks"]}
    model = nn.MLP(
        2, (2,), 2, cp.sigmoid, cp.sigmoid,
        weight=[np.transpose(given["W1"]), np.transpose(given["W2"])], bias=[given["b1"], given["b2"]],
        dtype=np.float64,
    )  # fmt: skip
    x, t = np.array([given["x"]]), np.array([given["t"]])
    e = cp.explain(model, cp.losses.half_squared_error, x, t)
    w5, w1 = e.paths("layers.1.weight", (0, 0)), e.paths("layers.0.weight", (0, 0))
    assert w5.total == pytest.approx(published["dE_dw5"], rel=1e-12)
    assert w1.total == pytest.approx(published["dE_dw1"], rel=1e-12)
    assert w1.count == 2
    means = [factor.means for factor in w1.paths[0].factors]
    assert means == ["x[0]", "sigmoid′(z¹[0])", "W²[0,0]", "sigmoid′(z²[0])", ""]
    text = str(w1)
    for figure in ("0.741365070", "0.186815602", "0.241300709", "-0.217071535", "+0.000438567734"):
        assert figure in text


def test_text_closes() -> None:
    text = str(network("tanh, cross-entropy").paths("layers.0.weight", (0, 0), k=5))
    assert "27 paths to the loss; the 5 largest" in text
    assert "the other 22 paths, together" in text
    assert text.count("→ L") == 5


@pytest.mark.parametrize(
    ("ask", "error", "words"),
    [
        (("layers.9.weight", (0, 0)), SettingError, "layers.0.weight"),
        (("layers.0.weight", (0,)), ShapeError, "2 indices"),
        (("layers.0.weight", (3, 0)), ShapeError, r"below \[3, 4\]"),
        (("layers.0.weight", (0, 0), 0), SettingError, "at least 1"),
        (("layers.0.weight", (0, 0), 3, "atoms"), SettingError, "'layers', 'operations'"),
    ],
)
def test_errors(ask: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        network("tanh, cross-entropy").paths(*ask)


def test_too_many_paths_are_not_all_written_down() -> None:
    e = cp.explain(
        nn.MLP(3, (150, 150), 3, cp.tanh), cp.losses.cross_entropy, np.ones((1, 3)), np.zeros(1, int)
    )
    e.paths("layers.1.weight", (0, 0), k=None)
    with pytest.raises(SettingError, match="largest"):
        cp.explain(
            nn.MLP(3, (150, 150, 150), 3, cp.tanh), cp.losses.cross_entropy, np.ones((1, 3)), np.zeros(1, int)
        ).paths("layers.0.weight", (0, 0), k=None)


def test_values_that_are_not_finite_have_no_ledger() -> None:
    e = cp.explain(lambda x: np.log(x), lambda p, y: np.sum(p), np.array([[0.0]]), np.zeros(1))
    with pytest.raises(DataError, match="not finite"):
        e.paths("x", (0, 0))


def test_a_wrong_partial_derivative_does_not_close(monkeypatch: pytest.MonkeyPatch) -> None:
    e, right = network("tanh, cross-entropy"), edges._partials
    monkeypatch.setattr(edges, "_partials", lambda *args: 1.001 * right(*args))
    found = e.paths("layers.0.weight", (0, 0))
    assert abs(found.total - found.gradient) > 1e-4 * abs(found.gradient)
