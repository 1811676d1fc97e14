"""From one stop to the next: a graph of scalars with the stops that a reader knows, and all between them as one step.

At full detail each value of the graph is a stop. Otherwise stops are what a layer takes, its weighted sums and its
activations, what the model gives, and operands and results of matrix products; partial derivatives between
two stops are added over all ways that lead through no other stop.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from ...core.graph import Eqn, Var
from ...core.lowering import Contract
from ...transform.reverse import reached
from ..layers import Layer
from ..record import Record
from .edges import Edges, Ints, Sparse, edges


@dataclass(frozen=True, eq=False)
class Stretch:
    """The edges from one stop to another."""

    source: Var
    target: Var
    edges: Edges


@dataclass(frozen=True, eq=False)
class Stretches:
    """All stretches on the way from one element to the loss.

    Attributes
    ----------
    start, end : Var
    stops : tuple of Var
        In the order in which they are computed.
    after : mapping of Var to list of Stretch
        Those that begin at a stop.
    met : mapping of Var to int[...]
        The elements of each stop that the way can lead through, counted in row order.
    """

    start: Var
    end: Var
    stops: tuple[Var, ...]
    after: Mapping[Var, list[Stretch]]
    met: Mapping[Var, Ints]


def stretches(record: Record, layers: Iterable[Layer], start: Var, element: int, full: bool) -> Stretches:
    """Return the stretches from an element of an input to the loss; at full detail each is one operation."""
    graph, end = record.graph, record.graph.outputs[0]
    assert isinstance(end, Var)  # a loss that is a constant has no path and is not asked for
    on_way = {var for var in reached(graph, [start]) if var in record.errors}
    order = [var for var in (start, *(eqn.out for eqn in graph.eqns)) if var in on_way]
    stops = on_way if full else on_way & {start, end, *_known(record, layers)}
    builder = _Builder(record, stops, end, full)
    met: dict[Var, Ints] = {start: np.array([element])}
    after: dict[Var, list[Stretch]] = {}
    for stop in order:
        if stop not in stops or stop not in met or stop is end:
            continue
        after[stop] = builder.from_stop(stop, met[stop])
        for stretch in after[stop]:
            targets = stretch.edges.met(met[stop])
            met[stretch.target] = np.union1d(met.get(stretch.target, targets[:0]), targets)
    return Stretches(start, end, tuple(v for v in order if v in met and v in stops), after, met)


def _known(record: Record, layers: Iterable[Layer]) -> Iterable[Var]:
    """Yield the stops that are not those of full detail."""
    yield from (atom for atom in record.graph.outputs if isinstance(atom, Var))
    for layer in layers:
        yield from layer.variables.values()
    for eqn in record.graph.eqns:
        if isinstance(eqn.primitive.lowering, Contract):
            yield eqn.out
            yield from (atom for atom in eqn.inputs if isinstance(atom, Var))


class _Builder:
    """Adds up what lies between two stops."""

    def __init__(self, record: Record, stops: set[Var], end: Var, full: bool) -> None:
        self.record, self.stops, self.end, self.full = record, stops, end, full
        self.readers: dict[Var, list[tuple[int, Eqn, int]]] = {}
        for number, eqn in enumerate(record.graph.eqns):
            for i, atom in enumerate(eqn.inputs):
                if isinstance(atom, Var) and eqn.out in record.errors:
                    self.readers.setdefault(atom, []).append((number, eqn, i))

    def from_stop(self, stop: Var, elements: Ints) -> list[Stretch]:
        """Return the stretches that leave some elements of a stop."""
        if not self.full and self._leads_only_to_the_end(stop):
            errors = self.record.error(stop).ravel()[elements].astype(np.float64)
            return [Stretch(stop, self.end, Sparse(elements, np.zeros(len(elements), np.int64), errors))]
        known: dict[Var, Sparse] = {stop: Sparse.identity(elements)}
        pending = [(number, i) for number, _, i in self.readers.get(stop, [])]
        heapq.heapify(pending)
        found: list[Stretch] = []
        while pending:
            number, i = heapq.heappop(pending)
            eqn = self.record.graph.eqns[number]
            own = edges(eqn, i, self.record.values)
            if eqn.inputs[i] is stop and eqn.out in self.stops:
                found.append(Stretch(stop, eqn.out, own))
                continue
            source = eqn.inputs[i]
            assert isinstance(source, Var)  # a reader reads a variable
            way = known[source].then(own)
            if eqn.out in known:
                known[eqn.out] = known[eqn.out].merged(way)
            else:
                known[eqn.out] = way
                if eqn.out not in self.stops:
                    for following, _, j in self.readers.get(eqn.out, []):
                        heapq.heappush(pending, (following, j))
        ends = [
            Stretch(stop, var, way) for var, way in known.items() if var in self.stops and var is not stop
        ]
        return found + ends if self.full else _united(stop, found + ends)

    def _leads_only_to_the_end(self, stop: Var) -> bool:
        """Tell whether all ways from here meet no other stop before the loss."""
        seen, rest = {stop}, [stop]
        while rest:
            for _, eqn, _ in self.readers.get(rest.pop(), []):
                if eqn.out is self.end or eqn.out in seen:
                    continue
                if eqn.out in self.stops:
                    return False
                seen.add(eqn.out)
                rest.append(eqn.out)
        return True


def _united(stop: Var, found: list[Stretch]) -> list[Stretch]:
    """Add up what leads to the same stop."""
    united: list[Stretch] = []
    for target in dict.fromkeys(stretch.target for stretch in found):
        ways = [stretch.edges for stretch in found if stretch.target is target]
        sparse = [way for way in ways if isinstance(way, Sparse)]
        united += [Stretch(stop, target, way) for way in ways if not isinstance(way, Sparse)]
        if sparse:
            united.append(Stretch(stop, target, sparse[0].merged(*sparse[1:]) if sparse[1:] else sparse[0]))
    return united
