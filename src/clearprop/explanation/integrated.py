"""Integrated gradients: how much of an output each input accounts for, adding up to the whole.

aⱼ = (xⱼ − bⱼ)·∫₀¹ ∂f/∂xⱼ(b + α(x − b)) dα, so that Σⱼ aⱼ = f(x) − f(b): completeness.
Sundararajan, Taly, Yan: "Axiomatic attribution for deep networks" (2017), eq. 1 and proposition 1.

The integral is taken in panels with Gauss and Legendre's points. Completeness holds on each panel as well, and
tells which one to halve: where an activation has its kink.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.errors import SettingError
from ..core.interpret import evaluate
from ..core.types import Array
from ..transform.reverse import pullback
from .columns import Printed, columns, number, percent, signed
from .independence import model_graph, require_independent
from .record import Record
from .variants import input_name, output_index, output_name, require_float_inputs

_POINTS = 8  # of a panel


@dataclass(frozen=True, eq=False, repr=False)
class IntegratedGradients(Printed):
    """What each input accounts for in an output, of every sample.

    Attributes
    ----------
    attributions : float[n, ...]
        Shaped like x.
    x, baseline : float[n, ...]
    outputs : tuple of tuple of int
        Which number of the prediction, for each sample.
    value, value_at_baseline : float[n]
        f(x) and f(baseline).
    points : int
        At how many points of the path the gradient was taken.
    tolerance : float
        Of completeness, relative to the largest |f(x) − f(baseline)|.
    """

    attributions: np.ndarray[Any, Any]
    x: np.ndarray[Any, Any]
    baseline: np.ndarray[Any, Any]
    outputs: tuple[tuple[int, ...], ...]
    value: np.ndarray[Any, Any]
    value_at_baseline: np.ndarray[Any, Any]
    points: int
    tolerance: float

    @property
    def errors(self) -> np.ndarray[Any, Any]:
        """Σ attributions − (f(x) − f(baseline)): float[n]."""
        sums = self.attributions.reshape(len(self.value), -1).sum(axis=1)
        return np.asarray(sums - (self.value - self.value_at_baseline))

    @property
    def error(self) -> float:
        """The largest of them, relative to the largest |f(x) − f(baseline)|."""
        return float(np.max(np.abs(self.errors), initial=0)) / _scale(self.value - self.value_at_baseline)

    @property
    def closes(self) -> bool:
        """Whether completeness holds to the tolerance."""
        return self.error <= self.tolerance

    def lines(self) -> list[str]:
        """Return the inputs of the first sample by size, and whether the attributions add up."""
        lines = self._sample(0)
        n = len(self.value)
        if n > 1:
            lines.append(f"(sample 0 of {n}; .attributions has all)")
        verdict = "" if self.closes else f", not within {number(self.tolerance)}: try more steps"
        how = f"{self.points} points of the path"
        lines.append(
            f"Σ = f(x) − f(baseline): worst relative error {number(self.error, 2)} with {how}{verdict}"
        )
        return lines

    def _sample(self, i: int, k: int = 10) -> list[str]:
        a = self.attributions[i].ravel()
        total = float(self.value[i] - self.value_at_baseline[i])
        rows = [("input", "x", "baseline", "attribution", "of the sum")]
        shown = np.argsort(-np.abs(a), kind="stable")[:k]
        for j in shown:
            cells = (number(self.x[i].ravel()[j]), number(self.baseline[i].ravel()[j]), signed(a[j]))
            rows.append((input_name(int(j), self.x[i].shape), *cells, percent(float(a[j]), total)))
        if a.size > k:
            rest = float(np.sum(np.delete(a, shown)))
            rows.append((f"{a.size - k} others", "", "", signed(rest), percent(rest, total)))
        rows.append(("sum", "", "", signed(float(np.sum(a))), ""))
        y = output_name(self.outputs[i])
        ends = f"{number(self.value[i])} at x, {number(self.value_at_baseline[i])} at the baseline"
        return [f"sample {i}: {y} is {ends}", *(f"  {line}" for line in columns(rows))]


def integrated_gradients_of(
    record: Record, baseline: Any = None, output: Any = None, steps: int = 512, tolerance: float = 1e-6
) -> IntegratedGradients:
    """Return the integrated gradients of every sample."""
    require_float_inputs(record, "integrated gradients")
    require_independent(record, "integrated gradients")
    if steps < _POINTS:
        raise SettingError(f"steps={steps}: at least {_POINTS} points of the path are needed")
    start = np.zeros_like(record.x) if baseline is None else _like(record, baseline)
    path = _Path(record, start, output)
    total = path.integrate(steps, tolerance)

    def rows(array: Any) -> Any:
        return array if record.samples is not None else array[None]

    return IntegratedGradients(
        attributions=rows(total),
        x=rows(record.x),
        baseline=rows(start),
        outputs=path.outputs,
        value=path.at(1.0),
        value_at_baseline=path.at(0.0),
        points=path.points,
        tolerance=tolerance,
    )


def _like(record: Record, baseline: Any) -> np.ndarray[Any, Any]:
    given = np.asarray(baseline, record.x.dtype)
    try:
        return np.array(np.broadcast_to(given, record.x.shape))
    except ValueError:
        raise SettingError(
            f"the baseline has the shape {list(given.shape)}, and x {list(record.x.shape)}; give one sample, or one "
            f"for each"
        ) from None


def _scale(differences: Any) -> float:
    return float(np.max(np.abs(differences), initial=0)) or 1.0


class _Path:
    """The straight line from the baseline to x, of all samples at once."""

    def __init__(self, record: Record, start: Array, output: Any) -> None:
        self.record, self.start, self.points = record, start, 0
        self.graph, self.parameters = model_graph(record), [record.value(v) for v in record.graph.inputs[:-1]]
        n = 1 if record.samples is None else record.samples
        self.outputs = tuple(output_index(record, output, i) for i in range(n))
        numbers = [()] if record.samples is None else [(i,) for i in range(n)]
        self.where = tuple(np.array([(*i, *o) for i, o in zip(numbers, self.outputs, strict=True)]).T)
        self.seed = np.zeros_like(record.prediction)
        self.seed[self.where or ()] = 1
        self.values: dict[float, Any] = {}

    def _pass(self, alpha: float) -> tuple[Any, Any]:
        x = (self.start + alpha * (self.record.x - self.start)).astype(self.start.dtype)
        values = evaluate(self.graph, [*self.parameters, self.record.x if alpha == 1 else x])
        out: Any = self.graph.outputs[0]
        return values, np.atleast_1d(values[out][self.where or ()])

    def at(self, alpha: float) -> np.ndarray[Any, Any]:
        """Return f at a point of the line: float[n]."""
        if alpha not in self.values:
            self.values[alpha] = self._pass(alpha)[1]
        return np.asarray(self.values[alpha])

    def panel(self, a: float, b: float) -> tuple[Any, Any]:
        """Return the attributions of a part of the line, and by how much they miss its change: float[n]."""
        nodes, weights = np.polynomial.legendre.leggauss(_POINTS)
        total = np.zeros_like(self.start)
        for node, weight in zip(nodes, weights, strict=True):
            values, _ = self._pass(0.5 * (a + b + (b - a) * node))
            with np.errstate(all="ignore"):
                slope = pullback(self.graph, values, [self.seed], [self.graph.inputs[-1]])[0]
            if slope is not None:
                total += slope * float(0.5 * (b - a) * weight)
        self.points += _POINTS
        part = total * (self.record.x - self.start)
        rows = part.reshape(len(self.outputs), -1).sum(axis=1)
        return part, rows - (self.at(b) - self.at(a))

    def integrate(self, steps: int, tolerance: float) -> np.ndarray[Any, Any]:
        """Return the attributions: halve the panel that misses most until all close."""
        room = tolerance * _scale(self.at(1.0) - self.at(0.0))
        panels = [self._entry(0.0, 1.0)]
        while self.points + 2 * _POINTS <= steps and not self._closed(panels, room):
            _, a, b, _, _ = heapq.heappop(panels)
            middle = 0.5 * (a + b)
            heapq.heappush(panels, self._entry(a, middle))
            heapq.heappush(panels, self._entry(middle, b))
        return np.asarray(sum(part for _, _, _, part, _ in panels))

    def _entry(self, a: float, b: float) -> tuple[float, float, float, Any, Any]:
        part, misses = self.panel(a, b)
        return -float(np.max(np.abs(misses), initial=0)), a, b, part, misses

    @staticmethod
    def _closed(panels: Any, room: float) -> bool:
        return bool(np.max(sum(np.abs(misses) for *_, misses in panels)) <= room)
