"""cp.jit: the same results as the plain call, recorded once."""

from __future__ import annotations

import functools
import subprocess
import sys
import threading
import warnings
from collections import namedtuple
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import clearprop as cp
from clearprop import nn
from clearprop.api import compiled
from clearprop.core.errors import SettingError, ShapeError, TraceError
from clearprop.core.types import native, type_of
from test_operations import assert_same

X = np.arange(6.0).reshape(2, 3) / 7
V = np.array([0.5, -1.0, 2.0])
Pair = namedtuple("Pair", "first second")


@pytest.fixture(params=["native", "interpreted"])
def either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With llvmlite, and without."""
    if request.param == "interpreted":
        monkeypatch.setattr(compiled, "native_code", lambda: False)


def counted(function: Callable[..., Any]) -> tuple[Callable[..., Any], list[int]]:
    """The function jitted, and a list that grows when it is recorded."""
    calls: list[int] = []

    @functools.wraps(function)
    def counting(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        return function(*args, **kwargs)

    return cp.jit(counting), calls


def assert_same_tree(actual: Any, expected: Any) -> None:
    assert repr(cp.tree.structure(actual)) == repr(cp.tree.structure(expected))
    for a, b in zip(cp.tree.leaves(actual), cp.tree.leaves(expected), strict=True):
        assert isinstance(a, (np.ndarray, np.generic))
        assert isinstance(a, np.generic) == (type_of(a).shape == ())
        assert_same(a, b)


TREES: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "an array": (lambda x: np.exp(x), (X,)),
    "a number of NumPy": (lambda x: x * 2, (np.float32(1.5),)),
    "a Python number": (lambda x: x * 2.5, (3.0,)),
    "integers": (lambda i: i // 2 + 1, (np.arange(5, dtype=np.int16),)),
    "booleans": (lambda x: [x > 0.3, (x > 0.3).any(), ~(x > 0.3)], (X,)),
    "indices": (lambda x: np.argsort(x)[..., ::-1], (X,)),
    "nested": (lambda t: {"sum": t["a"] + t["b"][0], "rest": (t["b"], None, "name")}, ({"a": X, "b": [V, 2.0]},)),
    "a named tuple": (lambda p: Pair(p.second, p.first), (Pair(X, V),)),
    "a setting inside": (lambda t: t["x"] * 2 if t["mode"] == "twice" else t["x"], ({"x": X, "mode": "twice"},)),
    "a module": (lambda m, x: (m(x), m), (nn.Dense(3, 2, rng=0), X)),
    "a network": (lambda m, x: cp.value_and_grad(lambda m: np.mean(m(x) ** 2))(m), (nn.MLP(3, [5], 1, rng=0), X)),
    "an input as it is": (lambda x: (x, x, x.T), (X,)),
    "constants": (lambda x: (1, 2.0, V, np.float32(3), x), (X,)),
    "nothing": (lambda x: (None, ()), (X,)),
    "no arguments": (lambda: np.arange(3), ()),
    "empty": (lambda x: (x.sum(), x * 2), (np.zeros((0, 3)),)),
    "any order": (lambda x: x * 2, (X.T,)),
    "another byte order": (lambda x: (x * 2, x), (X.astype(X.dtype.newbyteorder()),)),
}  # fmt: skip


@pytest.mark.parametrize("name", TREES)
@pytest.mark.usefixtures("either")
def test_results_are_those_of_the_plain_call(name: str) -> None:
    function, args = TREES[name]
    expected = function(*args)
    jitted = cp.jit(function)
    for _ in range(2):
        result = jitted(*args)
        assert_same_tree(result, cp.tree.map(lambda a: native(np.asarray(a)), expected))
        for leaf in cp.tree.leaves(result):
            if isinstance(leaf, np.ndarray):
                assert leaf.flags.owndata
                assert leaf.flags.writeable
                assert not any(np.shares_memory(leaf, a) for a in cp.tree.leaves(args))
                leaf[...] = 0  # it is the caller's: the next call must not see it


@pytest.mark.usefixtures("either")
def test_inputs_may_be_locked_and_stay_as_they_are() -> None:
    x = X.copy()
    x.flags.writeable = False
    result = cp.jit(lambda x: x)(x)
    result[...] = 7
    np.testing.assert_array_equal(x, X)


# ---- recorded once


def test_recorded_once_for_each_structure_and_types() -> None:
    f, calls = counted(lambda t: cp.tree.map(lambda a: a * 2, t))
    single = X.astype(np.float32)
    for n, tree in enumerate((X, single, X[:1], (X,), [X], {"a": X}, {"b": X}, [X, X], 1, 1.0), 1):
        for _ in range(3):
            f(tree)
        assert len(calls) == n


NUMBERS = (2, 2.0, True, 1, 1.0, 0.0, -0.0, np.float32(2), float("nan"))
SETTINGS = (*NUMBERS, "2", None, (1, 2), (1.0, 2), (True, 2), np.exp)


@pytest.mark.parametrize("given", ["static", "keyword", "inside"])
def test_each_setting_is_recorded_by_itself(given: str) -> None:
    calls: list[Any] = []

    def function(x: Any, setting: Any) -> Any:
        calls.append(setting["s"] if isinstance(setting, dict) else setting)
        return x

    f = cp.jit(function, static_argnums=1 if given == "static" else ())
    settings = [s for s in SETTINGS if given != "inside" or isinstance(s, str) or callable(s) or s is None]
    for n, setting in enumerate(settings, 1):
        for _ in range(2):
            f(X, setting=setting) if given == "keyword" else f(
                X, {"s": setting} if given == "inside" else setting
            )
        assert len(calls) == n
        assert calls[-1] is setting


class Scaled(cp.tree.Module):
    weight: np.ndarray
    power: Any

    def __call__(self, x: Any) -> Any:
        return self.weight * x**self.power


@pytest.mark.parametrize("power", [2, 2.0, 1, True, 0.5, -0.0])
def test_numbers_in_modules_are_settings(power: Any) -> None:
    for x in (np.arange(1, 4), V + 2):
        f = test_numbers_in_modules_are_settings.__dict__.setdefault("f", cp.jit(lambda m, x: m(x)))
        assert_same(f(Scaled(np.array(2), power), x), Scaled(np.array(2), power)(x))


def test_static_arguments_may_be_left_to_their_defaults() -> None:
    f = cp.jit(lambda x, n=3: x * n, static_argnums=(1,))
    assert_same(f(X), X * 3)
    assert_same(f(X, 2), X * 2)
    assert_same(f(X, n=4), X * 4)
    assert_same(cp.jit(lambda n, x: x.reshape(n), static_argnums=-2)((3, 2), X), X.reshape(3, 2))


@pytest.mark.parametrize("call", [
    lambda: cp.jit(lambda x, s: x, static_argnums=1)(X, [1]),
    lambda: cp.jit(lambda x, s: x)(X, s=V),
    lambda: cp.jit(lambda x: x)({"x": X, "s": {1, 2}}),
    lambda: cp.jit(lambda x, s: x, static_argnums="s")(X, 1),
])  # fmt: skip
def test_settings_that_cannot_be(call: Callable[[], Any]) -> None:
    with pytest.raises(SettingError, match="static"):
        call()


def test_what_is_read_from_elsewhere_is_read_once() -> None:
    side = V.copy()
    f, calls = counted(lambda x: x + side)
    first = f(X)
    side[...] = 0
    assert_same(f(X), first)
    assert len(calls) == 1


def test_the_name_and_the_docstring_stay() -> None:
    def cube(x: Any) -> Any:
        """Return x³."""
        return x**3

    assert (cp.jit(cube).__name__, cp.jit(cube).__doc__) == ("cube", "Return x³.")


def test_methods() -> None:
    class Line:
        @cp.jit
        def at(self, x: Any) -> Any:
            return 2 * x

    assert_same(Line().at(X), 2 * X)


# ---- inside of one another


def loss(w: Any, x: Any) -> Any:
    return np.sum(np.tanh(x @ w) ** 2) + np.sum(w[1:] ** 3)


@pytest.mark.usefixtures("either")
def test_transformations_on_either_side() -> None:
    f = cp.jit(loss)
    expected = cp.value_and_grad(loss)(V, X)
    inside, outside = cp.value_and_grad(f), cp.jit(cp.value_and_grad(loss))
    for made in (inside, outside, cp.jit(inside), cp.jit(cp.jit(inside))):
        assert_same_tree(made(V, X), expected)
    cp.check_grads(f, (V, X), order=2)
    assert_same(cp.jit(cp.hessian(loss))(V, X), cp.hessian(loss)(V, X))
    assert_same_tree(cp.jit(lambda w, t: cp.jvp(f, (w, X), (t, X)))(V, V), cp.jvp(loss, (V, X), (V, X)))
    assert_same(cp.jit(lambda w: f(w, X) + f(w + 1, X))(V), loss(V, X) + loss(V + 1, X))


def test_a_part_of_what_is_recorded() -> None:
    f, calls = counted(loss)
    assert repr(cp.make_graph(f)(V, X)) == repr(cp.make_graph(loss)(V, X))
    assert_same(cp.grad(lambda w: f(w * 2, X))(V), cp.grad(lambda w: loss(w * 2, X))(V))
    scaled = cp.jit(lambda x, s: (x * s["s"]).sum())
    assert_same(cp.grad(lambda s: scaled(X, s={"s": s}))(2.0), np.sum(X))  # in a keyword
    assert len(calls) == 2
    assert_same(cp.grad(lambda w: (w * f(V, X)).sum())(V), np.full(3, loss(V, X)))  # a number by then


def test_values_of_an_outer_function_must_be_arguments() -> None:
    def outer(w: Any) -> Any:
        def inner(x: Any) -> Any:
            return (x * w).sum()

        return cp.jit(inner)(X[0])

    with pytest.raises(TraceError, match="inner uses traced values"):
        cp.grad(outer)(V)


# ---- errors


@pytest.mark.usefixtures("either")
def test_an_index_out_of_range() -> None:
    def pick(x: Any, i: Any) -> Any:
        return cp.gather(x, i)

    def add(x: Any, i: Any) -> Any:
        return cp.scatter_add(x, i, x[:2] * 0 + 1)

    for function in (pick, add):
        f = cp.jit(function)
        for good in ([0, -1], [1, -3]):
            assert_same(f(V, np.array(good)), function(V, np.array(good)))
        for wrong in ([3, 0], [0, -4], [2**62, 0]):
            with pytest.raises(IndexError, match=rf"{function.__name__}.*out of"):
                f(V, np.array(wrong))
        assert_same(f(V, np.array([0, 1])), function(V, np.array([0, 1])))


def test_errors_say_where() -> None:
    def branching(x: Any) -> Any:
        return x if x.sum() > 0 else -x

    with pytest.raises(TraceError, match=r"test_jit\.py"):
        cp.jit(branching)(X)
    with pytest.raises(ShapeError, match=r"test_jit\.py"):
        cp.jit(lambda x: x @ x)(X)
    with pytest.raises(TypeError, match="object"):
        cp.jit(lambda x: x)(np.array([None]))
    f = cp.jit(lambda x: x[0] @ V if x.ndim == 2 else branching(x))
    with pytest.raises(TraceError):
        f(V)
    assert_same(f(X), X[0] @ V)  # an error leaves no trace


# ---- threads


def test_threads_call_one_function() -> None:
    f, calls = counted(lambda x, w: [np.tanh(x @ w).sum(1), np.sort(x, 0), np.exp(x).sum()])
    cases = [
        (np.random.default_rng(i).standard_normal((40 + i % 3, 17)), np.full((17, 5), 0.1)) for i in range(48)
    ]
    expected = [[np.tanh(x @ w).sum(1), np.sort(x, 0), np.exp(x).sum()] for x, w in cases]
    barrier = threading.Barrier(8)

    def work(i: int) -> Any:
        if i < 8:
            barrier.wait()
        return [f(*cases[i]) for _ in range(5)]

    with ThreadPoolExecutor(8) as pool:
        for results, right in zip(pool.map(work, range(48)), expected, strict=True):
            for result in results:
                for a, b in zip(result, right, strict=True):
                    np.testing.assert_allclose(a, b, rtol=1e-12)
    assert len(calls) == 3


def test_a_jitted_function_may_be_called_while_another_is_recorded() -> None:
    inner = cp.jit(lambda x: x * 2)
    outer = cp.jit(lambda x: x + inner(V))  # V is no traced value: computed now, in the same thread
    assert_same(outer(X), X + V * 2)


# ---- without llvmlite


@pytest.mark.usefixtures("without_llvmlite")
def test_one_warning_and_the_interpreter() -> None:
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        for _ in range(2):
            assert_same_tree(cp.jit(cp.value_and_grad(loss))(V, X), cp.value_and_grad(loss)(V, X))
            cp.jit(lambda x: x + 1)(X)
    assert [w.category for w in heard] == [RuntimeWarning]
    assert "llvmlite" in str(heard[0].message)


ALONE = """
import subprocess
import sys


class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "llvmlite":
            raise {error}


sys.meta_path.insert(0, Hidden())
import numpy as np
import clearprop as cp

x = np.linspace(-1, 1, 20)[:, None]
line, loss, sgd = cp.nn.Dense(1, 1, rng=0), cp.losses.mean_squared_error, cp.optim.SGD(0.1)
{use}
{use}
print(cp.jit(np.tanh)(np.zeros(2)), len(list(cp.steps(line, (x, x), loss=loss, optimizer=sgd, epochs=1))))
print(*(m for m in sys.modules if m.startswith("llvmlite")))
"""
ERRORS = {
    "not installed": "ModuleNotFoundError(name)",
    "cannot be loaded (broken)": "OSError('broken')",
}
USES = [
    "cp.jit(lambda x: x + 1)(x)",
    "cp.fit(line, (x, x), loss=loss, epochs=2, progress=False)",
    "next(cp.steps(line, (x, x), loss=loss, optimizer=sgd))",
]


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("said", ERRORS)
def test_a_program_without_llvmlite_runs_and_hears_of_it_once(said: str, use: str, tmp_path: Path) -> None:
    """The warning is one, and names the line that asked for native code."""
    script = tmp_path / "program.py"
    script.write_text(ALONE.format(error=ERRORS[said], use=use))
    line = script.read_text().splitlines().index(use) + 1
    run = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert run.stdout.split("\n")[0] == "[0. 0.] 1"
    assert run.stdout.split("\n")[1] == ""
    (warning, shown) = run.stderr.splitlines()
    assert warning.startswith(f"{script}:{line}: RuntimeWarning: llvmlite")
    assert said in warning
    assert shown.strip() == use


def test_python_numbers_adapt_and_are_recorded_for_each_value():
    calls = []

    def f(x, rate, options):
        calls.append(rate)
        return x * rate + options["shift"]

    compiled, x = cp.jit(f), np.ones(3, np.float32)
    for rate in (0.5, 0.25, 0.5):
        result = compiled(x, rate, {"shift": 1})
        assert result.dtype == np.float32
        np.testing.assert_array_equal(result, f(x, rate, {"shift": 1}))
    assert calls.count(0.25) == 2  # once by us, once recorded


@pytest.mark.parametrize("shape", [(2, 9, 3, 21), (3, 40, 30, 17), (70, 33, 20, 40)])
def test_what_follows_a_batch_of_products(shape):
    batch, m, k, n = shape
    rng = np.random.default_rng(0)
    x, w, p, b, s = (
        rng.standard_normal(d).astype(np.float32)
        for d in ((batch, m, k), (batch, k, n), (batch, m, n), (n,), (batch, m, 1))
    )

    def light(x, w, p, b, s):
        return (x @ w + b) * p - s

    def heavy(x, w, p, b, s):
        return np.exp(np.tanh(x @ w + b)) * p - s, x @ w

    for f in (light, heavy):
        for found, wanted in zip(cp.jit(f)(x, w, p, b, s), f(x, w, p, b, s), strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", [(64, 2000, 300), (26, 1296, 905), (100, 800, 40)])
def test_sums_of_what_follows_a_product_with_a_transposed_matrix(shape):
    m, k, n = shape
    rng = np.random.default_rng(0)
    x, w, s = (rng.standard_normal(d).astype(np.float32) / 8 for d in ((m, k), (n, k), (m, n)))

    def error(x, w, s):
        found = (x @ w.T) * (s > 0)
        return found, found.sum(axis=0)

    results = []
    for threads in (1, 2, 3):
        cp.set_threads(threads)
        results.append(cp.jit(error)(x, w, s))
    cp.set_threads(None)
    for one, two, three, wanted in zip(*results, error(x, w, s), strict=True):
        np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(one, three)
        np.testing.assert_allclose(one, wanted, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("shape", [(40, 30, 17), (300, 100, 256), (130, 900, 257), (5, 7, 1), (1, 9, 40)])
@pytest.mark.parametrize("turned", [False, True])
def test_sums_of_what_follows_a_product(shape, turned):
    m, k, n = shape
    rng = np.random.default_rng(0)
    x, w, s = (rng.standard_normal(d).astype(np.float32) / 4 for d in ((m, k), (k, n), (m, n)))
    if turned:
        x, w, s = w.T.copy(), x.T.copy(), s.T.copy()

    def light(x, w, s):
        slope = (x @ w) * s
        return slope, slope.sum(axis=0), np.maximum(s, 0).sum(axis=1)

    def heavy(x, w, s):
        slope = np.exp(np.tanh(x @ w)) * s
        return slope, slope.max(axis=0), slope.sum(axis=0)

    for f in (light, heavy):
        results = []
        for threads in (1, 2):
            cp.set_threads(threads)
            results.append(cp.jit(f)(x, w, s))
        cp.set_threads(None)
        for one, two, wanted in zip(*results, f(x, w, s), strict=True):
            np.testing.assert_array_equal(one, two)
            np.testing.assert_allclose(one, wanted, rtol=1e-4, atol=1e-4)
