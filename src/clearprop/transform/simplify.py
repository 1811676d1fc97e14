"""Simplification: rewrites that keep the meaning and never make a graph longer.

The engine knows no operation: it drops what nobody uses, computes what is constant, and joins what is
computed twice. What is particular to operations comes as rewrites, named functions that the operations
declare; each says whether it is exact, and only exact ones run unless asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from ..core.check import verify
from ..core.frozen import frozen
from ..core.graph import Atom, Const, Eqn, Graph, Var

Definition = Callable[[Atom], Eqn | None]
Outcome = Atom | tuple[Any, tuple[Atom, ...], dict[str, Any]] | None


@frozen
class Rewrite:
    """A named rule: from an equation to a value it equals, to (primitive, inputs, params), or None."""

    name: str
    apply: Callable[[Eqn, Definition], Outcome]
    exact: bool
    says: str


REWRITES: dict[str, Rewrite] = {}


def rewrite(*, exact: bool) -> Callable[[Callable[[Eqn, Definition], Outcome]], Rewrite]:
    """Declare a rewrite; ``exact`` if it gives the same bits for every input, NaN included."""

    def decorate(apply: Callable[[Eqn, Definition], Outcome]) -> Rewrite:
        rule = Rewrite(apply.__name__, apply, exact, apply.__doc__ or "")
        REWRITES[rule.name] = rule
        return rule

    return decorate


_SMALL = 64  # elements up to which constants are compared and computed


def _atom_key(atom: Atom) -> Hashable:
    if isinstance(atom, Var):
        return atom
    number = atom.uniform
    if number is not None:
        return atom.type, number.tobytes()
    return (atom.type, atom.value.tobytes()) if atom.value.size <= _SMALL else id(atom.value)


def _param_key(value: Any) -> Hashable:
    return value if isinstance(value, Hashable) else repr(value)


def simplify(graph: Graph, inexact: bool = False) -> Graph:
    """Return a graph of the same meaning, at most as long.

    Parameters
    ----------
    graph : Graph
    inexact : bool
        Also apply the rewrites that change rounding or special values.
    """
    replaced: dict[Var, Atom] = {}
    defined: dict[Var, Eqn] = {}
    seen: dict[Hashable, Var] = {}
    eqns: list[Eqn] = []
    rules = [r for r in REWRITES.values() if r.exact or inexact]

    def definition(atom: Atom) -> Eqn | None:
        return defined.get(atom) if isinstance(atom, Var) else None

    def current(atom: Atom) -> Atom:
        return replaced.get(atom, atom) if isinstance(atom, Var) else atom

    for old in graph.eqns:
        eqn = old.of(tuple(map(current, old.inputs)))
        result = _settle(eqn, rules, definition)
        if not isinstance(result, Eqn):
            replaced[old.out] = result
            continue
        key = (
            result.primitive,
            tuple(map(_atom_key, result.inputs)),
            tuple((k, _param_key(v)) for k, v in result.params.items()),
        )
        if key in seen:
            replaced[old.out] = seen[key]
            continue
        seen[key] = result.out
        defined[result.out] = result
        eqns.append(result)
    outputs = tuple(map(current, graph.outputs))
    simpler = Graph(graph.inputs, _used(eqns, outputs), outputs, graph.name)
    verify(simpler)
    return simpler


def _settle(eqn: Eqn, rules: list[Rewrite], definition: Definition) -> Eqn | Atom:
    """Apply rules until none fits; return the equation left, or the value that it equals."""
    changed = True
    while changed:
        changed = False
        folded = _fold(eqn)
        if folded is not None:
            return folded
        for rule in rules:
            outcome = rule.apply(eqn, definition)
            if outcome is None:
                continue
            if isinstance(outcome, (Var, Const)):
                return outcome
            primitive, inputs, params = outcome
            eqn = Eqn(primitive, inputs, params, eqn.out, eqn.where)
            changed = True
            break
    return eqn


def _fold(eqn: Eqn) -> Const | None:
    """Compute an equation of small constants now."""
    if any(isinstance(a, Var) for a in eqn.inputs) or eqn.out.type.size > _SMALL:
        return None
    if any(isinstance(a, Const) and a.value.size > _SMALL for a in eqn.inputs):
        return None
    with np.errstate(all="ignore"):
        return Const(
            np.asarray(eqn.primitive(*(a.value for a in eqn.inputs if isinstance(a, Const)), **eqn.params))
        )


def _used(eqns: list[Eqn], outputs: tuple[Atom, ...]) -> tuple[Eqn, ...]:
    """Return the equations that the outputs need."""
    needed = {a for a in outputs if isinstance(a, Var)}
    kept = []
    for eqn in reversed(eqns):
        if eqn.out in needed:
            kept.append(eqn)
            needed.update(a for a in eqn.inputs if isinstance(a, Var))
    return tuple(reversed(kept))
