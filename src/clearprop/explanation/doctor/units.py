"""Units that no longer take part: rectifiers that are never on, bounded functions that are always at their ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..layers import Layer
from .evidence import Evidence
from .rule import Seen, Unseen

_NOTHING = (
    1e-6  # an activation, and a slope, that are as good as 0: of GELU and SiLU far below 0, of ReLU exactly
)
_END = (
    0.01  # so near to an end of its range, in parts of the range, an activation is at it: tanh beyond ±0.98
)


def dead(evidence: Evidence) -> Seen | Unseen:
    """Measure the share of the units that give 0, and pass no error, on every sample; 1 if a whole layer does."""
    layers = evidence.active
    found = {layer.name or "model": dead_units(layer) for layer in layers if rectifies(layer)}
    if not found:
        return Unseen("no layer has units that can be off: no ReLU and none of its kin")
    shares = {name: float(np.mean(off)) for name, off in found.items()}
    off, units = (sum(int(f.sum()) for f in found.values()), sum(f.size for f in found.values()))
    worst = max(shares, key=lambda name: shares[name])
    whole = shares[worst] == 1
    samples = len(evidence.explanation.record.x)
    return Seen(
        1.0 if whole else off / units,
        (f"all {found[worst].size} units of {worst}" if whole else f"{off} of {units} units")
        + " are off for every sample and cannot learn",
        f"{off} of {units} units are off for every sample",
        evidence=f"off for each of {samples} samples: " + _by_layer(shares),
        where="; ".join(
            f"{name}, units {numbered(np.flatnonzero(f))}" for name, f in found.items() if f.any()
        ),
        numbers={"share": shares, "units": {name: np.flatnonzero(f).tolist() for name, f in found.items()}},
    )


def rectifies(layer: Layer) -> bool:
    """Whether the layer's function is 0 on one side and not on the other."""
    function = activation(layer)
    if function is None:
        return False
    low, high = _at(function, -60.0), _at(function, 60.0)
    return abs(low) < _NOTHING < 1 < high


def dead_units(layer: Layer) -> np.ndarray[Any, Any]:
    """Return bool[units]: off, and without an error to learn from, on every sample."""
    a, delta, da = (np.abs(q.value).reshape(-1, q.shape[-1]) for q in (layer.a, layer.delta, layer.da))
    return np.asarray((a.max(axis=0) < _NOTHING) & (delta <= _NOTHING * np.maximum(da, 1e-300)).all(axis=0))


def saturated(evidence: Evidence) -> Seen | Unseen:
    """Measure the largest share of a hidden layer's activations that are at the ends of their range."""
    last = evidence.explanation.layers[-1] if evidence.explanation.layers else None
    shares, units = {}, {}
    for layer in evidence.active:
        ends = bounds(layer)
        if layer is last or ends is None:
            continue
        low, high = ends
        at = np.abs(2 * (layer.a.value - low) / (high - low) - 1) > 1 - 2 * _END
        shares[layer.name or "model"] = float(np.mean(at))
        units[layer.name or "model"] = np.flatnonzero(at.reshape(-1, at.shape[-1]).mean(axis=0) > 0.95)
    if not shares:
        return Unseen("no hidden layer has a bounded function, as tanh and the sigmoid are")
    worst = max(shares, key=lambda name: shares[name])
    return Seen(
        shares[worst],
        f"{shares[worst]:.0%} of the activations of {worst} are at the ends of their range, where slopes are near 0",
        f"at most {shares[worst]:.0%} of a hidden layer's activations are at the ends of their range",
        evidence=f"within {_END:.0%} of an end: " + _by_layer(shares),
        where=f"{worst}, units {numbered(units[worst])} for nearly every sample"
        if len(units[worst])
        else worst,
        numbers={"share": shares, "units": {name: found.tolist() for name, found in units.items()}},
    )


def bounds(layer: Layer) -> tuple[float, float] | None:
    """Return between which numbers the layer's function lies, if it does."""
    function = activation(layer)
    if function is None:
        return None
    low, high = _at(function, -60.0), _at(function, 60.0)
    bounded = (
        low != high and np.isclose(low, _at(function, -600.0)) and np.isclose(high, _at(function, 600.0))
    )
    return (min(low, high), max(low, high)) if bounded else None


def activation(layer: Layer) -> Callable[..., Any] | None:
    """Return the function that a layer applies to each of its weighted sums, if it is known."""
    part = layer.call.layer
    found = getattr(part, "activation", None) or (part if not layer.parameters else None)
    return found if callable(found) else None


def _at(function: Callable[..., Any], z: float) -> float:
    with np.errstate(all="ignore"):
        try:
            value = np.asarray(function(np.full((1, 1), z)))
        except Exception:  # a function of the user's own, that is not elementwise
            return float("nan")
    return float(value[0, 0]) if value.shape == (1, 1) else float("nan")


def numbered(units: Any) -> str:
    """Return numbers as people list them.

    >>> numbered([0, 1, 2, 3, 9])
    '0-3, 9'
    """
    runs: list[list[int]] = []
    for unit in map(int, units):
        if runs and unit == runs[-1][1] + 1:
            runs[-1][1] = unit
        else:
            runs.append([unit, unit])
    words = [str(a) if a == b else f"{a}-{b}" for a, b in runs]
    return ", ".join(words[:8]) + (f" and {len(words) - 8} more runs" if len(words) > 8 else "")


def _by_layer(shares: dict[str, float]) -> str:
    return ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
