"""Look at the graph of a function."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..core import tree
from ..core.errors import TraceError
from ..core.graph import Graph
from .arguments import Argnums, Arguments, function_name, named


def make_graph(function: Callable[..., Any], static_argnums: Argnums = ()) -> Callable[..., Graph]:
    """Return a function that gives the graph of ``function`` for arguments of these types.

    Parameters
    ----------
    function : callable
        Of nested structures of arrays.
    static_argnums : int or sequence of int
        Positional arguments that are settings, such as a shape or a flag: passed on, not traced.

    Returns
    -------
    callable
        Takes function's arguments, returns a Graph: one input for each leaf of the traced arguments, one
        output for each leaf of the result. What the function reads from elsewhere is copied into it.

    Examples
    --------
    >>> import numpy as np, clearprop as cp
    >>> cp.make_graph(lambda w, x: np.tanh(x @ w))(np.ones((3, 2)), np.ones((4, 3)))
    graph(w: f64[3,2], x: f64[4,3]) -> f64[4,2]
      a: f64[4,2] = matmul x w
      b: f64[4,2] = tanh a
      return b
    """

    @functools.wraps(function)
    def graph_of(*args: Any, **kwargs: Any) -> Graph:
        static = named("static_argnums", static_argnums, len(args))
        call = Arguments(function, args, kwargs, [n for n in range(len(args)) if n not in static])
        graph, inputs = call.trace(lambda *leaves: tree.leaves(call.call(leaves)))
        if len(inputs) > len(call.leaves):
            raise TraceError(
                f"make_graph({function_name(function)}) was called while another function was being "
                f"recorded, and uses its values; pass them as arguments"
            )
        return graph.owning_constants()

    return graph_of
