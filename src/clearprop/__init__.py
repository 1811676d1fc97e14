"""Backpropagation you can see through, at compiled speed.

>>> import numpy as np, clearprop as cp
>>> def loss(w, x, y):
...     return np.mean((np.tanh(x @ w) - y) ** 2)
>>> w, x, y = np.zeros((2, 1)), np.array([[1.0, 2.0]]), np.array([[1.0]])
>>> cp.grad(loss)(w, x, y)
array([[-2.],
       [-4.]])
"""

from typing import TYPE_CHECKING

from ._on_demand import on_demand
from ._version import __version__

if TYPE_CHECKING:
    from . import data, losses, nn, optim, random
    from .api import check_grads, grad, hessian, hvp, jit, jvp, make_graph, profile, show, value_and_grad, vjp
    from .compile.threads import get_threads, set_threads
    from .core import errors, tree
    from .explanation.causes.cause import Cause
    from .explanation.causes.first_causes import first_cause
    from .explanation.explain import Explanation, explain
    from .explanation.writing.classroom import worksheet
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
    from .train.diagnose import diagnose
    from .train.fit import fit
    from .train.metrics import accuracy, mean_absolute_error, r2_score
    from .train.run import Run, load
    from .train.steps import Step, steps
    from .train.stopping import EarlyStopping
else:
    __getattr__, __dir__ = on_demand(
        __name__,
        {
            "": "data losses nn optim random",
            "api": "check_grads grad hessian hvp jit jvp make_graph profile show value_and_grad vjp",
            "compile.threads": "get_threads set_threads",
            "core": "errors tree",
            "explanation.causes.cause": "Cause",
            "explanation.causes.first_causes": "first_cause",
            "explanation.writing.classroom": "worksheet",
            "explanation.explain": "Explanation explain",
            "ops.activations": "elu erf gelu identity leaky_relu log_sigmoid relu sigmoid silu softplus tanh",
            "ops.composite": "log_softmax logsumexp softmax stop_gradient",
            "ops.index": "gather one_hot scatter_add",
            "train.diagnose": "diagnose",
            "train.fit": "fit",
            "train.metrics": "accuracy mean_absolute_error r2_score",
            "train.run": "Run load",
            "train.steps": "Step steps",
            "train.stopping": "EarlyStopping",
        },
    )

__all__ = [
    "Cause",
    "EarlyStopping",
    "Explanation",
    "Run",
    "Step",
    "__version__",
    "accuracy",
    "check_grads",
    "data",
    "diagnose",
    "elu",
    "erf",
    "errors",
    "explain",
    "first_cause",
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
    "worksheet",
]
