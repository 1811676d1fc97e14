"""What would have avoided a NaN or an infinity, by operation: the one table that knows operations by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Kind = Literal["overflow", "pole", "undefined", "slope", "error", "constant", "input"]
"""Too large for the dtype; infinite by mathematics; undefined; a derivative that is; an error that is too large to be
carried on; given so by the function; given so by the caller."""

_SMALLER = (
    "numbers of this size come from weights or inputs that have grown: use a smaller learning rate, clip_norm=1.0 in "
    "the optimiser, or inputs and targets that are scaled to about 1"
)
_ERROR = (
    "the gradient has grown too large on its way: take the mean of the losses instead of their sum, scale inputs and "
    "targets to about 1, start from smaller weights, or use a smaller learning rate; clip_norm comes too late here"
)
_SHIFT = (
    "shift the argument before the exponential, as cp.softmax, cp.logsumexp and cp.log_softmax do, or limit it with "
    "np.minimum"
)
_LOGS = (
    "keep the argument away from 0: np.log(x + 1e-7) or np.log(np.maximum(x, 1e-7)); for probabilities use "
    "cp.log_softmax or cp.log_sigmoid, or give the loss what comes before the softmax, with from_logits=True"
)
_POSITIVE = (
    "the argument must be positive: use np.maximum(x, 1e-7), or cp.softplus(x) for what must be learned"
)
_DIVISOR = (
    "keep the divisor away from 0: x / (y + 1e-7) for y that is not negative, or x / np.where(y == 0, 1, y)"
)
_ROOT = (
    "the slope is infinite at 0: put a small number inside, np.sqrt(x + 1e-12); np.linalg.norm and np.std take the "
    "slope at 0 as 0"
)
_INSIDE = (
    "keep the argument inside (-1, 1): np.clip(x, -1 + 1e-6, 1 - 1e-6); at the border the slope is infinite"
)

_LOGARITHM: Mapping[Kind, str] = {"pole": _LOGS, "slope": _LOGS, "undefined": _POSITIVE}
_EXPONENTIAL: Mapping[Kind, str] = {"overflow": _SHIFT, "slope": _SHIFT}
_QUOTIENT: Mapping[Kind, str] = {
    "pole": _DIVISOR,
    "undefined": _DIVISOR,
    "slope": _DIVISOR,
    "overflow": _DIVISOR,
}
_ARC: Mapping[Kind, str] = {"undefined": _INSIDE, "slope": _INSIDE, "pole": _INSIDE}

REMEDIES: Mapping[str, Mapping[Kind, str]] = {
    "log": _LOGARITHM,
    "log2": _LOGARITHM,
    "log10": _LOGARITHM,
    "log1p": {
        "pole": "keep the argument above -1: np.log1p(np.maximum(x, -1 + 1e-7))",
        "undefined": "the argument must be above -1: np.log1p(np.maximum(x, -1 + 1e-7))",
        "slope": "keep the argument above -1: np.log1p(np.maximum(x, -1 + 1e-7))",
    },
    "exp": _EXPONENTIAL,
    "exp2": _EXPONENTIAL,
    "expm1": _EXPONENTIAL,
    "sinh": _EXPONENTIAL,
    "cosh": _EXPONENTIAL,
    "divide": _QUOTIENT,
    "reciprocal": _QUOTIENT,
    "remainder": _QUOTIENT,
    "floor_divide": _QUOTIENT,
    "sqrt": {
        "undefined": "rounding can make what should be 0 a little negative: np.sqrt(np.maximum(x, 0))",
        "slope": _ROOT,
    },
    "cbrt": {"slope": "the slope is infinite at 0: put a small number inside, np.cbrt(x + 1e-9)"},
    "power": {
        "pole": "0 to a negative power is infinite: np.maximum(x, 1e-7) ** p",
        "undefined": "a negative number to a broken power is no number: np.abs(x) ** p or np.maximum(x, 1e-7) ** p",
        "overflow": _SMALLER,
        "slope": "the slope is infinite at 0 for powers below 1, and for the exponent undefined where x is negative: "
        "np.maximum(x, 1e-7) ** p",
    },
    "arcsin": _ARC,
    "arccos": _ARC,
    "arctanh": _ARC,
    "arccosh": {
        "undefined": "the argument must be at least 1: np.arccosh(np.maximum(x, 1 + 1e-6))",
        "slope": "the slope is infinite at 1: np.arccosh(np.maximum(x, 1 + 1e-6))",
    },
    "astype": {
        "overflow": "the number does not fit into the smaller dtype: scale it, or stay in the larger one"
    },
}

DEFAULTS: Mapping[Kind, str] = {
    "overflow": _SMALLER,
    "pole": "keep its argument away from where it is infinite, with np.maximum, np.minimum or np.clip",
    "undefined": "keep its argument where it is defined, with np.maximum, np.minimum or np.clip",
    "slope": "keep its argument away from where the slope is infinite, with np.maximum, np.minimum or np.clip",
    "error": _ERROR,
    "constant": "the function holds a constant that is not finite; where it must not count, choose with np.where "
    "before it meets other numbers",
    "input": "it was given: drop that row, or fill the value in",
}


def remedy(operation: str, kind: Kind) -> str:
    """Return what would have avoided it."""
    return REMEDIES.get(operation, {}).get(kind, DEFAULTS[kind])
