"""The options of ``clearprop train`` as its help shows them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from ..data.preprocessing import TASKS
from .choices import ACTIVATIONS, LOSSES, OPTIMIZERS, one_of

HIDDEN_FOR_DIGITS, HIDDEN_FOR_TABLES = "256,128", "64,32"

_DATA, _NETWORK, _TRAINING, _OUTPUT = "What to learn", "Network", "Training", "Output"
_LOSSES = "; ".join(f"for {task}: {one_of(losses)}" for task, losses in LOSSES.items())


def _option(panel: str, metavar: str, help: str, *names: str) -> Any:
    return typer.Option(*names, metavar=metavar, help=help, rich_help_panel=panel)


Data: TypeAlias = Annotated[
    str,
    typer.Argument(metavar="DATA", help="digits (1,797 handwritten digits), or a CSV file with a header."),
]
Target: TypeAlias = Annotated[str | None, _option(_DATA, "COLUMN", "The column to learn.")]
Task: TypeAlias = Annotated[str, _option(_DATA, "TASK", f"{one_of(TASKS)}, or auto: decided by the target.")]
Ignore: TypeAlias = Annotated[str | None, _option(_DATA, "COLUMNS", "Columns to leave out, such as id,name.")]
SkipIncomplete: TypeAlias = Annotated[
    bool, _option(_DATA, "", "Leave out rows that lack a value.", "--skip-incomplete")
]
AllowCopies: TypeAlias = Annotated[
    bool, _option(_DATA, "", "Keep columns that are the target under another name.", "--allow-copies")
]
ValidationFraction: TypeAlias = Annotated[
    float, _option(_DATA, "SHARE", "Rows set aside to see when to stop; 0 for none.")
]
TestFraction: TypeAlias = Annotated[
    float, _option(_DATA, "SHARE", "Rows set aside to test the result; 0 for none.")
]

Hidden: TypeAlias = Annotated[
    str | None,
    _option(
        _NETWORK,
        "SIZES",
        f"Neurons in each hidden layer, or none. By default {HIDDEN_FOR_TABLES}, and {HIDDEN_FOR_DIGITS} for digits.",
    ),
]
Activation: TypeAlias = Annotated[str, _option(_NETWORK, "NAME", f"{one_of(ACTIVATIONS)}.")]

Loss: TypeAlias = Annotated[str | None, _option(_TRAINING, "NAME", f"{_LOSSES}. By default the first.")]
Optimizer: TypeAlias = Annotated[str, _option(_TRAINING, "NAME", f"{one_of(OPTIMIZERS)}.")]
Rate: TypeAlias = Annotated[
    float | None,
    _option(_TRAINING, "RATE", "Learning rate. By default the optimizer's own: 0.001 for adam."),
]
BatchSize: TypeAlias = Annotated[int, _option(_TRAINING, "N", "Rows in a mini-batch.")]
Epochs: TypeAlias = Annotated[int, _option(_TRAINING, "N", "Passes through the rows, at most.")]
Patience: TypeAlias = Annotated[
    int, _option(_TRAINING, "N", "Stop after N epochs without a better validation loss; 0 for never.")
]
Seed: TypeAlias = Annotated[int, _option(_TRAINING, "N", "The same seed gives the same result.")]

ModelFile: TypeAlias = Annotated[
    Path | None,
    _option(
        _OUTPUT,
        "FILE",
        "The model file, by default DATA.safetensors in this folder. The history goes beside it.",
    ),
]
AsJson: TypeAlias = Annotated[bool, _option(_OUTPUT, "", "Print the results as JSON.", "--json")]
Quiet: TypeAlias = Annotated[bool, _option(_OUTPUT, "", "Print errors only.", "--quiet")]
