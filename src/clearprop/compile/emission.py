"""A kernel of any kind, written into its function. What writes text is loaded only where there is code to make."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

from .abreast import emit_abreast
from .arriving import Arriving
from .cut_loops import emit_cut_loop, emit_cut_strips
from .cutting import Owned
from .frame import Frame, Memory
from .kernels import Buffer, Contraction, Kernel, Loop, Special, Strips
from .parted import emit_parted
from .products import emit_product
from .several import Abreast, Parted
from .specials import emit_special, scratch_bytes
from .target import Target


def emit_kernel(
    frame: Frame,
    kernel: Kernel,
    name: str,
    target: Target,
    arriving: Arriving | None = None,
    owned: Mapping[Buffer, Owned] = MappingProxyType({}),
) -> Memory:
    """Write a kernel, and beside it functions whose names begin with this one; return what memory it needs.

    A product may copy rows that are ``arriving`` where it reads them; those of the buffers ``owned`` are threads' own.
    """
    if isinstance(kernel, Parted):
        return emit_parted(frame, kernel, name, partial(emit_kernel, target=target), arriving)
    if isinstance(kernel, Abreast):
        return emit_abreast(frame, target, kernel, name, partial(emit_kernel, target=target))
    if isinstance(kernel, Loop):
        return emit_cut_loop(frame, target, kernel)
    if isinstance(kernel, Strips):
        return emit_cut_strips(frame, target, kernel)
    if isinstance(kernel, Contraction):
        return emit_product(frame, target, kernel, name, arriving, owned)
    assert isinstance(kernel, Special)
    emit_special(frame.f, target, kernel, frame.address, frame.scratch())
    return Memory(scratch_bytes(kernel))
