"""What a schedule consists of: buffers, and kernels that read and write them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..core.lowering import Layout, Lowering
from ..core.types import Type


class Buffer:
    """Memory for the elements of one array.

    Attributes
    ----------
    type : Type
    home : str
        "input", "output", "constant" or "work".
    slot : int
        Which input, output or constant.
    """

    __slots__ = ("home", "name", "slot", "type")

    def __init__(self, type: Type, home: str = "work", slot: int = 0, name: str = "") -> None:
        self.type, self.home, self.slot, self.name = type, home, slot, name

    @property
    def bytes(self) -> int:
        """Size in memory."""
        return self.type.size * self.type.dtype.itemsize

    def __repr__(self) -> str:
        return self.name or f"<{self.home} {self.type}>"


@dataclass(frozen=True)
class Access:
    """A buffer, and where in it the element for each index of a kernel stands."""

    buffer: Buffer
    layout: Layout


@dataclass(frozen=True, eq=False)
class Load:
    """A node that reads memory."""

    access: Access

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the element."""
        return self.access.buffer.type.dtype


@dataclass(frozen=True, eq=False)
class Number:
    """A node that is one number everywhere."""

    value: np.generic

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the number."""
        return self.value.dtype


@dataclass(frozen=True, eq=False)
class Apply:
    """A node that computes an elementary function of others."""

    function: str
    args: tuple[Node, ...]
    params: Mapping[str, Any]
    dtype: np.dtype[Any]


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


class Kernel(ABC):
    """Something that runs as a whole, after those before it."""

    @abstractmethod
    def reads(self) -> list[Buffer]:
        """Return the buffers it reads."""

    @abstractmethod
    def writes(self) -> list[Buffer]:
        """Return the buffers it writes."""


@dataclass(eq=False)
class Loop(Kernel):
    """Elementary functions over an index space, with stores and folds: a nest of loops."""

    shape: tuple[int, ...]
    nodes: list[Node] = field(default_factory=list)
    stores: list[Store] = field(default_factory=list)
    folds: list[Folded] = field(default_factory=list)

    def reads(self) -> list[Buffer]:
        """Return the buffers that it loads from."""
        return [n.access.buffer for n in self.nodes if isinstance(n, Load)]

    def writes(self) -> list[Buffer]:
        """Return the buffers that it stores or folds to."""
        return [s.access.buffer for s in self.stores] + [f.access.buffer for f in self.folds]


@dataclass(eq=False)
class Special(Kernel):
    """Everything but a loop: its kind of lowering, what it reads and the one array that it writes."""

    lowering: Lowering
    inputs: Sequence[Access]
    output: Access
    params: Mapping[str, Any]

    def reads(self) -> list[Buffer]:
        """Return the buffers of its inputs."""
        return [a.buffer for a in self.inputs]

    def writes(self) -> list[Buffer]:
        """Return the buffer of its result."""
        return [self.output.buffer]


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
