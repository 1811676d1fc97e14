"""The table of operations: a row each, on which the laws of test_operations.py are tried.

Inputs are written as graphs print types, ``f[2,3] i5[4]``; the letter says which numbers are drawn:

    f (−2, 2)    p (0.3, 2.3)    u (−0.9, 0.9)    g (1.2, 3.2)    c (−2, 2), never differentiated
    i5 integers 0 ... 4    b booleans    k a random key
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, log, nan, pi, sqrt
from typing import Any

import numpy as np

import clearprop as cp
from clearprop import random

DOMAINS = {"f": (-2, 2), "p": (0.3, 2.3), "u": (-0.9, 0.9), "g": (1.2, 3.2), "c": (-2, 2)}
MOVED = "fpug"  # the letters of arguments that derivatives are taken in


@dataclass(frozen=True)
class Point:
    """Arguments at which the value, and the slope of the sum of the result in each argument, are known."""

    args: Sequence[Any]
    value: Any = None
    slopes: Sequence[Any] = ()


@dataclass(frozen=True)
class Case:
    name: str
    function: Callable[..., Any]
    inputs: str
    points: tuple[Point, ...] = ()

    def __repr__(self) -> str:
        return self.name


def at(*args: Any, value: Any = None, slope: Any = ()) -> Point:
    """A point; a slope that is no tuple is that of the one argument."""
    return Point(args, value, slope if isinstance(slope, tuple) else (slope,))


def row(function: Callable[..., Any], inputs: str, *points: Point, name: str = "") -> Case:
    return Case(name or function.__name__, function, inputs, points)


def draw(inputs: str, dtype: Any = np.float64, seed: str = "") -> list[np.ndarray[Any, Any]]:
    """Return arrays for written inputs. All floats are spaced apart, so that none is near a tie."""
    rng = np.random.default_rng(zlib.crc32(f"{inputs} {seed}".encode()))
    words = re.findall(r"([a-z])(\d*)\[([\d,]*)\]", inputs)
    shapes = [tuple(int(n) for n in sizes.split(",") if n) for _, _, sizes in words]
    total = sum(int(np.prod(shape)) for shape in shapes)
    unit = (rng.permutation(total) + rng.uniform(0.3, 0.45, total)) / max(total, 1)
    arrays, used = [], 0
    for (kind, bound, _), shape in zip(words, shapes, strict=True):
        if kind in DOMAINS:
            low, high = DOMAINS[kind]
            size = int(np.prod(shape))
            values = (low + (high - low) * unit[used : used + size].reshape(shape)).astype(dtype)
            used += size
        elif kind == "k":
            values = rng.integers(0, 2**32, 2, dtype=np.uint32)
        else:
            values = rng.integers(0, int(bound or 2), shape).astype(np.int64 if kind == "i" else np.bool_)
        arrays.append(values)
    return arrays


_I = np.array([[2, 0], [2, 1]])  # integers to index with, one of them twice
_M = np.array([True, False, True])
_LOG2 = log(2)

ELEMENTWISE = [
    row(np.add, "f[2,3] f[3]"),
    row(np.subtract, "f[2,3] f[2,1]"),
    row(np.multiply, "f[2,3] f[3]", at(0.0, inf, value=nan, slope=(inf, 0.0))),
    row(
        np.divide, "f[2,3] p[3]",
        at(1.0, 0.0, value=inf, slope=(inf, -inf)), at(0.0, 2.0, value=0.0, slope=(0.5, 0.0)),
    ),
    row(
        np.remainder, "f[2,3] g[3]",
        at(5.5, 2.0, value=1.5, slope=(1.0, -2.0)), at(-5.5, 2.0, value=0.5, slope=(1.0, 3.0)),
    ),
    row(np.floor_divide, "f[2,3] g[3]", at(5.5, 2.0, value=2.0, slope=(0.0, 0.0))),
    row(np.negative, "f[2,3]", at(0.0, value=-0.0, slope=-1.0)),
    row(np.positive, "f[2,3]"),
    row(np.reciprocal, "p[2,3]", at(0.5, value=2.0, slope=-4.0)),
    row(
        np.power, "p[2,3] f[3]",
        at(0.0, 2.0, value=0.0, slope=(0.0, 0.0)), at(0.0, 1.0, value=0.0, slope=(1.0, 0.0)),
        at(0.0, 0.0, value=1.0, slope=(0.0, 0.0)), at(0.0, 0.5, value=0.0, slope=(inf, 0.0)),
        at(0.0, -1.0, value=inf), at(-2.0, 3.0, value=-8.0, slope=(12.0, nan)),
        at(2.0, 0.0, value=1.0, slope=(0.0, _LOG2)),
    ),
    row(np.float_power, "p[2,3] f[3]"),
    row(
        lambda x: x**3, "f[2,3]",
        at(-2.0, value=-8.0, slope=12.0), at(0.0, value=0.0, slope=0.0), name="x ** 3",
    ),
    row(
        lambda x: x**2, "f[2,3]",
        at(-3.0, value=9.0, slope=-6.0), at(0.0, value=0.0, slope=0.0), name="x ** 2",
    ),
    row(lambda x: x**-1, "p[2,3]", at(-2.0, value=-0.5, slope=-0.25), name="x ** -1"),
    row(
        lambda x: x**0.5, "p[2,3]",
        at(4.0, value=2.0, slope=0.25), at(0.0, value=0.0, slope=inf), name="x ** 0.5",
    ),
    row(lambda x: x**0, "f[2,3]", at(0.0, value=1.0, slope=0.0), name="x ** 0"),
    row(lambda x: 2**x, "f[2,3]", at(3.0, value=8.0, slope=8 * _LOG2), name="2 ** x"),
    row(lambda x: 0.0**x, "p[2,3]", at(2.0, value=0.0, slope=0.0), name="0 ** x"),
    row(
        np.absolute, "f[2,3]",
        at(0.0, value=0.0, slope=0.0), at(-0.0, value=0.0, slope=0.0), at(-3.0, value=3.0, slope=-1.0),
    ),
    row(np.fabs, "f[2,3]", at(0.0, value=0.0, slope=0.0)),
    row(np.sign, "f[2,3]", at(0.0, value=0.0, slope=0.0)),
    row(np.square, "f[2,3]", at(-3.0, value=9.0, slope=-6.0)),
    row(np.sqrt, "p[2,3]", at(0.0, value=0.0, slope=inf), at(4.0, value=2.0, slope=0.25)),
    row(np.cbrt, "p[2,3]", at(0.0, value=0.0, slope=inf), at(-8.0, value=-2.0, slope=1 / 12)),
    row(np.exp, "f[2,3]", at(-1e4, value=0.0, slope=0.0), at(1e4, value=inf, slope=inf)),
    row(np.exp2, "f[2,3]", at(3.0, value=8.0, slope=8 * _LOG2)),
    row(np.expm1, "f[2,3]", at(1e-20, value=1e-20, slope=1.0), at(-1e4, value=-1.0, slope=0.0)),
    row(np.log, "p[2,3]", at(0.0, value=-inf, slope=inf), at(1.0, value=0.0, slope=1.0)),
    row(np.log2, "p[2,3]", at(8.0, value=3.0, slope=1 / (8 * _LOG2))),
    row(np.log10, "p[2,3]", at(100.0, value=2.0, slope=1 / (100 * log(10)))),
    row(np.log1p, "p[2,3]", at(1e-20, value=1e-20, slope=1.0), at(-1.0, value=-inf, slope=inf)),
    row(
        np.logaddexp, "f[2,3] f[3]",
        at(1e4, 0.0, value=1e4, slope=(1.0, 0.0)), at(-1e4, -1e4, value=_LOG2 - 1e4, slope=(0.5, 0.5)),
        at(-inf, 1.0, value=1.0, slope=(0.0, 1.0)),
    ),
    row(np.sin, "f[2,3]", at(0.0, value=0.0, slope=1.0)),
    row(np.cos, "f[2,3]", at(0.0, value=1.0, slope=0.0)),
    row(np.tan, "u[2,3]", at(0.0, value=0.0, slope=1.0)),
    row(np.arcsin, "u[2,3]", at(1.0, value=pi / 2, slope=inf)),
    row(np.arccos, "u[2,3]", at(1.0, value=0.0, slope=-inf), at(0.0, value=pi / 2, slope=-1.0)),
    row(np.arctan, "f[2,3]", at(inf, value=pi / 2, slope=0.0), at(1e4, slope=1 / (1 + 1e8))),
    row(
        np.arctan2, "f[2,3] p[3]",
        at(1.0, 0.0, value=pi / 2, slope=(0.0, -1.0)), at(0.0, -1.0, value=pi, slope=(-1.0, 0.0)),
        at(0.0, 0.0, value=0.0, slope=(0.0, 0.0)),
        at(1e-200, 1e-200, value=pi / 4, slope=(5e199, -5e199)),
        at(1e200, 1e200, value=pi / 4, slope=(5e-201, -5e-201)),
    ),
    row(
        np.hypot, "f[2,3] f[3]",
        at(0.0, 0.0, value=0.0, slope=(0.0, 0.0)), at(0.0, -2.0, value=2.0, slope=(0.0, -1.0)),
        at(3e200, 4e200, value=5e200, slope=(0.6, 0.8)),
    ),
    row(np.sinh, "f[2,3]", at(0.0, value=0.0, slope=1.0)),
    row(np.cosh, "f[2,3]", at(0.0, value=1.0, slope=0.0)),
    row(
        np.tanh, "f[2,3]",
        at(1e4, value=1.0, slope=0.0), at(-1e4, value=-1.0, slope=0.0), at(0.0, value=0.0, slope=1.0),
    ),
    row(np.arcsinh, "f[2,3]", at(1e200, slope=1e-200), at(0.0, value=0.0, slope=1.0)),
    row(np.arccosh, "g[2,3]", at(1.0, value=0.0, slope=inf)),
    row(np.arctanh, "u[2,3]", at(1.0, value=inf, slope=inf), at(0.0, value=0.0, slope=1.0)),
    row(
        np.maximum, "f[2,3] f[3]",
        at(1.0, 1.0, value=1.0, slope=(0.5, 0.5)), at(1.0, 2.0, value=2.0, slope=(0.0, 1.0)),
        at(nan, 1.0, value=nan),
    ),
    row(
        np.minimum, "f[2,3] f[3]",
        at(1.0, 1.0, value=1.0, slope=(0.5, 0.5)), at(1.0, 2.0, value=1.0, slope=(1.0, 0.0)),
        at(nan, 1.0, value=nan),
    ),
    row(
        lambda x: np.clip(x, -1, 1.5), "f[2,3]",
        at([-1.0, 1.5, -2.0, 2.0, 0.0], value=[-1.0, 1.5, -1.0, 1.5, 0.0], slope=[1.0, 1.0, 0.0, 0.0, 1.0]),
        name="clip",
    ),
    row(
        np.clip, "f[2,3] u[3] g[3]",
        at(0.0, 1.0, 2.0, value=1.0, slope=(0.0, 1.0, 0.0)),
        at(0.0, 2.0, 1.0, value=1.0, slope=(0.0, 0.0, 1.0)), at(0.0, nan, 1.0, value=nan),
        name="clip between arrays",
    ),
    row(lambda x: np.clip(x, None, 1), "f[2,3]", name="clip above"),
    row(lambda x: np.clip(x, min=0), "f[2,3]", at(0.0, slope=1.0), name="clip below"),
    row(np.floor, "f[2,3]", at(1.5, value=1.0, slope=0.0)),
    row(np.ceil, "f[2,3]", at(1.5, value=2.0, slope=0.0)),
    row(np.trunc, "f[2,3]", at(-1.5, value=-1.0, slope=0.0)),
    row(np.fix, "f[2,3]", at(-1.5, value=-1.0, slope=0.0)),
    row(np.rint, "f[2,3]", at(2.5, value=2.0, slope=0.0)),
    row(np.round, "f[2,3]", at(2.5, value=2.0, slope=0.0)),
    row(lambda x: np.around(x, 1), "f[2,3]", at(0.25, value=0.2, slope=0.0), name="around to a decimal"),
    row(lambda x: np.round(x, -1), "f[2,3]", at(125.0, value=120.0, slope=0.0), name="round to tens"),
    row(np.isnan, "f[2,3]", at(nan, value=True, slope=0.0)),
    row(np.isinf, "f[2,3]", at(-inf, value=True, slope=0.0)),
    row(np.isfinite, "f[2,3]", at(nan, value=False, slope=0.0)),
    row(
        lambda x: np.isclose(x, 1.0), "f[2,3]",
        at(1 + 1e-9, value=True), at(1.1, value=False), name="isclose",
    ),
    *(
        row(f, "f[2,3] f[3]", at(1.0, 1.0, slope=(0.0, 0.0)))
        for f in (np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal)
    ),
    *(row(f, "b[2,3] b[3]") for f in (np.logical_and, np.logical_or, np.logical_xor)),
    row(np.logical_not, "f[2,3]"),
    *(row(f, "i8[2,3] i8[3]") for f in (np.bitwise_and, np.bitwise_or, np.bitwise_xor)),
    row(lambda a, b: ~(a & b) | (a ^ b), "b[2,3] b[3]", name="~(a & b) | (a ^ b)"),
    row(np.invert, "i8[2,3]"),
    row(np.where, "b[2,3] f[3] f[2,1]", at(True, 1.0, nan, value=1.0, slope=(1.0, 0.0))),
    row(lambda x: np.where(x > 0, x, 0), "f[2,3]", at(0.0, value=0.0, slope=0.0), name="where with a number"),
    row(
        np.nan_to_num, "f[2,3]",
        at([nan, inf, 2.0], value=[0.0, np.finfo(float).max, 2.0], slope=[0.0, 0.0, 1.0]),
    ),
    row(
        cp.sigmoid, "f[2,3]",
        at(0.0, value=0.5, slope=0.25), at(1e4, value=1.0, slope=0.0), at(-1e4, value=0.0, slope=0.0),
    ),
    row(cp.log_sigmoid, "f[2,3]", at(-1e4, value=-1e4, slope=1.0), at(1e4, value=0.0, slope=0.0)),
    row(
        cp.softplus, "f[2,3]",
        at(1e4, value=1e4, slope=1.0), at(-1e4, value=0.0, slope=0.0), at(0.0, value=_LOG2, slope=0.5),
    ),
    row(cp.tanh, "f[2,3]", name="cp.tanh"),
    row(cp.identity, "f[2,3]"),
    row(cp.erf, "f[2,3]", at(0.0, value=0.0, slope=2 / sqrt(pi)), at(1e4, value=1.0, slope=0.0)),
    row(cp.relu, "f[2,3]", at([0.0, -1.0, 2.0], value=[0.0, 0.0, 2.0], slope=[0.0, 0.0, 1.0])),
    row(cp.leaky_relu, "f[2,3]", at([0.0, -1.0, 2.0], value=[0.0, -0.01, 2.0], slope=[0.01, 0.01, 1.0])),
    row(cp.elu, "f[2,3]", at([0.0, -1e4, 2.0], value=[0.0, -1.0, 2.0], slope=[1.0, 0.0, 1.0])),
    row(lambda x: cp.elu(x, 0.5), "f[2,3]", at(0.0, value=0.0, slope=0.5), name="elu with alpha"),
    row(
        cp.gelu, "f[2,3]",
        at(0.0, value=0.0, slope=0.5), at(1e4, value=1e4, slope=1.0), at(-1e4, value=0.0, slope=0.0),
    ),
    row(lambda x: cp.gelu(x, "tanh"), "f[2,3]", at(0.0, value=0.0, slope=0.5), name="gelu by tanh"),
    row(
        cp.silu, "f[2,3]",
        at(0.0, value=0.0, slope=0.5), at(1e4, value=1e4, slope=1.0), at(-1e4, value=0.0, slope=0.0),
    ),
    row(
        lambda x, c: x * cp.stop_gradient(c), "f[2,3] c[3]",
        at(3.0, 2.0, value=6.0, slope=(2.0, 0.0)), name="stop_gradient",
    ),
    row(
        lambda x: x.astype(np.float32), "c[2,3]",
        at(0.1, value=np.float32(0.1), slope=1.0), name="astype float32",
    ),
    row(lambda x: np.astype(x, np.int64), "c[2,3]", at(1.7, value=1, slope=0.0), name="astype int64"),
    row(lambda x: np.conjugate(x) + np.real(x) + np.copy(x), "f[2,3]", name="conjugate real copy"),
]  # fmt: skip

DISCARDED = [  # a branch that is not taken spoils no gradient
    row(
        lambda x: np.where(x > 0, np.log(x), 0), "p[4]",
        at([0.0, -1.0, 2.0], value=[0.0, 0.0, _LOG2], slope=[0.0, 0.0, 0.5]), name="where log",
    ),
    row(
        lambda x: np.where(x > 0, x * np.log(x), 0), "p[4]",
        at([0.0, -1.0, 1.0], value=[0.0, 0.0, 0.0], slope=[0.0, 0.0, 1.0]), name="where x log x",
    ),
    row(
        lambda x: np.where(x > 0, np.sqrt(x), 0), "p[4]",
        at([0.0, -1.0, 4.0], value=[0.0, 0.0, 2.0], slope=[0.0, 0.0, 0.25]), name="where sqrt",
    ),
    row(
        lambda x: np.where(x == 0, 1, np.sin(x) / x), "p[4]",
        at(0.0, value=1.0, slope=0.0), name="where sin x / x",
    ),
    row(
        lambda x: np.where(x < 5, np.exp(x), 0), "f[4]",
        at([1e4, 0.0], value=[0.0, 1.0], slope=[0.0, 1.0]), name="where exp overflows",
    ),
    row(
        lambda x: np.where(x > 0, x**1.5, 0), "p[4]",
        at([-1.0, 0.0, 4.0], value=[0.0, 0.0, 8.0], slope=[0.0, 0.0, 3.0]), name="where power",
    ),
]  # fmt: skip

REDUCTIONS = [
    row(np.sum, "f[2,3]", at(np.zeros((0, 3)), value=0.0, slope=np.zeros((0, 3)))),
    row(lambda x: np.sum(x, axis=(0, -1), keepdims=True), "f[2,3,4]", name="sum over two axes"),
    row(lambda x: np.add.reduce(x), "f[2,3]", name="add.reduce"),
    row(
        lambda x: x.sum(axis=0, dtype=np.float64), "f[2,3]",
        at(np.zeros((0, 2)), value=[0.0, 0.0]), name="sum in float64",
    ),
    row(np.mean, "f[2,3]"),
    row(lambda x: x.mean(axis=-1, keepdims=True), "f[2,3]", name="mean over the last axis"),
    row(np.average, "f[2,3]"),
    row(lambda x, w: np.average(x, weights=w), "f[2,3] p[2,3]", name="average by weights"),
    row(
        lambda x, w: np.average(x, axis=1, weights=w), "f[2,3] p[3]", name="average along an axis by weights",
    ),
    row(
        np.prod, "f[2,3]",
        at([0.0, 2.0, 3.0], value=0.0, slope=[6.0, 0.0, 0.0]),
        at([0.0, 0.0, 3.0], value=0.0, slope=[0.0, 0.0, 0.0]),
        at([], value=1.0, slope=[]), at([5.0], value=5.0, slope=[1.0]),
    ),
    row(lambda x: np.prod(x, axis=1, keepdims=True), "f[2,5]", name="prod over an axis"),
    row(lambda x: np.multiply.reduce(x, axis=1), "f[2,3]", name="multiply.reduce"),
    row(
        np.max, "f[2,3]",
        at([1.0, 3.0, 3.0], value=3.0, slope=[0.0, 0.5, 0.5]), at([2.0] * 4, value=2.0, slope=[0.25] * 4),
        at([nan, 1.0], value=nan),
    ),
    row(lambda x: x.max(axis=(0, 2), keepdims=True), "f[2,3,2]", name="max over two axes"),
    row(lambda x: np.maximum.reduce(x, axis=1), "f[2,3]", name="maximum.reduce"),
    row(np.min, "f[2,3]", at([1.0, 1.0, 3.0], value=1.0, slope=[0.5, 0.5, 0.0]), at([nan, 1.0], value=nan)),
    row(lambda x: np.minimum.reduce(x, axis=-1, keepdims=True), "f[2,3]", name="minimum.reduce"),
    row(lambda x: np.amin(np.amax(x, axis=1)), "f[2,3]", name="amin of amax"),
    row(np.argmax, "f[2,3]", at([1.0, 3.0, 3.0], value=1, slope=[0.0, 0.0, 0.0])),
    row(lambda x: np.argmax(x, axis=-1, keepdims=True), "f[2,3]", name="argmax over an axis"),
    row(np.argmin, "f[2,3]", at([1.0, 1.0, 3.0], value=0, slope=[0.0, 0.0, 0.0])),
    row(lambda x: x.argmin(axis=0), "f[2,3]", name="argmin over an axis"),
    row(np.argsort, "f[2,3]"),
    row(lambda x: np.argsort(x, axis=None), "f[2,3]", name="argsort of all"),
    row(lambda x: np.any(x > 1), "f[2,3]", name="any"),
    row(lambda x: np.logical_or.reduce(x > 1), "f[2,3]", name="logical_or.reduce"),
    row(lambda x: np.all(x > -1, axis=1, keepdims=True), "f[2,3]", name="all over an axis"),
    row(lambda x: np.logical_and.reduce(x, axis=1), "b[2,3]", name="logical_and.reduce"),
    row(np.cumsum, "f[2,3]"),
    row(
        lambda x: np.add.accumulate(x, axis=1), "f[2,3]",
        at([[1.0, 2.0, 3.0]], value=[[1.0, 3.0, 6.0]], slope=[[3.0, 2.0, 1.0]]), name="add.accumulate",
    ),
    row(np.var, "f[2,3]", at([2.0, 2.0], value=0.0, slope=[0.0, 0.0])),
    row(lambda x: np.var(x, axis=1, ddof=1, keepdims=True), "f[2,3]", name="var with ddof"),
    row(np.std, "f[2,3]", at([2.0, 2.0, 2.0], value=0.0, slope=[0.0, 0.0, 0.0])),
    row(lambda x: x.std(axis=0, ddof=1), "f[3,2]", name="std over an axis"),
    row(
        np.linalg.norm, "f[2,3]",
        at([0.0, 0.0], value=0.0, slope=[0.0, 0.0]), at([3.0, 4.0], value=5.0, slope=[0.6, 0.8]),
    ),
    row(lambda x: np.linalg.norm(x, axis=1, keepdims=True), "f[2,3]", name="norm over an axis"),
    row(lambda x: np.linalg.norm(x, "fro"), "f[2,3]", name="norm of Frobenius"),
    row(
        lambda x: np.linalg.norm(x, 1, axis=1), "f[2,3]",
        at([[0.0, -2.0]], value=[2.0], slope=[[0.0, -1.0]]), name="norm 1",
    ),
    row(
        lambda x: np.linalg.norm(x, np.inf, axis=1), "f[2,3]",
        at([[2.0, -2.0]], value=[2.0], slope=[[0.5, -0.5]]), name="norm inf",
    ),
    row(lambda x: np.linalg.norm(x, -np.inf, axis=1), "f[2,3]", name="norm -inf"),
    row(
        lambda x: np.linalg.norm(x, 0, axis=1), "f[2,3]",
        at([[0.0, 3.0]], value=[1.0], slope=[[0.0, 0.0]]), name="norm 0",
    ),
    row(
        lambda x: np.linalg.norm(x, 3, axis=1), "f[2,3]",
        at([[0.0, 0.0]], value=[0.0], slope=[[0.0, 0.0]]), at([[0.0, 2.0]], value=[2.0], slope=[[0.0, 1.0]]),
        name="norm 3",
    ),
    row(np.linalg.vector_norm, "f[2,3]"),
    row(
        lambda x: np.linalg.vector_norm(x, axis=(0, 1), keepdims=True, ord=1), "f[2,3]", name="vector_norm 1",
    ),
    row(
        cp.logsumexp, "f[2,3]",
        at([1e4, -1e4], value=1e4, slope=[1.0, 0.0]), at([-1e4, -1e4], value=_LOG2 - 1e4, slope=[0.5, 0.5]),
        at([inf, 0.0], value=inf), at([-inf, 0.0], value=0.0, slope=[0.0, 1.0]),
    ),
    row(lambda x: cp.logsumexp(x, axis=(0, 1), keepdims=True), "f[2,3,2]", name="logsumexp over two axes"),
    row(
        cp.softmax, "f[2,3]",
        at([0.0, 1e4], value=[0.0, 1.0], slope=[0.0, 0.0]),
        at([-1e4, -1e4], value=[0.5, 0.5], slope=[0.0, 0.0]),
    ),
    row(lambda x: cp.softmax(x, axis=0), "f[2,3]", name="softmax over the first axis"),
    row(cp.log_softmax, "f[2,3]", at([0.0, 1e4], value=[-1e4, 0.0], slope=[1.0, -1.0])),
    row(np.sort, "f[2,3]", at([3.0, 1.0, 1.0], value=[1.0, 1.0, 3.0], slope=[1.0, 1.0, 1.0])),
    row(lambda x: np.sort(x, axis=0), "f[3,2]", name="sort along the first axis"),
    row(lambda x: np.sort(x, axis=None) * np.arange(6), "f[2,3]", name="sort of all"),
]  # fmt: skip

SHAPES = [
    row(lambda x: np.reshape(x, (3, -1)), "f[2,3]", name="reshape"),
    row(lambda x: x.reshape(3, 2).flatten().ravel(), "f[2,3]", name="x.reshape"),
    row(np.ravel, "f[2,3]", at(np.zeros((0, 2)), value=[], slope=np.zeros((0, 2)))),
    row(np.transpose, "f[2,3,4]"),
    row(lambda x: np.permute_dims(x, (2, 0, -2)), "f[2,3,4]", name="permute_dims"),
    row(lambda x: x.T @ x.transpose(0, 1) + x.mT @ x.transpose((0, 1)), "f[2,3]", name="x.T"),
    row(np.matrix_transpose, "f[2,3,4]"),
    row(lambda x: np.swapaxes(x, 0, -1), "f[2,3,4]", name="swapaxes"),
    row(lambda x: np.moveaxis(x, 0, -1), "f[2,3,4]", name="moveaxis"),
    row(lambda x: np.moveaxis(x, (0, 1), (2, 0)), "f[2,3,4]", name="moveaxis of two"),
    row(np.squeeze, "f[1,3,1]"),
    row(lambda x: x.squeeze(axis=-1), "f[1,3,1]", name="squeeze the last axis"),
    row(lambda x: np.expand_dims(x, (0, -1)), "f[2,3]", name="expand_dims"),
    row(np.atleast_1d, "f[]"),
    row(np.atleast_2d, "f[3]"),
    row(lambda x: np.broadcast_to(x, (2, 3, 4)), "f[3,1]", name="broadcast_to"),
    row(np.broadcast_arrays, "f[2,1] f[3]"),
    row(lambda a, b: np.concatenate([a, b, a]), "f[2,3] f[1,3]", name="concatenate"),
    row(lambda a, b: np.concat([a, b], axis=None), "f[2,3] f[2]", name="concat of all"),
    row(lambda a, b: np.stack([a, b], axis=-1), "f[2,3] f[2,3]", name="stack"),
    row(lambda a, b: np.vstack([a, b]), "f[2,3] f[3]", name="vstack"),
    row(lambda a, b: np.hstack([a, b]), "f[2,3] f[2,1]", name="hstack"),
    row(lambda a, b: np.hstack([a, b]), "f[3] f[]", name="hstack of vectors"),
    row(lambda a, b: np.column_stack([a, b]), "f[3] f[3,2]", name="column_stack"),
    row(lambda x: np.split(x, 3, axis=1), "f[2,3]", name="split"),
    row(lambda x: np.array_split(x, 3), "f[5,2]", name="array_split"),
    row(lambda x: np.array_split(x, [1, 4], axis=-1), "f[2,5]", name="array_split at indices"),
    row(lambda x: np.pad(x, 1), "f[2,3]", name="pad"),
    row(lambda x: np.pad(x, ((1, 2), (0, 1)), constant_values=2.5), "f[2,3]", name="pad with a number"),
    row(
        lambda x: np.pad(x, ((0, 1), (2, 0)), constant_values=((1, 2), (3, 4))),
        "f[2,3]", name="pad with numbers",
    ),
    *(
        row(lambda x, m=m: np.pad(x, ((1, 1), (2, 1)), mode=m), "f[2,3]", name=f"pad {m}")
        for m in ("edge", "reflect", "symmetric", "wrap")
    ),
    row(np.flip, "f[2,3]"),
    row(lambda x: np.flip(x, 1), "f[2,3]", name="flip an axis"),
    row(lambda x: np.roll(x, 2), "f[2,3]", name="roll"),
    row(lambda x: np.roll(x, (1, -1), axis=(0, 1)), "f[2,3]", name="roll two axes"),
    row(lambda x: np.roll(x, (1, 1), axis=1), "f[2,3]", name="roll an axis twice"),
    row(lambda x: np.repeat(x, 2), "f[2,3]", name="repeat"),
    row(lambda x: np.repeat(x, [1, 0, 2], axis=1), "f[2,3]", name="repeat unequally"),
    row(lambda x: np.tile(x, (2, 1, 3)), "f[2,3]", name="tile"),
    row(lambda x: np.append(x, x, axis=0), "f[2,3]", name="append"),
    row(lambda x: np.append(x, 1.0), "f[2,3]", name="append a number"),
    row(np.diff, "f[2,4]"),
    row(lambda x: np.diff(x, n=2, axis=0), "f[4,2]", name="diff twice"),
    row(np.diagonal, "f[3,3]"),
    row(lambda x: np.diagonal(x, 1, 2, 0), "f[2,3,4]", name="diagonal of two axes"),
    row(np.diag, "f[3,4]"),
    row(lambda x: np.diag(x, -1), "f[3]", name="diag of a vector"),
    row(np.trace, "f[3,3]"),
    row(lambda x: x.trace(offset=-1), "f[3,4,2]", name="trace below"),
    row(np.tril, "f[3,4]"),
    row(lambda x: np.triu(x, 1), "f[2,3,4]", name="triu"),
    row(
        lambda x: np.full_like(x, x[0, 0]) * np.ndim(x) + np.size(x) - np.shape(x)[0] + np.zeros_like(x),
        "f[2,3]", name="full_like",
    ),
    row(lambda x: np.ones_like(x, np.result_type(x, 1)) * np.empty_like(x).size * x, "f[2,3]", name="likes"),
]  # fmt: skip

INDEXING = [
    row(lambda x: x[1:, ::-2], "f[3,5]", name="x[1:, ::-2]"),
    row(lambda x: x[-1, None, ..., 0], "f[2,3,4]", name="x[-1, None, ..., 0]"),
    row(lambda x: x[_I], "f[3,2]", name="x[integers]"),
    row(lambda x: x[:, _I[0], None, _I[1]], "f[2,3,3]", name="x[:, integers, None, integers]"),
    row(lambda x: x[..., _M], "f[2,3]", name="x[mask]"),
    row(lambda x, i: x[i, 1], "f[3,2] i3[4]", name="x[traced integers]"),
    row(lambda x: sum(v * v for v in x), "f[3,2]", name="for v in x"),
    row(lambda x: np.take(x, _I), "f[2,3]", name="take"),
    row(lambda x: x.take([2, -1], axis=1), "f[2,3]", name="take along an axis"),
    row(
        lambda x: np.take(x, [-4, 7], axis=0, mode="wrap") + np.take(x, [-4, 7], axis=0, mode="clip"),
        "f[3,2]", name="take modes",
    ),
    row(lambda x, i: np.take_along_axis(x, i, axis=1), "f[2,3] i3[2,4]", name="take_along_axis"),
    row(lambda x: cp.gather(x, np.array([0, 2, 2]), np.array([1, 0, 0])), "f[3,2]", name="gather"),
    row(lambda x, i: cp.gather(x, i), "f[3,2] i3[4]", name="gather rows"),
    row(lambda x, i, u: cp.scatter_add(x, i, u), "f[3,2] i3[4] f[4,2]", name="scatter_add"),
    row(
        lambda x, u: cp.scatter_add(x, (np.array([0, 0]), np.array([1, 1])), u),
        "f[3,2] f[2]", name="scatter_add to a place twice",
    ),
    row(lambda i: cp.one_hot(i, 4), "i5[2,3]", name="one_hot"),
]  # fmt: skip

PRODUCTS = [
    *(
        row(np.matmul, f"f[{a}] f[{b}]", name=f"matmul [{a}] [{b}]")
        for a, b in (
            ("3", "3"), ("2,3", "3"), ("3", "3,4"), ("2,3", "3,4"), ("2,2,3", "3"), ("3", "2,3,4"),
            ("2,2,3", "3,2"), ("2,3", "2,3,2"), ("2,2,3", "2,3,2"), ("2,1,2,3", "3,3,2"), ("0,3", "3,2"),
            ("2,0", "0,3"),
        )
    ),
    *(
        row(np.dot, f"f[{a}] f[{b}]", name=f"dot [{a}] [{b}]")
        for a, b in (("3", "3"), ("2,3", "3,4"), ("2,3", "2,3,2"), ("2,2,3", "3"), ("", "2,3"))
    ),
    row(lambda x: np.ones(3) @ x + x.T @ [1, 2, 3], "f[3,3]", name="NumPy's array on the left of @"),
    row(np.outer, "f[2,2] f[3]"),
    row(np.inner, "f[2,3] f[4,3]"),
    row(np.vecdot, "f[2,3] f[3]"),
    row(lambda a, b: np.vecdot(a, b, axis=0), "f[2,3] f[2,3]", name="vecdot along an axis"),
    row(np.tensordot, "f[2,3,4] f[3,4,2]"),
    row(lambda a, b: np.tensordot(a, b, 0), "f[2] f[3]", name="tensordot over nothing"),
    row(lambda a, b: np.tensordot(a, b, ([0, -1], [1, 0])), "f[2,3,4] f[4,2]", name="tensordot over pairs"),
    *(
        row(lambda *xs, s=s: np.einsum(s, *xs), inputs, name=f"einsum {s} {inputs}")
        for s, inputs in (
            ("ij,jk->ik", "f[2,3] f[3,4]"), ("bij,bjk->bik", "f[2,2,3] f[2,3,2]"), ("ii->i", "f[3,3]"),
            ("ii", "f[3,3]"), ("i,i", "f[3] f[3]"), ("ij->ji", "f[2,3]"), ("i,j", "f[2] f[3]"),
            ("...ij,...jk->...ik", "f[2,2,3] f[3,2]"), ("ij,jk,kl->il", "f[2,3] f[3,2] f[2,2]"),
            ("ba,cb", "f[2,3] f[2,2]"),
            ("ij,ij->ij", "f[2,1] f[1,3]"), ("iij,j->i", "f[2,2,3] f[3]"), ("...i->...", "f[2,3]"),
            ("i,i,i->i", "f[3] f[3] f[3]"), ("ijk->", "f[2,1,2]"), ("...,...", "f[2,3] f[3]"),
            ("a...,...a->...", "f[2,3] f[3,2]"), ("ij,i,->j", "f[2,3] f[2] f[]"),
        )
    ),
]  # fmt: skip

RANDOM = [
    row(lambda k: random.bits(k, (2, 3)), "k[2]", name="random bits"),
    row(lambda k: random.uniform(k, (5,), -1, 2), "k[2]", name="uniform"),
    row(lambda k: random.uniform(k, (5,), dtype=np.float64), "k[2]", name="uniform in float64"),
    row(lambda k: random.normal(k, (5,), 1, 2), "k[2]", name="normal"),
    row(lambda k: random.bernoulli(k, 0.3, (5,)), "k[2]", name="bernoulli"),
    row(lambda k: random.permutation(k, 7), "k[2]", name="permutation"),
    row(lambda k: random.split(random.fold_in(k, 3), 2), "k[2]", name="split keys"),
    row(lambda x, k: x * random.bernoulli(k, 0.5, (2, 3)), "f[2,3] k[2]", name="dropout"),
]

CASES = [*ELEMENTWISE, *DISCARDED, *REDUCTIONS, *SHAPES, *INDEXING, *PRODUCTS, *RANDOM]
