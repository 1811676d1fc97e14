"""The error on its way back: how it shrinks or grows from the output to the first layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..explain import Explanation
from .evidence import Evidence, weighted
from .rule import Seen, Unseen

BEFORE, AFTER = "before the training", "after the training"


def norms(explanation: Explanation) -> dict[str, float]:
    """Return, for each layer with weights, the length of δ = ∂L/∂z of a sample, root mean square over samples."""
    found = {}
    for layer in weighted(explanation):
        delta = layer.delta.value.reshape(len(layer.delta.value), -1)
        found[layer.name or "model"] = float(np.sqrt(np.mean(np.sum(np.square(delta), axis=1))))
    return found


def vanishing(evidence: Evidence) -> Seen | Unseen:
    """Measure what is left of the error at the layer where it is smallest."""

    def told(figure: float, place: str, when: str) -> tuple[str, str]:
        left = f"{figure:.1g} of the error at the output" if figure else "no error"
        return (
            f"{left} arrives at {place} {when}: the layers there {'hardly' if figure else 'cannot'} learn",
            f"the error arrives at every layer: at least {figure:.2g} of the output's",
        )

    return _passed(evidence, np.argmin, told)


def exploding(evidence: Evidence) -> Seen | Unseen:
    """Measure how the error has grown at the layer where it is largest."""

    def told(figure: float, place: str, when: str) -> tuple[str, str]:
        return (
            f"the error grows {figure:,.3g}-fold on its way from the output to {place}, {when}",
            f"no layer's error is much larger than the output's: at most {figure:.2g} times as large",
        )

    return _passed(evidence, np.argmax, told)


def _passed(
    evidence: Evidence, extreme: Callable[..., Any], told: Callable[[float, str, str], tuple[str, str]]
) -> Seen | Unseen:
    """Measure the extreme error of a hidden layer in parts of the output's, before and after the training."""
    stages = {AFTER: norms(evidence.explanation)}
    if evidence.beginning is not None:
        stages[BEFORE] = norms(evidence.beginning)
    if min(map(len, stages.values())) < 2:
        return Unseen("there are no two layers of weights for the error to pass between")
    found = {when: ratios for when, each in stages.items() if (ratios := _ratios(each))}
    if not found:
        return Unseen("no error is left at the output: every sample is learned")
    places = {when: list(each)[int(extreme(list(each.values())))] for when, each in found.items()}
    values = [found[when][place] for when, place in places.items()]
    when = list(places)[int(extreme(values))]
    place = places[when]
    verdict, fine = told(found[when][place], place, when)
    return Seen(
        found[when][place],
        verdict,
        fine,
        evidence=f"length of δ by layer, {when}: {_by_layer(stages[when])}",
        where=place,
        numbers={"norms": stages},
    )


def _ratios(lengths: Mapping[str, float]) -> dict[str, float]:
    """Return each hidden layer's error in parts of the output's; nothing if there is none."""
    *hidden, last = lengths.values()
    if not last:
        return {}
    with np.errstate(all="ignore"):
        ratios = [h / last if np.isfinite(h) else np.inf for h in hidden]
    return dict(zip(lengths, ratios, strict=False))


def _by_layer(found: Mapping[str, float]) -> str:
    shown = [f"{name} {norm:.2g}" for name, norm in found.items()]
    return ", ".join(shown if len(shown) < 8 else [*shown[:4], "...", *shown[-3:]])
