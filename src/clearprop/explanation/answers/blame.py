"""Blame that adds up: each neuron's and each sample's share of the error.

Of a neuron, the signed error is Σ δ over the samples, δ = ∂L/∂z, and its size Σ |δ|, of which shares are taken. Its
credit is Σ a·∂L/∂a: by how much L would grow, in first order, if the neuron's activation grew by 100 %, so −credit is
what switching it off would bring (Molchanov, Tyree, Karras, Aila, Kautz: "Pruning convolutional neural networks for
resource efficient inference", 2017). Of a sample, the share is its own loss as it counts in L.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ...core.types import is_float
from ...transform.forward import pushforward
from ..layers import Layer
from ..record import Record
from .columns import Printed, Row, columns, gap, number, others, percent, signed


@dataclass(frozen=True, eq=False, repr=False)
class LayerBlame(Printed):
    """The error of one layer, neuron by neuron.

    Attributes
    ----------
    name : str
    number : int
        l, from 1.
    kind : str
    delta : float[n, neurons]
        δ = ∂L/∂z of each sample; axes between samples and neurons, such as the pieces of Maxout, are added up.
    magnitude : float[n, neurons]
        |δ|, added up in the same way.
    credit : float[n, neurons]
        a·∂L/∂a.
    delta_along, credit_along : float
        Σ δ and Σ a·∂L/∂a by forward sweeps: what L gains when all z grow by 1, and when all a grow by 100 %.
    k : int
        How many neurons are shown.
    """

    name: str
    number: int
    kind: str
    delta: np.ndarray[Any, Any]
    magnitude: np.ndarray[Any, Any]
    credit: np.ndarray[Any, Any]
    delta_along: float
    credit_along: float
    k: int

    @property
    def shares(self) -> np.ndarray[Any, Any]:
        """float[neurons]: each neuron's part of Σ |δ|; they sum to 1, or are all 0 where no error arrives."""
        sizes = self.magnitude.sum(axis=0)
        return np.asarray(sizes / (sizes.sum() or 1))

    @property
    def error(self) -> float:
        """How far the sums are from those of the forward sweeps, relative to the sums of magnitudes."""
        return max(
            gap(float(self.delta.sum()), self.delta_along, float(self.magnitude.sum())),
            gap(float(self.credit.sum()), self.credit_along, float(np.abs(self.credit).sum())),
        )

    def lines(self) -> list[str]:
        """Return the k neurons with the largest shares, the rest, and the sums."""
        size, signed_sum = self.magnitude.sum(axis=0), self.delta.sum(axis=0)
        paired = self.credit.shape[1] == len(size)
        credit = self.credit.sum(axis=0)
        shown = np.argsort(-size, kind="stable")[: self.k]
        rows: list[Row] = [("neuron", "Σ|δ|", "share", "Σδ", "Σ a·∂L/∂a")]
        for j in shown:
            cells = (number(size[j]), percent(size[j], size.sum()), signed(signed_sum[j]))
            rows.append((str(j), *cells, signed(credit[j]) if paired else ""))
        if len(size) > len(shown):
            rest = np.setdiff1d(np.arange(len(size)), shown)
            rows.append(self._row(others(len(rest)), rest, paired))
        rows.append(self._row("sum", np.arange(len(size)), paired, float(self.credit.sum())))
        up = f"layer {self.number} {self.name}: {self.kind}".rstrip()
        return [up, *(f"  {line}" for line in columns(rows))]

    def _row(self, label: str, which: Any, paired: bool, total: float | None = None) -> tuple[str, ...]:
        size, whole = float(self.magnitude[:, which].sum()), float(self.magnitude.sum())
        credit = total if total is not None else float(self.credit[:, which].sum()) if paired else None
        cells = (number(size), percent(size, whole), signed(float(self.delta[:, which].sum()), scale=size))
        return (label, *cells, "" if credit is None else signed(credit))


@dataclass(frozen=True, eq=False, repr=False)
class Blame(Printed):
    """Who is to blame for L: samples, and neurons layer by layer.

    Attributes
    ----------
    loss : float
        L.
    samples : float[n] or None
        What each sample's own loss adds to L; None if L is no sum over samples.
    reduction : str
        How L is made of the samples' losses.
    layers : tuple of LayerBlame
    k : int
        How many samples are shown.
    """

    loss: float
    samples: np.ndarray[Any, Any] | None
    reduction: str
    layers: tuple[LayerBlame, ...]
    k: int

    @cached_property
    def error(self) -> float:
        """The worst relative error of all sums: over samples, and over neurons against forward sweeps."""
        errors = [layer.error for layer in self.layers]
        if self.samples is not None:
            errors.append(gap(float(self.samples.sum()), self.loss, float(np.abs(self.samples).sum())))
        return max(errors, default=0.0)

    def __getitem__(self, name: str | int) -> LayerBlame:
        """Return a layer by its name, or by its number counted from 0."""
        if isinstance(name, int):
            return self.layers[name]
        return next(layer for layer in self.layers if layer.name == name)

    def lines(self) -> list[str]:
        """Return the tables, and how well they close."""
        lines = [f"L = {number(self.loss)}", *self._samples()]
        for layer in self.layers:
            lines += layer.lines()
        closing = "samples sum to L, and neurons to what forward sweeps say"
        return [*lines, f"{closing}: worst relative error {number(self.error, 1)}"]

    def _samples(self) -> list[str]:
        if self.samples is None:
            return ["the loss is no sum over samples, so they have no shares"]
        if len(self.samples) == 1:
            return []
        shown = np.argsort(-np.abs(self.samples), kind="stable")[: self.k]
        rows = [("sample", f"adds to L, the {self.reduction}", "share")]
        rows += [(str(i), number(self.samples[i]), percent(self.samples[i], self.loss)) for i in shown]
        left = len(self.samples) - len(shown)
        if left:
            rest = float(np.sum(np.delete(self.samples, shown)))
            rows.append((others(left), number(rest), percent(rest, self.loss)))
        total = float(self.samples.sum())
        rows.append(("sum", number(total), percent(total, self.loss)))
        return [f"  {line}" for line in columns(rows)]


def blame_of(record: Record, layers: Sequence[Layer], k: int = 5) -> Blame:
    """Return the shares of all samples and neurons."""
    shares = record.shares
    samples = None if shares is None else np.asarray(shares * record.terms, np.float64)
    found = tuple(_layer(record, layer, k) for layer in layers if is_float(layer.z.dtype))
    return Blame(record.total, samples, record.reduction, found, k)


def _layer(record: Record, layer: Layer, k: int) -> LayerBlame:
    delta, credit = layer.delta.value, layer.a.value * layer.da.value
    z, a = layer.variables["z"], layer.variables["a"]
    return LayerBlame(
        name=layer.name,
        number=layer.number,
        kind=layer.kind,
        delta=_by_neuron(record, delta),
        magnitude=_by_neuron(record, np.abs(delta)),
        credit=_by_neuron(record, credit),
        delta_along=_along(record, z, np.ones(z.type.shape, z.type.dtype)),
        credit_along=_along(record, a, layer.a.value),
        k=k,
    )


def _by_neuron(record: Record, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return float[samples, neurons]: what lies between the first and the last axis added up."""
    rows = array if record.samples is not None else array[None]
    rows = rows[:, None] if rows.ndim == 1 else rows
    return np.asarray(rows.sum(axis=tuple(range(1, rows.ndim - 1))), np.float64)


def _along(record: Record, var: Any, direction: np.ndarray[Any, Any]) -> float:
    """Return the derivative of L when a value moves in a direction: a forward sweep."""
    with np.errstate(all="ignore"):
        moved = pushforward(record.graph, record.values, {var: direction})[0]
    return 0.0 if moved is None else float(moved)
