"""Backpropagation you can see through, at compiled speed."""

from ._version import __version__
from . import ops  # fills the table of what NumPy's functions do on traced values
from .api import check_grads, grad, hessian, hvp, jvp, make_graph, value_and_grad, vjp
from .core import tree
from .ops import random
from .ops.activations import elu, erf, gelu, identity, leaky_relu, log_sigmoid, relu, sigmoid, silu, softplus, tanh
from .ops.composite import log_softmax, logsumexp, softmax, stop_gradient
from .ops.index import gather, one_hot, scatter_add
