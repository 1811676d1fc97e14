"""PyTorch with forward pass, loss and backpropagation compiled by `torch.compile`; it needs a C++ compiler."""

from __future__ import annotations

from typing import Any

import torch
from workloads import Task

from . import torch_eager


class Entry(torch_eager.Entry):
    def __init__(self, task: Task, threads: int) -> None:
        super().__init__(task, threads)
        torch.compiler.reset()
        self.compiled = torch.compile(lambda x, y: self.loss(self.network(x), y))

    def cost(self, x: Any, y: Any) -> Any:
        return self.compiled(x, y)
