"""Which equations stand behind kernels that are made of others: sums of parts, and what puts parts together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from .kernels import Apply, Contraction, Kernel, Loop, Strips
from .schedule import Schedule
from .several import Parted, Several


def traced(made: Schedule, kernels: Sequence[Kernel]) -> Schedule:
    """Return a schedule with these kernels instead, some of which are made of its own."""
    origins, holds = {**made.origins}, {**made.holds}
    products = {id(kernel.inputs): kernel for kernel in made.kernels if isinstance(kernel, Contraction)}
    loops = {id(end.access): loop for loop in _loops(made.kernels) for end in loop.ends}
    folds = {fold.access.buffer: fold for loop in loops.values() for fold in loop.folds}
    for kernel in _each(kernels):
        if isinstance(kernel, Contraction) and kernel not in origins:
            eqn = origins[kernel] = origins[products[id(kernel.inputs)]]
            holds[kernel.output.buffer] = eqn.out
        elif isinstance(kernel, Loop):
            pairs: list[tuple[object, object]] = [
                (fold, folds.get(fold.access.buffer)) for fold in kernel.folds
            ]
            of = next((loops[id(end.access)] for end in kernel.ends if id(end.access) in loops), None)
            pairs += zip(_applied(kernel), _applied(of), strict=False)  # what adds up parts is first of all
            origins |= {new: origins[old] for new, old in pairs if old in origins}
    for group in kernels:
        if isinstance(group, Parted):
            holds |= {parts: holds[whole] for whole, parts in group.partial.items() if whole in holds}
    return replace(made, kernels=tuple(kernels), origins=origins, holds=holds)


def _each(kernels: Iterable[Kernel]) -> Iterator[Kernel]:
    for kernel in kernels:
        yield from kernel.kernels if isinstance(kernel, Several) else (kernel,)


def _loops(kernels: Iterable[Kernel]) -> Iterator[Loop]:
    for kernel in kernels:
        if isinstance(kernel, Strips):
            yield from kernel.loops
        elif isinstance(kernel, Contraction) and kernel.loop:
            yield kernel.loop
        elif isinstance(kernel, Loop):
            yield kernel


def _applied(loop: Loop | None) -> list[Apply]:
    """Return what a loop computes, the last first."""
    return [node for node in reversed(loop.nodes) if isinstance(node, Apply)] if loop else []
