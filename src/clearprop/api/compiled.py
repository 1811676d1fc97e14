"""``jit``: a function as native code, made at its first call with arguments of these types."""

from __future__ import annotations

import functools
import threading
import warnings
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

from ..core import tree
from ..core.errors import SettingError, TraceError
from ..core.graph import Graph
from ..core.interpret import interpret
from ..core.traced import Traced, user_location
from ..core.types import native
from ..transform.simplify import simplify
from .arguments import Argnums, Arguments, delivered, function_name, settings

Runner = Callable[[Sequence[Any]], list[Any]]
Made = tuple[Runner, tree.Structure]

_recording = (
    threading.RLock()
)  # one thread records and compiles at a time, and what it calls may be jitted too


def jit(function: Callable[..., Any], static_argnums: Argnums = ()) -> Callable[..., Any]:
    """Return a function that computes the same as native code.

    The function is recorded once for each structure and types of its arguments; what it reads from elsewhere
    (globals, closures) is copied then, and Python's own effects happen then only. Where it is called while
    another function is being recorded, it becomes a part of that one.

    Parameters
    ----------
    function : callable
        Of nested structures of arrays, to a nested structure. Python's numbers are settings, so that they
        adapt as in NumPy; give what changes from call to call as an array or a NumPy scalar.
    static_argnums : int or sequence of int
        Positional arguments that are settings, as keyword arguments always are: passed on as they are; each
        value is recorded anew. They must be hashable.

    Raises
    ------
    SettingError
        If a setting is not hashable.
    TraceError
        If the function asks for the number behind a traced value.
    IndexError
        If an index turns out to be out of range.

    Examples
    --------
    >>> import numpy as np, clearprop as cp
    >>> step = cp.jit(cp.value_and_grad(lambda w: np.sum(w ** 2)))
    >>> step(np.array([1.0, 2.0]))
    (np.float64(5.0), array([2., 4.]))
    """
    made: dict[Hashable, Made] = {}
    plain = static_argnums == ()

    @functools.wraps(function)
    def compiled(*args: Any, **kwargs: Any) -> Any:
        leaves: Sequence[Any] = args
        known = made.get(_types(args)) if plain and not kwargs else None
        if known is None:
            call = _Call(function, args, kwargs, settings(static_argnums, len(args)))
            if call.traced:
                return function(*args, **kwargs)
            leaves, known = call.leaves, call.found(made)
        run, structure = known
        try:
            results = run(leaves)
        except IndexError as error:
            raise IndexError(f"the jitted {function_name(function)}: {error}") from None
        return results[0] if structure is tree.LEAF else tree.unflatten(structure, results)

    return compiled


_ARRAYS = {np.ndarray, np.bool_, *(np.dtype(letter).type for letter in "bhilqBHILQefd")}


def _types(args: tuple[Any, ...]) -> Hashable:
    """Return the types of arguments that are arrays, or None if one is something else."""
    types: list[Any] = []
    for given in args:
        if type(given) not in _ARRAYS:
            return None
        types.append(given.dtype)
        types.append(given.shape)
    return tuple(types)


class _Call:
    """A call's arguments, with the arrays in them set apart from what they stand in."""

    def __init__(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], static: set[int]
    ) -> None:
        self.function, self.args, self.kwargs = function, args, kwargs
        self.opened = [n for n in range(len(args)) if n not in static]
        self.leaves: list[Any] = []
        given = (tuple(args[n] for n in sorted(static)), tuple(sorted(kwargs.items())))
        self.key: Hashable = _types(args) if not static and not kwargs else None
        parts = [_signature(args[n], self.leaves) for n in self.opened]
        if self.key is None:
            self.key = (*parts, _exact(given))
        settled = tree.leaves(given) if static or kwargs else []
        self.traced = any(isinstance(leaf, Traced) for leaf in (*self.leaves, *settled))

    def found(self, made: dict[Hashable, Made]) -> Made:
        """Return what runs this call: what was made for one like it, or made now."""
        try:
            known = made.get(self.key)
        except TypeError:
            raise SettingError(
                f"jit of {function_name(self.function)}: static and keyword arguments, and settings inside of the "
                f"others, must be hashable; pass arrays as positional arguments that are not static"
            ) from None
        if known is None:
            with _recording:
                call = Arguments(self.function, self.args, self.kwargs, self.opened, numbers=False)
                known = made.get(self.key) or made.setdefault(self.key, _make(call))
        return known


def _signature(value: Any, leaves: list[Any]) -> Hashable:
    """Note the arrays in a value; return what is equal where structure, settings and the arrays' types are."""
    if tree.is_array(value):
        leaves.append(value)
        return value.dtype, value.shape
    items = tree.contents(value)
    if items is None:
        return _exact(value)
    return (type(value), *[(key, _signature(part, leaves)) for key, part in items])


def _exact(value: Any) -> Hashable:
    """Return what is equal for equal settings of the same type: 1, 1.0 and True differ, as do 0.0 and −0.0."""
    if isinstance(value, tuple):
        return (type(value), *map(_exact, value))
    return type(value), repr(value) if isinstance(value, (float, np.floating)) else value


def _make(call: Arguments) -> Made:
    out: list[tree.Structure] = []

    def flat(*leaves: Any) -> list[Any]:
        results, structure = tree.flatten(call.call(leaves))
        out.append(structure)
        return results

    graph, inputs = call.trace(flat)
    if len(inputs) > len(call.leaves):
        raise TraceError(
            f"the jitted {function_name(call.function)} uses traced values of an outer function that are not "
            f"its arguments; pass them as arguments"
        )
    return runner(simplify(graph.owning_constants())), out[0]


def runner(graph: Graph) -> Runner:
    """Return what computes a graph, to results that are the caller's own: native code, or else the interpreter."""
    if native_code():
        from ..compile.program import Program  # what makes code is loaded when code is made

        program = Program(graph)
        return lambda args: [y if y.ndim else y[()] for y in program(args)]

    def interpreted(args: Sequence[Any]) -> list[Any]:
        arrays = [native(np.asarray(a)) for a in args]
        return delivered(interpret(graph, arrays), arrays)

    return interpreted


@functools.cache
def native_code() -> bool:
    """Tell whether native code can be made; the first time that it cannot, warn, at the user's line."""
    from ..compile.engine import missing

    reason = missing()
    if reason:
        message = f"{reason}: clearprop computes with NumPy, slower; pip install llvmlite"
        where = user_location()
        if where is None:
            warnings.warn(message, RuntimeWarning, stacklevel=2)
        else:
            warnings.warn_explicit(message, RuntimeWarning, where.file, where.line)
    return not reason
