"""What a schedule consists of: buffers, and kernels that read and write them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..core.frozen import frozen
from ..core.graph import Graph, Location
from ..core.lowering import Layout, Lowering, contiguous
from ..core.types import Type
from .layouts import in_lines


class Buffer:
    """Memory for the elements of one array.

    Attributes
    ----------
    type : Type
    home : str
        "input", "output", "constant", "work" or "status".
    slot : int
        Which input, output or constant.
    layout : Layout
        In row order; between rows there may be room.
    """

    __slots__ = ("home", "layout", "name", "slot", "type")

    def __init__(
        self, type: Type, home: str = "work", slot: int = 0, name: str = "", layout: Layout | None = None
    ) -> None:
        self.type, self.home, self.slot, self.name = type, home, slot, name
        self.layout = layout or contiguous(type.shape)

    @property
    def bytes(self) -> int:
        """Size in memory."""
        size = self.type.shape[0] * self.layout.strides[0] if self.type.shape else 1
        return size * self.type.dtype.itemsize

    def __repr__(self) -> str:
        return self.name or f"<{self.home} {self.type}>"


def ends(graph: Graph, padded: int = 0) -> tuple[tuple[Buffer, ...], tuple[Buffer, ...]]:
    """Return memory for a graph's inputs, and for its outputs; rows of the first so many may have room between them."""

    def buffer(type: Type, home: str, slot: int, name: str = "") -> Buffer:
        return Buffer(type, home, slot, name, in_lines(type) if slot < padded else None)

    inputs = tuple(buffer(v.type, "input", i, v.name) for i, v in enumerate(graph.inputs))
    return inputs, tuple(buffer(a.type, "output", i) for i, a in enumerate(graph.outputs))


@frozen
class Access:
    """A buffer, and where in it the element for each index of a kernel stands."""

    buffer: Buffer
    layout: Layout

    @property
    def whole_rows(self) -> bool:
        """Whether its rows are rows of the buffer, with all that is behind them."""
        own, (*_, pitch, step) = self.buffer.layout, (0, *self.layout.strides)
        return (pitch, step) == own.strides and self.layout.shape[-1:] == own.shape[1:]

    @property
    def room(self) -> int:
        """Elements behind each row of a matrix, or of a transposed one, that may be read and are zero."""
        if len(self.layout.shape) != 2:
            return 0
        turned = Access(self.buffer, self.layout.permuted((1, 0)))
        return next((a.layout.strides[0] - a.layout.shape[1] for a in (self, turned) if a.whole_rows), 0)


STATUS = Access(Buffer(Type((4,), np.dtype(np.int64)), "status"), contiguous((4,)))
"""What code tells its caller: numbers whose places are `FAILED`, `TEAM`, `FOUND` and `AXIS`."""

FAILED, TEAM, FOUND, AXIS = range(4)


@frozen
class Failure:
    """What may go wrong where only the numbers show it, and the user's line that asked for it.

    Attributes
    ----------
    error : type
        Of the exception, as NumPy raises it.
    problem : str
        Its message; ``{index}``, ``{axis}`` and ``{length}`` become those that did not fit.
    shape : tuple of int
        Of the array that is indexed.
    where : Location or None
    """

    error: type[Exception]
    problem: str
    shape: tuple[int, ...]
    where: Location | None

    def exception(self, status: np.ndarray[Any, Any]) -> Exception:
        """Return the exception that a status tells of."""
        axis = int(status[AXIS])
        length = self.shape[axis] if self.shape else 0
        problem = self.problem.format(index=int(status[FOUND]), axis=axis, length=length)
        return self.error(problem if self.where is None else f"{problem}\n  at {self.where}")


@frozen(eq=False)
class Load:
    """A node that reads memory."""

    access: Access

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the element."""
        return self.access.buffer.type.dtype


@frozen(eq=False)
class Number:
    """A node that is one number everywhere."""

    value: np.generic

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the number."""
        return self.value.dtype


@frozen(eq=False)
class Apply:
    """A node that computes an elementary function of others."""

    function: str
    args: tuple[Node, ...]
    params: Mapping[str, Any]
    dtype: np.dtype[Any]
    failure: int = 0  # number of what may go wrong in it, from 1; 0 for nothing


Node = Load | Number | Apply


@dataclass(eq=False)
class Store:
    """A node's value, written to memory for each index."""

    node: Node
    access: Access


@dataclass(eq=False)
class Folded:
    """A node's values, combined along axes into memory."""

    node: Node
    combine: str
    axes: tuple[int, ...]
    access: Access  # its layout has stride 0 along the axes

    @property
    def neutral(self) -> Any:
        """The number that its combination leaves everything as it is with."""
        dtype = self.access.buffer.type.dtype
        if self.combine in ("add", "logical_or", "logical_and"):
            return dtype.type(self.combine == "logical_and")
        if dtype.kind == "b":
            return np.bool_(self.combine == "minimum")
        least, most = (-np.inf, np.inf) if dtype.kind == "f" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
        return dtype.type(least if self.combine == "maximum" else most)


SUMS = -1  # in place of an axis of a product's result: the one that it sums over


class Kernel(ABC):
    """Something that runs as a whole, after those before it."""

    @abstractmethod
    def reads(self) -> list[Buffer]:
        """Return the buffers it reads."""

    @abstractmethod
    def writes(self) -> list[Buffer]:
        """Return the buffers it writes."""

    def in_step(self, source: Buffer, target: Buffer) -> bool:
        """Tell whether it reads an element of source only where it writes the same of target, and before that."""
        return False


@dataclass(eq=False)
class Loop(Kernel):
    """Elementary functions over an index space, with stores and folds: a nest of loops."""

    shape: tuple[int, ...]
    nodes: list[Node] = field(default_factory=list)
    stores: list[Store] = field(default_factory=list)
    folds: list[Folded] = field(default_factory=list)

    @property
    def ends(self) -> list[Store | Folded]:
        """What it writes."""
        return [*self.stores, *self.folds]

    def depending(self, nodes: Iterable[Node]) -> set[int]:
        """Return the ids of some nodes and of all that are computed from them."""
        found = {id(node) for node in nodes}
        for node in self.nodes:
            if isinstance(node, Apply) and any(id(a) in found for a in node.args):
                found.add(id(node))
        return found

    def needed(self, ends: Sequence[Store | Folded]) -> list[Node]:
        """Return the nodes that some of what it writes depends on, and those that may fail, in its order."""
        found = {id(end.node) for end in ends}
        for node in reversed(self.nodes):
            if isinstance(node, Apply) and (id(node) in found or node.failure):
                found.update((id(node), *map(id, node.args)))
        return [node for node in self.nodes if id(node) in found]

    def reads(self) -> list[Buffer]:
        """Return the buffers that it loads from."""
        return [n.access.buffer for n in self.nodes if isinstance(n, Load)]

    def writes(self) -> list[Buffer]:
        """Return the buffers that it stores or folds to."""
        return [s.access.buffer for s in self.stores] + [f.access.buffer for f in self.folds]

    def in_step(self, source: Buffer, target: Buffer) -> bool:
        """Tell it by the layouts: an index is one element of each, and its loads come before its stores."""
        if target in [f.access.buffer for f in self.folds]:  # which begins before all
            return False
        layouts = {n.access.layout for n in self.nodes if isinstance(n, Load) and n.access.buffer is source}
        layouts |= {s.access.layout for s in self.stores if s.access.buffer is target}
        return layouts == {target.layout}


@dataclass(eq=False)
class Special(Kernel):
    """Everything but a loop: its kind of lowering, what it reads and the one array that it writes."""

    lowering: Lowering
    inputs: Sequence[Access]
    output: Access
    params: Mapping[str, Any]
    failure: int = 0  # number of what may go wrong in it, from 1; 0 for nothing

    def reads(self) -> list[Buffer]:
        """Return the buffers of its inputs."""
        return [a.buffer for a in self.inputs]

    def writes(self) -> list[Buffer]:
        """Return the buffer of its result."""
        return [self.output.buffer]


@dataclass(eq=False)
class Strips(Kernel):
    """Kernels over the same rows, one after the other for each strip of rows: what they hand on stays in registers.

    Attributes
    ----------
    parts : list of Loop or Special
        Loops over the rows, or over the rows and a few columns; gathers of one element of each row.
    rows, columns : int
    kept : list of Buffer
        Those of the arrays that they write which are memory for others.
    """

    parts: list[Loop | Special]
    rows: int
    columns: int
    kept: list[Buffer]

    @property
    def loops(self) -> list[Loop]:
        """Those of its parts that are loops."""
        return [part for part in self.parts if isinstance(part, Loop)]

    def reads(self) -> list[Buffer]:
        """Return the buffers that it loads from, those aside that its own parts write."""
        written = {b for part in self.parts for b in part.writes()}
        return [b for part in self.parts for b in part.reads() if b not in written]

    def writes(self) -> list[Buffer]:
        """Return the buffers that it keeps."""
        return self.kept


@dataclass(eq=False)
class Contraction(Special):
    """A product of matrices, and the loop over its result that its sums go through.

    Without a loop the sums are written to `output`; with one, `output` is written only if the loop does it.
    """

    loop: Loop | None = None
    sums: Load | None = None  # the loop's node that stands for the sums

    @property
    def tiled(self) -> bool:
        """Whether the product goes by tiles: float32 and float64, and nothing empty."""
        dtype = self.output.buffer.type.dtype
        sizes = (*self.inputs[0].layout.shape, *self.output.layout.shape)
        return dtype.itemsize >= 4 and dtype.kind == "f" and 0 not in sizes

    def reads(self) -> list[Buffer]:
        """Return the buffers of its inputs, and those that the loop loads from."""
        loads = self.loop.nodes if self.loop else ()
        others = [n.access.buffer for n in loads if isinstance(n, Load) and n is not self.sums]
        return super().reads() + others

    def writes(self) -> list[Buffer]:
        """Return the buffers that it stores to."""
        return self.loop.writes() if self.loop else super().writes()

    def in_step(self, source: Buffer, target: Buffer) -> bool:
        """Tell whether its loop is, and its product does not read the source."""
        return (
            self.loop is not None
            and source not in [a.buffer for a in self.inputs]
            and self.loop.in_step(source, target)
        )


def may_fail(kernel: Kernel) -> bool:
    """Whether only the numbers show if a kernel fails."""
    if isinstance(kernel, Strips):
        return any(map(may_fail, kernel.parts))
    if isinstance(kernel, Loop):
        return any(isinstance(node, Apply) and node.failure for node in kernel.nodes)
    return isinstance(kernel, Special) and kernel.failure > 0
