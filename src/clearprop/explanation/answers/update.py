"""One update of a weight, step by step, in the words of a teacher; and of the whole model, with its sizes."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from ...core import tree
from ...core.interpret import interpret
from ...core.types import Array, is_float
from ...optim import SGD, Adam, Optimizer, clip_by_norm, clip_by_value, global_norm
from ..record import Record
from .by_sample import element_of
from .columns import Printed, Row, columns, gap, number, place, signed, wrapped
from .movement import Movement


def described(optimizer: Optimizer) -> str:
    """Return an optimiser with the settings that are not the default.

    >>> from clearprop import optim
    >>> described(optim.SGD(0.1, momentum=0.9))
    'SGD(0.1, momentum=0.9)'
    """
    shown: list[str] = []
    for f in fields(optimizer):
        value = getattr(optimizer, f.name)
        if f.name == "learning_rate":
            shown.insert(0, repr(value) if not hasattr(value, "__name__") else value.__name__)
        elif value != f.default:
            shown.append(f"{f.name}={value!r}")
    return f"{type(optimizer).__name__}({', '.join(shown)})"


@dataclass(frozen=True)
class Stage:
    """One number on the way from the gradient to the new weight: its symbol, what it is, and how it comes about."""

    symbol: str
    value: float
    says: str


@dataclass(frozen=True, eq=False, repr=False)
class WeightUpdate(Printed):
    """What an optimiser made of the gradient of one weight.

    Attributes
    ----------
    name : str
    index : tuple of int
    optimizer : Optimizer
    old, gradient, new : float
        The weight before, ∂L/∂w, and the weight after, as the optimiser's update gave it.
    rate : float
        η of this update.
    stages : tuple of Stage
        What lies between the gradient and the new weight.
    slots : dict of str to (float, float)
        What the optimiser remembers of this weight, before and after.
    memory, decay : float
        What the optimiser would do with a gradient of 0 and no weight decay, and what weight decay adds to that.
    expected : float or None
        The change that the formula gives with the numbers of the last stages; None for optimisers whose formula
        is not retold here.
    """

    name: str
    index: tuple[int, ...]
    optimizer: Any
    old: float
    gradient: float
    new: float
    rate: float
    stages: tuple[Stage, ...]
    slots: dict[str, tuple[float, float]]
    memory: float
    decay: float
    expected: float | None

    @property
    def change(self) -> float:
        """New less old."""
        return self.new - self.old

    @property
    def error(self) -> float | None:
        """How far the retold formula is from what the update did, relative to the weight and its change."""
        if self.expected is None:
            return None
        return gap(self.expected, self.change, abs(self.old) + abs(self.change))

    @property
    def sentence(self) -> str:
        """What a teacher would say."""
        return f"{self._slope()}, {self._way()}."

    def _slope(self) -> str:
        if self.gradient == 0:
            return "The slope is 0: at this point the loss does not depend on the weight"
        sign, better = ("negative", "larger") if self.gradient < 0 else ("positive", "smaller")
        return f"The slope is {sign} ({number(self.gradient)}): a {better} weight makes the loss smaller"

    def _way(self) -> str:
        if self.change == 0:
            return (
                "so the weight stays" if self.gradient == 0 else "but the weight stays: the step is too small"
            )
        verb = "grows" if self.change > 0 else "falls"
        way = (
            f"the weight {verb} by {number(abs(self.change))}, from {number(self.old)} to {number(self.new)}"
        )
        if self.change * self.gradient < 0:
            return f"so {way}"
        return f"but {way}: {self._cause()} {'decides' if self.gradient == 0 else 'outweighs the slope'}"

    def _cause(self) -> str:
        """Name what pushes hardest in the direction of the change, beside the gradient."""
        if self.decay * np.sign(self.change) > self.memory * np.sign(self.change):
            return "weight decay"
        return "what the optimiser remembers of earlier gradients"

    def lines(self) -> list[str]:
        """Return the numbers in their order, then the sentence."""
        rows = [("w", number(self.old), "the weight before"), ("g", number(self.gradient), "∂L/∂w")]
        rows += [(s.symbol, number(s.value), s.says) for s in self.stages]
        rows += [("Δw", signed(self.change), "the change"), ("w", number(self.new), "the weight after")]
        lines = wrapped(f"{place(self.name, self.index)} by {described(self.optimizer)}")
        lines += [f"  {line}" for line in columns(rows, left=(0, 2))]
        lines += wrapped(self.sentence)
        if self.error is not None:
            lines.append(f"formula = update: relative error {number(self.error, 1)}")
        return lines


def update_of(record: Record, optimizer: Any, name: str, index: Any, state: Any = None) -> WeightUpdate:
    """Return what an update does to one weight; the update itself is the optimiser's own."""
    _, at = element_of(record, name, index)
    m = Movement(record, optimizer, state)
    stages, expected = _Telling(m, name, at).told()
    old, new, gradient = (float(values[name][at]) for values in (m.old, m.new, m.gradients))
    rate = float(m.optimizer.rate(m.state))
    quiet, remembered = (float(values[name][at]) for values in (m.quiet, m.remembered))
    return WeightUpdate(
        name=name,
        index=at,
        optimizer=optimizer,
        old=old,
        gradient=gradient,
        new=new,
        rate=rate,
        stages=stages,
        slots=m.slots(name, at),
        memory=remembered - old,
        decay=quiet - remembered,
        expected=expected,
    )


class _Telling:
    """The stages of an update, told for one weight."""

    def __init__(self, movement: Movement, name: str, at: tuple[int, ...]) -> None:
        self.m, self.name, self.at = movement, name, at
        self.o: Any = movement.optimizer
        self.stages: list[Stage] = []

    def say(self, symbol: str, value: float, says: str) -> float:
        self.stages.append(Stage(symbol, float(value), says))
        return float(value)

    def told(self) -> tuple[tuple[Stage, ...], float | None]:

        g, old = self._clipped(), float(self.m.old[self.name][self.at])
        rate, decay = float(self.o.rate(self.m.state)), self.o.weight_decay
        shrunk = 0.0
        if decay and not self.o.decoupled:
            g = self.say("g", g + decay * old, f"with weight decay: g + {number(decay)}·w")
        self._rate(rate)
        if decay and self.o.decoupled:
            shrunk = self.say(
                "−ηλw", -rate * decay * old, f"weight decay, past the rule: λ = {number(decay)}"
            )
        slots = self.m.slots(self.name, self.at)
        step = None
        if type(self.o) is SGD:
            step = self._sgd(g, rate, slots)
        elif isinstance(self.o, Adam):
            step = self._adam(g, rate, slots)
        else:
            for slot, (before, after) in slots.items():
                self.say(slot, after, f"remembered; it was {number(before)}")
        return tuple(self.stages), None if step is None else shrunk + step

    def _clipped(self) -> float:
        gradient = self.m.gradient
        g = float(self.m.gradients[self.name][self.at])
        if self.o.clip_value is not None:
            gradient = clip_by_value(gradient, self.o.clip_value)
            g = self.say("g", self._of(gradient), f"clipped to ±{number(self.o.clip_value)}")
        if self.o.clip_norm is not None:
            norm = float(global_norm(gradient))
            factor = self.o.clip_norm / max(norm, self.o.clip_norm)
            gradient = clip_by_norm(gradient, self.o.clip_norm)
            g = self.say(
                "g",
                self._of(gradient),
                f"times {number(factor)}: the joint norm, {number(norm)}, may be {number(self.o.clip_norm)}",
            )
        return g

    def _of(self, gradient: Any) -> float:
        return float(dict(tree.named_leaves(gradient))[self.name][self.at])

    def _rate(self, rate: float) -> None:
        step = int(self.m.state["step"])
        scheduled = (
            f", as the schedule says after {step} update{'s' * (step != 1)}"
            if callable(self.o.learning_rate)
            else ""
        )
        self.say("η", rate, f"the learning rate{scheduled}")

    def _sgd(self, g: float, rate: float, slots: dict[str, tuple[float, float]]) -> float:
        if not self.o.momentum:
            return self.say("−ηg", -rate * g, "the step down the slope")
        mu, (before, after) = self.o.momentum, slots["velocity"]
        self.say("v", after, f"the velocity: {number(mu)}·{number(before)} + g")
        if not self.o.nesterov:
            return self.say("−ηv", -rate * after, "the step along the velocity")
        return self.say("−η(g+μv)", -rate * (g + mu * after), "the step, looking ahead along the velocity")

    def _adam(self, g: float, rate: float, slots: dict[str, tuple[float, float]]) -> float:
        o, t = self.o, int(self.m.state["step"]) + 1
        (m0, m), (s0, s) = slots["mean"], slots["square_mean"]
        self.say("m", m, f"the mean gradient: {number(o.beta1)}·{number(m0)} + {number(1 - o.beta1)}·g")
        self.say("s", s, f"the mean square: {number(o.beta2)}·{number(s0)} + {number(1 - o.beta2)}·g²")
        if o.amsgrad:
            s = self.say("s", slots["square_max"][1], "the largest mean square so far")
        mean = self.say("m̂", m / (1 - o.beta1**t), f"m/(1 − β₁ᵗ), t = {t}: freed from its start at 0")
        square = self.say("ŝ", s / (1 - o.beta2**t), "s/(1 − β₂ᵗ): the same")
        return self.say("−ηm̂/(√ŝ+ε)", -rate * mean / (np.sqrt(square) + o.eps), "the step")


@dataclass(frozen=True)
class Sizes:
    """Norms of one parameter, its gradient and its change; ``ratio`` is that of change to parameter."""

    name: str
    shape: tuple[int, ...]
    parameter: float
    gradient: float
    change: float

    @property
    def ratio(self) -> float:
        """‖Δw‖/‖w‖; NaN for a parameter that is 0."""
        return self.change / self.parameter if self.parameter else float("nan")


@dataclass(frozen=True, eq=False, repr=False)
class ModelUpdate(Printed):
    """One update of the whole model.

    Attributes
    ----------
    optimizer : Optimizer
    model : Module
        After the update: to the bit what a step of training gives with these samples, in their order and in this
        dtype, and with ``backend="numpy"``; native code sums in another order.
    state : dict
        Of the optimiser, after it.
    sizes : tuple of Sizes
        Of each parameter.
    before, after : float
        L of these samples, before and after, by a second forward pass.
    predicted : float
        Σ ∂L/∂w · Δw: the change of L if it were a plane.
    """

    optimizer: Any
    model: Any
    state: Any
    sizes: tuple[Sizes, ...]
    before: float
    after: float
    predicted: float

    def lines(self) -> list[str]:
        """Return a row for each parameter, and what the update does to L."""
        rows: list[Row] = [("parameter", "shape", "‖w‖", "‖∂L/∂w‖", "‖Δw‖", "‖Δw‖/‖w‖")]
        for s in self.sizes:
            shape = "×".join(map(str, s.shape)) or "1"
            ratio = number(s.ratio, 3) if s.parameter else ""
            rows.append((s.name, shape, *(number(v, 4) for v in (s.parameter, s.gradient, s.change)), ratio))
        really = self.after - self.before
        return [
            *wrapped(f"one update by {described(self.optimizer)}"),
            *(f"  {line}" for line in columns(rows)),
            f"L was {number(self.before)}; the slopes promise {signed(self.predicted, 4)}, really it changes by "
            f"{signed(really, 4)} to {number(self.after)}",
        ]


def updated(record: Record, optimizer: Any, state: Any = None) -> ModelUpdate:
    """Return the whole update."""

    m = Movement(record, optimizer, state)
    change = {name: _float(new) - _float(m.old[name]) for name, new in m.new.items() if is_float(new.dtype)}
    sizes = tuple(
        Sizes(name, d.shape, _norm(m.old[name]), _norm(m.gradients[name]), _norm(d))
        for name, d in change.items()
    )
    predicted = float(sum(np.sum(d * _float(m.gradients[name])) for name, d in change.items()))
    after = interpret(record.graph, [*tree.leaves(m.after), record.x])[0]
    return ModelUpdate(optimizer, m.after, m.next_state, sizes, record.total, float(after), predicted)


def _float(array: Array) -> np.ndarray[Any, Any]:
    return np.asarray(array, np.float64)


def _norm(array: Array) -> float:
    return float(np.sqrt(np.sum(np.square(_float(array)))))
