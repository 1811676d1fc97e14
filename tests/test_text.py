"""The LLVM text that is not written, and where LLVM is asked to look for better code."""

import re

import numpy as np
import pytest

import clearprop as cp
from clearprop.compile.module import Module
from clearprop.compile.program import Program
from clearprop.compile.target import TARGETS
from clearprop.compile.text import Function, Value
from clearprop.compile.turning import turned
from clearprop.core.trace import trace
from clearprop.core.types import Type
from clearprop.train import stepper

N = Value("%n", "i64")


def function(module=None, **settings):
    return Function(module or Module(), "f", [("i64", "n")], **settings)


@pytest.mark.parametrize(
    ("instruction", "a", "b", "found"),
    [
        ("add", N, 0, "%n"),
        ("sub", N, 0, "%n"),
        ("mul", N, 1, "%n"),
        ("udiv", N, 1, "%n"),
        ("add", 0, 0, "0"),
        ("add", N, Value("0", "i64"), "%n"),
        ("sub", 0, N, None),
        ("mul", N, 0, None),
        ("add", N, 1, None),
        ("urem", N, 1, None),
    ],
)
def test_sums_and_products_that_change_nothing_are_not_written(instruction, a, b, found):
    f = function()
    value = f.integer(instruction, a, b)
    assert len(f.lines) == (2 if found else 3)
    assert value.name == (found or "%v1")


@pytest.mark.parametrize(
    ("start", "stop", "step", "looping"),
    [(0, 1, 1, False), (3, 7, 4, False), (3, 7, 5, False), (0, 2, 1, True), (0, 0, 1, True), (0, N, 1, True)],
)
def test_a_single_round_is_no_loop(start, stop, step, looping):
    f, seen = function(), []
    begun = f.constant(0, "i64")

    def body(i, carried):
        seen.append(i.name)
        return [f.integer("add", carried[0], 5)]

    (left,) = f.loop(start, stop, step, [begun], body)
    assert any("phi" in line for line in f.lines) == looping
    assert seen == (["%i4"] if looping else [str(start)])
    assert left.name == ("%c5" if looping else "%v1")


@pytest.mark.parametrize(
    ("seldom", "plain", "kind"), [(False, False, 0), (False, True, 1), (True, False, 1), (True, True, 1)]
)
def test_llvm_is_spared_what_is_plain_or_seldom(seldom, plain, kind):
    module = Module(seldom)
    function(module, plain=plain).finish()
    assert module.functions["f"].splitlines()[0] == f"define internal void @f(i64 %n) #{kind} {{"
    spared = re.findall(r"attributes #(\d) = \{[^}]*optnone", module.text())
    assert spared == ["1"]


def test_tiles_and_loops_are_looked_through_and_what_calls_them_is_not():
    """A product of two matrices whose rows are summed up afterwards."""
    types = [Type((64, 64), np.dtype(np.float32))] * 2
    graph, _ = trace(lambda a, b: [np.cumsum(a @ b, axis=1)], types)
    functions = Program(graph, TARGETS["avx512"]).module.functions
    kinds = {name: re.search(r"\) #(\d) \{", text).group(1) for name, text in functions.items()}
    tiles = [name for name in kinds if "tile" in name]
    assert tiles
    assert all(kinds[name] == "0" for name in (*tiles, "kernel1"))
    assert all(kinds[name] == "1" for name in ("product0_slice", "product0", "kernel0", "run"))


@pytest.mark.parametrize(("lanes", "fences"), [(4, 0), (8, 8), (16, 16)])
@pytest.mark.parametrize("element", ["float", "i32"])
def test_a_transposition_of_many_exchanges_is_fenced_once(lanes, fences, element):
    f = function()
    turned(f, [Value(f"%x{i}", element, lanes) for i in range(lanes)], lanes)
    text = "\n".join(f.lines)
    assert text.count("llvm.arithmetic.fence") == (fences if element == "float" else 0)


def test_code_that_runs_seldom_gives_the_same_bits(monkeypatch):
    """The last mini-batch is of 5 rows of 37, which are few or not."""
    x = np.random.default_rng(0).standard_normal((37, 20)).astype(np.float32)
    y = np.arange(37) % 10
    model, made, real = cp.nn.MLP(20, (48,), 10, activation=cp.gelu, rng=0), [], Module.__init__

    def noted(self, seldom=False):
        made.append(seldom)
        real(self, seldom)

    monkeypatch.setattr(Module, "__init__", noted)
    found = []
    for few in (4, 40):
        monkeypatch.setattr(stepper, "FEW", few)
        run = cp.fit(
            model, (x, y), loss=cp.losses.cross_entropy, epochs=3, batch_size=16, seed=1, progress=False
        )
        found.append([leaf.tobytes() for leaf in cp.tree.leaves(run.model)])
    assert made == [False, True, False, False]
    assert found[0] == found[1]
