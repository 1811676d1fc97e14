"""Programs that read a clock between their kernels and add up what passes; made when a profile is asked for."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .module import Module
from .program import Program
from .repeat import Repeat
from .text import Function, Value

I64 = np.dtype(np.int64)


class Timed(Program):
    """A program with a clock."""

    def _order(self, run: Function, names: Sequence[str]) -> None:
        run.module.globals["passed"] = f"@passed = internal global [{len(names)} x i64] zeroinitializer"
        before = self._now(run)
        for number, name in enumerate(names):
            run.do(f"call void @{name}(ptr %table)")
            after = self._now(run)
            place = _place(run, Value(str(number), "i64"))
            total = run.integer("add", run.load(place, I64), run.integer("sub", after, before))
            run.store(total, place, I64)
            before = after

    def _parts(self) -> Iterator[str]:
        yield self.text  # one module, since what has passed is one array

    def _finish(self, module: Module) -> None:
        """Write ``ticks(out)``, which hands over what has passed in each kernel, and the clock; and begins anew."""
        super()._finish(module)
        f, out = Function(module, "ticks", [("ptr", "out")], internal=False), Value("%out", "ptr")
        kernels = len(self.schedule.kernels)

        def hand_over(i: Value, _: list[Value]) -> list[Value]:
            place = _place(f, i)
            f.store(f.load(place, I64), f.at(out, i, I64), I64)
            f.store(f.constant(0, "i64"), place, I64)
            return []

        f.loop(0, kernels, 1, [], hand_over)
        f.store(self._now(f), f.at(out, kernels, I64), I64)
        f.finish()

    def _now(self, f: Function) -> Value:
        """Read the counter that the processor has for time: its own cycles may be out of bounds."""
        if self.target.triple.startswith("aarch64"):
            return f.make('call i64 asm sideeffect "mrs $0, cntvct_el0", "=r"()', "i64")
        f.module.declare("llvm.readcyclecounter", "i64 @llvm.readcyclecounter()")
        return f.make("call i64 @llvm.readcyclecounter()", "i64")

    def ticks(self) -> tuple[np.ndarray[Any, Any], int]:
        """Return what has passed in each kernel since the last time, and what the clock says now."""
        out = np.zeros(len(self.schedule.kernels) + 1, np.int64)
        self.native("ticks", ctypes.c_void_p)(out.ctypes.data)
        return out[:-1], int(out[-1])


class TimedRepeat(Timed, Repeat):
    """A native loop of steps, with a clock in the step."""


def _place(f: Function, number: Value) -> Value:
    return f.make(f"getelementptr i64, ptr @passed, {number}", "ptr")
