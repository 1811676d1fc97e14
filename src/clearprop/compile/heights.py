"""How the rows of a product are cut into tiles."""

from __future__ import annotations

import math

from ..core.frozen import frozen


@frozen
class Rows:
    """Tiles of one height, one below the other: tiles `first` to `stop`, from row `start` on."""

    height: int
    first: int
    stop: int
    start: int


def heights(m: int, least: int, most: int) -> tuple[Rows, ...]:
    """Cut rows into tiles: all of one height from `least` to `most` if one fits, else of two that differ by 1.

    >>> [(r.height, r.stop - r.first) for r in heights(200, 7, 14)]
    [(10, 20)]
    >>> [(r.height, r.stop - r.first) for r in heights(31, 7, 14)]
    [(11, 1), (10, 2)]
    """
    for height in range(min(m, most), least - 1, -1):
        if m % height == 0:
            return (Rows(height, 0, m // height, 0),)
    tiles = math.ceil(m / most)
    height, taller = divmod(m, tiles)
    return tuple(
        Rows(*r)
        for r in ((height + 1, 0, taller, 0), (height, taller, tiles, taller * (height + 1)))
        if r[1] < r[2]
    )
