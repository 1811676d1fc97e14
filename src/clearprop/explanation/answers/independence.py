"""Whether samples are independent: found by trying whether one changes what is predicted for another."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from ...core.errors import SettingError
from ...core.graph import Graph
from ...core.interpret import interpret
from ...core.types import Array
from ..record import Record

_COUPLED: WeakKeyDictionary[Record, tuple[int, int] | None] = WeakKeyDictionary()
"""What was found for records that are still in use."""


def model_graph(record: Record) -> Graph:
    """Return the equations from the parameters and x to the prediction, without those of the loss."""
    graph, out = record.graph, record.graph.outputs[1]
    stop = next((i for i, eqn in enumerate(graph.eqns, start=1) if eqn.out is out), 0)
    return Graph(graph.inputs, graph.eqns[:stop], (out,), graph.name)


def predicted(record: Record, x: Array) -> np.ndarray[Any, Any]:
    """Return the prediction for other inputs of the same shape: all else, also what dropout drops, is as recorded."""
    values = [record.value(var) for var in record.graph.inputs[:-1]]
    return np.asarray(interpret(model_graph(record), [*values, x])[0])


def coupling(record: Record) -> tuple[int, int] | None:
    """Return a sample and another whose change it feels; None if every pair is independent.

    For each bit of the samples' numbers, those that have the bit are changed and the others watched, then the
    other way round. So each ordered pair is tried, in 2·log₂ n forward passes.
    """
    n, rng = record.samples, np.random.default_rng(0)
    prediction = record.prediction
    if n is None or n < 2:
        return None
    if prediction.shape[:1] != (n,):
        return 0, 1
    for bit in range((n - 1).bit_length()):
        for side in (0, 1):
            chosen = (np.arange(n) >> bit & 1) == side
            moved = _moved(record, rng, chosen)
            if len(moved):
                return int(moved[0]), int(np.flatnonzero(chosen)[0])
    return None


def _moved(record: Record, rng: np.random.Generator, chosen: Any) -> np.ndarray[Any, Any]:
    """Change the chosen samples; return which of the others give another prediction."""
    x, before = record.x.copy(), record.prediction
    own = x[chosen]
    others = x[rng.integers(0, len(x), len(own))]
    if x.dtype.kind == "f":
        spread = np.std(x) or 1.0
        others = (0.5 * (own + others) + spread * rng.standard_normal(own.shape[1:])).astype(x.dtype)
    x[chosen] = others
    after, watched = predicted(record, x), np.flatnonzero(~chosen)
    if before.dtype.kind != "f":
        differs = after[watched] != before[watched]
    else:
        room = 256 * np.finfo(before.dtype).eps * (1 + np.max(np.abs(before), initial=0))
        differs = ~np.isclose(after[watched], before[watched], rtol=0, atol=room, equal_nan=True)
    return np.asarray(watched[differs.reshape(len(watched), -1).any(axis=1)])


def coupled(record: Record) -> tuple[int, int] | None:
    """Return what `coupling` finds; each record is tried once."""
    if record not in _COUPLED:
        _COUPLED[record] = coupling(record)
    return _COUPLED[record]


def require_independent(record: Record, what: str) -> None:
    """Raise SettingError if what is predicted for one sample depends on another.

    Parameters
    ----------
    record : Record
    what : str
        What was asked for: "the gradient of each sample".
    """
    pair = coupled(record)
    if pair is None:
        return
    n, prediction = record.samples, record.prediction
    if prediction.shape[:1] != (n,):
        raise SettingError(
            f"{what}: there are {n} samples, but the prediction has shape {list(prediction.shape)}; it needs a "
            f"row for each sample"
        )
    raise SettingError(
        f"{what}: the samples are not independent: the prediction for sample {pair[0]} changes when others do, "
        f"such as sample {pair[1]}. The model mixes samples, as normalising over a batch does, so none has a "
        f"share of its own; explain one sample at a time, or fix what is computed from the batch"
    )
