"""What machine code depends on, as one digest: equal digests, equal code.

The kernels are walked: they hold all that the text is written from, and nothing else, so that graphs which differ
in names or in the values of their constants share their code. A graph has a digest of its own, by which the one
of its kernels is known without scheduling it.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from .._version import __version__
from ..core.graph import Atom, Graph, Var
from ..core.primitive import Primitive
from ..core.types import Type
from .kernels import Buffer
from .sources import DIGEST_BYTES, sources

PLAIN = {str, bool, int, float, type(None)}  # whose repr tells them apart, to the last bit
WHOLE = {int}
LARGEST = 2**16  # bytes of a constant that a graph's digest holds
PACKAGE = __name__.partition(".")[0]


class Unknown(Exception):  # never an error to users: the code is made without a cache
    """A value whose meaning a digest cannot hold, such as a function."""


def digest(*values: Any) -> str | None:
    """Return a digest of values, this compiler and its LLVM; None if a value has no digest.

    Values are numbers, strings, arrays, types, buffers, and tuples, lists, mappings and data classes of them.
    """
    walk = _Walk()
    try:
        walk.walk(values)
    except Unknown:
        return None
    return _digest(walk.words)


def recorded(graph: Graph, *settings: Any) -> str | None:
    """Return a digest of a graph and of settings; None if it has none, as with large constants."""
    walk = _Walk()
    try:
        walk.walk(settings)
        walk.graph(graph)
    except Unknown:
        return None
    return _digest(walk.words)


def _digest(words: list[str]) -> str:
    return hashlib.blake2b("\0".join([compiler(), *words]).encode(), digest_size=DIGEST_BYTES).hexdigest()


@functools.cache
def compiler() -> str:
    """Return the version of clearprop and of LLVM, and a digest of the files that write the text."""
    import llvmlite
    from llvmlite.binding import llvm_version_info

    return f"{__version__} {llvmlite.__version__} {llvm_version_info} {sources()}"


@functools.cache
def _fields(kind: Any) -> tuple[str, ...] | None:
    """Return the names of a data class's fields; None for another class."""
    return tuple(field.name for field in fields(kind)) if is_dataclass(kind) else None


@functools.cache
def _operation(primitive: Primitive) -> str:
    """Return the name of an operation and of all that it is to the compiler."""
    kind: Any = primitive.lowering
    words = [primitive.name, type(kind).__name__]
    for name in _fields(kind.__class__) or ():
        value = getattr(kind, name)
        if callable(value):
            if value.__module__.partition(".")[0] != PACKAGE or "<" in value.__qualname__:
                raise Unknown(value)  # what it does is not in the files that are looked at
            value = f"{value.__module__}.{value.__qualname__}"
        words.append(str(value))
    return " ".join(words)


class _Walk:
    """Values to words; what is shared is written once and then referred to."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.seen: dict[int, int] = {}

    def walk(self, value: Any) -> None:
        """Write a value."""
        kind: Any = type(value)
        if kind in PLAIN:
            self.words.append(f"{kind.__name__} {value!r}")
        elif isinstance(value, (tuple, list)):
            if WHOLE.issuperset(map(type, value)):  # a shape, mostly: one word for all
                self.words.append(repr(tuple(value)))
                return
            self.words.append(f"{len(value)} of")
            for part in value:
                self.walk(part)
        elif (number := self.seen.get(id(value))) is not None:
            self.words.append(f"see {number}")
        elif kind is Buffer:
            self._note(value)
            self.words.append(f"buffer {value.home} {value.slot} {value.type}")
        elif (names := _fields(kind)) is not None:
            self._note(value)
            self.words.append(kind.__qualname__)
            for name in names:
                self.walk(getattr(value, name))
        elif isinstance(value, np.dtype):
            self.words.append(f"dtype {value.str}")
        elif isinstance(value, (np.ndarray, np.generic)) and not value.dtype.hasobject:
            self.words.append(f"array {value.dtype.str} {value.shape} {value.tobytes().hex()}")
        elif isinstance(value, Mapping):
            self.words.append(f"{len(value)} named")
            for name, part in value.items():
                self.walk(name)
                self.walk(part)
        else:
            raise Unknown(value)

    def graph(self, graph: Graph) -> None:
        """Write a graph: its equations, in which variables are numbers."""
        numbers = {var: str(n) for n, var in enumerate(graph.inputs)}
        types: dict[Type, str] = {}

        def word(type: Type) -> str:
            if type not in types:
                types[type] = f"{type.dtype.str}{type.shape}"
            return types[type]

        def read(atom: Atom) -> str:
            if isinstance(atom, Var):
                return numbers[atom]
            compact = atom.compact
            if compact.nbytes > LARGEST:
                raise Unknown(atom)
            return f"{word(atom.type)}{compact.shape}{compact.tobytes().hex()}"

        self.words.append(" ".join(word(var.type) for var in graph.inputs))
        for eqn in graph.eqns:
            numbers[eqn.out] = str(len(numbers))
            inputs = " ".join(map(read, eqn.inputs))
            self.words.append(f"{_operation(eqn.primitive)} {inputs} {word(eqn.out.type)}")
            if eqn.params:
                self.walk(eqn.params)
        self.words.append(" ".join(map(read, graph.outputs)))

    def _note(self, value: Any) -> None:
        self.seen[id(value)] = len(self.seen)
