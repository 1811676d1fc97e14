"""Nested structures: arrays are leaves, everything else is structure.

Walked are Module, dict, list and tuple, and nothing else. A Python number is a leaf in a dict, a list,
a tuple or alone, where it is an argument; inside a Module it is a setting and belongs to the structure.

>>> import numpy as np
>>> tree = {"w": np.ones(2), "b": [np.zeros(1), None]}
>>> paths(tree)
['w', 'b.0']
>>> map(lambda a: a.shape, tree)
{'w': (2,), 'b': [(1,), None]}
"""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Self, TypeAlias, TypeVar, dataclass_transform

import numpy as np

from .errors import StructureError
from .frozen import frozen
from .traced import Traced
from .types import Array, type_of

__all__ = ["Module", "count", "flatten", "leaves", "map", "named_leaves", "paths", "structure", "unflatten"]

Tree: TypeAlias = Any
"""A nested structure with arrays as leaves."""


MODULES: dict[str, type[Module]] = {}
"""Every Module class that the program has defined, by its full name."""


@dataclass_transform(frozen_default=True, eq_default=False)
class Module:
    """A frozen dataclass whose arrays are the parameters.

    Subclass it, annotate the fields, and write ``__call__``. A subclass with an ``__init__`` of its own
    ends it with ``super().__init__(field=value, ...)``.

    >>> class Line(Module):
    ...     slope: np.ndarray
    ...     def __call__(self, x):
    ...         return self.slope * x
    >>> Line(slope=np.array(2.0))(3.0)
    np.float64(6.0)
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own_init = "__init__" in cls.__dict__
        dataclass(frozen=True, eq=False, repr=False, init=not own_init)(cls)
        MODULES[f"{cls.__module__}.{cls.__qualname__}"] = cls

    def __init__(self, **fields: Any) -> None:
        names = [f.name for f in dataclasses.fields(self)]  # type: ignore[arg-type]  # every subclass is one
        unknown, missing = set(fields) - set(names), set(names) - set(fields)
        if unknown or missing:
            raise TypeError(
                f"{type(self).__name__} has the fields {names}; "
                f"unknown: {sorted(unknown)}, missing: {sorted(missing)}"
            )
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def replace(self, **fields: Any) -> Self:
        """Return a copy with these fields changed.

        >>> from clearprop import nn
        >>> nn.Dense(2, 1).replace(bias=None).bias is None
        True
        """
        unknown = set(fields) - set(_fields(self))
        if unknown:
            raise TypeError(f"{type(self).__name__} has no field {sorted(unknown)}")
        return _make(type(self), {**_fields(self), **fields})

    def __repr__(self) -> str:
        shown = [f"{name}={_show(value)}" for name, value in _fields(self).items()]
        return _bracketed(f"{type(self).__name__}(", shown, ")")


_WIDTH = 100  # columns up to which a module is shown on one line


def _bracketed(opening: str, parts: list[str], closing: str) -> str:
    line = opening + ", ".join(parts) + closing
    if len(line) <= _WIDTH and "\n" not in line:
        return line
    return "\n".join([opening, *(f"{textwrap.indent(part, '  ')}," for part in parts), closing])


def _show(value: Any) -> str:
    if is_array(value):
        return str(type_of(value))
    if isinstance(value, tuple):
        return _bracketed("(", [_show(v) for v in value], ",)" if len(value) == 1 else ")")
    return getattr(value, "__name__", None) or getattr(value, "name", None) or repr(value)


@cache
def _field_names(kind: Any) -> tuple[str, ...]:
    return tuple(f.name for f in dataclasses.fields(kind))


def _fields(module: Module) -> dict[str, Any]:
    kind: Any = type(module)
    return {name: getattr(module, name) for name in _field_names(kind)}


M = TypeVar("M", bound=Module)


def _make(cls: type[M], fields: dict[str, Any]) -> M:
    module = object.__new__(cls)
    for name, value in fields.items():
        object.__setattr__(module, name, value)
    return module


class _Leaf:
    def __repr__(self) -> str:
        return "*"


LEAF = _Leaf()


@frozen
class Static:
    """A value that is not walked: a setting, a function, a string, None."""

    value: Any

    def __repr__(self) -> str:
        return repr(self.value)


@frozen
class Node:
    """A Module, dict, list or tuple: its type, the keys of its children and their structures."""

    type: type
    keys: tuple[Any, ...]
    children: tuple[Structure, ...]

    def __repr__(self) -> str:
        inner = ", ".join(f"{k}: {c}" for k, c in zip(self.keys, self.children, strict=True))
        return f"{self.type.__name__}({inner})"


Structure: TypeAlias = _Leaf | Static | Node


def is_array(value: Any) -> bool:
    """Tell whether a value is a leaf wherever it stands."""
    return isinstance(value, (np.ndarray, np.generic, Traced))


def _is_number(value: Any) -> bool:
    return isinstance(value, (bool, int, float, complex))


def contents(tree: Tree) -> list[tuple[Any, Any]] | None:
    """Return the children of a node with their keys; None for what is not walked."""
    if isinstance(tree, Module):
        return list(_fields(tree).items())
    if isinstance(tree, dict):
        return list(tree.items())
    if isinstance(tree, (list, tuple)):
        return list(enumerate(tree))
    return None


def _walk(tree: Tree, path: str, numbers: bool, leaves: list[tuple[str, Any]]) -> Structure:
    if is_array(tree) or (numbers and _is_number(tree)):
        leaves.append((path, tree))
        return LEAF
    items = contents(tree)
    if items is None:
        return Static(tree)
    numbers = numbers and not isinstance(tree, Module)
    children = tuple(_walk(v, f"{path}.{k}" if path else str(k), numbers, leaves) for k, v in items)
    return Node(type(tree), tuple(k for k, _ in items), children)


def flatten(tree: Tree) -> tuple[list[Array], Structure]:
    """Return the leaves, in order, and the structure without them."""
    found: list[tuple[str, Any]] = []
    structure = _walk(tree, "", True, found)
    return [leaf for _, leaf in found], structure


def named_leaves(tree: Tree, numbers: bool = True) -> list[tuple[str, Array]]:
    """Return the path and the value of each leaf: ``("layers.0.weight", array)``.

    Without ``numbers``, Python's numbers are structure wherever they stand.
    """
    found: list[tuple[str, Any]] = []
    _walk(tree, "", numbers, found)
    return found


def paths(tree: Tree) -> list[str]:
    """Return the path of each leaf."""
    return [path for path, _ in named_leaves(tree)]


def leaves(tree: Tree) -> list[Array]:
    """Return the leaves, in order."""
    return flatten(tree)[0]


def structure(tree: Tree, numbers: bool = True) -> Structure:
    """Return the structure: what is left without the leaves. Structures can be compared."""
    return _walk(tree, "", numbers, [])


def count(structure: Structure) -> int:
    """Return the number of leaves of a structure."""
    if isinstance(structure, Node):
        return sum(count(child) for child in structure.children)
    return 0 if isinstance(structure, Static) else 1


def unflatten(structure: Structure, leaves: Sequence[Any]) -> Tree:
    """Put leaves into a structure: the inverse of flatten."""
    rest = iter(leaves)
    tree = _build(structure, rest)
    if next(rest, LEAF) is not LEAF:
        raise StructureError(f"{len(leaves)} leaves are more than the structure {structure} has")
    return tree


def _build(structure: Structure, rest: Iterator[Any]) -> Tree:
    if isinstance(structure, _Leaf):
        try:
            return next(rest)
        except StopIteration:
            raise StructureError("fewer leaves than the structure has") from None
    if isinstance(structure, Static):
        return structure.value
    children = [_build(child, rest) for child in structure.children]
    if issubclass(structure.type, Module):
        return _make(structure.type, dict(zip(structure.keys, children, strict=True)))
    if issubclass(structure.type, dict):
        return structure.type(zip(structure.keys, children, strict=True))
    sequence: Any = structure.type
    return sequence(*children) if hasattr(sequence, "_fields") else sequence(children)  # a named tuple or not


def map(function: Callable[..., Any], tree: Tree, *others: Tree) -> Tree:
    """Return a tree with ``function(leaf, *leaves of the others)`` at each leaf.

    Raises
    ------
    StructureError
        If another tree has leaves at other places; the message names the first such path.
    """
    rows = [named_leaves(tree), *(named_leaves(other) for other in others)]
    for row in rows[1:]:
        require_same_paths(rows[0], row)
    columns = [[leaf for _, leaf in row] for row in rows]
    return unflatten(structure(tree), [function(*leaves) for leaves in zip(*columns, strict=True)])


def require_same_paths(these: Sequence[tuple[str, Any]], those: Sequence[tuple[str, Any]]) -> None:
    """Raise StructureError, naming the first path, unless both have leaves at the same paths."""
    a, b = [path for path, _ in these], [path for path, _ in those]
    if a != b:
        only_a = [p for p in a if p not in set(b)]
        only_b = [p for p in b if p not in set(a)]
        which = (
            f"{(only_a or only_b or ['the order'])[0]!r} is in {'the first' if only_a else 'the second'} only"
        )
        raise StructureError(
            f"two structures must have leaves at the same paths, but one has {len(a)}, the other {len(b)}: "
            f"{which}"
        )
