"""Rewrites of particular operations, each a named function that says whether it is exact.

A rule gets an equation and a way to look up what defines a value; it returns the value that the equation
equals, or another operation with its inputs and parameters, or None where it does not fit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.graph import Atom, Const, Eqn, Var
from ..transform.simplify import Definition, Outcome, rewrite
from .compare import where
from .pointwise import add, astype, chain, divide, multiply, negative, power, subtract, with_slope
from .reduce import sum_along
from .shape import broadcast, permute, reshape_to, take_ranges


def _is(atom: Atom, number: float) -> bool:
    """Whether an atom is this number, everywhere; −0 is not 0."""
    value = atom.uniform if isinstance(atom, Const) else None
    return value is not None and bool(value == number) and not (number == 0 and np.signbit(value))


def _inner(eqn: Eqn, definition: Definition, primitive: Any) -> Eqn | None:
    """Return the equation that made the first input, if it is of this operation."""
    made = definition(eqn.inputs[0])
    return made if made is not None and made.primitive is primitive else None


def _same(eqn: Eqn, atom: Atom) -> Atom | None:
    """Return the atom if it has the type of the equation's result: the dtype may have been promoted."""
    return atom if atom.type == eqn.out.type else None


@rewrite(exact=True)
def times_one(eqn: Eqn, definition: Definition) -> Outcome:
    """x · 1 = 1 · x = x / 1 = x¹ = x."""
    if eqn.primitive in (multiply, chain, divide, power) and _is(eqn.inputs[1], 1):
        return _same(eqn, eqn.inputs[0])
    if eqn.primitive in (multiply, chain) and _is(eqn.inputs[0], 1):
        return _same(eqn, eqn.inputs[1])
    return None


@rewrite(exact=True)
def minus_zero(eqn: Eqn, definition: Definition) -> Outcome:
    """x − 0 = x (x + 0 and x − (−0) are not x where x is −0)."""
    return _same(eqn, eqn.inputs[0]) if eqn.primitive is subtract and _is(eqn.inputs[1], 0) else None


@rewrite(exact=True)
def slope_given(eqn: Eqn, definition: Definition) -> Outcome:
    """A value whose slope was given is the value: where the slope is used, it is there by itself."""
    return eqn.inputs[0] if eqn.primitive is with_slope else None


@rewrite(exact=False)
def plus_zero(eqn: Eqn, definition: Definition) -> Outcome:
    """x + 0 = 0 + x = x, but for the sign of zero."""
    if eqn.primitive is not add:
        return None
    if _is(eqn.inputs[1], 0):
        return _same(eqn, eqn.inputs[0])
    return _same(eqn, eqn.inputs[1]) if _is(eqn.inputs[0], 0) else None


@rewrite(exact=True)
def double_negative(eqn: Eqn, definition: Definition) -> Outcome:
    """−(−x) = x."""
    made = _inner(eqn, definition, negative) if eqn.primitive is negative else None
    return made.inputs[0] if made else None


@rewrite(exact=True)
def add_negative(eqn: Eqn, definition: Definition) -> Outcome:
    """a + (−b) = a − b."""
    if eqn.primitive is not add:
        return None
    made = definition(eqn.inputs[1])
    if made is None or made.primitive is not negative:
        return None
    return subtract, (eqn.inputs[0], made.inputs[0]), {}


@rewrite(exact=True)
def times_minus_one(eqn: Eqn, definition: Definition) -> Outcome:
    """x · (−1) = −x."""
    if eqn.primitive is multiply and _is(eqn.inputs[1], -1) and eqn.inputs[0].type == eqn.out.type:
        return negative, (eqn.inputs[0],), {}
    return None


@rewrite(exact=True)
def reshape_of_reshape(eqn: Eqn, definition: Definition) -> Outcome:
    """Of two reshapes in a row, the last one; none if it leads back."""
    if eqn.primitive is not reshape_to:
        return None
    if eqn.inputs[0].type == eqn.out.type:
        return eqn.inputs[0]
    made = _inner(eqn, definition, reshape_to)
    return (reshape_to, made.inputs, dict(eqn.params)) if made else None


@rewrite(exact=True)
def transpose_of_transpose(eqn: Eqn, definition: Definition) -> Outcome:
    """Of two transposes in a row, their composition; none if it leads back."""
    if eqn.primitive is not permute:
        return None
    axes = eqn.params["axes"]
    if axes == tuple(range(len(axes))):
        return eqn.inputs[0]
    made = _inner(eqn, definition, permute)
    return (permute, made.inputs, {"axes": tuple(made.params["axes"][a] for a in axes)}) if made else None


@rewrite(exact=True)
def broadcast_of_broadcast(eqn: Eqn, definition: Definition) -> Outcome:
    """Of two broadcasts in a row, the last one, if the axes keep their places."""
    if eqn.primitive is not broadcast:
        return None
    if eqn.inputs[0].type == eqn.out.type:
        return eqn.inputs[0]
    made = _inner(eqn, definition, broadcast)
    return (broadcast, made.inputs, dict(eqn.params)) if made else None


@rewrite(exact=True)
def whole_slice(eqn: Eqn, definition: Definition) -> Outcome:
    """A slice of everything is the array."""
    if eqn.primitive is not take_ranges:
        return None
    shape = eqn.inputs[0].type.shape
    return eqn.inputs[0] if eqn.params["ranges"] == tuple((0, 1, n) for n in shape) else None


@rewrite(exact=True)
def convert_to_same(eqn: Eqn, definition: Definition) -> Outcome:
    """A conversion to the dtype that is there."""
    return _same(eqn, eqn.inputs[0]) if eqn.primitive is astype else None


@rewrite(exact=False)
def sum_over_nothing(eqn: Eqn, definition: Definition) -> Outcome:
    """A sum along no axis is the array, but for the sign of zero."""
    return _same(eqn, eqn.inputs[0]) if eqn.primitive is sum_along and not eqn.params["axes"] else None


@rewrite(exact=True)
def no_choice(eqn: Eqn, definition: Definition) -> Outcome:
    """A choice between equals, or by a constant condition."""
    if eqn.primitive is not where:
        return None
    condition, x, y = eqn.inputs
    if isinstance(x, Var) and x is y:
        return x
    if isinstance(condition, Const) and (value := condition.uniform) is not None:
        return x if value else y
    return None
