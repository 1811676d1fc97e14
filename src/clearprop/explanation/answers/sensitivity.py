"""How an output of a sample answers to its inputs: the slope, and beside it what a nudge really does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core.errors import SettingError
from ...transform.reverse import pullback
from ..record import Record
from .columns import Printed, columns, number, signed
from .independence import model_graph
from .variants import (
    input_name,
    output_index,
    output_name,
    predictions,
    require_float_inputs,
    row,
    sample_number,
)


@dataclass(frozen=True, eq=False, repr=False)
class Sensitivity(Printed):
    """∂ŷ/∂x of one output and one sample, and a second forward pass for each input that is moved by ε.

    Attributes
    ----------
    sample : int
    output : tuple of int
        Which number of the sample's prediction.
    value : float
        That number.
    x, slope : float[...]
        The sample's inputs, and ∂ŷ/∂x.
    eps : float
    predicted, actual : float[...]
        What ŷ changes by when that input alone moves by ε: ∂ŷ/∂x·ε, and by real forward passes.
    half : float[...]
        The latter for ε/2.
    k : int
        How many inputs are shown.
    """

    sample: int
    output: tuple[int, ...]
    value: float
    x: np.ndarray[Any, Any]
    slope: np.ndarray[Any, Any]
    eps: float
    actual: np.ndarray[Any, Any]
    half: np.ndarray[Any, Any]
    k: int

    @property
    def predicted(self) -> np.ndarray[Any, Any]:
        """∂ŷ/∂x·ε."""
        return self.slope * self.eps

    @property
    def error(self) -> float:
        """The largest |actual − predicted|."""
        return float(np.max(np.abs(self.actual - self.predicted), initial=0))

    @property
    def error_of_half(self) -> float:
        """The same for ε/2: a quarter of it where the function is smooth."""
        return float(np.max(np.abs(self.half - self.predicted / 2), initial=0))

    def lines(self) -> list[str]:
        """Return the k inputs with the steepest slopes, and how well the slopes foretell."""
        slope, actual = self.slope.ravel(), self.actual.ravel()
        shown = np.argsort(-np.abs(slope), kind="stable")[: self.k]
        y = output_name(self.output)
        rows = [("input", "x", f"∂{y}/∂x", "slope·ε", "really", "difference")]
        for i in shown:
            told = float(slope[i] * self.eps)
            cells = (number(self.x.ravel()[i]), signed(slope[i]), signed(told), signed(actual[i]))
            rows.append((input_name(int(i), self.x.shape), *cells, signed(actual[i] - told, 2)))
        rest = f", the steepest {len(shown)} of {slope.size} inputs" if len(shown) < slope.size else ""
        head = f"sample {self.sample}: {y} = {number(self.value)}, each input moved by ε = {number(self.eps)}{rest}"
        return [head, *(f"  {line}" for line in columns(rows)), *self._closing()]

    def _closing(self) -> list[str]:
        worst, half = self.error, self.error_of_half
        line = f"the largest difference of all {self.slope.size} inputs is {number(worst, 2)}"
        eps = np.finfo(self.slope.dtype).eps
        if worst <= 64 * eps * (1 + abs(self.value)) or not half:
            return [f"{line}: rounding, as of a straight line"]
        falls = number(worst / half, 2)
        return [
            line,
            f"with ε/2 it is {number(half, 2)}, {falls} times less; 4 times where the function is smooth",
        ]


def sensitivity_of(
    record: Record, sample: int = 0, output: Any = None, eps: float = 1e-3, k: int = 10
) -> Sensitivity:
    """Return the slopes of one output of one sample, with the nudges."""
    require_float_inputs(record, "the sensitivity")
    if not np.isfinite(eps) or eps == 0:
        raise SettingError(f"eps={eps!r}: it must be a number other than 0, in units of x, such as 0.001")
    i = sample_number(record, sample)
    at = output_index(record, output, i)
    where = at if record.samples is None else (i, *at)
    seed = np.zeros_like(record.prediction)
    seed[where] = 1
    graph = model_graph(record)
    with np.errstate(all="ignore"):
        error = pullback(graph, record.values, [seed], [graph.inputs[-1]])[0]
    x = row(record, record.x, i)
    slope = np.zeros_like(x) if error is None else row(record, error, i)
    value = record.prediction[where]
    moved = [_nudged(record, i, at, x, step) - value for step in (eps, eps / 2)]
    return Sensitivity(i, at, float(value), x, slope, float(eps), moved[0], moved[1], k)


def _nudged(record: Record, sample: int, at: tuple[int, ...], x: Any, eps: float) -> np.ndarray[Any, Any]:
    """Return the output when one input after the other moves by eps: shaped like x."""
    variants = np.repeat(x.reshape(1, -1), x.size, axis=0)
    variants[np.arange(x.size), np.arange(x.size)] += eps
    after = predictions(record, sample, variants.reshape(x.size, *x.shape))
    outputs: tuple[Any, ...] = (slice(None), *at)
    return np.asarray(after[outputs]).reshape(x.shape)
