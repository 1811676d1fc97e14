"""What becomes of a tile's sums: a vector of results at a time, with the place in C that it is for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .blocking import Layout, Panels, Plan
from .text import Function, Module, Value, memory_type

ARGUMENTS = (
    ("ptr", "T"),  # the tile's sums
    ("i64", "ldt"),  # elements from row to row of them
    ("ptr", "C"),
    ("ptr", "extra"),
    ("i64", "batch"),
    ("i64", "row"),  # the tile's place in C
    ("i64", "column"),
    ("i64", "rows"),
)


@dataclass(frozen=True)
class Place:
    """Where a vector of results belongs.

    Attributes
    ----------
    c, extra : Value
        Pointers: C[0, 0], and what the caller handed over.
    batch, row, column : Value
        i64: which product of a batch, and which element of it the first lane is.
    lanes : int
        Elements side by side: of a row of C, or if `turned` of a column of C.
    turned : bool
        Whether lanes follow one another down a column.
    mask : Value or None
        Lanes that exist; None if all do.
    """

    c: Value
    extra: Value
    batch: Value
    row: Value
    column: Value
    lanes: int
    turned: bool
    mask: Value | None

    def address(self, f: Function, base: Value, layout: Layout, dtype: np.dtype[np.generic]) -> Value:
        """Return where the first lane's element of a matrix is; strides of 0 repeat a row or a column."""
        for index, stride in ((self.row, layout.row), (self.column, layout.column)):
            if stride:
                base = f.at(base, index if stride == 1 else f.integer("mul", index, stride), dtype)
        return base

    def read(self, f: Function, base: Value, layout: Layout, dtype: np.dtype[np.generic]) -> Value:
        """Return the elements of a matrix at this place, such as a bias: ``Layout(0, 1)``."""
        place, step = self.address(f, base, layout, dtype), layout.row if self.turned else layout.column
        if step == 0 or self.lanes == 1:
            return f.spread(f.load(place, dtype), self.lanes)
        if step == 1:
            return f.masked_load(place, self.mask, dtype) if self.mask else f.load(place, dtype, self.lanes)
        return f.gather(self._lanes(f, place, step, dtype), self._existing(f), dtype)

    def write(
        self, f: Function, value: Value, base: Value, layout: Layout, dtype: np.dtype[np.generic]
    ) -> None:
        """Store a vector at this place of a matrix."""
        place, step = self.address(f, base, layout, dtype), layout.row if self.turned else layout.column
        if self.lanes > 1 and step != 1:
            f.scatter(value, self._lanes(f, place, step, dtype), self._existing(f), dtype)
        elif self.mask:
            f.masked_store(value, place, self.mask, dtype)
        else:
            f.store(value, place, dtype)

    def _existing(self, f: Function) -> Value:
        return self.mask or f.constant(1, "i1", self.lanes)

    def _lanes(self, f: Function, place: Value, step: int, dtype: np.dtype[np.generic]) -> Value:
        offsets = ", ".join(f"i64 {i * step}" for i in range(self.lanes))
        return f.make(
            f"getelementptr {memory_type(dtype)}, {place}, <{self.lanes} x i64> <{offsets}>",
            "ptr",
            self.lanes,
        )


Epilogue = Callable[[Function, Value, Place], None]


def finisher(module: Module, name: str, plan: Plan, panels: Panels, epilogue: Epilogue | None) -> str:
    """Write the function that hands a tile's sums to an epilogue, row by row, unless it is there; return its name.

    Without an epilogue the sums are stored.
    """
    name = f"{name}_finish_{panels.vectors}_{panels.columns}"
    if name in module.functions:
        return name
    f = Function(module, name, ARGUMENTS)
    c, extra, batch, first, column = (
        Value(f"%{x}", "ptr" if x in ("C", "extra") else "i64")
        for x in ("C", "extra", "batch", "row", "column")
    )
    layout = plan.c.T if plan.turned else plan.c

    def results(source: Value, row: Value, column: Value, lanes: int, mask: Value | None) -> None:
        at = (column, row) if plan.turned else (row, column)
        place = Place(c, extra, batch, *at, lanes, plan.turned, mask)
        value = f.load(source, plan.dtype, lanes)
        if epilogue:
            epilogue(f, value, place)
        else:
            place.write(f, value, c, layout, plan.dtype)

    def line(i: Value, now: list[Value]) -> list[Value]:
        row = f.integer("add", first, i)
        whole, rest = divmod(panels.columns, plan.lanes)
        for j in range(whole):
            offset = j * plan.lanes
            results(f.at(now[0], offset, plan.dtype), row, f.integer("add", column, offset), plan.lanes, None)
        offset = whole * plan.lanes
        if rest and plan.masks:
            mask = f.first(Value(str(rest), "i64"), plan.lanes)
            results(f.at(now[0], offset, plan.dtype), row, f.integer("add", column, offset), plan.lanes, mask)
        elif rest:

            def one(j: Value, _: list[Value]) -> list[Value]:
                results(f.at(now[0], j, plan.dtype), row, f.integer("add", column, j), 1, None)
                return []

            f.loop(offset, panels.columns, 1, [], one)
        return [f.at(now[0], Value("%ldt", "i64"), plan.dtype)]

    f.loop(0, Value("%rows", "i64"), 1, [Value("%T", "ptr")], line)
    f.finish()
    return name
