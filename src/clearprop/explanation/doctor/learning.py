"""How the training goes: the size of its steps, what other rates do, one batch by heart, and what is new to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .evidence import Evidence, Trials
from .rule import Seen, Unseen
from .scale import scale

USUAL_UPDATE = 1e-3
"""‖ΔW‖/‖W‖ of a step that trains well, in order of magnitude (Karpathy, CS231n)."""

MEMORISED = 0.9
"""A network that learns has learned so much of a few samples when it sees nothing else."""

_NO_TRIALS = "the optimizer is not known, or it searches for its own step"
_SLOWER, _FASTER = (0.1, 0.01, 1e-3, 1e-4), (10.0, 100.0, 1e3, 1e4)
RISEN = 0.05
"""A validation loss so much above its lowest is rising: Prechelt's GL5."""

_WORST = -1.0  # what is learned by a network that is as far below a constant as a perfect one is above it
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
    """Measure how much more is learned at a smaller rate, in no more steps; after a divergence at least 1."""
    seen = _at_other_rates(evidence, _SLOWER, "smaller", "too high")
    if isinstance(seen, Unseen) or not _diverged(evidence) or seen.figure > 0:
        return seen
    verdict = "the training diverged, and learns nothing at any of the smaller rates that were tried either"
    return replace(seen, figure=1.0, verdict=verdict, fix=("see the other findings, and the data",))


def rate_too_low(evidence: Evidence) -> Seen | Unseen:
    """Measure how much more is learned at a larger rate, in no more steps."""
    if _diverged(evidence):
        return Unseen("the training diverged")
    return _at_other_rates(evidence, _FASTER, "larger", "too low")


def _diverged(evidence: Evidence) -> bool:
    return evidence.stopped == "not finite"


def _at_other_rates(evidence: Evidence, factors: tuple[float, ...], which: str, fault: str) -> Seen | Unseen:
    if evidence.trials is None:
        return Unseen(_NO_TRIALS)
    own = _WORST if _diverged(evidence) else max(evidence.learned, _WORST)
    if np.isnan(own):
        return Unseen("all targets are the same")
    steps, learned = _learned_at(evidence, evidence.trials, factors)
    best = max(learned, key=lambda factor: learned[factor])
    did = "diverged" if _diverged(evidence) else f"learned {part(own)} of what can be learned"
    return Seen(
        learned[best] - own if learned[best] > 0 else 0.0,
        f"the learning rate is {fault}: the training {did}, {best:g} times the rate learns {part(learned[best])} in "
        f"{steps} steps",
        f"no {which} rate learns much more in as many steps",
        evidence=f"after {steps} steps, of what can be learned: "
        + ", ".join(f"{part(value)} at {factor:g} times the rate" for factor, value in learned.items()),
        numbers={"learned": own, "at": {str(f): v for f, v in learned.items()}, "steps": steps},
        fix=(f"multiply the learning rate by {best:g}",),
    )


def _learned_at(
    evidence: Evidence, trials: Trials, factors: Sequence[float]
) -> tuple[int, dict[float, float]]:
    """Return the steps done, and what was learned in them at the rate times each factor."""
    steps, models = trials.at_rates(factors)
    learned = {
        factor: _WORST if model is None else evidence.scale.learned(evidence.cost(evidence.predict(model)))
        for factor, model in models.items()
    }
    return steps, {factor: max(value, _WORST) for factor, value in learned.items()}


def overfitting(evidence: Evidence) -> Seen | Unseen:
    """Measure how much more the network has learned of the training data than of the validation data."""
    train, val = (np.asarray(evidence.history.get(k, ()), float) for k in ("loss", "val_loss"))
    if not len(val):
        return Unseen("there is no validation loss: give fit validation=0.2")
    best = int(np.nanargmin(val)) if np.isfinite(val).any() else len(val) - 1
    end = slice(best, best + 1) if evidence.kept_best else slice(-min(_LAST, len(val)), None)
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
