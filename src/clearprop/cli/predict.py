"""``clearprop predict``: apply a model to the rows of a table."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import numpy as np
import typer

from ..core.errors import DataError
from ..data import Table, TableMapping, read_csv
from ..data.table import listed
from ..train.evaluation import predict as outputs_of
from ..train.run import Run
from ..train.storage import write_whole
from .exits import FINE
from .files import csv_text, require_writable
from .output import Output
from .results import Scores, scores, words
from .trained import load_trained

Model: TypeAlias = Annotated[
    str, typer.Argument(metavar="MODEL", help="A model file that clearprop train has written.")
]
Data: TypeAlias = Annotated[
    str, typer.Argument(metavar="TABLE", help="A CSV file with the columns that the model was trained on.")
]
File: TypeAlias = Annotated[
    Path | None,
    typer.Option("--output", metavar="FILE", help="Write the predictions to this file, not to the screen."),
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", metavar="", help="Print the predictions as JSON.")]
Quiet: TypeAlias = Annotated[bool, typer.Option("--quiet", metavar="", help="Print no notes and no score.")]


def predict(
    model: Model, table: Data, output: File = None, as_json: AsJson = False, quiet: Quiet = False
) -> int:
    """Predict the target for each row of a table, as CSV.

    Columns are found by name, in any order, and those that the model does not know are left aside. If the
    target is among them, the predictions are scored.
    """
    out = Output(as_json, quiet)
    if output is not None:
        require_writable(output, model, table)
    run, mapping = load_trained(model, "cp.load")
    rows = read_csv(table)
    outputs = _outputs(run, mapping, rows)
    extra = [c for c in rows.columns if c not in (*mapping.columns, mapping.target)]
    if extra:
        out.note(f"{rows.name}: the model does not know {listed(extra, most=5)}; left aside")
    score = _score(out, mapping, outputs, rows)
    predictions = [_plain(value) for value in mapping.predictions(outputs)]
    probabilities = _probabilities(run, mapping, outputs)
    text = csv_text(*_lines(mapping, predictions, probabilities))
    if output is not None:
        write_whole(output, text.encode())
        out.note(f"{len(rows):,} predictions written to {output}")
    elif not as_json:
        sys.stdout.write(text)
    out.document(
        {
            "model": model,
            "table": table,
            "task": mapping.task,
            "target": mapping.target,
            "rows": len(rows),
            "score": score,
            "output": None if output is None else str(output),
            "predictions": predictions,
            "probabilities": [dict(zip(mapping.classes, row, strict=True)) for row in probabilities],
        }
    )
    return FINE


def _outputs(run: Run, mapping: TableMapping, rows: Table) -> Any:
    with np.errstate(all="ignore"):
        outputs = outputs_of(run.model, mapping.inputs_of(rows))
        numbers = outputs if mapping.output is None else mapping.output.inverse(outputs).astype(np.float32)
    wrong = np.flatnonzero(~np.isfinite(numbers).all(axis=1))
    if len(wrong):
        raise DataError(
            f"{rows.name}, line {rows.lines[wrong[0]]}: its numbers are so far from those of the training that the "
            f"prediction is no finite number"
        )
    return outputs


def _score(out: Output, mapping: TableMapping, outputs: Any, rows: Table) -> Scores | None:
    """Return how good the predictions are, if the table holds what is to be predicted."""
    if mapping.target not in rows.columns:
        return None
    try:
        found = scores(mapping, None, outputs, mapping.targets_of(rows))
    except DataError as error:
        out.note(f"not scored: {error}")
        return None
    out.note(words(found))
    return found


def _probabilities(run: Run, mapping: TableMapping, outputs: Any) -> list[list[float]]:
    """Return the probability of each class for each row, if that is what the network was trained to give."""
    if run.settings.get("loss") != "cross_entropy":
        return []
    return [[_plain(p) for p in row] for row in mapping.probabilities(outputs)]


def _plain(value: Any) -> Any:
    """Return a number with the digits that single precision has, and no more; text as it is."""
    return value if isinstance(value, str) else float(str(np.float32(value)))


def _lines(
    mapping: TableMapping, predictions: list[Any], probabilities: list[list[float]]
) -> tuple[list[str], list[list[Any]]]:
    """Return the header and the lines of the CSV."""
    header = ["prediction", *(f"probability_{name}" for name in mapping.classes if probabilities)]
    rest = probabilities or [[] for _ in predictions]
    return header, [[value, *row] for value, row in zip(predictions, rest, strict=True)]
