"""The way back to any step of a training: its order of rows, and states to start from.

The same seed gives the same bits, so nothing is kept for this while all goes well but states that were copied anyway.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import tree
from .stepper import Stepper

_AGE = 1.0  # seconds from one mark to the next, where it needs a copy of its own


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
        self.marks: list[tuple[int, tree.Tree]] = [(0, stepper.values())]
        self.marked = time.perf_counter()
        self.factors: dict[int, float] = {}
        self.failed: int | None = None

    def mark(self, number: int, state: tree.Tree) -> None:
        """Note the model and the optimiser's state after so many steps; the start and the last two are kept."""
        self.marks = [self.marks[0], *self.marks[1:][-1:], (number, state)]
        self.marked = time.perf_counter()

    def due(self) -> bool:
        """Whether the last mark is so old that a copy only for the next one costs nothing in comparison."""
        return time.perf_counter() > self.marked + _AGE

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
        start, state = [mark for mark in self.marks if mark[0] <= number][-1]
        stepper = self.stepper.again(tree.leaves(state))
        self.advance(stepper, start, number)
        return stepper

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
