"""Whether a prediction that is taken for logits holds probabilities already: softmax or sigmoid once too often.

Of a traced prediction it is seen by the equations that made it. Numbers alone prove it only of a softmax, where
all rows lie in [0, 1] with the sum 1 to rounding and enough of them, not all equal, are not just zeros and ones
(two in float32, six in float16): logits that do so by chance are one in a thousand million. Numbers in [0, 1] may
be logits, so of a sigmoid they prove nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.errors import SettingError
from ..core.graph import Atom, Const, Eqn
from ..core.traced import Traced
from ..core.types import Array, type_of

UNCHECKED = "unchecked"

_OF_ELEMENTS = {"astype", "reshape", "slice", "transpose"}  # what is between 0 and 1 stays there
_ROUNDING = 16  # by how many units in the last place of 1 the sum of a softmax may differ from 1

_CHANCE = 1e-9


def takes_logits(loss: str, prediction: Array, from_logits: bool | str, squash: str) -> bool:
    """Return whether the prediction is to be taken for logits.

    Raises
    ------
    SettingError
        If from_logits is none of its choices, or is True and the prediction a softmax or, where ``squash`` is
        "sigmoid", a sigmoid.
    """
    if from_logits == UNCHECKED:
        return True
    if from_logits not in (True, False):
        raise SettingError(f"{loss}(from_logits={from_logits!r}): must be True, False or {UNCHECKED!r}")
    if not from_logits:
        return False
    made = _made_by(prediction) if isinstance(prediction, Traced) else _read_from(prediction, squash)
    if made and (made == squash or squash == "sigmoid"):
        raise SettingError(
            f"{loss}: the prediction, {type_of(prediction)}, is {_EVIDENCE[made]}, but with from_logits=True, the "
            f"default, {loss} takes the {squash} itself, so it would be taken twice: leave the {made} out of the "
            f"model, which is exact however sure the model is, or pass from_logits=False; if they are meant as "
            f"logits all the same, from_logits={UNCHECKED!r}"
        )
    return True


_EVIDENCE = {
    "softmax": "the result of a softmax",
    "sigmoid": "the result of a sigmoid",
}


def _read_from(p: Any, squash: str) -> str | None:
    """Return "softmax" if the rows of numbers are its results beyond doubt."""
    if squash != "softmax" or p.size == 0:
        return None
    within = _ROUNDING * float(np.finfo(p.dtype).eps)
    first = p.reshape(-1, p.shape[-1])[0]
    if not (first.min() >= 0 and abs(float(first.sum(dtype=np.float64)) - 1) <= within):
        return None  # nearly always, and at once
    rows = p.reshape(-1, p.shape[-1])
    if rows.min() < 0 or not (np.abs(rows.sum(axis=1, dtype=np.float64) - 1) <= within).all():
        return None
    soft = rows[(rows < 1).all(axis=1)]
    by_chance = (2 * within) ** len(soft)
    return "softmax" if by_chance < _CHANCE and (soft != soft[0]).any() else None


def _made_by(prediction: Traced) -> str | None:
    """Return "softmax" or "sigmoid" if the last thing done to the prediction was that."""
    eqns = prediction.recording.eqns
    if _sigmoid(eqns, prediction.variable):
        return "sigmoid"
    return "softmax" if _softmax(eqns, prediction.variable) else None


def _maker(eqns: list[Eqn], atom: Atom, through: set[str], columns: int | None = None) -> Eqn | None:
    """Return the equation of a value, or of that which it is a view of; with columns, one of so many."""
    for eqn in reversed(eqns):
        if eqn.out is atom:
            inside = eqn.inputs[0].type.shape if eqn.inputs else ()
            clipped = _clipped(eqn) if "slice" in through and eqn.primitive.name == "where" else None
            if clipped is not None:
                atom = clipped
            elif eqn.primitive.name not in through or (columns and inside[-1:] != (columns,)):
                return eqn
            else:
                atom = eqn.inputs[0]
    return None


def _clipped(eqn: Eqn) -> Atom | None:
    """Return what a choice between a value and a constant in [0, 1] leaves as it is: np.clip of probabilities."""
    _, a, b = eqn.inputs
    constant, value = (a, b) if isinstance(a, Const) else (b, a)
    if not isinstance(constant, Const) or isinstance(value, Const):
        return None
    bound = constant.uniform
    return value if bound is not None and 0 <= float(bound) <= 1 else None


def _sigmoid(eqns: list[Eqn], atom: Atom) -> bool:
    """Tell whether a value is σ(z), or 1/(1 + eᶻ) as users write it."""
    eqn = _maker(eqns, atom, _OF_ELEMENTS)
    if eqn is None or eqn.primitive.name != "divide":
        return eqn is not None and eqn.primitive.name == "sigmoid"
    top, bottom = eqn.inputs
    below = _maker(eqns, bottom, {"astype"})
    if not _is_one(top) or below is None or below.primitive.name != "add":
        return False
    left, right = below.inputs
    rest = right if _is_one(left) else left if _is_one(right) else None
    power = rest and _maker(eqns, rest, {"astype"})
    return bool(power and power.primitive.name == "exp")


def _is_one(atom: Atom) -> bool:
    return isinstance(atom, Const) and atom.uniform == 1


def _softmax(eqns: list[Eqn], atom: Atom) -> bool:
    """Tell whether a value is eᶻ / Σ eᶻ along the last axis."""
    columns = atom.type.shape[-1] if atom.type.ndim > 1 else None
    eqn = _maker(eqns, atom, _OF_ELEMENTS - {"transpose"}, columns)
    if eqn is None or eqn.primitive.name != "divide":
        return False
    top, bottom = eqn.inputs
    total = _maker(eqns, bottom, {"broadcast_to", "reshape", "astype"})
    if total is None or total.primitive.name != "sum":
        return False
    (summed,) = total.inputs
    above, below = _maker(eqns, top, {"astype"}), _maker(eqns, summed, {"astype"})
    if above is None or below is None or above.primitive.name != "exp" or below.primitive.name != "exp":
        return False
    along = tuple(total.params["axes"]) == (summed.type.ndim - 1,)
    return along and (above is below or above.inputs[0] is below.inputs[0])
