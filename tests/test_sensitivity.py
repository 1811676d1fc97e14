"""Sensitivity, Jacobians and integrated gradients: against real forward passes, formulas and completeness."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import clearprop as cp
from clearprop import losses, nn
from clearprop.core.errors import SettingError
from clearprop.explanation.answers import variants
from clearprop.nn.context import Context, apply
from test_blame import DENSE, PROBLEMS, Problem, centred, filled, sequence

SMOOTH = ["tanh", "sigmoid, sum", "layer norm", "dropout", "sequences", "one sample", "shared", "weights"]
FLOATS = [name for name in PROBLEMS if name != "embedding"]


def called(problem: Problem, seed: int) -> tuple[Any, Callable[[Any], Any]]:
    """Return the explanation, and the model as a function of x, with what dropout drops in this record."""
    model, x, y, kwargs = problem.made(seed)
    e = cp.explain(model, problem.loss, x, y, **kwargs)
    if problem.training:
        return e, lambda x: apply(model, x, Context(training=True, rng=kwargs["seed"]))
    return e, model


# ---- sensitivity


@pytest.mark.parametrize("name", FLOATS)
def test_nudges_are_real_forward_passes(name: str) -> None:
    e, model = called(PROBLEMS[name], 2)
    x, sample, eps = e.record.x, e.record.samples - 1, 1e-3
    for output in (None, 0):
        s = e.sensitivity(sample, output, eps)
        value = model(x)[(sample, *s.output)]
        assert s.value == pytest.approx(value, rel=1e-14)
        assert output == 0 or value == model(x)[sample].max()
        for i in np.ndindex(*x.shape[1:]):
            moved = x.copy()
            moved[(sample, *i)] += eps
            assert s.actual[i] == pytest.approx(model(moved)[(sample, *s.output)] - value, abs=1e-13)


@pytest.mark.parametrize("name", SMOOTH)
def test_what_slopes_foretell_misses_by_the_square_of_the_nudge(name: str) -> None:
    e = PROBLEMS[name].explained(2)
    for sample in range(e.record.samples):
        large, small = (e.sensitivity(sample, eps=eps) for eps in (1e-3, 1e-4))
        assert small.error <= 0.03 * large.error + 1e-12
        assert large.error_of_half == pytest.approx(large.error / 4, rel=0.05, abs=1e-10)
        assert replace(large, slope=large.slope * 1.01 + 0.01).error > 1e-6


def test_variants_share_forward_passes_only_where_rows_are_alike() -> None:
    for name, at_once in [("tanh", 6), ("dropout", 1), ("one sample", 1), ("sequences", 6)]:
        assert variants._at_once(PROBLEMS[name].explained(0).record, 0) == at_once, name
    mixed = Problem(sequence(nn.Dense(3, 4, cp.tanh), centred, DENSE)).explained(0)
    assert variants._at_once(mixed.record, 0) == 1
    assert mixed.sensitivity(1).error < 1e-4  # one sample moves, the others stay


def test_a_single_sample_without_an_axis() -> None:
    model = filled(nn.Dense(3, 2, cp.tanh), 0)
    x, y = np.array([0.5, -1.0, 2.0]), np.array([1.0, 0.0])
    e = cp.explain(model, losses.half_squared_error, x, y)
    slopes = np.array([cp.grad(lambda x, k=k: model(x)[k])(x) for k in range(2)])
    np.testing.assert_allclose(e.jacobian().value, slopes)
    best = int(np.argmax(model(x)))
    np.testing.assert_allclose(e.sensitivity().slope, slopes[best])
    assert e.integrated_gradients().closes
    np.testing.assert_allclose(e.sample_gradients("weight")[0], e.gradient("weight"))
    assert "from 1 sample" in str(e.samples("weight", (0, 1)))
    assert e.blame().error < 1e-13


def test_a_straight_line_says_so() -> None:
    e = cp.explain(nn.Dense(2, 1), losses.mean_squared_error, np.ones((2, 2)), np.ones((2, 1)))
    assert "rounding, as of a straight line" in str(e.sensitivity())


# ---- Jacobians


@pytest.mark.parametrize("name", FLOATS)
def test_jacobians_are_those_of_grad(name: str) -> None:
    e, model = called(PROBLEMS[name], 3)
    x, every = e.record.x, e.jacobian(sample=None)
    assert every.error < 1e-13
    for i in range(len(x)):
        one = e.jacobian(sample=i)
        assert one.error < 1e-13
        np.testing.assert_allclose(one.value, every.value[i], rtol=1e-12, atol=1e-15)
        for k in range(one.value.shape[0]):
            slope = cp.grad(lambda x, i=i, k=k: model(x)[i, k])(x)[i]
            np.testing.assert_allclose(one.value[k], slope, rtol=1e-12, atol=1e-15)


def test_jacobians_multiply_along_the_network() -> None:
    e = PROBLEMS["relu, deep"].explained(1)
    for i in range(e.record.samples):
        parts = [
            e.jacobian("prediction", "layers.1.a", i).value,
            e.jacobian("layers.1", "layers.1.z", i).value,
            e.jacobian("layers.1.z", "layers.0.a", i).value,
            e.jacobian("layers.0.a", "x", i).value,
        ]
        np.testing.assert_allclose(np.linalg.multi_dot(parts), e.jacobian(sample=i).value, atol=1e-14)
        np.testing.assert_allclose(parts[2], e["layers.1.weight"].value.T)


def test_jacobians_to_parameters() -> None:
    e = PROBLEMS["Maxout"].explained(1)
    for path in e.record.parameters:
        total = sum(
            np.tensordot(e.record.error(e.record.graph.outputs[1])[i], e.jacobian(to=path, sample=i).value, 1)
            for i in range(e.record.samples)
        )
        np.testing.assert_allclose(total, e.gradient(path), atol=1e-15)
        assert e.jacobian(to=path, sample=2).error < 1e-13


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (lambda e: e.jacobian("layers.0.a", "layers.1.a"), "no path leads from layers.1.a to layers.0.a"),
        (lambda e: e.jacobian(to="layers.7.a"), "no 'layers.7.a'"),
        (lambda e: e.jacobian(to="layers.0.weight", sample=None), "shared by all samples"),
        (lambda e: e.jacobian(sample=6), "there are 6 samples"),
        (lambda e: e.sensitivity(0, 2), "index of one number"),
        (lambda e: e.sensitivity(0, eps=0), "other than 0"),
        (lambda e: e.integrated_gradients(baseline=np.ones(4)), r"shape \[4\], and x \[6, 3\]"),
        (lambda e: e.integrated_gradients(steps=3), "at least 4"),
    ],
)
def test_refusals(asked: Callable[[Any], Any], says: str) -> None:
    with pytest.raises(SettingError, match=says):
        asked(PROBLEMS["tanh"].explained(0))


def test_symbols_cannot_be_moved_a_little() -> None:
    e = PROBLEMS["embedding"].explained(0)
    for asked in (e.sensitivity, e.integrated_gradients):
        with pytest.raises(SettingError, match="x holds int64"):
            asked()
    assert e.jacobian(to="layers.0.a", sample=None).value.shape == (6, 2, 2, 3)


# ---- integrated gradients


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("seed", range(3))
def test_integrated_gradients_are_complete(name: str, seed: int) -> None:
    e, model = called(PROBLEMS[name], seed)
    x, baseline = e.record.x, np.full(e.record.x.shape[1:], 0.25)
    found = e.integrated_gradients(baseline, steps=2048)
    assert found.closes
    rows = range(len(x))
    ends = [model(at)[rows, [o[0] for o in found.outputs]] for at in (x, np.broadcast_to(baseline, x.shape))]
    np.testing.assert_allclose(found.attributions.reshape(len(x), -1).sum(1), ends[0] - ends[1], atol=1e-4)
    np.testing.assert_allclose([found.value, found.value_at_baseline], ends)


def test_attributions_of_a_quadratic_form_are_known() -> None:
    """f = xᵀAx with A symmetric: along the line from 0, aⱼ = xⱼ·(Ax)ⱼ."""
    rng = np.random.default_rng(0)
    square = rng.normal(size=(3, 3))
    symmetric = square + square.T
    model = nn.Sequential((lambda x: np.sum((x @ symmetric) * x, axis=-1, keepdims=True),))
    x = rng.normal(size=(4, 3))
    found = cp.explain(model, losses.mean_squared_error, x, np.zeros((4, 1))).integrated_gradients()
    np.testing.assert_allclose(found.attributions, x * (x @ symmetric), rtol=1e-12, atol=1e-13)
    assert found.points == 4


def test_a_dull_input_gets_nothing_and_equal_ones_get_the_same() -> None:
    model = filled(nn.Dense(3, 2, cp.sigmoid), 1)
    model.weight[1] = 0
    model.weight[2] = model.weight[0]
    e = cp.explain(model, losses.mean_squared_error, np.array([[1.5, 2.0, 1.5]]), np.zeros((1, 2)))
    a = e.integrated_gradients(output=1).attributions[0]
    assert a[1] == 0
    assert a[0] == a[2] != 0


def test_kinks_are_found_by_halving() -> None:
    model = nn.Dense(1, 1, cp.relu, weight=[[1.0]], bias=[-0.3])
    e = cp.explain(model, losses.mean_squared_error, np.ones((1, 1)), np.zeros((1, 1)))
    found = e.integrated_gradients(steps=512)
    assert found.closes
    assert found.attributions[0, 0] == pytest.approx(0.7, rel=1e-5)
    few = e.integrated_gradients(steps=16)
    assert not few.closes
    assert "try more steps" in str(few)
    assert not replace(found, attributions=found.attributions * 1.001).closes


@pytest.mark.parametrize("name", FLOATS)
def test_everything_prints_within_100_columns(name: str) -> None:
    e = PROBLEMS[name].explained(1)
    for answer in (e.sensitivity(0), e.jacobian(), e.jacobian(to="x", sample=None), e.integrated_gradients()):
        assert max(map(len, str(answer).splitlines())) <= 100
