"""Backpropagation: the one loop that carries an error back by the chain rule.

``sweep`` goes through the equations from the last to the first. It does not ask whether it is given
symbols or numbers: ``vjp`` runs it on traced values, which records the backward pass as a graph;
an explanation runs it on arrays and reads every number on the way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ..core.frozen import frozen
from ..core.graph import Atom, Eqn, Graph, Var
from ..core.interpret import read
from ..core.trace import located
from ..core.types import Array, is_float


@frozen
class Step:
    """One step back: the error at an equation's result, and the share that each input gets of it.

    Attributes
    ----------
    eqn : Eqn
    ct : array like the equation's result
        ∂L/∂out, complete: all that use the result have given their share.
    shares : tuple of array or None
        ∂L/∂inputᵢ through this equation alone; None where no path leads or none was asked for.
    """

    eqn: Eqn
    ct: Array
    shares: tuple[Array | None, ...]


def reached(graph: Graph, sources: Sequence[Var]) -> set[Var]:
    """Return the variables that depend on the sources through operations that have a derivative."""
    found = {var for var in sources if is_float(var.type.dtype)}
    for eqn in graph.eqns:
        if (
            eqn.primitive.derivative.kind != "constant"
            and is_float(eqn.out.type.dtype)
            and any(isinstance(a, Var) and a in found for a in eqn.inputs)
        ):
            found.add(eqn.out)
    return found


def sweep(
    graph: Graph,
    values: Mapping[Var, Array],
    seeds: Sequence[Array | None],
    wanted: Sequence[Var],
    errors: dict[Var, Array],
) -> Iterator[Step]:
    """Carry the errors of the outputs back to the wanted variables, one equation a step.

    Parameters
    ----------
    graph : Graph
    values : mapping of variable to array
        The forward pass with its intermediate results.
    seeds : sequence of array or None
        ∂L/∂output for each output; None for zero.
    wanted : sequence of Var
        The inputs at which the error is wanted; what does not depend on them is passed by.
    errors : dict
        Filled with ∂L/∂v for every variable v on a path; complete when the loop ends.
    """
    active = reached(graph, wanted)

    def add(atom: Atom, share: Array | None) -> None:
        if share is not None and isinstance(atom, Var) and atom in active:
            errors[atom] = errors[atom] + share if atom in errors else share

    for output, seed in zip(graph.outputs, seeds, strict=True):
        add(output, seed)
    for eqn in reversed(graph.eqns):
        if eqn.out not in errors or eqn.out not in active:
            continue
        ct = errors[eqn.out]
        needed = [isinstance(a, Var) and a in active for a in eqn.inputs]
        with located(eqn.where):
            shares = eqn.primitive.derivative.vjp(
                ct, values[eqn.out], [read(values, a) for a in eqn.inputs], eqn.params, needed
            )
            for atom, share in zip(eqn.inputs, shares, strict=True):
                add(atom, share)
        yield Step(eqn, ct, tuple(shares))


def pullback(
    graph: Graph, values: Mapping[Var, Array], seeds: Sequence[Array | None], wanted: Sequence[Var]
) -> list[Array | None]:
    """Return ∂L/∂v for the wanted variables; None where no path leads."""
    errors: dict[Var, Array] = {}
    for _ in sweep(graph, values, seeds, wanted, errors):
        pass
    return [errors.get(var) for var in wanted]
