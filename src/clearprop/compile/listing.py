"""A schedule as people read it: kernel by kernel, why each array is in memory, and where and how long it stays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ..core.graph import Location, Var, names_of, print_equation
from .contents import accesses, brings, contents, kind, shapes
from .kernels import Access, Apply, Buffer, Folded, Kernel, Load
from .memory import lifetimes, plan
from .program import Program
from .repeat import Repeat
from .several import Parted, Several


def listing(program: Program, caller: Location | None = None) -> str:
    """Return the schedule of a program as text.

    Parameters
    ----------
    program : Program
    caller : Location, optional
        The line of the user's that asks, which explains no equation.
    """
    return "\n".join(_Listing(program, caller).lines())


class _Listing:
    def __init__(self, program: Program, caller: Location | None) -> None:
        program.module  # noqa: B018  # how work is shared out is known when it is written
        self.program, self.schedule, self.caller = program, program.schedule, caller
        self.kernels = self.schedule.kernels
        self.names = names_of(program.graph)
        self.single = dict(_single(self.kernels))
        groups = (kernel for kernel in self.kernels if isinstance(kernel, Parted))
        self.partial = {whole: parts for group in groups for whole, parts in group.partial.items()}
        self.readers: dict[Buffer, list[str]] = {}
        self.writers: dict[Buffer, list[str]] = {}
        for number, kernel in self.single.items():
            for buffers, users in ((kernel.reads(), self.readers), (self._writes(number), self.writers)):
                for buffer in dict.fromkeys(buffers):
                    users.setdefault(buffer, []).append(number)

    def lines(self) -> list[str]:
        """Return the whole text."""
        lines = [f"{_count(len(self.kernels), 'kernel')} for {self.program.target.name}", *self._around()]
        for number, kernel in enumerate(self.kernels):
            if isinstance(kernel, Several):
                lines.append(f"kernel {number}: {_together(kernel)}")
                for i, each in enumerate(kernel.kernels):
                    lines += [f"  {line}" for line in self._kernel(f"{number}.{i}", each)]
            else:
                lines += self._kernel(str(number), kernel)
            lines += self._shared(number)
        return lines + self._elsewhere() + self._memory()

    def _around(self) -> list[str]:
        """Say what a native loop of steps does beside the kernels."""
        if not isinstance(self.program, Repeat):
            return []
        inputs, carried = self.program.graph.inputs, self.program.roles.carried
        names = [self.names[var] for var in inputs[carried:]]
        rows, swapped = inputs[carried].type.shape[0], len(self.program.swapped)
        line = f"run for every mini-batch: first {_count(rows, 'row')} of the data are gathered into {_listed(names)}"
        if swapped:
            change = (
                "change places with their successors" if swapped > 1 else "changes places with its successor"
            )
            line += f"; last, {_count(swapped, 'array')} {change}"
        return [line]

    # ---- kernels

    def _kernel(self, number: str, kernel: Kernel) -> list[str]:
        result, *operands = map(_sizes, shapes(kernel))
        space = f"over {result}" if kind(kernel) in ("loop", "strips") else result
        if operands:
            space += f" = {' @ '.join(operands)}"
        lines = [f"kernel {number}: {kind(kernel)} {space}"]
        lines += [f"    {line}" for line in self._computes(kernel)]
        lines += _under("reads", [self._access(a) for a in accesses(kernel, kernel.reads())])
        written = [f"{self._typed(b)}: {self._reason(b, number)}" for b in self._writes(number)]
        return lines + _under("writes", written)

    def _writes(self, number: str) -> list[Buffer]:
        """Return what a kernel writes; of what is folded in parts, these."""
        inside = "." in number
        return list(
            dict.fromkeys(self.partial.get(b, b) if inside else b for b in self.single[number].writes())
        )

    def _shared(self, number: int) -> list[str]:
        """Say how a kernel is shared out."""
        chunks = [
            _count(n, "chunk") + " of copying" * name.endswith("_copy")
            for name, n in self.program.shared[number].items()
        ]
        return _under("shared", [f"out to threads in {' and '.join(chunks)}"] if chunks else [])

    def _computes(self, kernel: Kernel) -> list[str]:
        """Return a line for each equation, with the user's line where it is another one than before."""
        lines: dict[str, Location | None] = {}
        parts = contents(kernel)
        gathered = [p for p in parts if isinstance(p, Load) and p.access.buffer in self.partial.values()]
        for load in gathered:
            lines[f"{self._name(load.access.buffer)}, put together from its parts"] = None
        for part in parts:
            eqn = self.schedule.origins.get(part)
            if gathered and (eqn is None or (isinstance(part, Folded) and part.node in gathered)):
                continue
            if eqn is not None and brings(part, eqn):
                name, result = self._name(part.access.buffer), self.names[eqn.out]
                lines[f"{name}, copied in row order for {result} = {eqn.primitive.name}"] = eqn.where
            elif eqn is not None:
                lines[print_equation(eqn, self.names)] = eqn.where
            elif isinstance(part, Apply):
                lines[part.function] = None
        if not lines:
            lines["copy"] = None
        width, before, shown = max(map(len, lines), default=0), None, []
        for line, where in lines.items():
            fresh = where is not None and where not in (before, self.caller)
            shown.append(f"{line:{width}}  # {_place(where)}" if where is not None and fresh else line)
            before = where or before
        return shown

    # ---- memory

    def _name(self, buffer: Buffer) -> str:
        if buffer.home == "input":
            return self.names[self.program.graph.inputs[buffer.slot]]
        held = self.schedule.holds.get(buffer)
        if isinstance(held, Var):
            return self.names[held]
        return "_" if held is None else repr(held).partition(":")[0]

    def _typed(self, buffer: Buffer) -> str:
        return f"{self._name(buffer)}: {buffer.type}"

    def _access(self, access: Access) -> str:
        """Return a buffer's name and type, and how it is seen, unless that is in row order without gaps."""
        text, layout, shape = self._typed(access.buffer), access.layout, access.buffer.type.shape
        rows = access.buffer.layout
        if layout == rows:
            return text
        if layout == rows.permuted(range(len(shape))[::-1]):
            return f"{text} transposed"
        if len(layout.shape) >= len(shape) and layout == rows.broadcast(layout.shape):
            return f"{text} repeated to {_sizes(layout.shape)}"
        start = f" from element {layout.offset}" if layout.offset else ""
        return f"{text} as {_sizes(layout.shape)}{start} in steps of {layout.strides}"

    def _reason(self, buffer: Buffer, writer: str) -> str:
        """Say why a buffer is written to memory."""
        reasons = []
        if buffer.home == "output":
            reasons.append(self._output(buffer))
        readers = self.readers.get(buffer, [])
        if len(readers) == 1:
            reasons.append(f"read by kernel {readers[0]}, a {kind(self.single[readers[0]])}")
        elif readers:
            times = "twice" if len(readers) == 2 else f"{len(readers)} times"
            reasons.append(f"read {times}, by kernels {_listed(readers)}")
        others = [w for w in self.writers[buffer] if w != writer]
        if others:
            reasons.append(f"written by kernel{'s' * (len(others) > 1)} {_listed(others)} too")
        return "; ".join(reasons) or "nobody reads it"

    def _output(self, buffer: Buffer) -> str:
        inputs, slot = self.program.graph.inputs, buffer.slot
        if isinstance(self.program, Repeat):
            if slot < self.program.roles.carried:
                place = "" if slot in self.program.swapped else ", in its place"
                return f"is the next {self.names[inputs[slot]]}{place}"
            return f"is output {slot}, kept of every step"
        result = "is the output" if len(self.schedule.outputs) == 1 else f"is output {slot}"
        over = [f", in the place of {self.names[inputs[i]]}" for i, j in self.program.reused if j == slot]
        return "".join([result, *over])

    def _elsewhere(self) -> list[str]:
        """List the equations that no kernel computes."""
        computed = {id(eqn) for eqn in self.schedule.origins.values()}
        views = [print_equation(e, self.names) for e in self.program.graph.eqns if id(e) not in computed]
        return ["no kernel, only another way to read:", *(f"    {v}" for v in views)] if views else []

    def _memory(self) -> list[str]:
        lives, offsets = lifetimes(self.kernels), self.program.offsets
        apart = sum(buffer.bytes for buffer in lives)
        arrays = max(self.program.tops, default=0)
        head = f"work memory: {arrays:,} bytes for {_count(len(lives), 'temporary array')}"
        if apart > arrays:
            head += f" of {apart:,} bytes"
        one, two = map(self.program.extent.bytes, (1, 2))
        if one > arrays:
            head += f", and {one - arrays:,} more that kernels use while they run"
        if two > one:
            head += f", {two - one:,} more with a second thread"
        rows = [
            (
                f"{offsets[b]:,}",
                f"{offsets[b] + b.bytes:,}",
                self._typed(b),
                f"kernels {first} to {last}" if first < last else f"kernel {first}",
            )
            for b, (first, last) in sorted(lives.items(), key=lambda item: (offsets[item[0]], item[1]))
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return [
            head,
            *(
                f"    {a:>{widths[0]}} to {b:>{widths[1]}}  {c:{widths[2]}}  {d}".rstrip()
                for a, b, c, d in rows
            ),
        ]


def _single(kernels: Sequence[Kernel]) -> Iterator[tuple[str, Kernel]]:
    """Return all kernels with their numbers, those that are shared out as one with two."""
    for number, kernel in enumerate(kernels):
        if isinstance(kernel, Several):
            yield from ((f"{number}.{i}", each) for i, each in enumerate(kernel.kernels))
        else:
            yield str(number), kernel


def _together(group: Several) -> str:
    """Say what kernels are one."""
    if isinstance(group, Parted):
        text = f"{group.length:,} {group.what} in {group.parts} parts, each through all of these"
        own = max(plan(group.kernels, group.own_bytes())[1])
        return text + (
            f", with {own:,} bytes for {_count(len(group.inner), 'array')} of its own" if own else ""
        )
    return "these, of which none waits for another"


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"


def _sizes(shape: Sequence[int]) -> str:
    return f"[{','.join(map(str, shape))}]"


def _listed(words: Sequence[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def _under(word: str, items: Sequence[str]) -> list[str]:
    """Return items line by line, the word before the first."""
    return [f"  {word if i == 0 else '':6} {item}" for i, item in enumerate(items)]


def _place(where: Location) -> str:
    """Return a line of the user's, with the file's name alone."""
    text = str(Location(where.file, where.line))
    return text.replace(where.file, Path(where.file).name, 1)
