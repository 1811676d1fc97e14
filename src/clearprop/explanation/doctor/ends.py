"""The two ends of a network: what goes in, and what comes out."""

from __future__ import annotations

from typing import Any

import numpy as np

from .evidence import Evidence, weighted
from .finding import SICK, WATCH
from .rule import Seen, Unseen
from .units import numbered

_FEWEST = 10  # samples of a class, from which on never to predict it says something

NEVER = 0.02
"""So few predictions of a class, for each sample of it, are none."""


def unscaled(evidence: Evidence) -> Seen | Unseen:
    """Measure how far the inputs of the first weights are from numbers of the size of 1."""
    layers = weighted(evidence.explanation)
    if not layers:
        return Unseen("no layer has a matrix of weights")
    inputs = layers[0].inputs.value
    if inputs.dtype.kind != "f" or inputs.ndim < 2:
        return Unseen("the inputs are symbols, not quantities")
    columns = inputs.reshape(-1, inputs.shape[-1])
    sizes = np.sqrt(np.mean(np.square(columns), axis=0))
    largest, length = float(sizes.max(initial=0)), float(np.sqrt(np.sum(np.square(sizes))))
    tiny = 1 / length if length else np.inf
    figure = max(largest, tiny)
    many = np.flatnonzero(sizes > 10)
    means, deviations = columns.mean(axis=0), columns.std(axis=0)
    worst = int(sizes.argmax())
    named = len(evidence.columns) == len(sizes)
    name = repr(evidence.columns[worst]) if named else str(worst)
    return Seen(
        figure,
        f"inputs are not scaled: column {name} has mean {means[worst]:.3g} and deviation {deviations[worst]:.3g}"
        if largest >= tiny
        else f"inputs are not scaled: all columns together have the length {length:.2g}",
        f"inputs are of the size of 1: the largest column's root mean square is {largest:.2g}",
        evidence=f"root mean squares of the columns: smallest {sizes.min():.2g}, median {np.median(sizes):.2g}, "
        f"largest {largest:.3g}",
        where=f"columns {', '.join(evidence.columns[c] for c in many.tolist()) if named else numbered(many)}"
        * bool(len(many)),
        numbers={"root_mean_square": sizes.tolist()},
    )


def constant(evidence: Evidence) -> Seen | Unseen:
    """Measure how much the predictions vary, beside how much the targets do."""
    outcome = evidence.outcome
    spread = outcome.spread
    if np.isnan(spread):
        return Unseen(
            "all targets are the same" if np.isfinite(evidence.prediction).all() else "no finite output"
        )
    what = {"numbers": "outputs", "classes": "probabilities"}.get(outcome.task, "probabilities")
    return Seen(
        spread,
        "the prediction is nearly the same whatever the input",
        "the predictions follow the inputs",
        evidence=f"{what} vary {spread:.2g} times as much as the targets, over {len(outcome.target)} samples; the "
        f"mean prediction is {_row(outcome.prediction.mean(axis=0))}, the mean target "
        f"{_row(outcome.target.mean(axis=0))}",
        numbers={"spread": spread},
    )


def never_predicted(evidence: Evidence) -> Seen | Unseen:
    """Measure how many predictions of a class there are for each sample of it, for the class with the fewest."""
    outcome = evidence.outcome
    if outcome.predicted is None or outcome.true is None:
        return Unseen("the targets are numbers, not classes")
    k = max(2, outcome.target.shape[1])
    there, said = (np.bincount(c, minlength=k) for c in (outcome.true, outcome.predicted))
    frequent = there >= _FEWEST
    if not frequent.any():
        return Unseen(f"no class has {_FEWEST} samples")
    rates = np.where(frequent, said / np.maximum(there, 1), np.inf)
    missing = np.flatnonzero(rates < NEVER)
    given = outcome.prediction.mean(axis=0)
    given = np.array([1 - given[0], given[0]]) if outcome.task == "yes or no" else given
    frequency = there / there.sum()
    right = bool((given[missing] > frequency[missing] / 2).all())
    names = [evidence.classes[c] if c < len(evidence.classes) else str(c) for c in range(k)]
    counts = ", ".join(f"{said[c]} for {there[c]} samples" for c in missing[:6])
    return Seen(
        float(rates.min()),
        f"{'classes' if len(missing) > 1 else 'class'} {', '.join(names[c] for c in missing[:6])} "
        f"{'are' if len(missing) > 1 else 'is'} never, or hardly ever, predicted: {counts}"
        + ("; their probability is right on average, but another class is always more probable" * right),
        "every class that is frequent enough to tell is predicted",
        evidence="samples, predictions, mean probability by class: "
        + "; ".join(
            f"{names[c]}: {there[c]}, {said[c]}, {given[c]:.3f}"
            for c in [*missing, *np.flatnonzero(rates >= NEVER)][:8]
        )
        + ("; ..." if k > 8 else ""),
        where=f"classes {', '.join(names[c] for c in missing)}" if len(missing) else "",
        numbers={"samples": there.tolist(), "predictions": said.tolist(), "missing": missing.tolist()},
        severity=WATCH if right else SICK,
    )


def _row(values: np.ndarray[Any, Any]) -> str:
    shown = ", ".join(f"{v:.3g}" for v in values[:4])
    return shown + (", ..." if len(values) > 4 else "")
