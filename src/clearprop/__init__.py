"""Backpropagation you can see through, at compiled speed.

>>> import numpy as np, clearprop as cp
>>> def loss(w, x, y):
...     return np.mean((np.tanh(x @ w) - y) ** 2)
>>> w, x, y = np.zeros((2, 1)), np.array([[1.0, 2.0]]), np.array([[1.0]])
>>> cp.grad(loss)(w, x, y)
array([[-2.],
       [-4.]])
"""

from . import (
    data,
    losses,
    nn,
    ops,  # noqa: F401  # fills the table of what NumPy's functions do on traced values
    optim,
    random,
)
from ._version import __version__
from .api import check_grads, grad, hessian, hvp, jit, jvp, make_graph, profile, show, value_and_grad, vjp
from .compile.threads import get_threads, set_threads
from .core import errors, tree
from .ops.activations import (
    elu,
    erf,
    gelu,
    identity,
    leaky_relu,
    log_sigmoid,
    relu,
    sigmoid,
    silu,
    softplus,
    tanh,
)
from .ops.composite import log_softmax, logsumexp, softmax, stop_gradient
from .ops.index import gather, one_hot, scatter_add
from .train import EarlyStopping, Run, Step, accuracy, fit, load, mean_absolute_error, r2_score, steps

__all__ = [
    "EarlyStopping",
    "Run",
    "Step",
    "__version__",
    "accuracy",
    "check_grads",
    "data",
    "elu",
    "erf",
    "errors",
    "fit",
    "gather",
    "gelu",
    "get_threads",
    "grad",
    "hessian",
    "hvp",
    "identity",
    "jit",
    "jvp",
    "leaky_relu",
    "load",
    "log_sigmoid",
    "log_softmax",
    "logsumexp",
    "losses",
    "make_graph",
    "mean_absolute_error",
    "nn",
    "one_hot",
    "optim",
    "profile",
    "r2_score",
    "random",
    "relu",
    "scatter_add",
    "set_threads",
    "show",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "steps",
    "stop_gradient",
    "tanh",
    "tree",
    "value_and_grad",
    "vjp",
]
