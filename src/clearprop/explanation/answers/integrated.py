"""Integrated gradients: how much of an output each input accounts for, adding up to the whole.

aⱼ = (xⱼ − bⱼ)·∫₀¹ ∂f/∂xⱼ(b + α(x − b)) dα, so that Σⱼ aⱼ = f(x) − f(b): completeness.
Sundararajan, Taly, Yan: "Axiomatic attribution for deep networks" (2017), eq. 1 and proposition 1.

The integral is taken in panels with Gauss and Legendre's points. Completeness holds on each panel as well, and
tells which one to halve: where an activation has its kink. Each sample has panels of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ...core.errors import SettingError
from ...core.interpret import evaluate, read
from ...core.types import Array
from ...transform.reverse import pullback
from ..record import Record
from .columns import Printed, columns, number, others, percent, signed
from .independence import model_graph, require_independent
from .variants import input_name, output_index, output_name, require_float_inputs

_POINTS = 4  # of a panel


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
            rows.append((others(a.size - k), "", "", signed(rest), percent(rest, total)))
        rows.append(("sum", "", "", signed(float(np.sum(a))), ""))
        y = output_name(self.outputs[i])
        ends = f"{number(self.value[i])} at x, {number(self.value_at_baseline[i])} at the baseline"
        return [f"sample {i}: {y} is {ends}", *(f"  {line}" for line in columns(rows))]


def integrated_gradients_of(
    record: Record, baseline: Any = None, output: Any = None, steps: int = 512, tolerance: float = 1e-5
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
        attributions=total,
        x=rows(record.x),
        baseline=rows(start),
        outputs=path.outputs,
        value=path.at(np.ones(())),
        value_at_baseline=path.at(np.zeros(())),
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


class _Panel(NamedTuple):
    """A part of one sample's line: its ends, f at them, its attributions and by how much these miss f's change."""

    miss: float
    a: float
    b: float
    at_a: float
    at_b: float
    part: Any


class _Path:
    """The straight lines from the baselines to x: all samples at once, each at a point of its own."""

    def __init__(self, record: Record, start: Array, output: Any) -> None:
        self.record, self.start, self.points = record, start, 0
        self.graph, self.parameters = model_graph(record), [record.value(v) for v in record.graph.inputs[:-1]]
        self.n = 1 if record.samples is None else record.samples
        self.outputs = tuple(output_index(record, output, i) for i in range(self.n))
        numbers = [()] if record.samples is None else [(i,) for i in range(self.n)]
        self.where = tuple(np.array([(*i, *o) for i, o in zip(numbers, self.outputs, strict=True)]).T)
        self.seed = np.zeros_like(record.prediction)
        self.seed[self.where or ()] = 1
        self.total = np.zeros((self.n, *self._rows(start).shape[1:]), start.dtype)

    def _rows(self, array: Array) -> Array:
        return array if self.record.samples is not None else array[None]

    def _along(self, numbers: Array) -> Array:
        """Return a number for each sample, shaped to multiply x."""
        return numbers.reshape(self.n, *[1] * (self._rows(self.start).ndim - 1))

    def _pass(self, alpha: Array) -> tuple[Any, Any]:
        """Return all values, and f, float[n], where each sample is at its own α."""
        x, start = self._rows(self.record.x), self._rows(self.start)
        along = self._along(alpha)
        at = np.where(along == 1, x, start + along * (x - start)).astype(x.dtype)
        values = evaluate(self.graph, [*self.parameters, at if self.record.samples is not None else at[0]])
        out: Any = self.graph.outputs[0]
        return values, np.atleast_1d(read(values, out)[self.where or ()])

    def at(self, alpha: Array) -> np.ndarray[Any, Any]:
        """Return f, float[n]."""
        return np.asarray(self._pass(np.broadcast_to(alpha, self.n))[1], np.float64)

    def panels(self, a: Array, b: Array, at_a: Array, at_b: Array) -> list[_Panel]:
        """Return a panel for each sample."""
        nodes, weights = np.polynomial.legendre.leggauss(_POINTS)
        slopes = np.zeros_like(self.total)
        for node, weight in zip(nodes, weights, strict=True):
            values, _ = self._pass(0.5 * (a + b + (b - a) * node))
            with np.errstate(all="ignore"):
                slope = pullback(self.graph, values, [self.seed], [self.graph.inputs[-1]])[0]
            if slope is not None:
                slopes += self._rows(slope) * self._along(0.5 * (b - a) * weight).astype(slopes.dtype)
        self.points += _POINTS
        parts = slopes * self._rows(self.record.x - self.start)
        miss = parts.reshape(self.n, -1).sum(axis=1) - (at_b - at_a)
        rows = zip(miss.tolist(), a.tolist(), b.tolist(), at_a.tolist(), at_b.tolist(), parts, strict=True)
        return [_Panel(*row) for row in rows]

    def integrate(self, steps: int, tolerance: float) -> np.ndarray[Any, Any]:
        """Return the attributions: of each sample, halve the panel that misses most until all close.

        Half of the room for error is for panels that are settled, by their lengths; the other half for the rest.
        """
        first, last = self.at(np.zeros(())), self.at(np.ones(()))
        room = 0.5 * tolerance * _scale(last - first)
        waiting: list[list[_Panel]] = [[] for _ in range(self.n)]

        def keep(i: int, panel: _Panel) -> None:
            if abs(panel.miss) <= room * (panel.b - panel.a):
                self.total[i] += panel.part
            else:
                waiting[i].append(panel)

        for i, panel in enumerate(self.panels(np.zeros(self.n), np.ones(self.n), first, last)):
            keep(i, panel)
        while self.points + 2 * _POINTS <= steps:
            missing = [i for i, own in enumerate(waiting) if sum(abs(p.miss) for p in own) > room]
            if not missing:
                break
            ends = np.ones((4, self.n))  # those that are closed stay at x
            for i in missing:
                waiting[i].sort(key=lambda panel: abs(panel.miss))
                ends[:, i] = waiting[i].pop()[1:5]
            a, b, at_a, at_b = ends
            middle = 0.5 * (a + b)
            between = self.at(middle)
            halves = self.panels(a, middle, at_a, between), self.panels(middle, b, between, at_b)
            for i in missing:
                for half in halves:
                    keep(i, half[i])
        for i, own in enumerate(waiting):
            for panel in own:
                self.total[i] += panel.part
        return self.total
