"""Who takes part: each module here trains the same networks with one library, in the way that is fastest there.

A module defines ``Entry``, a Contestant.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from workloads import Array, Task, Workload

OURS = ("clearprop", "interpreter")
PEERS = ("jax_scan", "jax_step", "torch_eager", "scikit_learn")
ON_REQUEST = ("torch_compile", "prototype")
RIVALS = {*PEERS, "torch_compile"}
"""Those whose fastest is what clearprop is measured against."""


class Contestant(ABC):
    """A network being trained, and its data."""

    packages: ClassVar[tuple[str, ...]] = ()
    """The distributions whose versions matter."""

    @staticmethod
    def refusal(workload: Workload) -> str:
        """Say why this library cannot train it; "" if it can."""
        return ""

    @abstractmethod
    def __init__(self, task: Task, threads: int) -> None:
        """Take the data and the initial weights over."""

    @abstractmethod
    def run(self, order: Array) -> Any:
        """Do a step for each row of int32[steps, batch]; when this returns, all of it is computed."""

    def losses(self, recorded: Any) -> Array:
        """Return each step's loss, or their mean alone, from what `run` has returned."""
        return np.atleast_1d(np.asarray(recorded, np.float64))
