"""What an optimiser makes of a recorded gradient: by really running its update, once or with the gradient left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from ...core import tree
from ...core.errors import SettingError
from ...core.types import Array, is_float, type_of
from ...optim import Optimizer
from ..record import Record


class Movement:
    """One update of the recorded model by an optimiser.

    Parameters
    ----------
    record : Record
    optimizer : Optimizer
    state : dict, optional
        Of the optimiser before the update; by default that of the first one.

    Attributes
    ----------
    before, after : Module
        The model.
    state, next_state : dict
        Of the optimiser, before and after.
    gradient : Module
        ∂L/∂θ, structured like the model.
    """

    def __init__(self, record: Record, optimizer: Any, state: Any = None) -> None:
        if not isinstance(optimizer, Optimizer):
            raise SettingError(
                f"an update needs an optimiser such as cp.optim.SGD(0.1), not {type(optimizer).__name__}"
            )
        self.record, self.optimizer, self.before = record, optimizer, record.model
        self.state = _fitting(optimizer, record, state)
        self.gradient = tree.unflatten(tree.structure(record.model), self._gradients())
        with np.errstate(all="ignore"):
            self.after, self.next_state = optimizer.update(self.before, self.gradient, self.state)

    def _gradients(self) -> list[np.ndarray[Any, Any]]:
        return [self.record.error(self.record.inputs[name]) for name in self.record.parameters]

    @cached_property
    def old(self) -> Mapping[str, Array]:
        """Parameters before, by their paths."""
        return _arrays(self.before)

    @cached_property
    def new(self) -> Mapping[str, Array]:
        """Parameters after."""
        return _arrays(self.after)

    @cached_property
    def gradients(self) -> Mapping[str, Array]:
        """∂L/∂θ by paths."""
        return _arrays(self.gradient)

    @cached_property
    def quiet(self) -> Mapping[str, Array]:
        """Parameters after an update by a gradient of zero: what memory and weight decay do alone."""
        return self._without_gradient(self.optimizer)

    @cached_property
    def remembered(self) -> Mapping[str, Array]:
        """The same without weight decay: what memory does alone."""
        if not self.optimizer.weight_decay:
            return self.quiet
        return self._without_gradient(replace(self.optimizer, weight_decay=0.0))

    def _without_gradient(self, optimizer: Optimizer) -> Mapping[str, Array]:
        zero = tree.map(np.zeros_like, self.gradient)
        with np.errstate(all="ignore"):
            return _arrays(optimizer.update(self.before, zero, self.state)[0])

    def slots(self, name: str, index: tuple[int, ...]) -> dict[str, tuple[float, float]]:
        """Return what the optimiser remembers of an element: each slot's number before and after."""
        found = {}
        for slot in self.optimizer.slots:
            before, after = _arrays(self.state[slot])[name], _arrays(self.next_state[slot])[name]
            found[slot] = (float(before[index]), float(after[index]))
        return found


def _arrays(model: Any) -> dict[str, np.ndarray[Any, Any]]:
    return {name: np.asarray(leaf) for name, leaf in tree.named_leaves(model)}


def _fitting(optimizer: Optimizer, record: Record, state: Any) -> Any:
    """Return the state with its slots in the dtypes of the record's parameters."""
    if state is None:
        return optimizer.init(record.model)
    missing = [name for name in optimizer.init(()) if name not in state]
    if missing:
        raise SettingError(f"the state lacks {missing}; give the state of a {type(optimizer).__name__}")

    def fit(p: Array, slot: Array) -> Array:
        dtype = type_of(p).dtype
        return np.asarray(slot).astype(dtype) if is_float(dtype) else slot

    return {**state, **{name: tree.map(fit, record.model, state[name]) for name in optimizer.slots}}
