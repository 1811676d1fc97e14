"""``show``: what is computed for a call, from equations and the graph down to the processor's instructions."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..core.errors import SettingError
from ..core.traced import user_location
from .arguments import Argnums, function_name
from .compiled import Jitted
from .graphs import make_graph
from .inside import Inside, example, has_llvm, known_inside, require_llvm

if TYPE_CHECKING:
    from ..compile.target import Target

LEVELS = ("equations", "graph", "schedule", "llvm", "asm")


class Text(str):
    """Text that Python's prompt shows as it is printed."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def show(
    function: Callable[..., Any],
    *args: Any,
    level: str = "equations",
    static_argnums: Argnums = (),
    **kwargs: Any,
) -> Text:
    """Return as text what ``function(*args, **kwargs)`` computes, and how native code does it.

    Parameters
    ----------
    function : callable
        What `jit` takes or has made. Or `fit` or `steps`: then the training step that they compile, with their
        arguments.
    *args, **kwargs
        Arguments of function, as examples: only types matter. A ``Type``, as graphs have them, stands for an
        array. As in `jit`, Python's numbers are settings.
    level : {"equations", "graph", "schedule", "llvm", "asm"}
        ``"equations"``: the function and its gradient to read, infix, with the names that the code gives to its
        values and the shape of each; of `fit` and `steps` the step, which holds its gradient. ``"graph"``: the
        equations, simplified, in the notation of `make_graph`. ``"schedule"``: kernel by kernel in the order in which
        they run, the equations that each computes, what it reads and writes, why that is in memory, and where.
        ``"llvm"``: the text that LLVM gets. ``"asm"``: the processor's instructions.
    static_argnums : int or sequence of int
        Of a function that is not jitted yet, as in `jit`.

    Returns
    -------
    str
        To be printed; at Python's prompt it looks the same.

    Raises
    ------
    SettingError
        If there is no such level.
    MissingError
        For ``"asm"``, if llvmlite is not installed.

    See Also
    --------
    profile, make_graph

    Examples
    --------
    >>> import numpy as np, clearprop as cp
    >>> w, x = np.ones((3, 2)), np.ones((4, 3))
    >>> cp.show(lambda w, x: np.tanh(x @ w), w, x, level="graph")
    graph(w: f64[3,2], x: f64[4,3]) -> f64[4,2]
      a: f64[4,2] = matmul x w
      b: f64[4,2] = tanh a
      return b
    >>> "matmul x w" in cp.show(lambda w, x: np.tanh(x @ w), w, x, level="schedule")
    True
    >>> cp.show(lambda w, x: np.mean((x @ w) ** 2), w, x)
    <lambda>(w: f64[3,2], x: f64[4,3])
      c = x @ w           [4,2]
      L = mean(c²)        []
    backward
      d = 0.125 · 2 · c   [4,2]
      ∂L/∂x = d @ wᵀ      [4,3]
      ∂L/∂w = xᵀ @ d      [3,2]
    """
    if level not in LEVELS:
        raise SettingError(f"show(level={level!r}): must be one of {', '.join(map(repr, LEVELS))}")
    if level == "equations":
        return Text(_equations(function, args, kwargs, static_argnums))
    if level == "asm":
        require_llvm("show(level='asm')")
    found = inside(function, args, kwargs, static_argnums)
    if level == "graph":
        return Text(found.graph)
    from ..compile.listing import listing  # what makes code is loaded when code is made

    program = found.program(_target())
    if level == "schedule":
        return Text(listing(program, user_location()))
    if level == "llvm":
        return Text(program.text)
    from ..compile.engine import assembly

    return Text(assembly(program.text, program.target))


def inside(function: Callable[..., Any], args: Any, kwargs: Any, static_argnums: Argnums) -> Inside:
    """Return what a call of a function compiles, jitted or not."""
    known = known_inside(function, args, kwargs)
    return known or Jitted(function, static_argnums, (), [example(a) for a in args], kwargs)


def _equations(function: Callable[..., Any], args: Any, kwargs: Any, static_argnums: Argnums) -> str:
    from .equations import equations

    known, name = known_inside(function, args, kwargs), function_name(function)
    if known is not None and not isinstance(known, Jitted):
        return equations(known.graph, name, gradient=False)
    traced = make_graph(function, static_argnums)(*map(example, args), **kwargs)
    return equations(traced, name, gradient=True)


def _target() -> Target:
    """Return what code is made for here; without llvmlite, which tells, what most machines are."""
    from ..compile.target import TARGETS, VARIABLE, chosen

    if has_llvm() or os.environ.get(VARIABLE):
        return chosen()
    import platform

    return TARGETS["neon" if platform.machine().lower() in ("aarch64", "arm64") else "avx2"]
