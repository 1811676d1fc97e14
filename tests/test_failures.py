"""What only the numbers show to be wrong, compiled code says as NumPy does, with the user's line."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import clearprop as cp
from clearprop.compile.program import Program
from clearprop.compile.target import TARGETS
from clearprop.core.interpret import interpret
from test_compiled import RUNNABLE

pytest.importorskip("llvmlite")

NEGATIVE = "negative integer powers"
ROWS = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])


def of_row(x: Any, i: Any) -> Any:
    return x[i]


def of_element(x: Any, i: Any) -> Any:
    return x[0, i]


def taken(x: Any, i: Any) -> Any:
    return np.sum(np.take(x, i, axis=1))


def added(x: Any, i: Any) -> Any:
    return cp.scatter_add(x, i, x[:1] * 2)


def power(x: Any, i: Any) -> Any:
    return np.array([[2], [3]]) ** i + x[0, 0]


def later(x: Any, i: Any) -> Any:
    y = x[i % 3]
    return y + x[i]


def both(x: Any, i: Any) -> Any:
    first = x[i]
    return first + 2.0 ** (2 ** (-i))[0]


CASES = [
    # function, indices, error, what the message holds, which line of the function
    (of_row, [1, 3], IndexError, "index 3 is out of range for axis 0 of length 3", 1),
    (of_row, [-4], IndexError, "index -4 is out of range for axis 0 of length 3", 1),
    (of_element, [0, 2], IndexError, "index 2 is out of range for axis 1 of length 2", 1),
    (taken, [0, 9, 1, 2], IndexError, "index 9 is out of range", 1),
    (added, [5], IndexError, "index 5 is out of range for axis 0 of length 3", 1),
    (power, [1, -1], ValueError, NEGATIVE, 1),
    (power, [3] * 40 + [-1], ValueError, NEGATIVE, 1),
    (later, [4], IndexError, "index 4 is out of range for axis 0 of length 3", 2),
    (both, [7], IndexError, "index 7", 1),
]


@pytest.mark.parametrize("target", RUNNABLE)
@pytest.mark.parametrize(("function", "indices", "error", "problem", "line"), CASES)
def test_the_line_is_named(
    function: Callable[..., Any], indices: Any, error: Any, problem: str, line: int, target: str
) -> None:
    args = (ROWS, np.array(indices))
    graph = cp.make_graph(function)(ROWS, np.zeros_like(args[1]))
    with pytest.raises(error):  # so says NumPy
        interpret(graph, args)
    at = f"{__file__}:{inspect.getsourcelines(function)[1] + line}"
    with pytest.raises(error) as raised:
        Program(graph, TARGETS[target])(args)
    assert problem in str(raised.value)
    assert at in str(raised.value)
    with pytest.raises(error, match=f"the jitted {function.__name__}: ") as raised:
        cp.jit(function)(*args)
    assert at in str(raised.value)


def test_what_is_right_again_is_computed_again() -> None:
    f = cp.jit(of_row)
    for _ in range(2):
        with pytest.raises(IndexError):
            f(ROWS, np.array([3]))
        np.testing.assert_array_equal(f(ROWS, np.array([-1])), ROWS[[2]])


@pytest.mark.parametrize("n", range(1, 70, 3))
def test_lanes_that_do_not_exist_refuse_nothing(n: int) -> None:
    exponents = np.arange(5, 5 + n)
    for dtype in (np.int64, np.int8, np.int32):
        given = (exponents % 90 + 5).astype(dtype)
        np.testing.assert_array_equal(cp.jit(lambda i: 3 ** (i - 5))(given), 3 ** (given - 5))


def test_known_exponents_are_not_looked_at() -> None:
    x = np.array([2, -3])
    for f, failures in ((lambda x: x**3, 0), (lambda x: x ** np.array([1, 2]), 0), (lambda x: x**x, 1)):
        assert len(Program(cp.make_graph(f)(x)).schedule.failures) == failures
    assert not Program(cp.make_graph(lambda x, y: x**y)(x * 1.0, x)).schedule.failures


def test_the_line_is_no_part_of_the_digest() -> None:
    one = cp.make_graph(lambda x, i: x[i])(ROWS, np.array([1]))
    other = cp.make_graph(lambda x, i: x[i])(ROWS, np.array([2]))
    assert one.eqns[0].where != other.eqns[0].where
    assert Program(one)._digest() == Program(other)._digest()


def test_an_empty_axis_has_no_index() -> None:
    with pytest.raises(IndexError, match="index 0 is out of range for axis 0 of length 0"):
        cp.jit(lambda x, i: x[i])(np.zeros((0, 2)), np.array([0]))


class Embedding(cp.nn.Module):
    table: Any

    def __call__(self, x: Any) -> Any:
        return self.table[x]


def test_fit_names_the_line() -> None:
    x, model = np.array([0, 1, 2, 7]), Embedding(table=np.zeros((3, 1)))
    at = f"{__file__}:{inspect.getsourcelines(Embedding.__call__)[1] + 1}"
    loss, sgd = cp.losses.mean_squared_error, cp.optim.SGD(0.1)
    steps = cp.steps(model, (x[:3], np.zeros((3, 1))), loss=loss, optimizer=sgd)
    next(steps)
    x[1] = 7  # data is read in place
    with pytest.raises(IndexError) as raised:
        next(steps)
    assert "index 7 is out of range for axis 0 of length 3" in str(raised.value)
    assert at in str(raised.value)
