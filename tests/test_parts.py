"""A program's code made in parts, side by side: the same numbers, and every error is heard."""

import re
import sys
import threading

import numpy as np
import pytest

import clearprop as cp
from clearprop.compile import engine, parts, program
from clearprop.compile.engine import Native, assemble
from clearprop.compile.program import Program
from clearprop.compile.target import chosen
from clearprop.core.trace import trace
from clearprop.core.types import Type

X = np.linspace(-1, 1, 40 * 33, dtype=np.float32).reshape(40, 33)


def network():
    """A program with matrix products, tables, folds and an order."""

    def f(x):
        h = np.tanh(x @ x.T)
        return [h @ np.sin(1e6 * x), np.sum(h, axis=0), np.argsort(h[0]), cp.softmax(h)]

    return Program(trace(f, [Type(X.shape, X.dtype)])[0].owning_constants())


def defined(text):
    return re.findall(r"(?m)^define .*?@(\w+)\(", text)


def sizes(texts):
    return [sum(map(len, re.findall(r"(?ms)^define .*?^}", text))) for text in texts]


@pytest.mark.parametrize("letters", [1000, 4000, 16000, 10**6])
def test_every_function_is_in_one_part(letters, monkeypatch):
    monkeypatch.setattr(parts, "LETTERS", letters)
    made = network()
    texts, module = list(made._parts()), made.module
    names = [name for text in texts for name in defined(text)]
    assert len(names) == len(set(names))
    assert set(names) == set(module.functions)
    lengths = [len(text) for text in module.functions.values()]
    assert max(sizes(texts)) <= 1.5 * letters + max(lengths)
    assert len(texts) <= 1 + 2 * sum(lengths) / letters


def test_parts_come_while_the_program_is_written(monkeypatch):
    monkeypatch.setattr(parts, "LETTERS", 1000)
    made, numbers = network(), []
    real = made._kernel
    monkeypatch.setattr(made, "_kernel", lambda *args: numbers.append(args[1]) or real(*args))
    next(made._parts())
    assert numbers == [0]


def test_calls_go_back(monkeypatch):
    """What a function calls stands in its own part or an earlier one, which makes the call a straight one."""
    monkeypatch.setattr(parts, "LETTERS", 1000)
    known = set()
    for text in network()._parts():
        known |= set(defined(text))
        assert set(re.findall(r"call [^@\n]*@(\w+)\(", text)) <= known


def test_a_short_program_is_one_part():
    assert len(list(Program(trace(lambda x: [x + 1], [Type((3,), X.dtype)])[0])._parts())) == 1


def test_parts_compute_what_the_whole_computes(monkeypatch):
    monkeypatch.setattr(parts, "LETTERS", 10**6)
    whole = network()([X])
    monkeypatch.setattr(parts, "LETTERS", 1000)
    for a, b in zip(whole, network()([X]), strict=True):
        assert a.tobytes() == b.tobytes()


@pytest.fixture
def threads():
    yield cp.set_threads
    cp.set_threads(None)


def test_code_does_not_depend_on_how_many_make_it(threads):
    texts = [[part] for part in network()._parts()]
    assert len(texts) > 1
    threads(1)
    alone = assemble([*texts, *texts], chosen())
    threads(4)
    assert assemble([*texts, *texts], chosen()) == alone


@pytest.mark.parametrize("n", [1, 4])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_error_in_one_part_is_raised(n, place, threads):
    threads(n)
    texts = ["define void @f() {\n ret void\n}"] * 3
    texts[place] = "define nonsense"
    with pytest.raises(RuntimeError, match="parsing error"):
        assemble([texts], chosen())
    assert not [t for t in threading.enumerate() if "(_help)" in t.name], "somebody is left at work"


def test_one_is_made_while_the_next_is_written(threads, monkeypatch):
    threads(2)
    real, done = engine._object, threading.Event()
    monkeypatch.setattr(engine, "_object", lambda text, target: (real(text, target), done.set())[0])
    text = "define void @f() {\n ret void\n}"

    def written():
        yield [text]
        assert done.wait(20), "nobody makes the first one"
        yield [text, text]

    one, two = assemble(written(), chosen())
    assert two == 2 * one


def test_where_writing_fails_nobody_is_left_and_turns_are_as_before(threads):
    threads(2)
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.003)

    def written():
        yield ["define void @f() {\n ret void\n}"]
        raise KeyError("the second")

    with pytest.raises(KeyError, match="the second"):
        assemble(written(), chosen())
    after = sys.getswitchinterval()
    sys.setswitchinterval(before)
    assert after == pytest.approx(0.003)
    assert not [t for t in threading.enumerate() if "(_help)" in t.name], "somebody is left at work"


def test_without_threads_to_have_all_is_made_here(threads, monkeypatch):
    def refuse(self):
        raise RuntimeError("can't start new thread")

    threads(4)
    monkeypatch.setattr(engine.threading.Thread, "start", refuse)
    text = "define void @f() {\n ret void\n}"
    (code,) = assemble([[text, text.replace("@f", "@g")]], chosen())
    native = Native(code)
    assert native.address("f") != native.address("g")


def test_both_sizes_of_a_mini_batch_are_made_together(monkeypatch):
    made, real = [], program.assemble

    def counting(given, target):
        programs = list(given)
        made.append(len(programs))
        return real(programs, target)

    monkeypatch.setattr(program, "assemble", counting)
    y = np.sum(X, axis=1, keepdims=True)
    model = cp.nn.Dense(33, 1, rng=0)
    for batch, expected in ((16, [2]), (20, [1]), (64, [1])):
        made.clear()
        cp.fit(model, (X, y), loss=cp.losses.mean_squared_error, epochs=2, batch_size=batch, progress=False)
        assert made == expected, batch
