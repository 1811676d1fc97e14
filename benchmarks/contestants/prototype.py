"""An emitter of whole epochs for dense networks alone, to be beaten; PROTOTYPE is the path of its file."""

from __future__ import annotations

import importlib.util
import os
from typing import Any

from workloads import BETA1, BETA2, EPS, Array, Task, Workload

from . import Contestant

PATH = os.environ.get("PROTOTYPE", "")
_spec = importlib.util.spec_from_file_location("prototype_emitter", PATH) if PATH else None
if _spec is None or _spec.loader is None:
    raise ImportError("PROTOTYPE names no Python file")
emitter: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(emitter)


class Entry(Contestant):
    packages = ("llvmlite",)

    @staticmethod
    def refusal(workload: Workload) -> str:
        known = workload.activation in ("relu", "sigmoid") or len(workload.sizes) == 2
        if known and workload.loss == "cross_entropy" and workload.optimizer in ("sgd", "adam"):
            return ""
        return "relu or sigmoid, cross-entropy, SGD or Adam only"

    def __init__(self, task: Task, threads: int) -> None:
        w = task.workload
        activation = w.activation if w.activation in ("relu", "sigmoid") else "relu"
        sizes, rules = list(w.sizes), {"b1": BETA1, "b2": BETA2, "eps": EPS}
        self.network = emitter.MLP(sizes, w.batch, activation, w.optimizer, w.rate, threads, **rules).build()
        for layer, (weight, bias) in enumerate(zip(task.weights, task.biases, strict=True)):
            self.network.set(layer, weight, bias)
        self.x, self.y = task.x, task.y

    def run(self, order: Array) -> float:
        return float(self.network.run(self.x, self.y, order.reshape(-1), len(order)))
