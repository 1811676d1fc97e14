"""Exact arithmetic: the same graph and the same sweep, on fractions in place of floats.

The sweep is recorded on symbols, as training records it, and what it has recorded is computed on arrays of
``fractions.Fraction``. So nothing is derived twice. What is not rational, as e to the x, is refused by name. Numbers
that were computed before, outside of the graph, are as rounded as they were then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from ..core.errors import SettingError
from ..core.graph import Atom, Const, Eqn, Graph, Var
from ..core.interpret import evaluate, read
from ..core.lowering import View
from ..core.trace import trace
from ..core.types import Type, is_float
from ..transform.reverse import sweep
from .record import Record

Array = np.ndarray[Any, Any]

RATIONAL = {
    *(
        "add",
        "subtract",
        "multiply",
        "chain",
        "divide",
        "negative",
        "reciprocal",
        "square",
        "absolute",
        "sign",
    ),
    *("maximum", "minimum", "relu", "where", "equal", "not_equal", "less", "less_equal", "greater"),
    *("greater_equal", "logical_and", "logical_or", "logical_not", "stop_gradient", "matmul", "sum", "max"),
    *("min", "cumsum", "concatenate", "gather", "argmax", "argmin"),
}
"""Operations that give fractions for fractions, as NumPy computes them on objects. Views do too."""


def fractions(values: Any) -> Array:
    """Return floats as the fractions that their shortest decimals are: 0.1 is 1/10.

    >>> fractions([0.1, -2.0, float("0.375")])
    array([Fraction(1, 10), Fraction(-2, 1), Fraction(3, 8)], dtype=object)
    """
    array = np.asarray(values)
    made = np.empty(array.shape, object)
    for place, value in np.ndenumerate(array):
        made[place] = value if isinstance(value, Fraction) else _fraction(value)
    return made


def _fraction(value: Any) -> Fraction:
    if not np.isfinite(value):
        raise SettingError(f"exact=True: {value} is no fraction; give finite numbers")
    return Fraction(str(value))


def _constant(value: Any) -> Fraction:
    """Return a number that the function holds as a fraction: 0.3333333333333333, of 16 digits, was 1/3."""
    whole, short = _fraction(value), Fraction(float(value)).limit_denominator(10_000)
    return short if whole.denominator >= 10**16 and float(short) == float(value) else whole


def decimals(leaf: Any) -> Any:
    """Return floats in double precision with the same shortest decimals: float32's 0.1 is 0.1."""
    array = np.asarray(leaf)
    if not is_float(array.dtype) or array.dtype == np.float64:
        return leaf
    return np.array([float(str(v)) for v in array.ravel()]).reshape(array.shape)


def _astype(x: Array, *, dtype: Any) -> Array:
    return fractions(np.asarray(x).astype(int) if x.dtype == bool else x) if is_float(np.dtype(dtype)) else x


def _scattered(x: Array, *indices: Array, shape: tuple[int, ...]) -> Array:
    y = fractions(np.zeros(shape, int))
    np.add.at(y, tuple(indices), x)
    return y


def _unsliced(x: Array, *, ranges: Any, shape: tuple[int, ...]) -> Array:
    y = fractions(np.zeros(shape, int))
    y[
        tuple(
            slice(start, start + step * n if step * n + start >= 0 else None, step)
            for start, step, n in ranges
        )
    ] = x
    return y


def _leaky(x: Array, *, negative_slope: float) -> Array:
    return np.where(x > 0, x, x * _fraction(negative_slope))


OWN: Mapping[str, Callable[..., Any]] = {
    "astype": _astype,
    "scatter_add": _scattered,
    "unslice": _unsliced,
    "leaky_relu": _leaky,
    "isfinite": lambda x: np.ones(x.shape, bool),
    "isnan": lambda x: np.zeros(x.shape, bool),
}
"""Operations whose NumPy meaning makes floats of fractions."""


def run(graph: Graph, args: list[Any]) -> dict[Var, Any]:
    """Compute every variable of a graph on fractions.

    Raises
    ------
    SettingError
        If an operation is not rational; it names the first one and the line it comes from.
    """
    values: dict[Var, Any] = dict(zip(graph.inputs, args, strict=True))
    for eqn in graph.eqns:
        result = _computed(eqn, [_read(values, atom) for atom in eqn.inputs])
        values[eqn.out] = _whole(eqn, result) if is_float(eqn.out.type.dtype) else result
    return values


def _whole(eqn: Eqn, result: Any) -> Array:
    """Return a result with Python's integers, which NumPy mixes in, as fractions."""
    array = np.asarray(result, object)
    kinds = set(map(type, array.ravel()))
    if any(issubclass(kind, (float, np.floating)) for kind in kinds):
        raise _not_rational(eqn)
    return array if kinds <= {Fraction} else fractions(array)


def _read(values: Mapping[Var, Any], atom: Atom) -> Any:
    value = read(values, atom)
    if isinstance(atom, Const) and is_float(atom.type.dtype):
        return fractions(np.vectorize(_constant, otypes=[object])(value) if value.size else value)
    return value


def _computed(eqn: Eqn, args: list[Any]) -> Any:
    name, primitive = eqn.primitive.name, eqn.primitive
    involved = is_float(eqn.out.type.dtype) or any(is_float(a.type.dtype) for a in eqn.inputs)
    if not involved:
        return primitive(*args, **eqn.params)
    if name == "divide":  # integers too
        args = [fractions(a) for a in args]
    if name == "power":
        exponents = fractions(args[1])
        if all(e.denominator == 1 for e in exponents.flat):
            return np.asarray(args[0] ** exponents.astype(int))
    elif name in OWN:
        return OWN[name](*args, **eqn.params)
    elif name in RATIONAL or isinstance(primitive.lowering, View):
        try:
            return np.asarray(primitive(*args, **eqn.params))
        except ZeroDivisionError:
            raise SettingError(f"exact=True: a division by 0 in {name}\n  at {eqn.where}") from None
    raise _not_rational(eqn)


def _not_rational(eqn: Eqn) -> SettingError:
    at = f"\n  at {eqn.where}" if eqn.where and "site-packages" not in eqn.where.file else ""
    return SettingError(
        f"exact=True: {eqn.primitive.name} is not rational: it does not give fractions for fractions{at}\n"
        f"  Rational are identity, relu, leaky_relu and Maxout with squared, absolute and hinge losses; or leave "
        f"exact out"
    )


def computed(function: Callable[..., Any], *args: Any) -> Any:
    """Return ``function(*args)``; on fractions, if arguments are, by what it records."""
    if not any(np.asarray(a).dtype == object for a in args):
        return function(*args)
    types = [
        Type(np.shape(a), np.float64 if np.asarray(a).dtype == object else np.asarray(a).dtype) for a in args
    ]
    graph, _ = trace(lambda *leaves: [function(*leaves)], types)
    return _read(run(graph, list(args)), graph.outputs[0])


def exactly(record: Record) -> Record:
    """Return a record with fractions in place of floats, forward and backward.

    Raises
    ------
    SettingError
        If an operation is not rational, or a number is not finite.
    """
    graph = record.graph
    variables = [*graph.inputs, *(eqn.out for eqn in graph.eqns)]
    reached: list[Var] = []

    def both(*leaves: Any) -> list[Any]:
        values = evaluate(graph, leaves)
        errors: dict[Var, Any] = {}
        wanted = [var for var in graph.inputs if is_float(var.type.dtype)]
        for _ in sweep(graph, values, [np.ones(()), None], wanted, errors):
            pass
        reached.extend(errors)
        return [*(values[var] for var in variables), *errors.values()]

    joint, _ = trace(both, [var.type for var in graph.inputs])
    given = [record.value(var) for var in graph.inputs]
    found = run(joint, [fractions(v) if is_float(v.dtype) else v for v in given])
    results = [_read(found, atom) for atom in joint.outputs]
    values = dict(zip(variables, results, strict=False))
    errors = dict(zip(reached, results[len(variables) :], strict=True))
    exact = replace(record, values=values, errors=errors)
    exact.__dict__.update(samples=record.samples, reduction=record.reduction, terms=_terms(record, exact))
    return exact


def _terms(record: Record, exact: Record) -> Array:
    """Return each sample's own loss as a fraction, where the loss of one sample alone gives it; else as a float."""
    if record.samples is None:
        return exact.value(exact.graph.outputs[0])[None]
    prediction, y = exact.prediction, np.asarray(record.y)
    own = []
    for i in range(record.samples):
        alone = slice(i, i + 1)
        own.append(computed(lambda p, t=y[alone]: record.loss(p, t), prediction[alone]))
    terms = np.array([np.asarray(v).item() for v in own], object)
    return terms if np.allclose(terms.astype(float), record.terms) else record.terms
