"""What cannot be computed or traced raises an error of the right type, which says what was asked and what to try."""

from __future__ import annotations

import copy
import math
import operator
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import clearprop as cp
from cases import draw
from clearprop import random
from clearprop.core.errors import DTypeError, SettingError, ShapeError, TraceError


def assign(x: Any) -> None:
    x[0] = 1.0


def add_in_place(x: Any) -> Any:
    x += 1
    return x


def add_into_array(x: Any) -> Any:
    y = np.zeros(2)
    y += x
    return y


ARRAY = np.arange(3.0)

TRACING = [  # each asks a traced value for what only a number can give
    (lambda x: float(x[0]), r"float\(x\).*f64\[\]", "Leave float"),
    (lambda x: math.sin(x[0]), "math module", "NumPy's function"),
    (lambda x: math.floor(x[0]), "math module", "NumPy's function"),
    (lambda x: int(x[0]), r"int\(x\)", "astype"),
    (lambda x: complex(x[0]), r"complex\(x\)", "imaginary"),
    (lambda x: 1 if x[0] > 0 else 2, "condition.*bool", "np.where"),
    (lambda x: x[0] > 0 and x[1] > 0, "condition", "&"),
    (lambda x: not x[0], "condition", "np.where"),
    (lambda x: 0 < x[0] < 1, "condition", "np.where"),
    (lambda x: max(x), "condition", "np.where"),
    (lambda x: range(x[0].astype(int)), "size", "Python numbers"),
    (lambda x: [1, 2][x[0].astype(int)], "index", "cp.gather"),
    (lambda x: ARRAY[x.astype(int)], r"array\[x\]", "cp.gather"),
    (lambda x: np.take(ARRAY, x.astype(int)), "conversion", "cp.gather"),
    (lambda x: np.array([x, x]), "np.array", "np.stack"),
    (lambda x: np.asarray(x), "np.asarray", "np.stack"),
    (lambda x: np.full(2, x[0]), "np.array", "np.stack"),
    (lambda x: np.float64(x[0]), "conversion", "Leave the conversion out"),
    (lambda x: np.random.default_rng(0).normal(x), "conversion", "Leave"),
    (lambda x: 1.0 in x, "item in x", "any"),
    (lambda x: x.item(), r"item\(\)", "itself"),
    (lambda x: x.tolist(), r"tolist\(\)", "itself"),
    (lambda x: f"{x[0]:.3f}", r"\.3f", "Print x itself"),
    (lambda x: "%f" % x[0], "float", "Leave float"),  # noqa: UP031  # the formatting that is tested
    (lambda x: pickle.dumps(x), "Pickling", "Return it"),
    (assign, r"x\[i\] = v", "np.where"),
    (lambda x: x.fill(0.0), r"x\[i\] = v", "np.where"),
    (lambda x: x.sort(), "in place", r"np\.sort"),
    (add_in_place, r"\+=", r"x = x \+ y"),
    (add_into_array, r"\+=", r"x = x \+ y"),
    (lambda x: np.add(x, x, out=np.zeros(2)), "out=", "drop out="),
    (lambda x: np.sum(x, out=np.zeros(())), "out=", "drop out="),
    (lambda x: np.clip(x, 0, 1, out=ARRAY), "out=", "drop out="),
    (lambda x: np.exp(x, where=x > 0), "where", "Leave that argument out"),
    (lambda x: np.exp(x, dtype=np.float32), "dtype", "Leave that argument out"),
    (lambda x: np.sum(x, where=x > 0), "where", "Leave that argument out"),
    (lambda x: np.sum(x, initial=1.0), "initial", "Leave that argument out"),
    (lambda x: np.median(x), "np.median has no derivative rule", "numpy-coverage"),
    (lambda x: np.linalg.inv(x), "np.linalg.inv", "numpy-coverage"),
    (lambda x: np.multiply.outer(x, x), "np.multiply.outer", "numpy-coverage"),
    (lambda x: np.add.at(x, 0, 1), "np.add.at", "numpy-coverage"),
    (lambda x: x.astype(int) << 1, "np.left_shift", "numpy-coverage"),
    (lambda x: np.where(x > 0), "shape depends on values", r"np\.where\(condition, a, b\)"),
    (lambda x: x[x > 0], "traced mask", r"np\.where\(mask, x, 0\)"),
]


@pytest.mark.parametrize(("function", "problem", "instead"), TRACING)
def test_untraceable_code(function: Callable[..., Any], problem: str, instead: str) -> None:
    with pytest.raises(TraceError, match=rf"(?s){problem}.*\n  at {__file__}:\d+   .*\n.*{instead}"):
        cp.grad(lambda x: function(x) or x.sum())(np.array([1.0, 2.0]))


ARGUMENTS = [  # each gives an operation what it cannot take
    (lambda a, b: a + b, "f[2,3] f[4]", ShapeError, r"add: shapes \[2,3\] and \[4\].*equal or 1"),
    (np.matmul, "f[2,3] f[2,3]", ShapeError, r"matmul\(f64\[2,3\], f64\[2,3\]\): inner sizes differ \(3 ≠ 2\)"),
    (np.matmul, "f[] f[2,3]", ShapeError, r"f64\[\].*use \* for scalars"),
    (np.matmul, "f[2,2,3] f[3,3,2]", ShapeError, r"matmul: shapes \[2\] and \[3\]"),
    (lambda a: a.reshape(4), "f[2,3]", ShapeError, r"reshape of f64\[2,3\] to \[4\]: 6 elements are not 4"),
    (lambda a: a.reshape(-1, 4), "f[2,3]", ShapeError, r"\[-1, 4\]: 6 is no multiple of 4"),
    (lambda a: np.reshape(a, 6, order="F"), "f[2,3]", ShapeError, "order='F'.*transpose first"),
    (lambda a: np.transpose(a, (0, 0)), "f[2,3]", ShapeError, r"axes \[0, 0\]: each axis must come once"),
    (lambda a: np.squeeze(a, 0), "f[2,3]", ShapeError, r"squeeze of f64\[2,3\].*longer than 1"),
    (lambda a: np.expand_dims(a, (0, 0)), "f[2]", ShapeError, "names an axis twice"),
    (lambda a: np.broadcast_to(a, (3, 4)), "f[2,3]", ShapeError, r"\[2,3\] and \[3,4\]"),
    (lambda a: np.moveaxis(a, (0, 1), 0), "f[2,3]", ShapeError, "2 sources for 1 destinations"),
    (lambda a: np.swapaxes(a, 0, 2), "f[2,3]", ShapeError, "axis 2 does not exist in an array of 2 axes"),
    (lambda a, b: np.concatenate([a, b]), "f[2,3] f[2,2]", ShapeError, r"f64\[2,3\] and f64\[2,2\] along axis 0"),
    (lambda a: np.concatenate([a, a]), "f[]", ShapeError, r"np\.stack makes a new axis"),
    (lambda a, b: np.stack([a, b]), "f[2,3] f[3]", ShapeError, r"f64\[2,3\], f64\[3\]: the shapes must be equal"),
    (lambda a: np.split(a, 2, 1), "f[2,3]", ShapeError, "3 is no multiple of 2"),
    (lambda a: np.sum(a, 2), "f[2,3]", ShapeError, "sum: axis 2 does not exist in an array of 2 axes"),
    (lambda a: np.sum(a, (0, -2)), "f[2,3]", ShapeError, "names an axis twice"),
    (lambda a: np.sum(a, 0.5), "f[2,3]", TypeError, "integer"),
    (np.max, "f[0,3]", ShapeError, r"f64\[0,3\].*an empty axis has no extreme"),
    (np.mean, "f[0,3]", ShapeError, r"mean of f64\[0,3\].*there is no element"),
    (np.argmax, "f[0]", ShapeError, r"argmax of f64\[0\]: an empty axis"),
    (lambda a: np.pad(a, 1, mode="mean"), "f[2]", SettingError, "'mean'.*constant, edge, reflect, symmetric and wrap"),
    (lambda a: np.pad(a, -1), "f[2]", ShapeError, "cannot be negative; slice"),
    (lambda a: np.pad(a, ((1, 2, 3),)), "f[2]", ShapeError, r"\(before, after\) for each axis"),
    (np.diag, "f[2,2,2]", ShapeError, r"f64\[2,2,2\].*np\.diagonal"),
    (np.tril, "f[3]", ShapeError, r"f64\[3\]: needs at least two axes"),
    (lambda a, b: np.einsum("ij,jk", a, b), "f[2,3] f[2,3]", ShapeError, r"f64\[2,3\], f64\[2,3\].*both 3 and 2 long"),
    (lambda a: np.einsum("ii", a), "f[2,3]", ShapeError, "both 2 and 3 long"),
    (lambda a: np.einsum("ijk", a), "f[2,3]", ShapeError, r"'ijk' names 3 axes of f64\[2,3\]"),
    (lambda a: np.einsum("ij,jk", a), "f[2,3]", ShapeError, "names 2 operands; 1 were given"),
    (lambda a: np.einsum("ij->k", a), "f[2,3]", ShapeError, "each letter of the result"),
    (lambda a: np.einsum("ij->ii", a), "f[2,2]", ShapeError, "must come once"),
    (lambda a: np.einsum("...j->j", a), "f[2,2]", ShapeError, "stays in the result"),
    (lambda a: np.einsum(a, [0, 1]), "f[2,3]", ShapeError, "as a string, such as 'ij,jk->ik'"),
    (lambda a, b: np.tensordot(a, b, 3), "f[2,3] f[2,3]", ShapeError, "over 3 axes"),
    (lambda a, b: np.tensordot(a, b, 1), "f[2,3] f[2,3]", ShapeError, r"over axes \[1\] and \[0\]: sizes differ"),
    (np.inner, "f[2,3] f[2]", ShapeError, "sizes differ"),
    (lambda a: np.linalg.norm(a, 2), "f[2,3]", ShapeError, r"norm of f64\[2,3\] with ord=2.*use ord=None"),
    (lambda a: np.linalg.norm(a, "nuc"), "f[2]", ShapeError, "'nuc'.*not covered"),
    (lambda a: np.average(a, weights=np.ones(2)), "f[2,3]", ShapeError, r"weights f64\[2\].*sizes differ"),
    (lambda a: a[0, 0, 0], "f[2,3]", IndexError, r"too many indices: 3 for f64\[2,3\]"),
    (lambda a: a[2], "f[2,3]", IndexError, "index 2 is out of range for axis 0 of length 2"),
    (lambda a: a[:, [0, -4]], "f[2,3]", IndexError, "index -4 is out of range for axis 1 of length 3"),
    (lambda a: np.take(a, [5]), "f[2]", IndexError, "index 5 is out of range"),
    (lambda a, u: cp.scatter_add(a, np.array([5]), u), "f[2] f[1]", IndexError, "index 5 is out of range"),
    (lambda a: a[0.5], "f[2]", IndexError, r"x\[0\.5\]: an index is an integer, a slice"),
    (lambda a: a["w"], "f[2]", IndexError, r"x\['w'\]"),
    (lambda a: a[True], "f[2]", IndexError, r"x\[True\]"),
    (lambda a: a[[True, False, True]], "f[2]", IndexError, r"mask bool\[3\].*lengths \[2\]"),
    (lambda a: a[..., ...], "f[2]", IndexError, "one ellipsis"),
    (lambda a: a[a], "f[2]", IndexError, r"integers, not by f64\[2\]; use \.astype\(int\)"),
    (lambda a: a[[0, 1], [0, 1, 2]], "f[3,3]", ShapeError, r"indexing: shapes \[2\] and \[3\]"),
    (lambda a: np.take(a, [0], mode="mirror"), "f[2]", SettingError, "'raise', 'wrap' or 'clip'"),
    (lambda a: a + 1j, "f[2]", DTypeError, "complex128.*real and imaginary parts"),
    (lambda a: a + "one", "f[2]", DTypeError, "clearprop computes with"),
    (lambda a: a + np.array([1, 2], object), "f[2]", DTypeError, "dtype object.*astype"),
    (lambda a: a + np.longdouble(1), "f[2]", DTypeError, "at most 64|float16, float32 and"),
    (lambda a: a & 1, "f[2]", DTypeError, r"np\.bitwise_and is not defined for float64, int; convert"),
    (lambda a: ~a, "f[2]", DTypeError, r"np\.invert is not defined for float64"),
    (lambda a: -a, "b[2]", DTypeError, r"np\.negative is not defined for bool"),
    (lambda a: a.astype(complex), "f[2]", DTypeError, "complex128"),
    (lambda a: cp.gelu(a, "sigmoid"), "f[2]", SettingError, "'none' or 'tanh'"),
    (lambda k: random.uniform(k, (2,)), "f[2]", DTypeError, r"u32\[2\], as cp\.random\.key\(seed\) makes it, not f64"),
    (lambda k: random.uniform(k, (-1,)), "k[2]", ShapeError, "cannot be negative"),
    (lambda k: random.uniform(k, (2,), dtype=int), "k[2]", DTypeError, "must be a float dtype"),
    (lambda a: len(a), "f[]", TypeError, "without axes"),
    (lambda a: list(a), "f[]", TypeError, "without axes"),
    (hash, "f[2]", TypeError, "unhashable"),
    (lambda a: round(a), "f[2]", TypeError, "__round__"),
]  # fmt: skip


@pytest.mark.parametrize(("function", "inputs", "error", "message"), ARGUMENTS)
def test_arguments_that_do_not_fit(function: Any, inputs: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=rf"(?s){message}") as raised:
        cp.make_graph(lambda *xs: function(*xs))(*draw(inputs))
    if error in (ShapeError, DTypeError) and inputs[0] != "k":
        assert f"\n  at {__file__}:" in str(raised.value)


def test_what_is_not_refused() -> None:
    """Copies, scalars that += makes anew, and comparisons with None by identity."""

    def function(x: Any) -> Any:
        total = x[0]
        total += x[1] * x
        total = operator.iadd(x[0], 1.0) + total
        assert copy.copy(x) is x
        assert copy.deepcopy({"x": [x]})["x"][0] is x
        assert x is not None
        assert f"{x} {x!s}" == "<traced f64[2]> <traced f64[2]>"
        return np.sum(total)

    np.testing.assert_allclose(cp.grad(function)(np.array([2.0, 3.0])), [1 * 2 + 2 + 3, 2 + 3 + 3])
