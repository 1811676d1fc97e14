"""Looks inside compiled code: what show prints is what the schedule is; what profile counts and measures."""

from __future__ import annotations

import functools
import inspect
import re
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import clearprop as cp
from clearprop.api.inside import known_inside
from clearprop.compile import parts, profiling
from clearprop.compile.claiming import supported
from clearprop.compile.contents import flops, kind, moved
from clearprop.compile.listing import listing
from clearprop.compile.memory import plan
from clearprop.compile.peaks import Peaks, peaks
from clearprop.compile.program import Program
from clearprop.compile.repeat import Carried, Repeat, Roles
from clearprop.compile.schedule import schedule
from clearprop.compile.target import TARGETS
from clearprop.compile.timed import Timed, TimedRepeat
from clearprop.core.errors import DataError, MissingError, SettingError
from clearprop.core.graph import names_of, print_equation
from clearprop.core.lowering import View
from clearprop.core.types import Type
from clearprop.train.data import hold_out, samples
from clearprop.train.steps import SPLIT
from clearprop.transform.simplify import simplify
from test_compiled import RUNNABLE
from test_schedule import GRAPHS

RNG = np.random.default_rng(0)
shown = functools.partial(cp.show, level="schedule")
EQUATION = re.compile(r"    (\S+: \w+\[[\d,]*\] = .*?)(  # .*)?$")


def normal(*shape: int, dtype: Any = "f4") -> Any:
    return RNG.standard_normal(shape).astype(dtype)


W, B, X, Y = normal(64, 32), normal(32), normal(16, 64), normal(16, 32)


def loss(w: Any, b: Any, x: Any, y: Any) -> Any:
    return np.mean((np.tanh(x @ w + b) - y) ** 2)


STEP = cp.value_and_grad(loss, argnums=(0, 1))
DATA = (normal(50, 5), RNG.integers(0, 3, 50))
FIT = {"loss": cp.losses.cross_entropy, "optimizer": cp.optim.Adam(0.01), "batch_size": 8}


def model() -> Any:
    return cp.nn.MLP(5, (7,), 3, rng=0)


# ---- what is shown


def sections(text: str) -> dict[str, list[str]]:
    """The parts of a listing by their first lines."""
    return {lines[0]: lines[1:] for part in re.split(r"\n(?! )", text) if (lines := part.split("\n"))}


def equations(lines: list[str]) -> set[str]:
    return {found[1].rstrip() for line in lines if (found := EQUATION.match(line))}


@pytest.mark.parametrize("name", GRAPHS)
def test_a_listing_holds_every_equation_kernel_and_place(name: str) -> None:
    function, args = GRAPHS[name]
    graph = simplify(cp.make_graph(function)(*args))
    made = schedule(graph)
    parts = sections(listing(Program(graph, TARGETS["avx2"])))
    kernels = {title: lines for title, lines in parts.items() if title.startswith("kernel ")}
    assert [title.split()[1] for title in kernels] == [f"{i}:" for i in range(len(made.kernels))]
    for kernel, (title, lines) in zip(made.kernels, kernels.items(), strict=True):
        assert title.split()[2] == kind(kernel)
        assert sum(line.startswith(("  writes ", "         ")) for line in lines) >= len(set(kernel.writes()))
    views = parts.get("no kernel, only another way to read:", [])
    listed = [equations(lines) for lines in kernels.values()]
    assert set().union(*listed, equations(views)) == {line[2:] for line in str(graph).split("\n")[1:-1]}, (
        "the equations of the graph"
    )
    names = names_of(graph)
    assert equations(views) <= {
        print_equation(e, names) for e in graph.eqns if isinstance(e.primitive.lowering, View)
    }
    assert " _: " not in str(parts)
    offsets, tops = plan(made.kernels)
    memory = next(title for title in parts if title.startswith("work memory: "))
    assert memory.startswith(
        f"work memory: {max(tops, default=0):,} bytes for {len(offsets)} temporary array"
    )
    starts = sorted(int(line.split()[0].replace(",", "")) for line in parts[memory])
    assert starts == sorted(offsets.values())
    assert "nobody reads it" not in str(parts)


def test_a_listing_says_what_it_is_about() -> None:
    text = shown(STEP, W, B, X, Y)
    here = inspect.getsourcelines(loss)[1] + 1
    for expected in (
        f"    a: f32[16,32] = matmul x w  # test_inside.py:{here}   return np.mean((np.tanh(x @ w + b) - y) ** 2)",
        "kernel 0: product [16,32] = [16,64] @ [64,32]",
        "         b: f32[32] repeated to [16,32]",
        "  writes a: f32[16,32]: read by kernel 1, a loop",
        "  reads  x: f32[16,64] transposed",
        ": is output 0",
        ": is output 2",
    ):
        assert expected in text.split("\n") or f"{expected}\n" in text, expected


TEXTS: dict[str, tuple[Callable[..., Any], list[Any], str]] = {
    "one output": (lambda x: np.exp(x), [X], "is the output"),
    "two readers": (lambda x: (np.exp(x) @ x.T, np.exp(x).T @ x), [X], "read twice, by kernels 1 and 2"),
    "three readers": (
        lambda x: [y := np.exp(x), y @ x.T, y.T @ x, y @ y.T],
        [X],
        "is output 0; read 3 times, by kernels 1, 2 and 3",
    ),
    "two writers": (lambda x: np.concatenate([x, x[:3] * 2]), [X], "written by kernel 1 too"),
    "through a loop": (
        lambda x, w: np.tanh(x @ w),
        [X, W],
        "matmul x w\n    b: f32[16,32] = tanh a\n  reads  x: f32[16,64]\n         w: f32[64,32]\n"
        "  writes b: f32[16,32]: is the output\n",
    ),
    "a slice": (
        lambda x: x[1:, ::2] + 1,
        [X],
        "x: f32[16,64] as [15,32] from element 64 in steps of (64, 2)",
    ),
    "a copy": (lambda x: np.argsort(x.T, 0), [X], "    a, copied in row order for b = argsort"),
    "zeros": (lambda x: np.pad(x, 1), [X], "kernel 0: loop over [18,66]\n    a: f32[18,66] = unslice x"),
    "an input": (lambda x: x, [X], "kernel 0: loop over [16,64]\n    copy\n  reads  x: f32[16,64]"),
    "a number": (lambda x: np.pad(x, 1) * 2, [X], "multiply a 2.0:f32[18,66]"),
    "a constant": (lambda x: x @ W, [X], "  reads  x: f32[16,64]\n         const: f32[64,32]"),
    "one element": (lambda x: x + 1, [np.float32(2)], "kernel 0: loop over []"),
    "nothing": (lambda x: x[:0], [X], "kernel 0: loop over [0,64]"),
    "large": (lambda x: x @ x, [normal(512, 512)], "  shared out to threads in "),
    "large loop": (lambda x: np.exp(x), [normal(512, 512)], "  shared out to threads in "),
}


@pytest.mark.parametrize("name", TEXTS)
def test_listings(name: str) -> None:
    function, args, expected = TEXTS[name]
    text = re.sub(r" +# test_inside.*", "", shown(function, *args))  # the user's lines, which are these here
    assert expected in text


def test_small_work_is_not_shared_out() -> None:
    assert "shared" not in shown(STEP, W, B, X, Y)


@pytest.mark.parametrize("level", ["graph", "schedule", "llvm"])
def test_who_shows_what(level: str) -> None:
    def scaled(x: Any, power: int, shift: float = 0.0) -> Any:
        return np.sum(x**power) + shift

    shown = functools.partial(cp.show, level=level)
    expected = shown(scaled, X, 3, shift=1.0, static_argnums=1)
    assert shown(cp.jit(scaled, static_argnums=1), X, 3, shift=1.0) == expected
    three = np.int64(3)  # an array, unless it is said to be a setting
    assert shown(cp.jit(scaled, static_argnums=1), X, three) == shown(scaled, X, three, static_argnums=1)
    assert shown(cp.jit(scaled), X, three) != shown(scaled, X, three, static_argnums=1)
    assert shown(cp.jit(scaled), X, 3, shift=1.0) == expected, "numbers are settings"
    assert shown(scaled, Type(X.shape, X.dtype), 3, shift=1.0) == expected
    assert shown(cp.jit(scaled), Type(X.shape, X.dtype), 3, shift=1.0) == expected
    assert shown(cp.jit(scaled), np.broadcast_to(X[:1, :1], X.shape), 3, shift=1.0) == expected
    assert shown(scaled, X, 2, shift=1.0) != expected
    assert shown(cp.grad(cp.jit(scaled)), X, 3) == shown(cp.grad(scaled), X, 3), (
        "and not that of the jitted one"
    )


def test_what_is_shown_is_what_is_computed() -> None:
    graph = known_inside(cp.jit(STEP), (W, B, X, Y), {}).graph
    assert cp.show(STEP, W, B, X, Y, level="graph") == str(graph)
    assert cp.show(STEP, W, B, X, Y, level="llvm") == Program(graph).text
    assert "readcyclecounter" not in Program(graph).text
    np.testing.assert_allclose(Program(graph)([W, B, X, Y])[0], loss(W, B, X, Y), rtol=1e-5)


@pytest.mark.parametrize("target", RUNNABLE)
def test_assembly(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEARPROP_TARGET", target)
    text = cp.show(STEP, W, B, X, Y, level="asm")
    assert "kernel0:" in text
    assert "zmm" in text if target == "avx512" else "zmm" not in text


def test_text_is_printed_at_the_prompt() -> None:
    text = shown(np.exp, X)
    assert isinstance(text, str)
    assert repr(text) == str(text)
    assert text.startswith("1 kernel for ")


@pytest.mark.usefixtures("without_llvmlite")
def test_without_llvmlite() -> None:
    assert "tanh" in cp.show(STEP, W, B, X, Y, level="graph")
    assert shown(STEP, W, B, X, Y).splitlines()[0].split(" for ")[1] in ("avx2", "neon")
    assert "define void @run(ptr %table)" in cp.show(STEP, W, B, X, Y, level="llvm")
    assert "is the next layers.0.weight" in shown(cp.fit, model(), DATA, **FIT)
    for ask in (functools.partial(cp.show, level="asm"), cp.profile):
        with pytest.raises(MissingError, match="pip install llvmlite"):
            ask(STEP, W, B, X, Y)


@pytest.mark.usefixtures("without_llvmlite")
@pytest.mark.parametrize("target", TARGETS)
def test_without_llvmlite_a_target_is_shown_that_is_asked_for(
    target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLEARPROP_TARGET", target)
    assert shown(STEP, W, B, X, Y).splitlines()[0].endswith(f" for {target}")


WRONG: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "level": (lambda: cp.show(np.exp, X, level="source"), SettingError, "'graph', 'schedule', 'llvm', 'asm'"),
    "seconds": (lambda: cp.profile(np.exp, X, seconds=0), SettingError, "positive"),
    "keyword": (lambda: shown(cp.fit, model(), DATA, epoch=3, **FIT), TypeError, "epoch"),
    "no loss": (lambda: shown(cp.fit, model(), DATA), TypeError, "loss"),
    "no step": (
        lambda: shown(cp.fit, model(), DATA, loss=FIT["loss"], optimizer=cp.optim.LBFGS()),
        SettingError,
        "L-BFGS",
    ),
    "no rows": (
        lambda: cp.profile(cp.fit, model(), DATA, **{**FIT, "batch_size": 0}),
        DataError,
        "batch_size=0",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_refusals(name: str) -> None:
    call, error, message = WRONG[name]
    with pytest.raises(error, match=message):
        call()


# ---- the step that is trained


def test_the_step_of_fit() -> None:
    text = shown(cp.fit, model(), DATA, **FIT)
    for expected in (
        "8 rows of the data are gathered into x and y",
        ": is the next layers.0.weight, in its place\n",
        ": is the next state.mean.layers.1.bias, in its place\n",
        ", kept of every step\n",
    ):
        assert expected in text
    assert "test_inside.py" not in text, "the line that asks explains nothing"
    assert shown(cp.steps, model(), DATA, **FIT) == text
    assert "40 rows" in shown(cp.fit, model(), DATA, validation=0.2, **{**FIT, "batch_size": 64})
    assert "x, y and weight" in shown(cp.fit, model(), (*DATA, np.ones(50)), **FIT)
    kept = [shown(cp.fit, model(), DATA, metrics=metrics, **FIT) for metrics in ((), ("accuracy",))]
    assert [t.count("kept of every step") for t in kept] == [1, 2]
    assert cp.show(cp.fit, model(), DATA, level="graph", **FIT).startswith(
        "graph(layers.0.weight: f32[5,7], "
    )
    assert "define void @repeat(" in cp.show(cp.fit, model(), DATA, level="llvm", **FIT)


SHARED_OUT = {
    "gradients": (
        (308, 9, 15),
        39,
        cp.optim.SGD(0.1),
        ("39 rows in 2 parts", "a product", "at, put together"),
    ),
    "units": (
        (308, 9, 15),
        39,
        cp.optim.Adam(0.1),
        ("308 units in 2 parts", "a, put together from its parts"),
    ),
    "rows": ((90, 60, 10), 200, cp.optim.Adam(0.1), ("200 rows in 2 parts", "put together from its parts")),
}


@pytest.mark.parametrize("name", SHARED_OUT)
def test_what_is_shared_out_together_is_told_by_its_equations(name: str) -> None:
    widths, batch, optimizer, expected = SHARED_OUT[name]
    net = cp.nn.MLP(widths[0], widths[1:-1], widths[-1], activation=cp.relu, rng=0)
    data = (normal(batch, widths[0]), RNG.integers(0, widths[-1], batch))
    settings: dict[str, Any] = {"loss": cp.losses.cross_entropy, "optimizer": optimizer, "batch_size": batch}
    inside = known_inside(cp.fit, (net, data), settings)
    text = listing(Repeat(inside.graph, inside.stepper.roles(inside.size), TARGETS["avx512"]))
    assert all(part in text for part in expected)
    told = {line.partition("  #")[0].strip() for line in text.split("\n")}
    assert {line.strip() for line in str(inside.graph).split("\n")[1:-1]} <= told
    assert " _: " not in text
    assert not told & {"copy", "add"}


def test_only_what_is_not_held_out_is_trained_on() -> None:
    step = known_inside(cp.fit, (model(), DATA), {**FIT, "validation": 0.2})
    train, _ = hold_out(samples(DATA), 0.2, cp.random.fold_in(cp.random.key(0), SPLIT))
    assert sorted(step.order) == sorted(train.rows)


def test_what_is_not_changed_in_place_changes_places() -> None:
    def step(w: Any, v: Any, x: Any) -> Any:
        return w @ w, v + 1, np.sum(x)

    graph = simplify(cp.make_graph(step)(normal(4, 4), normal(4), X))
    text = listing(Repeat(graph, Roles(2, (2,)), TARGETS["avx2"]))
    assert "gathered into x; last, 1 array changes places with its successor\n" in text
    assert ": is the next w\n" in text
    assert ": is the next v, in its place\n" in text


def test_donated_arrays_are_named() -> None:
    def update(w: Any, g: Any) -> Any:
        return w - g

    assert ": is the output, in the place of w\n" in shown(cp.jit(update, donate_argnums=0), B, B + 1)
    assert ": is the output\n" in shown(cp.jit(update), B, B + 1)


def test_a_clock_changes_no_bit() -> None:
    inside = known_inside(cp.fit, (model(), DATA), FIT)
    found, rows = [], np.arange(48)
    for step in (Repeat, TimedRepeat):
        run = step(inside.graph, inside.stepper.roles(inside.size)).begin(
            Carried(inside.stepper.leaves), inside.stepper.data
        )
        found.append([b"".join(a.tobytes() for a in (*run.run(rows, 6), *run.carried.now))])
    assert found[0] == found[1]
    graph = known_inside(cp.jit(STEP), (W, B, X, Y), {}).graph
    for plain, timed in zip(*(made(graph)([W, B, X, Y]) for made in (Program, Timed)), strict=True):
        assert plain.tobytes() == timed.tobytes()


def test_a_long_program_has_one_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "LETTERS", 100)
    program = Timed(known_inside(cp.jit(STEP), (W, B, X, Y), {}).graph)
    assert len(list(Program(program.graph)._parts())) > 1
    program([W, B, X, Y])
    passed, _ = program.ticks()
    assert (passed > 0).all()
    assert not program.ticks()[0].any(), "handed over, and begun anew"


# ---- what machine code is made from


def test_names_and_lines_are_not_in_the_digest() -> None:
    def here(first: Any, second: Any) -> Any:
        return np.tanh(first @ second)

    graphs = [cp.make_graph(f)(X, W) for f in (here, lambda a, b: np.tanh(a @ b))]
    assert str(graphs[0]) != str(graphs[1])
    digests = {Program(g)._digest() for g in graphs}
    assert len(digests) == 1
    assert None not in digests
    assert Program(graphs[0])._digest() != Timed(graphs[0])._digest()


# ---- what is counted

N = 16 * 64
COUNTS: dict[str, tuple[Callable[..., Any], list[Any], list[tuple[str, int, int]]]] = {
    "product": (lambda x, w: x @ w, [X, W], [("product", 2 * N * 32, 4 * (N + 64 * 32 + 16 * 32))]),
    "products": (
        lambda x, y: x @ y,
        [normal(7, 3, 4, dtype="f8"), normal(7, 4, 5, dtype="f8")],
        [("product", 2 * 7 * 3 * 4 * 5, 8 * 7 * (12 + 20 + 15))],
    ),
    "one matrix for all": (
        lambda x, y: x @ y,
        [normal(7, 3, 4), normal(4, 5)],
        [("product", 2 * 7 * 3 * 4 * 5, 4 * (84 + 20 + 105)), ("loop", 0, 8 * 105)],
    ),
    "loop in product": (
        lambda x, w, v: np.tanh(x @ w + v),
        [X, W, normal(32)],
        [("product", 16 * 32 * (2 * 64 + 2), 4 * (N + 64 * 32 + 32 + 16 * 32))],
    ),
    "map": (lambda x: np.tanh(x) * x, [X], [("loop", 2 * N, 8 * N)]),
    "a row for all": (lambda x, v: x + v, [X, normal(64)], [("loop", N, 4 * (2 * N + 64))]),
    "fold": (lambda x: np.sum(x * x, 1), [X], [("loop", 2 * N, 4 * (N + 16))]),
    "a part": (lambda x: x[:, ::2] * 2, [X], [("loop", N // 2, 4 * N)]),
    "comparison": (lambda x: x > 0, [X], [("loop", 0, 5 * N)]),
    "conversion": (lambda x: x.astype("f8"), [X], [("loop", 0, 12 * N)]),
    "integers": (lambda i: i + i, [np.arange(9)], [("loop", 0, 144)]),
    "scan": (lambda x: np.cumsum(x, 1), [X], [("scan", N, 8 * N)]),
    "pick": (lambda x: np.argmax(x, 1), [X], [("pick", 0, 4 * N + 8 * 16)]),
    "gather": (lambda x: x[np.array([3, 1])], [X], [("gather", 0, 4 * 128 + 16 + 4 * 128)]),
    "empty": (lambda x: x[:0] + 1, [X], [("loop", 0, 0)]),
}


@pytest.mark.parametrize("name", COUNTS)
def test_flops_and_bytes(name: str) -> None:
    function, args, expected = COUNTS[name]
    made = schedule(simplify(cp.make_graph(function)(*args)))
    assert [(kind(k), flops(k), moved(k)) for k in made.kernels] == expected


def test_a_scatter_adds_what_it_gets() -> None:
    graph = cp.make_graph(lambda u, i: cp.scatter_add(np.zeros((5, 64), "f4"), i, u))(X, np.arange(16) % 5)
    assert [flops(k) for k in schedule(simplify(graph)).kernels if kind(k) == "scatter"] == [N]


# ---- what is measured


@pytest.fixture
def small_peaks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Peaks that take no time."""
    monkeypatch.setattr(profiling, "peaks", lambda n: Peaks(n, 100.0 * n, 50.0 * n, 10.0 * n))


@pytest.mark.usefixtures("small_peaks")
def test_a_profile() -> None:
    n, expected = 256, []
    found = cp.profile(lambda w, x: np.sum(np.tanh(x @ w), 1), normal(n, n), normal(n, n), seconds=0.05)
    expected.append(("matmul", "product", (n, n, n), 2 * n**3, 12 * n**2))
    expected.append(("tanh, sum", "loop", (n, n), 2 * n**2, 4 * (n**2 + n)))
    for row, (*what, work, size) in zip(found.rows, expected, strict=True):
        best = found.peaks[row.threads > 1]
        assert [row.name, row.kind, row.shape] == what
        assert row.time > 0
        assert row.gflops == pytest.approx(work / row.time / 1e3)
        assert row.peak_share == pytest.approx(row.gflops / best.float32)
        assert row.gbps == pytest.approx(size / row.time / 1e3)
        assert row.memory_share == pytest.approx(row.gbps / best.memory)
    assert sum(r.share for r in found.rows) == pytest.approx(1)
    assert found.time == pytest.approx(found.around + sum(r.time for r in found.rows))
    assert found.runs >= profiling.FEWEST
    assert found.rows[1].time < found.rows[0].time, "each has its own time"


@pytest.mark.usefixtures("small_peaks")
def test_the_clock_is_right() -> None:
    def work(x: Any) -> Any:
        return np.sum(np.tanh(x) + np.exp(x))

    x, compiled_work = normal(1500, 1500), cp.jit(work)

    def agree() -> bool:
        walls = []
        for _ in range(9):
            begun = time.perf_counter()
            compiled_work(x)
            walls.append((time.perf_counter() - begun) * 1e6)
        usual = float(np.median(walls))
        found = cp.profile(work, x, seconds=0.2)
        kernels = sum(r.time for r in found.rows)
        return usual / 4 < kernels < 4 * usual and usual / 4 < found.time < 4 * usual

    assert any(agree() for _ in range(5)), "no attempt agrees with another clock: a busy machine spoils some"


@pytest.mark.skipif(not supported(), reason="threads wait on Linux' futex")
@pytest.mark.usefixtures("small_peaks")
@pytest.mark.parametrize("threads", [1, 2])
def test_what_is_shared_out_is_compared_with_all_threads(threads: int) -> None:
    cp.set_threads(threads)
    try:
        found = cp.profile(lambda x: np.sum(np.exp(x)) + np.exp(x), normal(400, 400), seconds=0.01)
    finally:
        cp.set_threads(None)
    assert [peak.threads for peak in found.peaks] == list(range(1, threads + 1))
    shared = [row for row in found.rows if row.threads > 1]
    assert bool(shared) == (threads > 1)
    assert all(row.peak_share == pytest.approx(row.gflops / 100 / row.threads) for row in found.rows)


@pytest.mark.usefixtures("small_peaks")
def test_a_profile_prints_as_a_table() -> None:
    text = str(cp.profile(STEP, W, B, X, Y, seconds=0.01))
    assert repr(text) != text
    first, head, *rows = text.split("\n")
    assert re.fullmatch(r"[\d.]+ µs a run, [\d,]+ runs", first)
    ends = [m.end() for m in re.finditer(r"threads|µs|share|GFLOP/s|of peak|GB/s|of memory", head)]
    for row in [r for r in rows if re.match(r" +\d+  ", r)]:
        assert len(row) == len(head)
        assert all(row[end - 1] != " " for end in ends[:3])
    assert rows[0].split()[:4] == ["0", "product:", "matmul", "16×32×64"]
    assert any("around the kernels" in row for row in rows)
    assert rows[-1].startswith("peaks of ")


@pytest.mark.usefixtures("small_peaks")
def test_the_profile_of_a_step_leaves_the_model_alone() -> None:
    net = model()
    before = [leaf.copy() for leaf in cp.tree.leaves(net)]
    found = cp.profile(cp.fit, net, DATA, seconds=0.01, **FIT)
    assert cp.profile(cp.steps, net, DATA, seconds=0.01, **FIT).rows[0].name == found.rows[0].name
    assert all((a == b).all() for a, b in zip(before, cp.tree.leaves(net), strict=True))
    assert len(found.rows) == shown(cp.fit, net, DATA, **FIT).count("\nkernel ")


def test_peaks_are_plausible() -> None:
    found = peaks(1)
    assert found is peaks(1), "measured once"
    assert 0.5 < found.float64 < found.float32 < 2000
    assert 0.1 < found.memory < 2000
    assert (found.flops(8), found.flops(4), found.flops(2)) == (found.float64, found.float32, found.float32)


def test_peaks_are_what_products_nearly_reach() -> None:
    cp.set_threads(1)
    try:
        found = cp.profile(lambda x: x @ x, normal(384, 384), seconds=0.1)
    finally:
        cp.set_threads(None)
    assert 0.1 < found.rows[0].peak_share < 1.4


def test_views_are_in_no_kernel() -> None:
    graph = simplify(cp.make_graph(lambda x: x.T[1:] + 1)(X))
    text = listing(Program(graph))
    views = sections(text)["no kernel, only another way to read:"]
    assert len(views) == sum(isinstance(e.primitive.lowering, View) for e in graph.eqns) == 2
