"""scikit-learn's MLPClassifier and MLPRegressor: `partial_fit` of many mini-batches in one call."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.neural_network import MLPClassifier, MLPRegressor
from workloads import BETA1, BETA2, EPS, MOMENTUM, Array, Task, Workload

from . import Contestant

ACTIVATIONS = {"relu": "relu", "sigmoid": "logistic", "tanh": "tanh"}
NEVER = 10**9

warnings.filterwarnings("ignore", module="sklearn")


class Entry(Contestant):
    packages = ("scikit-learn", "numpy")

    @staticmethod
    def refusal(workload: Workload) -> str:
        if workload.activation not in ACTIVATIONS and len(workload.sizes) > 2:
            return f"no {workload.activation}"
        if workload.loss not in ("cross_entropy", "mean_squared") or workload.output != "identity":
            return f"no {workload.loss} of {workload.output} outputs"
        if workload.loss == "cross_entropy" and workload.sizes[-1] < 3:
            return "one output for two classes"
        return ""

    def __init__(self, task: Task, threads: int) -> None:
        w = task.workload
        regression = w.loss == "mean_squared"
        # its loss of numbers is half the mean of squares, and its gradient that of half their sum over outputs
        self.scale = 2.0 if regression else 1.0
        matched = 2.0 / w.sizes[-1] if regression and w.optimizer != "adam" else 1.0
        self.model = (MLPRegressor if regression else MLPClassifier)(
            hidden_layer_sizes=w.sizes[1:-1],
            activation=ACTIVATIONS.get(w.activation, "relu"),
            solver="adam" if w.optimizer == "adam" else "sgd",
            alpha=0.0,
            batch_size=w.batch,
            learning_rate_init=w.rate * matched,
            momentum=MOMENTUM if w.optimizer == "momentum" else 0.0,
            nesterovs_momentum=False,
            beta_1=BETA1,
            beta_2=BETA2,
            epsilon=EPS,
            shuffle=False,
            n_iter_no_change=NEVER,
        )
        self.x, self.y = task.x, task.y.ravel() if task.y.shape[1:] == (1,) else task.y
        self._begin(task)

    def _begin(self, task: Task) -> None:
        """Have it make its arrays, and put our numbers there; its optimiser forgets that step."""
        m, few = self.model, task.order[0]
        classes = (
            {} if task.workload.loss == "mean_squared" else {"classes": np.arange(task.workload.sizes[-1])}
        )
        m.partial_fit(self.x[few], self.y[few], **classes)
        for its, ours in zip([*m.coefs_, *m.intercepts_], [*task.weights, *task.biases], strict=True):
            its[...] = ours
        del m._optimizer

    def run(self, order: Array) -> Any:
        rows = order.reshape(-1)
        self.model.partial_fit(self.x[rows], self.y[rows])
        return self.model.loss_ * self.scale
