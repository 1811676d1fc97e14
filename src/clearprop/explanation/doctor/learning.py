"""How the training goes: the size of its steps, what other rates do, one batch by heart, and what is new to it."""

from __future__ import annotations

from typing import Any

import numpy as np

from .evidence import Evidence
from .rule import Seen, Unseen
from .scale import scale

USUAL_UPDATE = 1e-3
"""‖ΔW‖/‖W‖ of a step that trains well, in order of magnitude (Karpathy, CS231n)."""

MEMORISED = 0.9
"""A network that learns has learned so much of a few samples when it sees nothing else."""

_NO_TRIALS = "the optimizer is not known, or it searches for its own step"
_SLOWER, _FASTER = (0.1, 0.01, 0.001), (10.0, 100.0, 1e3, 1e4)
RISEN = 0.05
"""A validation loss so much above its lowest is rising: Prechelt's GL5."""

_LAST = 5  # epochs whose median counts as the end of a history


def updates(evidence: Evidence) -> Seen | Unseen:
    """Measure how many powers of ten the relative size of a first step is away from the usual 1e-3."""
    found = {} if evidence.trials is None else dict(evidence.trials.updates())
    if not found:
        return Unseen(_NO_TRIALS)
    away = {name: abs(np.log10(ratio / USUAL_UPDATE)) if ratio else np.inf for name, ratio in found.items()}
    worst = max(away, key=lambda name: away[name])
    large = found[worst] > USUAL_UPDATE
    return Seen(
        away[worst],
        f"a step changes {worst} by {found[worst]:.1g} of its length: {'too much' if large else 'next to nothing'}",
        f"a step changes weights by {min(found.values()):.1g} to {max(found.values()):.1g} of their length",
        evidence="‖ΔW‖/‖W‖ in the first steps: " + ", ".join(f"{n} {r:.1g}" for n, r in found.items()),
        where=worst,
        numbers={"updates": found},
        fix=(f"{'divide' if large else 'multiply'} the learning rate by {10 ** round(away[worst]):,}",)
        if np.isfinite(away[worst])
        else ("see why no error arrives at these weights",),
    )


def one_batch(evidence: Evidence) -> Seen | Unseen:
    """Measure how much of a few samples the network learns when it sees nothing else."""
    if evidence.trials is None:
        return Unseen(_NO_TRIALS)

    def learned(prediction: Any, target: Any) -> float:
        outcome = evidence.outcome_of(prediction, target)
        return scale(evidence.loss, outcome, prediction.shape, target).learned(
            float(evidence.loss(prediction, target))
        )

    done = evidence.trials.memorise(lambda p, t: learned(p, t) > MEMORISED)
    figure, n = learned(done.prediction, done.target), len(done.target)
    if np.isnan(figure):
        return Unseen("a few samples all have the same target")
    return Seen(
        figure,
        f"the network cannot learn {n} samples by heart: it learns {part(figure)} of them",
        f"the network learns {n} samples by heart",
        evidence=f"{done.steps} steps on {n} samples alone, at {len(done.rates)} rates (times "
        f"{', '.join(f'{r:g}' for r in done.rates)})",
        numbers={"learned": figure, "samples": n, "steps": done.steps},
    )


def rate_too_high(evidence: Evidence) -> Seen | Unseen:
    """Measure how much more is learned at a smaller rate, in no more steps."""
    return _at_other_rates(evidence, _SLOWER, "smaller", "too high")


def rate_too_low(evidence: Evidence) -> Seen | Unseen:
    """Measure how much more is learned at a larger rate, in no more steps."""
    return _at_other_rates(evidence, _FASTER, "larger", "too low")


def _at_other_rates(evidence: Evidence, factors: tuple[float, ...], which: str, fault: str) -> Seen | Unseen:
    if evidence.trials is None:
        return Unseen(_NO_TRIALS)
    diverged = evidence.stopped == "not finite"
    own = -1.0 if diverged else max(evidence.learned, -1.0)
    if np.isnan(own):
        return Unseen("all targets are the same")
    steps, models = evidence.trials.at_rates(factors)
    learned = {
        factor: -1.0
        if model is None
        else max(evidence.scale.learned(evidence.cost(evidence.predict(model))), -1.0)
        for factor, model in models.items()
    }
    if not learned:
        return Unseen("the training has no steps to compare with")
    best = max(learned, key=lambda factor: learned[factor])
    got = "the training diverged" if diverged else f"the training learned {part(own)} of what can be learned"
    return Seen(
        learned[best] - own,
        f"the learning rate is {fault}: {got}, {best:g} times the rate learns {part(learned[best])} in {steps} steps",
        f"no {which} rate learns much more in as many steps",
        evidence=f"after {steps} steps, of what can be learned: "
        + ", ".join(f"{part(value)} at {factor:g} times the rate" for factor, value in learned.items()),
        numbers={"learned": own, "at": {str(f): v for f, v in learned.items()}, "steps": steps},
        fix=(f"multiply the learning rate by {best:g}",),
    )


def overfitting(evidence: Evidence) -> Seen | Unseen:
    """Measure how much more the network has learned of the training data than of the validation data."""
    train, val = (np.asarray(evidence.history.get(k, ()), float) for k in ("loss", "val_loss"))
    if not len(val):
        return Unseen("there is no validation loss: give fit validation=0.2")
    best = int(np.nanargmin(val)) if np.isfinite(val).any() else len(val) - 1
    if evidence.stopped == "early stopping":
        end = slice(max(best - 1, 0), best + 2)  # the model that was kept
    else:
        end = slice(-min(_LAST, len(val)), None)
    ends = [float(np.median(column[end])) for column in (train, val)]
    seen, new = (evidence.scale.learned(loss) for loss in ends)
    if not np.isfinite(seen - new):
        return Unseen("the losses are not finite")
    lowest = float(np.nanmin(val))
    risen = ends[1] > lowest + RISEN * abs(lowest)
    return Seen(
        (seen - new) * risen,
        f"the network overfits: it has learned {part(seen)} of its training data and {part(new)} of new data",
        f"{part(new)} of new data is learned and {part(seen)} of the training data"
        + ("" if risen else "; the loss of new data does not rise"),
        evidence=f"loss {ends[0]:.3g}, validation loss {ends[1]:.3g} (lowest {val[best]:.3g} in epoch {best + 1} of "
        f"{len(val)}), a constant's {evidence.scale.constant:.3g}",
        numbers={"loss": ends[0], "val_loss": ends[1], "best_epoch": best + 1},
    )


def part(learned: float) -> str:
    """Return a share of what can be learned, in words.

    >>> part(0.973), part(-2.0)
    ('97%', 'nothing')
    """
    return f"{learned:.0%}" if learned >= 0.005 else "nothing"
