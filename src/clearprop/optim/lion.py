"""Lion: steps of one size, in the direction of a sign."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import numpy as np

from ..core.types import Array
from .domains import Fraction
from .optimizer import Moved, Optimizer, Rate


@dataclass(frozen=True)
class Lion(Optimizer):
    """θ ← θ − η(sign(β₁m + (1 − β₁)g) + weight_decay·θ); m ← β₂m + (1 − β₂)g.

    Every element moves by η, so the rate should be 3 to 10 times smaller than Adam's, and the weight decay,
    which is decoupled, larger by as much.

    Parameters
    ----------
    learning_rate : float or schedule
        η, the size of one step of one element.
    beta1, beta2 : float
        The shares of m that are kept, in the step and in m itself, in [0, 1).
    weight_decay, clip_value, clip_norm
        See `Optimizer`.

    Notes
    -----
    Chen et al.: "Symbolic discovery of optimization algorithms" (2023), algorithm 2.

    Examples
    --------
    >>> import numpy as np
    >>> optimizer = Lion(0.1)
    >>> w = np.array([1.0, 1.0])
    >>> optimizer.update(w, np.array([5.0, -0.1]), optimizer.init(w))[0]
    array([0.9, 1.1])
    """

    learning_rate: Rate = 1e-4
    _: KW_ONLY
    beta1: Fraction = 0.9
    beta2: Fraction = 0.99

    decoupled: ClassVar[bool] = True
    slots: ClassVar[Mapping[str, float]] = {"mean": 0.0}

    def rule(self, p: Array, g: Array, *, rate: Array, mean: Array) -> Moved:
        """Step by the sign alone."""
        direction = np.sign(self.beta1 * mean + (1 - self.beta1) * g)
        return p - rate * direction, {"mean": self.beta2 * mean + (1 - self.beta2) * g}
