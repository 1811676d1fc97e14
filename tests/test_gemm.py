"""Matrix products as machine code: any shape and strides, on every kind of processor that this one can play."""

import ctypes
import itertools
import math
import mmap
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearprop.compile import blocking
from clearprop.compile.choice import plan
from clearprop.compile.engine import Native, machine
from clearprop.compile.epilogue import Epilogue
from clearprop.compile.gemm import SLICE, product
from clearprop.compile.kernels import Access, Apply, Buffer, Load, Loop, Store
from clearprop.compile.module import Module
from clearprop.compile.strides import Strides
from clearprop.compile.target import TARGETS, detect
from clearprop.compile.text import Function
from clearprop.core.lowering import Layout
from clearprop.core.types import Type

ABLE = {"avx512": 3, "avx2": 2, "sse2": 1}
HERE = [t for name, t in TARGETS.items() if ABLE.get(name, 9) <= ABLE.get(detect().name, 0)]
HERE += [replace(t, name=f"{t.name} in halves", halves=True) for t in HERE if t.vector_bytes == 64]
DTYPES = [np.dtype(np.float32), np.dtype(np.float64)]
PAGE = mmap.PAGESIZE
ROOM = 16  # elements of which lines with room behind them are a multiple
targets = pytest.mark.parametrize("target", HERE, ids=lambda t: t.name)
dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=str)


class Fence:
    """Memory between two pages that nobody may touch; reading or writing beyond it ends the process."""

    def __init__(self):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.libc.mmap.restype = ctypes.c_void_p
        self.libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
        self.libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        self.libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
        self.maps = []

    def array(self, shape, dtype, order, at_end=True):
        """An array whose last element is the last before the fence, or whose first is the first behind one.

        Behind rows (P) or columns (Q) there may be room, which is not zero here: no result may depend on it.
        """
        rows, columns = shape
        strided, wide, long = (2 * rows - 1, 3 * columns - 2), -(-columns // ROOM), -(-rows // ROOM)
        inner = {
            "C": shape, "F": shape[::-1], "S": strided, "P": (rows, wide * ROOM), "Q": (columns, long * ROOM),
        }[order]  # fmt: skip
        needed = inner[0] * inner[1] * dtype.itemsize
        pages = -(-needed // PAGE)
        base = self.libc.mmap(None, (pages + 2) * PAGE, 3, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
        for edge in (base, base + (pages + 1) * PAGE):
            assert self.libc.mprotect(edge, PAGE, 0) == 0
        self.maps.append((base, (pages + 2) * PAGE))
        start = base + PAGE + (pages * PAGE - needed if at_end else 0)
        flat = np.frombuffer((ctypes.c_char * needed).from_address(start), dtype).reshape(inner)
        if order in "PQ":
            flat[...] = np.nan
        kinds = {"C": flat, "F": flat.T, "S": flat[::2, ::3], "P": flat[:, :columns], "Q": flat.T[:rows]}
        return kinds[order]

    def __enter__(self):
        return self

    def __exit__(self, failure, *_):
        for base, length in () if failure else self.maps:  # a failure's report shows the arrays
            self.libc.munmap(base, length)


def layout(x):
    strides, lengths = [s // x.itemsize for s in x.strides[-2:]], x.shape[-2:]
    lines = [(strides[0], lengths[1])] * (strides[1] == 1) + [(strides[1], lengths[0])] * (strides[0] == 1)
    return Strides(*strides, max((apart - length for apart, length in lines), default=0))


def function(native, name, integers=0, pointers=5):
    kinds = [ctypes.c_void_p] * pointers + [ctypes.c_int64] * integers
    return ctypes.CFUNCTYPE(None, *kinds)(native.address(name))


def table(arrays):
    """The addresses of arrays, for an epilogue."""
    return (ctypes.c_void_p * max(len(arrays), 1))(*(x.ctypes.data for x in arrays))


class Compiled:
    """A product's functions, and the memory that they may use with a band around it that they may not."""

    def __init__(self, target, a, b, c, epilogue=None, room=math.inf, lent=False):
        module = Module()
        m, k, n = *a.shape[-2:], b.shape[-1]
        self.made = product(
            module, "p", target, a.dtype, (m, n, k), layout(a), layout(b), layout(c), epilogue, room, lent
        )
        for name in (self.made.name, self.made.pack, self.made.slice):
            module.functions[name] = module.functions[name].replace("define internal", "define")
        self.native, self.names = Native(module.text(), target), list(module.functions)
        self.operands = [x.ctypes.data for x in (a, b, c)]

    def memory(self, size):
        """64-byte aligned memory and its band."""
        band = np.full(size + 8192 + 64, 0xA5, np.uint8)
        start = -band.ctypes.data % 64 + 4096
        return band.ctypes.data + start, band, (start, start + size)

    def __call__(self, *arrays):
        size = self.made.work_bytes + self.made.scratch_bytes
        work, band, (first, last) = self.memory(size)
        function(self.native, "p", 1)(*self.operands, work, table(arrays), 0)
        assert (band[:first] == 0xA5).all()
        assert (band[last:] == 0xA5).all()

    def in_slices(self, cuts, *arrays):
        """Do the work of (tiles, panels) rectangles one by one in each round, each with scratch memory of its own."""
        made, (a, b, c) = self.made, self.operands
        run = function(self.native, made.slice, len(SLICE) - 6, 6)
        for left in range(0, made.panels, made.together):
            right = min(left + made.together, made.panels)
            work, copies, (_, last) = self.memory(made.work_bytes)
            pieces = (left, right) if made.pieces == made.together else (0, made.pieces)
            function(self.native, made.pack, 2, 3)(a, b, work, *pieces)
            assert (copies[last:] == 0xA5).all()
            for tiles, panels in cuts:
                scratch, band, (_, last) = self.memory(made.scratch_bytes)
                inside = np.clip(panels, left, right).tolist()
                run(a, b, c, work, scratch, table(arrays), 0, *tiles, *inside)
                assert (band[last:] == 0xA5).all()


def fill(x, rng):
    x[...] = rng.standard_normal(x.shape)
    return x


def check(found, a, b):
    """Compare with NumPy in float64, within the rounding of a sum of K products."""
    wide = a.astype(np.float64), b.astype(np.float64)
    bound = (a.shape[-1] + 4) * np.finfo(a.dtype).eps * (abs(wide[0]) @ abs(wide[1]))
    assert (abs(found - wide[0] @ wide[1]) <= bound + 1e-30).all()


def run(target, dtype, m, n, k, orders, at_end=True, seed=0):
    rng = np.random.default_rng(seed)
    with Fence() as fence:
        shapes = (m, k), (k, n), (m, n)
        a, b, c = (fence.array(s, dtype, o, at_end) for s, o in zip(shapes, orders, strict=True))
        fill(a, rng), fill(b, rng)
        whole = c.base if c.base is not None and c.base.shape != c.shape else c
        whole[...] = 777
        Compiled(target, a, b, c)()
        check(c, a, b)
        if orders[2] == "S":
            c[...] = 777
            assert (whole == 777).all()  # nothing between the strides was written


SHAPES = [
    *((1, 1, 1), (1, 67, 5), (67, 1, 5), (31, 33, 1), (15, 16, 17), (3, 2, 65), (64, 64, 64), (67, 67, 67)),
    *((32, 10, 32), (10, 30, 784), (40, 2, 40), (1, 1, 700), (5, 7, 5000), (60, 70, 1100), (300, 40, 300)),
]


@targets
@dtypes
@pytest.mark.parametrize("orders", ["CCC", "CFC", "FCC", "FFF", "CCF", "SCS", "CSC", "PPP", "QPC", "CQP"])
def test_products_equal_numpys(target, dtype, orders):
    often = orders in ("CCC", "CFC", "FCC") and dtype == DTYPES[0]
    for m, n, k in SHAPES[:: 1 if often else 3]:
        run(target, dtype, m, n, k, orders)


@targets
@pytest.mark.parametrize("rows", range(1, 17))
def test_dot_products_of_few_rows(target, rows):
    dtype = DTYPES[rows % 2]
    run(target, dtype, rows, 37, 130 + rows, "CFC")
    run(target, dtype, 37, rows, 530 + rows, "CCC")


sizes = st.integers(1, 67)
places = st.tuples(*[st.sampled_from("CFSPQ")] * 3)


@targets
@settings(max_examples=20, deadline=None)
@given(sizes, sizes, sizes, places, st.sampled_from(DTYPES), st.booleans())
def test_any_size_and_strides(target, m, n, k, orders, dtype, at_end):
    run(target, dtype, m, n, k, orders, at_end)


@targets
@pytest.mark.parametrize(("n", "room", "copied"), [(16, 0, False), (15, 1, False), (15, 0, True)])
def test_rows_with_room_behind_them_are_read_in_place(target, n, room, copied):
    b = Strides(16, 1, room) if room else Strides(n, 1)
    made = product(Module(), "p", target, DTYPES[0], (21, n, 560), Strides(560, 1), b, Strides(n, 1))
    masked = target.vector_bytes == 64
    assert (made.work_bytes + made.scratch_bytes > 560 * 4) == (copied and not masked)


@pytest.mark.parametrize(("n", "narrow"), [(100, True), (40, True), (41, False), (48, False), (5, True)])
@pytest.mark.parametrize("halves", [False, True])
def test_half_of_a_last_vector_is_computed_where_that_takes_less(n, narrow, halves):
    module, target = Module(), replace(TARGETS["avx512"], halves=halves)
    product(module, "p", target, DTYPES[0], (33, n, 50), Strides(50, 1), Strides(n, 1), Strides(n, 1))
    assert ("_narrow" in module.text()) == (narrow and halves)


@targets
@pytest.mark.parametrize("k", [50, 3000])
def test_tiles_of_both_heights_pass_a_panel_together(target, k):
    """So that B comes once: beside the loops over tiles there are none for the second height."""
    loops = {}
    for m in range(200, 300):
        module = Module()
        made = product(
            module, "p", target, DTYPES[0], (m, 96, k), Strides(k, 1), Strides(96, 1), Strides(96, 1)
        )
        loops.setdefault(len(made.rows), set()).add(module.functions["p_slice"].count("\nhead"))
    assert loops.keys() == {1, 2}
    assert {n + 1 for n in loops[1]} == loops[2]


@targets
@pytest.mark.parametrize("k", [700, 1912])
def test_no_block_of_few_tiles_is_left_over(target, k):
    """It would read all panels of B once more for them."""
    for m in range(100, 600):
        cut = plan(target, DTYPES[0], m, 1344, k, Strides(k, 1), Strides(1344, 1), Strides(1344, 1), True)
        over = cut.tile_count % cut.block
        assert not over or over >= cut.block / 2, (m, cut.tile_count, cut.block)
        assert cut.block * cut.rows[0].height * cut.depth * 4 <= 1.5 * blocking.BLOCK, m


@targets
@pytest.mark.parametrize("orders", ["CCC", "CFC", "FCC"])
def test_long_sums_and_copied_operands(target, orders):
    run(target, DTYPES[0], 130, 100, 2600, orders)
    run(target, DTYPES[0], 256, 256, 256, orders)
    run(target, DTYPES[1], 37, 270, 1100, orders)


@targets
@pytest.mark.parametrize(
    ("m", "n", "k", "orders"),
    [
        *((97, 75, 1400, "CCC"), (40, 3, 30, "CCC"), (50, 90, 60, "CFC")),
        *((45, 301, 1300, "CCC"), (30, 290, 400, "CFC")),  # panels copied by each slice
    ],
)
@pytest.mark.parametrize("with_epilogue", [False, True])
def test_the_cut_does_not_change_a_bit(target, m, n, k, orders, with_epilogue):
    cut_anyhow(target, m, n, k, orders, with_epilogue)


@targets
@pytest.mark.parametrize(("m", "n", "k", "orders"), [(500, 512, 1500, "FCC"), (100, 512, 4096, "CCC")])
@pytest.mark.parametrize("with_epilogue", [False, True])
def test_all_of_a_is_copied_first(target, m, n, k, orders, with_epilogue):
    made = cut_anyhow(target, m, n, k, orders, with_epilogue)
    assert made.group
    assert made.work_bytes > m * k * 4
    assert made.pieces == made.tiles


def cut_anyhow(target, m, n, k, orders, with_epilogue):
    rng = np.random.default_rng(1)
    with Fence() as fence:
        a, b = (
            fill(fence.array(s, DTYPES[0], o), rng) for s, o in zip(((m, k), (k, n)), orders, strict=False)
        )
        c = fence.array((m, n), DTYPES[0], orders[2])
        bias = fill(np.empty(n, np.float32), rng)
        compiled = Compiled(target, a, b, c, through(target, c, LIGHT) if with_epilogue else None)
        compiled(c, bias)
        whole = c.copy()
        made = compiled.made
        tiles = np.sort([0, *rng.integers(0, made.tiles + 1, 3), made.tiles]).tolist()
        panels = np.sort([0, *rng.integers(0, made.panels + 1, 2), made.panels]).tolist()
        cuts = list(itertools.product(itertools.pairwise(tiles), itertools.pairwise(panels)))
        c[...] = np.nan
        compiled.in_slices([cuts[i] for i in rng.permutation(len(cuts))], c, bias)
        np.testing.assert_array_equal(c.view(np.int32), whole.view(np.int32))
        if not with_epilogue:
            check(c, a, b)
        return made


@targets
@pytest.mark.parametrize("with_epilogue", [False, True])
@pytest.mark.parametrize(
    ("m", "n", "k", "orders"),
    [(1100, 160, 300, "CFC"), (1100, 200, 900, "CFC"), (45, 200, 300, "CCC"), (40, 333, 900, "CCC")],
)
def test_asking_for_the_next_panel_changes_no_bit(monkeypatch, target, m, n, k, orders, with_epilogue):
    rng, found = np.random.default_rng(1), []
    a, b = (fill(np.empty(s, np.float32, o), rng) for s, o in zip(((m, k), (k, n)), orders, strict=False))
    bias = fill(np.empty(n, np.float32), rng)
    for least in (0, 1 << 40):
        monkeypatch.setattr(blocking, "FOLLOW", least)
        with Fence() as fence:
            c = fence.array((m, n), DTYPES[0], orders[2])
            compiled = Compiled(target, a, b, c, through(target, c, LIGHT) if with_epilogue else None)
            assert any("_follows" in name for name in compiled.names) == (least == 0)
            compiled(c, bias)
            found.append(c.copy())
    np.testing.assert_array_equal(found[0].view(np.int32), found[1].view(np.int32))


@targets
@pytest.mark.parametrize("with_epilogue", [False, True])
@pytest.mark.parametrize(("m", "n", "k", "orders"), [(90, 400, 300, "CFC"), (60, 333, 1700, "CFC")])
def test_panels_that_are_copied_in_rounds_give_the_same_bits(
    monkeypatch, target, m, n, k, orders, with_epilogue
):
    monkeypatch.setattr(blocking, "ROUND", 0)  # no panels that each slice copies
    rng, found, rounds = np.random.default_rng(1), [], []
    a, b = (fill(np.empty(s, np.float32, o), rng) for s, o in zip(((m, k), (k, n)), orders, strict=False))
    bias = fill(np.empty(n, np.float32), rng)
    for room in (0, math.inf):
        with Fence() as fence:
            c = fence.array((m, n), DTYPES[0], orders[2])
            epilogue = through(target, c, LIGHT) if with_epilogue else None
            compiled = Compiled(target, a, b, c, epilogue, room)
            compiled(c, bias)
            found.append(c.copy())
            made = compiled.made
            rounds.append(made.rounds)
            c[...] = np.nan
            compiled.in_slices([(tiles, (0, made.panels)) for tiles in ((0, 1), (1, made.tiles))], c, bias)
            np.testing.assert_array_equal(c.view(np.int32), found[-1].view(np.int32))
    assert rounds[0] > 1 == rounds[1]
    np.testing.assert_array_equal(found[0].view(np.int32), found[1].view(np.int32))


@targets
@pytest.mark.parametrize("functions", ["light", "heavy"])
@pytest.mark.parametrize(
    ("m", "n", "k", "orders"),
    [
        (97, 75, 1400, "CCC"),
        (45, 301, 1300, "CCC"),
        (60, 80, 2100, "CFC"),
        (97, 64, 1400, "CCP"),
        (40, 30, 50, "CCC"),
    ],
)
def test_parts_of_sums_may_stand_where_results_go(target, m, n, k, orders, functions):
    """To the same bits, on less memory."""
    rng, found, scratch = np.random.default_rng(1), [], []
    a, b = (fill(np.empty(s, np.float32, o), rng) for s, o in zip(((m, k), (k, n)), orders, strict=False))
    bias = fill(np.empty(n, np.float32), rng)
    for lent in (False, True):
        with Fence() as fence:
            c = fence.array((m, n), DTYPES[0], orders[2])
            c[...] = np.nan
            epilogue = through(target, c, {"light": LIGHT, "heavy": HEAVY}[functions])
            compiled = Compiled(target, a, b, c, epilogue, lent=lent)
            compiled(c, bias)
            found.append(c.copy())
            scratch.append(compiled.made.scratch_bytes)
    np.testing.assert_array_equal(found[0].view(np.int32), found[1].view(np.int32))
    if orders[1] == "C":
        ragged = n % target.lanes(4) > 0 and target.vector_bytes < 64
        assert (scratch[1] < scratch[0]) == (k > 1000 and not ragged)


# ---- epilogues


LIGHT, HEAVY = ["relu"], ["tanh", "negative", "tanh", "exp"]  # what fits into kernels, and what does not


def through(target, c, functions, old=False):
    """The loop C = functions(sums + bias), or C = functions(sums + C): arrays 0 and 1 of the table."""
    strides = [layout(c), Strides(0, 1)]
    buffers = [Buffer(Type(c.shape, c.dtype)), Buffer(Type((1, c.shape[1]), c.dtype))]
    source = Load(Access(Buffer(Type(c.shape, c.dtype)), Layout(c.shape, (0, 0))))
    to, bias = (Access(x, Layout(c.shape, (s.row, s.column))) for x, s in zip(buffers, strides, strict=True))
    nodes = [source, Load(to if old else bias)]
    nodes.append(Apply("add", tuple(nodes), {}, c.dtype))
    for name in functions:
        nodes.append(Apply(name, (nodes[-1],), {}, c.dtype))

    def corners(f, row, column):
        def corner(access):
            slot = f.make(f"getelementptr ptr, ptr %table, i64 {buffers.index(access.buffer)}", "ptr")
            place = f.make(f"load ptr, {slot}, align 8", "ptr")
            for index, stride in zip((row, column), access.layout.strides, strict=True):
                place = f.at(place, f.integer("mul", index, stride), c.dtype)
            return place

        return corner

    return Epilogue(target, Loop(c.shape, nodes, [Store(nodes[-1], to)]), source, corners)


@targets
@pytest.mark.parametrize(
    ("m", "n", "k"),
    [(32, 10, 64), (33, 48, 20), (7, 1, 90), (1, 50, 40), (90, 40, 1300), (40, 30, 5), (31, 277, 900)],
)
@pytest.mark.parametrize("orders", ["CCC", "CFC", "FCC", "CCF"])
def test_a_loop_sees_each_sum_once(target, m, n, k, orders):
    rng, dtype = np.random.default_rng(2), DTYPES[0]
    with Fence() as fence:
        a, b, c = (
            fill(fence.array(s, dtype, o), rng) for s, o in zip(((m, k), (k, n), (m, n)), orders, strict=True)
        )
        bias = fill(fence.array((1, n), dtype, "C"), rng)
        a /= k
        exact = a.astype(np.float64) @ b
        Compiled(target, a, b, c, through(target, c, LIGHT))(c, bias)
        np.testing.assert_allclose(c, np.maximum(exact + bias, 0), rtol=1e-4, atol=1e-4)
        Compiled(target, a, b, c, through(target, c, HEAVY))(c, bias)
        wanted = np.exp(np.tanh(-np.tanh(exact + bias)))
        np.testing.assert_allclose(c, wanted, rtol=1e-4, atol=1e-4)
        Compiled(target, a, b, c, through(target, c, [], old=True))(c, bias)
        np.testing.assert_allclose(c, wanted + exact, rtol=1e-4, atol=1e-4)


@targets
@pytest.mark.parametrize("orders", ["CC", "CF", "FC"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("n", [1, 5, 37])
def test_what_is_not_finite_reaches_its_row_and_column_and_no_other(target, orders, bad, n):
    rng = np.random.default_rng(4)
    a, b = (
        np.asarray(fill(np.empty(s, np.float32), rng), order=o)
        for s, o in zip(((20, 33), (33, n)), orders, strict=True)
    )
    a[3, 5], b[7, n - 1] = bad, bad
    c = np.empty((20, n), np.float32)
    Compiled(target, a, b, c)()
    with np.errstate(invalid="ignore"):
        expected = a.astype(np.float64) @ b
    np.testing.assert_array_equal(np.isfinite(c), np.isfinite(expected))
    np.testing.assert_array_equal(np.isnan(c), np.isnan(expected))


@pytest.mark.parametrize("orders", ["CC", "CF", "FC"])
@dtypes
def test_arm_code_can_be_assembled(orders, dtype):
    import llvmlite.binding as llvm

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    a, b = (np.empty(s, dtype, order=o) for s, o in zip(((100, 50), (50, 33)), orders, strict=True))
    module = Module()
    product(module, "p", TARGETS["neon"], dtype, (100, 33, 50), layout(a), layout(b), Strides(33, 1))
    keep = Function(module, "keep", [("ptr", x) for x in "ABCw"], internal=False)
    keep.do("call void @p(ptr %A, ptr %B, ptr %C, ptr %w, ptr null, i64 0)")
    keep.finish()
    code = machine(TARGETS["neon"]).emit_assembly(llvm.parse_assembly(module.text()))
    assert "fmla" in code


def test_kernels_are_shared_between_products():
    module = Module()
    for i, (m, n, k) in enumerate([(200, 100, 784), (100, 784, 50), (50, 64, 30)]):
        product(
            module,
            f"p{i}",
            TARGETS["avx2"],
            DTYPES[0],
            (m, n, k),
            Strides(k, 1),
            Strides(n, 1),
            Strides(n, 1),
        )
    assert sum(name.startswith("tile_") for name in module.functions) <= 4
