"""A graph's machine code, many times in one native call: what it takes without Python around it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import clearprop as cp
from clearprop.compile.module import Module
from clearprop.compile.program import Program
from clearprop.compile.text import Function, Value
from clearprop.transform.simplify import simplify

Array = np.ndarray[Any, Any]
LINE = 64  # bytes at whose multiples arrays begin


def aligned(shape: tuple[int, ...], dtype: Any = np.float32) -> Array:
    """Return an array of zeros, each page of it touched."""
    dtype = np.dtype(dtype)
    size = int(np.prod(shape)) * dtype.itemsize
    block = np.empty(size + LINE, np.uint8)
    block.fill(0)
    start = -block.ctypes.data % LINE
    return block[start : start + size].view(dtype).reshape(shape)


def filled(values: Array) -> Array:
    """Return an aligned copy."""
    out = aligned(values.shape, values.dtype)
    out[...] = values
    return out


class Often(Program):
    """A graph with a native loop around it, always of the same inputs and into the same outputs."""

    def _finish(self, module: Module) -> None:
        f = Function(module, "often", [("ptr", "table"), ("i64", "count")], internal=False)
        f.loop(0, Value("%count", "i64"), 1, [], lambda *_: f.do("call void @run(ptr %table)") or [])
        f.finish()

    def bound(self, inputs: Sequence[Array]) -> tuple[Callable[[int], None], list[Array]]:
        """Return a function of how often to compute, and the arrays in which the results stand then."""
        call = self.native("often", ctypes.c_void_p, ctypes.c_int64)
        results = [aligned(b.type.shape, b.type.dtype) for b in self.schedule.outputs]
        constants = [array for _, array in self.schedule.constants]

        def run(count: int) -> None:
            with self.members() as members:
                status = np.array([0, members.address, 0, 0], np.int64)
                arrays = [status, self.work(members.size), *inputs, *results, *constants]
                table = (ctypes.c_void_p * len(arrays))(*(a.ctypes.data for a in arrays))
                call(ctypes.addressof(table), count)

        return run, results


def often(function: Callable[..., Any], *inputs: Array) -> tuple[Callable[[int], None], list[Array]]:
    """Compile a function of arrays; return a function of how often to compute it, and where the results are."""
    graph = cp.make_graph(function)(*inputs)
    return Often(simplify(graph.owning_constants())).bound(inputs)
