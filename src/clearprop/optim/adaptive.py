"""Each element at its own rate: divided by the root of a sum, or of a running mean, of squared gradients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import numpy as np

from ..core.types import Array
from .domains import Fraction, NonNegative
from .optimizer import Moved, Optimizer, Rate


@dataclass(frozen=True)
class Adagrad(Optimizer):
    """s ← s + g²; θ ← θ − ηg/(√s + ε): elements that moved much move less.

    Parameters
    ----------
    learning_rate : float or schedule
        η.
    initial_accumulator_value : float
        s before the first step.
    eps : float
        ε, in units of the gradient.
    weight_decay, clip_value, clip_norm
        See `Optimizer`.

    Notes
    -----
    Duchi, Hazan, Singer: "Adaptive subgradient methods for online learning and stochastic optimization"
    (2011).

    Examples
    --------
    >>> import numpy as np
    >>> optimizer = Adagrad(0.1)
    >>> w = np.array([1.0, 1.0])
    >>> optimizer.update(w, np.array([5.0, -0.1]), optimizer.init(w))[0]
    array([0.9, 1.1])
    """

    learning_rate: Rate = 0.01
    _: KW_ONLY
    initial_accumulator_value: NonNegative = 0.0
    eps: NonNegative = 1e-10

    @property
    def slots(self) -> Mapping[str, float]:
        """The sum of squared gradients."""
        return {"square_sum": self.initial_accumulator_value}

    def rule(self, p: Array, g: Array, *, rate: Array, square_sum: Array) -> Moved:
        """Divide by the root of the sum."""
        square_sum = square_sum + g * g
        return p - rate * g / (np.sqrt(square_sum) + self.eps), {"square_sum": square_sum}


@dataclass(frozen=True)
class RMSProp(Optimizer):
    """s ← αs + (1 − α)g²; θ ← θ − ηg/(√s + ε): the sum of Adagrad forgets.

    Parameters
    ----------
    learning_rate : float or schedule
        η.
    alpha : float
        α, the share of s that is kept, in [0, 1).
    eps : float
        ε, in units of the gradient.
    momentum : float
        μ: with it, v ← μv + g/(√s + ε) and θ ← θ − ηv.
    centered : bool
        Divide by the root of the variance, s − m² with m ← αm + (1 − α)g, in place of √s.
    weight_decay, clip_value, clip_norm
        See `Optimizer`.

    Notes
    -----
    Tieleman, Hinton: "Neural networks for machine learning", lecture 6.5 (2012); centred by Graves:
    "Generating sequences with recurrent neural networks" (2013), eq. 38 to 41.

    Examples
    --------
    >>> import numpy as np
    >>> optimizer = RMSProp(0.01)
    >>> w = np.array([1.0, 1.0])
    >>> optimizer.update(w, np.array([5.0, -0.1]), optimizer.init(w))[0].round(6)
    array([0.9, 1.1])
    """

    learning_rate: Rate = 0.01
    _: KW_ONLY
    alpha: Fraction = 0.99
    eps: NonNegative = 1e-8
    momentum: NonNegative = 0.0
    centered: bool = False

    @property
    def slots(self) -> Mapping[str, float]:
        """The mean square; the mean if centred; the velocity if there is momentum."""
        names = ["square_mean", *["mean"] * self.centered, *["velocity"] * bool(self.momentum)]
        return dict.fromkeys(names, 0.0)

    def rule(
        self, p: Array, g: Array, *, rate: Array, square_mean: Array, mean: Array = 0.0, velocity: Array = 0.0
    ) -> Moved:
        """Divide by the root of the mean square, or of the variance."""
        square_mean = spread = self.alpha * square_mean + (1 - self.alpha) * g * g
        slots = {"square_mean": square_mean}
        if self.centered:
            slots["mean"] = mean = self.alpha * mean + (1 - self.alpha) * g
            spread = np.maximum(square_mean - mean * mean, 0)  # rounding may leave it just below 0
        direction = g / (np.sqrt(spread) + self.eps)
        if self.momentum:
            slots["velocity"] = direction = self.momentum * velocity + direction
        return p - rate * direction, slots


@dataclass(frozen=True)
class Adadelta(Optimizer):
    """d = g·√(u + ε)/√(s + ε); θ ← θ − ηd, where s and u are running means of g² and of d².

    The step has the units of the parameter, so η = 1 is natural.

    Parameters
    ----------
    learning_rate : float or schedule
        η.
    rho : float
        The share of s and u that is kept, in [0, 1).
    eps : float
        ε, in units of the squared gradient; it also sets the size of the first step, √ε.
    weight_decay, clip_value, clip_norm
        See `Optimizer`.

    Notes
    -----
    Zeiler: "ADADELTA: an adaptive learning rate method" (2012), algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> optimizer = Adadelta()
    >>> w = np.array([1.0, 1.0])
    >>> optimizer.update(w, np.array([5.0, -0.1]), optimizer.init(w))[0].round(6)
    array([0.996838, 1.003161])
    """

    learning_rate: Rate = 1.0
    _: KW_ONLY
    rho: Fraction = 0.9
    eps: NonNegative = 1e-6

    slots: ClassVar[Mapping[str, float]] = {"square_mean": 0.0, "change_mean": 0.0}

    def rule(self, p: Array, g: Array, *, rate: Array, square_mean: Array, change_mean: Array) -> Moved:
        """Scale the gradient by the ratio of the two roots."""
        square_mean = self.rho * square_mean + (1 - self.rho) * g * g
        change = g * np.sqrt(change_mean + self.eps) / np.sqrt(square_mean + self.eps)
        change_mean = self.rho * change_mean + (1 - self.rho) * change * change
        return p - rate * change, {"square_mean": square_mean, "change_mean": change_mean}
