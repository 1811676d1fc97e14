"""Derivatives of functions of nested structures of arrays, of any order.

A function is traced afresh at every call, so it sees the globals and closures of that moment. Only the
arguments that are differentiated are traced; the others are what they are, and Python may branch on them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core import tree
from ..core.errors import DTypeError, ShapeError, StructureError
from ..core.interpret import evaluate, read
from ..core.traced import Traced
from ..core.types import Array, is_float, type_of
from ..transform.forward import pushforward
from ..transform.reverse import pullback
from .arguments import Argnums, Arguments, delivered, function_name

Function = Callable[..., Any]


def value_and_grad(function: Function, argnums: Argnums = 0, has_aux: bool = False) -> Function:
    """Return a function that gives the value of ``function`` and its gradient.

    Parameters
    ----------
    function : callable
        Of nested structures of float arrays, to one float scalar; with has_aux, to (scalar, anything).
    argnums : int or sequence of int
        Which positional arguments to differentiate; with a sequence the gradient is a tuple.
    has_aux : bool
        Whether the function returns something else beside the scalar, to be passed on.

    Returns
    -------
    callable
        With the arguments of function; returns (value, gradient) or ((value, aux), gradient). The gradient
        has the structure, shapes and dtypes of the argument.

    Raises
    ------
    DTypeError
        If an argument holds integers, or the value is not a float.
    ShapeError
        If the value is not a scalar.

    Examples
    --------
    >>> import numpy as np, clearprop as cp
    >>> cp.value_and_grad(lambda w: np.sum(w ** 2))(np.array([1.0, 2.0]))
    (np.float64(5.0), array([2., 4.]))
    """

    @functools.wraps(function)
    def value_and_gradient(*args: Any, **kwargs: Any) -> Any:
        call = Arguments(function, args, kwargs, argnums)
        call.require_floats("the gradient")
        aux: list[tree.Structure] = []

        def flat(*leaves: Array) -> list[Array]:
            result = call.call(leaves)
            value = result
            if has_aux:
                if not isinstance(result, tuple) or len(result) != 2:
                    raise StructureError(
                        f"with has_aux=True, {function_name(function)} must return (value, aux), "
                        f"not {type(result).__name__}"
                    )
                value, extra = result
                extra_leaves, structure = tree.flatten(extra)
                aux.append(structure)
                return [_scalar(value, function), *extra_leaves]
            return [_scalar(value, function)]

        graph, inputs = call.trace(flat)
        values = evaluate(graph, inputs)
        outputs = [read(values, atom) for atom in graph.outputs]
        wanted = graph.inputs[: len(call.leaves)]
        one = np.ones((), graph.outputs[0].type.dtype)
        with np.errstate(all="ignore"):
            shares = pullback(graph, values, [one, *[None] * (len(outputs) - 1)], wanted)
        n = len(outputs)
        results = delivered([*outputs, *map(_or_zeros, shares, call.leaves)], inputs)
        gradient = call.like(results[n:])
        if has_aux:
            return (results[0], tree.unflatten(aux[0], results[1:n])), gradient
        return results[0], gradient

    return value_and_gradient


def _scalar(value: Any, function: Function) -> Array:
    if not isinstance(value, (Traced, np.ndarray, np.generic, int, float)):
        raise DTypeError(
            f"the gradient of {function_name(function)}: it returned {type(value).__name__}, where one float "
            f"is needed; with more than one result, use has_aux=True or cp.vjp"
        )
    given = type_of(value)
    if given.shape != ():
        raise ShapeError(
            f"the gradient of {function_name(function)}: it returned {given}, where one number is needed; "
            f"reduce it with .sum() or .mean(), or use cp.vjp"
        )
    if not is_float(given.dtype):
        raise DTypeError(f"the gradient of {function_name(function)}: it returned {given}, which is no float")
    return value


def _or_zeros(share: Array | None, like: Array) -> Array:
    return np.zeros(like.shape, like.dtype) if share is None else share


def grad(function: Function, argnums: Argnums = 0, has_aux: bool = False) -> Function:
    """Return a function that gives the gradient of ``function``.

    Parameters, errors and structures are those of `value_and_grad`; with has_aux the result is
    (gradient, aux).

    Examples
    --------
    >>> import numpy as np, clearprop as cp
    >>> cp.grad(np.tanh)(0.0)
    np.float64(1.0)
    >>> cp.grad(cp.grad(lambda x: x ** 3))(2.0)
    np.float64(12.0)
    >>> cp.grad(lambda p: p["w"] * p["b"])({"w": 2.0, "b": 5.0})
    {'w': np.float64(5.0), 'b': np.float64(2.0)}
    """
    both = value_and_grad(function, argnums, has_aux)

    @functools.wraps(function)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, result = both(*args, **kwargs)
        return (result, value[1]) if has_aux else result

    return gradient


def _flat(call: Arguments, out: list[tree.Structure]) -> Callable[..., list[Array]]:
    def flat(*leaves: Array) -> list[Array]:
        results, structure = tree.flatten(call.call(leaves))
        out.append(structure)
        return results

    return flat


def vjp(function: Function, *args: Any) -> tuple[Any, Function]:
    """Return the value of ``function(*args)`` and its pullback, which carries an error back to the args.

    Returns
    -------
    value : nested structure
    pullback : callable
        Takes ∂L/∂value, structured and shaped like value; returns a tuple, ∂L/∂arg for each argument.

    Examples
    --------
    >>> import numpy as np, clearprop as cp
    >>> value, pullback = cp.vjp(lambda x: x * x, np.array([1.0, 3.0]))
    >>> value, pullback(np.array([1.0, 10.0]))
    (array([1., 9.]), (array([ 2., 60.]),))
    """
    call = Arguments(function, args, {}, tuple(range(len(args))))
    call.require_floats("the vjp")
    out: list[tree.Structure] = []
    graph, inputs = call.trace(_flat(call, out))
    values = evaluate(graph, [x if isinstance(x, Traced) else np.array(x) for x in inputs])  # kept for later
    outputs = [read(values, atom) for atom in graph.outputs]

    def back(cotangent: Any) -> Any:
        seeds = _directions(cotangent, tree.unflatten(out[0], outputs), "the cotangent", "the value")
        wanted = graph.inputs[: len(call.leaves)]
        with np.errstate(all="ignore"):
            shares = pullback(graph, values, seeds, wanted)
        return call.like(delivered([*map(_or_zeros, shares, call.leaves)], [*values.values(), *seeds]))

    return tree.unflatten(out[0], delivered(outputs, values.values())), back


def _directions(given: Any, like: Any, what: str, whose: str) -> list[Array | None]:
    """Return the leaves of a direction that fits a structure; None where nothing can move."""
    theirs, ours = tree.named_leaves(like), tree.named_leaves(given)
    tree.require_same_paths(theirs, ours)
    leaves: list[Array | None] = []
    for (path, x), (_, t) in zip(theirs, ours, strict=True):
        if not is_float(type_of(x).dtype):
            leaves.append(None)
            continue
        t = t if isinstance(t, Traced) else np.asarray(t)
        if t.shape != type_of(x).shape:
            at = f" at {path!r}" if path else ""
            raise ShapeError(
                f"{what} has shape {list(t.shape)}{at}, but {whose} has {list(type_of(x).shape)}"
            )
        leaves.append(t.astype(type_of(x).dtype))
    return leaves


def jvp(function: Function, args: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """Return the value of ``function(*args)`` and its derivative in the direction of the tangents.

    Parameters
    ----------
    function : callable
    args, tangents : sequence of nested structures
        One tangent for each argument, structured and shaped like it.

    Examples
    --------
    >>> import numpy as np, clearprop as cp
    >>> cp.jvp(np.sin, (0.0,), (2.0,))
    (np.float64(0.0), np.float64(2.0))
    """
    call = Arguments(function, args, {}, tuple(range(len(args))))
    call.require_floats("the jvp")
    directions = _directions(tuple(tangents), tuple(args), "the tangent", "the argument")
    out: list[tree.Structure] = []
    graph, inputs = call.trace(_flat(call, out))
    values = evaluate(graph, inputs)
    outputs = [read(values, atom) for atom in graph.outputs]
    moving = {v: t for v, t in zip(graph.inputs, directions, strict=False) if t is not None}
    with np.errstate(all="ignore"):
        moved = pushforward(graph, values, moving)
    n = len(outputs)
    results = delivered([*outputs, *map(_or_zeros, moved, map(_array, outputs))], [*inputs, *moving.values()])
    return tree.unflatten(out[0], results[:n]), tree.unflatten(out[0], results[n:])


def _array(value: Array) -> Array:
    return value if isinstance(value, Traced) else np.asarray(value)


def hvp(function: Function, args: Sequence[Any], tangents: Sequence[Any]) -> Any:
    """Return the Hessian of ``function`` at args times the tangents: the gradient's derivative along them.

    Costs about two gradients, whatever the size; forward over reverse (Pearlmutter, 1994).

    Returns
    -------
    nested structure
        Like the argument; a tuple of such if there are several arguments.

    Examples
    --------
    >>> import numpy as np, clearprop as cp
    >>> cp.hvp(lambda x: np.sum(x ** 3), (np.array([1.0, 2.0]),), (np.array([1.0, 1.0]),))
    array([ 6., 12.])
    """
    argnums = 0 if len(args) == 1 else tuple(range(len(args)))
    return jvp(grad(function, argnums), args, tangents)[1]


def hessian(function: Function, argnums: int = 0) -> Function:
    """Return a function that gives the Hessian of a scalar function in one argument.

    Returns
    -------
    callable
        For an array argument of shape s it returns an array of shape s + s. For a nested structure it
        returns that structure with, at each leaf, the same structure of blocks ∂²f/∂row∂column.

    Examples
    --------
    >>> import numpy as np, clearprop as cp
    >>> cp.hessian(lambda x: x[0] ** 2 * x[1])(np.array([3.0, 5.0]))
    array([[10.,  6.],
           [ 6.,  0.]])
    """

    @functools.wraps(function)
    def hessian_of(*args: Any, **kwargs: Any) -> Any:
        gradient = grad(function, argnums)
        call = Arguments(gradient, args, kwargs, argnums)
        call.require_floats("the Hessian")
        graph, inputs = call.trace(lambda *leaves: tree.leaves(call.call(leaves)))
        values = evaluate(graph, inputs)
        columns: list[list[list[Array]]] = [[[] for _ in call.leaves] for _ in call.leaves]
        for j, (var, leaf) in enumerate(zip(graph.inputs, call.leaves, strict=False)):
            for unit in np.eye(leaf.size, dtype=leaf.dtype):
                with np.errstate(all="ignore"):
                    moved = pushforward(graph, values, {var: unit.reshape(leaf.shape)})
                for i, t in enumerate(moved):
                    columns[i][j].append(_or_zeros(t, call.leaves[i]))
        rows = [
            call.like([_block(block, a, b) for block, b in zip(row, call.leaves, strict=True)])
            for row, a in zip(columns, call.leaves, strict=True)
        ]
        return call.like(rows)

    return hessian_of


def _block(columns: list[Array], row: Array, column: Array) -> Array:
    """Put derivatives of a row leaf, one for each element of a column leaf, side by side."""
    if not columns:
        return np.zeros(row.shape + column.shape, row.dtype)
    return delivered([np.reshape(np.stack(columns, axis=-1), row.shape + column.shape)])[0]
