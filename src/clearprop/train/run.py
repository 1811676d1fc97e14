"""A Run: what a training has made, and its file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core import tree
from ..core.frozen import frozen
from .data import Samples
from .storage import read_file, write_file

if TYPE_CHECKING:
    from ..explanation.causes.cause import Cause
    from ..explanation.doctor.diagnosis import Diagnosis


@frozen(eq=False)
class Setup:
    """What a training began with; a Run that `fit` has made keeps it in memory, by reference, not in its file.

    Attributes
    ----------
    model : Module or None
        Before training.
    data : Samples
        What it is trained on.
    loss, optimizer, batch_size
        As for `fit`.
    """

    model: Any
    data: Samples
    loss: Any
    optimizer: Any
    batch_size: int


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
        Loss, optimiser, epochs, batch size, rows, which epoch's model was kept.
    stopped : str
        Why it ended: "epochs", "early stopping", "interrupted" or "not finite".
    preprocessing : Module or None
        What turns raw data into the model's inputs.
    cause : Cause or None
        What made the first NaN or infinity, if that has ended the training: print it. It is not saved.
    setup : Setup or None
        What the training began with, of a run that was not read from a file.
    """

    model: Any
    history: dict[str, list[float]] = field(default_factory=dict)
    seed: int = 0
    settings: dict[str, Any] = field(default_factory=dict)
    stopped: str = "epochs"
    preprocessing: Any = None
    cause: Cause | None = None
    setup: Setup | None = field(default=None, repr=False)

    def diagnose(
        self,
        data: Any = None,
        *,
        loss: Any = None,
        optimizer: Any = None,
        batch_size: int | None = None,
    ) -> Diagnosis:
        """Examine the run: what is wrong with the network and its training, the verdict first.

        Parameters
        ----------
        data : (x, y) or (x, y, sample_weight), optional
            What it was trained on. A run that `fit` has just made knows this and the rest; one that was read
            from a file needs them.
        loss, optimizer, batch_size
            As for `fit`. Without an optimizer nothing is tried out, so that some rules are not checked.

        Returns
        -------
        Diagnosis

        Raises
        ------
        SettingError
            If data or loss are not known.

        Examples
        --------
        >>> import numpy as np, clearprop as cp
        >>> x = np.linspace(-1, 1, 64)[:, None]
        >>> model, half = cp.nn.MLP(1, (16,), 1, activation=cp.tanh), cp.losses.half_squared_error
        >>> run = cp.fit(model, (1000 * x + 500, x), loss=half, epochs=2, progress=False)
        >>> run.diagnose().findings[0].verdict
        'inputs are not scaled: column 0 has mean 500 and deviation 586'
        """
        from .diagnose import diagnose_run

        return diagnose_run(self, data, loss, optimizer, batch_size)

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
