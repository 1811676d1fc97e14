"""``jit``: a function as native code, made at its first call with arguments of these types."""

from __future__ import annotations

import functools
import threading
import warnings
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core import tree
from ..core.errors import SettingError, TraceError
from ..core.graph import Graph
from ..core.interpret import interpret
from ..core.traced import Traced
from ..core.types import type_of
from ..transform.simplify import simplify
from .arguments import Argnums, Arguments, delivered, function_name, named
from .inside import Inside, has_llvm, says_inside

if TYPE_CHECKING:
    from ..compile.program import Program
    from ..compile.target import Target
    from ..compile.timed import Timed

Runner = Callable[[Sequence[Any]], list[Any]]

_recording = (
    threading.RLock()
)  # one thread records and compiles at a time, and what it calls may be jitted too


def jit(
    function: Callable[..., Any], static_argnums: Argnums = (), donate_argnums: Argnums = ()
) -> Callable[..., Any]:
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
    donate_argnums : int or sequence of int
        Positional arguments whose arrays are not needed after the call: a result of the same shape and dtype may be
        written into one, and then is this very array, which saves its allocation. What a donated array that is no
        result holds afterwards is undefined. It is a permission: where it cannot be used (no result fits, a result
        would be written before all is read; the array is read-only, a view of another one, not in row order, a
        number) the call is an ordinary one.

    Raises
    ------
    SettingError
        If a setting is not hashable, an argument is donated that is a setting, or a donated array shares memory with
        another argument.
    TraceError
        If the function asks for the number behind a traced value.
    IndexError, ValueError
        If an index turns out to be out of range, or an integer is raised to a negative power; it names the line.

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
        static, donated, call = _opened(function, static_argnums, donate_argnums, args, kwargs)
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
                known = made.get(key) or made.setdefault(key, _make(call, donated))
        run, structure = known
        kept = _kept(call, call.leaves_of(donated)) if donated else call.leaves
        try:
            results = run(call.leaves)
        except (IndexError, ValueError) as error:
            said = "\n".join([str(error), *getattr(error, "__notes__", ())])
            raise type(error)(f"the jitted {function_name(function)}: {said}") from None
        return tree.unflatten(structure, delivered(results, kept))

    says_inside(compiled, functools.partial(Jitted, function, static_argnums, donate_argnums=donate_argnums))
    return compiled


def _opened(
    function: Callable[..., Any],
    static_argnums: Argnums,
    donate_argnums: Argnums,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> tuple[set[int], set[int], Arguments]:
    """Return which arguments are settings and which are donated, and the call with all but settings opened."""
    static = named("static_argnums", static_argnums, len(args))
    donated = named("donate_argnums", donate_argnums, len(args)) if donate_argnums != () else set()
    if donated & static:
        raise SettingError(
            f"jit of {function_name(function)}: arguments {sorted(donated & static)} are settings"
        )
    opened = [n for n in range(len(args)) if n not in static]
    return static, donated, Arguments(function, args, kwargs, opened, numbers=False)


class Jitted(Inside):
    """What `jit` makes of a function for some arguments."""

    def __init__(
        self,
        function: Callable[..., Any],
        static_argnums: Argnums,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        donate_argnums: Argnums = (),
    ) -> None:
        _, donated, call = _opened(function, static_argnums, donate_argnums, args, kwargs)
        with _recording:
            self.graph, _ = _recorded(call)
        self.leaves, self.donated = call.leaves, call.leaves_of(donated)

    def program(self, target: Target) -> Program:
        """Return the program."""
        from ..compile.program import Program

        return Program(self.graph, target, self.donated)

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


def _kept(call: Arguments, donated: Collection[int]) -> list[Any]:
    """Return the leaves that are not donated, after a look whether they share memory with those that are."""
    own = {n: call.leaves[n] for n in donated if call.leaves[n].flags.owndata}  # others are not written
    first = {id(array): n for n, array in reversed(own.items())}
    for m, other in enumerate(call.leaves):
        n = first.get(id(other), m)
        if not other.flags.owndata:
            n = next((n for n, array in own.items() if np.may_share_memory(array, other)), m)
        if n != m:
            raise SettingError(
                f"jit of {function_name(call.function)}: the donated {call.names[n]!r} shares memory with "
                f"{call.names[m]!r}; give copies, or do not donate it"
            )
    return [leaf for n, leaf in enumerate(call.leaves) if n not in donated]


def _make(call: Arguments, donated: Collection[int]) -> tuple[Runner, tree.Structure]:
    graph, structure = _recorded(call)
    return runner(graph, call.leaves_of(donated)), structure


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


def runner(graph: Graph, donated: Collection[int] = ()) -> Runner:
    """Return what computes a graph: native code, or the interpreter where there is no llvmlite.

    Native code may write results into the inputs with the numbers `donated`.
    """
    if native_code():
        from ..compile.program import Program  # what makes code is loaded when code is made

        return Program(graph, donated=donated)
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
