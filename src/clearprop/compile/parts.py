"""A long module as several that call each other, so that LLVM can work on them side by side.

How many there are depends on the text alone: the code is the same on every machine.
"""

from __future__ import annotations

from .module import Module

LETTERS = 50_000  # of text that are worth a part
MOST = 4


def parts(module: Module) -> list[str]:
    """Return the module as LLVM text, in parts of about equal length.

    A function stands behind those that it calls. So it calls back into parts that are linked before its own, and
    such a call goes straight there.
    """
    whole = sum(map(len, module.functions.values()))
    count = max(1, min(round(whole / LETTERS), MOST))
    if count == 1:
        return [module.text()]
    shares: list[set[str]] = [set() for _ in range(count)]
    before = 0
    for name, text in module.functions.items():
        shares[(before + len(text) // 2) * count // whole].add(name)
        before += len(text)
    return [_part(module, share) for share in shares if share]


def _part(module: Module, own: set[str]) -> str:
    """Return the module with these functions; it declares the others, and all can be called from outside."""
    others = [f"declare {s}" for name, s in module.signatures.items() if name not in own]
    bodies = [
        text.replace("define internal ", "define ", 1) for n, text in module.functions.items() if n in own
    ]
    return module.of([*others, *bodies])
