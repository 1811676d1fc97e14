"""The first cause of a NaN or an infinity, as a record and in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ...core.graph import Location
from ...core.types import Type

_PASSES = {
    "forward": "in the forward pass",
    "backward": "in the backward pass, on the way of the gradient",
    "update": "in the optimiser's update",
}
_SHOWN = 6  # operations that passed it on


@dataclass(frozen=True)
class Cause:
    """What made the first NaN or infinity that reached the loss or the gradient.

    Attributes
    ----------
    operation : str
        As graphs print it, such as "log"; in the backward pass the operation whose derivative it is; "input" if the
        number was given so, "rounding" if only native code's rounding has made it.
    phase : {"forward", "backward", "update"}
    layer : str
        Its path in the model, such as "layers.1"; "" outside of all layers, as in the loss. Of an update the parameter.
    sample : int or None
        The row of the data on which alone it rests; None if it rests on several, or on parameters alone.
    index : tuple of int
        Where in the operation's result: the first such element.
    value : float
        NaN or an infinity.
    operands : tuple of float
        What it was computed from, there; of a sum, the largest term.
    where : Location or None
        The line of code.
    passed_on : tuple of str
        Operations, in order, that only passed it on.
    advice : str
        What would have avoided it.
    what : str
        The operation with its numbers, such as "log(0) = -inf".
    type : Type
        Of the operation's result.
    count : int
        How many elements of it are so.
    step, epoch : int or None
        When, counted from 1, in a training.
    """

    operation: str
    phase: Literal["forward", "backward", "update"]
    layer: str
    sample: int | None
    index: tuple[int, ...]
    value: float
    operands: tuple[float, ...]
    where: Location | None
    passed_on: tuple[str, ...]
    advice: str
    what: str
    type: Type
    count: int = 1
    step: int | None = None
    epoch: int | None = None

    def __str__(self) -> str:
        when = "" if self.step is None else f" of step {self.step} (epoch {self.epoch})"
        lines = [
            f"The first number that is not finite arose {_PASSES[self.phase]}{when}: {self.what}{self._place()}."
        ]
        if self.where is not None:
            lines.append(f"  at {self.where}")
        if self.passed_on:
            shown = ", ".join(self.passed_on[:_SHOWN])
            more = len(self.passed_on) - _SHOWN
            lines.append(f"  Only passed on by: {shown}{f' and {more} more' if more > 0 else ''}.")
        lines.append(f"  To avoid it: {self.advice}.")
        return "\n".join(lines)

    def _place(self) -> str:
        parts = [f", {'for' if self.phase == 'update' else 'in'} {self.layer}"] if self.layer else []
        if self.index:
            parts.append(f", at {list(self.index)} of {self.type}")
        if self.sample is not None:
            parts.append(f", sample {self.sample} of the data")
        if self.count > 1:
            parts.append(f"; so are {self.count} elements of it in all")
        return "".join(parts)
