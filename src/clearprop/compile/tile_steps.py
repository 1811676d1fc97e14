"""The work on one tile as calls: what asks for memory, the kernel, what becomes of its sums."""

from __future__ import annotations

from ..core.frozen import frozen
from .blocking import Plan
from .dot import dot_kernel
from .epilogue import Epilogue, Sums, called, storing
from .microkernel import Tile, kernel
from .module import Module
from .turned_store import storing_turned
from .widths import Panels


@frozen
class Steps:
    """Names of functions.

    Attributes
    ----------
    kernel : str
    finishes : bool
        Whether the kernel goes through the epilogue's loop itself, while it has the sums in registers.
    finish, fetch : str
        What is called after and before it; empty if nothing is.
    """

    kernel: str
    finishes: bool = False
    finish: str = ""
    fetch: str = ""


def tile_steps(
    module: Module, name: str, cut: Plan, height: int, panels: Panels, epilogue: Epilogue | None
) -> Steps:
    """Write the functions for tiles of this height in these panels of a product."""
    dotted, masked = cut.dotted, cut.masks and panels.ragged
    asks = cut.asks and cut.in_c(panels)
    kind = Tile(
        cut.dtype,
        height,
        panels.vectors,
        cut.across,
        masked,
        asks,
        cut.follows(panels),
        cut.far(panels),
        cut.onward,
        cut.narrow(panels),
    )
    sums = Sums(height, panels.columns, cut.c.row if cut.in_c(panels) else cut.spill, cut.turned)
    fetch = ""
    if epilogue and epilogue.fetches(sums):
        fetch = called(module, f"{name}_fetch", epilogue.fetch, sums)
    if epilogue and epilogue.light and not (cut.turned or dotted) and masked == panels.ragged:
        return Steps(kernel(module, cut.target, kind, f"{name}_", epilogue.in_registers), True, "", fetch)
    plain = (
        dot_kernel(module, cut.target, cut.dtype, height, masked)
        if dotted
        else kernel(module, cut.target, kind)
    )
    if cut.direct and cut.in_c(panels):
        return Steps(plain)
    through = epilogue or storing(cut.target, cut.dtype, cut.c.T if cut.turned else cut.c)
    down = epilogue is None and cut.c.row == 1
    write = storing_turned(cut.target, cut.dtype, cut.c.column) if down else through.finish
    return Steps(plain, False, called(module, f"{name}_finish", write, sums), fetch)
