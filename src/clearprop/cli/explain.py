"""``clearprop explain``: every number of the forward and the backward pass of one row of a table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

import typer
from rich.text import Text

from ..core.errors import DataError, SettingError
from ..data import read_csv
from ..explanation.explain import Explanation
from ..explanation.explain import explain as explained
from ..optim import Optimizer
from ..train.run import Run
from . import choices
from .check import AsJson, Quiet
from .exits import FINE
from .output import Output
from .predict import Data, Model
from .trained import load_trained, loss_of, optimizer_of

_INSTEAD = "cp.load and cp.explain"

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
    each path of the chain rule from that weight to the loss, that they add up to the gradient, and what the optimiser
    would make of it.
    """
    out = Output(as_json, quiet)
    for option, value in {"--paths": paths, "--digits": digits, "--most": most}.items():
        choices.at_least(option, value, 1)
    run, e, line = row_explained(model, table, row)
    shown: list[str] = []
    if weight is not None:
        name, index = element(weight)
        shown.append(str(e.paths(name, index, k=paths)))
        optimizer = optimizer_of(run)
        if name in e.record.parameters and isinstance(optimizer, Optimizer):
            shown.append(
                f"The first step that this row alone would make it take:\n{e.update(optimizer, name, index)}"
            )
    out.document(
        {
            "model": model,
            "table": table,
            "row": row,
            "line": line,
            "loss": e.loss,
            "prediction": e.prediction.value,
            "layers": [_facts(layer) for layer in e.layers],
            "weight": None if weight is None else {"name": weight, "text": "\n\n".join(shown)},
        }
    )
    title = Text(f"{table}, row {row} (line {line}), {model}", "bold")
    out.show(title, Text(str(e.formulas(digits=digits))) if formulas else e.table(digits=digits, most=most))
    for text in shown:
        out.show(Text(f"\n{text}"))
    return FINE


def row_explained(model: str, table: str, row: int) -> tuple[Run, Explanation, int]:
    """Return the run in a model file, the explanation of one row of a table by it, and the row's line.

    Raises
    ------
    FileError, DataError, SettingError
        If a file cannot be read, the model was not trained on a table, or there is no such row.
    """
    run, mapping = load_trained(model, _INSTEAD)
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
    return run, explained(run.model, loss_of(run, mapping, _INSTEAD), x, y), rows.lines[row - 1]


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
