"""Losses whose formulas the textbooks print: the cost and its gradient, in symbols and in numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ... import losses
from ...ops.composite import softmax
from ...ops.special import sigmoid_of
from .notation import Fraction, Number, Part, Row, Sign, Symbol, row

Columns = np.ndarray[Any, Any]
"""float[outputs, samples]: each sample a column, as textbooks have it."""

_Y = Symbol("y")
_ALL = Row((Sign(" ", False), Symbol("Σ"), Sign(" ", False)))


@dataclass(frozen=True)
class Cost:
    """A loss as a formula.

    Attributes
    ----------
    value : callable
        Of the last layer's activations and the targets, both with samples as columns: C.
    symbols : callable
        The same in symbols: of Symbol aᴸ and the shape [outputs, samples].
    per : callable
        Of that shape: the numerator and the denominator of what (a − y) is multiplied by in ∇C.
    first : callable or None
        What is applied to the outputs first: softmax, of logits. Then ∇C is by the logits.
    first_symbol : str
        And its name.
    """

    value: Callable[[Columns, Columns], Any]
    symbols: Callable[[Symbol, tuple[int, int]], Part]
    per: Callable[[tuple[int, int]], tuple[int, int]]
    first: Callable[[Columns], Columns] | None = None
    first_symbol: str = ""

    def slope(self, p: Columns, y: Columns) -> Columns:
        """Return ∇C: p − y, times a number."""
        top, below = self.per(p.shape)
        return np.asarray(top * (p - y) / below)

    def slope_symbols(self, a: Symbol, shape: tuple[int, int]) -> Part:
        """Return ∇C in symbols."""
        return _minus(a, over(*self.per(shape)))


def over(top: int, n: int) -> Part | None:
    """Return top/n, and nothing for 1/1."""
    if n == 1:
        return None if top == 1 else Number(top)
    return Fraction(Number(top), Number(n))


def _sum(n: int) -> Part | None:
    return None if n == 1 else _ALL


def _difference(a: Symbol) -> tuple[Part, ...]:
    return (a, Sign("−"), _Y)


def _minus(a: Symbol, coefficient: Part | None) -> Row:
    inner = _difference(a)
    return (
        Row(inner)
        if coefficient is None
        else row(coefficient, Sign(" ", False), Sign("(", False), *inner, Sign(")", False))
    )


def _squared(a: Symbol) -> tuple[Part, ...]:
    bar, two = Sign("‖", around=False), Sign("²", around=False)
    return (bar, _Y, Sign("−"), a, bar, two)


def _half(a: Symbol, shape: tuple[int, int]) -> Row:
    n = shape[1]
    return row(Symbol("½") if n == 1 else Fraction(Number(1), Number(2 * n)), _sum(n), *_squared(a))


def _mean(a: Symbol, shape: tuple[int, int]) -> Row:
    return row(over(1, shape[0] * shape[1]), _sum(shape[1]), *_squared(a))


def _entropy(a: Symbol, shape: tuple[int, int]) -> Row:
    return row(Sign("−", False), over(1, shape[1]), _ALL, _Y, Sign("·"), Symbol("ln"), Sign(" ", False), a)


def _binary(a: Symbol, shape: tuple[int, int]) -> Row:
    one = Number(1)
    left, right = Sign("(", False), Sign(")", False)
    first = (_Y, Sign("·"), Symbol("ln"), Sign(" ", False), a)
    second = (left, one, Sign("−"), _Y, right, Sign("·"), Symbol("ln"), left, one, Sign("−"), a, right)
    return row(
        Sign("−", False),
        over(1, shape[0] * shape[1]),
        _ALL,
        left,
        *first,
        Sign("+"),
        *second,
        right,
    )


def _softmax(z: Columns) -> Columns:
    return np.asarray(softmax(z, axis=0))


def _log(p: Columns) -> Columns:
    return np.asarray(np.log(np.maximum(p, np.finfo(float).tiny)))


COSTS: dict[Callable[..., Any], Cost] = {
    losses.half_squared_error: Cost(
        lambda a, y: np.sum((a - y) ** 2) / 2 / a.shape[1], _half, lambda shape: (1, shape[1])
    ),
    losses.mean_squared_error: Cost(
        lambda a, y: np.sum((a - y) ** 2) / a.size, _mean, lambda shape: (2, shape[0] * shape[1])
    ),
    losses.cross_entropy: Cost(
        lambda p, y: -np.sum(y * _log(p)) / p.shape[1],
        _entropy,
        lambda shape: (1, shape[1]),
        _softmax,
        "softmax",
    ),
    losses.log_loss: Cost(
        lambda p, y: -np.sum(y * _log(p) + (1 - y) * _log(1 - p)) / p.size,
        _binary,
        lambda shape: (1, shape[0] * shape[1]),
        lambda z: np.asarray(sigmoid_of(z)),
        "σ",
    ),
}
"""Formulas of losses. None is printed before its numbers have been compared with those of the pass."""
