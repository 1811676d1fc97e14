"""A training done again up to the step that went wrong: what made the first NaN or infinity.

The same seed gives the same bits, so nothing is kept for this while all goes well but states that were copied anyway.
The step itself is then done with NumPy, equation by equation.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core import tree
from ..core.interpret import Values, evaluate
from ..core.traced import user_location
from ..core.types import Array, Type, dtype_name, type_of
from ..explain.cause import Cause
from ..explain.describe import Data, described
from ..explain.first_causes import first_cause
from ..explain.influence import Marks
from ..explain.not_finite import trail
from ..explain.observe import Call, observed
from ..explain.passes import Passes, not_finite, record_passes
from ..explain.remedies import remedy
from ..nn.context import Context, apply
from ..ops.random import fold_in
from .stepper import Stepper

Leaves = Sequence[np.ndarray[Any, Any]]


def all_finite(values: tree.Tree) -> bool:
    """Return whether no leaf holds NaN or an infinity."""
    return all(leaf.dtype.kind != "f" or bool(np.isfinite(leaf).all()) for leaf in tree.leaves(values))


class Journal:
    """What it takes to come back to any step of a training.

    Parameters
    ----------
    stepper : Stepper
        Before its first step.
    rows : callable
        Which rows of the data an epoch goes through, in order; epochs count from 0.
    samples, batch : int
        How many rows an epoch has, and a mini-batch.
    """

    def __init__(
        self, stepper: Stepper, rows: Callable[[int], np.ndarray[Any, Any]], samples: int, batch: int
    ) -> None:
        self.stepper, self.rows, self.samples, self.batch = stepper, rows, samples, min(batch, samples)
        self.steps = -(-samples // self.batch)
        self.marks: list[tuple[int, Leaves]] = [(0, [leaf.copy() for leaf in stepper.leaves])]
        self.factors: dict[int, float] = {}
        self.failed: int | None = None

    # ---- while all goes well

    def mark(self, number: int, state: Any) -> None:
        """Note the model and the optimiser's state after so many steps; the start and the last two are kept."""
        self.marks = [self.marks[0], *self.marks[1:][-1:], (number, tree.leaves(state))]

    def factor(self, number: int, value: float) -> None:
        """Note what the learning rate is multiplied by after so many steps."""
        if value != next(reversed(self.factors.values()), 1.0):
            self.factors[number] = value

    # ---- when something is wrong

    def taken(self, number: int) -> np.ndarray[Any, Any]:
        """Return the rows of the step of this number, counted from 1."""
        epoch, i = divmod(number - 1, self.steps)
        return self.rows(epoch)[i * self.batch : (i + 1) * self.batch]

    def state(self, number: int) -> Stepper:
        """Return a stepper that has done so many steps, to the same bits."""
        start, leaves = max((mark for mark in self.marks if mark[0] <= number), key=lambda mark: mark[0])
        stepper = self.stepper.again(leaves)
        self._advance(stepper, start, number)
        return stepper

    def _advance(self, stepper: Stepper, done: int, number: int) -> None:
        while done < number:
            if done in self.factors:
                stepper.rate_factor = self.factors[done]
            epoch, i = divmod(done, self.steps)
            rows = self.rows(epoch)[i * self.batch :]
            stop = min([number, (epoch + 1) * self.steps, *(n for n in self.factors if n > done)])
            size = min(self.batch, len(rows))
            count = min(stop - done, len(rows) // size)
            stepper.run(rows[: count * size], size)
            done += count

    def cause(self, number: int) -> Cause | None:
        """Return what made the loss of a step, or the model after it, NaN or infinite."""
        number = number if self.failed is None else min(number, self.failed)
        leaves = self.state(number - 1).leaves
        passes, values = self._pass(number, leaves)
        parameters = range(1, 1 + len(tree.leaves(tree.unflatten(self.stepper.form, leaves)[0])))
        roots = not_finite(passes, values, [0]) or not_finite(passes, values, parameters)
        while roots:
            found = trail(passes.graph, values, roots)
            inputs = passes.graph.inputs
            carried = {inputs.index(v): m for v, m in found.entered.items() if v in inputs[: len(leaves)]}
            earlier = self._spoiled(carried, number) if carried else 0
            if not earlier:
                cause = described(passes, values, found, Data(inputs[len(leaves) :], self.taken(number)))
                return cause and self._dated(cause, number)
            number = earlier
            passes, values = self._pass(number, self.state(number - 1).leaves)
            after = not_finite(passes, values, [1 + i for i in carried])
            marked = {passes.graph.outputs[1 + i]: m for i, m in carried.items()}
            roots = {var: both for var, bad in after.items() if (both := bad & marked[var]).any()}
        return self._dated(_rounding(passes.graph.outputs[0].type), number)

    def _dated(self, cause: Cause, number: int) -> Cause:
        return _placed(dataclasses.replace(cause, step=number, epoch=(number - 1) // self.steps + 1))

    def _spoiled(self, marked: dict[int, Marks], number: int) -> int:
        """Return the first step after which a marked element of a leaf is not finite; 0 if one never was."""

        def sound(leaves: Leaves) -> bool:
            return all(bool(np.isfinite(leaves[i][marks]).all()) for i, marks in marked.items())

        good = [(done, leaves) for done, leaves in self.marks if done < number and sound(leaves)]
        if not good:
            return 0
        start, leaves = good[-1]
        stepper = self.stepper.again(leaves)
        for done in range(start + 1, number):
            self._advance(stepper, done - 1, done)
            if not sound(stepper.leaves):
                return done
        return 0

    def _pass(self, number: int, leaves: Leaves) -> tuple[Passes, Values]:
        rows = self.taken(number)
        passes = step_passes(self.stepper, len(rows))
        return passes, evaluate(passes.graph, [*leaves, *(d[rows] for d in self.stepper.data)])


def step_passes(stepper: Stepper, size: int) -> Passes:
    """Return the equations of a step: forward, backward and update, each knowing where it comes from."""
    types = [type_of(leaf) for leaf in stepper.leaves]
    types += [Type((size, *d.shape[1:]), d.dtype) for d in stepper.data]
    names = [*stepper.names, "x", "y", "weight"][: len(types)]
    n, calls = len(stepper.leaves), list[Call]()

    def forward(*leaves: Array) -> list[Array]:
        model, state = tree.unflatten(stepper.form, leaves[:n])
        x, y, weight = (*leaves[n:], None)[:3]
        context = Context(training=True, rng=fold_in(stepper.noise, state["step"]))
        return [stepper.loss(apply(observed(model, calls), x, context), y, weight)]

    def update(leaves: list[Array], gradients: list[Array]) -> list[Array]:
        model, state = tree.unflatten(stepper.form, leaves[:n])
        gradient = tree.unflatten(tree.structure(model), gradients)
        return tree.leaves(stepper.optimizer.update(model, gradient, state))

    parameters = tree.count(tree.structure(tree.unflatten(stepper.form, stepper.leaves)[0]))
    return record_passes(forward, types, names, range(parameters), calls, update, stepper.names)


def cause_of_cost(
    loss: Callable[..., Any], model: Any, x: Array, y: Array, weight: Array | None, context: Context
) -> Cause | None:
    """Return what makes the loss of a model on all samples, or its gradient, NaN or infinite."""

    def cost(model: Any, x: Array, y: Array, weight: Array | None) -> Array:
        return loss(apply(model, x, context), y, weight)

    cause = first_cause(cost, model, x, y, weight)
    return cause and _placed(cause)


def _placed(cause: Cause) -> Cause:
    """Return the cause without its line if that is only where the training, or the cause, was asked for."""
    return dataclasses.replace(cause, where=None) if cause.where == user_location() else cause


def _rounding(type: Type) -> Cause:
    """Return the cause where NumPy finds only finite numbers, at the edge of what the dtype holds."""
    name = dtype_name(type.dtype)
    return Cause(
        operation="rounding",
        phase="forward",
        layer="",
        sample=None,
        index=(),
        value=float("nan"),
        operands=(),
        where=None,
        passed_on=(),
        advice=remedy("rounding", "overflow"),
        what=f"native code rounds in another order than NumPy, whose numbers stay just within the range of {name}",
        type=type,
    )
