"""Run a graph with NumPy: the reference meaning. Given traced values it records again: the inliner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from .errors import GraphError
from .graph import Atom, Const, Graph, Var
from .trace import located
from .types import Array

Values = dict[Var, Array]
"""The value of each variable of a graph."""


def read(values: Mapping[Var, Array], atom: Atom) -> Array:
    """Return the value of a variable or a constant."""
    return atom.value if isinstance(atom, Const) else values[atom]


def evaluate(graph: Graph, args: Sequence[Array]) -> Values:
    """Compute every variable of the graph and keep them all: the forward pass, with what lies between."""
    if len(args) != len(graph.inputs):
        raise GraphError(f"a graph of {len(graph.inputs)} inputs was given {len(args)} values")
    values: Values = dict(zip(graph.inputs, args, strict=True))
    with np.errstate(all="ignore"):  # a branch that np.where discards may divide by zero
        for eqn in graph.eqns:
            try:
                with located(eqn.where):
                    values[eqn.out] = eqn.primitive(*(read(values, a) for a in eqn.inputs), **eqn.params)
            except Exception as error:  # what only the numbers show: an index out of range
                error.add_note(f"  in {eqn.primitive.name}, at {eqn.where}")
                raise
    return values


def interpret(graph: Graph, args: Sequence[Array]) -> list[Array]:
    """Compute the outputs of the graph."""
    values = evaluate(graph, args)
    return [read(values, atom) for atom in graph.outputs]
