"""PyTorch as it is mostly written: modules, autograd, the fused optimisers, a loop in Python."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch.nn import functional as F  # its usual name
from workloads import BETA1, BETA2, EPS, MOMENTUM, Array, Task, Workload

from . import Contestant

ACTIVATIONS = {
    "relu": torch.nn.ReLU,
    "sigmoid": torch.nn.Sigmoid,
    "tanh": torch.nn.Tanh,
    "gelu": torch.nn.GELU,
    "identity": torch.nn.Identity,
}
LOSSES: dict[str, Callable[[Any, Any], Any]] = {
    "cross_entropy": F.cross_entropy,
    "mean_squared": F.mse_loss,
    "half_squared": lambda a, y: F.mse_loss(a, y, reduction="sum") / (2 * len(a)),
    "hinge": F.multi_margin_loss,
}


def network(task: Task) -> torch.nn.Sequential:
    w, parts = task.workload, []
    kinds = [w.activation] * (len(w.sizes) - 2) + [w.output]
    for (n_in, n_out), kind, weight, bias in zip(
        pairwise(w.sizes), kinds, task.weights, task.biases, strict=True
    ):
        layer = torch.nn.Linear(n_in, n_out)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(weight).T)
            layer.bias.copy_(torch.from_numpy(bias))
        parts += [layer] if kind == "identity" else [layer, ACTIVATIONS[kind]()]
    return torch.nn.Sequential(*parts)


def optimizer(w: Workload, parameters: Any) -> torch.optim.Optimizer:
    if w.optimizer == "adam":
        return torch.optim.Adam(parameters, w.rate, (BETA1, BETA2), EPS, fused=True)
    momentum = MOMENTUM if w.optimizer == "momentum" else 0.0
    return torch.optim.SGD(parameters, w.rate, momentum, fused=True)


class Entry(Contestant):
    packages = ("torch",)

    def __init__(self, task: Task, threads: int) -> None:
        torch.set_num_threads(threads)
        self.network, self.loss = network(task), LOSSES[task.workload.loss]
        self.optimizer = optimizer(task.workload, self.network.parameters())
        self.x, y = torch.from_numpy(task.x), torch.from_numpy(task.y)
        self.y = y.long() if task.workload.labelled else y

    def cost(self, x: Any, y: Any) -> Any:
        return self.loss(self.network(x), y)

    def run(self, order: Array) -> Any:
        losses = []
        for rows in torch.from_numpy(order).unbind():
            self.optimizer.zero_grad()
            loss = self.cost(self.x.index_select(0, rows), self.y.index_select(0, rows))
            loss.backward()
            self.optimizer.step()
            losses.append(loss.detach())
        return losses
