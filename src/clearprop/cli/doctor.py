"""``clearprop doctor``: examine a trained network on the table that it was trained on."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer
from rich.text import Text

from ..data import digits, read_csv
from ..explanation.doctor.diagnosis import Diagnosis
from .exits import FAILED, FINE
from .output import Output, width
from .predict import Model
from .trained import load_trained, loss_of, optimizer_of

Data: TypeAlias = Annotated[
    str,
    typer.Argument(metavar="TABLE", help="The CSV file, or digits, that the model was trained on."),
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", metavar="", help="Print the diagnosis as JSON.")]

_INSTEAD = "cp.load and run.diagnose"
_STYLES = {"SICK": "bold red", "WATCH": "bold yellow", "HEALTHY": "bold green"}


def doctor(model: Model, table: Data, as_json: AsJson = False) -> int:
    """Say what is wrong with a trained network: the verdict first, then evidence, threshold and what to try.

    The exit code is 1 if something is sick. What is only worth watching leaves it at 0.
    """
    out = Output(as_json)
    run, mapping = load_trained(model, _INSTEAD)
    if table == "digits":
        x, y = digits()
    else:
        rows = read_csv(table)
        x, y = mapping.inputs_of(rows), mapping.targets_of(rows)
    loss = loss_of(run, mapping, _INSTEAD)
    found = run.diagnose((x, y), loss=loss, optimizer=optimizer_of(run))
    out.document({"model": model, "table": table, **found.as_dict()})
    out.show(_coloured(found))
    return FINE if found.healthy else FAILED


def _coloured(found: Diagnosis) -> Text:
    text = Text(found.text(width()))
    for word, style in _STYLES.items():
        text.highlight_regex(rf"(?m)^{word}\b", style)
    return text
