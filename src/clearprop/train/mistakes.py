"""Mistakes that no step would show, found before the first one: at the price of one recording of the loss.

The model and the loss are recorded once on a mini-batch whose number of rows no other axis has. The loss sees
there what all the targets are, and checks them; and a column against a row, which NumPy takes for all pairs, can
be seen in the equations.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from types import TracebackType
from typing import Any

import numpy as np

from ..core import tree
from ..core.errors import ClearpropError, DataError, ShapeError, TraceError
from ..core.graph import Atom, Eqn, Graph, Var
from ..core.lowering import Fold
from ..core.trace import stand_for, trace
from ..core.traced import Traced
from ..core.types import Type, type_of
from ..data.copies import target_columns
from ..data.table import listed
from ..nn.context import INFERENCE, apply
from .data import Samples

_PLACE = "\n  in "
_PREDICTION, _TARGET, _WEIGHT = "prediction", "target", "sample weights"


def require_no_target_among_inputs(data: Samples) -> None:
    """Raise DataError if columns of x, but not all of them, are y."""
    columns = target_columns(data.x, data.y)
    if columns:
        which = f"column {columns[0]}" if len(columns) == 1 else f"the columns {listed_numbers(columns)}"
        is_y = "is" if len(columns) == 1 else "together are"
        raise DataError(
            f"the target is among the inputs: {which} of x, {type_of(data.x)}, {is_y} y, {type_of(data.y)}, in all "
            f"{len(data.x):,} rows, so that there is nothing to learn but to copy it. Leave it out, with "
            f"np.delete(x, {columns if len(columns) > 1 else columns[0]}, axis=1); if it is meant, "
            f"allow_target_in_x=True"
        )


def listed_numbers(numbers: list[int]) -> str:
    """Return numbers for a message, and not too many."""
    return listed(map(str, numbers)).replace("'", "")


def require_sound(
    model: Any, data: Samples, loss: Callable[..., Any], batch_size: int, which: str = ""
) -> None:
    """Record the loss of (prediction, target, weight) once, and raise what is wrong with it.

    Raises
    ------
    ShapeError
        If shapes do not fit, naming the layer; or if the loss takes each prediction against each target, as
        [n,1] − [n] does.
    ClearpropError
        What the loss itself finds, of any of the targets. The message ends with which data they are.
    """
    try:
        _look(model, data, loss, batch_size)
    except TraceError:
        return  # the step itself will say so, unless nothing has to be recorded, as for L-BFGS
    except ClearpropError as error:
        if not which:
            raise
        raise type(error)(f"{error}{_PLACE}{which}") from None


def _look(model: Any, data: Samples, loss: Callable[..., Any], batch_size: int) -> None:
    arrays = [data.x, data.y] + ([] if data.weight is None else [data.weight])
    leaves, form = tree.flatten(model)
    rows = _rows(min(batch_size, len(data)), [*leaves, *(a[0] for a in arrays)])
    types = [type_of(leaf) for leaf in leaves] + [Type((rows, *a.shape[1:]), a.dtype) for a in arrays]
    sources: dict[Var, str] = {}

    def record(*values: Any) -> list[Any]:
        own = tree.unflatten(form, values[: len(leaves)])
        x, y, weight = (*values[len(leaves) :], None)[:3]
        stand_for(y, data.y)
        try:
            prediction = apply(own, x, INFERENCE)
        except ClearpropError as error:
            raise _placed(error, own) from None
        for name, value in ((_PREDICTION, prediction), (_TARGET, y), (_WEIGHT, weight)):
            sources.update((v.variable, name) for v in tree.leaves(value) if isinstance(v, Traced))
        loss(prediction, y, weight)
        return []

    names = [*tree.paths(model), "x", "y", "weight"][: len(types)]
    graph, _ = trace(record, types, names)
    _require_no_pairs(graph, sources, rows)


def _rows(wished: int, arrays: list[Any]) -> int:
    """Return a number of rows, more than one, that is the length of no other axis: the wished one or a multiple.

    A multiple, for models that take the rows of a mini-batch in groups.
    """
    others = {n for a in arrays for n in np.shape(a)}
    return next(n for n in itertools.count(wished, wished) if n > 1 and n not in others)


# ---- a column against a row


def _require_no_pairs(graph: Graph, names: dict[Var, str], rows: int) -> None:
    if all(eqn.out.type.shape != (rows, rows) for eqn in graph.eqns):
        return
    origins: dict[Atom, frozenset[str]] = {}
    makers = {eqn.out: eqn for eqn in graph.eqns}
    origins.update((var, frozenset([name])) for var, name in names.items())
    for eqn in graph.eqns:
        if eqn.out not in origins:
            origins[eqn.out] = frozenset().union(*(origins.get(a, frozenset()) for a in eqn.inputs))
        if eqn.out.type.shape == (rows, rows) and len(eqn.inputs) > 1:
            column, row = (_spread(eqn, makers, shape) for shape in ((rows, 1), (rows,)))
            for a, b in itertools.product(column, row):
                if a not in names and _stood_up(a, makers):
                    continue
                left, right = origins.get(a, frozenset()), origins.get(b, frozenset())
                if left and right and not left & right:
                    raise _pairs(eqn, a.type, b.type, left, right)


def _spread(eqn: Eqn, makers: dict[Var, Eqn], shape: tuple[int, ...]) -> list[Atom]:
    """Return the values of a shape that an equation takes broadcast."""
    made = [makers[a] for a in eqn.inputs if isinstance(a, Var) and a in makers]
    return [
        m.inputs[0] for m in made if m.primitive.name == "broadcast_to" and m.inputs[0].type.shape == shape
    ]


def _stood_up(atom: Atom, makers: dict[Var, Eqn]) -> bool:
    """Tell whether a row was made a column by itself, as x[:, None] does: who writes that means pairs."""
    made = makers.get(atom) if isinstance(atom, Var) else None
    if made is None or made.primitive.name != "reshape" or made.inputs[0].type.ndim != 1:
        return False
    before = makers.get(made.inputs[0]) if isinstance(made.inputs[0], Var) else None
    return before is None or not isinstance(before.primitive.lowering, Fold)  # a sum that kept its axes


def _pairs(eqn: Eqn, column: Type, row: Type, left: frozenset[str], right: frozenset[str]) -> ShapeError:
    tall, flat = " and ".join(sorted(left)), " and ".join(sorted(right))
    ways = f"{tall}[:, 0] or {flat}[:, None]" if len(left) == len(right) == 1 else "x[:, 0] or x[:, None]"
    at = f"\n  at {eqn.where}" if eqn.where else ""
    return ShapeError(
        f"the loss takes each of the {column.shape[0]} rows against each other one: {eqn.primitive.name} of {column} "
        f"({tall}) and {row} ({flat}) gives {eqn.out.type}, by broadcasting. Make the shapes equal, with "
        f"{ways.replace('sample weights', 'sample_weight')}; if all pairs are meant, say so with [None, :] in place "
        f"of [:]{at}"
    )


# ---- where in the model


def _placed(error: ClearpropError, model: Any) -> ClearpropError:
    """Return the error with the path of the module that it arose in, where that is known."""
    path, module = _deepest(error.__traceback__, model)
    text = str(error)
    if path and f"{_PLACE}layers." in text:
        return type(error)(text.replace(f"{_PLACE}layers.", f"{_PLACE}{path}.layers.", 1))
    if path and _PLACE not in text:
        return type(error)(f"{text}{_PLACE}{path} ({type(module).__name__})")
    return error


def _deepest(traceback: TracebackType | None, model: Any) -> tuple[str, Any]:
    """Return the path and the innermost module of the model that was being called."""
    path, module = "", model
    while traceback is not None:
        own = traceback.tb_frame.f_locals.get("self")
        if isinstance(own, tree.Module) and own is not module:
            inner = _path_to(own, module)
            if inner is not None:
                path, module = f"{path}.{inner}" if path else inner, own
        traceback = traceback.tb_next
    return path, module


def _path_to(wanted: Any, within: Any) -> str | None:
    for key, value in tree.contents(within) or ():
        if value is wanted:
            return str(key)
        inner = None if tree.is_array(value) else _path_to(wanted, value)
        if inner is not None:
            return f"{key}.{inner}"
    return None
