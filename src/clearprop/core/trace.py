"""The one tracer: a Python function to a Graph.

While a function is traced, its arguments are traced values and each operation on them becomes an
equation. Recordings nest (a gradient inside a traced function): a value of an outer recording that an
inner one uses becomes an extra input of the inner graph, *captured*, to be passed when it is inlined.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from .check import verify
from .errors import ClearpropError
from .graph import Atom, Const, Eqn, Graph, Location, Var
from .traced import Traced, placed, refuse, user_location
from .types import Array, Type, native, require_supported

if TYPE_CHECKING:
    from .primitive import Primitive


_OPERATIONS = "clearprop.ops"
"""What fills the table of NumPy's functions; loaded when something is traced, not with what only names a Traced."""


class Recording:
    """Equations while they are being written down."""

    def __init__(self) -> None:
        self.eqns: list[Eqn] = []
        self.captured: list[Traced] = []
        self.extra: dict[Var, Var] = {}  # a variable of an outer recording → its stand-in here
        self.where: Location | None = None  # overrides the user's line while a graph is inlined
        self.open = True
        self.numbers: dict[Var, np.ndarray[Any, Any]] = {}  # what a variable will be, where that is known

    def atom(self, value: Array) -> Atom:
        """Return what stands for a value in this recording's equations."""
        if not isinstance(value, Traced):
            array = np.asarray(value)
            require_supported(array.dtype, "A value used in a traced function")
            return Const(native(array))
        if value.recording is self:
            return value.variable
        if not value.recording.open:
            refuse(
                f"A traced {value.type} was kept after its function had been recorded.",
                "Return it from the function instead of storing it in a global, a list or an attribute.",
            )
        if value.variable not in self.extra:
            self.extra[value.variable] = Var(value.type, value.variable.name)
            self.captured.append(value)
        return self.extra[value.variable]


class _Stack(threading.local):
    def __init__(self) -> None:
        self.recordings: list[Recording] = []


_stack = _Stack()


def record(primitive: Primitive, args: tuple[Array, ...], params: dict[str, Any]) -> Traced:
    """Write one equation into the innermost recording and return its result."""
    if not _stack.recordings:
        refuse(
            "A traced value was used after its function had been recorded, or in another thread.",
            "Return it from the function instead of storing it in a global, a list or an attribute.",
        )
    recording = _stack.recordings[-1]
    try:
        if primitive.prepare is not None:
            args = primitive.prepare(args)
        inputs = tuple([recording.atom(a) for a in args])
        out = Var(primitive.typed(*[a.type for a in inputs], **params))
    except ClearpropError as error:
        raise placed(error, recording.where or user_location()) from None
    recording.eqns.append(Eqn(primitive, inputs, params, out, recording.where or user_location()))
    return Traced(out, recording)


def stand_for(value: Array, numbers: np.ndarray[Any, Any] | None) -> None:
    """Say which numbers a traced value stands for, so that they can be checked while it is recorded.

    They may be more than its shape holds: all the rows of which a mini-batch will be some.
    """
    if isinstance(value, Traced) and numbers is not None:
        value.recording.numbers[value.variable] = numbers


def numbers_of(value: Array) -> np.ndarray[Any, Any] | None:
    """Return an array itself, or the numbers that a traced value stands for; None if they are not known."""
    if isinstance(value, Traced):
        found: np.ndarray[Any, Any] | None = value.recording.numbers.get(value.variable)
        return found
    return np.asarray(value)


class located:
    """Give the equations recorded inside the place of the equation that they come from."""

    __slots__ = ("before", "recording", "where")

    def __init__(self, where: Location | None) -> None:
        self.where = where
        self.recording = _stack.recordings[-1] if _stack.recordings else None

    def __enter__(self) -> None:
        if self.recording is not None:
            self.before = self.recording.where
            self.recording.where = self.where or self.before

    def __exit__(self, *error: object) -> None:
        if self.recording is not None:
            self.recording.where = self.before


def trace(
    function: Callable[..., Sequence[Array]], types: Sequence[Type], names: Sequence[str] = ()
) -> tuple[Graph, list[Traced]]:
    """Record ``function(*traced values of these types)``, which returns a flat sequence of values.

    Returns
    -------
    graph : Graph
        Its inputs are one variable a type, then one for each captured value.
    captured : list of Traced
        Values of outer recordings that the function used: the arguments for those last inputs.
    """
    import_module(_OPERATIONS)
    recording = Recording()
    names = names or [""] * len(types)
    inputs = [Var(type, name) for type, name in zip(types, names, strict=True)]
    _stack.recordings.append(recording)
    try:
        results = function(*(Traced(var, recording) for var in inputs))
        outputs = tuple(recording.atom(result) for result in results)
    finally:
        _stack.recordings.pop()
        recording.open = False
    graph = Graph((*inputs, *recording.extra.values()), tuple(recording.eqns), outputs)
    verify(graph)
    return graph, recording.captured
