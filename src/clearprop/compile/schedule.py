"""Graph to kernels: what is fused with what, and what lives in memory.

Maps over one index space go into one loop, as far as what they read is there in time; a value that only its
own loop uses stays in a register. What one array gives and one map reads waits for the loop of that map: so the
slope of an activation is computed in the backward pass, from the activation, and is never in memory. Views cost
nothing: they change where a loop reads. A fold is the tail of the loop that computes what it folds.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..core.frozen import frozen
from ..core.graph import Atom, Const, Eqn, Graph, Var
from ..core.lowering import Contract, Fold, Gather, Layout, Map, Place, Scatter, View, contiguous
from ..core.types import Type
from .constants import in_memory
from .fusion import fused
from .kernels import (
    Access,
    Apply,
    Buffer,
    Contraction,
    Failure,
    Folded,
    Kernel,
    Load,
    Loop,
    Node,
    Number,
    Special,
    Store,
    ends,
)
from .layouts import apart
from .order import ordered
from .readers import read_by_one_map
from .strips import stripped
from .vocabulary import REFUSALS, weight


@dataclass
class Known:
    """Where a value is: complete after the kernel at this place, in a register of it, in memory, or both.

    Or it waits: ``place`` is the first loop that could compute it, ``waiting`` how, ``source`` what it is made of.
    """

    place: int
    node: Node | None = None
    access: Access | None = None
    waiting: Eqn | None = None
    source: Var | None = None


@frozen
class Schedule:
    """Kernels in the order in which they run, and the memory that they share with the outside."""

    kernels: tuple[Kernel, ...]
    inputs: tuple[Buffer, ...]
    outputs: tuple[Buffer, ...]
    constants: tuple[tuple[Buffer, np.ndarray[Any, Any]], ...]
    failures: tuple[Failure, ...] = ()
    origins: Mapping[object, Eqn] = field(default_factory=dict)
    """The equation that a node, a store, a fold or a special kernel comes from; for people, never for code."""
    holds: Mapping[Buffer, Atom] = field(default_factory=dict)
    """The value that a temporary or output buffer, or a constant, is memory for; for people too."""


AGAIN = 3  # simple functions, at most, that are computed again instead of kept


def schedule(graph: Graph, padded: int = 0) -> Schedule:
    """Return the kernels that compute a graph; rows of its first inputs and outputs may have room between them.

    A draft tells which values have to be in memory; what little is between them and a later loop is then
    computed again there.
    """
    return _Scheduler(graph, _Scheduler(graph).kept(), padded).run()


class _Scheduler:
    def __init__(self, graph: Graph, kept: Collection[Var] = (), padded: int = 0) -> None:
        self.graph, self.stays, self.padded = graph, kept, padded
        self.sums = {e.out for e in graph.eqns if isinstance(e.primitive.lowering, Contract)}
        self.maps: dict[Var, Eqn] = {}  # how values in loops are made
        self.repeated: dict[tuple[int, Var], Node] = {}
        self.kernels: list[Kernel] = []
        self.eqn: Eqn | None = None  # the one that is being lowered
        self.origins: dict[object, Eqn] = {}
        self.holds: dict[Buffer, Atom] = {}
        self.values: dict[Var, Known] = {}
        self.loads: dict[tuple[int, Buffer, Layout], Load] = {}
        self.constants: dict[int, tuple[Buffer, np.ndarray[Any, Any]]] = {}
        self.inputs, self.outputs = ends(graph, padded)
        for var, buffer in zip(graph.inputs, self.inputs, strict=True):
            self.values[var] = Known(-1, access=Access(buffer, buffer.layout))
        self.homes: dict[Var, Buffer] = {}  # output buffers of what is computed into them
        self.failures: list[Failure] = []
        self.alone = read_by_one_map(graph)
        for atom, buffer in zip(graph.outputs, self.outputs, strict=True):
            self.holds[buffer] = atom
            if isinstance(atom, Var) and atom not in self.homes:
                self.homes[atom] = buffer

    def kept(self) -> set[Var]:
        """Return the values that have to be in memory, sums of products aside: those may go through a loop.

        Where several are simple functions of one that is not, that one takes their place.
        """
        self._draft()
        found = {var for var, value in self.values.items() if value.access is not None} - self.sums
        made_of: dict[Var, set[Var]] = {}
        for var in found & self.maps.keys():
            operands = {a for a in self.maps[var].inputs if isinstance(a, Var)}
            if len(operands) == 1 and self._simple(self.maps[var]):
                made_of.setdefault(operands.pop(), set()).add(var)
        for var, others in made_of.items():
            if var in self.maps and var not in found and len(others) > 1:
                found = (found - others) | {var}
        return found

    def run(self) -> Schedule:
        """Return the kernels, with those together that go together."""
        self._draft()
        for loop in (k for k in self.kernels if isinstance(k, Loop)):
            loop.nodes = loop.needed(loop.ends)
        constants = tuple(self.constants.values())
        working = [k for k in self.kernels if not isinstance(k, Loop) or k.nodes or k.ends]  # some are empty
        kernels = tuple(ordered(stripped(fused(working), constants)))
        outside = (self.inputs, self.outputs, constants, tuple(self.failures))
        return Schedule(kernels, *outside, self.origins, self.holds)

    def _draft(self) -> None:
        for eqn in self.graph.eqns:
            self.eqn = eqn
            self._lower(eqn)
        self.eqn = None
        for atom, buffer in zip(self.graph.outputs, self.outputs, strict=True):
            if not isinstance(atom, Var) or self._memory(atom).buffer is not buffer:
                self._copy(atom, Access(buffer, buffer.layout))

    # ---- one equation

    def _lower(self, eqn: Eqn) -> None:
        kind, out = eqn.primitive.lowering, eqn.out
        if isinstance(kind, Map):
            self._map(eqn, kind)
        elif isinstance(kind, View):
            self._view(eqn, kind)
        elif isinstance(kind, Fold):
            self._fold(eqn, kind)
        elif isinstance(kind, Place):
            self._place(eqn, kind)
        else:
            assert kind is not None
            product = isinstance(kind, Contract)
            inputs = [self._memory(a) if product else self._packed(a) for a in eqn.inputs]
            access = self._fresh(out)
            failure = self._indexing(eqn) if isinstance(kind, (Gather, Scatter)) else 0
            kernel = (Contraction if product else Special)(kind, inputs, access, eqn.params, failure)
            self.kernels.append(kernel)
            self.origins[kernel] = eqn
            self.values[out] = Known(len(self.kernels) - 1, access=access)

    def _map(self, eqn: Eqn, kind: Map) -> None:
        source = self._source(eqn) if eqn.out in self.alone else None
        if source is not None:
            self.values[eqn.out] = Known(
                self._first(eqn.out.type.shape, eqn.inputs), waiting=eqn, source=source
            )
            return
        place, loop = self._loop_for(eqn.out.type.shape, eqn.inputs)
        self._apply(place, loop, eqn)

    def _apply(self, place: int, loop: Loop, eqn: Eqn) -> Node:
        """Write a map into a loop."""
        kind = eqn.primitive.lowering
        assert isinstance(kind, Map)
        args = tuple(self._node(place, loop, a) for a in eqn.inputs)
        node = Apply(kind.function, args, eqn.params, eqn.out.type.dtype, self._refusal(eqn, kind))
        loop.nodes.append(node)
        self.origins[node] = eqn
        self.values[eqn.out] = Known(place, node)
        self.maps[eqn.out] = eqn
        return node

    def _again(self, place: int, loop: Loop, eqn: Eqn) -> Node:
        """Write a map into a loop that does not keep its value for others."""
        if (place, eqn.out) not in self.repeated:
            before = self.values[eqn.out]
            self.repeated[place, eqn.out] = self._apply(place, loop, eqn)
            self.values[eqn.out] = before
        return self.repeated[place, eqn.out]

    def _between(self, place: int, var: Var) -> set[Var] | None:
        """Return the simple maps from what a loop has, or memory holds anyway, to a value; None if others are."""
        value, eqn = self.values[var], self.maps.get(var)
        if value.place == place or value.access is not None:
            return None if var in self.sums else set()
        without: set[Var] | None = set() if var in self.stays else None
        if eqn is None or not self._simple(eqn):
            return without
        found = {var}
        for atom in eqn.inputs:
            if isinstance(atom, Var):
                before = self._between(place, atom) if atom.type.shape == var.type.shape else None
                if before is None:
                    return without
                found |= before
        return found

    def _simple(self, eqn: Eqn) -> bool:
        kind = eqn.primitive.lowering
        return isinstance(kind, Map) and weight(kind.function) == 1 and kind.function not in REFUSALS

    def _source(self, eqn: Eqn) -> Var | None:
        """Return the one variable that a map is made of, beside numbers; None if there are several, or none."""
        found = set()
        for atom in eqn.inputs:
            if isinstance(atom, Var):
                found.add(self.values[atom].source or atom)
            elif atom.uniform is None:
                return None
        return found.pop() if len(found) == 1 else None

    def _view(self, eqn: Eqn, kind: View) -> None:
        source = eqn.inputs[0]
        access = self._memory(source)
        layout = kind.rule(access.layout, **eqn.params)
        place = self._place_of(source)
        if layout is None:  # the elements have to move first
            access = self._beside(source)
            place = self._copy(source, access)
            layout = kind.rule(access.layout, **eqn.params)
            assert layout is not None
        self.values[eqn.out] = Known(place, access=Access(access.buffer, layout))

    def _fold(self, eqn: Eqn, kind: Fold) -> None:
        source, axes = eqn.inputs[0], eqn.params["axes"]
        place, loop = self._loop_for(source.type.shape, eqn.inputs)
        access = self._fresh(eqn.out)
        kept = iter(access.layout.strides)
        strides = tuple(0 if a in axes else next(kept) for a in range(source.type.ndim))
        node = self._node(place, loop, source)
        layout = Layout(source.type.shape, strides)
        fold = Folded(node, kind.combine, axes, Access(access.buffer, layout))
        loop.folds.append(fold)
        self.origins[fold] = eqn
        self.values[eqn.out] = Known(place, access=access)

    def _place(self, eqn: Eqn, kind: Place) -> None:
        access = self._fresh(eqn.out)
        if kind.zeros:
            zero = Number(eqn.out.type.dtype.type(0))
            store = Store(zero, access)
            self.kernels.append(Loop(eqn.out.type.shape, [zero], [store]))
            self.origins[store] = eqn
        last = len(self.kernels) - 1
        parts = kind.parts(access.layout, [a.type for a in eqn.inputs], **eqn.params)
        for atom, layout in zip(eqn.inputs, parts, strict=True):
            last = max(
                last, self._copy(atom, Access(access.buffer, layout), after=last if kind.zeros else -1)
            )
        self.values[eqn.out] = Known(last, access=access)

    # ---- what may go wrong

    def _indexing(self, eqn: Eqn) -> int:
        """Return the number of an index that may be out of range."""
        indexed = eqn.inputs[0].type if isinstance(eqn.primitive.lowering, Gather) else eqn.out.type
        problem = "index {index} is out of range for axis {axis} of length {length}"
        return self._note(Failure(IndexError, problem, indexed.shape, eqn.where))

    def _refusal(self, eqn: Eqn, kind: Map) -> int:
        """Return the number of an operand that may be refused, if the function refuses any of these."""
        refusal = REFUSALS.get(kind.function)
        if refusal is None or not refusal.possible(eqn.inputs):
            return 0
        return self._note(Failure(refusal.error, refusal.problem, (), eqn.where))

    def _note(self, failure: Failure) -> int:
        self.failures.append(failure)
        return len(self.failures)

    # ---- loops

    def _place_of(self, atom: Atom) -> int:
        return self.values[atom].place if isinstance(atom, Var) else -1

    def _first(self, shape: tuple[int, ...], inputs: Sequence[Atom], after: int = -1) -> int:
        """Return the place of the first loop over this index space that could have the inputs."""
        first = after + 1
        for atom in inputs:
            if isinstance(atom, Var):
                value = self.values[atom]
                in_register = value.node is not None and atom.type.shape == shape
                first = max(first, value.place if in_register or value.waiting else value.place + 1)
        return first

    def _loop_for(self, shape: tuple[int, ...], inputs: Sequence[Atom], after: int = -1) -> tuple[int, Loop]:
        """Return the first loop over this index space that runs when the inputs are there, or a new one."""
        first = self._first(shape, inputs, after)
        for place in range(first, len(self.kernels)):
            kernel = self.kernels[place]
            if isinstance(kernel, Loop) and kernel.shape == shape:
                return place, kernel
        loop = Loop(shape)
        self.kernels.append(loop)
        return len(self.kernels) - 1, loop

    def _node(self, place: int, loop: Loop, atom: Atom) -> Node:
        """Return the node that stands for a value in a loop."""
        if isinstance(atom, Const) and (number := atom.uniform) is not None:
            return Number(number)
        if isinstance(atom, Var):
            value = self.values[atom]
            if value.node is not None and value.place == place:
                return value.node
            if value.waiting is not None:
                return self._apply(place, loop, value.waiting)
            if value.access is None and 0 < len(self._between(place, atom) or ()) <= AGAIN:
                return self._again(place, loop, self.maps[atom])
        access = self._memory(atom)
        key = (place, access.buffer, access.layout)
        if key not in self.loads:
            self.loads[key] = Load(access)
            loop.nodes.append(self.loads[key])
        return self.loads[key]

    def _copy(self, atom: Atom, to: Access, after: int = -1) -> int:
        """Write a value to memory of this layout too; return the place of the loop that does it."""
        place, loop = self._loop_for(atom.type.shape, [atom], after)
        store = Store(self._node(place, loop, atom), to)
        loop.stores.append(store)
        if self.eqn is not None:
            self.origins[store] = self.eqn
        return place

    # ---- memory

    def _fresh(self, var: Var) -> Access:
        home = self.homes.get(var)
        return self._beside(var) if home is None else Access(home, home.layout)

    def _beside(self, atom: Atom) -> Access:
        """Return memory for a value, or for a copy of it."""
        buffer = Buffer(atom.type, layout=apart(atom.type) if self.padded else None)
        self.holds[buffer] = atom
        return Access(buffer, buffer.layout)

    def _memory(self, atom: Atom) -> Access:
        """Return where a value is in memory; what a loop has in a register only, it now stores."""
        if isinstance(atom, Const):
            return self._constant(atom)
        value = self.values[atom]
        if value.access is None:
            loop = self.kernels[value.place]
            assert isinstance(loop, Loop)
            assert value.node is not None
            value.access = self._fresh(atom)
            loop.stores.append(Store(value.node, value.access))
        return value.access

    def _constant(self, atom: Const) -> Access:
        if id(atom) not in self.constants:
            array = in_memory(atom)
            buffer = Buffer(Type(array.shape, array.dtype), "constant", len(self.constants))
            self.holds[buffer] = atom
            self.constants[id(atom)] = (buffer, array)
        buffer, array = self.constants[id(atom)]
        layout = contiguous(array.shape)
        return Access(buffer, layout if array.shape == atom.type.shape else layout.broadcast(atom.type.shape))

    def _packed(self, atom: Atom) -> Access:
        """Return a value in memory in row order without gaps."""
        access = self._memory(atom)
        if access.layout == contiguous(atom.type.shape):
            return access
        if isinstance(atom, Const):
            return self._constant(Const(np.array(atom.value, order="C")))
        to = self._beside(atom)
        self._copy(atom, to)
        return to
