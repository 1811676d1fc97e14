"""Sums that are not complete stand where results go, unless what these are computed from is there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import clearprop as cp
from clearprop.compile import gemm
from clearprop.compile.blocking import Plan
from test_schedule import assert_right, floats

LONG = 1300  # terms: more than a tile goes through before it is put down


def layer(x: Any, w: Any, b: Any) -> Any:
    return cp.relu(x @ w + b)


def carried_back(x: Any, w: Any, v: Any) -> Any:
    """An error, of as many terms, that is written over the activations whose slope it needs."""
    h = cp.relu(x @ w)
    return (((h @ v) @ v.T) * (h > 0)) @ w.T


CASES: dict[str, Any] = {
    "a layer": (lambda *a: layer(layer(*a[:3]), *a[3:]), [(40, LONG), (LONG, 96), (96,), (96, 32), (32,)], {True}),
    "a layer whose sums are heavy": (lambda x, w, v: np.tanh(x @ w) @ v, [(40, LONG), (LONG, 96), (96, 9)], {True}),
    "in a batch": (lambda x, w, v: cp.relu(x @ w) @ v, [(3, 40, LONG), (3, LONG, 96), (3, 96, 9)], {True}),
    "over what is read": (carried_back, [(64, 20), (20, 80), (80, LONG)], {False}),
    "short": (layer, [(40, 60), (60, 70), (70,)], set()),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_numbers_are_right(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    function, shapes, expected = CASES[name]
    plans, original = list[Plan](), gemm.plan

    def plan(*args: Any) -> Plan:
        plans.append(original(*args))
        return plans[-1]

    monkeypatch.setattr(gemm, "plan", plan)
    assert_right(function, [floats(*shape, dtype=np.float32) / 8 for shape in shapes], rtol=1e-4)
    long = [p for p in plans if p.blocked and not p.direct]
    assert {p.lent and all(p.in_c(panels) for panels in p.panels) for p in long} == expected
