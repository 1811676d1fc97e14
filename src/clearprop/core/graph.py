"""Graphs: frozen, straight-line computations, printed in one notation.

graph(x: f64[4,3], w: f64[3,2]) -> f64[]
  a: f64[4,2] = matmul x w
  b: f64[4,2] = tanh a
  c: f64[] = sum b axes=(0, 1)
  return c
"""

from __future__ import annotations

import itertools
import linecache
import string
from collections.abc import Iterator, Mapping
from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from .frozen import frozen
from .types import Type

if TYPE_CHECKING:
    from .primitive import Primitive


@frozen(slots=True)
class Location:
    """A line of the user's code."""

    file: str
    line: int

    def __str__(self) -> str:
        text = linecache.getline(self.file, self.line).strip()
        return f"{self.file}:{self.line}" + (f"   {text}" if text else "")


class Var:
    """A value of a graph: an input or the result of one equation. Equal only to itself."""

    __slots__ = ("name", "type")

    def __init__(self, type: Type, name: str = "") -> None:
        self.type = type
        self.name = name  # a hint for printing; "" lets the printer choose

    def __repr__(self) -> str:
        return f"{self.name or '_'}: {self.type}"


class Const:
    """An array that the traced function did not get as an argument.

    One number repeated is held as a single element with strides of zero, whatever its shape. What repeats along an
    axis is held once there, with a stride of zero.
    """

    __slots__ = ("type", "value")

    def __init__(self, value: np.ndarray[Any, Any]) -> None:
        self.value = value
        self.type = Type(value.shape, value.dtype)

    @property
    def uniform(self) -> np.generic | None:
        """The number, if all elements are one number held once; else None."""
        value = self.value
        if value.size and not any(value.strides):
            return value[(0,) * value.ndim]  # type: ignore[no-any-return]  # a scalar
        return None

    @property
    def compact(self) -> np.ndarray[Any, Any]:
        """The array with one element along each axis where it repeats."""
        value = self.value
        return value[tuple(slice(None) if stride else slice(1) for stride in value.strides)]

    def owned(self) -> Const:
        """Return this constant with an array that nobody else can change; what repeats is held once."""
        copy = np.array(self.compact, order="C")
        if copy.size:
            elements = copy.reshape(-1, 1).view(np.uint8)
            if (
                len(elements) == 1 or (elements == elements[0]).all()
            ):  # bit for bit: NaN too, but not 0 and −0
                copy = np.array(copy.reshape(-1)[0])
        copy.flags.writeable = False
        return Const(copy if copy.shape == self.value.shape else np.broadcast_to(copy, self.value.shape))

    def __repr__(self) -> str:
        number = self.uniform
        if number is not None:
            return f"{number}" if self.type.ndim == 0 else f"{number}:{self.type}"
        return f"const:{self.type}"


Atom: TypeAlias = Var | Const


@frozen(eq=False, slots=True)
class Eqn:
    """One equation: ``out = primitive(*inputs, **params)``."""

    primitive: Primitive
    inputs: tuple[Atom, ...]
    params: Mapping[str, Any]
    out: Var
    where: Location | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "params", MappingProxyType(dict(self.params)))

    def of(self, inputs: tuple[Atom, ...]) -> Eqn:
        """Return this equation of other inputs; itself if they are its own."""
        if inputs == self.inputs:
            return self
        return Eqn(self.primitive, inputs, self.params, self.out, self.where)


@frozen(eq=False, slots=True)
class Graph:
    """Inputs, equations in the order in which they are computed, outputs."""

    inputs: tuple[Var, ...]
    eqns: tuple[Eqn, ...]
    outputs: tuple[Atom, ...]
    name: str = field(default="graph")

    def __repr__(self) -> str:
        return print_graph(self)

    def owning_constants(self) -> Graph:
        """Return this graph with its constants copied, so that later changes to them change nothing here."""
        owned: dict[int, Const] = {}

        def own(atom: Atom) -> Atom:
            if isinstance(atom, Var):
                return atom
            return owned.setdefault(id(atom), atom.owned())

        eqns = tuple(e.of(tuple(map(own, e.inputs))) for e in self.eqns)
        return Graph(self.inputs, eqns, tuple(map(own, self.outputs)), self.name)


def _letters() -> Iterator[str]:
    for length in itertools.count(1):
        for letters in itertools.product(string.ascii_lowercase, repeat=length):
            yield "".join(letters)


def names_of(graph: Graph) -> dict[Var, str]:
    """Return a name for each variable: the argument's own, or the next free letter."""
    names: dict[Var, str] = {}
    taken: set[str] = set()
    for var in graph.inputs:
        if var.name and var.name not in taken:
            names[var] = var.name
            taken.add(var.name)
    free = (name for name in _letters() if name not in taken)
    for var in itertools.chain(graph.inputs, (eqn.out for eqn in graph.eqns)):
        if var not in names:
            names[var] = next(free)
    return names


def print_graph(graph: Graph) -> str:
    """Return the graph in its one notation."""
    names = names_of(graph)
    arguments = ", ".join(f"{names[v]}: {v.type}" for v in graph.inputs)
    results = ", ".join(str(a.type) for a in graph.outputs)
    lines = [f"{graph.name}({arguments}) -> {results if len(graph.outputs) == 1 else f'({results})'}"]
    lines += [f"  {print_equation(eqn, names)}" for eqn in graph.eqns]
    lines.append(f"  return {', '.join(_show_atom(a, names) for a in graph.outputs)}")
    return "\n".join(lines)


def print_equation(eqn: Eqn, names: Mapping[Var, str]) -> str:
    """Return one equation in the same notation, with these names."""
    words = [eqn.primitive.name, *(_show_atom(a, names) for a in eqn.inputs)]
    words += [f"{key}={_show_param(value)}" for key, value in eqn.params.items()]
    return f"{names[eqn.out]}: {eqn.out.type} = {' '.join(words)}"


def _show_atom(atom: Atom, names: Mapping[Var, str]) -> str:
    return names[atom] if isinstance(atom, Var) else repr(atom)


def _show_param(value: Any) -> str:
    return str(value) if isinstance(value, np.dtype) else repr(value)
