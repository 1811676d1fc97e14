"""Train once and end: what start.py starts, with no import that training does not need.

python benchmarks/once.py NAME FOLDER THREADS EPOCHS
"""

import importlib
import sys
from pathlib import Path

from workloads import Array, Task, load


def fit(task: Task, threads: int, epochs: int) -> Array:
    """Train with clearprop as users do."""
    from contestants import clearprop
    from contestants.clearprop import cp

    cp.set_threads(threads)
    run = cp.fit(
        clearprop.network(task),
        (task.x, task.y),
        loss=clearprop.LOSSES[task.workload.loss],
        optimizer=clearprop.optimizer(task.workload),
        epochs=epochs,
        batch_size=task.workload.batch,
        progress=False,
    )
    return run.history["loss"][-1]


def train(name: str, folder: str, threads: int, epochs: int) -> float:
    """Return the loss of the last epoch, or the mean of all from who gives no other."""
    task = load(Path(folder))
    if name == "fit":
        return float(fit(task, threads, epochs))
    entry = importlib.import_module(f"contestants.{name}").Entry(task, threads)
    losses = entry.losses(entry.run(task.order))
    return float(losses[-len(task.order) // epochs :].mean())


if __name__ == "__main__":
    print(train(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])), flush=True)
