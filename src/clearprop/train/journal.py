"""The way back to any step of a training: its order of rows, and states to start from.

The same seed gives the same bits, so nothing has to be kept for this while all goes well; small states are, now and
then, so that the way back is short.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import tree
from .stepper import Stepper

Leaves = list[np.ndarray[Any, Any]]

_AGE = 1.0  # seconds from one mark to the next
_ROOM = 16 * 2**20  # bytes of a state, at most, for copies of it to be kept


def all_finite(values: tree.Tree) -> bool:
    """Return whether no leaf holds NaN or an infinity."""
    return all(leaf.dtype.kind != "f" or bool(np.isfinite(leaf).all()) for leaf in tree.leaves(values))


class Journal:
    """What it takes to come back to any step of a training.

    Parameters
    ----------
    stepper : Stepper
        Before its first step.
    rows : callable
        Which rows of the data an epoch goes through, in order; epochs count from 0.
    samples, batch : int
        How many rows an epoch has, and a mini-batch.
    """

    def __init__(
        self, stepper: Stepper, rows: Callable[[int], np.ndarray[Any, Any]], samples: int, batch: int
    ) -> None:
        self.stepper, self.rows, self.samples, self.batch = stepper, rows, samples, min(batch, samples)
        self.steps = -(-samples // self.batch)
        self.marks: list[tuple[int, Leaves]] = []
        self.marked = time.perf_counter()
        self.small = sum(leaf.nbytes for leaf in stepper.leaves) <= _ROOM
        self.factors: dict[int, float] = {}
        self.failed: int | None = None

    def due(self) -> bool:
        """Whether a copy of the state now would cost next to no time or memory."""
        return self.small and time.perf_counter() > self.marked + _AGE

    def mark(self, number: int) -> None:
        """Keep the model and the optimiser's state as they are, after so many steps; the last two are kept."""
        self.marks = [*self.marks[-1:], (number, [leaf.copy() for leaf in self.stepper.leaves])]
        self.marked = time.perf_counter()

    def before(self, number: int) -> list[tuple[int, Leaves]]:
        """Return the states that are known of the time before a step, each with its number: the start is one."""
        return [(0, self.stepper.first()), *(mark for mark in self.marks if mark[0] < number)]

    def factor(self, number: int, value: float) -> None:
        """Note what the learning rate is multiplied by after so many steps."""
        if value != next(reversed(self.factors.values()), 1.0):
            self.factors[number] = value

    def taken(self, number: int) -> np.ndarray[Any, Any]:
        """Return the rows of the step of this number, counted from 1."""
        epoch, i = divmod(number - 1, self.steps)
        return self.rows(epoch)[i * self.batch : (i + 1) * self.batch]

    def state(self, number: int) -> Stepper:
        """Return a stepper that has done so many steps, to the same bits."""
        start, leaves = self.before(number + 1)[-1]
        stepper = self.stepper.again(leaves)
        self.advance(stepper, start, number)
        return stepper

    def model(self, number: int) -> Any:
        """Return the model after so many steps, to the same bits."""
        return self.state(number).model()

    def advance(self, stepper: Stepper, done: int, number: int) -> None:
        """Let a stepper that has done so many steps go on up to a number."""
        while done < number:
            if done in self.factors:
                stepper.rate_factor = self.factors[done]
            epoch, i = divmod(done, self.steps)
            rows = self.rows(epoch)[i * self.batch :]
            stop = min([number, (epoch + 1) * self.steps, *(n for n in self.factors if n > done)])
            size = min(self.batch, len(rows))
            count = min(stop - done, len(rows) // size)
            stepper.run(rows[: count * size], size)
            done += count
