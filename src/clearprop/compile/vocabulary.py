"""The elementwise functions that the compiler knows, by the names that lowerings give them.

Each writes pure vector code, without a call on any target, and gives what NumPy's function of that name
gives. Floats of 16 bits are computed in 32 and rounded, as in NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..core.frozen import frozen
from ..core.graph import Atom, Const
from . import (
    arithmetic,
    conversion,
    division,
    error_function,
    exponential,
    lanes,
    logarithm,
    power,
    rounding,
    trigonometry,
)
from .arithmetic import whole
from .conversion import HALF
from .lanes import FLOAT, Lanes, where
from .target import Target
from .text import Function, Value, value_type

FUNCTIONS: dict[str, Callable[..., Lanes]] = {
    "identity": arithmetic.identity,
    "positive": arithmetic.identity,
    "stop_gradient": arithmetic.identity,
    "with_slope": arithmetic.first,
    "add": arithmetic.add,
    "subtract": arithmetic.subtract,
    "multiply": arithmetic.multiply,
    "divide": arithmetic.divide,
    "floor_divide": division.floor_divide,
    "remainder": division.remainder,
    "reciprocal": division.reciprocal,
    "negative": arithmetic.negative,
    "absolute": arithmetic.absolute,
    "sign": arithmetic.sign,
    "square": arithmetic.square,
    "chain": arithmetic.chain,
    "where": where,
    # roots and powers
    "power": power.power,
    "sqrt": power.sqrt,
    "cbrt": power.cbrt,
    "hypot": power.hypot,
    # extremes, rounding
    "maximum": arithmetic.maximum,
    "minimum": arithmetic.minimum,
    "floor": whole(rounding.floor),
    "ceil": whole(rounding.ceil),
    "trunc": whole(rounding.trunc),
    "rint": rounding.rint,
    # exponentials and logarithms
    "exp": exponential.exp,
    "exp2": exponential.exp2,
    "expm1": exponential.expm1,
    "log": logarithm.log,
    "log2": logarithm.log2,
    "log10": logarithm.log10,
    "log1p": logarithm.log1p,
    "logaddexp": logarithm.logaddexp,
    "erf": error_function.erf,
    # trigonometry
    "sin": trigonometry.sin,
    "cos": trigonometry.cos,
    "tan": trigonometry.tan,
    "arcsin": trigonometry.arcsin,
    "arccos": trigonometry.arccos,
    "arctan": trigonometry.arctan,
    "arctan2": trigonometry.arctan2,
    "sinh": exponential.sinh,
    "cosh": exponential.cosh,
    "tanh": exponential.tanh,
    "arcsinh": logarithm.arcsinh,
    "arccosh": logarithm.arccosh,
    "arctanh": logarithm.arctanh,
    # activations
    "sigmoid": exponential.sigmoid,
    "softplus": logarithm.softplus,
    "relu": arithmetic.relu,
    "leaky_relu": arithmetic.leaky_relu,
    "elu": exponential.elu,
    # comparisons, logic, bits
    "equal": arithmetic.equal,
    "not_equal": arithmetic.not_equal,
    "less": arithmetic.less,
    "less_equal": arithmetic.less_equal,
    "greater": arithmetic.greater,
    "greater_equal": arithmetic.greater_equal,
    "isnan": arithmetic.isnan,
    "isinf": arithmetic.isinf,
    "isfinite": arithmetic.isfinite,
    "logical_and": arithmetic.logical_and,
    "logical_or": arithmetic.logical_or,
    "logical_xor": arithmetic.logical_xor,
    "logical_not": arithmetic.logical_not,
    "bitwise_and": Lanes.__and__,
    "bitwise_or": Lanes.__or__,
    "bitwise_xor": Lanes.__xor__,
    "invert": Lanes.__invert__,
}
"""``FUNCTIONS[name](*operands, **params)`` writes a function of Lanes; float16 only through `compute`."""

HALVES = {"maximum": arithmetic.maximum_of_halves, "minimum": arithmetic.minimum_of_halves}
"""What NumPy does in another way where the operands are of 16 bits."""


@frozen
class Refusal:
    """Operands that a function refuses with an error.

    Attributes
    ----------
    error : type
        Of the exception, as NumPy raises it.
    problem : str
        Its message.
    operand : int
        Which operand is refused where it is negative, if its dtype is that of signed integers.
    """

    error: type[Exception]
    problem: str
    operand: int

    def possible(self, operands: Sequence[Atom]) -> bool:
        """Tell whether one of these may be refused."""
        atom = operands[self.operand]
        return atom.type.dtype.kind == "i" and not (isinstance(atom, Const) and bool((atom.value >= 0).all()))


REFUSALS = {"power": Refusal(ValueError, "Integers to negative integer powers are not allowed.", 1)}
"""Functions that refuse operands, by name."""


def refused(
    function: Function, target: Target, name: str, values: Sequence[Value], dtypes: Sequence[np.dtype[Any]]
) -> Value:
    """Return in which lanes an operand is refused."""
    n = REFUSALS[name].operand
    return (Lanes(function, target, values[n], dtypes[n]) < 0).value


LONG = 15  # cycles of a vector in a function that is not simple
CHAINED = (
    error_function.__name__,
    exponential.__name__,
    logarithm.__name__,
)  # where each step waits for the last
SIMPLE = (arithmetic.__name__, lanes.__name__)  # where those are written that take a cycle or so


def weight(name: str) -> int:
    """Return about how many cycles a function takes."""
    written = getattr(FUNCTIONS.get(name), "__module__", arithmetic.__name__)
    return 1 if written in SIMPLE else LONG


def chained(name: str) -> bool:
    """Return whether a function is a long chain of steps, so that several vectors of it are best computed at once."""
    return getattr(FUNCTIONS.get(name), "__module__", "") in CHAINED


def compute(
    function: Function,
    target: Target,
    name: str,
    values: Sequence[Value],
    dtypes: Sequence[np.dtype[Any]],
    dtype: np.dtype[Any],
    params: Mapping[str, Any],
) -> Value:
    """Write a function of the vocabulary.

    Parameters
    ----------
    function : Function
        Where it is written.
    target : Target
    name : str
        One of FUNCTIONS, or "convert".
    values, dtypes : sequences
        The operands; scalars or vectors, all with the same number of lanes.
    dtype : dtype
        Of the result.
    params : mapping
        The operation's own, such as ``alpha``.
    """
    operands = [Lanes(function, target, v, d) for v, d in zip(values, dtypes, strict=True)]
    if name == "convert":
        return conversion.convert(operands[0], dtype).value
    rule = HALVES.get(name, FUNCTIONS[name]) if HALF in dtypes else FUNCTIONS[name]
    if rule is not arithmetic.identity:
        operands = [conversion.convert(x, FLOAT) if x.dtype == HALF else x for x in operands]
    result = rule(*operands, **params)
    return (conversion.convert(result, HALF) if dtype == HALF else result).value


def convert(
    function: Function, target: Target, value: Value, from_dtype: np.dtype[Any], to_dtype: np.dtype[Any]
) -> Value:
    """Write a conversion, as NumPy's astype: floats lose their fraction, integers wrap."""
    return conversion.convert(Lanes(function, target, value, from_dtype), to_dtype).value


def constant(function: Function, number: Any, dtype: np.dtype[Any], lanes: int = 1) -> Value:
    """Return a number in every lane."""
    return function.constant(number, value_type(dtype), lanes)
