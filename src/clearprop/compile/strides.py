"""How far apart the elements of a product's matrices are."""

from __future__ import annotations

from ..core.frozen import frozen
from .kernels import Access


@frozen
class Strides:
    """Where a matrix's elements are: X[i, j] is ``i * row + j * column`` elements from the first.

    Behind each line of those that follow one another, there are ``room`` more that may be read.
    """

    row: int
    column: int
    room: int = 0

    @property
    def T(self) -> Strides:
        """The transposed matrix's strides."""
        return Strides(self.column, self.row, self.room)


def strides(access: Access) -> Strides:
    """Return where the elements of a matrix are, or of each of many."""
    *_, row, column = access.layout.strides
    return Strides(row, column, access.room)
