"""The error on its way back: how it shrinks or grows from the output to the first layer."""

from __future__ import annotations

import numpy as np

from .evidence import Evidence
from .rule import Seen, Unseen

_TOO_FEW = "there are no two layers of weights for the error to pass between"


def norms(evidence: Evidence) -> dict[str, float]:
    """Return, for each layer with weights, the length of δ = ∂L/∂z of a sample, root mean square over samples."""
    found = {}
    for layer in evidence.weighted:
        delta = layer.delta.value.reshape(len(layer.delta.value), -1)
        found[layer.name or "model"] = float(np.sqrt(np.mean(np.sum(np.square(delta), axis=1))))
    return found


def vanishing(evidence: Evidence) -> Seen | Unseen:
    """Measure what is left of the error at the layer where it is smallest."""
    found = norms(evidence)
    if len(found) < 2:
        return Unseen(_TOO_FEW)
    *hidden, last = found.values()
    if not 0 < last < np.inf:
        return Unseen("no error is left at the output: every sample is learned")
    figure = min(hidden) / last
    place = list(found)[int(np.argmin(hidden))]
    return Seen(
        figure,
        f"of the error at the output {_times(figure)} arrives at {place}: the layers there hardly learn"
        if figure
        else f"no error arrives at {place}: the layers there cannot learn",
        f"the error arrives at every layer: at least {figure:.2g} of the output's",
        evidence=_by_layer(found),
        where=place,
        numbers={"norms": found},
    )


def exploding(evidence: Evidence) -> Seen | Unseen:
    """Measure how the error has grown at the layer where it is largest."""
    found = norms(evidence)
    if len(found) < 2:
        return Unseen(_TOO_FEW)
    *hidden, last = found.values()
    if not np.isfinite(hidden).all():
        figure, place = np.inf, list(found)[int(np.argmin(np.isfinite(hidden)))]
    elif not last:
        return Unseen("no error is left at the output: every sample is learned")
    else:
        figure, place = max(hidden) / last, list(found)[int(np.argmax(hidden))]
    return Seen(
        figure,
        f"the error grows {figure:.3g}-fold on its way from the output to {place}",
        f"no layer's error is much larger than the output's: {figure:.2g} times at most",
        evidence=_by_layer(found),
        where=place,
        numbers={"norms": found},
    )


def _times(figure: float) -> str:
    return f"one part in {1 / figure:,.0f}"


def _by_layer(found: dict[str, float]) -> str:
    shown = [f"{name} {norm:.2g}" for name, norm in found.items()]
    if len(shown) > 8:
        shown = [*shown[:4], "...", *shown[-3:]]
    return "length of δ by layer: " + ", ".join(shown)
