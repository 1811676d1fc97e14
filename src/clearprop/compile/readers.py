"""Which values of a graph have a single reader that can compute them for itself."""

from __future__ import annotations

from ..core.graph import Graph, Var
from ..core.lowering import Map


def read_by_one_map(graph: Graph) -> set[Var]:
    """Return the variables that one equation reads, a map, and that are no output."""
    readers: dict[Var, set[int]] = {}
    for n, eqn in enumerate(graph.eqns):
        for atom in eqn.inputs:
            if isinstance(atom, Var):
                readers.setdefault(atom, set()).add(n)
    read = {v for v, those in readers.items() if len(those) == 1}
    return {v for v in read if isinstance(graph.eqns[min(readers[v])].primitive.lowering, Map)} - {
        a for a in graph.outputs if isinstance(a, Var)
    }
