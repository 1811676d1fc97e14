"""What made the first NaN or infinity of a training: done again up to that step, and the step with NumPy."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core import tree
from ..core.graph import Var
from ..core.interpret import Values, evaluate
from ..core.traced import user_location
from ..core.types import Array, Type, dtype_name, type_of
from ..explanation.causes.cause import Cause
from ..explanation.causes.describe import Data, described
from ..explanation.causes.first_causes import first_cause
from ..explanation.causes.influence import Marks
from ..explanation.causes.not_finite import trail
from ..explanation.causes.passes import Passes, not_finite, record_passes
from ..explanation.causes.remedies import remedy
from ..explanation.observe import Call, observed
from ..nn.context import Context, apply
from ..ops.random import fold_in
from .journal import Journal
from .stepper import Stepper

Leaves = Sequence[np.ndarray[Any, Any]]


def cause_of_step(journal: Journal, number: int) -> Cause | None:
    """Return what made the loss of a step, or the model after it, NaN or infinite."""
    number = number if journal.failed is None else min(number, journal.failed)
    leaves = journal.state(number - 1).leaves
    passes, values = _pass(journal, number, leaves)
    roots = not_finite(passes, values, [0]) or _spoiled_parameters(journal, passes, values)
    if not roots and number != journal.failed:
        return None
    while roots:
        found = trail(passes.graph, values, roots)
        inputs = passes.graph.inputs
        carried = {inputs.index(v): m for v, m in found.entered.items() if v in inputs[: len(leaves)]}
        earlier = _spoiled(journal, carried, number) if carried else 0
        if not earlier:
            cause = described(passes, values, found, Data(inputs[len(leaves) :], journal.taken(number)))
            return cause and _dated(journal, cause, number)
        number = earlier
        passes, values = _pass(journal, number, journal.state(number - 1).leaves)
        after = not_finite(passes, values, [1 + i for i in carried])
        marked = {passes.graph.outputs[1 + i]: m for i, m in carried.items()}
        roots = {var: both for var, bad in after.items() if (both := bad & marked[var]).any()}
    return _dated(journal, _rounding(passes.graph.outputs[0].type), number)


def _spoiled_parameters(journal: Journal, passes: Passes, values: Values) -> dict[Var, Marks]:
    """Return the marks of parameters that are not finite after a step, but were so before the training."""
    roots: dict[Var, Marks] = {}
    start_of = journal.stepper.first()[: journal.stepper.parameters]
    for i, start in enumerate(start_of, start=1):
        for var, marks in not_finite(passes, values, [i]).items():
            if (new := marks & np.isfinite(start)).any():
                roots[var] = new
    return roots


def _dated(journal: Journal, cause: Cause, number: int) -> Cause:
    return _placed(dataclasses.replace(cause, step=number, epoch=(number - 1) // journal.steps + 1))


def _spoiled(journal: Journal, marked: dict[int, Marks], number: int) -> int:
    """Return the first step after which a marked element of a leaf is not finite; 0 if one never was."""

    def sound(leaves: Leaves) -> bool:
        return all(bool(np.isfinite(leaves[i][marks]).all()) for i, marks in marked.items())

    good = [mark for mark in journal.before(number) if sound(mark[1])]
    if not good:
        return 0
    start, leaves = good[-1]
    stepper = journal.stepper.again(leaves)
    for done in range(start + 1, number):
        journal.advance(stepper, done - 1, done)
        if not sound(stepper.leaves):
            return done
    return 0


def _pass(journal: Journal, number: int, leaves: Leaves) -> tuple[Passes, Values]:
    rows = journal.taken(number)
    passes = step_passes(journal.stepper, len(rows))
    return passes, evaluate(passes.graph, [*leaves, *(d[rows] for d in journal.stepper.data)])


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

    return record_passes(forward, types, names, range(stepper.parameters), calls, update, stepper.names)


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
