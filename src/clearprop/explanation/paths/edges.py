"""Scalar edges: which element of a result reads which element of an input, and with what partial derivative.

The kinds of lowering and of derivative say it, so no operation is known here by name. Elements are counted in
row order. The edges of a product of matrices are not written down one by one: there are too many.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from ...core.errors import GraphError, ShapeError
from ...core.graph import Eqn, Var
from ...core.interpret import read
from ...core.lowering import Contract, Fold, Gather, Layout, Map, Place, Scan, Scatter, View, contiguous

Ints: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]
Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

MOST = 30_000_000
"""Edges that are written down at once, before it is said that there are too many."""


class Edges(ABC):
    """From the elements of one array to those of another."""

    @abstractmethod
    def of(self, elements: Ints) -> tuple[Ints, Ints, Floats]:
        """Return the edges that leave these elements: which of them each leaves, its target, its factor."""

    @abstractmethod
    def met(self, elements: Ints) -> Ints:
        """Return the targets of the edges that leave these elements, each once."""

    @abstractmethod
    def added(self, later: Floats, size: int, factors: str) -> Floats:
        """Return Σ factor·later[target] at each of ``size`` sources.

        ``factors`` says what of them: "signed", "magnitude", "open" (1 unless 0) or "any" (1).
        """

    @abstractmethod
    def largest(self, later: Floats, wanted: Ints, size: int) -> Floats:
        """Return max |factor|·later[target] at the wanted sources, 0 elsewhere."""


def _weighted(factors: Floats, what: str) -> Floats:
    if what == "signed":
        return factors
    if what == "magnitude":
        return np.abs(factors)
    return np.ones_like(factors) if what == "any" else (factors != 0).astype(np.float64)


@dataclass(frozen=True, eq=False)
class Sparse(Edges):
    """Edges one by one, in the order of their sources."""

    sources: Ints
    targets: Ints
    factors: Floats

    @staticmethod
    def sorted(sources: Ints, targets: Ints, factors: Floats) -> Sparse:
        """Return edges given in any order."""
        sources, targets = np.asarray(sources, np.int64).ravel(), np.asarray(targets, np.int64).ravel()
        factors = np.asarray(factors, np.float64).ravel()
        if len(sources) > 1 and (sources[1:] < sources[:-1]).any():
            order = np.argsort(sources, kind="stable")
            sources, targets, factors = sources[order], targets[order], factors[order]
        return Sparse(sources, targets, factors)

    @staticmethod
    def identity(elements: Ints) -> Sparse:
        """Return an edge of factor 1 from each element to itself."""
        return Sparse(elements, elements, np.ones(len(elements)))

    def of(self, elements: Ints) -> tuple[Ints, Ints, Floats]:
        """As they are written down."""
        low = np.searchsorted(self.sources, elements, "left")
        counts = np.searchsorted(self.sources, elements, "right") - low
        total = int(counts.sum())
        if total > MOST:
            raise ShapeError(
                f"{total:,} paths of one step would have to be written down; explain fewer samples, such as x[:1]"
            )
        which = np.repeat(np.arange(len(elements)), counts)
        places = np.arange(total) + np.repeat(low - (np.cumsum(counts) - counts), counts)
        return which, self.targets[places], self.factors[places]

    def met(self, elements: Ints) -> Ints:
        """Look them up."""
        return np.unique(self.of(elements)[1])

    def then(self, next: Edges) -> Sparse:
        """Return the edges of two steps one after the other; those that share both ends are added."""
        which, targets, factors = next.of(self.targets)
        return Sparse.sorted(self.sources[which], targets, self.factors[which] * factors).merged()

    def merged(self, *others: Sparse) -> Sparse:
        """Return these and other edges together; those that share both ends are added."""
        sources = np.concatenate([self.sources, *(o.sources for o in others)])
        targets = np.concatenate([self.targets, *(o.targets for o in others)])
        factors = np.concatenate([self.factors, *(o.factors for o in others)])
        order = np.lexsort((targets, sources))
        sources, targets, factors = sources[order], targets[order], factors[order]
        new = np.ones(len(sources), bool)
        new[1:] = (sources[1:] != sources[:-1]) | (targets[1:] != targets[:-1])
        if new.all():
            return Sparse(sources, targets, factors)
        return Sparse(sources[new], targets[new], np.add.reduceat(factors, np.flatnonzero(new)))

    def added(self, later: Floats, size: int, factors: str) -> Floats:
        """Sum at the sources."""
        weights = _weighted(self.factors, factors) * later[self.targets]
        return np.bincount(self.sources, weights, size).astype(np.float64)  # of no edges it counts integers

    def largest(self, later: Floats, wanted: Ints, size: int) -> Floats:
        """Take the largest at each source, wanted or not."""
        result = np.zeros(size)
        np.maximum.at(result, self.sources, np.abs(self.factors) * later[self.targets])
        return result


@dataclass(frozen=True, eq=False)
class Product(Edges):
    """The edges of a matrix product y[b,m,n] = Σₖ l[b,m,k]·r[b,k,n] from its left operand.

    Those from the right operand are the same of the transposed product, whose elements are renumbered.

    Attributes
    ----------
    other : float[b, k, n]
        r.
    rows : int
        m.
    transposed : bool
        Whether the elements are numbered as those of lᵀ and yᵀ.
    """

    other: Floats
    rows: int
    transposed: bool

    @property
    def _sizes(self) -> tuple[int, int, int, int]:
        batches, inner, columns = self.other.shape
        return batches, self.rows, inner, columns

    def of(self, elements: Ints) -> tuple[Ints, Ints, Floats]:
        """One edge to each column of the result."""
        batches, rows, inner, columns = self._sizes
        if len(elements) * columns > MOST:
            raise ShapeError(
                f"{len(elements) * columns:,} paths of one product would have to be written down; explain fewer "
                f"samples, such as x[:1]"
            )
        if self.transposed:
            b, k, m = np.unravel_index(elements, (batches, inner, rows))
            first, step = b * columns * rows + m, rows
        else:
            b, m, k = np.unravel_index(elements, (batches, rows, inner))
            first, step = (b * rows + m) * columns, 1
        targets = first[:, None] + step * np.arange(columns)
        which = np.repeat(np.arange(len(elements)), columns)
        return which, targets.ravel(), self.other[b, k].ravel()

    def met(self, elements: Ints) -> Ints:
        """All columns of the rows in which the elements stand."""
        batches, rows, inner, columns = self._sizes
        shape = (batches, inner, rows) if self.transposed else (batches, rows, inner)
        b, *places = np.unravel_index(elements, shape)
        asked = np.zeros((batches, rows, columns), bool)
        asked[b, places[1 if self.transposed else 0]] = True
        return np.flatnonzero(np.swapaxes(asked, 1, 2) if self.transposed else asked)

    def _later(self, later: Floats) -> Floats:
        """Return numbers at the result as [b, m, n]."""
        batches, rows, _, columns = self._sizes
        if self.transposed:
            return np.swapaxes(later.reshape(batches, columns, rows), 1, 2)
        return later.reshape(batches, rows, columns)

    def _numbered(self, result: Floats) -> Floats:
        """Return [b, m, k] as elements are numbered."""
        return (np.swapaxes(result, 1, 2) if self.transposed else result).ravel()

    def added(self, later: Floats, size: int, factors: str) -> Floats:
        """Sum by a product of matrices."""
        other = _weighted(self.other, factors)
        return self._numbered(np.matmul(self._later(later), np.swapaxes(other, 1, 2)))

    def largest(self, later: Floats, wanted: Ints, size: int) -> Floats:
        """Take the largest of a row of products, for the wanted sources alone: all would be the most work."""
        batches, rows, inner, columns = self._sizes
        shape = (batches, inner, rows) if self.transposed else (batches, rows, inner)
        asked = np.zeros(shape, bool)
        asked.flat[wanted] = True
        asked = np.swapaxes(asked, 1, 2) if self.transposed else asked
        magnitudes, later, result = np.abs(self.other), self._later(later), np.zeros((batches, rows, inner))
        step = max(1, 2_000_000 // max(columns, 1))
        for b, m in np.argwhere(asked.any(axis=2)):
            places = np.flatnonzero(asked[b, m])
            for start in range(0, len(places), step):
                some = places[start : start + step]
                factors = magnitudes[b] if len(some) == inner else magnitudes[b, some]
                result[b, m, some] = (factors * later[b, m]).max(axis=1, initial=0.0)
        return self._numbered(result)


# ---- of one equation


def edges(eqn: Eqn, i: int, values: Mapping[Var, Any]) -> Edges:
    """Return the scalar edges from input i of an equation to its result, at these values."""
    lowering = eqn.primitive.lowering
    if isinstance(lowering, Contract):
        return _product(eqn, i, values)
    if isinstance(lowering, Scan):
        return _scan(eqn, i, values)
    sources, targets = _places(eqn, i, values)
    if isinstance(lowering, (Map, Fold)):
        return Sparse.sorted(sources, targets, _partials(eqn, i, values, np.ones(eqn.out.type.shape)))
    return Sparse.sorted(sources, targets, np.ones(len(targets)))


def _partials(eqn: Eqn, i: int, values: Mapping[Var, Any], ct: Any) -> Floats:
    """Return the share that input i gets of the error ct: with ones, where each element has one reader, its partial."""
    wanted = [j == i for j in range(len(eqn.inputs))]
    xs = [read(values, a) for a in eqn.inputs]
    with np.errstate(all="ignore"):
        shares = eqn.primitive.derivative.vjp(
            np.asarray(ct, eqn.out.type.dtype), values[eqn.out], xs, eqn.params, wanted
        )
    share = shares[i]
    type = eqn.inputs[i].type
    return (
        np.zeros(type.size)
        if share is None
        else np.broadcast_to(share, type.shape).astype(np.float64).ravel()
    )


def _places(eqn: Eqn, i: int, values: Mapping[Var, Any]) -> tuple[Ints, Ints]:
    """Return source and target of each edge of an operation that moves, combines or maps elements."""
    lowering, given, result = eqn.primitive.lowering, eqn.inputs[i].type, eqn.out.type
    here, there = np.arange(given.size), np.arange(result.size)
    if isinstance(lowering, Map):
        return here, there
    if isinstance(lowering, View):
        return np.asarray(eqn.primitive.compute(here.reshape(given.shape), **eqn.params)).ravel(), there
    if isinstance(lowering, Fold):
        axes = eqn.params["axes"]
        kept = tuple(1 if a in axes else n for a, n in enumerate(given.shape))
        return here, np.broadcast_to(there.reshape(kept), given.shape).ravel()
    if isinstance(lowering, Place):
        parts = lowering.parts(contiguous(result.shape), [a.type for a in eqn.inputs], **eqn.params)
        return here, _numbers(parts[i])
    indices = [read(values, a) for a in eqn.inputs[1:]]
    if isinstance(lowering, Gather):
        return np.asarray(here.reshape(given.shape)[tuple(indices)]).ravel(), there
    if isinstance(lowering, Scatter):
        return here, there.reshape(result.shape)[tuple(indices)].ravel()
    raise GraphError(f"{eqn.primitive.name} has a derivative, but which elements it connects is not known")


def _numbers(layout: Layout) -> Ints:
    """Return the numbers of the elements of a layout, in row order."""
    numbers = np.full((), layout.offset, np.int64)
    for length, stride in zip(layout.shape, layout.strides, strict=True):
        numbers = numbers[..., None] + stride * np.arange(length)
    return numbers.ravel()


def _scan(eqn: Eqn, i: int, values: Mapping[Var, Any]) -> Sparse:
    """Return the edges of partial sums: one place along the axis after the other, all other places at once."""
    shape, axis = eqn.out.type.shape, eqn.params["axis"]
    here = np.arange(math.prod(shape)).reshape(shape)
    found: list[tuple[Ints, Ints, Floats]] = []
    for place in range(shape[axis]):
        ct = np.zeros(shape)
        at: list[Any] = [slice(None)] * len(shape)
        at[axis] = slice(place, place + 1)
        ct[tuple(at)] = 1
        partials = _partials(eqn, i, values, ct)
        some = np.flatnonzero(partials)
        found.append((some, np.broadcast_to(here[tuple(at)], shape).ravel()[some], partials[some]))
    return Sparse.sorted(*(np.concatenate(column) for column in zip(*found, strict=True)))


def _product(eqn: Eqn, i: int, values: Mapping[Var, Any]) -> Product:
    left, right = (np.asarray(read(values, a), np.float64) for a in eqn.inputs)
    other = right if i == 0 else np.swapaxes(left, -1, -2)
    rows = left.shape[-2] if i == 0 else right.shape[-1]
    return Product(other.reshape(math.prod(other.shape[:-2]), *other.shape[-2:]), rows, transposed=i == 1)
