"""Which samples moved a weight, and which way: the gradient and the update, sample by sample, adding up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...api import jvp
from ...core import tree
from ..record import Record
from .by_sample import element_of, of_element
from .columns import Printed, columns, gap, number, others, percent, place, signed, wrapped
from .movement import Movement
from .update import described


@dataclass(frozen=True, eq=False, repr=False)
class Moved(Printed):
    """What an update did to one weight, in parts that add up to the whole.

    Attributes
    ----------
    optimizer : Optimizer
    old, new : float
        The weight.
    memory, decay, fresh : float
        Its change, in three parts: what the optimiser does with a gradient of zero and no weight decay, which
        is what it remembers of earlier gradients; what weight decay adds to that; and the rest, which is the
        doing of this gradient.
    shares : float[n]
        Each sample's part of ``fresh``.
    """

    optimizer: Any
    old: float
    new: float
    memory: float
    decay: float
    fresh: float
    shares: np.ndarray[Any, Any]

    @property
    def change(self) -> float:
        """New less old."""
        return self.new - self.old

    @property
    def error(self) -> float:
        """How far memory + decay + Σ shares is from the change, relative to the sizes of these parts."""
        parts = [self.memory, self.decay, *self.shares]
        return gap(float(np.sum(parts)), self.change, float(np.sum(np.abs(parts))))

    def lines(self) -> list[str]:
        """Return the account of the update."""
        rows = [("this batch", signed(self.fresh), "")]
        if self.memory:
            rows.append(("what the optimiser remembers", signed(self.memory), "with a gradient of 0"))
        if self.decay:
            rows.append(("weight decay", signed(self.decay), ""))
        rows.append(("sum = change", signed(self.change), f"relative error {number(self.error, 1)}"))
        head = f"update by {described(self.optimizer)}: {number(self.old)} to {number(self.new)}"
        return [*wrapped(head), *(f"  {line}" for line in columns(rows, left=(0, 2)))]


@dataclass(frozen=True, eq=False, repr=False)
class SampleShares(Printed):
    """The gradient of one weight, sample by sample.

    Attributes
    ----------
    name : str
    index : tuple of int
    gradient : float
        ∂L/∂w, from the backward pass.
    each : float[n]
        gᵢ: what flows to the weight through the prediction for sample i. Σ gᵢ = ∂L/∂w.
    terms : float[n]
        Each sample's own loss.
    reduction : str
        How L is made of them.
    k : int
        How many samples are shown.
    moved : Moved or None
        The update, if an optimiser was given.
    """

    name: str
    index: tuple[int, ...]
    gradient: float
    each: np.ndarray[Any, Any]
    terms: np.ndarray[Any, Any]
    reduction: str
    k: int
    moved: Moved | None

    @property
    def largest(self) -> np.ndarray[Any, Any]:
        """The numbers of the k samples with the largest |gᵢ|, the largest first."""
        return np.argsort(-np.abs(self.each), kind="stable")[: self.k]

    @property
    def rest(self) -> float:
        """Σ gᵢ of all other samples."""
        return float(np.sum(np.delete(self.each, self.largest)))

    @property
    def error(self) -> float:
        """How far Σ gᵢ is from ∂L/∂w, relative to Σ |gᵢ|."""
        return gap(float(np.sum(self.each)), self.gradient, float(np.sum(np.abs(self.each))))

    def lines(self) -> list[str]:
        """Return the table: the k largest, the rest, and the sum."""
        shown, n = self.largest, len(self.each)
        moved = self.moved
        rows = [("sample", "its loss", "gᵢ", "of ∂L/∂w", *(["moves w by", "w"] if moved else []))]
        for i in shown:
            rows.append(
                self._row(
                    str(i), number(self.terms[i]), self.each[i], None if moved is None else moved.shares[i]
                )
            )
        left = None if moved is None else float(np.sum(np.delete(moved.shares, shown)))
        if n > len(shown):
            rows.append(self._row(others(n - len(shown)), "", self.rest, left))
        total = float(np.sum(self.each))
        rows.append(self._row("sum", "", total, None if moved is None else float(np.sum(moved.shares))))
        weight = place(self.name, self.index)
        head = f"{weight}: ∂L/∂w = {number(self.gradient)}, from {n} sample{'s' * (n != 1)}"
        lines = [head, *(f"  {line}" for line in columns(rows))]
        lines += wrapped(f"sum = gradient: relative error {number(self.error, 1)}{self._says()}")
        return lines + ([] if moved is None else moved.lines())

    def _row(self, label: str, loss: str, g: float, share: float | None) -> tuple[str, ...]:
        row = (label, loss, signed(g), percent(g, self.gradient))
        return (
            row
            if share is None
            else (*row, signed(share), "grows" if share > 0 else "falls" if share < 0 else "")
        )

    def _says(self) -> str:
        if self.reduction == "other":
            return "; L is no sum over samples: gᵢ is what flows through the prediction for sample i"
        return (
            f"; L is the {self.reduction} of the samples' losses, and gᵢ counts as in L"
            if len(self.each) > 1
            else ""
        )


def shares_of(
    record: Record, name: str, index: Any, k: int = 5, optimizer: Any = None, state: Any = None
) -> SampleShares:
    """Return the gradient of one weight, and the update of it, sample by sample."""
    _, at = element_of(record, name, index)
    each = of_element(record, name, at)
    gradient = float(record.error(record.inputs[name])[at])
    moved = None
    if optimizer is not None:
        moved = _moved(Movement(record, optimizer, state), name, at, each, gradient)
    return SampleShares(name, at, gradient, each, record.terms, record.reduction, k, moved)


def _moved(movement: Movement, name: str, at: tuple[int, ...], each: Any, gradient: float) -> Moved:
    old, new = float(movement.old[name][at]), float(movement.new[name][at])
    quiet, remembered = float(movement.quiet[name][at]), float(movement.remembered[name][at])
    fresh = new - quiet
    each = each.astype(np.float64)
    shares = each * (fresh / gradient) if gradient else each * _slope(movement, name, at)
    return Moved(movement.optimizer, old, new, remembered - old, quiet - remembered, fresh, shares)


def _slope(movement: Movement, name: str, at: tuple[int, ...]) -> float:
    """Return how a weight moves per unit of its gradient where that is 0: the shares then cancel."""
    direction = {path: np.zeros_like(g) for path, g in movement.gradients.items()}
    direction[name][at] = 1
    tangent = tree.unflatten(tree.structure(movement.gradient), list(direction.values()))

    def after(gradient: Any) -> Any:
        return movement.optimizer.update(movement.before, gradient, movement.state)[0]

    with np.errstate(all="ignore"):
        moved = jvp(after, (movement.gradient,), (tangent,))[1]
    slope = float(dict(tree.named_leaves(moved))[name][at])
    return slope if np.isfinite(slope) else 0.0
