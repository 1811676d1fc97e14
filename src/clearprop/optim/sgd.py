"""Gradient descent, with momentum if wanted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass

from ..core.types import Array
from .domains import NonNegative, refuse
from .optimizer import Moved, Optimizer, Rate


@dataclass(frozen=True)
class SGD(Optimizer):
    """v ← μv + g; θ ← θ − ηv, or with Nesterov's momentum θ ← θ − η(g + μv).

    The gradient of a mini-batch makes it stochastic, that of all rows plain gradient descent.

    Parameters
    ----------
    learning_rate : float or schedule
        η.
    momentum : float
        μ, at least 0; with 0 nothing is remembered.
    nesterov : bool
        Look ahead along the velocity; needs momentum.
    weight_decay, clip_value, clip_norm
        See `Optimizer`.

    Notes
    -----
    Polyak: "Some methods of speeding up the convergence of iteration methods" (1964); Sutskever, Martens,
    Dahl, Hinton: "On the importance of initialization and momentum in deep learning" (2013). As in PyTorch,
    the rate stands outside the velocity, so that a change of the rate acts at once.

    Examples
    --------
    >>> import numpy as np
    >>> optimizer = SGD(0.1, momentum=0.9)
    >>> w, state = np.array([1.0]), optimizer.init(np.array([1.0]))
    >>> for _ in range(2):
    ...     w, state = optimizer.update(w, 2 * w, state)
    >>> w, state["velocity"]
    (array([0.46]), array([3.4]))
    """

    learning_rate: Rate = 0.01
    _: KW_ONLY
    momentum: NonNegative = 0.0
    nesterov: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nesterov and not self.momentum:
            refuse(self, "nesterov", "it needs momentum above 0, such as momentum=0.9")

    @property
    def slots(self) -> Mapping[str, float]:
        """The velocity, if there is momentum."""
        return {"velocity": 0.0} if self.momentum else {}

    def rule(self, p: Array, g: Array, *, rate: Array, velocity: Array = 0.0) -> Moved:
        """Step against the velocity, or against the gradient."""
        if not self.momentum:
            return p - rate * g, {}
        velocity = self.momentum * velocity + g
        direction = g + self.momentum * velocity if self.nesterov else velocity
        return p - rate * direction, {"velocity": velocity}
