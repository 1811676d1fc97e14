"""The table of a pass: layer by layer, neuron by neuron, forward and backward."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.errors import SettingError
from ..layers import Layer
from ..quantity import Quantity
from ..record import Record
from .numbers import text
from .sheet import Grid, Part, Sheet

if TYPE_CHECKING:
    from ..explain import Explanation

Index = tuple[int, ...]


def table(e: Explanation, sample: int | None, digits: int, most: int) -> Sheet:
    """Return every number of a pass, of one sample or of the batch, as a sheet.

    Raises
    ------
    SettingError
        If there is no such sample.
    """
    writer = _Writer(e.record, _samples(e.record, sample), digits, most)
    parts = [writer.layer(layer) for layer in e.layers]
    return Sheet(writer.title(e, sample), (*parts, writer.loss(e)))


def _samples(record: Record, sample: int | None) -> list[int]:
    n = record.samples or 1
    if sample is None:
        return list(range(n))
    if not -n <= sample < n:
        raise SettingError(f"table(sample={sample}): there are {n} samples, numbered from 0")
    return [sample % n]


class _Writer:
    """Makes grids of quantities, abridged."""

    def __init__(self, record: Record, samples: Sequence[int], digits: int, most: int) -> None:
        self.record, self.samples, self.digits, self.most = record, samples, digits, max(1, most)
        self.batch = len(samples) > 1

    def number(self, value: Any) -> str:
        return text(value, self.digits)

    def title(self, e: Explanation, sample: int | None) -> str:
        record, n = e.record, e.record.samples or 1
        total = f"L = {self.number(record.value(record.graph.outputs[0]).item())}"
        if n == 1:
            return f"{total}, one sample"
        of = f"{total}, the {record.reduction} over {n} samples"
        if record.reduction == "other":
            of = f"{total}, of {n} samples together"
        if sample is None:
            return of
        own = self.number(record.terms[self.samples[0]])
        return f"sample {self.samples[0]} of {n}: its own loss is {own}; {of}"

    # ---- layers

    def layer(self, layer: Layer) -> Part:
        what = getattr(getattr(layer.call.layer, "activation", None), "__name__", "")
        named = f", {what}" if what else ""
        title = f"Layer {layer.number}: {layer.name or 'the model'}, {layer.kind}{named}"
        grids = [self.values("input", [layer.inputs, layer.dinputs])]
        if layer.z.shape == layer.a.shape:
            same = layer.variables["z"] is layer.variables["a"]
            columns = [layer.z, layer.delta] if same else [layer.z, layer.a, layer.da, layer.delta]
            grids.append(self.values("neuron", columns))
        else:
            grids.append(self.values("sum", [layer.z, layer.delta]))
            grids.append(self.values("neuron", [layer.a, layer.da]))
        grids += self.parameters(layer)
        return Part(title, tuple(grids))

    def values(self, what: str, quantities: Sequence[Quantity]) -> Grid:
        """Return values of the pass: a row for each sample and element, a column for each quantity."""
        arrays = [self.by_sample(q) for q in quantities]
        elements, rest = self.shown(what, list(np.ndindex(arrays[0].shape[1:])))
        samples, more = self.shown("sample", [(s,) for s in self.samples])
        rows = [
            ([str(s)] if self.batch else [])
            + [_label(element)]
            + [self.number(array[(s if len(array) > 1 else 0, *element)]) for array in arrays]
            for (s,), element in itertools.product(samples, elements)
        ]
        header = [*(["sample"] if self.batch else []), what, *(q.symbol for q in quantities)]
        return _grid("", header, rows, 1 + self.batch, [more, rest])

    def by_sample(self, q: Quantity) -> np.ndarray[Any, Any]:
        """Return an array with samples first; one element a row even where the rest has no axis."""
        value = q.value if q.axes[:1] == ("sample",) else q.value[None]
        return value if value.ndim > 1 else value[:, None]

    def shown(self, what: str, indices: list[Index]) -> tuple[list[Index], str]:
        """Return as many indices as are shown, and in words how many are not."""
        left = len(indices) - self.most
        if left <= 0:
            return indices, ""
        return indices[: self.most], f"{left:,} more of {len(indices):,} {what}s left out"

    def parameters(self, layer: Layer) -> list[Grid]:
        own, gradients = dict(layer.parameters), layer.gradients
        grids = []
        for name, q in own.items():
            bias = own.get("bias") if name == "weight" and q.value.ndim == 2 else None
            if name == "bias" and "weight" in own and own["weight"].value.ndim == 2:
                continue  # stands beneath the weights
            change = None if bias is None else gradients["bias"]
            grids += self.parameter(q, gradients[name], bias, change)
        return grids

    def parameter(
        self, q: Quantity, gradient: Quantity, bias: Quantity | None, change: Quantity | None
    ) -> list[Grid]:
        """Return a parameter and its gradient: beside each other if they are narrow, else one after the other."""
        weight, slope = (np.atleast_1d(a.value) for a in (q, gradient))
        rows, left_rows = self.shown("row", list(np.ndindex(weight.shape[:-1])))
        columns, left = self.shown("neuron", list(np.ndindex(weight.shape[-1:])))
        says = f"{gradient.symbol}: {gradient.says}"
        what = "from" if weight.ndim > 1 else ""

        def block(value: Any, below: Any, own: Quantity) -> tuple[list[str], list[list[str]]]:
            lines = [[self.number(value[(*r, *c)]) for c in columns] for r in rows]
            if below is not None:
                lines.append([self.number(below.value[c]) for c in columns])
            return [
                f"{own.symbol} →{_label(c)}" if bias else f"{own.symbol} {_label(c)}" for c in columns
            ], lines

        names = [[_label(r)] for r in rows] + ([["bias"]] if bias is not None else [])
        head, lines = block(weight, bias, q)
        more, changes = block(slope, change, gradient)
        rest = [left_rows, left]
        if len(head) <= 2:
            joined = [n + a + b for n, a, b in zip(names, lines, changes, strict=True)]
            return [_grid(says, [what, *head, *more], joined, 1, rest)]
        first = [n + a for n, a in zip(names, lines, strict=True)]
        second = [n + b for n, b in zip(names, changes, strict=True)]
        return [
            _grid(f"{q.symbol}: {q.says}", [what, *head], first, 1, rest),
            _grid(says, [what, *more], second, 1, rest),
        ]

    # ---- the loss

    def loss(self, e: Explanation) -> Part:
        record = e.record
        name = getattr(record.loss, "__name__", "loss")
        terms, rest = self.shown("sample", [(s,) for s in self.samples])
        rows = [[str(s), self.number(record.terms[s])] for (s,) in terms]
        grids = [_grid(e.terms.says, ["sample", "Lᵢ"], rows, 1, [rest])] if record.samples != 1 else []
        target, prediction = np.asarray(record.y), e.prediction
        if target.shape == prediction.shape:
            given = Quantity("y", "y", target, prediction.axes, "")
            slope = Quantity("dprediction", "∂L/∂ŷ", self.slope(), prediction.axes, "")
            grids.insert(0, self.values("output", [prediction, given, slope]))
        elif target.shape == prediction.shape[:-1] and target.ndim == 1:
            rows = [[str(s), str(target[s])] for (s,) in terms]
            slope = Quantity("dprediction", "∂L/∂ŷ", self.slope(), prediction.axes, "")
            grids.insert(0, self.values("output", [prediction, slope]))
            grids.insert(1, _grid("y: the right class", ["sample", "y"], rows, 1, [rest]))
        return Part(f"Loss: {name}", tuple(grids))

    def slope(self) -> np.ndarray[Any, Any]:
        return self.record.error(self.record.graph.outputs[1])


def _grid(title: str, header: Sequence[str], rows: Any, names: int, rest: Sequence[str]) -> Grid:
    return Grid(title, tuple(header), tuple(map(tuple, rows)), names, "; ".join(filter(None, rest)))


def _label(index: Index) -> str:
    return ",".join(map(str, index))
