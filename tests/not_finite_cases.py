"""What can make a NaN or an infinity of finite numbers: a row each, planted into a network by test_first_cause.py.

A row is the operation that must be named, a function of the activations f32[n,3], a number at which it does no harm and
one at which it does.
"""

import numpy as np

import clearprop as cp

TWICE = np.array([0, 1, 2, 0, 1, 2])


def _scattered(h):
    return cp.scatter_add(0 * h.T, TWICE, np.concatenate([h.T, h.T])).T


FORWARD = [
    ("add", lambda h: h + h, 1.0, 3e38),
    ("subtract", lambda h: h - -h, 1.0, 3e38),
    ("multiply", lambda h: h * h, 1.0, 1e20),
    ("divide", lambda h: 1 / h, 1.0, 0.0),
    ("divide", lambda h: h / np.abs(h), 1.0, 0.0),
    ("divide", lambda h: h / 1e-20, 1e-20, 1e20),
    ("power", lambda h: h**-1.5, 1.0, 0.0),
    ("power", lambda h: h**1.5, 1.0, -1.0),
    ("power", lambda h: h**2.5, 1.0, 1e20),
    ("remainder", lambda h: np.remainder(2.0, h), 1.5, 0.0),
    ("floor_divide", lambda h: np.floor_divide(2.0, h), 1.5, 0.0),
    ("reciprocal", np.reciprocal, 1.0, 0.0),
    ("square", np.square, 1.0, -1e20),
    ("sqrt", np.sqrt, 1.0, -1.0),
    ("exp", np.exp, 1.0, 89.0),
    ("exp2", np.exp2, 1.0, 128.0),
    ("expm1", np.expm1, 1.0, 89.0),
    ("log", np.log, 1.0, 0.0),
    ("log", np.log, 1.0, -1.0),
    ("log2", np.log2, 1.0, 0.0),
    ("log10", np.log10, 1.0, 0.0),
    ("log1p", np.log1p, 1.0, -1.0),
    ("log1p", np.log1p, 1.0, -2.0),
    ("arcsin", np.arcsin, 0.5, 2.0),
    ("arccos", np.arccos, 0.5, -2.0),
    ("hypot", lambda h: np.hypot(h, h), 1.0, 3e38),
    ("sinh", np.sinh, 1.0, -90.0),
    ("cosh", np.cosh, 1.0, 90.0),
    ("arccosh", np.arccosh, 2.0, 0.5),
    ("arctanh", np.arctanh, 0.5, 1.0),
    ("arctanh", np.arctanh, 0.5, -2.0),
    ("astype", lambda h: h.astype(np.float16).astype(np.float32), 1.0, 1e6),
    ("leaky_relu", lambda h: cp.leaky_relu(h, 1e30), 1.0, -1e30),
    ("sum", lambda h: np.sum(np.stack([h, h], -1), axis=-1), 1.0, 3e38),
    ("cumsum", lambda h: np.cumsum(np.stack([h, h], -1), axis=-1)[..., 1], 1.0, 3e38),
    ("scatter_add", _scattered, 1.0, 3e38),
    ("matmul", lambda h: h @ (2 * np.eye(3, dtype=np.float32)), 1.0, 3e38),
]

SLOPES = [  # a finite value, but a slope that is not
    ("sqrt", np.sqrt, 1.0, 0.0),
    ("cbrt", np.cbrt, 1.0, 0.0),
    ("power", lambda h: h**0.7, 1.0, 0.0),
    ("power", lambda h: np.power(h, h), 1.0, -3.0),
    ("arcsin", np.arcsin, 0.5, 1.0),
    ("arccos", np.arccos, 0.5, -1.0),
    ("arccosh", np.arccosh, 2.0, 1.0),
    ("divide", lambda h: 1 / h, 1.0, 1e-20),
    ("reciprocal", np.reciprocal, 1.0, 1e-20),
    ("remainder", lambda h: np.remainder(1e30, h), 1.5, 1e-20),
    ("log", np.log, 1.0, 1e-40),
    ("log2", np.log2, 1.0, 1e-40),
    ("log10", np.log10, 1.0, 1e-40),
    ("arctan2", lambda h: np.arctan2(h, 0 * h), 1.0, 1e-40),
]

ERRORS = [  # a finite slope, but an error of 3e38 times it: the number that does harm is that error
    ("add", lambda h: h + h, 1.0),
    ("negative", lambda h: h - -h, 1.0),
    ("multiply", lambda h: 2 * h, 1.0),
    ("divide", lambda h: h / 0.5, 1.0),
    ("power", lambda h: h**3, 1.0),
    ("remainder", lambda h: np.remainder(5.0, h), 1.5),
    ("reciprocal", np.reciprocal, 0.5),
    ("square", np.square, 1.0),
    ("sqrt", np.sqrt, 0.01),
    ("cbrt", np.cbrt, 0.01),
    ("exp", np.exp, 1.0),
    ("exp2", np.exp2, 2.0),
    ("expm1", np.expm1, 1.0),
    ("log", np.log, 0.5),
    ("log2", np.log2, 0.5),
    ("log10", np.log10, 0.1),
    ("log1p", np.log1p, -0.5),
    ("tan", np.tan, 1.0),
    ("arcsin", np.arcsin, 0.9),
    ("arccos", np.arccos, 0.9),
    ("arctan2", lambda h: np.arctan2(h, 0.05), 0.05),
    ("hypot", lambda h: np.hypot(h, h), 1.0),
    ("sinh", np.sinh, 1.0),
    ("cosh", np.cosh, 2.0),
    ("arccosh", np.arccosh, 1.1),
    ("arctanh", np.arctanh, 0.9),
    ("erf", cp.erf, 0.0),
    ("with_slope", cp.gelu, 1.5),
    ("leaky_relu", lambda h: cp.leaky_relu(h, 2.0), -1.0),
    ("elu", lambda h: cp.elu(h, 2.0), -0.1),
    ("astype", lambda h: 10 * h.astype(np.float64), 1.0),
    ("matmul", lambda h: h @ (2 * np.eye(3, dtype=np.float32)), 1.0),
    ("broadcast_to", lambda h: np.broadcast_to(h, (2, *h.shape)), 1.0),
    ("gather", lambda h: np.sum(np.take(h, [[0, 0], [1, 1], [2, 2]], axis=1), axis=-1), 1.0),
    ("cumsum", lambda h: np.cumsum(h, axis=1), 1.0),
]

_COMPARING = (
    "equal not_equal less less_equal greater greater_equal logical_and logical_or logical_xor logical_not "
    "bitwise_and bitwise_or bitwise_xor invert isnan isinf isfinite argmax argmin argsort any all random_bits"
)
_MOVING = "where stop_gradient reshape transpose slice unslice concatenate max min"
_BOUNDED = (
    "sigmoid softplus relu absolute sign maximum minimum floor ceil trunc rint logaddexp sin cos arctan "
    "tanh arcsinh"
)

NEVER_FORWARD = {*_COMPARING.split(), *_MOVING.split(), *_BOUNDED.split()} | {
    "negative", "elu", "erf", "cbrt", "tan", "arctan2", "broadcast_to", "gather", "chain", "with_slope",
}  # fmt: skip
"""Operations that make no NaN and no infinity of finite numbers; `chain` is what derivatives are multiplied with."""

NEVER_BACKWARD = {*_COMPARING.split(), *_MOVING.split(), *_BOUNDED.split()} | {
    "subtract", "floor_divide", "sum", "scatter_add", "chain",
}  # fmt: skip
"""Operations whose derivative makes none of finite numbers: no slope beyond 1, no two shares that meet."""
