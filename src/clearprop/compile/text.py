"""LLVM text, written a function at a time: values that know their types, loops, loads and stores.

A value is scalar or a vector of ``lanes``; the same code that emits one emits the other.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .module import Module

INTEGERS = {1: "i8", 2: "i16", 4: "i32", 8: "i64"}
FLOATS = {2: "half", 4: "float", 8: "double"}
SUFFIXES = {
    "half": "f16",
    "float": "f32",
    "double": "f64",
    "i1": "i1",
    "i8": "i8",
    "i16": "i16",
    "i32": "i32",
    "i64": "i64",
}

NOTHING = {("add", "0"), ("sub", "0"), ("mul", "1"), ("udiv", "1")}  # what leaves an integer as it is


def memory_type(dtype: np.dtype[Any]) -> str:
    """Return LLVM's name of a dtype in memory; a boolean is a byte."""
    return (FLOATS if dtype.kind == "f" else INTEGERS)[dtype.itemsize]


def value_type(dtype: np.dtype[Any]) -> str:
    """Return LLVM's name of a dtype in a register; a boolean is a bit."""
    return "i1" if dtype.kind == "b" else memory_type(dtype)


class Value(NamedTuple):
    """A value in LLVM text: its name or literal, the type of an element, and the number of lanes."""

    name: str
    element: str
    lanes: int = 1

    @property
    def type(self) -> str:
        """LLVM's type."""
        return self.element if self.lanes == 1 else f"<{self.lanes} x {self.element}>"

    @property
    def suffix(self) -> str:
        """What intrinsics append to their names for this type."""
        tail = SUFFIXES[self.element]
        return tail if self.lanes == 1 else f"v{self.lanes}{tail}"

    def __str__(self) -> str:
        return f"{self.type} {self.name}"


def literal(number: Any, element: str) -> str:
    """Return a number as LLVM writes it in this type."""
    if element == "double":
        return "0x" + struct.pack(">d", float(number)).hex().upper()
    if element == "float":
        return "0x" + struct.pack(">d", float(np.float32(number))).hex().upper()
    if element == "half":
        return "0xH" + struct.pack(">e", float(np.float16(number))).hex().upper()
    return str(int(number))


class Function:
    """A function while it is being written.

    Parameters
    ----------
    module : Module
    name : str
    arguments : sequence of (type, name)
    returned : str
        LLVM type; void by default.
    internal : bool
        Not to be seen from outside of the module.
    plain : bool
        Whether LLVM need not look for better code: it only copies, or says which others work where.
    """

    def __init__(
        self,
        module: Module,
        name: str,
        arguments: Sequence[tuple[str, str]],
        returned: str = "void",
        internal: bool = True,
        plain: bool = False,
    ) -> None:
        self.module, self.name, self.returned = module, name, returned
        listed = ", ".join(f"{type} %{argument}" for type, argument in arguments)
        linkage = "internal " if internal else ""
        self.signature = f"{returned} @{name}({', '.join(type for type, _ in arguments)})"
        self.lines = [f"define {linkage}{returned} @{name}({listed})", "entry:"]
        self.allocated: list[str] = []
        self.block, self.count, self.plain = "entry", 0, plain
        self.crowded = False  # whether vectors may spill: the stack then begins at a cache line

    # ---- the text itself

    def fresh(self, prefix: str = "v") -> str:
        """Return a new name."""
        self.count += 1
        return f"{prefix}{self.count}"

    def do(self, line: str) -> None:
        """Write an instruction without a result."""
        self.lines.append("  " + line)

    def make(self, instruction: str, element: str, lanes: int = 1) -> Value:
        """Write an instruction and return its result."""
        name = "%" + self.fresh()
        self.do(f"{name} = {instruction}")
        return Value(name, element, lanes)

    def label(self, name: str) -> None:
        """Begin a block."""
        self.lines.append(f"{name}:")
        self.block = name

    def finish(self, result: Value | None = None) -> None:
        """End the function and enter it into its module."""
        self.do("ret void" if result is None else f"ret {result}")
        stack = ' "stackrealign"' * self.crowded
        opening = f"{self.lines[0]} #{int(self.plain or self.module.seldom)}{stack} {{"
        lines = [opening, self.lines[1], *self.allocated, *self.lines[2:], "}"]
        self.module.functions[self.name] = "\n".join(lines)
        self.module.signatures[self.name] = self.signature

    # ---- values

    def constant(self, number: Any, element: str, lanes: int = 1) -> Value:
        """Return a constant, in every lane."""
        text = literal(number, element)
        return Value(text if lanes == 1 else f"splat ({element} {text})", element, lanes)

    def like(self, number: Any, value: Value) -> Value:
        """Return a constant of a value's type."""
        return self.constant(number, value.element, value.lanes)

    def binary(self, instruction: str, a: Value, b: Value) -> Value:
        """Write ``instruction type a, b``, such as fadd or shl."""
        return self.make(f"{instruction} {a}, {b.name}", a.element, a.lanes)

    def compare(self, instruction: str, a: Value, b: Value) -> Value:
        """Write a comparison, such as ``fcmp olt``."""
        return self.make(f"{instruction} {a}, {b.name}", "i1", a.lanes)

    def select(self, condition: Value, a: Value, b: Value) -> Value:
        """Write a choice, lane by lane."""
        return self.make(f"select {condition}, {a}, {b}", a.element, a.lanes)

    def convert(self, instruction: str, a: Value, element: str) -> Value:
        """Write a conversion, such as fptosi or bitcast, to another element type."""
        to = Value("", element, a.lanes)
        return self.make(f"{instruction} {a} to {to.type}", element, a.lanes)

    def call(self, intrinsic: str, *args: Value, element: str = "") -> Value:
        """Call an intrinsic that is named after its first argument's type, such as llvm.sqrt."""
        first = args[0]
        result = Value("", element or first.element, first.lanes)
        name = f"{intrinsic}.{first.suffix}"
        self.module.declare(name, f"{result.type} @{name}({', '.join(a.type for a in args)})")
        return self.make(
            f"call {result.type} @{name}({', '.join(map(str, args))})", result.element, first.lanes
        )

    def spread(self, scalar: Value, lanes: int) -> Value:
        """Return a scalar in every lane."""
        if lanes == 1:
            return scalar
        kind = f"<{lanes} x {scalar.element}>"
        one = self.make(f"insertelement {kind} poison, {scalar}, i64 0", scalar.element, lanes)
        return self.make(
            f"shufflevector {one}, {kind} poison, <{lanes} x i32> zeroinitializer", scalar.element, lanes
        )

    def lane(self, value: Value, i: int) -> Value:
        """Return one lane of a vector."""
        return value if value.lanes == 1 else self.make(f"extractelement {value}, i64 {i}", value.element)

    def gathered(self, parts: Sequence[Value]) -> Value:
        """Return scalars as the lanes of one vector."""
        if len(parts) == 1:
            return parts[0]
        kind = f"<{len(parts)} x {parts[0].element}>"
        vector = Value("poison", parts[0].element, len(parts))
        for i, part in enumerate(parts):
            vector = self.make(
                f"insertelement {kind} {vector.name}, {part}, i64 {i}", part.element, len(parts)
            )
        return vector

    def halves(self, value: Value) -> tuple[Value, Value]:
        """Return the lower and the upper lanes of a vector."""
        half = value.lanes // 2
        if half == 1:
            return self.lane(value, 0), self.lane(value, 1)

        def part(first: int) -> Value:
            mask = ", ".join(f"i32 {first + i}" for i in range(half))
            return self.make(
                f"shufflevector {value}, {value.type} poison, <{half} x i32> <{mask}>", value.element, half
            )

        return part(0), part(half)

    def shuffle(self, a: Value, b: Value, picked: Sequence[int]) -> Value:
        """Return the picked lanes of two vectors; those of b count on from those of a."""
        lanes = ", ".join(f"i32 {i}" for i in picked)
        return self.make(f"shufflevector {a}, {b}, <{len(picked)} x i32> <{lanes}>", a.element, len(picked))

    def fence(self, value: Value) -> Value:
        """Return a value; of float32 and float64 LLVM does not see any more how it was made."""
        return self.call("llvm.arithmetic.fence", value) if value.element in ("float", "double") else value

    def first(self, count: Value, lanes: int) -> Value:
        """Return a mask of the first `count` lanes."""
        steps = ", ".join(f"i32 {i}" for i in range(lanes))
        limit = self.spread(self.make(f"trunc {count} to i32", "i32"), lanes)
        return self.make(f"icmp slt <{lanes} x i32> <{steps}>, {limit.name}", "i1", lanes)

    # ---- memory

    def at(self, pointer: Value, index: Value | int, dtype: np.dtype[Any]) -> Value:
        """Return the address of an element."""
        if index == 0:
            return pointer
        offset = str(index) if isinstance(index, Value) else f"i64 {index}"
        return self.make(f"getelementptr {memory_type(dtype)}, {pointer}, {offset}", "ptr")

    def load(self, pointer: Value, dtype: np.dtype[Any], lanes: int = 1) -> Value:
        """Read one element, or as many as there are lanes, from an address aligned to an element."""
        memory = Value("", memory_type(dtype), lanes)
        read = self.make(f"load {memory.type}, {pointer}, align {dtype.itemsize}", memory.element, lanes)
        return self.convert("trunc", read, "i1") if dtype.kind == "b" else read

    def store(self, value: Value, pointer: Value, dtype: np.dtype[Any]) -> None:
        """Write a value to an address aligned to an element."""
        if dtype.kind == "b":
            value = self.convert("zext", value, "i8")
        self.do(f"store {value}, {pointer}, align {dtype.itemsize}")

    def masked_load(self, pointer: Value, mask: Value, dtype: np.dtype[Any]) -> Value:
        """Read the lanes whose mask is set; the others are zero and their memory is not touched."""
        read = Value("", memory_type(dtype), mask.lanes)
        name = f"llvm.masked.load.{read.suffix}.p0"
        self.module.declare(name, f"{read.type} @{name}(ptr, i32, {mask.type}, {read.type})")
        call = (
            f"call {read.type} @{name}({pointer}, i32 {dtype.itemsize}, {mask}, {read.type} zeroinitializer)"
        )
        return self.make(call, read.element, read.lanes)

    def masked_store(self, value: Value, pointer: Value, mask: Value, dtype: np.dtype[Any]) -> None:
        """Write the lanes whose mask is set; the memory of the others is not touched."""
        name = f"llvm.masked.store.{value.suffix}.p0"
        self.module.declare(name, f"void @{name}({value.type}, ptr, i32, {mask.type})")
        self.do(f"call void @{name}({value}, {pointer}, i32 {dtype.itemsize}, {mask})")

    def gather(self, pointers: Value, mask: Value, dtype: np.dtype[Any]) -> Value:
        """Read from an address per lane, where the mask is set; the other lanes are zero."""
        read = Value("", memory_type(dtype), mask.lanes)
        name = f"llvm.masked.gather.{read.suffix}.v{mask.lanes}p0"
        self.module.declare(name, f"{read.type} @{name}({pointers.type}, i32, {mask.type}, {read.type})")
        call = (
            f"call {read.type} @{name}({pointers}, i32 {dtype.itemsize}, {mask}, {read.type} zeroinitializer)"
        )
        return self.make(call, read.element, read.lanes)

    def room(self, words: int) -> Value:
        """Return memory for so many i64 while the function runs."""
        name = self.fresh("room")
        self.allocated.append(f"  %{name} = alloca [{words} x i64], align 8")
        return Value(f"%{name}", "ptr")

    def prefetch(self, place: Value, write: bool = False, second: bool = False) -> None:
        """Ask for a cache line, memory or not: to write it, for itself alone; or only into the second cache."""
        self.module.declare("llvm.prefetch.p0", "void @llvm.prefetch.p0(ptr, i32, i32, i32)")
        cache = 2 if second and not write else 3
        self.do(f"call void @llvm.prefetch.p0({place}, i32 {int(write)}, i32 {cache}, i32 1)")

    def copy_bytes(self, to: Value, source: Value, size: int) -> None:
        """Copy so many bytes between places that do not overlap."""
        self.module.declare("llvm.memcpy.p0.p0.i64", "void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)")
        self.do(f"call void @llvm.memcpy.p0.p0.i64({to}, {source}, i64 {size}, i1 false)")

    # ---- control

    def integer(self, instruction: str, a: Value | int, b: Value | int) -> Value:
        """Compute with i64: add, mul, udiv ...; what changes nothing is not written."""
        left, right = (x.name if isinstance(x, Value) else str(x) for x in (a, b))
        if (instruction, right) in NOTHING:
            return Value(left, "i64")
        return self.make(f"{instruction} i64 {left}, {right}", "i64")

    def loop(
        self,
        start: Value | int,
        stop: Value | int,
        step: int,
        carried: Sequence[Value],
        body: Callable[[Value, list[Value]], Sequence[Value]],
    ) -> list[Value]:
        """Write ``for i = start; i < stop; i += step`` with carried values; return them after it.

        ``body(i, carried)`` returns the carried values of the next round. No round at all is fine; a single one, known
        as such, is written without a loop.
        """
        if isinstance(start, int) and isinstance(stop, int) and start < stop <= start + step:
            return list(body(Value(str(start), "i64"), list(carried)))
        head, inside, after = self.fresh("head"), self.fresh("body"), self.fresh("after")
        before = self.block
        first = start.name if isinstance(start, Value) else str(start)
        limit = stop.name if isinstance(stop, Value) else str(stop)
        self.do(f"br label %{head}")
        self.label(head)
        index = Value("%" + self.fresh("i"), "i64")
        kept = [Value("%" + self.fresh("c"), c.element, c.lanes) for c in carried]
        place = len(self.lines)
        self.lines.append("")
        more = self.make(f"icmp slt i64 {index.name}, {limit}", "i1")
        self.do(f"br {more}, label %{inside}, label %{after}")
        self.label(inside)
        new = list(body(index, kept))
        following = self.integer("add nsw", index, step)
        latch = self.block
        self.do(f"br label %{head}")
        phis = [f"  {index.name} = phi i64 [ {first}, %{before} ], [ {following.name}, %{latch} ]"]
        for k, c, n in zip(kept, carried, new, strict=True):
            phis.append(f"  {k.name} = phi {k.type} [ {c.name}, %{before} ], [ {n.name}, %{latch} ]")
        self.lines[place] = "\n".join(phis)
        self.label(after)
        return kept

    def any(self, mask: Value) -> Value:
        """Return whether a bit is set in some lane, as one bit."""
        if mask.lanes == 1:
            return mask
        bits = self.make(f"bitcast {mask} to i{mask.lanes}", f"i{mask.lanes}")
        return self.make(f"icmp ne {bits}, 0", "i1")

    def replace(
        self, condition: Value, values: Sequence[Value], body: Callable[[], Sequence[Value]]
    ) -> list[Value]:
        """Write ``if condition: values = body()``; return the values after it."""
        inside, after = self.fresh("then"), self.fresh("after")
        before = self.block
        self.do(f"br {condition}, label %{inside}, label %{after}")
        self.label(inside)
        new = list(body())
        end = self.block
        self.do(f"br label %{after}")
        self.label(after)
        return [
            self.make(f"phi {a.type} [ {a.name}, %{before} ], [ {b.name}, %{end} ]", a.element, a.lanes)
            for a, b in zip(values, new, strict=True)
        ]

    def repeat(
        self, carried: Sequence[Value], body: Callable[[list[Value]], tuple[Value, Sequence[Value]]]
    ) -> list[Value]:
        """Write ``do ... while more``: ``body(carried)`` returns (more, the carried values of the next round)."""
        head, after = self.fresh("head"), self.fresh("after")
        before = self.block
        self.do(f"br label %{head}")
        self.label(head)
        kept = [Value("%" + self.fresh("c"), c.element, c.lanes) for c in carried]
        place = len(self.lines)
        self.lines.append("")
        more, new = body(kept)
        latch = self.block
        self.do(f"br {more}, label %{head}, label %{after}")
        self.lines[place] = "\n".join(
            f"  {k.name} = phi {k.type} [ {c.name}, %{before} ], [ {n.name}, %{latch} ]"
            for k, c, n in zip(kept, carried, new, strict=True)
        )
        self.label(after)
        return list(new)

    def when(self, condition: Value, body: Callable[[], None]) -> None:
        """Write ``if condition: body``."""
        inside, after = self.fresh("then"), self.fresh("after")
        self.do(f"br {condition}, label %{inside}, label %{after}")
        self.label(inside)
        body()
        self.do(f"br label %{after}")
        self.label(after)
