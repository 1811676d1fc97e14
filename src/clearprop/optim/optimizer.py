"""The optimiser: hyperparameters in a frozen dataclass, a state handed through, a rule for one leaf."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np

from ..core import tree
from ..core.errors import StructureError
from ..core.traced import Traced
from ..core.types import Array, is_float, type_of
from .clipping import clip_by_norm, clip_by_value
from .domains import NONNEGATIVE, NonNegative, Positive, Settings, check
from .matching import Pair, paired, require_shape

Rate: TypeAlias = float | Callable[[Array], Array]
"""A learning rate: a number, or a schedule, which is a function of the number of updates done so far."""

State: TypeAlias = dict[str, Any]
"""What an optimiser remembers: ``step``, ``rate_factor`` and, for each slot, a tree like the parameters."""

Moved: TypeAlias = tuple[Array, dict[str, Array]]
"""A leaf after its update, and its slots."""


@dataclass(frozen=True)
class Optimizer(Settings, ABC):
    """θ ← θ − η·d: what every optimiser has in common; a subclass gives the direction d.

    Parameters
    ----------
    learning_rate : float or function of the step
        η, at least 0. A schedule is called with the number of updates done before this one.
    weight_decay : float
        Added to the gradient as weight_decay·θ, the gradient of an L2 penalty ½·weight_decay·‖θ‖². Where the
        class says ``decoupled``, θ shrinks by the factor 1 − η·weight_decay instead, past the rule
        (Loshchilov, Hutter: "Decoupled weight decay regularization", 2019).
    clip_value : float, optional
        Clip every element of the gradient to ±clip_value, before anything else.
    clip_norm : float, optional
        Then scale all gradients together so that their joint 2-norm is at most this.

    Raises
    ------
    ClearpropError
        If a hyperparameter is outside its domain.

    Examples
    --------
    An optimiser of one's own states its slots, each with the number it starts at, and its rule. Whatever
    `factors` returns and every slot comes to the rule as an array of the parameter's dtype.

    >>> import numpy as np
    >>> @dataclass(frozen=True)
    ... class HeavyBall(Optimizer):
    ...     learning_rate: Rate = 0.1
    ...     slots: ClassVar[Mapping[str, float]] = {"velocity": 0.0}
    ...     def rule(self, p, g, *, rate, velocity):
    ...         velocity = 0.5 * velocity - rate * g
    ...         return p + velocity, {"velocity": velocity}
    >>> optimizer, params = HeavyBall(), {"w": np.array([1.0, 2.0])}
    >>> state = optimizer.init(params)
    >>> params, state = optimizer.update(params, {"w": np.array([1.0, -1.0])}, state)
    >>> params, state["step"]
    ({'w': array([0.9, 2.1])}, np.int64(1))
    """

    learning_rate: Rate
    _: KW_ONLY
    weight_decay: NonNegative = 0.0
    clip_value: Positive | None = None
    clip_norm: Positive | None = None

    decoupled: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (callable(self.learning_rate) or isinstance(self.learning_rate, Traced)):
            check(self, "learning_rate", NONNEGATIVE, ", or a schedule such as optim.CosineDecay")

    # ---- what a subclass says

    @property
    def slots(self) -> Mapping[str, float]:
        """What is remembered for each element of the parameters: a name, and the number it starts at."""
        return {}

    def factors(self, state: State) -> dict[str, Array]:
        """Return what the rule needs and the step alone decides, computed in float64, once for all leaves.

        Powers are best written with np.power: Python's ``**`` on NumPy scalars may differ in the last bit.
        """
        return {"rate": self.rate(state)}

    @abstractmethod
    def rule(self, p: Array, g: Array, *args: Any, **kwargs: Any) -> Moved:
        """Return the parameter p after its update by the gradient g, and its slots after it."""

    # ---- what every optimiser does

    def init(self, params: tree.Tree) -> State:
        """Return the state before the first update.

        Parameters
        ----------
        params : nested structure of arrays

        Returns
        -------
        dict
            ``step``, int64[], the updates done; ``rate_factor``, float64[], by which the learning rate is
            multiplied, for whoever watches the training; and each slot, a tree with the leaves' shapes and
            dtypes.
        """
        state: State = {"step": np.zeros((), np.int64), "rate_factor": np.ones(())}
        return state | {name: _filled(params, start) for name, start in self.slots.items()}

    def rate(self, state: State) -> Array:
        """Return the learning rate of the next update: schedule(step)·rate_factor, a float64[]."""
        rate = self.learning_rate
        return (rate(state["step"]) if callable(rate) else rate) * state["rate_factor"]

    def update(self, params: tree.Tree, gradients: tree.Tree, state: State) -> tuple[tree.Tree, State]:
        """Return the parameters and the state after one step down the gradient. Nothing is changed in place.

        Parameters
        ----------
        params : nested structure of arrays
        gradients : nested structure
            Like params; converted to the parameters' dtypes. A leaf that holds no floats, or has no gradient
            (None in its place), passes unchanged with its slots.
        state : dict
            From `init` or from the update before.

        Raises
        ------
        StructureError
            If the gradient or the state belongs to other parameters, or the state to another optimiser.
        ShapeError
            If a gradient or a slot is not shaped like its parameter.
        """
        if self.clip_value is not None:
            gradients = clip_by_value(gradients, self.clip_value)
        if self.clip_norm is not None:
            gradients = clip_by_norm(gradients, self.clip_norm)
        slots = self._slots(params, state)
        factors = self.factors(state)
        moved = [
            self._moved(pair, own, factors, state)
            for pair, own in zip(paired(params, gradients), slots, strict=True)
        ]
        structure = tree.structure(params)
        trees = {name: tree.unflatten(structure, [own[name] for _, own in moved]) for name in self.slots}
        return tree.unflatten(structure, [p for p, _ in moved]), {**state, "step": state["step"] + 1, **trees}

    def _moved(self, pair: Pair, slots: dict[str, Array], factors: dict[str, Array], state: State) -> Moved:
        path, p, g = pair
        if g is None:
            return p, slots
        for name, slot in slots.items():
            require_shape(path, name, slot, p)
        if self.weight_decay and self.decoupled:
            p = p * (1 - self.rate(state) * self.weight_decay).astype(p.dtype)
        elif self.weight_decay:
            g = g + self.weight_decay * p
        return self.rule(p, g, **{name: factor.astype(p.dtype) for name, factor in factors.items()}, **slots)

    def _slots(self, params: tree.Tree, state: State) -> list[dict[str, Array]]:
        """Return the slots of each leaf."""
        missing = [name for name in self.init(()) if name not in state]
        if missing:
            raise StructureError(
                f"the state of {type(self).__name__} must hold {missing}, but it has {sorted(state)}; "
                f"make it with {type(self).__name__}(...).init(params)"
            )
        rows = tree.named_leaves(params)
        for name in self.slots:
            tree.require_same_paths(rows, tree.named_leaves(state[name]))
        columns = {name: tree.leaves(state[name]) for name in self.slots}
        return [{name: column[i] for name, column in columns.items()} for i in range(len(rows))]


def _filled(params: tree.Tree, number: float) -> tree.Tree:
    def fill(leaf: Array) -> Array:
        type = type_of(leaf)
        if not number or not is_float(type.dtype):
            return np.zeros(type.shape, type.dtype)  # takes no memory before somebody writes there
        return np.full(type.shape, number, type.dtype)

    return tree.map(fill, params)
