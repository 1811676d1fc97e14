"""clearprop as a peer of the harness that measures training steps: the epochs of a run in one native call."""

import llvmlite
import numpy as np

import clearprop as cp
from clearprop.train.data import samples
from clearprop.train.stepper import Native

SUPPORTS = {"W1", "W2", "W3", "W4", "W5", "W9", "W10", "W12"}
ACTIVATIONS = {
    "relu": cp.relu,
    "sigmoid": cp.sigmoid,
    "tanh": cp.tanh,
    "gelu": cp.gelu,
    "linear": cp.identity,
}
LOSSES = {
    "softmax_ce": cp.losses.cross_entropy,
    "mse": cp.losses.mean_squared_error,
    "quadratic": cp.losses.half_squared_error,
}


def versions():
    return {"clearprop": cp.__version__, "llvmlite": llvmlite.__version__, "numpy": np.__version__}


def optimizer(w):
    if w.opt == "sgd":
        return cp.optim.SGD(w.lr)
    return cp.optim.Adam(w.lr, beta1=w.beta1, beta2=w.beta2, eps=w.eps)


class Runner:
    def __init__(self, w, threads):
        if hasattr(cp, "set_threads"):
            cp.set_threads(threads)
        arrays = dict(w.params)
        layers = len(w.sizes) - 1
        weights = [a for n, a in w.params if n.lower().startswith("w")]
        biases = [a for n, a in w.params if n.lower().startswith("b")]
        assert len(weights) == len(biases) == layers == len(arrays) // 2
        model = cp.nn.MLP(
            w.sizes[0],
            w.sizes[1:-1],
            w.sizes[-1],
            ACTIVATIONS[w.act],
            ACTIVATIONS[w.out_act],
            weight=weights,
            bias=biases,
        )
        data, self.batch = samples((w.X, w.Y)), w.batch
        loss = data.weighted(LOSSES[w.loss])
        self.stepper = Native(model, data, loss, optimizer(w), cp.random.key(0), False)

    def run(self, perms):
        losses, _ = self.stepper.run(perms.reshape(-1), self.batch)
        return [float(x) for x in losses.reshape(len(perms), -1).mean(axis=1)]

    def params(self):
        return cp.tree.leaves(self.stepper.model())


def build(w, threads):
    return Runner(w, threads)
