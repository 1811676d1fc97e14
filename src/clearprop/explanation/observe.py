"""Which layer wrote which equations: a copy of a model that tells, when it is traced, of each call of its parts.

The model itself is not touched, and nothing watches where nobody explains.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from ..core import tree
from ..core.graph import Var
from ..core.traced import Traced

M = TypeVar("M")


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a layer while a model was traced.

    Attributes
    ----------
    name : str
        The layer's path in the model, ``"layers.0"``; its second call is ``"layers.0:2"``. "" is the model itself.
    layer : Module or callable
        As the model holds it.
    inputs : tuple of Var
        The traced values that it was given.
    output : Var or None
        What it returned, if that is a traced value.
    start, stop : int
        Its equations are ``graph.eqns[start:stop]``.
    innermost : bool
        Whether no other call happened within it: then it is a layer, else it contains layers.
    """

    name: str
    layer: Any
    inputs: tuple[Var, ...]
    output: Var | None
    start: int
    stop: int
    innermost: bool


def observed(model: M, calls: list[Call]) -> M:
    """Return a copy of a model whose modules, and functions in its lists, add each of their calls to ``calls``.

    A call is added when it ends, so those within it come before it. Only calls with traced values count.

    Examples
    --------
    >>> import numpy as np, clearprop as cp
    >>> calls = []
    >>> model = observed(cp.nn.MLP(2, (3,), 1, rng=0), calls)
    >>> graph = cp.make_graph(lambda x: model(x))(np.ones((4, 2)))
    >>> [(call.name, type(call.layer).__name__) for call in calls]
    [('layers.0', 'Dense'), ('layers.1', 'Dense'), ('', 'MLP')]
    """
    copy: M = _rebuilt(model, "", calls, False)
    return copy


class _Watch:
    """Notes the calls of one part of a model."""

    def __init__(self, name: str, layer: Any, calls: list[Call]) -> None:
        self.name, self.layer, self.calls, self.count = name, layer, calls, 0

    def __call__(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        traced = [a for a in (*args, *kwargs.values()) if isinstance(a, Traced)]
        if not traced:
            return function(*args, **kwargs)
        self.count += 1
        name = f"{self.name}:{self.count}" if self.count > 1 else self.name
        eqns, before = traced[0].recording.eqns, len(self.calls)
        start = len(eqns)
        result = function(*args, **kwargs)
        output = result.variable if isinstance(result, Traced) else None
        inputs = tuple(t.variable for t in traced)
        innermost = len(self.calls) == before
        self.calls.append(Call(name, self.layer, inputs, output, start, len(eqns), innermost))
        return result


def _rebuilt(part: Any, path: str, calls: list[Call], listed: bool) -> Any:
    items = tree.contents(part)
    if items is None:
        return _watched(part, _Watch(path, part, calls)) if listed and callable(part) else part
    inside = not isinstance(part, tree.Module)
    children = {k: _rebuilt(v, f"{path}.{k}" if path else str(k), calls, inside) for k, v in items}
    if isinstance(part, tree.Module):
        kind: Any = type(part)
        copy = object.__new__(_watching(kind) if callable(part) else kind)
        for name, value in {**children, "_watch": _Watch(path, part, calls)}.items():
            object.__setattr__(copy, name, value)
        return copy
    if isinstance(part, dict):
        return type(part)(children)
    sequence: Any = type(part)
    return sequence(*children.values()) if hasattr(part, "_fields") else sequence(children.values())


def _watched(function: Callable[..., Any], watch: _Watch) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return watch(function, args, kwargs)

    return call


@functools.cache
def _watching(kind: Any) -> Any:
    """Return the same class of modules, its call watched; known to nobody else."""
    call = kind.__call__

    @functools.wraps(call)
    def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
        return self._watch(functools.partial(call, self), args, kwargs)

    body = {"__call__": watched, "__module__": __name__, "__init__": kind.__init__}
    made = type(kind.__name__, (kind,), body)
    del tree.MODULES[f"{__name__}.{made.__qualname__}"]
    return made
