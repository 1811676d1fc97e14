"""Products of few terms or few rows: outer products as loops over C, sums in parts, and the rows that threads own."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import clearprop as cp
from clearprop.compile import blocking, outer, products
from clearprop.compile.fusion import NARROW
from clearprop.compile.kernels import Contraction
from clearprop.compile.outer import suits
from clearprop.compile.program import Program
from clearprop.compile.target import TARGETS
from test_gemm import HERE, Fence, dtypes, targets

rng = np.random.default_rng(0)


def stored(x, d):
    return x.T @ d


def with_a_row(x, d, w, b):
    return w * 2 - (x.T @ d + b)


def updated(x, d, w, m, v, rate):
    gradient = x.T @ d
    m, v = 0.9 * m + 0.1 * gradient, 0.99 * v + 0.01 * gradient * gradient
    return w - rate * m / (np.sqrt(v) + 1e-3), m, v


def normal(shape, dtype):
    return rng.standard_normal(shape).astype(dtype)


def contractions(program):
    return [k for k in program.schedule.kernels if isinstance(k, Contraction)]


def check(function, args, target, path):
    """Compare with NumPy in double precision; nothing outside of the arrays may be touched."""
    program = Program(cp.make_graph(function)(*args), target)
    assert path(contractions(program)[0])
    dtype = args[0].dtype
    with Fence() as fence:
        fenced = list(args)
        for i, a in enumerate(args):
            if a.ndim == 2:
                fenced[i] = fence.array(a.shape, dtype, "C", at_end=i % 2 == 0)
                fenced[i][...] = a
        found = cp.tree.leaves(program(fenced))
    wanted = cp.tree.leaves(function(*(a.astype("f8") for a in args)))
    tolerance = {"rtol": 2e-5, "atol": 2e-5} if dtype == np.float32 else {"rtol": 1e-12, "atol": 1e-12}
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, **tolerance)


@targets
@dtypes
@pytest.mark.parametrize("columns", ["one vector", "two and one", "two less one", "five and a half", "even"])
@pytest.mark.parametrize("rows", [1, 2, 17, 150])
def test_few_terms_equal_numpys(target, dtype, columns, rows):
    lanes = target.lanes(dtype.itemsize)
    n = {
        "one vector": lanes,
        "two and one": 2 * lanes + 1,
        "two less one": 3 * lanes - 1,
        "five and a half": 11 * lanes // 2,
        "even": 10 * lanes,
    }[columns]
    n += lanes * -(-max(NARROW - n, 0) // lanes)  # with a loop

    def path(kernel):
        return suits(target, kernel)

    for function, terms, more in ((stored, 1, 0), (with_a_row, 2, 2), (updated, 4, 4)):
        shapes = [(terms, rows), (terms, n), *[(rows, n)] * min(more, 3)]
        args = [normal(s, dtype) for s in shapes]
        if function is with_a_row:
            args[3] = normal(n, dtype)
        if function is updated:
            args[4:] = [np.abs(args[4]), dtype.type(0.1)]
        check(function, args, target, path)


@settings(max_examples=30, deadline=None)
@given(
    m=st.integers(1, 90),
    n=st.integers(32, 400),
    k=st.integers(1, 2),
    target=st.sampled_from(HERE),
    turned=st.booleans(),
)
def test_few_terms_of_any_size(m, n, k, target, turned):
    def function(x, d, w):
        return w - 0.5 * (x.T @ (d.T if turned else d))

    dtype = np.dtype("f4")
    args = [normal(s, dtype) for s in ((k, m), (n, k) if turned else (k, n), (m, n))]
    check(function, args, target, lambda kernel: suits(target, kernel))


@targets
@dtypes
@pytest.mark.parametrize("columns", [64, 100, 131, 203])
@pytest.mark.parametrize("rows", [1, 3, 40])
def test_blocks_of_columns_equal_numpys(monkeypatch, target, dtype, columns, rows):
    monkeypatch.setattr(outer, "WIDE", 0)
    monkeypatch.setattr(outer, "BLOCK", 1000)
    args = [normal(s, dtype) for s in ((4, rows), (4, columns), *[(rows, columns)] * 3)]
    args[4:] = [np.abs(args[4]), dtype.type(0.1)]
    check(updated, args, target, lambda kernel: suits(target, kernel))
    args = [normal(s, dtype) for s in ((2, rows), (2, columns), (rows, columns), columns)]
    check(with_a_row, args, target, lambda kernel: suits(target, kernel))


@targets
@pytest.mark.parametrize("shape", [(1, 33, 200), (3, 100, 531), (16, 17, 1000), (2, 5, 140)])
@pytest.mark.parametrize("parts", [2, 4, 8])
def test_sums_in_parts_equal_numpys(monkeypatch, target, shape, parts):
    (m, n, k), dtype = shape, np.dtype("f4")
    monkeypatch.setattr(products, "sum_cut", lambda *_: parts)
    for function, more in ((lambda x, w: x @ w, []), (lambda x, w, b: np.maximum(x @ w + b, 0), [(n,)])):
        args = [normal(s, dtype) / np.sqrt(k, dtype=dtype) for s in ((m, k), (k, n), *more)]
        check(function, args, target, lambda kernel: not suits(target, kernel))


@targets
def test_tiles_in_the_order_of_memory_equal_numpys(monkeypatch, target):
    monkeypatch.setattr(blocking, "LARGE", 0)
    args = [normal(s, np.dtype("f4")) for s in ((9, 70), (9, 101), (70, 101))]
    check(lambda x, d, w: w - 0.5 * (x.T @ d), args, target, lambda kernel: not suits(target, kernel))


def step(x, w, t):
    """A layer, and its update by something like an error."""
    error = np.tanh(x @ w) - t
    return w - 0.1 * (x.T @ error)


@pytest.mark.parametrize("batch", [1, 2, 12])
def test_what_is_updated_in_parts_is_read_in_parts(batch):
    x, w, t = (normal(s, np.dtype("f4")) for s in ((batch, 1500), (1500, 100), (batch, 100)))
    program, found = Program(cp.make_graph(step)(x, w, t)), []
    assert program.text
    shared = [names for names in program.shared if names]
    assert len(shared) == 2
    for threads in (1, 2, 3):
        cp.set_threads(threads)
        found.append(program([x, w, t])[0].tobytes())
    cp.set_threads(None)
    assert len(set(found)) == 1
    small = Program(cp.make_graph(step)(x[:, :10], w[:10], t))
    assert small.text
    assert not any(small.shared)


@pytest.mark.parametrize(
    ("batch", "width", "asked"), [(12, 100, True), (64, 100, True), (200, 100, False), (64, 2, False)]
)
def test_what_threads_have_read_in_other_parts_is_asked_for_to_be_written(batch, width, asked):
    """Not where a long sum hides the wait, nor what is little."""
    x, w, t = (normal(s, np.dtype("f4")) for s in ((batch, 1500), (1500, width), (batch, width)))
    text = Program(cp.make_graph(step)(x, w, t), TARGETS["avx512"]).text
    assert (", i32 1, i32 3, i32 1)" in text) == asked


@pytest.mark.parametrize(("rows", "stored"), [(1, "<2 x float>"), (2, "<4 x float>"), (8, "<16 x float>")])
def test_what_is_written_out_is_stored_together(rows, stored):
    x, w = normal((rows, 2), np.dtype("f4")), normal((2, 2), np.dtype("f4"))
    graph = cp.make_graph(lambda x, w: x @ w)(x, w)
    text = Program(graph, TARGETS["avx512"]).text
    assert f"store {stored}" in text
    assert "store float" not in text
    np.testing.assert_allclose(Program(graph)([x, w])[0], x @ w, rtol=1e-6, atol=1e-6)
