"""Check a graph: single assignment, no dangling variable, every type derived anew.

Where CLEARPROP_VERIFY is set, as the tests do, each graph that is recorded or simplified is checked.
"""

from __future__ import annotations

import os

from .errors import GraphError
from .graph import Atom, Graph, Var, names_of

VERIFY = "CLEARPROP_VERIFY"


def verify(graph: Graph) -> None:
    """Check a graph that this package has made, where its own mistakes are looked for."""
    if os.environ.get(VERIFY):
        check(graph)


def check(graph: Graph) -> None:
    """Raise GraphError if the graph is not well formed."""
    defined: set[Var] = set()

    def fail(problem: str) -> GraphError:
        return GraphError(f"{problem} in\n{graph}")

    def use(atom: Atom, user: str) -> None:
        if isinstance(atom, Var) and atom not in defined:
            raise GraphError(f"{user} uses a variable {atom!r} that no equation before it defines")

    for var in graph.inputs:
        if var in defined:
            raise fail(f"the input {names_of(graph)[var]} is listed twice")
        defined.add(var)
    for eqn in graph.eqns:
        for atom in eqn.inputs:
            use(atom, f"equation {eqn.primitive.name}")
        if eqn.out in defined:
            raise fail(f"{names_of(graph)[eqn.out]} is assigned twice")
        derived = eqn.primitive.typed(*(a.type for a in eqn.inputs), **eqn.params)
        if derived != eqn.out.type:
            raise fail(f"{eqn.primitive.name} gives {derived}, not {eqn.out.type},")
        defined.add(eqn.out)
    for atom in graph.outputs:
        use(atom, "the output")
