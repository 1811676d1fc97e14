"""``clearprop explain``: every number of the forward and the backward pass of one row of a table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

import typer
from rich.text import Text

from ..core.errors import DataError, FileError, SettingError
from ..data import TableMapping, read_csv
from ..explanation.explain import Explanation
from ..explanation.explain import explain as explained
from ..train.run import Run, load
from . import choices
from .check import AsJson, Quiet
from .exits import FINE
from .output import Output
from .predict import Data, Model

Row: TypeAlias = Annotated[
    int, typer.Option(metavar="N", help="Which row of the table, counted from 1 below the header.")
]
Weight: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="NAME[I,J]", help='Also show the paths of one weight, as in "layers.0.weight[3,4]".'
    ),
]
Paths: TypeAlias = Annotated[int, typer.Option(metavar="N", help="The largest N paths of that weight.")]
Digits: TypeAlias = Annotated[int, typer.Option(metavar="N", help="Significant digits.")]
Most: TypeAlias = Annotated[int, typer.Option(metavar="N", help="Show at most N neurons of a layer.")]
Formulas: TypeAlias = Annotated[
    bool, typer.Option("--formulas", metavar="", help="Show the formulas with their numbers, not the tables.")
]


def explain(
    model: Model,
    table: Data,
    row: Row = 1,
    weight: Weight = None,
    paths: Paths = 10,
    formulas: Formulas = False,
    digits: Digits = 6,
    most: Most = 5,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> int:
    """Show every number of backpropagation for one row of a table.

    Layer by layer: what comes in, weighted sums, activations, their errors, weights and gradients. With --weight,
    each path of the chain rule from that weight to the loss, and that they add up to the gradient.
    """
    out = Output(as_json, quiet)
    for option, value in {"--paths": paths, "--digits": digits, "--most": most}.items():
        choices.at_least(option, value, 1)
    e, line = row_explained(model, table, row)
    ledger = None if weight is None else e.paths(*element(weight), k=paths)
    out.document(
        {
            "model": model,
            "table": table,
            "row": row,
            "line": line,
            "loss": e.loss,
            "prediction": e.prediction.value,
            "layers": [_facts(layer) for layer in e.layers],
            "weight": None if ledger is None else {"name": weight, "text": str(ledger)},
        }
    )
    title = Text(f"{table}, row {row} (line {line}), {model}", "bold")
    out.show(title, Text(str(e.formulas(digits=digits))) if formulas else e.table(digits=digits, most=most))
    if ledger is not None:
        out.show(Text(f"\n{ledger}"))
    return FINE


def row_explained(model: str, table: str, row: int) -> tuple[Explanation, int]:
    """Return the explanation of one row of a table by a model file, and the row's line.

    Raises
    ------
    FileError, DataError, SettingError
        If a file cannot be read, the model was not trained on a table, or there is no such row.
    """
    run = load(model)
    mapping = run.preprocessing
    if not isinstance(mapping, TableMapping):
        raise FileError(
            f"{model} was not trained on a table and knows no columns; use cp.load and cp.explain in Python"
        )
    rows = read_csv(table)
    if not 1 <= row <= len(rows):
        raise SettingError(f"--row {row}: {table} has {len(rows):,} rows, numbered from 1")
    if mapping.target not in rows.columns:
        raise DataError(
            f"{table} has no column {mapping.target!r}: without the right answer there is no loss, and no error to "
            f"carry back"
        )
    chosen = rows.take([row - 1])
    x, y = mapping.inputs_of(chosen), mapping.targets_of(chosen)
    return explained(run.model, _loss(run, mapping), x, y), rows.lines[row - 1]


def _loss(run: Run, mapping: TableMapping) -> Any:
    known, name = choices.LOSSES[mapping.task], run.settings.get("loss", "")
    if name not in known:
        raise FileError(
            f"the model was trained with the loss {name!r}, which is not one of {choices.one_of(known)}; use "
            f"cp.explain in Python"
        )
    return known[name]


def element(text: str) -> tuple[str, tuple[int, ...]]:
    """Return the name and the index of an element.

    Raises
    ------
    SettingError
        If the text is none.

    Examples
    --------
    >>> element("layers.0.weight[3, 4]")
    ('layers.0.weight', (3, 4))
    """
    match = re.fullmatch(r"\s*([\w.]+)\s*\[\s*(-?\d+(?:\s*,\s*-?\d+)*)\s*\]\s*", text)
    if match is None:
        raise SettingError(f'--weight {text!r}: must name one element, such as "layers.0.weight[3,4]"')
    return match[1], tuple(int(part) for part in match[2].split(","))


def _facts(layer: Any) -> Mapping[str, Any]:
    own = {key: getattr(layer, key).value for key in ("inputs", "z", "a", "delta", "da")}
    own |= {name: q.value for name, q in layer.parameters.items()}
    own |= {f"d{name}": q.value for name, q in layer.gradients.items()}
    return {"name": layer.name, "kind": layer.kind, **own}
