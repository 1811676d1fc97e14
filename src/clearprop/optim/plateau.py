"""A learning rate that falls when the training stops getting better."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from .domains import CountOrZero, Fraction, NonNegative, Settings, refuse

PlateauState: TypeAlias = dict[str, Any]
"""``best``, float64[]; ``waited``, int64[], epochs without improvement; ``factor``, float64[], all so far."""


@dataclass(frozen=True)
class ReduceOnPlateau(Settings):
    """Multiply the learning rate by ``factor`` after more than ``patience`` epochs without improvement.

    It is no function of the step: whoever trains calls `observe` once an epoch and multiplies the optimiser's
    ``state["rate_factor"]`` by what comes back.

    Parameters
    ----------
    factor : float
        In [0, 1).
    patience : int
        Epochs without improvement that pass without consequence.
    threshold : float
        An improvement is one by more than threshold·|best|; NaN is never one.
    min_factor : float
        The product of all factors does not fall below it.
    metric : str
        The name of the watched number in the history: "val_loss", "loss", "val_accuracy", ...
    mode : {"min", "max"}
        Whether smaller or larger is better.

    Notes
    -----
    As PyTorch's ReduceLROnPlateau with a relative threshold, except that a negative best counts by its size.

    Examples
    --------
    >>> plateau = ReduceOnPlateau(factor=0.5, patience=1)
    >>> state = plateau.init()
    >>> for loss in [2.0, 1.0, 1.0, 1.0, 1.0]:
    ...     state, factor = plateau.observe(state, loss)
    ...     print(loss, factor)
    2.0 1.0
    1.0 1.0
    1.0 1.0
    1.0 0.5
    1.0 1.0
    """

    factor: Fraction = 0.1
    patience: CountOrZero = 10
    threshold: NonNegative = 1e-4
    min_factor: NonNegative = 0.0
    metric: str = "val_loss"
    mode: str = "min"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mode not in ("min", "max"):
            refuse(self, "mode", "mode must be 'min' or 'max'")

    def init(self) -> PlateauState:
        """Return the state before the first epoch: ``best``, ``waited`` and ``factor``, each without axes."""
        worst = math.inf if self.mode == "min" else -math.inf
        return {"best": np.asarray(worst), "waited": np.zeros((), np.int64), "factor": np.ones(())}

    def observe(self, state: PlateauState, value: float) -> tuple[PlateauState, float]:
        """Return the state after an epoch that reached this value, and what to multiply the rate by."""
        if self._improves(float(value), float(state["best"])):
            return {**state, "best": np.asarray(float(value)), "waited": np.zeros((), np.int64)}, 1.0
        waited = int(state["waited"]) + 1
        if waited <= self.patience:
            return {**state, "waited": np.asarray(waited)}, 1.0
        before = float(state["factor"])
        after = min(before, max(before * self.factor, self.min_factor))
        new = {**state, "waited": np.zeros((), np.int64), "factor": np.asarray(after)}
        return new, after / before if before else 1.0

    def _improves(self, value: float, best: float) -> bool:
        gain = best - value if self.mode == "min" else value - best
        return gain > (self.threshold * abs(best) if math.isfinite(best) else 0)
