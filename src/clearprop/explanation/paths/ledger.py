"""The path ledger: every way by which an element moves the loss, factor by factor, and the proof that they add up.

The gradient of the loss with respect to one weight is the sum, over all paths from it to the loss, of the product
of the partial derivatives on the path (Bauer: "Computational graphs and rounding error", 1974). There are soon
too many to write down, so the largest are found best first: from each element it is known how much the best
continuation is worth, which makes the search go straight to its goal. The sum of all paths is computed without
writing them down, one stop after the other, and compared with the gradient that the sweep has found.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ...core.errors import DataError, SettingError, ShapeError
from ...core.graph import Var
from ...core.types import is_float
from ..layers import Layer
from ..record import Record
from .edges import Floats
from .entries import Path
from .names import Names
from .stretches import Stretches, stretches

COMPLETE = 10_000
"""Paths up to which all are written down if all are asked for."""

DETAILS = ("layers", "operations")


@dataclass(frozen=True)
class Ledger:
    """Paths from one element to the loss, and how they close.

    Attributes
    ----------
    name, index : str, tuple of int
        The element: ``"layers.0.weight"``, ``(3, 4)``.
    symbol : str
        ``"W¹[3,4]"``.
    paths : tuple of Path
        The largest by magnitude, largest first.
    count : int
        All paths; beyond 2⁵³ to 16 digits.
    cut : int
        Those of them that a factor of 0 cuts off, such as a ReLU that is not active. They add nothing and are not
        among the paths.
    total : float
        The sum of all paths, computed from their factors alone.
    gradient : float
        ∂L/∂element as the backward pass found it.
    magnitude : float
        The sum of all paths' magnitudes.
    """

    name: str
    index: tuple[int, ...]
    symbol: str
    paths: tuple[Path, ...]
    count: int
    cut: int
    total: float
    gradient: float
    magnitude: float

    @property
    def listed(self) -> float:
        """The sum of the paths in the ledger."""
        return float(sum(path.product for path in self.paths))

    @property
    def remainder(self) -> float:
        """The sum of the paths that are not in the ledger."""
        return 0.0 if self.complete else self.total - self.listed

    @property
    def complete(self) -> bool:
        """Whether all paths that are not cut off are in the ledger."""
        return len(self.paths) == self.count - self.cut

    @property
    def difference(self) -> float:
        """The sum in the ledger, remainder included, less the gradient: 0 but for rounding."""
        return self.listed + self.remainder - self.gradient

    def __str__(self) -> str:
        from .ledger_text import text

        return text(self)


def paths(
    record: Record,
    layers: Sequence[Layer],
    name: str,
    index: int | Sequence[int],
    k: int | None = 10,
    detail: str = "layers",
) -> Ledger:
    """Return the ledger of one element of a parameter or of x.

    Parameters
    ----------
    record : Record
    layers : sequence of Layer
        Of the record.
    name : str
        A parameter's path, or "x".
    index : int or sequence of int
    k : int or None
        How many paths to write down, largest first; None all of them, up to 10,000.
    detail : {"layers", "operations"}
        Stop at what layers take, sum and give; or at every operation of the graph.

    Raises
    ------
    SettingError
        If there is no such element or no such detail.
    DataError
        If the record holds NaN or infinities on the way.
    """
    if detail not in DETAILS:
        raise SettingError(f"paths(detail={detail!r}): must be one of {', '.join(map(repr, DETAILS))}")
    if k is not None and k < 1:
        raise SettingError(f"paths(k={k}): must be at least 1, or None for all paths")
    var, place = _element(record, name, index)
    gradient = float(record.error(var)[place])
    names = Names(record, layers)
    symbol = names.of(var, int(np.ravel_multi_index(place, var.type.shape)))
    if var not in record.errors:
        return Ledger(name, place, symbol, (), 0, 0, 0.0, gradient, 0.0)
    search = _Search(record, layers, names, var, place, detail == "operations")
    if k is None and search.open > COMPLETE:
        raise SettingError(
            f"paths(k=None): {symbol} has {search.open:,} paths, and at most {COMPLETE:,} are written down; ask for "
            f"the largest, as with k=100: the remainder is given as one number"
        )
    found = tuple(itertools.islice(search.largest_first(), k))
    count = search.count
    return Ledger(
        name, place, symbol, found, count, count - search.open, search.total, gradient, search.magnitude
    )


def _element(record: Record, name: str, index: int | Sequence[int]) -> tuple[Var, tuple[int, ...]]:
    if name not in record.inputs:
        raise SettingError(f"there is no parameter {name!r}; there are {', '.join(record.inputs)}")
    var = record.inputs[name]
    given = tuple(int(i) for i in np.atleast_1d(np.asarray(index, np.int64)))
    if not is_float(var.type.dtype):
        raise SettingError(f"{name} is {var.type}, and integers have no derivative")
    shape = var.type.shape
    if len(given) != len(shape) or not all(-n <= i < n for i, n in zip(given, shape, strict=True)):
        raise ShapeError(
            f"{name}{list(given)}: {name} is {var.type}, so its elements have {len(shape)} indices below {list(shape)}"
        )
    return var, tuple(i % n for i, n in zip(given, shape, strict=True))


class _Search:
    """The largest paths first, and sums over all of them."""

    def __init__(
        self,
        record: Record,
        layers: Sequence[Layer],
        names: Names,
        start: Var,
        place: tuple[int, ...],
        full: bool,
    ) -> None:
        self.names, self.full = names, full
        self.element = int(np.ravel_multi_index(place, start.type.shape)) if place else 0
        self.way: Stretches = stretches(record, layers, start, self.element, full)
        self.best = self._largest()
        if not np.isfinite(self.best[start][self.element]):
            raise DataError(
                "the backward pass holds values that are not finite on the way from this element to the loss, and such "
                "paths have no sum; cp.first_cause says where they come from"
            )

    def _at_start(self, later: Mapping[Var, Floats]) -> float:
        return float(later[self.way.start][self.element])

    def _over_all(self, factors: str) -> float:
        """Return Σ over paths of the products of their factors, or of what is asked of them."""
        later: dict[Var, Floats] = {self.way.end: np.ones(1)}
        for stop in reversed(self.way.stops):
            if stop is not self.way.end:
                size = stop.type.size
                later[stop] = sum(
                    (s.edges.added(later[s.target], size, factors) for s in self.way.after[stop]),
                    np.zeros(size),
                )
        return self._at_start(later)

    def _largest(self) -> dict[Var, Floats]:
        """Return for each element of each stop the magnitude of the largest way on from it."""
        later: dict[Var, Floats] = {self.way.end: np.ones(1)}
        with np.errstate(all="ignore"):
            for stop in reversed(self.way.stops):
                if stop is not self.way.end:
                    met, size = self.way.met[stop], stop.type.size
                    ways = [s.edges.largest(later[s.target], met, size) for s in self.way.after[stop]]
                    later[stop] = np.max([np.zeros(size), *ways], axis=0)
        return later

    @cached_property
    def count(self) -> int:
        """All paths."""
        return round(self._over_all("any"))

    @cached_property
    def open(self) -> int:
        """Paths without a factor of 0."""
        return round(self._over_all("open"))

    @cached_property
    def total(self) -> float:
        """Σ of all products."""
        return self._over_all("signed")

    @cached_property
    def magnitude(self) -> float:
        """Σ of the magnitudes of all products."""
        return self._over_all("magnitude")

    def largest_first(self) -> Iterator[Path]:
        """Yield the paths by magnitude: the way so far times the best way on says whose turn it is."""
        start, number = self.way.start, itertools.count()
        waiting: list[tuple[float, int, Any]] = [
            (-self.best[start][self.element], next(number), (start, self.element, 1.0, None))
        ]
        while waiting:
            bound, _, way = heapq.heappop(waiting)
            if bound == 0:
                return
            stop, element, product, _ = way
            if stop is self.way.end:
                yield self._path(way)
                continue
            for stretch in self.way.after[stop]:
                _, targets, factors = stretch.edges.of(np.array([element]))
                bounds = abs(product) * np.abs(factors) * self.best[stretch.target][targets]
                for i in np.flatnonzero(bounds):
                    step = (
                        stretch.target,
                        int(targets[i]),
                        product * float(factors[i]),
                        (way, float(factors[i])),
                    )
                    heapq.heappush(waiting, (-float(bounds[i]), next(number), step))

    def _path(self, way: Any) -> Path:
        stop, element, product, before = way
        steps = [(stop, element)]
        factors: list[float] = []
        while before is not None:
            (stop, element, _, earlier), factor = before
            steps.append((stop, element))
            factors.append(factor)
            before = earlier
        return self.names.path(steps[::-1], factors[::-1], product, self.full)
