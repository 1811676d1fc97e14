"""Losses: laws that run over the rows of loss_cases.py, laws between losses, and errors."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import clearprop as cp
from clearprop import losses
from clearprop.core.errors import ClearpropError, DataError, DTypeError, ShapeError
from clearprop.core.interpret import interpret
from clearprop.losses import (
    cross_entropy,
    half_squared_error,
    hinge,
    huber,
    kl_divergence,
    log_loss,
    mean_squared_error,
    poisson,
)
from loss_cases import CASES, COUNTS, EXTREMES, LABELS, ONE_HOT, SIGNS, A, B, Case, D, P, Q, R, V, Y, entropy

case_law = pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)


def close(actual: Any, expected: Any, rtol: float = 1e-12, atol: float = 1e-14) -> None:
    assert np.shape(actual) == np.shape(expected)
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=atol)


def test_every_loss_has_a_row() -> None:
    tested = {c.loss.func if isinstance(c.loss, partial) else c.loss for c in CASES}
    assert tested == {getattr(losses, name) for name in losses.__all__}


@case_law
def test_value(case: Case) -> None:
    total = case.each.size if case.total is None else case.total
    close(case.loss(case.prediction, case.target, reduction="none"), case.each)
    close(case.loss(case.prediction, case.target, reduction="sum"), case.each.sum())
    close(case.loss(case.prediction, case.target), case.each.sum() / total)
    if case.torch is not None:
        close(case.loss(case.prediction, case.target), case.torch)


@case_law
def test_slope(case: Case) -> None:
    total = case.each.size if case.total is None else case.total
    close(cp.grad(partial(case.loss, reduction="sum"))(case.prediction, case.target), case.slope)
    close(cp.grad(case.loss)(case.prediction, case.target), case.slope / total)


@case_law
def test_derivatives_of_two_orders_in_two_modes(case: Case) -> None:
    cp.check_grads(lambda a: case.loss(a, case.target, reduction="none"), (case.prediction,))


@case_law
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_dtype_is_the_predictions(case: Case, dtype: type, reduction: str) -> None:
    def loss(a: Any) -> Any:
        weight = np.ones(len(case.prediction))
        return case.loss(a, case.target, sample_weight=weight, reduction=reduction)

    prediction = case.prediction.astype(dtype)
    assert loss(prediction).dtype == dtype
    assert cp.grad(lambda a: np.sum(loss(a)))(prediction).dtype == dtype
    assert cp.make_graph(loss)(prediction).outputs[0].type.dtype == dtype


@case_law
def test_traced_in_all_arguments(case: Case) -> None:
    def loss(a: Any, y: Any, w: Any) -> Any:
        return case.loss(a, y, sample_weight=w)

    args = case.prediction, case.target, np.arange(len(case.prediction))
    close(interpret(cp.make_graph(loss)(*args), args)[0], loss(*args))


# ---- weights

some_weights = st.lists(st.integers(0, 3), min_size=4, max_size=4)


@case_law
@settings(max_examples=15, deadline=None)
@given(weights=some_weights)
def test_an_integer_weight_repeats_the_sample(case: Case, weights: list[int]) -> None:
    weights = weights[: len(case.prediction)]
    repeated = np.repeat(case.prediction, weights, axis=0), np.repeat(case.target, weights, axis=0)
    for reduction in ("sum", "mean") if any(weights) else ("sum",):
        loss = partial(case.loss, reduction=reduction)
        close(loss(case.prediction, case.target, sample_weight=weights), loss(*repeated), atol=1e-12)


@case_law
def test_a_batch_without_weight_has_no_loss_and_no_slope(case: Case) -> None:
    loss = partial(case.loss, sample_weight=np.zeros(len(case.prediction)))
    assert loss(case.prediction, case.target) == 0
    close(cp.grad(loss)(case.prediction, case.target), np.zeros_like(case.prediction))


@case_law
@pytest.mark.filterwarnings("ignore:invalid value")  # NumPy's, of max(NaN)
def test_what_has_no_weight_cannot_spoil_the_rest(case: Case) -> None:
    weights = np.arange(len(case.prediction))
    spoilt = case.prediction.copy()
    spoilt[0] = np.nan
    loss = partial(case.loss, sample_weight=weights)
    close(loss(spoilt, case.target), loss(case.prediction, case.target))
    close(cp.grad(loss)(spoilt, case.target), cp.grad(loss)(case.prediction, case.target))


@case_law
def test_the_slope_in_a_weight_is_its_sample_s_loss(case: Case) -> None:
    def total(w: Any) -> Any:
        return case.loss(case.prediction, case.target, sample_weight=w, reduction="sum")

    each = case.each.reshape(len(case.prediction), -1).sum(1)
    for w in (np.zeros(len(each)), np.ones(len(each))):  # at 0 too: samples are re-weighted from there
        close(cp.grad(total)(w), each)


def test_one_weight_an_element() -> None:
    w = np.arange(12.0).reshape(4, 3)
    close(mean_squared_error(A, Y, sample_weight=w), (w * D**2).sum() / w.sum())
    close(mean_squared_error(3.0, 1.0, sample_weight=5.0), 4.0)
    sequence, labels = A.reshape(2, 2, 3), LABELS.reshape(2, 2)
    each = cross_entropy(A, LABELS, reduction="none")
    close(cross_entropy(sequence, labels, sample_weight=[[1, 0], [0, 2]]), (each[0] + 2 * each[3]) / 3)
    close(cross_entropy(sequence, labels, sample_weight=[1, 0]), (each[0] + each[1]) / 2)


def test_class_weights_of_zero_leave_classes_out() -> None:
    close(cross_entropy(A, LABELS, class_weight=[0, 0, 2]), cross_entropy(A[:1], LABELS[:1]))
    assert cross_entropy(A, np.ones(4, int), class_weight=[1, 0, 1]) == 0


# ---- extreme inputs and kinks


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("row", EXTREMES)
def test_extremes_and_kinks(row: str, dtype: type) -> None:
    loss, prediction, target, each, slope = EXTREMES[row]
    a, y = np.array(prediction, dtype), np.array(target)
    rtol = 1e-6 if dtype is np.float32 else 1e-13
    close(loss(a, y, reduction="none"), each, rtol, atol=0)
    close(cp.grad(partial(loss, reduction="sum"))(a, y), slope, rtol, atol=0)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_certain_and_wrong_is_the_logarithm_of_the_smallest_normal_number(dtype: type) -> None:
    most = -np.log(np.finfo(dtype).tiny)
    for loss, p, y in [
        (log_loss, [0, 1], [1, 0]),
        (cross_entropy, [[0, 1], [1, 0]], [0, 1]),
        (kl_divergence, [[0, 1], [1, 0]], [[1, 0], [0, 1]]),
    ]:
        certain = partial(loss, from_logits=False)
        p, y = np.array(p, dtype), np.array(y)
        close(certain(p, y, reduction="none"), [most, most], rtol=1e-3)
        slope = cp.grad(certain)(p, y)
        assert np.all(slope[0] == 0)


def test_second_derivatives_where_branches_meet() -> None:
    assert cp.hessian(log_loss)(np.zeros(1), np.ones(1)) == 0.25
    assert cp.hessian(huber)(np.zeros(1), np.zeros(1)) == 1
    assert cp.hessian(huber)(np.ones(1), np.zeros(1)) == 1


# ---- laws between losses

SOFT = partial(cross_entropy, class_weight=V, label_smoothing=0.2, sample_weight=[1, 2, 0, 3])
EQUALS = {
    "labels are one-hot probabilities": lambda z: (SOFT(z, LABELS), SOFT(z, ONE_HOT)),
    "probabilities are softmax of logits": lambda z: (SOFT(z, Q), SOFT(cp.softmax(z), Q, from_logits=False)),
    "log-probabilities are logits": lambda z: (kl_divergence(z, Q), kl_divergence(cp.log_softmax(z), Q)),
    "divergence is cross-entropy less entropy": lambda z: (
        kl_divergence(z, Q),
        cross_entropy(z, Q) - np.mean(entropy(Q, Q)),
    ),
    "log-loss is cross-entropy of two classes": lambda z: (
        log_loss(z[:, 0], LABELS > 0),
        cross_entropy(np.stack([np.zeros(4), z[:, 0]], -1), LABELS > 0),
    ),
    "sigmoid of logits": lambda z: (log_loss(z, B), log_loss(cp.sigmoid(z), B, from_logits=False)),
    "hinge of two classes": lambda z: (
        hinge(z[:, 1] - z[:, 0], LABELS > 0),
        hinge(z[:, :2], LABELS > 0, kind="weston-watkins"),
    ),
    "hinges agree on two classes": lambda z: (
        hinge(z[:, :2], LABELS > 0, kind="weston-watkins"),
        hinge(z[:, :2], LABELS > 0, kind="crammer-singer"),
    ),
    "rates are exponentials": lambda z: (
        poisson(z, COUNTS),
        poisson(np.exp(z), COUNTS, log_input=False, eps=1e-300),
    ),
    "halves": lambda z: (half_squared_error(z, Y), 1.5 * mean_squared_error(z, Y)),
    "huber with a wide delta": lambda z: (huber(z, Y, delta=1e9), 0.5 * mean_squared_error(z, Y)),
}


@pytest.mark.parametrize("law", EQUALS)
def test_equal_losses_and_slopes(law: str) -> None:
    z = np.random.default_rng(0).normal(size=(4, 3))
    left, right = EQUALS[law](z)
    close(left, right)
    close(*(cp.grad(lambda z, side=side: EQUALS[law](z)[side])(z) for side in (0, 1)))


# ---- errors: known of traced values too, then known of arrays alone

ONES = np.ones(4)
KINDS_OF_ERRORS = [
    (mean_squared_error, (A[:, :1], ONES), ShapeError, r"f64\[4,1\], f64\[4\].*prediction\[\.\.\., 0\]"),
    (log_loss, (ONES, ONES[:, None]), ShapeError, r"target\[\.\.\., 0\]"),
    (huber, (A, Y[:1]), ShapeError, "same shape"),
    (half_squared_error, (A, LABELS), ShapeError, r"cp\.one_hot\(target, 3\)"),
    (kl_divergence, (A, LABELS), ShapeError, "cross_entropy"),
    (hinge, (A, LABELS), ShapeError, "kind='weston-watkins'"),
    (cross_entropy, (A, LABELS[:, None]), ShapeError, r"target\[\.\.\., 0\]"),
    (cross_entropy, (A, Q[:, :2]), ShapeError, "the target has 2 classes, the prediction 3"),
    (cross_entropy, (A, LABELS[:2]), ShapeError, r"labels of shape \[4\] or probabilities of shape \[4,3\]"),
    (cross_entropy, (np.zeros((4, 3, 5)), np.zeros((4, 5), int)), ShapeError, r"np\.moveaxis"),
    (cross_entropy, (A[:, :1], LABELS), ShapeError, "log_loss"),
    (cross_entropy, (ONES, LABELS), ShapeError, "log_loss"),
    (cross_entropy, (A, LABELS.astype(float)), DTypeError, r"target\.astype\(int\)"),
    (partial(hinge, kind="crammer-singer"), (A, LABELS.astype(float)), DTypeError, r"target\.astype\(int\)"),
    (partial(hinge, kind="weston-watkins"), (A, ONE_HOT), ShapeError, r"np\.argmax\(target, axis=-1\)"),
    (partial(cross_entropy, class_weight=[1, 2]), (A, LABELS), ShapeError, "3 classes"),
    (partial(mean_squared_error, sample_weight=ONES[:3]), (A, Y), ShapeError, r"shape \[4\], or one a loss"),
    (partial(cross_entropy, sample_weight=ONES[:, None]), (A, LABELS), ShapeError, r"shape \[4\]$"),
    (partial(huber, sample_weight=2.0), (A, Y), ShapeError, "one weight a sample"),
    (poisson, (A[:0], COUNTS[:0]), ShapeError, "no samples"),
    (partial(huber, reduction="average"), (A, Y), ClearpropError, "'mean', 'sum', 'none'"),
    (partial(hinge, kind="ovr"), (A, SIGNS), ClearpropError, "'binary', 'weston-watkins', 'crammer-singer'"),
    (partial(huber, delta=0), (A, Y), ClearpropError, "greater than 0"),
    (partial(poisson, eps=0, log_input=False), (P, COUNTS), ClearpropError, "greater than 0"),
    (partial(cross_entropy, label_smoothing=1.5), (A, LABELS), ClearpropError, "from 0 to 1"),
    (cross_entropy, (A, np.array(list("abca"))), DTypeError, "categories"),
    (cross_entropy, (A, LABELS + 1), DataError, "label 3.*3 classes"),
    (cross_entropy, (A, LABELS - 1), DataError, "label -1"),
    (partial(hinge, kind="weston-watkins"), (A, LABELS + 2), DataError, "label 4"),
    (cross_entropy, (A, SIGNS), DataError, r"-1.*\[0, 1\]"),
    (cross_entropy, (A, np.ones((4, 3), int)), DataError, "sum 3.*log_loss"),
    (kl_divergence, (A, np.log(R)), DataError, "softmax"),
    (log_loss, (A, SIGNS), DataError, r"\(target \+ 1\) / 2"),
    (hinge, (A, COUNTS), DataError, "holds 0, 1, 2, 3, 4; of more"),
    (hinge, (A[:, 0], np.array([-1, 0, 1, 1])), DataError, "-1, 0, 1"),
    (poisson, (A, SIGNS), DataError, "counts"),
]
OF_PREDICTIONS = [
    (partial(log_loss, from_logits=False), (A, B), DataError, "from_logits=True"),
    (partial(cross_entropy, from_logits=False), (A, LABELS), DataError, "from_logits=True"),
    (partial(cross_entropy, from_logits=False), (P, LABELS), DataError, "sum 1.6"),
    (partial(poisson, log_input=False), (A, COUNTS), DataError, "log_input=True"),
]


@pytest.mark.parametrize(("loss", "args", "error", "words"), KINDS_OF_ERRORS + OF_PREDICTIONS)
def test_errors(loss: Any, args: Any, error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        loss(*args)


@pytest.mark.parametrize(("loss", "args", "error", "words"), KINDS_OF_ERRORS)
def test_errors_while_tracing(loss: Any, args: Any, error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        cp.make_graph(lambda a: loss(a, args[1]))(args[0])


def test_integer_predictions_are_computed_in_float64() -> None:
    close(mean_squared_error([1, 2], [0.5, 4]), 2.125)
    assert poisson(np.zeros(2, np.float32), [1, 0], reduction="sum").dtype == np.float32
    assert mean_squared_error(A[:0], Y[:0], reduction="sum") == 0
