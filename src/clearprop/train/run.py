"""A Run: what a training has made, and its file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core import tree
from .storage import read_file, write_file

if TYPE_CHECKING:
    from ..explanation.cause import Cause


@dataclass(frozen=True, eq=False)
class Run:
    """What a training has made.

    Attributes
    ----------
    model : Module
        The trained model; of the best epoch if early stopping looked for it.
    history : dict of str to list of float
        A column for each figure, an entry for each epoch: epoch, loss, metrics, rate, seconds, and with
        validation data val_loss and the metrics with ``val_`` before their names.
    seed : int
    settings : dict
        Loss, optimiser, epochs, batch size, rows.
    stopped : str
        Why it ended: "epochs", "early stopping", "interrupted" or "not finite".
    preprocessing : Module or None
        What turns raw data into the model's inputs.
    cause : Cause or None
        What made the first NaN or infinity, if that has ended the training: print it. It is not saved.
    """

    model: Any
    history: dict[str, list[float]] = field(default_factory=dict)
    seed: int = 0
    settings: dict[str, Any] = field(default_factory=dict)
    stopped: str = "epochs"
    preprocessing: Any = None
    cause: Cause | None = None

    def save(self, path: str | Path) -> None:
        """Write the run to one safetensors file; what was there stays until the new file is complete.

        Raises
        ------
        FileError
            If the folder does not exist or cannot be written to.

        Examples
        --------
        >>> import tempfile, clearprop as cp
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Run(cp.nn.Dense(2, 1)).save(folder + "/model.safetensors")
        ...     cp.load(folder + "/model.safetensors").model
        Dense(weight=f32[2,1], bias=f32[1], activation=identity)
        """
        about = {
            "history": self.history,
            "seed": self.seed,
            "settings": self.settings,
            "stopped": self.stopped,
        }
        write_file(Path(path), {"model": self.model, "preprocessing": self.preprocessing}, about)

    def __repr__(self) -> str:
        last = {name: column[-1] for name, column in self.history.items() if column and name != "seconds"}
        figures = ", ".join(f"{name} {value:.4g}" for name, value in last.items())
        return f"<Run of {type(self.model).__name__}: {figures or 'not trained'}; stopped by {self.stopped}>"


def load(path: str | Path, model: Any = None) -> Run:
    """Read a run from its file. No code in the file is run, ever.

    Parameters
    ----------
    path : str or Path
    model : Module, optional
        A model of the same structure, to put the arrays into: needed where the file's model uses classes or
        functions that are not clearprop's.

    Raises
    ------
    FileError
        If there is no such file, or it is truncated, not clearprop's, or of a newer version.
    """
    parts, about = read_file(Path(path), {} if model is None else {"model": tree.structure(model)})
    return Run(
        parts["model"],
        about["history"],
        about["seed"],
        about["settings"],
        about["stopped"],
        parts["preprocessing"],
    )
