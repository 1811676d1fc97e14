"""``clearprop doctor``: examine a trained network on the table that it was trained on."""

from __future__ import annotations

import ast
from typing import Annotated, Any, TypeAlias

import typer
from rich.text import Text

from .. import optim
from ..core.errors import ClearpropError, FileError
from ..data import TableMapping, digits, read_csv
from ..explanation.doctor.diagnosis import Diagnosis
from ..train.run import Run, load
from .choices import LOSSES
from .exits import FAILED, FINE
from .output import Output, width
from .predict import Model

Data: TypeAlias = Annotated[
    str,
    typer.Argument(metavar="TABLE", help="The CSV file, or digits, that the model was trained on."),
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", metavar="", help="Print the diagnosis as JSON.")]

_STYLES = {"SICK": "bold red", "WATCH": "bold yellow", "HEALTHY": "bold green"}


def doctor(model: Model, table: Data, as_json: AsJson = False) -> int:
    """Say what is wrong with a trained network: the verdict first, then evidence, threshold and what to try.

    The exit code is 1 if something is sick. What is only worth watching leaves it at 0.
    """
    out = Output(as_json)
    run = load(model)
    mapping = run.preprocessing
    if not isinstance(mapping, TableMapping):
        raise FileError(f"{model} was not trained on a table; use cp.load and run.diagnose in Python")
    if table == "digits":
        x, y = digits()
    else:
        rows = read_csv(table)
        x, y = mapping.inputs_of(rows), mapping.targets_of(rows)
    loss = LOSSES[mapping.task].get(run.settings.get("loss", ""))
    if loss is None:
        raise FileError(f"{model} was trained with a loss of its own; use cp.load and run.diagnose in Python")
    found = run.diagnose((x, y), loss=loss, optimizer=optimizer_of(run))
    out.document({"model": model, "table": table, **found.as_dict()})
    out.show(_coloured(found))
    return FINE if found.healthy else FAILED


def optimizer_of(run: Run) -> Any:
    """Return the optimiser that a file names, or None: its class and numbers are read, nothing is run.

    >>> optimizer_of(Run(None, settings={"optimizer": "SGD(learning_rate=0.1, momentum=0.9)"})).momentum
    0.9
    """
    try:
        call = ast.parse(run.settings.get("optimizer", ""), mode="eval").body
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)) or call.args:
            return None
        kind = getattr(optim, call.func.id, None) if call.func.id in optim.__all__ else None
        settings = {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
        return None if kind is None else kind(**settings)
    except (SyntaxError, ValueError, TypeError, ClearpropError):
        return None


def _coloured(found: Diagnosis) -> Text:
    text = Text(found.text(width()))
    for word, style in _STYLES.items():
        text.highlight_regex(rf"(?m)^{word}\b", style)
    return text
