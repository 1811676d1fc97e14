"""A record: one forward and one backward pass in numbers, each array of the graph with its error.

The backward pass is the same `sweep` that training records, given numbers instead of symbols.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..core import tree
from ..core.errors import DataError, DTypeError, ShapeError
from ..core.graph import Atom, Graph, Var
from ..core.interpret import Values, evaluate, read
from ..core.lowering import Map
from ..core.trace import trace
from ..core.types import is_float, native, require_supported, type_of
from ..nn.context import Context, apply
from ..transform.reverse import sweep
from .observe import Call, observed

X = "x"
"""The name of the input."""


@dataclass(frozen=True, eq=False)
class Record:
    """One forward and one backward pass of a model, a loss and some samples.

    Attributes
    ----------
    model : Module
        With its arrays in the dtype of the record.
    loss : callable
        Of (prediction, target), or (prediction, target, sample_weight=...).
    x, y, weight : array
        The samples; weight may be None.
    graph : Graph
        As it was traced. Its inputs are the parameters and x, its outputs the loss and the prediction.
    values : mapping of Var to array
        The forward pass.
    errors : mapping of Var to array
        The backward pass: ∂L/∂v of each variable on a path to the loss.
    inputs : mapping of str to Var
        Parameters by their paths, and "x".
    calls : sequence of Call
        Of the model's parts, in the order in which they ended.
    """

    model: Any
    loss: Callable[..., Any]
    x: np.ndarray[Any, Any]
    y: Any
    weight: Any
    graph: Graph
    values: Values
    errors: Mapping[Var, Any]
    inputs: Mapping[str, Var]
    calls: Sequence[Call]

    @property
    def parameters(self) -> list[str]:
        """The paths of the parameters."""
        return [name for name in self.inputs if name != X]

    def value(self, atom: Atom) -> np.ndarray[Any, Any]:
        """Return the number, or numbers, that a variable or a constant has."""
        return np.asarray(read(self.values, atom))

    def error(self, atom: Atom) -> np.ndarray[Any, Any]:
        """Return ∂L/∂v; zeros where no path leads to the loss."""
        error = self.errors.get(atom) if isinstance(atom, Var) else None
        return np.zeros(atom.type.shape, atom.type.dtype) if error is None else np.asarray(error)

    @property
    def total(self) -> float:
        """L."""
        return float(self.value(self.graph.outputs[0]))

    @property
    def prediction(self) -> np.ndarray[Any, Any]:
        """What the model gave."""
        return self.value(self.graph.outputs[1])

    @cached_property
    def samples(self) -> int | None:
        """How many samples stand on the first axis of x; None if x is a single one, without that axis."""
        single = not self.x.ndim or (self.x.ndim == 1 and self.prediction.ndim < 2)
        return None if single else len(self.x)

    @cached_property
    def terms(self) -> np.ndarray[Any, Any]:
        """float[n]: each sample's own loss, as if it were alone and its weight 1."""
        if self.samples is None:
            return np.array([self.total])
        prediction = self.prediction
        if "reduction" in _parameters(self.loss):
            each = np.asarray(self.loss(prediction, self.y, reduction="none"))
            alone = self.loss(prediction[:1], self.y[:1])
            rest = tuple(range(1, each.ndim))
            for reduce in (np.mean, np.sum):
                if np.allclose(reduce(each[:1]), alone, rtol=1e-5, equal_nan=True):
                    return np.asarray(reduce(each, axis=rest))
        slices = (slice(i, i + 1) for i in range(self.samples))
        return np.array([float(self.loss(prediction[i], self.y[i])) for i in slices])

    @cached_property
    def reduction(self) -> str:
        """How L is made of the samples' own losses: "mean", "sum", "weighted mean", "weighted sum" or "other"."""
        if self.samples is None:
            return "sum"
        for name, shares in self._reductions():
            if np.isclose(np.sum(shares * self.terms), self.total, rtol=1e-5, equal_nan=True):
                return name
        return "other"

    def _reductions(self) -> list[tuple[str, Any]]:
        if self.weight is None:
            return [("mean", 1 / len(self.x)), ("sum", 1.0)]
        w = np.asarray(self.weight, np.float64)
        return [("weighted mean", w / (np.sum(w) or 1)), ("weighted sum", w)]

    @property
    def shares(self) -> np.ndarray[Any, Any] | None:
        """float[n]: what each sample's own loss counts in L; None if L is no such sum."""
        ways = dict(self._reductions()) if self.samples is not None else {"sum": 1.0}
        return np.broadcast_to(ways[self.reduction], len(self.terms)) if self.reduction in ways else None


def record(
    model: Any,
    loss: Callable[..., Any],
    x: Any,
    y: Any,
    *,
    sample_weight: Any = None,
    context: Context | None = None,
    dtype: Any = np.float64,
) -> Record:
    """Run a model and its loss forward and backward, and keep every number.

    Parameters
    ----------
    model, loss, x, y, sample_weight
        As for `fit`; all samples are one batch.
    context : Context, optional
        By default not training.
    dtype : dtype or None
        Of the computation; None keeps that of the parameters.

    Raises
    ------
    DataError
        If x and y do not go together.
    ShapeError
        If the loss is not one number.
    """
    model = tree.map(lambda leaf: _as(leaf, dtype), model)
    x, y = _as(_array(x, "x"), dtype), _array(y, "y")
    if x.ndim > 1 and y.shape[:1] != x.shape[:1]:
        raise DataError(
            f"x is {type_of(x)} and y is {type_of(y)}: {len(x)} samples need as many targets; of one sample "
            f"keep the first axis, as in x[:1], y[:1]"
        )
    made = _Making(model, loss, x, y, sample_weight, context or Context())
    if not is_float(x.dtype) and made.only_converted():
        made = _Making(model, loss, x.astype(dtype or np.float32), y, sample_weight, context or Context())
    return made.record()


class _Making:
    """The tracing of a record."""

    def __init__(self, model: Any, loss: Any, x: Any, y: Any, weight: Any, context: Context) -> None:
        self.model, self.loss, self.x, self.y, self.weight, self.context = model, loss, x, y, weight, context
        self.calls: list[Call] = []
        self.leaves, self.form = tree.flatten(model)
        self.leaves = [np.asarray(leaf) for leaf in self.leaves]
        self.result(model, x)  # says in numbers what is wrong
        types = [*map(type_of, self.leaves), type_of(x)]
        self.graph, _ = trace(self.traced, types, [*tree.paths(model), X])

    def traced(self, *leaves: Any) -> Sequence[Any]:
        model = observed(tree.unflatten(self.form, leaves[:-1]), self.calls)
        return self.result(model, leaves[-1])

    def result(self, model: Any, x: Any) -> Sequence[Any]:
        weights = {} if self.weight is None else {"sample_weight": self.weight}
        context = _Again(self.context)
        with np.errstate(all="ignore"):
            prediction = apply(model, x, context)
            total = self.loss(prediction, self.y, **weights)
        if np.shape(total):
            raise ShapeError(
                f"the loss is {type_of(total)}, and what is explained is one number; average it, as with np.mean, "
                f'or pass a loss with reduction="mean"'
            )
        return total, prediction

    def only_converted(self) -> bool:
        """Whether the integers of x become floats and serve for nothing else."""
        uses = [eqn for eqn in self.graph.eqns if self.graph.inputs[-1] in eqn.inputs]
        return bool(uses) and all(
            len(eqn.inputs) == 1 and isinstance(eqn.primitive.lowering, Map) and is_float(eqn.out.type.dtype)
            for eqn in uses
        )

    def record(self) -> Record:
        graph = self.graph
        values = evaluate(graph, [*self.leaves, self.x])
        errors: dict[Var, Any] = {}
        wanted = [var for var in graph.inputs if is_float(var.type.dtype)]
        if not is_float(graph.outputs[0].type.dtype):
            raise DTypeError(
                f"the loss is {graph.outputs[0].type}, which has no derivative; it must be a float"
            )
        with np.errstate(all="ignore"):
            seed = np.ones((), graph.outputs[0].type.dtype)
            for _ in sweep(graph, values, [seed, None], wanted, errors):
                pass
        inputs = dict(zip([*tree.paths(self.model), X], graph.inputs, strict=True))
        return Record(
            self.model, self.loss, self.x, self.y, self.weight, graph, values, errors, inputs, self.calls
        )


class _Again(Context):
    """The same circumstances once more: the same random numbers as another context is about to give."""

    def __init__(self, context: Context) -> None:
        self.__dict__.update(context.__dict__)


def _parameters(function: Any) -> Mapping[str, Any]:
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):  # built-in functions have no signature
        return {}


def _array(value: Any, name: str) -> np.ndarray[Any, Any]:
    array = np.asarray(value)
    require_supported(array.dtype, name)
    return native(array)


def _as(leaf: Any, dtype: Any) -> np.ndarray[Any, Any]:
    array = np.asarray(leaf)
    return array if dtype is None or not is_float(array.dtype) else array.astype(dtype)
