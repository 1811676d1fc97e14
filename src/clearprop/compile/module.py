"""LLVM text of several functions: what they call, what they share, and how LLVM is to make them."""

from __future__ import annotations

from collections.abc import Iterable

COMMON = 'nounwind "prefer-vector-width"="512"'
ATTRIBUTES = (
    f"attributes #0 = {{ {COMMON} }}",
    f"attributes #1 = {{ {COMMON} noinline optnone }}",  # made in half the time, to the same bits
)
SELDOM = "; made in the least time\n"
"""How a text begins that LLVM need not look for better code in at all."""


class Module:
    """Functions and the intrinsics that they call; each function once, by its name.

    Parameters
    ----------
    seldom : bool
        Whether it runs so seldom that LLVM need not look for better code in any of its functions.
    """

    def __init__(self, seldom: bool = False) -> None:
        self.seldom = seldom
        self.functions: dict[str, str] = {}
        self.signatures: dict[str, str] = {}
        self.declared: dict[str, str] = {}
        self.globals: dict[str, str] = {}

    def declare(self, name: str, signature: str) -> None:
        """Note an external function, as ``returned @name(arguments)``."""
        self.declared[name] = f"declare {signature}"

    def text(self) -> str:
        """Return the module."""
        return self.of(self.functions.values())

    def of(self, functions: Iterable[str]) -> str:
        """Return a module of these functions, with all else that this one has."""
        lines = [*self.globals.values(), *self.declared.values(), *functions]
        return SELDOM * self.seldom + "\n".join([*lines, *ATTRIBUTES, ""])
