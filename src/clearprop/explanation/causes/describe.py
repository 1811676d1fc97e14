"""A trail to the first NaN or infinity, told as a Cause: operation, layer, sample, numbers, advice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core.graph import Var
from ...core.interpret import Values, read
from ...core.lowering import Map
from .cause import Cause
from .influence import Marks, read_by
from .not_finite import Trail
from .passes import Passes
from .remedies import Kind, remedy
from .wording import applied, formula, kind_of, limit, one, operands


@dataclass(frozen=True, eq=False)
class Data:
    """The inputs of a graph whose first axis is the samples, and what to call these; by default by their numbers."""

    inputs: Sequence[Var]
    rows: np.ndarray[Any, Any] | None = None

    def row(self, i: int) -> int:
        """Return what to call a sample."""
        return int(i if self.rows is None else self.rows[i])


def described(passes: Passes, values: Values, found: Trail, data: Data) -> Cause | None:
    """Return the cause that a trail leads to; None if it leads nowhere."""
    if found.entered:
        return _given(found.entered, values, data)
    first = found.first()
    if first is None:
        return None
    number, index, count = first
    graph, origin = passes.graph, passes.origins[number]
    eqn = graph.eqns[number]
    xs = [np.asarray(read(values, a)) for a in eqn.inputs]
    value = float(np.asarray(values[eqn.out])[index])
    numbers = operands(eqn, xs, index)
    kind: Kind = kind_of(eqn, xs, index, value)
    if not all(np.isfinite(numbers)):
        kind = "constant"
    what, operation, start = formula(eqn, numbers, value, kind), eqn.primitive.name, number
    if origin.phase == "backward":
        owner, operation = origin.eqn, origin.eqn.primitive.name
        kind = "error" if kind == "overflow" else kind
        if isinstance(owner.primitive.lowering, Map) and owner.out.type.shape == eqn.out.type.shape:
            theirs = operands(owner, [np.asarray(read(values, a)) for a in owner.inputs], index)
            start = next(n for n, e in enumerate(graph.eqns) if e is owner)
        else:
            theirs = None
        if origin.joins:
            what = f"the shares of the gradient that meet before {operation}, {what}"
        elif theirs is None or owner.primitive.derivative.kind != "elementwise":
            what = f"in the gradient of {operation}, {what}"
        elif eqn.primitive.name == "chain":
            what = (
                f"the error {numbers[0]:.6g} times the slope {numbers[1]:.6g} of {applied(owner, theirs)} "
                f"= {value:g}{limit(eqn.out.type.dtype)}"
            )
        else:
            what, kind, numbers = f"the slope of {applied(owner, theirs)} is {value:g}", "slope", theirs
    return Cause(
        operation=operation,
        phase=origin.phase,
        layer=_parameter(passes, number) if origin.phase == "update" else passes.layer(origin.eqn),
        sample=_sample(passes, values, start, index, data),
        index=index,
        value=value,
        operands=numbers,
        where=eqn.where if origin.phase == "update" else origin.eqn.where,
        passed_on=_passed_on(passes, number, found.after(graph, number)),
        advice=remedy(operation, kind),
        what=what,
        type=eqn.out.type,
        count=count,
    )


def _given(entered: Mapping[Var, Marks], values: Values, data: Data) -> Cause:
    """Return the cause that an input was not finite to begin with."""
    var, marks = next(iter(entered.items()))
    places = np.argwhere(marks)
    index = tuple(map(int, places[0]))
    value = float(np.asarray(values[var])[index])
    return Cause(
        operation="input",
        phase="forward",
        layer="",
        sample=data.row(index[0]) if var in data.inputs else None,
        index=index,
        value=value,
        operands=(value,),
        where=None,
        passed_on=(),
        advice=remedy("input", "input"),
        what=f"{var.name or 'an argument'} holds {value:g}",
        type=var.type,
        count=len(places),
    )


def _sample(passes: Passes, values: Values, number: int, index: tuple[int, ...], data: Data) -> int | None:
    """Return the one sample that an equation's element is computed from; None if there are several, or none."""
    marked = {passes.graph.eqns[number].out: one(passes.graph.eqns[number].out.type.shape, index)}
    for eqn in reversed(passes.graph.eqns[: number + 1]):
        marks = marked.pop(eqn.out, None)
        if marks is None:
            continue
        xs = [np.asarray(read(values, a)) for a in eqn.inputs]
        for atom, part in zip(eqn.inputs, read_by(eqn, xs, marks), strict=True):
            if isinstance(atom, Var) and part.any():
                marked[atom] = marked[atom] | part if atom in marked else part
    samples = {int(place[0]) for var in data.inputs if var in marked for place in np.argwhere(marked[var])}
    return data.row(samples.pop()) if len(samples) == 1 else None


def _passed_on(passes: Passes, maker: int, numbers: Sequence[int]) -> tuple[str, ...]:
    """Return what passed it on, in words; a run of one kind once."""
    words: list[str] = []
    for number in numbers:
        origin = passes.origins[number]
        if origin == passes.origins[maker]:
            continue
        word = "the update"
        if origin.phase != "update":
            layer = passes.layer(origin.eqn)
            word = ("the gradient of " if origin.phase == "backward" else "") + origin.eqn.primitive.name
            word += f" ({layer})" if layer else ""
        if word not in words[-1:]:
            words.append(word)
    return tuple(words)


def _parameter(passes: Passes, number: int) -> str:
    """Return the first labelled output that depends on an equation."""
    reached: set[Any] = {passes.graph.eqns[number].out}
    for eqn in passes.graph.eqns[number + 1 :]:
        if not reached.isdisjoint(a for a in eqn.inputs if isinstance(a, Var)):
            reached.add(eqn.out)
    outputs = passes.graph.outputs[passes.outputs :]
    return next((name for name, atom in zip(passes.labels, outputs, strict=False) if atom in reached), "")
