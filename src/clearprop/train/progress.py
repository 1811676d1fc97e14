"""Progress of a training: a bar on a terminal, plain lines elsewhere, both on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .steps import Step

_LINES = 20  # plain lines of a whole training, about
_PAUSE = 0.1  # seconds between two looks of the bar


class Progress:
    """Shows nothing."""

    def step(self, step: Step) -> None:
        """Take in a step."""

    def epoch(self, row: Mapping[str, float]) -> None:
        """Take in an epoch's row of the history."""


@contextmanager
def progress_on(wanted: bool, epochs: int) -> Iterator[Progress]:
    """Give what shows the progress of so many epochs."""
    if not wanted:
        yield Progress()
    elif sys.stderr.isatty():
        with _bar(epochs) as bar:
            yield _Bar(bar, epochs)
    else:
        yield _Lines(epochs)


def described(row: Mapping[str, float], names: Iterable[str], digits: int = 4) -> str:
    """Return some of an epoch's figures in words: ``loss 0.1234  accuracy 0.951``."""
    return "  ".join(f"{name.replace('_', ' ')} {row[name]:.{digits}g}" for name in names)


def telling(row: Mapping[str, float]) -> list[str]:
    """Return the figures that fit beside a bar on 80 columns: the loss, how well it goes, the rate.

    How well it goes is the first metric or else the loss, of the validation data if there are any.
    """
    metrics = [n for n in row if n not in ("epoch", "loss", "val_loss", "rate", "seconds")]
    held = [n for n in metrics if n.startswith("val_")]
    best = held or (["val_loss"] if "val_loss" in row and not metrics else metrics)
    return ["loss", *best[:1], "rate"]


class _Lines(Progress):
    def __init__(self, epochs: int) -> None:
        self.epochs, self.every = epochs, max(1, epochs // _LINES)
        self.start = time.perf_counter()

    def epoch(self, row: Mapping[str, float]) -> None:
        n = int(row["epoch"])
        if n == 1 or n % self.every == 0 or n == self.epochs:
            left = (time.perf_counter() - self.start) / n * (self.epochs - n)
            width, names = len(str(self.epochs)), [k for k in row if k not in ("epoch", "seconds")]
            print(  # noqa: T201  # progress is for people
                f"epoch {n:{width}}/{self.epochs}  {described(row, names)}  {left:.0f} s left",
                file=sys.stderr,
                flush=True,
            )


@contextmanager
def _bar(total: int) -> Iterator[Any]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[figures]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True, expand=True) as bar:
        bar.add_task("epoch 1", total=total, figures="")
        yield bar


class _Bar(Progress):
    def __init__(self, bar: Any, epochs: int) -> None:
        self.bar, self.epochs = bar, epochs
        self.task, self.next, self.row = bar.task_ids[0], 0.0, ""

    def step(self, step: Step) -> None:
        now = time.perf_counter()
        if now >= self.next:
            self.next = now + _PAUSE
            figures = self.row or f"loss {step.loss:.3g}  rate {step.rate:.3g}"
            done = f"epoch {step.epoch}/{self.epochs}"
            self.bar.update(
                self.task, completed=step.epoch - 1 + step.done, description=done, figures=figures
            )

    def epoch(self, row: Mapping[str, float]) -> None:
        self.row = described(row, telling(row), digits=3)
        self.bar.update(self.task, completed=row["epoch"], figures=self.row)
