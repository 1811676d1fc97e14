"""Back from a number that is not finite, through what only passed it on, to the equation that made it.

Followed is only what makes a difference: at an equation whose result is not finite, the inputs that are not finite
and that the result depends on. What is discarded on the way, as by ``np.where``, is therefore never reached.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...core.graph import Const, Eqn, Graph, Var
from ...core.interpret import Values, read
from ...core.lowering import Fold, Map
from .influence import Marks, reached_by, read_by


@dataclass(eq=False)
class Trail:
    """What led to numbers that are not finite.

    Attributes
    ----------
    made : dict of int to marks
        Equations, by number, that made elements so of finite ones, or took them from a constant.
    entered : dict of Var to marks
        Inputs of the graph whose elements were so already.
    passed : set of int
        Equations on the way.
    """

    made: dict[int, Marks] = field(default_factory=dict)
    entered: dict[Var, Marks] = field(default_factory=dict)
    passed: set[int] = field(default_factory=set)

    def first(self) -> tuple[int, tuple[int, ...], int] | None:
        """Return the first equation that made one, the first element, and how many there are."""
        if not self.made:
            return None
        number = min(self.made)
        places = np.argwhere(self.made[number])
        return number, tuple(map(int, places[0])), len(places)

    def after(self, graph: Graph, number: int) -> list[int]:
        """Return the equations, in order, that passed on what one of them has made."""
        reached = {graph.eqns[number].out}
        found = []
        for n in sorted(self.passed):
            if n > number and not reached.isdisjoint(a for a in graph.eqns[n].inputs if isinstance(a, Var)):
                reached.add(graph.eqns[n].out)
                found.append(n)
        return found


def trail(graph: Graph, values: Values, roots: Mapping[Var, Marks]) -> Trail:
    """Follow marked elements, none of them finite, back through a graph whose values are known."""
    found, marked = Trail(), {var: marks for var, marks in roots.items() if marks.any()}
    for number in reversed(range(len(graph.eqns))):
        eqn = graph.eqns[number]
        marks = marked.pop(eqn.out, None)
        if marks is None:
            continue
        xs = [np.asarray(read(values, atom)) for atom in eqn.inputs]
        causes = _causes(eqn, xs, np.asarray(values[eqn.out]), marks)
        found.passed.add(number)
        made = marks & ~reached_by(eqn, xs, causes)
        for atom, cause in zip(eqn.inputs, causes, strict=True):
            if not cause.any():
                continue
            if isinstance(atom, Const):
                own = [c & (a is atom) for a, c in zip(eqn.inputs, causes, strict=True)]
                made |= marks & reached_by(eqn, xs, own)
            else:
                marked[atom] = marked[atom] | cause if atom in marked else cause
        if made.any():
            found.made[number] = made
    found.entered = marked
    return found


def _causes(eqn: Eqn, xs: list[Any], y: Any, marks: Marks) -> list[Marks]:
    """Return the elements of the inputs that are not finite and make marked elements of the result so."""
    read_from = read_by(eqn, xs, marks)
    bad = [
        r & ~np.isfinite(x) if x.dtype.kind == "f" else np.zeros(x.shape, np.bool_)
        for r, x in zip(read_from, xs, strict=True)
    ]
    kind = eqn.primitive.lowering
    if isinstance(kind, Map) and len(xs) > 1:
        return _decisive(eqn, xs, y, bad)
    if isinstance(kind, Fold) and kind.combine != "add":
        same = np.expand_dims(y, eqn.params["axes"])
        return [b & ((x == same) | np.isnan(x)) for b, x in zip(bad, xs, strict=True)]
    return bad


def _decisive(eqn: Eqn, xs: list[Any], y: Any, bad: list[Marks]) -> list[Marks]:
    """Of elements that meet, return those with a finite number in whose place the result is another; else all."""
    decisive = []
    for i, b in enumerate(bad):
        with np.errstate(all="ignore"):
            x = np.where(b, 1, xs[i]).astype(xs[i].dtype)
            other = eqn.primitive.compute(*xs[:i], x, *xs[i + 1 :], **eqn.params)
        decisive.append(b & ~((other == y) | (np.isnan(other) & np.isnan(y))))
    none = ~np.logical_or.reduce(decisive)
    return [d | (b & none) for d, b in zip(decisive, bad, strict=True)]
