"""A forward pass, the backward pass and what follows on it, as one graph whose equations know where they come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ...core.graph import Const, Eqn, Graph, Var
from ...core.interpret import Values
from ...core.trace import trace
from ...core.traced import Traced
from ...core.types import Array, Type, is_float, type_of
from ...transform.reverse import sweep
from ..observe import Call
from .influence import Marks

Phase = Literal["forward", "backward", "update"]


@dataclass(frozen=True)
class Origin:
    """Where an equation comes from: the pass, and the equation of the forward pass whose share it computes.

    ``joins`` says that it adds that share to those of others.
    """

    phase: Phase
    eqn: Eqn
    joins: bool = False


@dataclass(frozen=True, eq=False)
class Passes:
    """All passes of a function in one graph.

    Attributes
    ----------
    graph : Graph
        Its outputs: those of the function, then what `then` has returned.
    origins : list of Origin
        Of each equation.
    calls : list of Call
        Of the layers, by the numbers of the equations.
    outputs : int
        How many the function has.
    labels : sequence of str
        Names of the others.
    """

    graph: Graph
    origins: list[Origin]
    calls: list[Call]
    outputs: int
    labels: Sequence[str]

    def layer(self, eqn: Eqn) -> str:
        """Return the innermost layer that wrote an equation of the forward pass; "" outside of all."""
        number = next(n for n, e in enumerate(self.graph.eqns) if e is eqn)
        within = [c for c in self.calls if c.start <= number < c.stop and c.name]
        return min(within, key=lambda c: c.stop - c.start).name if within else ""


def record_passes(
    function: Callable[..., Sequence[Array]],
    types: Sequence[Type],
    names: Sequence[str],
    wanted: Sequence[int],
    calls: list[Call],
    then: Callable[[list[Array], list[Array]], Sequence[Array]],
    labels: Sequence[str] = (),
) -> Passes:
    """Record a function, the gradient of the sum of its outputs, and what is computed with that.

    Parameters
    ----------
    function : callable
        Of leaves of these types; returns a flat sequence.
    wanted : sequence of int
        The leaves at which the gradient is taken.
    calls : list of Call
        Filled by an observed model that the function calls.
    then : callable
        ``then(leaves, gradients)`` returns what else the graph computes.
    """
    origins: list[Origin] = []
    counts: list[int] = []

    def flat(*leaves: Traced) -> list[Array]:
        recording = leaves[0].recording
        results = list(function(*leaves))
        counts.append(len(results))
        atoms = tuple(map(recording.atom, results))
        graph = Graph(tuple(leaf.variable for leaf in leaves), tuple(recording.eqns), atoms)
        values = {v: Traced(v, recording) for v in (*graph.inputs, *(e.out for e in graph.eqns))}
        origins.extend(Origin("forward", eqn) for eqn in graph.eqns)
        seeds = [np.ones(a.type.shape, a.type.dtype) if is_float(a.type.dtype) else None for a in atoms]
        inputs = [graph.inputs[i] for i in wanted]
        errors: dict[Var, Array] = {}
        with np.errstate(all="ignore"):
            for step in sweep(graph, values, seeds, inputs, errors):
                sums = [
                    errors[a]
                    for a, share in zip(step.eqn.inputs, step.shares, strict=True)
                    if isinstance(a, Var) and share is not None and errors.get(a, share) is not share
                ]
                joined = {s.variable for s in sums if isinstance(s, Traced)}
                new = recording.eqns[len(origins) :]
                origins.extend(Origin("backward", step.eqn, e.out in joined) for e in new)
            gradients = [errors.get(v, np.zeros(v.type.shape, v.type.dtype)) for v in inputs]
            results += then(list(leaves), gradients)
        origins.extend(Origin("update", eqn) for eqn in recording.eqns[len(origins) :])
        return results

    graph, _ = trace(flat, types, names)
    return Passes(graph, origins, calls, counts[0], labels)


def not_finite(passes: Passes, values: Values, outputs: Iterable[int]) -> dict[Var, Marks]:
    """Return the marks of the outputs' elements that are not finite; constants are left out."""
    roots: dict[Var, Marks] = {}
    for i in outputs:
        atom = passes.graph.outputs[i]
        if isinstance(atom, Const) or not is_float(type_of(values[atom]).dtype):
            continue
        marks = ~np.isfinite(values[atom])
        if marks.any():
            roots[atom] = roots[atom] | marks if atom in roots else marks
    return roots
