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
from ..core.own_memory import is_own
from ..core.traced import Traced, user_location
from ..core.types import native
from ..transform.simplify import simplify
from .arguments import Argnums, Arguments, delivered, function_name, named
from .inside import Inside, says_inside

if TYPE_CHECKING:
    from ..compile.program import Program
    from ..compile.target import Target
    from ..compile.timed import Timed

Runner = Callable[[Sequence[Any]], list[Any]]
Made = tuple[Runner, tree.Structure, list[int]]  # with the numbers of the leaves that are donated

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

    Results are the caller's own. The memory of one of 8 MiB or more, once nobody holds it or a view of it, is kept for
    the next call, as that of temporary arrays is, until the function returned here is gone.

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
    made: dict[Hashable, Made] = {}
    plain = static_argnums == ()

    @functools.wraps(function)
    def compiled(*args: Any, **kwargs: Any) -> Any:
        leaves: Sequence[Any] = args
        known = made.get(_types(args)) if plain and not kwargs else None
        if known is None:
            call = _Call(function, static_argnums, donate_argnums, args, kwargs)
            if call.traced:
                return function(*args, **kwargs)
            leaves, known = call.leaves, call.found(made)
        run, structure, donated = known
        if donated and (shared := _shared(leaves, donated)):
            names = _Call(function, static_argnums, donate_argnums, args, kwargs).arguments().names
            raise SettingError(
                f"jit of {function_name(function)}: the donated {names[shared[0]]!r} shares memory with "
                f"{names[shared[1]]!r}; give copies, or do not donate it"
            )
        try:
            results = run(leaves)
        except (IndexError, ValueError) as error:
            said = "\n".join([str(error), *getattr(error, "__notes__", ())])
            raise type(error)(f"the jitted {function_name(function)}: {said}") from None
        return results[0] if structure is tree.LEAF else tree.unflatten(structure, results)

    says_inside(compiled, functools.partial(Jitted, function, static_argnums, donate_argnums))
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
        self,
        function: Callable[..., Any],
        static_argnums: Argnums,
        donate_argnums: Argnums,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> None:
        self.function, self.args, self.kwargs = function, tuple(args), kwargs
        self.static = named("static_argnums", static_argnums, len(args))
        self.donated = named("donate_argnums", donate_argnums, len(args)) if donate_argnums != () else set()
        self.opened = [n for n in range(len(args)) if n not in self.static]
        self.leaves: list[Any] = []
        given = (tuple(args[n] for n in sorted(self.static)), tuple(sorted(kwargs.items())))
        self.key: Hashable = _types(self.args) if not self.static and not kwargs else None
        parts = [_signature(args[n], self.leaves) for n in self.opened]
        if self.key is None:
            self.key = (*parts, _exact(given))
        settled = tree.leaves(given) if self.static or kwargs else []
        self.traced = any(isinstance(leaf, Traced) for leaf in (*self.leaves, *settled))

    def arguments(self) -> Arguments:
        """Return the arguments as they are recorded."""
        if self.donated & self.static:
            raise SettingError(
                f"jit of {function_name(self.function)}: arguments {sorted(self.donated & self.static)} are settings"
            )
        return Arguments(self.function, self.args, self.kwargs, self.opened, numbers=False)

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
                known = made.get(self.key) or made.setdefault(self.key, _make(self.arguments(), self.donated))
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


def _shared(leaves: Sequence[Any], donated: Collection[int]) -> tuple[int, int] | None:
    """Return a leaf that is donated and another one that shares memory with it, if there are any."""
    own = {n: leaves[n] for n in donated if type(leaves[n]) is np.ndarray and is_own(leaves[n])}
    first = {id(array): n for n, array in reversed(own.items())}  # others are not written
    for m, other in enumerate(leaves):
        n = first.get(id(other), m)
        if not is_own(other):
            n = next((n for n, array in own.items() if np.may_share_memory(array, other)), m)
        if n != m:
            return n, m
    return None


def _make(call: Arguments, donated: Collection[int]) -> Made:
    graph, structure = _recorded(call)
    leaves = call.leaves_of(donated)
    return runner(graph, leaves), structure, leaves


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
    """Return what computes a graph, to results that are the caller's own: native code, or else the interpreter.

    Native code may write results into the inputs with the numbers `donated`.
    """
    if native_code():
        from ..compile.program import Program  # what makes code is loaded when code is made

        program = Program(graph, donated=donated)
        return lambda args: [y if y.ndim else y[()] for y in program(args)]

    def interpreted(args: Sequence[Any]) -> list[Any]:
        arrays = [native(np.asarray(a)) for a in args]
        kept = [array for n, array in enumerate(arrays) if n not in donated]
        return delivered(interpret(graph, arrays), kept)

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


class Jitted(Inside):
    """What `jit` makes of a function for some arguments."""

    def __init__(
        self,
        function: Callable[..., Any],
        static_argnums: Argnums,
        donate_argnums: Argnums,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> None:
        given = _Call(function, static_argnums, donate_argnums, args, kwargs)
        call = given.arguments()
        with _recording:
            self.graph, _ = _recorded(call)
        self.leaves, self.donated = call.leaves, call.leaves_of(given.donated)

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
