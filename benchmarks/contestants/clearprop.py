"""clearprop: all steps of a call in native code, as `fit` runs them."""

from __future__ import annotations

from typing import ClassVar

from workloads import BETA1, BETA2, EPS, MOMENTUM, Array, Task, Workload

import clearprop as cp
from clearprop.core.types import Array as Traceable
from clearprop.train.data import samples
from clearprop.train.stepper import Native, Stepper

from . import Contestant

ACTIVATIONS = {f.__name__: f for f in (cp.relu, cp.sigmoid, cp.tanh, cp.gelu, cp.identity)}


def hinge(prediction: Traceable, target: Traceable) -> Traceable:
    """Return the multi-class hinge loss as a mean over the classes too."""
    return cp.losses.hinge(prediction, target, kind="weston-watkins") / prediction.shape[-1]


LOSSES = {
    "cross_entropy": cp.losses.cross_entropy,
    "mean_squared": cp.losses.mean_squared_error,
    "half_squared": cp.losses.half_squared_error,
    "hinge": hinge,
}


def optimizer(w: Workload) -> cp.optim.Optimizer:
    if w.optimizer == "adam":
        return cp.optim.Adam(w.rate, beta1=BETA1, beta2=BETA2, eps=EPS)
    return cp.optim.SGD(w.rate, momentum=MOMENTUM if w.optimizer == "momentum" else 0.0)


def network(task: Task) -> cp.nn.MLP:
    w = task.workload
    return cp.nn.MLP(
        w.sizes[0],
        w.sizes[1:-1],
        w.sizes[-1],
        ACTIVATIONS[w.activation],
        ACTIVATIONS[w.output],
        weight=task.weights,
        bias=task.biases,
    )


class Entry(Contestant):
    packages = ("clearprop", "llvmlite", "numpy")
    stepper: ClassVar[type[Stepper]] = Native

    def __init__(self, task: Task, threads: int) -> None:
        cp.set_threads(threads)
        data = samples((task.x, task.y))
        loss = data.weighted(LOSSES[task.workload.loss])
        key = cp.random.key(0)
        self.steps = self.stepper(network(task), data, loss, optimizer(task.workload), key, False)
        self.batch = task.workload.batch

    def run(self, order: Array) -> Array:
        return self.steps.run(order.reshape(-1), self.batch)[0]
