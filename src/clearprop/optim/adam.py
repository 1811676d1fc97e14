"""Adam and its family: momentum and a rate for each element, both freed from their start at zero."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import numpy as np

from ..core import tree
from ..core.types import Array
from .domains import Fraction, NonNegative
from .optimizer import Moved, Optimizer, Rate, State


@dataclass(frozen=True)
class Adam(Optimizer):
    """m ← β₁m + (1 − β₁)g; s ← β₂s + (1 − β₂)g²; θ ← θ − η·m̂/(√ŝ + ε), m̂ = m/(1 − β₁ᵗ), ŝ = s/(1 − β₂ᵗ).

    Parameters
    ----------
    learning_rate : float or schedule
        η, about the size of one step of one element.
    beta1, beta2 : float
        The shares of the mean m and of the mean square s that are kept, in [0, 1).
    eps : float
        ε, in units of the gradient.
    amsgrad : bool
        Use the largest s so far, so that the rate of an element never grows.
    weight_decay, clip_value, clip_norm
        See `Optimizer`.

    Notes
    -----
    Kingma, Ba: "Adam: a method for stochastic optimization" (2015), algorithm 1; Reddi, Kale, Kumar: "On the
    convergence of Adam and beyond" (2018) for amsgrad. t counts from 1. The corrections are numbers,
    computed in float64 and moved out of the arrays: with c = √(1 − β₂ᵗ), θ ← θ − ηc/(1 − β₁ᵗ)·m/(√s + cε).

    Examples
    --------
    >>> import numpy as np
    >>> optimizer = Adam(0.1)
    >>> w = np.array([1.0, 1.0])
    >>> optimizer.update(w, np.array([5.0, -0.1]), optimizer.init(w))[0].round(6)
    array([0.9, 1.1])
    """

    learning_rate: Rate = 1e-3
    _: KW_ONLY
    beta1: Fraction = 0.9
    beta2: Fraction = 0.999
    eps: NonNegative = 1e-8
    amsgrad: bool = False

    @property
    def slots(self) -> Mapping[str, float]:
        """The mean and the mean square of the gradient; with amsgrad its maximum too."""
        return dict.fromkeys(["mean", "square_mean", *["square_max"] * self.amsgrad], 0.0)

    def factors(self, state: State) -> dict[str, Array]:
        """ηc/(1 − β₁ᵗ) and cε."""
        t = state["step"] + 1
        c = np.sqrt(1 - np.power(self.beta2, t))
        return {"rate": self.rate(state) * c / (1 - np.power(self.beta1, t)), "eps": c * self.eps}

    def rule(
        self,
        p: Array,
        g: Array,
        *,
        rate: Array,
        eps: Array,
        mean: Array,
        square_mean: Array,
        square_max: Array = 0.0,
    ) -> Moved:
        """Divide the mean by the root of the mean square."""
        mean = self.beta1 * mean + (1 - self.beta1) * g
        square_mean = self.beta2 * square_mean + (1 - self.beta2) * g * g
        slots, square = {"mean": mean, "square_mean": square_mean}, square_mean
        if self.amsgrad:
            slots["square_max"] = square = np.maximum(square_max, square_mean)
        return p - rate * mean / (np.sqrt(square) + eps), slots


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay: before Adam's step, θ ← θ·(1 − η·weight_decay).

    An L2 penalty in Adam is divided by √ŝ like the rest of the gradient; this decay is not.

    Parameters
    ----------
    weight_decay : float
        At least 0.
    learning_rate, beta1, beta2, eps, amsgrad
        See `Adam`.
    clip_value, clip_norm
        See `Optimizer`.

    Notes
    -----
    Loshchilov, Hutter: "Decoupled weight decay regularization" (2019), algorithm 2; as in PyTorch, the
    decay is multiplied by the learning rate.

    Examples
    --------
    >>> import numpy as np
    >>> optimizer = AdamW(0.1, weight_decay=0.5)
    >>> w = np.array([1.0, 1.0])
    >>> optimizer.update(w, np.array([0.0, -0.1]), optimizer.init(w))[0].round(6)
    array([0.95, 1.05])
    """

    _: KW_ONLY
    weight_decay: NonNegative = 1e-2

    decoupled: ClassVar[bool] = True


@dataclass(frozen=True)
class Adamax(Optimizer):
    """m ← β₁m + (1 − β₁)g; u ← max(β₂u, |g| + ε); θ ← θ − η·m/((1 − β₁ᵗ)u): Adam with the ∞-norm.

    Parameters
    ----------
    learning_rate : float or schedule
        η.
    beta1, beta2 : float
        The share of the mean that is kept, and the decay of the peak, in [0, 1).
    eps : float
        ε, in units of the gradient.
    weight_decay, clip_value, clip_norm
        See `Optimizer`.

    Notes
    -----
    Kingma, Ba: "Adam: a method for stochastic optimization" (2015), algorithm 2; ε as in PyTorch.

    Examples
    --------
    >>> import numpy as np
    >>> optimizer = Adamax(0.1)
    >>> w = np.array([1.0, 1.0])
    >>> optimizer.update(w, np.array([5.0, -0.1]), optimizer.init(w))[0].round(6)
    array([0.9, 1.1])
    """

    learning_rate: Rate = 2e-3
    _: KW_ONLY
    beta1: Fraction = 0.9
    beta2: Fraction = 0.999
    eps: NonNegative = 1e-8

    slots: ClassVar[Mapping[str, float]] = {"mean": 0.0, "peak": 0.0}

    def factors(self, state: State) -> dict[str, Array]:
        """η/(1 − β₁ᵗ)."""
        return {"rate": self.rate(state) / (1 - np.power(self.beta1, state["step"] + 1))}

    def rule(self, p: Array, g: Array, *, rate: Array, mean: Array, peak: Array) -> Moved:
        """Divide the mean by the peak."""
        mean = self.beta1 * mean + (1 - self.beta1) * g
        peak = np.maximum(self.beta2 * peak, np.abs(g) + self.eps)
        return p - rate * mean / peak, {"mean": mean, "peak": peak}


@dataclass(frozen=True)
class NAdam(Optimizer):
    """Adam with Nesterov's momentum: m̂ looks one step ahead, along μₜ = β₁(1 − ½·0.96^(tψ)).

    θ ← θ − η·(μₜ₊₁m/(1 − Πμ·μₜ₊₁) + (1 − μₜ)g/(1 − Πμ))/(√ŝ + ε), with m, s, ŝ as in `Adam`, Πμ = μ₁…μₜ.

    Parameters
    ----------
    learning_rate : float or schedule
        η.
    beta1, beta2 : float
        As in `Adam`.
    eps : float
        ε, in units of the gradient.
    momentum_decay : float
        ψ: how fast the momentum μ rises from β₁/2 to β₁.
    weight_decay, clip_value, clip_norm
        See `Optimizer`.

    Notes
    -----
    Dozat: "Incorporating Nesterov momentum into Adam" (2016), with the schedule of μ that PyTorch has.

    Examples
    --------
    >>> import numpy as np
    >>> optimizer = NAdam(0.1)
    >>> w = np.array([1.0, 1.0])
    >>> optimizer.update(w, np.array([5.0, -0.1]), optimizer.init(w))[0].round(4)
    array([0.8944, 1.1056])
    """

    learning_rate: Rate = 2e-3
    _: KW_ONLY
    beta1: Fraction = 0.9
    beta2: Fraction = 0.999
    eps: NonNegative = 1e-8
    momentum_decay: NonNegative = 4e-3

    slots: ClassVar[Mapping[str, float]] = {"mean": 0.0, "square_mean": 0.0}

    def init(self, params: tree.Tree) -> State:
        """Return the state before the first update; Πμ is its ``momentum_product``, float64[]."""
        return super().init(params) | {"momentum_product": np.ones(())}

    def update(self, params: tree.Tree, gradients: tree.Tree, state: State) -> tuple[tree.Tree, State]:
        """As `Optimizer.update`; Πμ moves on too."""
        params, new = super().update(params, gradients, state)
        product = state["momentum_product"] * self._momentum(state["step"] + 1)
        return params, new | {"momentum_product": product}

    def _momentum(self, t: Array) -> Array:
        return self.beta1 * (1 - 0.5 * np.power(0.96, t * self.momentum_decay))

    def factors(self, state: State) -> dict[str, Array]:
        """The rates of g and of m, and ε; √(1 − β₂ᵗ) is moved into them as in `Adam`."""
        t = state["step"] + 1
        c = np.sqrt(1 - np.power(self.beta2, t))
        now, ahead = self._momentum(t), self._momentum(t + 1)
        product = state["momentum_product"] * now
        return {
            "gradient_rate": self.rate(state) * c * (1 - now) / (1 - product),
            "mean_rate": self.rate(state) * c * ahead / (1 - product * ahead),
            "eps": c * self.eps,
        }

    def rule(
        self,
        p: Array,
        g: Array,
        *,
        gradient_rate: Array,
        mean_rate: Array,
        eps: Array,
        mean: Array,
        square_mean: Array,
    ) -> Moved:
        """Divide both by the root of the mean square."""
        mean = self.beta1 * mean + (1 - self.beta1) * g
        square_mean = self.beta2 * square_mean + (1 - self.beta2) * g * g
        change = (gradient_rate * g + mean_rate * mean) / (np.sqrt(square_mean) + eps)
        return p - change, {"mean": mean, "square_mean": square_mean}
