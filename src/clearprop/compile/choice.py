"""How a product is cut best: as it is or turned, by tiles or by dot products, whichever takes least."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from .blocking import Plan
from .strides import Strides
from .target import Target

DOTS = 16  # rows of dot products at most: each needs a sum for every column
DISTANT_TURN = 256 * 1024  # bytes that are turned from which on they come from the second cache or beyond
DISTANT = 4 * 1024 * 1024  # bytes of copies from which on no cache has them when they are read


def plan(
    target: Target,
    dtype: np.dtype[np.floating],
    m: int,
    n: int,
    k: int,
    a: Strides,
    b: Strides,
    c: Strides,
    direct: bool,
    folded: bool = False,
    room: float = math.inf,
    lent: bool = False,
) -> Plan:
    """Decide how a product is cut; `direct`, `folded` and `lent` as a plan says."""
    a = replace(a, row=1 if m == 1 else a.row, column=1 if k == 1 and m > 1 else a.column)
    b = replace(b, column=1 if n == 1 else b.column)
    c = replace(c, row=1 if m == 1 and n > 1 else c.row, column=1 if n == 1 else c.column)
    asked = Plan(target, dtype, m, n, k, a, b, c, direct, folded=folded, room=room, lent=lent)
    plain = (asked, asked.transposed)
    dotted = (replace(p, dotted=True) for p in plain if p.b.row == 1 and p.m <= DOTS)
    return min((*plain, *dotted), key=_cost)


def _cost(p: Plan) -> float:
    """About how many cycles a product takes if cut so: multiply-adds, copies and stores."""
    vectors = math.ceil(p.n / p.lanes)
    turned = 1.2 if p.k * p.n * p.dtype.itemsize > DISTANT_TURN else 0.75
    turning = turned * math.log2(p.lanes) / p.lanes  # an element's part in the shuffles that turn a square
    if p.dotted:
        whole, again = p.lanes * math.ceil(p.k / p.lanes), 0.1 * p.k * (p.tile_count - 1)
        busy = vectors * (max(p.m, 4) * whole / 2 + again + 1.2 * p.lanes * p.m + 50 * p.tile_count)
        copies = 0.0 if p.reads_a else 0.4 * p.k * p.m
    else:
        busy = max(p.m * vectors, 8 * math.ceil(vectors / 8)) * (p.k / 2 + 3)
        copies = p.k * p.n * (0.0 if p.b.column == 1 else turning if p.b.row == 1 else 1.5)
        copies += 0.0 if p.reads_a else 0.6 * p.k * p.m
        copies += 2.0 * p.shared if not p.near and p.shared * p.dtype.itemsize > DISTANT else 0.0
    scattered = (
        4.0 if not p.direct else 0.5 if p.c.row == 1 else 1.0
    )  # a loop reads and writes several arrays
    stores = scattered * p.m * p.n if p.c.column != 1 else 0.0 if p.masks else 1.5 * p.m * (p.n % p.lanes)
    return busy + copies + stores
