"""Between a call with nested arguments and a graph of flat variables."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..core import tree
from ..core.errors import DTypeError, SettingError
from ..core.graph import Graph
from ..core.own_memory import is_own
from ..core.trace import trace
from ..core.traced import Traced
from ..core.types import Array, is_float, native, require_supported, type_of

Argnums = int | Sequence[int]


def named(option: str, argnums: Argnums, count: int) -> set[int]:
    """Return which of so many positional arguments an option names; one that was left to its default is not there."""
    given: list[Any] = list(argnums) if isinstance(argnums, (tuple, list)) else [argnums]
    if not all(isinstance(n, (int, np.integer)) for n in given):
        raise SettingError(f"{option}={argnums!r}: must be the numbers of positional arguments")
    return {int(n) % count for n in given if -count <= n < count}


def function_name(function: Callable[..., Any]) -> str:
    """Return what to call a function in messages."""
    return getattr(function, "__name__", type(function).__name__)


class Arguments:
    """A call's arguments, some of them opened into leaves.

    Attributes
    ----------
    leaves : list of array
        Of the opened arguments, in order.
    names : list of str
        ``"params.w"`` for the leaf ``w`` of the argument ``params``.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        opened: Argnums,
        numbers: bool = True,
    ) -> None:
        self.function, self.args, self.kwargs = function, list(args), dict(kwargs)
        self.single = not isinstance(opened, (tuple, list))
        given: list[Any] = list(opened) if isinstance(opened, (tuple, list)) else [opened]
        for n in given:
            if not isinstance(n, (int, np.integer)) or not -len(args) <= n < len(args):
                raise SettingError(
                    f"argnums={opened!r} names argument {n}, but {function_name(function)} was called with "
                    f"{len(args)} positional arguments; those that are differentiated cannot be keywords"
                )
        self.opened = [int(n) % len(args) for n in given]
        if len(set(self.opened)) < len(given):
            raise SettingError(f"argnums={opened!r} names an argument twice")
        labels = _labels(function, len(args))
        self.structures: list[tree.Structure] = []
        self.leaves: list[Array] = []
        self.names: list[str] = []
        for n in self.opened:
            self.structures.append(tree.structure(args[n], numbers))
            for path, leaf in tree.named_leaves(args[n], numbers):
                self.names.append(f"{labels[n]}.{path}" if path else labels[n])
                self.leaves.append(_as_array(leaf, self.names[-1]))

    def require_floats(self, asked: str) -> None:
        """Raise DTypeError, naming the argument, unless every leaf can be differentiated."""
        if not self.leaves:
            raise DTypeError(f"{asked} of {function_name(self.function)}: the argument holds no array")
        for leaf, name in zip(self.leaves, self.names, strict=True):
            if not is_float(leaf.dtype):
                raise DTypeError(
                    f"{asked} of {function_name(self.function)}: argument {name!r} is {type_of(leaf)}, and "
                    f"integers and booleans have no derivative; give floats, as with .astype(np.float64)"
                )

    def split(self, leaves: Sequence[Array]) -> list[tree.Tree]:
        """Return one structure for each opened argument, with these leaves."""
        rest, parts = list(leaves), []
        for structure in self.structures:
            n = tree.count(structure)
            parts.append(tree.unflatten(structure, rest[:n]))
            rest = rest[n:]
        return parts

    def leaves_of(self, arguments: Collection[int]) -> list[int]:
        """Return the places of the leaves of some of the opened arguments."""
        places: list[int] = []
        start = 0
        for n, structure in zip(self.opened, self.structures, strict=True):
            stop = start + tree.count(structure)
            places += range(start, stop) if n in arguments else ()
            start = stop
        return places

    def like(self, leaves: Sequence[Array]) -> tree.Tree:
        """Return leaves in the structure of the opened argument; a tuple if there are several."""
        parts = self.split(leaves)
        return parts[0] if self.single else tuple(parts)

    def call(self, leaves: Sequence[Array]) -> Any:
        """Call the function with other leaves in place."""
        args = list(self.args)
        for n, part in zip(self.opened, self.split(leaves), strict=True):
            args[n] = part
        return self.function(*args, **self.kwargs)

    def trace(self, flat: Callable[..., Sequence[Array]]) -> tuple[Graph, list[Array]]:
        """Record ``flat(*leaves)``; return the graph and the values for its inputs."""
        graph, captured = trace(flat, [type_of(leaf) for leaf in self.leaves], self.names)
        return graph, [*self.leaves, *captured]


def _as_array(leaf: Any, name: str) -> Array:
    if isinstance(leaf, Traced):
        return leaf
    array = np.asarray(leaf)
    require_supported(array.dtype, f"argument {name!r}")
    return native(array)


def _labels(function: Callable[..., Any], n: int) -> list[str]:
    try:
        names = [
            p.name
            for p in inspect.signature(function).parameters.values()
            if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        ]
    except (TypeError, ValueError):  # built-in functions have none
        names = []
    return (names + [f"arg{i}" for i in range(len(names), n)])[:n]


def delivered(values: Sequence[Array], kept: Iterable[Array] = ()) -> list[Array]:
    """Return results as users get them: scalars, and arrays that are theirs alone, unlike those kept here."""
    taken = {id(array) for array in kept}
    results = []
    for value in values:
        if not isinstance(value, Traced):
            value = np.asarray(value)
            if not (is_own(value) and value.flags.writeable) or id(value) in taken:
                value = value.copy()
            taken.add(id(value))
            value = value if value.ndim else value[()]
        results.append(value)
    return results
