"""What a call makes native code of: its graph and its programs, for those who want to look inside."""

from __future__ import annotations

import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import MissingError
from ..core.graph import Graph
from ..core.types import Type

if TYPE_CHECKING:
    from ..compile.program import Program
    from ..compile.target import Target
    from ..compile.timed import Timed


class Inside(ABC):
    """What a call computes.

    Attributes
    ----------
    graph : Graph
        As it is compiled: simplified.
    """

    graph: Graph

    @abstractmethod
    def program(self, target: Target) -> Program:
        """Return the graph as it runs natively."""

    @abstractmethod
    def timed(self) -> tuple[Timed, Callable[[int], Any]]:
        """Return the same with a clock around each kernel, and what runs it so many times."""


Maker = Callable[[Sequence[Any], Mapping[str, Any]], Inside]

_makers: weakref.WeakKeyDictionary[Callable[..., Any], Maker] = weakref.WeakKeyDictionary()


def says_inside(function: Callable[..., Any], maker: Maker) -> None:
    """Note that a function compiles something of its own: what, ``maker(args, kwargs)`` says.

    It is no attribute of the function, since `functools.wraps` would hand that on to others.
    """
    _makers[function] = maker


def known_inside(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Inside | None:
    """Return what a call compiles if the function has said so; else None. A Type stands for an array."""
    try:
        maker = _makers.get(function)
    except TypeError:  # a callable object that is not hashable, or cannot be referred to weakly
        maker = None
    return None if maker is None else maker([example(a) for a in args], kwargs)


def example(argument: Any) -> Any:
    """Return zeros, held once, for a Type; everything else as it is."""
    if isinstance(argument, Type):
        return np.broadcast_to(np.zeros((), argument.dtype), argument.shape)
    return argument


def has_llvm() -> bool:
    """Tell whether machine code can be made."""
    from ..compile.engine import missing

    return not missing()


def require_llvm(asked: str) -> None:
    """Raise MissingError, saying what to install, unless machine code can be made."""
    from ..compile.engine import missing

    if reason := missing():
        raise MissingError(
            f"{asked} needs machine code, and {reason}: pip install llvmlite. Without it there are show's levels "
            f"'graph', 'schedule' and 'llvm'"
        )
