"""Forward mode: carry a direction of the inputs forward to the outputs."""

from __future__ import annotations

from collections.abc import Mapping

from ..core.graph import Graph, Var
from ..core.interpret import read
from ..core.trace import located
from ..core.types import Array


def pushforward(
    graph: Graph, values: Mapping[Var, Array], tangents: Mapping[Var, Array]
) -> list[Array | None]:
    """Return the derivative of each output in the direction of the tangents; None where no path leads.

    Parameters
    ----------
    graph : Graph
    values : mapping of variable to array
        The forward pass with its intermediate results.
    tangents : mapping of input variable to array
        The direction; inputs that are left out do not move.
    """
    moved = dict(tangents)
    for eqn in graph.eqns:
        ts = [moved.get(a) if isinstance(a, Var) else None for a in eqn.inputs]
        if all(t is None for t in ts):
            continue
        with located(eqn.where):
            t = eqn.primitive.derivative.jvp(
                ts, values[eqn.out], [read(values, a) for a in eqn.inputs], eqn.params
            )
        if t is not None:
            moved[eqn.out] = t
    return [moved.get(a) if isinstance(a, Var) else None for a in graph.outputs]
