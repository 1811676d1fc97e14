"""Learning rates that change with the step: functions of the number of updates done so far.

Every schedule counts in updates (mini-batches), from 0. For epochs, multiply by the updates in an epoch,
⌈rows / batch_size⌉. All are written in NumPy, so they take one step or an array of steps, and trace.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from ..core.types import Array
from .domains import NONNEGATIVE, Count, CountOrZero, Fraction, NonNegative, Positive, Settings, refuse


@dataclass(frozen=True)
class Schedule(Settings, ABC):
    """A learning rate as a function of the step: ``schedule(step)``.

    Any function of the step will do as a learning rate; a schedule is one that shows its settings.
    """

    @abstractmethod
    def __call__(self, step: Array) -> Array:
        """Return the rate of the update that comes after ``step`` updates: int[...] to float64[...]."""


@dataclass(frozen=True)
class Constant(Schedule):
    """η(t) = rate.

    >>> Constant(0.1)(7)
    0.1
    """

    rate: NonNegative

    def __call__(self, step: Array) -> Array:
        """The rate."""
        return self.rate + 0 * step


@dataclass(frozen=True)
class PiecewiseConstant(Schedule):
    """η(t) = rates[k], where k is how many of the boundaries are at most t.

    Parameters
    ----------
    rates : sequence of float
        One more than boundaries.
    boundaries : sequence of int
        The updates, increasing, before which the next rate takes over.

    Examples
    --------
    >>> schedule = PiecewiseConstant((0.1, 0.01), (100,))
    >>> schedule(99), schedule(100)
    (np.float64(0.1), np.float64(0.01))
    """

    rates: tuple[float, ...]
    boundaries: tuple[int, ...]

    def __post_init__(self) -> None:
        if any(rate not in NONNEGATIVE for rate in self.rates):
            refuse(self, "rates", f"each rate must be {NONNEGATIVE}")
        if len(self.rates) != len(self.boundaries) + 1:
            refuse(self, "rates", f"for {len(self.boundaries)} boundaries, give one rate more than that")
        if list(self.boundaries) != sorted(set(self.boundaries)):
            refuse(self, "boundaries", "the boundaries must increase")
        object.__setattr__(self, "rates", tuple(float(rate) for rate in self.rates))
        object.__setattr__(self, "boundaries", tuple(int(boundary) for boundary in self.boundaries))

    def __call__(self, step: Array) -> Array:
        """The rate of the last boundary that is reached."""
        rate: Array = self.rates[0]
        for boundary, following in zip(self.boundaries, self.rates[1:], strict=True):
            rate = np.where(np.greater_equal(step, boundary), following, rate)
        return 1.0 * rate


@dataclass(frozen=True)
class StepDecay(Schedule):
    """η(t) = rate·factor^⌊t/every⌋: a step down after every so many updates.

    Parameters
    ----------
    rate : float
        At the start.
    every : int
        Updates between two steps down.
    factor : float
        Of each step.

    Examples
    --------
    >>> schedule = StepDecay(0.1, every=100, factor=0.5)
    >>> schedule(np.array([99, 100, 250]))
    array([0.1  , 0.05 , 0.025])
    """

    rate: NonNegative
    every: Count
    factor: Positive = 0.1

    def __call__(self, step: Array) -> Array:
        """As the class says."""
        return self.rate * np.power(self.factor, step // self.every)


@dataclass(frozen=True)
class ExponentialDecay(Schedule):
    """η(t) = rate·factor^(t/every): the same factor after every so many updates, without steps.

    Parameters
    ----------
    rate : float
        At the start.
    factor : float
        After ``every`` updates.
    every : int
        In updates.

    Examples
    --------
    >>> schedule = ExponentialDecay(0.1, factor=0.25, every=100)
    >>> schedule(np.array([50, 100]))
    array([0.05 , 0.025])
    """

    rate: NonNegative
    factor: Positive
    every: Count = 1

    def __call__(self, step: Array) -> Array:
        """As the class says."""
        return self.rate * np.power(self.factor, step / self.every)


@dataclass(frozen=True)
class CosineDecay(Schedule):
    """η(t) = floor + (rate − floor)·½(1 + cos πx), x = (t − warmup_steps)/decay_steps, after a warm-up.

    In the warm-up the rate rises along a line, η(t) = rate·(t + 1)/(warmup_steps + 1). After the decay, at
    x > 1, it stays at the floor.

    Parameters
    ----------
    rate : float
        The highest, at t = warmup_steps.
    decay_steps : int
        Updates from the highest rate to the floor.
    warmup_steps : int
        Updates before the highest rate; 0 for none.
    floor : float
        The lowest rate of the decay.

    Notes
    -----
    Loshchilov, Hutter: "SGDR: stochastic gradient descent with warm restarts" (2017), eq. 5, without
    restarts; warm-up by Goyal et al.: "Accurate, large minibatch SGD" (2017).

    Examples
    --------
    >>> schedule = CosineDecay(0.1, decay_steps=100, warmup_steps=4)
    >>> np.round(schedule(np.array([0, 1, 4, 54, 104, 200])), 4)
    array([0.02, 0.04, 0.1 , 0.05, 0.  , 0.  ])
    """

    rate: NonNegative
    decay_steps: Count
    warmup_steps: CountOrZero = 0
    floor: NonNegative = 0.0

    def __call__(self, step: Array) -> Array:
        """As the class says."""
        x = np.minimum((step - self.warmup_steps) / self.decay_steps, 1)
        decayed = self.floor + (self.rate - self.floor) * 0.5 * (1 + np.cos(math.pi * x))
        warming = self.rate * (step + 1) / (self.warmup_steps + 1)
        return 1.0 * np.where(np.less(step, self.warmup_steps), warming, decayed)


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Half a cosine up from max_rate/div_factor to max_rate, half a cosine down to far below the start.

    Parameters
    ----------
    max_rate : float
    total_steps : int
        Updates of the whole training; from the last one on, the rate stays.
    pct_start : float
        The share of them that rises, in [0, 1).
    div_factor : float
        max_rate over the first rate.
    final_div_factor : float
        The first rate over the last.

    Notes
    -----
    Smith, Topin: "Super-convergence: very fast training of neural networks using large learning rates"
    (2019), in the two phases of PyTorch's OneCycleLR. The momentum does not cycle.

    Examples
    --------
    >>> schedule = OneCycle(1.0, total_steps=10, pct_start=0.5)
    >>> np.round(schedule(np.array([0, 2, 4, 9])), 4)
    array([0.04, 0.52, 1.  , 0.  ])
    """

    max_rate: NonNegative
    total_steps: Count
    pct_start: Fraction = 0.3
    div_factor: Positive = 25.0
    final_div_factor: Positive = 1e4

    def __call__(self, step: Array) -> Array:
        """As the class says."""
        first = self.max_rate / self.div_factor
        peak = self.pct_start * self.total_steps - 1  # the step of the highest rate; if below 0, no rise
        fall = np.clip((step - peak) / (self.total_steps - 1 - peak), 0, 1)
        down = _cosine(self.max_rate, first / self.final_div_factor, fall)
        up = _cosine(first, self.max_rate, np.minimum(step / max(peak, 1), 1))
        rate: Array = np.where(np.less_equal(step, peak), up, down)
        return 1.0 * rate


def _cosine(start: float, end: float, x: Array) -> Array:
    """From start, at x = 0, to end, at x = 1, along half a cosine."""
    return end + (start - end) * 0.5 * (1 + np.cos(math.pi * x))
