"""Rows that the product which reads them copies, each part of it what it reads: one piece of work instead of two."""

from __future__ import annotations

from typing import Protocol

from .frame import Frame
from .kernels import Buffer
from .text import Value


class Arriving(Protocol):
    """Rows that stand elsewhere until they are asked for."""

    @property
    def batch(self) -> Buffer:
        """What they are copied to."""

    @property
    def time(self) -> float:
        """About how many microseconds it takes to copy all."""

    def part(self, frame: Frame, first: Value, last: Value) -> None:
        """Write the copying of some of them."""

    def columns(self, frame: Frame, first: Value, count: int) -> None:
        """Write the copying of so many elements of each row, from one on."""
