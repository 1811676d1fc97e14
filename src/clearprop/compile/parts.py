"""A long module as several that call each other, so that LLVM can work on the first while the next is written.

How many there are depends on the text alone: the code is the same on every machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from .module import Module

LETTERS = 50_000  # of text that are worth a part


def parts(module: Module, written: Iterable[object]) -> Iterator[str]:
    """Yield a module as LLVM text, in parts of about equal length.

    A function stands behind those that it calls. So it calls back into parts that are linked before its own, and
    such a call goes straight there.

    Parameters
    ----------
    module : Module
    written : iterable
        What writes the module: at each round it has further functions.
    """
    given = 0
    for _ in written:
        names = list(module.functions)[given:]
        if sum(len(module.functions[name]) for name in names) >= LETTERS:
            yield from _cut(module, names)
            given += len(names)
    names = list(module.functions)[given:]
    if given:
        yield from _cut(module, names)
    else:
        yield module.text()


def _cut(module: Module, names: Sequence[str]) -> Iterator[str]:
    """Yield parts of these functions."""
    lengths = [len(module.functions[name]) for name in names]
    count = max(1, round(sum(lengths) / LETTERS))
    shares: list[list[str]] = [[] for _ in range(count)]
    before = 0
    for name, length in zip(names, lengths, strict=True):
        shares[(before + length // 2) * count // sum(lengths)].append(name)
        before += length
    yield from (_part(module, share) for share in shares if share)


def _part(module: Module, names: Iterable[str]) -> str:
    """Return the module with these functions; it declares the others, and all can be called from outside."""
    own = dict.fromkeys(names)
    others = [f"declare {s}" for name, s in module.signatures.items() if name not in own]
    bodies = [module.functions[name].replace("define internal ", "define ", 1) for name in own]
    return module.of([*others, *bodies])
