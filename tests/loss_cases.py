"""The rows of test_losses.py: one a loss and variant, and extreme inputs with what they must give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from clearprop.losses import (
    cross_entropy,
    half_squared_error,
    hinge,
    huber,
    kl_divergence,
    log_loss,
    mean_absolute_error,
    mean_squared_error,
    poisson,
)

A = np.array([[0.5, -1.25, 2.0], [-0.75, 0.0, -3.0], [1.5, 0.25, -0.5], [0.75, -2.0, 1.0]])
Y = np.array([[1.0, -1.0, 0.5], [0.25, 0.75, -1.0], [1.25, 3.0, -0.75], [-0.5, -2.25, 1.5]])
B = np.array([[1, 0, 0.25], [0, 1, 0.75], [1, 1, 0], [0, 0, 0.5]])
P = np.array([[0.2, 0.9, 0.5], [0.35, 0.6, 0.15], [0.8, 0.4, 0.3], [0.1, 0.25, 0.75]])
Q = np.array([[0.2, 0.5, 0.3], [1.0, 0.0, 0.0], [0.25, 0.25, 0.5], [0.0, 0.9, 0.1]])
R = np.array([[0.3, 0.3, 0.4], [0.8, 0.1, 0.1], [0.5, 0.25, 0.25], [0.1, 0.8, 0.1]])
LABELS = np.array([2, 0, 1, 0])
COUNTS = np.array([[0, 1, 2], [3, 0, 5], [1, 2, 0], [4, 1, 1]])
SIGNS = np.array([[1, -1, 1], [-1, 1, -1], [1, 1, -1], [-1, -1, -1]])
V = np.array([0.5, 2.0, 1.25])
ONE_HOT = np.eye(3)[LABELS]


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def softmax(z: np.ndarray) -> np.ndarray:
    return np.exp(z) / np.exp(z).sum(-1, keepdims=True)


def entropy(q: np.ndarray, p: np.ndarray, v: Any = 1.0) -> np.ndarray:
    """−Σ_c v_c q_c log p_c, row by row."""
    return np.array(
        [
            -sum(b * c * np.log(a) for a, b, c in zip(*r, strict=True) if b)
            for r in zip(p, q, v * np.ones_like(q), strict=True)
        ]
    )


def smooth(q: np.ndarray) -> np.ndarray:
    return 0.9 * q + 0.1 / 3


def weighted_slope(z: np.ndarray, q: np.ndarray) -> np.ndarray:
    """The slope of −Σ_c v_c q_c log softmax(z)_c."""
    return softmax(z) * (V * q).sum(-1, keepdims=True) - V * q


def excess(s: np.ndarray, m: float = 1.0) -> np.ndarray:
    """max(0, m + s_j − s_y) of the wrong classes j, 0 of the right one."""
    right = s[np.arange(len(s)), LABELS][:, None]
    return np.maximum(0, m + s - right) * (1 - ONE_HOT)


def through_right(slopes: np.ndarray) -> np.ndarray:
    """Slopes of the wrong scores, completed: each falls to the right score with the other sign."""
    return slopes - ONE_HOT * slopes.sum(-1, keepdims=True)


def worst(e: np.ndarray) -> np.ndarray:
    return np.eye(3)[e.argmax(-1)] * (e > 0)


def stirling(y: np.ndarray) -> np.ndarray:
    k = np.maximum(y, 2)
    return np.where(y > 1, k * np.log(k) - k + 0.5 * np.log(2 * np.pi * k), 0)


@dataclass(frozen=True)
class Case:
    name: str
    loss: Callable[..., Any]
    prediction: np.ndarray
    target: np.ndarray
    each: np.ndarray
    """The losses, by a formula of their own."""
    slope: np.ndarray
    """The gradient of their sum."""
    torch: float | None = None
    """What PyTorch 2.13.0 gives in float64 for the call in source, with F = torch.nn.functional."""
    source: str = ""
    total: float | None = None
    """What the mean divides by, if not the number of losses."""


D = A - Y
SIGNED = SIGNS * A
CASES = [
    Case("mean_squared_error", mean_squared_error, A, Y, D**2, 2 * D, 1.4739583333333333, "F.mse_loss(a, y)"),
    Case("half_squared_error", half_squared_error, A, Y, 0.5 * (D**2).sum(1), D),
    Case("half_squared_error 1-d", half_squared_error, A[0], Y[0], 0.5 * D[0] ** 2, D[0]),
    Case("mean_absolute_error", mean_absolute_error, A, Y, abs(D), np.sign(D), 0.9375, "F.l1_loss(a, y)"),
    Case(
        "huber",
        partial(huber, delta=0.6),
        *(A, Y),
        np.where(abs(D) <= 0.6, D**2 / 2, 0.6 * (abs(D) - 0.3)),
        np.clip(D, -0.6, 0.6),
        *(0.40375, "F.huber_loss(a, y, delta=0.6)"),
    ),
    Case(
        "poisson",
        poisson,
        *(A, COUNTS, np.exp(A) - COUNTS * A, np.exp(A) - COUNTS),
        *(2.7241081718872184, "F.poisson_nll_loss(a, c)"),
    ),
    Case(
        "poisson full",
        partial(poisson, full=True),
        *(A, COUNTS, np.exp(A) - COUNTS * A + stirling(COUNTS), np.exp(A) - COUNTS),
        *(3.6404252321029293, "F.poisson_nll_loss(a, c, full=True)"),
    ),
    Case(
        "poisson rates",
        partial(poisson, log_input=False),
        *(P, COUNTS, P - COUNTS * np.log(P + 1e-8), 1 - COUNTS / (P + 1e-8)),
        *(2.697230167443459, "F.poisson_nll_loss(p, c, log_input=False)"),
    ),
    Case(
        "log_loss",
        log_loss,
        *(A, B, -B * np.log(sigmoid(A)) - (1 - B) * np.log(1 - sigmoid(A)), sigmoid(A) - B),
        *(0.7550025001279032, "F.binary_cross_entropy_with_logits(a, b)"),
    ),
    Case(
        "log_loss 1-d",
        log_loss,
        A[0],
        B[0] > 0,
        np.log1p(np.exp(-A[0] * [1, -1, 1])),
        sigmoid(A[0]) - (B[0] > 0),
    ),
    Case(
        "log_loss probabilities",
        partial(log_loss, from_logits=False),
        *(P, B, -B * np.log(P) - (1 - B) * np.log(1 - P), (P - B) / (P * (1 - P))),
        *(0.811365706575661, "F.binary_cross_entropy(p, b)"),
    ),
    Case(
        "cross_entropy",
        cross_entropy,
        *(A, LABELS, entropy(ONE_HOT, softmax(A)), softmax(A) - ONE_HOT),
        *(0.9645610095120314, "F.cross_entropy(a, l)"),
    ),
    Case(
        "cross_entropy to probabilities",
        cross_entropy,
        *(A, Q, entropy(Q, softmax(A)), softmax(A) - Q),
        *(2.0739360095120314, "F.cross_entropy(a, q)"),
    ),
    Case(
        "cross_entropy on two axes",
        cross_entropy,
        *(A.reshape(2, 2, 3), LABELS.reshape(2, 2).astype(np.uint8)),
        entropy(ONE_HOT, softmax(A)).reshape(2, 2),
        (softmax(A) - ONE_HOT).reshape(2, 2, 3),
    ),
    Case(
        "cross_entropy class_weight",
        partial(cross_entropy, class_weight=V),
        *(A, LABELS, entropy(ONE_HOT, softmax(A), V), weighted_slope(A, ONE_HOT)),
        *(1.060356776954068, "F.cross_entropy(a, l, weight=v)", V[LABELS].sum()),
    ),
    Case(
        "cross_entropy to probabilities class_weight",
        partial(cross_entropy, class_weight=V),
        *(A, Q, entropy(Q, softmax(A), V), weighted_slope(A, Q)),
        *(
            13.20494255479788 / (Q @ V).sum(),
            "F.cross_entropy(a, q, weight=v, reduction='sum')",
            (Q @ V).sum(),
        ),
    ),
    Case(
        "cross_entropy label_smoothing",
        partial(cross_entropy, label_smoothing=0.1),
        *(A, LABELS, entropy(smooth(ONE_HOT), softmax(A)), softmax(A) - smooth(ONE_HOT)),
        *(1.0333110095120315, "F.cross_entropy(a, l, label_smoothing=0.1)"),
    ),
    Case(
        "cross_entropy to probabilities label_smoothing",
        partial(cross_entropy, label_smoothing=0.1),
        *(A, Q, entropy(smooth(Q), softmax(A)), softmax(A) - smooth(Q)),
        *(2.0317485095120316, "F.cross_entropy(a, q, label_smoothing=0.1)"),
    ),
    Case(
        "cross_entropy class_weight label_smoothing",
        partial(cross_entropy, class_weight=V, label_smoothing=0.1),
        *(A, LABELS, entropy(smooth(ONE_HOT), softmax(A), V), weighted_slope(A, smooth(ONE_HOT))),
        *(1.178092982730665, "F.cross_entropy(a, l, weight=v, label_smoothing=0.1)", V[LABELS].sum()),
    ),
    Case(
        "cross_entropy probabilities",
        partial(cross_entropy, from_logits=False),
        *(R, LABELS, entropy(ONE_HOT, R), -ONE_HOT / R),
        *(1.2070784343255752, "F.nll_loss(torch.log(r), l)"),
    ),
    Case(
        "kl_divergence",
        kl_divergence,
        *(A, Q, entropy(Q, softmax(A)) - entropy(Q, Q), softmax(A) - Q),
        *(1.4753218199380467, "F.kl_div(torch.log_softmax(a, -1), q, reduction='batchmean')"),
    ),
    Case(
        "kl_divergence probabilities",
        partial(kl_divergence, from_logits=False),
        *(R, Q, entropy(Q, R) - entropy(Q, Q), -Q / R),
        *(0.14761256176769233, "F.kl_div(torch.log(r), q, reduction='batchmean')"),
    ),
    Case("hinge", hinge, A, SIGNS, np.maximum(0, 1 - SIGNED), -SIGNS * (SIGNED < 1)),
    Case("hinge 0 and 1", hinge, A, SIGNS > 0, np.maximum(0, 1 - SIGNED), -SIGNS * (SIGNED < 1)),
    Case(
        "hinge squared",
        partial(hinge, squared=True, margin=0.7),
        *(A, SIGNS, np.maximum(0, 0.7 - SIGNED) ** 2, -2 * SIGNS * np.maximum(0, 0.7 - SIGNED)),
    ),
    Case(
        "hinge weston-watkins",
        partial(hinge, kind="weston-watkins"),
        *(A, LABELS, excess(A).sum(1), through_right(1.0 * (excess(A) > 0))),
        *(1.375, "3 * F.multi_margin_loss(a, l)"),
    ),
    Case(
        "hinge weston-watkins margin",
        partial(hinge, kind="weston-watkins", margin=0.5),
        *(A, LABELS, excess(A, 0.5).sum(1), through_right(1.0 * (excess(A, 0.5) > 0))),
        *(0.9375, "3 * F.multi_margin_loss(a, l, margin=0.5)"),
    ),
    Case(
        "hinge weston-watkins squared",
        partial(hinge, kind="weston-watkins", squared=True),
        *(A, LABELS, (excess(A) ** 2).sum(1), through_right(2 * excess(A))),
        *(2.4375, "3 * F.multi_margin_loss(a, l, p=2)"),
    ),
    Case(
        "hinge crammer-singer",
        partial(hinge, kind="crammer-singer"),
        *(A, LABELS, excess(A).max(1), through_right(worst(excess(A)))),
    ),
    Case(
        "hinge crammer-singer squared",
        partial(hinge, kind="crammer-singer", squared=True, margin=0.5),
        *(A, LABELS, excess(A, 0.5).max(1) ** 2, through_right(2 * worst(excess(A, 0.5)) * excess(A, 0.5))),
    ),
]

# ---- extreme inputs and kinks: prediction, target, losses, slope of their sum

e40 = np.exp(-40.0)
EXTREMES = {
    "log_loss": (log_loss, [1e4, 1e4, -1e4, -1e4], [1, 0, 1, 0], [0, 1e4, 1e4, 0], [0, 1, -1, 0]),
    "log_loss nearly right": (log_loss, [40, -40], [1, 0], [e40, e40], [-e40, e40]),
    "log_loss undecided": (log_loss, [0, 0], [1, 0.25], [np.log(2), np.log(2)], [-0.5, 0.25]),
    "log_loss probabilities": (
        partial(log_loss, from_logits=False),
        *([0, 1, 1e-30, 1e-30], [0, 1, 0, 1], [0, 0, 1e-30, 30 * np.log(10)], [1, -1, 1, -1e30]),
    ),
    "cross_entropy": (
        cross_entropy,
        *([[1e4, -1e4, 0]] * 3, [0, 1, 2], [0, 2e4, 1e4], [[0, 0, 0], [1, -1, 0], [1, 0, -1]]),
    ),
    "cross_entropy tie": (cross_entropy, [[1e4, 1e4]], [0], [np.log(2)], [[-0.5, 0.5]]),
    "cross_entropy forbidden class": (
        cross_entropy,
        [[0, 0, -np.inf]],
        [[0.5, 0.5, 0]],
        [np.log(2)],
        [[0, 0, 0]],
    ),
    "cross_entropy label_smoothing": (
        partial(cross_entropy, label_smoothing=0.5),
        *([[1e4, -1e4]], [0], [5e3], [[0.25, -0.25]]),
    ),
    "cross_entropy certain": (
        partial(cross_entropy, from_logits=False),
        *([[1, 0], [0, 1]], [[1, 0], [0, 1]], [0, 0], [[-1, 0], [0, -1]]),
    ),
    "kl_divergence": (kl_divergence, [[1e4, -1e4]], [[0.5, 0.5]], [1e4 - np.log(2)], [[0.5, -0.5]]),
    "kl_divergence certain": (kl_divergence, [[0, 0]], [[1, 0]], [np.log(2)], [[-0.5, 0.5]]),
    "mean_squared_error": (mean_squared_error, [1e4, 0], [-1e4, 0], [4e8, 0], [4e4, 0]),
    "mean_absolute_error": (mean_absolute_error, [1e4, 3, -1e4], [0, 3, 0], [1e4, 0, 1e4], [1, 0, -1]),
    "huber": (huber, [1e30, -1e4, 0, 1, -1], [0] * 5, [1e30, 9999.5, 0, 0.5, 0.5], [1, -1, 0, 1, -1]),
    "hinge": (hinge, [1e4, -1e4, 1, -1], [1, 1, 1, 0], [0, 10001, 0, 0], [0, -1, 0, 0]),
    "hinge squared": (partial(hinge, squared=True), [1, -1e4], [1, 1], [0, 10001.0**2], [0, -20002]),
    "weston-watkins": (
        partial(hinge, kind="weston-watkins"),
        *(
            [[1e4, -1e4, 0], [1, 0, 0], [0, 0, 0]],
            [1, 0, 2],
            [30002, 0, 2],
            [[1, -2, 1], [0, 0, 0], [1, 1, -2]],
        ),
    ),
    "crammer-singer": (
        partial(hinge, kind="crammer-singer"),
        *(
            [[1e4, -1e4, 0], [1, 0, 0], [0, 2, 2]],
            [1, 0, 0],
            [20001, 0, 3],
            [[1, -1, 0], [0, 0, 0], [-1, 0.5, 0.5]],
        ),
    ),
    "poisson": (poisson, [-1e4, 0], [2, 0], [2e4, 1], [-2, 1]),
    "poisson rates": (
        partial(poisson, log_input=False),
        *([0, 0], [0, 2], [0, 16 * np.log(10)], [1, 1 - 2e8]),
    ),
}
