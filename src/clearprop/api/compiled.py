"""``jit``: a function as native code, made at its first call with arguments of these types."""

from __future__ import annotations

import functools
import threading
import warnings
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core import tree
from ..core.errors import SettingError, TraceError
from ..core.graph import Graph
from ..core.interpret import interpret
from ..core.traced import Traced
from ..core.types import type_of
from ..transform.simplify import simplify
from .arguments import Argnums, Arguments, delivered, function_name, settings
from .inside import Inside, has_llvm, says_inside

if TYPE_CHECKING:
    from ..compile.program import Program
    from ..compile.target import Target
    from ..compile.timed import Timed

Runner = Callable[[Sequence[Any]], list[Any]]

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
    made: dict[Hashable, tuple[Runner, tree.Structure]] = {}

    @functools.wraps(function)
    def compiled(*args: Any, **kwargs: Any) -> Any:
        if any(isinstance(leaf, Traced) for leaf in tree.leaves((args, kwargs))):
            return function(*args, **kwargs)
        static, call = _opened(function, static_argnums, args, kwargs)
        given = (tuple(args[n] for n in sorted(static)), tuple(sorted(kwargs.items())))
        key = (*map(_exact, call.structures), *map(type_of, call.leaves), _exact(given))
        try:
            known = made.get(key)
        except TypeError:
            raise SettingError(
                f"jit of {function_name(function)}: static and keyword arguments, and settings inside of the "
                f"others, must be hashable; pass arrays as positional arguments that are not static"
            ) from None
        if known is None:
            with _recording:
                known = made.get(key) or made.setdefault(key, _make(call))
        run, structure = known
        try:
            results = run(call.leaves)
        except IndexError as error:
            raise IndexError(f"the jitted {function_name(function)}: {error}") from None
        return tree.unflatten(structure, delivered(results, call.leaves))

    says_inside(compiled, functools.partial(Jitted, function, static_argnums))
    return compiled


def _opened(
    function: Callable[..., Any], static_argnums: Argnums, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[set[int], Arguments]:
    """Return which arguments are settings, and the call with the others opened."""
    static = settings(static_argnums, len(args))
    opened = [n for n in range(len(args)) if n not in static]
    return static, Arguments(function, args, kwargs, opened, numbers=False)


class Jitted(Inside):
    """What `jit` makes of a function for some arguments."""

    def __init__(
        self,
        function: Callable[..., Any],
        static_argnums: Argnums,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> None:
        _, call = _opened(function, static_argnums, args, kwargs)
        with _recording:
            self.graph, _ = _recorded(call)
        self.leaves = call.leaves

    def program(self, target: Target) -> Program:
        """Return the program."""
        from ..compile.program import Program

        return Program(self.graph, target)

    def timed(self) -> tuple[Timed, Callable[[int], Any]]:
        """Return the program with clocks, and what calls it with these arguments."""
        from ..compile.timed import Timed

        made, leaves = Timed(self.graph), [np.array(leaf, order="C") for leaf in self.leaves]

        def run(times: int) -> None:
            for _ in range(times):
                made(leaves)

        return made, run


def _exact(value: Any) -> Hashable:
    """Return what is equal for equal settings of the same type: 1, 1.0 and True differ, as do 0.0 and −0.0."""
    if isinstance(value, tree.Node):
        return value.type, value.keys, tuple(map(_exact, value.children))
    if isinstance(value, tree.Static):
        return _exact(value.value)
    if isinstance(value, tuple):
        return (type(value), *map(_exact, value))
    return type(value), repr(value) if isinstance(value, (float, np.floating)) else value


def _make(call: Arguments) -> tuple[Runner, tree.Structure]:
    graph, structure = _recorded(call)
    return runner(graph), structure


def _recorded(call: Arguments) -> tuple[Graph, tree.Structure]:
    """Return the simplified graph of a call, and the structure of its result."""
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
    return simplify(graph.owning_constants()), out[0]


def runner(graph: Graph) -> Runner:
    """Return what computes a graph: native code, or the interpreter where there is no llvmlite."""
    if native_code():
        from ..compile.program import Program  # what makes code is loaded when code is made

        return Program(graph)
    return lambda args: [np.asarray(y) for y in interpret(graph, args)]


@functools.cache
def native_code() -> bool:
    """Tell whether native code can be made; the first time that it cannot, warn."""
    if has_llvm():
        return True
    warnings.warn(
        "llvmlite is not installed: clearprop computes with NumPy, slower", RuntimeWarning, stacklevel=2
    )
    return False
