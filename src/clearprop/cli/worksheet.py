"""``clearprop worksheet``: one training step to be done by hand, with numbers or with blanks and a key."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from .. import losses
from ..core.errors import SettingError
from ..explanation.writing.classroom import worksheet as made
from ..explanation.writing.worksheet import FORMATS, Worksheet
from ..train.storage import write_whole
from . import choices
from .check import Quiet
from .exits import FINE
from .explain import row_explained
from .files import require_writable
from .output import Output

_LOSSES = {
    name: getattr(losses, name) for name in ("half_squared_error", "mean_squared_error", "cross_entropy")
}
_CLASS, _SHEET = "Network", "Sheet"


def _option(panel: str, metavar: str, help: str, *names: str) -> Any:
    return typer.Option(*names, metavar=metavar, help=help, rich_help_panel=panel)


Network: TypeAlias = Annotated[str, _option(_CLASS, "SIZES", "Inputs, neurons of each layer, outputs.")]
Activation: TypeAlias = Annotated[
    str | None,
    _option(_CLASS, "NAME", "sigmoid, tanh, relu, ...; by default sigmoid, and relu with --exact."),
]
Loss: TypeAlias = Annotated[str, _option(_CLASS, "NAME", f"{choices.one_of(_LOSSES)}.")]
Rate: TypeAlias = Annotated[float, _option(_CLASS, "RATE", "Learning rate.")]
Seed: TypeAlias = Annotated[int, _option(_CLASS, "N", "Another seed gives other numbers.")]
Exact: TypeAlias = Annotated[bool, _option(_CLASS, "", "Integers, halves and fractions.", "--exact")]
Model: TypeAlias = Annotated[
    str | None, _option(_CLASS, "FILE", "A model file, in place of a network with round numbers.")
]
Table: TypeAlias = Annotated[str | None, _option(_CLASS, "FILE", "The table with the model's row.")]
Row: TypeAlias = Annotated[int, _option(_CLASS, "N", "Which row of that table, counted from 1.")]

Blanks: TypeAlias = Annotated[bool, _option(_SHEET, "", "Leave room for the numbers.", "--blanks")]
Key: TypeAlias = Annotated[
    bool, _option(_SHEET, "", "With --blanks: add the sheet with all numbers.", "--key")
]
Digits: TypeAlias = Annotated[int, _option(_SHEET, "N", "Significant digits.")]
Format: TypeAlias = Annotated[str, _option(_SHEET, "NAME", f"{choices.one_of(FORMATS)}.")]
File: TypeAlias = Annotated[
    Path | None, _option(_SHEET, "FILE", "Write to this file, not to the screen.", "--output")
]


def worksheet(
    network: Network = "2-2-2",
    activation: Activation = None,
    loss: Loss = "half_squared_error",
    rate: Rate = 0.5,
    seed: Seed = 0,
    exact: Exact = False,
    model: Model = None,
    table: Table = None,
    row: Row = 1,
    blanks: Blanks = False,
    key: Key = False,
    digits: Digits = 4,
    format: Format = "text",
    output: File = None,
    quiet: Quiet = False,
) -> int:
    """Print one training step of a small network for a class to do by hand.

    Forward pass, loss, backward pass and update, neuron by neuron, with the numbers filled in; or with blanks, and a
    key to check them. --exact gives fractions, which come out even.
    """
    chosen = choices.named("--format", format, {name: name for name in FORMATS})
    if output is not None:
        require_writable(output, *(given for given in (model, table) if given))
    if not rate > 0:
        raise SettingError(f"--rate {rate:g}: must be a number above 0, such as 0.5")
    choices.at_least("--digits", digits, 1)
    if model is None:
        if table is not None:
            raise SettingError("--table goes with --model, whose row it holds")
        function = (
            None if activation is None else choices.named("--activation", activation, choices.ACTIVATIONS)
        )
        sheet = made(
            network,
            activation=function,
            loss=choices.named("--loss", loss, _LOSSES),
            rate=rate,
            seed=choices.at_least("--seed", seed, 0),
            exact=exact,
            digits=digits,
        )
    else:
        sheet = _of_model(model, table, row, exact, rate, digits)
    text = sheet.write(chosen, blanks=blanks, key=key or not blanks)
    if output is None:
        sys.stdout.write(text)
    else:
        write_whole(output, text.encode())
        Output(quiet=quiet).note(f"the worksheet is in {output}")
    return FINE


def _of_model(model: str, table: str | None, row: int, exact: bool, rate: float, digits: int) -> Worksheet:
    if table is None:
        raise SettingError(f"--model {model} needs --table, with the row to be worked through")
    if exact:
        raise SettingError("--exact goes with a network of round numbers, not with --model")
    return row_explained(model, table, row)[1].worksheet(rate, digits=digits)
