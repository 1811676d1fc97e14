"""Panels, and how wide those of few rows are: as many vectors as keep the processor busy, all of about one width."""

from __future__ import annotations

from ..core.frozen import frozen


@frozen
class Panels:
    """Panels of one width, side by side: panels `first` to `stop`, from column `start` on.

    ``columns`` of a panel's ``vectors`` · lanes exist. In place, B is read where it lies.
    """

    vectors: int
    columns: int
    width: int
    first: int
    stop: int
    start: int
    in_place: bool

    @property
    def ragged(self) -> bool:
        """Whether the last vector has lanes beyond the matrix."""
        return self.columns < self.width


def width(rows: int, count: int, registers: int) -> int:
    """Return the vectors of a panel, of `count` in all: the sums of a tile, and a row of B, stay in registers.

    >>> width(2, 5, 32), width(3, 7, 32), width(1, 20, 32)
    (5, 7, 13)
    """
    most = min(count, (registers - 1) // (rows + 1))
    return min(range(most, 0, -1), key=lambda vectors: _cycles(rows, count, vectors))


def _cycles(rows: int, count: int, vectors: int) -> float:
    """About how many cycles a term takes in all panels: multiply-adds, loads, or the wait for the last sum."""
    full, rest = divmod(count, vectors)
    panels = [(vectors, full), (rest, int(rest > 0))]
    return sum(times * max(rows * wide / 2, (rows + wide) / 2, 4) for wide, times in panels)
