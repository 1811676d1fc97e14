"""What docs/numerics.md says of kinks and ties: a row here for each row there."""

import numpy as np
import pytest

import clearprop as cp

MAXOUT = cp.nn.Maxout(1, 1, 2, weight=[[[1.0]], [[1.0]]], bias=None)

# what is differentiated, in which arguments, where, the derivative that the page states
ROWS = {
    "relu": (cp.relu, (0.0,), (0.0,)),
    "leaky_relu": (lambda x: cp.leaky_relu(x, 0.3), (0.0,), (0.3,)),
    "elu": (lambda x: cp.elu(x, 0.7), (0.0,), (0.7,)),
    "abs": (np.abs, (0.0,), (0.0,)),
    "maximum": (np.maximum, (1.0, 1.0), (0.5, 0.5)),
    "minimum": (np.minimum, (1.0, 1.0), (0.5, 0.5)),
    "max": (np.max, (np.array([2.0, 2.0, 1.0]),), ([0.5, 0.5, 0.0],)),
    "min": (np.min, (np.array([1.0, 1.0, 2.0]),), ([0.5, 0.5, 0.0],)),
    "maxout": (
        lambda w: MAXOUT.replace(weight=w)(np.ones((1, 1))).sum(),
        (MAXOUT.weight,),
        ([[[0.5]], [[0.5]]],),
    ),
    "clip at the lower bound": (np.clip, (0.0, 0.0, 1.0), (1.0, 0.0, 0.0)),
    "clip at the upper bound": (np.clip, (1.0, 0.0, 1.0), (1.0, 0.0, 0.0)),
    "sign": (np.sign, (2.0,), (0.0,)),
    "floor": (np.floor, (2.5,), (0.0,)),
    "round": (np.round, (2.4,), (0.0,)),
    "comparison": (lambda x: (x > 1).astype(float), (2.0,), (0.0,)),
    "argmax": (lambda x: np.argmax(x).astype(float), (np.array([1.0, 2.0]),), ([0.0, 0.0],)),
    "sort": (
        lambda x: (np.sort(x) * np.array([1.0, 2.0, 3.0])).sum(),
        (np.array([1.0, 1.0, 0.0]),),
        ([2.0, 3.0, 1.0],),
    ),
    "hinge": (lambda s: cp.losses.hinge(s, np.array([1])), (np.array([1.0]),), ([0.0],)),
    "sqrt": (np.sqrt, (0.0,), (np.inf,)),
    "norm": (np.linalg.norm, (np.zeros(2),), ([0.0, 0.0],)),
    "hypot": (np.hypot, (0.0, 0.0), (0.0, 0.0)),
    "arctan2": (np.arctan2, (0.0, 0.0), (0.0, 0.0)),
    "std": (np.std, (np.ones(3),), ([0.0, 0.0, 0.0],)),
    "power of 0": (lambda x: np.power(x, 0.0), (0.0,), (0.0,)),
    "power at 0, to the exponent": (lambda b: np.power(0.0, b), (2.0,), (0.0,)),
    "the price of discarded branches": (lambda x: np.sqrt(x) ** 2, (0.0,), (0.0,)),
}


@pytest.mark.parametrize("compiled", [False, True], ids=["interpreted", "compiled"])
@pytest.mark.parametrize("name", ROWS)
def test_the_derivative_is_the_one_that_the_page_states(name, compiled):
    function, where, stated = ROWS[name]
    gradient = cp.grad(function, tuple(range(len(where))))
    if compiled:
        gradient, where = cp.jit(gradient), tuple(map(np.asarray, where))
    for found, expected in zip(gradient(*where), stated, strict=True):
        np.testing.assert_array_equal(found, expected)
